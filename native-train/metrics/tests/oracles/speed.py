"""COCO AP of 5,000 pictures with 100 boxes each by pycocotools: python speed.py FOLDER

Writes found.json and truth.json there; then
cargo run --release -p refvlm-metrics --example speed -- FOLDER/found.json FOLDER/truth.json
"""
import json, random, resource, sys, time
from pathlib import Path
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

folder, rng = Path(sys.argv[1]), random.Random(0)
images = [{"id": i, "width": 640, "height": 480} for i in range(5000)]
truths, found = [], []
for image in images:
    boxes = [[rng.randint(0, 500), rng.randint(0, 400), rng.randint(5, 140), rng.randint(5, 80)] for _ in range(7)]
    for box in boxes:
        truths.append({"id": len(truths) + 1, "image_id": image["id"], "category_id": rng.randint(1, 80), "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    for n in range(100):
        t = truths[-1 - n % 7]
        box = [round(v + rng.gauss(0, 6), 2) for v in t["bbox"][:2]] + [round(max(1, v + rng.gauss(0, 6)), 2) for v in t["bbox"][2:]]
        found.append({"image_id": image["id"], "category_id": t["category_id"] if n < 30 else rng.randint(1, 80), "bbox": box, "score": round(rng.random(), 5)})
truth = {"images": images, "annotations": truths, "categories": [{"id": c, "name": str(c)} for c in range(1, 81)]}
(folder / "truth.json").write_text(json.dumps(truth))
(folder / "found.json").write_text(json.dumps(found))
del truth, found, truths
start = time.time()
gt = COCO(str(folder / "truth.json"))
dt = gt.loadRes(str(folder / "found.json"))
print(f"read {time.time() - start:.2f} s")
start, cpu = time.time(), time.process_time()
e = COCOeval(gt, dt, "bbox")
e.evaluate()
e.accumulate()
print(f"score {time.time() - start:.2f} s, {time.process_time() - cpu:.2f} s of CPU, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
e.summarize()
