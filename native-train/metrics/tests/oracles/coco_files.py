"""Loads what `refvlm eval --coco FOLDER` wrote with pycocotools and prints its AP, AP50 and AP75:

    python coco_files.py FOLDER        (pycocotools of requirements.txt)

Beside it: refvlm score FOLDER/boxes.json FOLDER/boxes-truth.json --as boxes
"""
import contextlib, io, sys
from pathlib import Path
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

for name, kind in [("boxes", "bbox"), ("masks", "segm"), ("keypoints", "keypoints")]:
    found, truth = [Path(sys.argv[1]) / f"{name}{end}.json" for end in ("", "-truth")]
    if not truth.exists():
        continue
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(str(truth))
        e = COCOeval(gt, gt.loadRes(str(found)), kind)
        e.evaluate(), e.accumulate(), e.summarize()
    print(name, len(gt.anns), "true objects:", *(f"{v:.4f}" for v in e.stats[:3]))
