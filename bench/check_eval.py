#!/usr/bin/env python3
"""opis check against cleanvision, and opis eval against pycocoevalcap: in one run, the sides alternating, wall clock and processor time of each.

    bench/check_eval.py OPIS PICTURES CAPTIONS --cleanvision PYTHON --eval PYTHON [--rounds N]

PYTHON is the interpreter of a virtual environment with that peer (tests/interop/requirements-cleanvision.txt, requirements-eval.txt). Their own start and imports are not counted; opis' are.
The pictures' decoding alone (Pillow, the same processes) is measured beside them."""
import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

CLEANVISION = """
import sys, time, resource, contextlib, io
from cleanvision import Imagelab
def cpu(): return sum(sum(resource.getrusage(w)[:2]) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
begin, used = time.monotonic(), cpu()
with contextlib.redirect_stdout(io.StringIO()):
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues(n_jobs=2, verbose=False)
print(time.monotonic() - begin, cpu() - used)
"""
DECODE = """
import sys, time, resource, pathlib, multiprocessing
from PIL import Image
def cpu(): return sum(sum(resource.getrusage(w)[:2]) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
def load(p): Image.open(p).convert("RGB").load()
begin, used = time.monotonic(), cpu()
with multiprocessing.Pool(2) as pool: pool.map(load, sorted(pathlib.Path(sys.argv[1]).iterdir()), 64)
print(time.monotonic() - begin, cpu() - used)
"""
COCO = """
import sys, time, resource, json, contextlib, io
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
def cpu(): return sum(sum(resource.getrusage(w)[:2]) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
gts, res = json.load(open(sys.argv[1]))
begin, used = time.monotonic(), cpu()
t = PTBTokenizer()
gts, res = t.tokenize(gts), t.tokenize(res)
with contextlib.redirect_stdout(io.StringIO()):
    bleu = Bleu(4).compute_score(gts, res)[0]
    rouge = Rouge().compute_score(gts, res)[0]
    cider = Cider().compute_score(gts, res)[0]
print(time.monotonic() - begin, cpu() - used, bleu[3], rouge, cider)
"""


def peer(python, code, *args):
    out = subprocess.run([python, "-c", code, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout.split()
    return [float(x) for x in out]


def program(*args):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, check=True)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return [wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime], done.stdout


def show(name, rows):
    print(f"{name:44} {statistics.median(r[0] for r in rows):9.3f} s wall {statistics.median(r[1] for r in rows):9.3f} s processor", flush=True)


def ratio(what, ours, theirs):
    print(f"{what}: {statistics.median(t[0] / o[0] for o, t in zip(ours, theirs)):.1f} times by the wall clock, {statistics.median(t[1] / o[1] for o, t in zip(ours, theirs)):.1f} times by processor time\n", flush=True)


def check(opis, pictures, python, rounds):
    first, again, theirs, decode = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds):
            index = os.path.join(folder, f"{i}.sqlite")
            first.append(program(opis, "check", pictures, "--index", index, "--fail-on", "none", "--threads", "2")[0])
            theirs.append(peer(python, CLEANVISION, pictures))
            again.append(program(opis, "check", pictures, "--index", index, "--fail-on", "none", "--threads", "2")[0])
            decode.append(peer(python, DECODE, pictures))
    print(f"{len(os.listdir(pictures))} pictures, 2 processes or threads, median of {rounds}")
    show("opis check, first run", first)
    show("opis check, second run", again)
    show("cleanvision", theirs)
    show("Pillow: decoding alone", decode)
    ratio("opis check against cleanvision", first, theirs)
    ratio("opis check against decoding alone", first, decode)


def evaluate(opis, captions, python, rounds):
    references = {}
    for line in open(captions, encoding="utf-8"):
        name, _, words = line.rstrip("\n").partition("\t")
        references.setdefault(name.rpartition("#")[0], []).append(words)
    r = random.Random(1)
    names = r.sample(sorted(k for k in references if len(references[k]) == 5), 1000)
    every = [w for k in names for w in references[k]]
    said = {k: r.choice(every) for k in names}
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/references.txt", "w") as f:
            f.writelines(f"{k}#{i}\t{w}\n" for k in names for i, w in enumerate(references[k]))
        with open(f"{folder}/said.jsonl", "w") as f:
            f.writelines(json.dumps({"path": k, "description": said[k]}) + "\n" for k in names)
        json.dump([{k: [{"caption": w} for w in references[k]] for k in names}, {k: [{"caption": said[k]}] for k in names}], open(f"{folder}/both.json", "w"))
        for _ in range(rounds):
            used, out = program(opis, "eval", "--references", f"{folder}/references.txt", "--predictions", f"{folder}/said.jsonl", "--format", "json")
            ours.append(used)
            theirs.append(peer(python, COCO, f"{folder}/both.json"))
            scores = json.loads(out)
            assert all(abs(a - b) < 1e-4 for a, b in zip((scores["BLEU_4"], scores["ROUGE_L"], scores["CIDEr"]), theirs[-1][2:]))
    print(f"1000 pictures with 5 references, median of {rounds}; the scores are equal")
    show("opis eval, with 1,000 bootstrap samples", ours)
    show("pycocoevalcap, without intervals", theirs)
    ratio("opis eval against pycocoevalcap", ours, theirs)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("opis")
    p.add_argument("pictures")
    p.add_argument("captions")
    p.add_argument("--cleanvision", required=True)
    p.add_argument("--eval", required=True)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    evaluate(a.opis, a.captions, a.eval, a.rounds)
    check(a.opis, a.pictures, a.cleanvision, a.rounds)


if __name__ == "__main__":
    sys.exit(main())
