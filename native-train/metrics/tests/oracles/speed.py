"""Time and memory beside the official tools, one thread each, in turns:

    python3 speed.py FOLDER

makes a virtual environment in FOLDER with the versions of requirements.txt, writes 5,000 pictures
with 100 boxes each and 40,000 captions with five references each there, and prints a table. The
captions are tokens already: the official tokeniser is Java. Ours cuts them once more.
"""
import json, os, random, subprocess, sys, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROUNDS = 3

def boxes(folder):
    rng = random.Random(0)
    images = [{"id": i, "width": 640, "height": 480} for i in range(5000)]
    truths, found = [], []
    for image in images:
        own = [[rng.randint(0, 500), rng.randint(0, 400), rng.randint(5, 140), rng.randint(5, 80)] for _ in range(7)]
        for box in own:
            truths.append({"id": len(truths) + 1, "image_id": image["id"], "category_id": rng.randint(1, 80), "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
        for n in range(100):
            t = truths[-1 - n % 7]
            box = [round(v + rng.gauss(0, 6), 2) for v in t["bbox"][:2]] + [round(max(1, v + rng.gauss(0, 6)), 2) for v in t["bbox"][2:]]
            found.append({"image_id": image["id"], "category_id": t["category_id"] if n < 30 else rng.randint(1, 80), "bbox": box, "score": round(rng.random(), 5)})
    truth = {"images": images, "annotations": truths, "categories": [{"id": c, "name": str(c)} for c in range(1, 81)]}
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(found))

def captions(folder):
    rng = random.Random(1)
    words = [f"w{n}" for n in range(8000)]
    weights = [1 / (n + 1) for n in range(8000)]
    sentence = lambda: rng.choices(words, weights, k=rng.randint(8, 14))
    with open(folder / "captions.jsonl", "w") as out:
        for _ in range(40000):
            first = sentence()
            varied = lambda: " ".join(w if rng.random() > .3 else rng.choices(words, weights)[0] for w in first)
            out.write(json.dumps([varied(), [varied() for _ in range(5)]]) + "\n")

def official(kind, folder):
    if kind == "boxes":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
        truth = COCO(str(folder / "truth.json"))
        e = COCOeval(truth, truth.loadRes(str(folder / "found.json")), "bbox")
        e.evaluate(); e.accumulate(); e.summarize()
        print("score", e.stats[0])
    else:
        from pycocoevalcap.cider.cider import Cider
        rows = [json.loads(line) for line in open(folder / "captions.jsonl")]
        gts, res = {n: refs for n, (_, refs) in enumerate(rows)}, {n: [answer] for n, (answer, _) in enumerate(rows)}
        print("score", Cider().compute_score(gts, res)[0])

def run(command):
    """Seconds by the clock, seconds of the processor, GB at most, and the score that it printed."""
    names = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    start = time.time()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **{n: "1" for n in names}})
    out = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command}: ended with {status}\n{out}")
    score = float(next(line for line in out.splitlines() if line.startswith("score")).split()[1])
    return time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, score

def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pins = [line for line in (HERE / "requirements.txt").read_text().splitlines() if line.split("==")[0] in ("numpy", "pycocotools", "pycocoevalcap")]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
    for name, make in [("found.json", boxes), ("captions.jsonl", captions)]:
        if not (folder / name).exists():
            make(folder)
    build = ["cargo", "build", "--release", "--message-format=json", "-p", "refvlm-metrics", "--example", "speed"]
    lines = subprocess.run(build, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    ours = next(m["executable"] for m in map(json.loads, lines) if m.get("executable"))
    print("| what | by | seconds | of CPU | GB | score |\n|---|---|---|---|---|---|")
    for kind, what in [("boxes", "COCO AP, 5,000 x 100 boxes"), ("captions", "CIDEr-D, 40,000 captions")]:
        turns = [(run([python, __file__, "--official", kind, folder]), run([ours, kind, folder])) for _ in range(ROUNDS)]
        theirs, mine = [min(side, key=lambda r: r[1]) for side in zip(*turns)]
        assert abs(theirs[3] - mine[3]) < 1e-9, (theirs, mine)
        for by, (clock, cpu, memory, score) in [("official", theirs), ("refvlm", mine)]:
            print(f"| {what} | {by} | {clock:.2f} | {cpu:.2f} | {memory:.2f} | {score:.6f} |")
        print(f"| | ratio | {theirs[0] / mine[0]:.1f} | {theirs[1] / mine[1]:.1f} | {theirs[2] / mine[2]:.1f} | |", flush=True)

if __name__ == "__main__":
    if sys.argv[1] == "--official":
        official(sys.argv[2], Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]).resolve())
