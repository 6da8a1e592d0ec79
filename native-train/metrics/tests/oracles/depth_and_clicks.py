"""More cases of make.py, which is what is run: distances and clicks."""
import random
import numpy as np
from make import RANDOM, enc, pair, write

def clicks():
    from fbrs import Clicker, compute_noc_metric, get_iou
    rng = random.Random("clicks")
    cases = []
    for case in range(RANDOM + 40):
        most = rng.choice([1, 3, 20])
        samples, ious, places = [], [], []
        for _ in range(rng.randint(1, 3)):
            t, f = pair(rng, case)
            if not t.any(): t[0, 0] = True
            clicker, masks, own, found = Clicker(t.astype(np.int32)), [], [], np.zeros_like(t)
            for step in range(rng.randint(1, most)):
                if not ((found != t) & clicker.not_clicked_map).any(): break  # nothing is left to click at
                clicker.make_next_click(found)
                # The next answer: as it was, another one, or the truth but for some lines.
                found = found if rng.random() < .2 else f if step == 0 or rng.random() < .2 else t ^ (np.arange(t.shape[0]) % rng.choice([2, 5, 9, 30]) == 0)[:, None]
                masks.append(enc(found))
                own.append(get_iou(t, found))
            samples.append([enc(t), masks])
            ious.append(np.array(own))
            places += [(c.is_positive, int(c.coords[1]), int(c.coords[0])) for c in clicker.clicks_list]
        noc, over = compute_noc_metric(ious, [.85, .90], most)
        want = {f"NoC@{n}": float(v) for n, v in zip((85, 90), noc)} | {f">={most}@{n}": float(v) / len(ious) for n, v in zip((85, 90), over)}
        want |= {f"{n} of click {k}": float(v) for k, c in enumerate(places) for n, v in zip(("kind", "x", "y"), c)}
        cases.append({"most": most, "samples": samples, "want": want})
    write("clicks", "Clicker and compute_noc_metric of f-BRS a15ee7f", cases)

def depth():
    from monodepth2 import compute_errors
    rng = random.Random("depth")
    cases = []
    for case in range(RANDOM + 40):
        crop = rng.choice(["whole", "kitti-garg", "kitti-eigen"])
        near_, far, scaled = 1e-3, rng.choice([10, 80]), rng.random() < .5
        samples, rows = [], []
        for _ in range(rng.randint(1, 3)):
            w, h = rng.randint(6, 16), rng.randint(6, 16)
            gt = np.array([round(rng.uniform(.5, far * 1.1), 3) if rng.random() < .8 else 0 for _ in range(w * h)]).reshape(h, w)
            pred = np.array([round(max(.01, v * rng.uniform(.6, 1.6) if v else rng.uniform(1, 9)), 3) for v in gt.ravel()]).reshape(h, w)
            if case >= RANDOM: gt = np.floor(gt * 64) / 64  # so that 1.25 times as far is exact
            if case >= RANDOM: pred = gt.clip(.5) * (1 if case % 3 == 0 else 1.25 if case % 3 == 1 else 100)
            mask = (gt > near_) & (gt < far)
            part = {"whole": (0, 1, 0, 1), "kitti-garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229), "kitti-eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229)}[crop]
            a = np.array([part[0] * h, part[1] * h, part[2] * w, part[3] * w]).astype(np.int32)
            cm = np.zeros_like(mask); cm[a[0]:a[1], a[2]:a[3]] = 1
            mask &= cm
            samples.append([w, pred.ravel().tolist(), gt.ravel().tolist()])
            if not mask.any(): continue
            g, p = gt[mask], pred[mask]
            if scaled: p = p * (np.median(g) / np.median(p))
            p = p.clip(near_, far)
            d = np.log(p) - np.log(g)
            silog = 100 * np.sqrt(max(0, (d ** 2).mean() - d.mean() ** 2))  # KITTI's development kit
            e = compute_errors(g, p)
            rows.append(list(e[:4]) + [silog] + list(e[4:]))
        names = ["AbsRel", "SqRel", "RMSE", "RMSE log", "SILog", "delta1", "delta2", "delta3"]
        m = np.mean(rows, 0) if rows else [None] * 8
        cases.append({"crop": crop, "far": far, "scaled": scaled, "samples": samples, "want": {k: None if v is None else float(v) for k, v in zip(names, m)}})
    write("depth", "compute_errors of monodepth2 77f1410", cases)

def nyu():
    """The crop of NYU, on pictures of its size that are known at some places only."""
    from monodepth2 import compute_errors
    rng = random.Random("nyu")
    cases = []
    for case in range(RANDOM + 40):
        samples, rows = [], []
        for _ in range(rng.randint(1, 3)):
            w, h = (640, 480) if case < RANDOM else rng.choice([(640, 480), (320, 240), (41, 45), (42, 46), (700, 500)])
            gt, pred = np.zeros((h, w)), np.ones((h, w))
            at = set()
            for _ in range(rng.randint(3, 40)):
                # Half of the places lie beside the crop's borders.
                y, x = (rng.randrange(h), rng.randrange(w)) if rng.random() < .5 else (rng.choice([44, 45, 470, 471]), rng.choice([40, 41, 600, 601]))
                if y >= h or x >= w: continue
                at.add((y, x))
                gt[y, x] = round(rng.uniform(.0005, 11), 4)
                pred[y, x] = round(max(.0001, gt[y, x] * rng.uniform(.5, 1.8)), 4)
            samples.append([w, h, [[y * w + x, pred[y, x], gt[y, x]] for y, x in sorted(at)]])
            # eval_with_pngs.py of BTS
            pred[pred < 1e-3], pred[pred > 10] = 1e-3, 10
            valid = np.logical_and(gt > 1e-3, gt < 10)
            eval_mask = np.zeros(valid.shape)
            eval_mask[45:471, 41:601] = 1
            valid = np.logical_and(valid, eval_mask)
            if not valid.any(): continue
            g, p = gt[valid], pred[valid]
            err = np.log(p) - np.log(g)
            silog = np.sqrt(max(0, np.mean(err ** 2) - np.mean(err) ** 2)) * 100
            e = compute_errors(g, p)
            rows.append(list(e[:4]) + [silog] + list(e[4:]))
        names = ["AbsRel", "SqRel", "RMSE", "RMSE log", "SILog", "delta1", "delta2", "delta3"]
        m = np.mean(rows, 0) if rows else [None] * 8
        cases.append({"samples": samples, "want": {k: None if v is None else float(v) for k, v in zip(names, m)}})
    write("depth-nyu", "rule of BTS's eval_with_pngs.py (cleinc/bts, 118a9da), compute_errors of monodepth2 77f1410", cases)
