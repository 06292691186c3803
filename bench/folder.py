#!/usr/bin/env python3
"""A folder of pictures against one picture at a time with the same threads, and a model as it is stored against f32.

    bench/folder.py --opis build/opis --library build/src/libopis.so --pictures FOLDER [--references captions.token.txt] [-n 1000] [--threads 1,2] [-m MODEL]

Captions a second: `opis describe`, its start and loading included, and a warm model in one process that is asked for one file after the other; both in turns, five times,
of a fifth of the pictures each. Then all n pictures as the model is stored (linear layers in 8 bits) and in f32: how many captions are the same and, with references, what CIDEr says of both."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
TURNS = 5


def describe(o, paths, *more):
    """The answers, and the seconds of the whole run."""
    began = time.perf_counter()
    run = subprocess.Popen([o.opis, "describe", "-m", o.model, "--files-from", "-", "--format", "jsonl", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    run.stdin.write("".join(f"{p}\n" for p in paths))
    run.stdin.close()
    answers = [json.loads(line) for line in run.stdout]
    if run.wait() != 0:
        sys.exit(f"{o.opis}: status {run.returncode}")
    return answers, time.perf_counter() - began


def throughput(o, paths, threads):
    model = o.module.Model(o.model, threads=threads)
    model.describe(paths[0])
    single, folder, each = [], [], len(paths) // TURNS
    for turn in range(TURNS):
        some = paths[turn * each:(turn + 1) * each]
        began = time.perf_counter()
        for p in some:
            model.describe(p)
        single.append(len(some) / (time.perf_counter() - began))
        folder.append(len(some) / describe(o, some, "--threads", str(threads))[1])
    ratio = sorted(f / s for f, s in zip(folder, single))[TURNS // 2]
    print(f"{threads} threads: one at a time {max(single):.1f} captions a second, a folder {max(folder):.1f}; {ratio:.2f} times as many (the median of five turns)", flush=True)


def kept(o, paths):
    with tempfile.TemporaryDirectory() as folder:
        texts, cider = [], []
        for precision, option in (("as stored", []), ("f32", ["--precision", "f32"])):
            answers, seconds = describe(o, paths, *option)
            texts.append([a["description"] for a in answers])
            print(f"{precision}: {len(answers)} pictures, {len(answers) / seconds:.1f} a second", flush=True)
            if o.references:
                file = pathlib.Path(folder) / f"{len(texts)}.jsonl"
                file.write_text("".join(json.dumps(a) + "\n" for a in answers))
                only = pathlib.Path(folder) / "references.txt"
                names = {os.path.basename(p) for p in paths}
                only.write_text("".join(line for line in open(o.references, encoding="utf-8") if line.split("#")[0] in names))
                done = subprocess.run([o.opis, "eval", "--references", only, "--predictions", file, "--samples", "0", "--format", "json"], capture_output=True, text=True, check=True)
                cider.append(json.loads(done.stdout)["CIDEr"])
        same = sum(a == b for a, b in zip(*texts))
        print(f"{same} of {len(paths)} captions are the same ({100 * same / len(paths):.1f} %)" + (f"; CIDEr {cider[0]:.4f} as stored, {cider[1]:.4f} in f32" if cider else ""))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--opis", default=str(ROOT / "build/opis"))
    p.add_argument("--library", default=str(ROOT / "build/src/libopis.so"))
    p.add_argument("--pictures", type=pathlib.Path, required=True)
    p.add_argument("--list", help="a file with a picture's name a line; without it all of the folder")
    p.add_argument("--references")
    p.add_argument("-n", type=int, default=1000)
    p.add_argument("--threads", default="1,2")
    p.add_argument("-m", "--model", default="opis-small")
    o = p.parse_args()
    os.environ["OPIS_LIBRARY"] = os.path.abspath(o.library)
    sys.path.insert(0, str(ROOT / "bindings/python"))
    import opis
    o.module = opis
    names = open(o.list).read().split() if o.list else sorted(os.listdir(o.pictures))
    paths = [str(o.pictures / name) for name in names[:o.n]]
    for threads in o.threads.split(","):
        throughput(o, paths, int(threads))
    kept(o, paths)


if __name__ == "__main__":
    main()
