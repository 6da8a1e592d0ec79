"""Time and memory beside the official tools, one thread each, in turns:

    python3 speed.py FOLDER [--rounds 1] [--refvlm PROGRAM]

makes a virtual environment in FOLDER with the versions of requirements.txt, writes 5,000 pictures
with 100 boxes each and 40,000 captions with five references each there, and prints a table: of each
side the run that took the processor least. The captions are tokens already. Ours cuts them once
more; "official, with its tokeniser" does so, too (it needs Java).

Ours is examples/speed.rs, which computes what the official tool is asked for. With the program,
`refvlm score` is run on the same files, too; it computes more: the AP of each picture, or BLEU and
ROUGE-L beside CIDEr-D, of each caption.
"""
import argparse, json, os, random, subprocess, sys, time
from itertools import accumulate
from pathlib import Path

HERE = Path(__file__).resolve().parent

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
    sums = list(accumulate(1 / (n + 1) for n in range(8000)))
    sentence = lambda: rng.choices(words, cum_weights=sums, k=rng.randint(8, 14))
    with open(folder / "answers.jsonl", "w") as found, open(folder / "references.jsonl", "w") as truth:
        for n in range(40000):
            first = sentence()
            varied = lambda: " ".join(w if rng.random() > .3 else rng.choices(words, cum_weights=sums)[0] for w in first)
            found.write(json.dumps({"id": str(n), "answer": varied()}) + "\n")
            truth.write(json.dumps({"id": str(n), "answers": [varied() for _ in range(5)]}) + "\n")

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
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
        rows = lambda name: map(json.loads, open(folder / name))
        gts = {row["id"]: row["answers"] for row in rows("references.jsonl")}
        res = {row["id"]: [row["answer"]] for row in rows("answers.jsonl")}
        if kind == "cut-captions":
            cut = lambda texts: PTBTokenizer().tokenize({n: [{"caption": t} for t in own] for n, own in texts.items()})
            gts, res = cut(gts), cut(res)
        print("score", Cider().compute_score(gts, res)[0])

def run(command, name="score"):
    """Seconds by the clock, seconds of the processor, GB at most, and the score that it printed
    behind the name."""
    names = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    start = time.time()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **{n: "1" for n in names}})
    out = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command}: ended with {status}\n{out}")
    score = float(next(line for line in out.splitlines() if line.split()[:1] == [name]).split()[1])
    return time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, score

def main(folder, rounds, refvlm):
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pins = [line for line in (HERE / "requirements.txt").read_text().splitlines() if line.split("==")[0] in ("numpy", "pycocotools", "pycocoevalcap")]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
    for name, make in [("found.json", boxes), ("references.jsonl", captions)]:
        if not (folder / name).exists():
            make(folder)
    build = ["cargo", "build", "--release", "--message-format=json", "-p", "refvlm-metrics", "--example", "speed"]
    lines = subprocess.run(build, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    ours = next(m["executable"] for m in map(json.loads, lines) if m.get("executable"))
    print("| what | by | seconds | of CPU | GB | score |\n|---|---|---|---|---|---|")
    kinds = [
        ("captions", "CIDEr-D, 40,000 captions", ["answers.jsonl", "references.jsonl"], "CIDEr-D"),
        ("boxes", "COCO AP, 5,000 x 100 boxes", ["found.json", "truth.json"], "AP"),
    ]
    for kind, what, files, row in kinds:
        sides = {"official": [[python, __file__, "--official", kind, folder]], "refvlm": [[ours, kind, folder]]}
        if kind == "captions":
            sides["official, with its tokeniser"] = [[python, __file__, "--official", "cut-captions", folder]]
        if refvlm:
            sides["refvlm score"] = [[refvlm, "score", *[folder / f for f in files], "--as", kind], row]
        turns = [{by: run(*command) for by, command in sides.items()} for _ in range(rounds)]
        best = {by: min((turn[by] for turn in turns), key=lambda r: r[1]) for by in sides}
        # The program prints four digits.
        assert abs(best["official"][3] - best["refvlm"][3]) < 1e-9, best
        assert abs(best["official"][3] - best.get("refvlm score", best["official"])[3]) <= 6e-5, best
        for by, (clock, cpu, memory, score) in best.items():
            print(f"| {what} | {by} | {clock:.2f} | {cpu:.2f} | {memory:.2f} | {score:.6f} |")
            if not by.startswith("official"):
                for other in (by for by in best if by.startswith("official")):
                    ratios = [f"{a / b:.1f}" for a, b in zip(best[other][:3], (clock, cpu, memory))]
                    print(f"| | {other}, times as much | {' | '.join(ratios)} | |", flush=True)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--official"]:
        official(sys.argv[2], Path(sys.argv[3]))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("folder", type=Path)
        parser.add_argument("--rounds", type=int, default=1)
        parser.add_argument("--refvlm", type=lambda path: Path(path).resolve())
        given = parser.parse_args()
        main(given.folder.resolve(), given.rounds, given.refvlm)
