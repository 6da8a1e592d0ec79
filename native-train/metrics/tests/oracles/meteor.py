"""Holds `refvlm score --as captions --meteor` to Meteor of pycocoevalcap, on the captions of
captions.json.gz:

    pip install -r requirements.txt            (and Java 8 or later)
    python meteor.py REFVLM

Both ask the same archive, meteor-1.5.jar, so what is compared is the way to it: which tokens are
asked about and how the corpus is put together. Prints the number of texts and the largest
differences, and fails above 1e-6.
"""
import gzip, json, subprocess, sys, tempfile
from importlib.metadata import version
from pathlib import Path
import pycocoevalcap.meteor.meteor as official
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

cases = json.loads(gzip.open(Path(__file__).parent / "captions.json.gz").read())["cases"]
samples = [sample for case in cases for sample in case["samples"]]
cut = lambda texts: PTBTokenizer().tokenize({n: [{"caption": t} for t in own] for n, own in enumerate(texts)})
gts, res = cut([refs for _, refs in samples]), cut([[answer] for answer, _ in samples])
score, scores = official.Meteor().compute_score(gts, res)
with tempfile.TemporaryDirectory() as folder:
    found, truth, out = [Path(folder) / name for name in ("found.jsonl", "truth.jsonl", "out.json")]
    lines = lambda rows: "".join(json.dumps(row) + "\n" for row in rows)
    found.write_text(lines({"id": str(n), "answer": a} for n, (a, _) in enumerate(samples)))
    truth.write_text(lines({"id": str(n), "answers": r} for n, (_, r) in enumerate(samples)))
    jar = Path(official.__file__).parent / "meteor-1.5.jar"
    command = [sys.argv[1], "score", found, truth, "--as", "captions", "--meteor", jar, "--json", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ours = json.loads(out.read_text())
own = {sample["id"]: sample["scores"]["METEOR"] for sample in ours["samples"]}
largest = max(abs(own[str(n)] - value) for n, value in enumerate(scores))
whole = abs(next(row["value"] for row in ours["rows"] if row["name"] == "METEOR") - score)
print(f"| meteor | pycocoevalcap {version('pycocoevalcap')} | {len(samples)} captions | {largest:.1e}, corpus {whole:.1e} |")
sys.exit(largest > 1e-6 or whole > 1e-6)
