"""Makes the fixtures of tests/oracles.rs: random and adversarial cases, scored by official tools.

    pip install -r requirements.txt            (and Java 8 or later for the tokeniser)
    python make.py --official FOLDER

FOLDER holds what PyPI does not: panopticapi/{evaluation,utils}.py (cocodataset/panopticapi,
1ad5afa), davis2017/metrics.py (davisvideochallenge/davis2017-evaluation, 30b698a), monodepth2.py
(compute_errors of nianticlabs/monodepth2, 77f1410), vqa_eval.py (of salesforce-lavis), fbrs.py
(Clicker without its maps of clicks, of isegm/inference/clicker.py, get_iou and compute_noc_metric of
isegm/inference/utils.py in SamsungLabs/fbrs_interactive_segmentation, a15ee7f: the rule that RITM
took over).
"""
import argparse, contextlib, gzip, io, json, random, sys, tempfile
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent
RANDOM = 200

def write(name, tool, cases):
    text = json.dumps({"tool": tool, "cases": cases}, separators=(",", ":"), ensure_ascii=False)
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(name, len(cases), "cases", file=sys.stderr)

def num(value):
    value = float(value)
    return None if not np.isfinite(value) or value == -1 else value

# ---- COCO ------------------------------------------------------------------------------------

def coco_score(kind, truth, results, agnostic=False):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = json.loads(json.dumps(truth))
        gt.createIndex()
        if results:
            dt = gt.loadRes(json.loads(json.dumps(results)))
        else:
            dt = COCO()
            dt.dataset = {**gt.dataset, "annotations": []}
            dt.createIndex()
        e = COCOeval(gt, dt, kind)
        e.params.useCats = 0 if agnostic else 1
        e.evaluate()
        e.accumulate()
    p, r = e.eval["precision"], e.eval["recall"]
    mean = lambda s: num(np.mean(s[s > -1])) if (s > -1).any() else None
    areas = e.params.areaRngLbl
    want = {"AP": mean(p[:, :, :, 0, -1]), "AP50": mean(p[0, :, :, 0, -1]), "AP75": mean(p[5, :, :, 0, -1]),
            "AR50": mean(r[0, :, 0, -1]), "AR75": mean(r[5, :, 0, -1])}
    for a, name in enumerate(areas):
        if a:
            want[f"AP {name}"] = mean(p[:, :, :, a, -1])
            want[f"AR {name}"] = mean(r[:, :, a, -1])
    for m, most in enumerate(e.params.maxDets):
        want[f"AR{most}"] = mean(r[:, :, 0, m])
    return want

def rle(rng, w, h):
    from pycocotools import mask as M
    a = np.zeros((h, w), np.uint8, order="F")
    for _ in range(rng.randint(0 if rng.random() < .1 else 1, 3)):
        x, y = rng.randint(0, w - 1), rng.randint(0, h - 1)
        a[y:y + rng.randint(1, h), x:x + rng.randint(1, w)] = 1
    r = M.encode(a)
    return {"size": r["size"], "counts": r["counts"].decode()}, a

def polygon(rng, w, h):
    cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(2, min(w, h) / 2)
    n = rng.randint(3, 9)
    points = []
    for i in range(n):
        t = 2 * np.pi * i / n
        points += [round(cx + r * np.cos(t) * rng.uniform(.5, 1.2), 2), round(cy + r * np.sin(t) * rng.uniform(.5, 1.2), 2)]
    return points

def near(rng, box, s):
    return [round(v + rng.gauss(0, s), 2) for v in box[:2]] + [round(max(0.0, v + rng.gauss(0, s)), 2) for v in box[2:]]

SIGMAS = None

def coco_case(rng, kind, style):
    from pycocotools import mask as M
    w, h = (rng.randint(100, 260), rng.randint(100, 260)) if kind != "segm" else (rng.randint(20, 140), rng.randint(20, 140))
    images = [{"id": i * 7 + 3, "width": w, "height": h} for i in range(rng.randint(1, 4))]
    rng.shuffle(images)
    cats = [1] if kind == "keypoints" else [1, 2, 5][:rng.randint(1, 3)]
    gts, dts, nid = [], [], 1
    for image in images:
        for _ in range(0 if style == "no truth" else rng.randint(0, 6 if kind == "bbox" else 4)):
            box = [round(rng.uniform(0, w - 20), 2), round(rng.uniform(0, h - 20), 2), round(rng.uniform(3, w / 2), 2), round(rng.uniform(3, h / 2), 2)]
            if style == "area borders":
                side = rng.choice([32, 96]); box[2:] = [side, side]
                if rng.random() < .3: box[2] += rng.choice([-.01, .01])
            g = {"id": nid, "image_id": image["id"], "category_id": rng.choice(cats), "bbox": box, "area": box[2] * box[3],
                 "iscrowd": int(rng.random() < (.5 if style == "crowd" else .1)), "ignore": int(rng.random() < .1)}
            nid += 1
            found = None
            if kind == "segm":
                if rng.random() < .5 or g["iscrowd"]:
                    seg, a = rle(rng, w, h)
                    if rng.random() < .3:
                        runs, v, c = [], 0, 0
                        for p in a.flatten("F"):
                            if p != v: runs.append(c); c, v = 0, p
                            c += 1
                        seg = {"size": [h, w], "counts": [int(x) for x in runs + [c]]}
                else:
                    seg = [polygon(rng, w, h) for _ in range(rng.randint(1, 2))]
                    a = M.decode(M.merge(M.frPyObjects(seg, h, w)))
                g["segmentation"] = seg
                g["area"] = float(a.sum()) if style != "area borders" else float(rng.choice([1024, 9216]))
                found = np.roll(a, rng.randint(-2, 2), axis=rng.randint(0, 1))
            if kind == "keypoints":
                points = []
                for _ in range(17):
                    v = rng.choice([0, 1, 2]) if style != "no joints" else 0
                    points += [rng.randint(0, w), rng.randint(0, h), v] if v else [0, 0, 0]
                g["keypoints"], g["num_keypoints"] = points, sum(v > 0 for v in points[2::3])
            gts.append(g)
            for _ in range(rng.randint(0, 2)):
                score = rng.choice([.1, .5, .9]) if style == "ties" else round(rng.random(), 4)
                d = {"image_id": image["id"], "category_id": g["category_id"] if rng.random() < .9 else rng.choice(cats), "score": score}
                if kind == "bbox": d["bbox"] = list(box) if style == "exact" else near(rng, box, rng.choice([1, 4, 15]))
                if kind == "segm":
                    r = M.encode(np.asfortranarray(found)); d["segmentation"] = {"size": r["size"], "counts": r["counts"].decode()}
                if kind == "keypoints":
                    s = rng.choice([1, 4, 10])
                    d["keypoints"] = [v + rng.randint(-s, s) if i % 3 < 2 and (points[i - i % 3 + 2]) else (rng.randint(0, 200) if i % 3 < 2 else 1) for i, v in enumerate(points)]
                dts.append(d)
        for _ in range(130 if style == "many" else rng.randint(0, 3)):
            d = {"image_id": image["id"], "category_id": rng.choice(cats), "score": round(rng.random(), 3)}
            if kind == "bbox": d["bbox"] = [round(rng.uniform(0, w), 1), round(rng.uniform(0, h), 1), round(rng.uniform(0, 99), 1), round(rng.uniform(0, 99), 1)]
            if kind == "segm": d["segmentation"] = rle(rng, w, h)[0]
            if kind == "keypoints": d["keypoints"] = [rng.randint(0, 200) if i % 3 < 2 else 1 for i in range(51)]
            dts.append(d)
    if style == "no answers": dts = []
    if style == "all wrong":
        for d in dts:
            if kind == "bbox": d["bbox"][0] += 5000
            if kind == "keypoints": d["keypoints"] = [v + 5000 if i % 3 < 2 else v for i, v in enumerate(d["keypoints"])]
            if kind == "segm": d["segmentation"] = {"size": [h, w], "counts": M.encode(np.zeros((h, w), np.uint8, order="F"))["counts"].decode()}
    rng.shuffle(dts)
    truth = {"images": images, "annotations": gts, "categories": [{"id": c, "name": str(c)} for c in cats]}
    agnostic = kind != "keypoints" and rng.random() < .15
    return {"truth": truth, "results": dts, "agnostic": agnostic, "want": coco_score(kind, truth, dts, agnostic)}

STYLES = ["no truth", "no answers", "all wrong", "ties", "crowd", "area borders", "exact", "many", "no joints"]

def coco():
    import pycocotools
    from importlib.metadata import version
    for kind in ["bbox", "segm", "keypoints"]:
        rng = random.Random(kind)
        cases = [coco_case(rng, kind, "") for _ in range(RANDOM)]
        for style in STYLES:
            cases += [coco_case(rng, kind, style) for _ in range(2 if style == "many" else 6)]
        write(f"coco-{kind}", f"pycocotools {version('pycocotools')}", cases)

# ---- text ------------------------------------------------------------------------------------

WORDS = """a an the man woman dog cats sitting on table next to red-and-white t-shirt blue bus street sign that says stop
people's dog's don't can't it's isn't they're cannot gonna wanna o'clock ma'am y'all 'em rock'n'roll mr. mrs. st. u.s. p.m. a.m. no. vs.
1,000 3.5 1/2 9:30 9:30am 10-20 1990s '90s 3d 2x4 1st -5 +5 5% $5 #5 #hash @home and/or he/she AT&T www.foo.com a@b.com café naïve 日本語
Ünïcode two three none zero ten yes no not well-known mid-air 12-year-old skateboard pizza tennis racket holding green grass field in of with is are""".split()
ENDS = [".", ",", "!", "?", ";", ":", "...", "…", "\"", "'", ")", "(", "?!", "!!", " -", " --", "–", "—", "'s", "’s", ""]

def sentence(rng, most=14):
    out = ""
    for _ in range(rng.randint(1, most)):
        w = rng.choice(WORDS)
        if rng.random() < .08: w = w.capitalize()
        if rng.random() < .03: w = rng.choice(["(", "\"", "“", "'", "`", "[", "$", "€"]) + w
        if rng.random() < .12: w += rng.choice(ENDS)
        out += w + " "
    # The tokeniser looks for the digit behind "no." on the next line, in another caption.
    return out.strip() + (" end" if out.strip().lower().endswith("no.") else "")

def varied(rng, text):
    words = [w for w in text.split() if rng.random() > .2]
    for _ in range(rng.randint(0, 3)): words.insert(rng.randint(0, len(words)), rng.choice(WORDS))
    return " ".join(words) + (" end" if words and words[-1].lower().endswith("no.") else "")

ODD = ["", ".", "...", "a", "A.", "!!!", "ÀÉ ß ſ ﬁ", "🐶 dog🐶 dog", "the the the the the", "½ cup 1 1/2 cups", "it’s “curly” ‘quoted’",
       "<br> b &amp; c", ":) ;-)", "a  b\tc", "don`t it`s", "(555) 123-4567", "x-y-z a-b-c-", "A.B. c.d.", "100% of 5 p.m. trains", "a_b __c__ *d*"]

def captions():
    from importlib.metadata import version
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.cider.cider import Cider
    rng = random.Random("captions")
    corpora = []
    for case in range(RANDOM + 40):
        samples = []
        for _ in range(rng.randint(1, 5)):
            refs = [sentence(rng)]
            refs += [varied(rng, refs[0]) for _ in range(rng.randint(0, 4))]
            answer = varied(rng, refs[0]) if rng.random() < .8 else sentence(rng)
            if case >= RANDOM:
                answer = rng.choice(ODD + [refs[0], "zebra " * 40])
                refs = [rng.choice(ODD) if rng.random() < .4 else r for r in refs]
            samples.append([answer, refs])
        corpora.append(samples)
    gts, res = {}, {}
    for c, samples in enumerate(corpora):
        for s, (answer, refs) in enumerate(samples):
            gts[c, s] = [{"caption": r} for r in refs]
            res[c, s] = [{"caption": answer}]
    tokenise = lambda x: PTBTokenizer().tokenize(x)
    gts, res = tokenise(gts), tokenise(res)
    cases, words = [], []
    for c, samples in enumerate(corpora):
        keys = [(c, s) for s in range(len(samples))]
        g, r = {k: gts[k] for k in keys}, {k: res[k] for k in keys}
        with contextlib.redirect_stdout(io.StringIO()):
            want = {f"BLEU-{n + 1}": v for n, v in enumerate(Bleu(4).compute_score(g, r)[0])}
        want["ROUGE-L"] = float(Rouge().compute_score(g, r)[0])
        want["CIDEr-D"] = float(Cider().compute_score(g, r)[0])
        cases.append({"samples": samples, "want": {k: num(v) for k, v in want.items()}})
        for k, (answer, refs) in zip(keys, samples):
            words += list(zip([answer] + refs, res[k] + gts[k]))
    write("captions", f"pycocoevalcap {version('pycocoevalcap')}", cases)
    return words

def short_answers(official):
    from vqa_eval import VQAEval
    rng = random.Random("vqa")
    pool = ["yes", "no", "2", "two", "a dog", "the dog", "dog", "dogs", "Dog.", "1,000", "1000", "3.5", "3.5.", "u.s.", "don't", "dont", "isnt",
            "none", "zero", "red, blue", "red/blue", "red / blue", "what?", "5 o'clock", "5 oclock", "(left)", "black-white", "an apple", "", " ", "café", "日本語",
            "it is 10.", "ten", "T-shirt", "t shirt", "a", "the", "no.", "e.g. x", "1,2 and 3", "a.b.c", "....", "yes\n", "\tyes", "hes", "whats up", "youre"]
    cases = []
    for case in range(RANDOM + 40):
        samples = []
        for _ in range(rng.randint(1, 4)):
            people = [rng.choice(pool[:12] if rng.random() < .5 else pool) for _ in range(10)]
            if rng.random() < .4: people = [rng.choice(pool)] * 10 if rng.random() < .4 else people[:3] + [rng.choice(pool)] * 7
            answer = rng.choice(people if rng.random() < .7 else pool)
            if rng.random() < .3: answer = rng.choice(["the ", "a ", "", "An "]) + answer + rng.choice([".", "!", "?", " ", ", ok"])
            if case >= RANDOM and rng.random() < .3: answer = rng.choice(["." * 40, "," * 3, "a,b 1,2", "1 , 2", "[x]{y}", "\\", "-5", "a-b - c"])
            samples.append([answer, people])
        class Q:
            qa = {i: {"answers": [{"answer": a, "answer_id": n} for n, a in enumerate(p)], "question_type": "", "answer_type": ""} for i, (_, p) in enumerate(samples)}
            def getQuesIds(self): return list(self.qa)
        class R:
            qa = {i: {"answer": a} for i, (a, _) in enumerate(samples)}
        e = VQAEval(Q(), R(), n=12)
        with contextlib.redirect_stdout(io.StringIO()): e.evaluate()
        cases.append({"samples": samples, "want": {"VQA accuracy": e.accuracy["overall"] / 100}})
    write("vqa", "VQAEval of salesforce-lavis 1.0.2", cases)

def yes_no():
    from sklearn.metrics import accuracy_score, precision_score, recall_score, f1_score
    from importlib.metadata import version
    rng = random.Random("pope")
    pool = ["Yes", "No", "yes", "no", "Yes, there is.", "No, there is no dog.", "There is not. Yes", "not", "NO", "nothing", "No.", "no,", "", "Yes. No", "I do not know", "cannot", "n o"]
    cases = []
    for case in range(RANDOM + 40):
        samples = [[rng.choice(pool), rng.random() < .5] for _ in range(rng.randint(1, 12))]
        if case >= RANDOM: samples = [[rng.choice(["Yes", "No"]) if case % 3 else "Yes", case % 2 == 0] for _ in samples]
        # The rule of POPE's evaluate.py (AoiDragon/POPE, f3ec604).
        def says_no(text):
            words = text.split(".")[0].replace(",", "").split(" ")
            return "No" in words or "not" in words or "no" in words
        p, t = [not says_no(a) for a, _ in samples], [t for _, t in samples]
        score = lambda f: num(f(t, p, zero_division=np.nan))
        precision, recall = score(precision_score), score(recall_score)
        f1 = score(f1_score) if precision is not None and recall is not None and precision + recall > 0 else None
        cases.append({"samples": samples, "want": {"accuracy": accuracy_score(t, p), "precision": precision, "recall": recall, "F1": f1, "yes-rate": sum(p) / len(p)}})
    write("pope", f"rule of POPE's evaluate.py, counts of scikit-learn {version('scikit-learn')}", cases)

# ---- masks, maps, confidences ----------------------------------------------------------------

def blob(rng, w, h):
    a = np.zeros((h, w), bool)
    yy, xx = np.mgrid[:h, :w]
    for _ in range(rng.randint(1, 3)):
        a |= ((xx - rng.uniform(0, w)) / rng.uniform(1, w / 2)) ** 2 + ((yy - rng.uniform(0, h)) / rng.uniform(1, h / 2)) ** 2 < 1
    return a

def enc(a):
    from pycocotools import mask as M
    r = M.encode(np.asfortranarray(a.astype(np.uint8)))
    return {"size": r["size"], "counts": r["counts"].decode()}

def pair(rng, case):
    w, h = rng.randint(1, 90) if case >= RANDOM else rng.randint(20, 90), rng.randint(20, 90)
    t = blob(rng, w, h)
    f = np.roll(t, rng.randint(-3, 3), axis=1) if rng.random() < .5 else blob(rng, w, h)
    if case >= RANDOM and rng.random() < .6: f = rng.choice([t, np.zeros_like(t), ~t, np.ones_like(t)])
    if case >= RANDOM and rng.random() < .3: t = np.zeros_like(t)
    return t, f

def expressions():
    from sklearn.metrics import jaccard_score
    from pycocotools import mask as M
    from importlib.metadata import version
    rng = random.Random("expressions")
    rec, res, gref = [], [], []
    for case in range(RANDOM + 40):
        samples, ious = [], []
        for _ in range(rng.randint(1, 5)):
            t = [rng.randint(0, 99), rng.randint(0, 99), rng.randint(1, 99), rng.randint(1, 99)]
            f = near(rng, t, rng.choice([0, 2, 10])) if rng.random() < .9 else None
            if case >= RANDOM and f: f = rng.choice([[0, 0, 0, 0], [t[0], t[1], t[2], t[3] / 2], [t[0], t[1], t[2] * .75, t[3]], [t[0] + t[2], t[1], 5, 5]])
            samples.append([f, t])
            ious.append(float(M.iou([f], [t], [0])[0, 0]) if f else 0.0)
        x = np.array(ious)
        rec.append({"samples": samples, "want": {"accuracy@0.5": (x >= .5).mean(), "accuracy@0.75": (x >= .75).mean(), "accuracy@0.9": (x >= .9).mean(), "mean IoU": x.mean()}})
        samples, ious, I, U = [], [], 0, 0
        for _ in range(rng.randint(1, 4)):
            t, f = pair(rng, case)
            none = rng.random() < .1
            samples.append([None if none else enc(f), enc(t)])
            if none: f = np.zeros_like(t)
            ious.append(0.0 if none else jaccard_score(t.ravel(), f.ravel(), zero_division=1.0))
            I, U = I + int((t & f).sum()), U + int((t | f).sum())
        x = np.array(ious)
        want = {"cIoU": I / U if U else None, "gIoU": x.mean()}
        want.update({f"P@{p}": (x >= p).mean() for p in [.5, .6, .7, .8, .9]})
        res.append({"samples": samples, "want": {k: None if v is None else float(v) for k, v in want.items()}})
        gref.append(gref_case(rng, case))
    write("rec", f"mask.iou of pycocotools {version('pycocotools')}", [dict(c, want={k: float(v) for k, v in c["want"].items()}) for c in rec])
    write("res", f"jaccard_score of scikit-learn {version('scikit-learn')}", res)
    write("gref", "rule of ReferEvaluator (henghuiding/ReLA, 1e6e889)", gref)

def gref_case(rng, case):
    """The sums of ReferEvaluator.evaluate, which needs detectron2 to be imported."""
    samples, I, U, total, with_, pr = [], 0, 0, 0.0, [], {.7: 0, .8: 0, .9: 0}
    nt = {"TP": 0, "TN": 0, "FP": 0, "FN": 0}
    for _ in range(rng.randint(1, 6)):
        t, f = pair(rng, case)
        empty, refused = rng.random() < .4, rng.random() < .3
        if empty: t[:] = False
        i, u = int((t & f).sum()), int((t | f).sum())
        if empty:
            nt["TP" if refused else "FN"] += 1
            total += refused
            U += 0 if refused else u
        else:
            nt["FP" if refused else "TN"] += 1
            i = 0 if refused else i
            iou = i / u if u else 0.0
            total += iou; I += i; U += u
            for p in pr: pr[p] += iou >= p
        samples.append([refused, enc(f), None if empty else enc(t)])
    n, e = nt["TN"] + nt["FP"], nt["TP"] + nt["FN"]
    want = {"gIoU": total / len(samples), "cIoU": I / U if U else None, "N-acc": nt["TP"] / e if e else None, "T-acc": nt["TN"] / n if n else None}
    want.update({f"P@{p}": int(c) / n if n else None for p, c in pr.items()})
    return {"samples": samples, "want": want}

def interactive():
    from davis2017.metrics import f_measure
    from sklearn.metrics import jaccard_score
    rng = random.Random("interactive")
    cases = []
    for case in range(RANDOM + 40):
        samples, js, fs = [], [], []
        for _ in range(rng.randint(1, 3)):
            t, f = pair(rng, case)
            samples.append([rng.choice(["point", "box"]), enc(f), enc(t)])
            js.append(jaccard_score(t.ravel(), f.ravel(), zero_division=1.0))
            fs.append(f_measure(f, t))
        cases.append({"samples": samples, "want": {"mIoU": float(np.mean(js)), "boundary F": float(np.mean(fs))}})
    write("interactive", "f_measure of davis2017-evaluation 30b698a", cases)

def semantic():
    from sklearn.metrics import jaccard_score, accuracy_score
    from importlib.metadata import version
    rng = random.Random("semantic")
    cases = []
    for case in range(RANDOM + 40):
        k, n = rng.randint(1, 6), rng.randint(1, 150)
        t = [rng.randint(0, k - 1) if rng.random() < .9 else 255 for _ in range(n)]
        f = [a if rng.random() < .6 and a < 255 else rng.randint(0, k - 1) for a in t]
        if case >= RANDOM: f = [rng.choice([0, k - 1])] * n if case % 2 else [min(a, k - 1) for a in t]
        if all(a == 255 for a in t): t[0] = 0
        tt, ff = zip(*[(a, b) for a, b in zip(t, f) if a != 255])
        cases.append({"classes": k, "samples": [[f, t]], "want": {"mIoU": jaccard_score(tt, ff, average="macro"), "fwIoU": jaccard_score(tt, ff, average="weighted"), "pixel accuracy": accuracy_score(tt, ff)}})
    write("semantic", f"jaccard_score of scikit-learn {version('scikit-learn')}", [dict(c, want={k: float(v) for k, v in c["want"].items()}) for c in cases])

def panoptic():
    from panopticapi.evaluation import pq_compute_single_core
    from PIL import Image
    rng = random.Random("panoptic")
    cats = {1: {"isthing": 1}, 2: {"isthing": 1}, 3: {"isthing": 0}, 4: {"isthing": 0}}
    cases = []
    for case in range(RANDOM + 40):
        samples, pairs = [], []
        with tempfile.TemporaryDirectory() as d:
            for s in range(rng.randint(1, 3)):
                w, h = rng.randint(6, 24), rng.randint(6, 24)
                maps = [np.zeros((h, w), np.uint32), None]
                for n in range(rng.randint(1, 5)): maps[0][blob(rng, w, h)] = n + 1
                maps[1] = np.roll(maps[0], rng.randint(-1, 1), axis=1)
                if rng.random() < .5: maps[1][blob(rng, w, h)] = rng.randint(0, 7)
                if case >= RANDOM: maps[1][:] = rng.choice([0, 1, 9]) if case % 2 else maps[0]
                info = []
                for side, m in enumerate(maps):
                    segs = []
                    for i in np.unique(m):
                        if i: segs.append([int(i), 1 + int(i) % 4 if rng.random() < .85 else rng.randint(1, 4), int(side == 0 and rng.random() < (.4 if case >= RANDOM else .15))])
                    info.append(segs)
                    rgb = np.stack([m % 256, m // 256 % 256, m // 65536], -1).astype(np.uint8)
                    Image.fromarray(rgb).save(f"{d}/{side}-{s}.png")
                samples.append([[maps[1].ravel().tolist(), info[1]], [maps[0].ravel().tolist(), info[0]]])
                dic = lambda segs, m: [{"id": i, "category_id": c, "iscrowd": k, "area": int((m == i).sum())} for i, c, k in segs]
                pairs.append(({"image_id": s, "file_name": f"0-{s}.png", "segments_info": dic(info[0], maps[0])}, {"image_id": s, "file_name": f"1-{s}.png", "segments_info": dic(info[1], maps[1])}))
            stat = pq_compute_single_core(0, pairs, d, d, cats)
        want = {}
        for name, kind in [("", None), (" things", True), (" stuff", False)]:
            try: q = stat.pq_average(cats, kind)[0]
            except ZeroDivisionError: q = {"pq": None, "sq": None, "rq": None}
            for key in ["pq", "sq", "rq"]: want[key.upper() + name] = None if q[key] is None else float(q[key])
        cases.append({"samples": samples, "want": want})
    write("panoptic", "panopticapi 1ad5afa", cases)

def calibration():
    from sklearn.calibration import calibration_curve
    from importlib.metadata import version
    rng = random.Random("calibration")
    cases = []
    for case in range(RANDOM + 40):
        n, bins = rng.randint(1, 80), rng.choice([5, 10, 15])
        c = [round(rng.random(), rng.choice([1, 2, 6])) for _ in range(n)]
        if case >= RANDOM: c = [rng.choice([0.0, 1.0, .5, 1 / bins, 2 / bins]) for _ in range(n)]
        y = [rng.random() < v for v in c]
        right, conf = calibration_curve(y, c, n_bins=bins, strategy="uniform") if len(set(y)) > 1 else (None, None)
        edges = np.linspace(0, 1, bins + 1)
        ids = np.searchsorted(edges[1:-1], c)
        count = np.bincount(ids, minlength=bins)
        count = count[count > 0]
        if right is None:
            y0 = float(y[0]); present = sorted(set(ids)); conf = np.array([np.mean([v for v, i in zip(c, ids) if i == b]) for b in present]); right = np.full(len(conf), y0)
        gap = np.abs(right - conf)
        cases.append({"bins": bins, "samples": list(zip(c, y)), "want": {"ECE": float((gap * count).sum() / n), "MCE": float(gap.max())}})
    write("calibration", f"calibration_curve of scikit-learn {version('scikit-learn')}", cases)

if __name__ == "__main__":
    args = argparse.ArgumentParser()
    args.add_argument("--official", required=True)
    args.add_argument("--only", default="")
    args = args.parse_args()
    sys.path.insert(0, args.official)
    from depth_and_clicks import clicks, depth, nyu
    parts = dict(coco=coco, captions=captions, vqa=lambda: short_answers(args.official), pope=yes_no, expressions=expressions,
                 interactive=interactive, clicks=clicks, semantic=semantic, panoptic=panoptic, depth=depth, nyu=nyu, calibration=calibration)
    for name, part in parts.items():
        if not args.only or name in args.only.split(","):
            part()
