"""opis and its peers on the same pictures, alternating in one run: `make bench`.

python bench/peers.py [--models vit-gpt2,blip-base,opis-small] [--threads 1,2] [--rounds 10] [--only opis,ov] [--folder build/bench-models] [--habit]

Every contender is a process of its own, kept warm; each round asks every one of them for the same picture, in a new order, and only one works at a time. A figure is the least and the median
of a contender's rounds; ratios are of the least ones, since other work on the machine only ever adds. Tokens are compared with those of Transformers in f32.
"""
import argparse
import itertools
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
KINDS = {
    "opis-int8": "opis int8 (q8_0)", "opis-f32": "opis f32",
    "torch-f32": "Transformers f32, warm", "torch-bf16": "Transformers bf16, warm",
    "ort-f32": "ONNX Runtime f32", "ort-int8": "ONNX Runtime int8",
    "ov-f32": "OpenVINO f32", "ov-bf16": "OpenVINO bf16", "ov-int8": "OpenVINO int8",
}
FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16", "asimddp", "i8mm", "bf16")


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", info, re.M)
    name = re.search(r"^model name\s*:\s*(.*)$", info, re.M)
    have = [f for f in FEATURES if flags and f in flags[1].split()]
    return f"{name[1] if name else os.uname().machine}, {len(os.sched_getaffinity(0))} cores: {' '.join(have)}"


class Contender:
    def __init__(self, kind, folder, threads):
        self.kind, self.ms, self.stage, self.tokens, self.peak = kind, [], {}, {}, 0
        env = {**os.environ, "PYTHONPATH": str(ROOT / "bindings" / "python"), "OPIS_LIBRARY": os.environ["OPIS_LIBRARY"]}
        started = time.perf_counter()
        self.process = subprocess.Popen([sys.executable, ROOT / "bench" / "peer.py", kind, folder, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{kind} did not start: python bench/peer.py {kind} {folder} {threads}")
        self.load, self.start = json.loads(answer)["ready"], (time.perf_counter() - started) * 1e3

    def ask(self, picture, count=True):
        started = time.perf_counter()
        self.process.stdin.write(f"{picture}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if count:
            self.ms.append((time.perf_counter() - started) * 1e3)
            for name, ms in answer["ms"].items():
                self.stage.setdefault(name, []).append(ms)
        self.tokens[picture], self.peak = answer["tokens"], answer["peak_mb"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def row(*cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def compare(name, folder, threads, kinds, pictures, rounds):
    contenders = []
    for kind in kinds:
        try:
            contenders.append(Contender(kind, folder, threads))
        except RuntimeError as why:
            print(f"NOT MEASURED: {why}", flush=True)
    for c in contenders:
        for p in pictures:
            c.ask(p, count=False)
    order = list(contenders)
    for i in range(rounds):
        random.Random(i).shuffle(order)
        for c in order:
            c.ask(pictures[i % len(pictures)])
    reference = next((c for c in contenders if c.kind == "torch-f32"), contenders[0])
    base = min(reference.ms)
    print(f"\n### {name}, {threads} thread{'s' if threads > 1 else ''}, one picture, warm\n")
    print(row("contender", "ms, least", "ms, median", "encode", "generate", "peak MB", f"{KINDS[reference.kind]} takes … times as long", "the same tokens", "place by place"))
    print(row(*["---"] * 9))
    for c in sorted(contenders, key=lambda c: min(c.ms)):
        same = sum(c.tokens[p] == reference.tokens[p] for p in pictures)
        places = [a == b for p in pictures for a, b in itertools.zip_longest(c.tokens[p][1:], reference.tokens[p][1:])]  # behind the start token
        stage = [f"{min(c.stage[s]):.1f}" if s in c.stage else "" for s in ("encode", "generate")]
        print(row(KINDS[c.kind], f"{min(c.ms):.1f}", f"{statistics.median(c.ms):.1f}", *stage, f"{c.peak:.0f}", f"{base / min(c.ms):.2f}", f"{same} of {len(pictures)}", f"{sum(places)} of {len(places)}"))
    sys.stdout.flush()
    for c in contenders:
        c.close()
    return {c.kind: min(c.ms) for c in contenders}


def habit(name, folder, pictures, rounds):
    """Today's way: an interpreter that lives, and loads the model at each call; against a fresh process of opis for each picture."""
    threads = len(os.sched_getaffinity(0))
    peer = Contender("habit", folder, threads)
    fresh = []
    peer.ask(pictures[0], count=False)
    for i in range(rounds):
        peer.ask(pictures[i % len(pictures)])
        started = time.perf_counter()
        subprocess.run([os.environ["OPIS"], "describe", "-m", folder / f"{name}-q8_0.gguf", pictures[i % len(pictures)]], check=True, stdout=subprocess.DEVNULL)
        fresh.append((time.perf_counter() - started) * 1e3)
    peer.close()
    print(f"\n### {name}: load and describe, per call, {threads} threads\n")
    print(row("contender", "ms, least", "ms, median"))
    print(row(*["---"] * 3))
    print(row("from_pretrained + generate in a live interpreter", f"{min(peer.ms):.0f}", f"{statistics.median(peer.ms):.0f}"))
    print(row(f"a fresh process of opis describe -m {name}-q8_0.gguf", f"{min(fresh):.0f}", f"{statistics.median(fresh):.0f}"))
    print(f"\n{min(peer.ms) / min(fresh):.1f} times as fast.", flush=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--models", default="vit-gpt2,blip-base")
    a.add_argument("--threads", default="1,2")
    a.add_argument("--rounds", type=int, default=10)
    a.add_argument("--only", default="", help="contenders whose names begin so, by commas")
    a.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench-models")
    a.add_argument("--habit", action="store_true", help="only load and describe, per call")
    a = a.parse_args()
    pictures = sorted(map(str, (ROOT / "examples").glob("*.jpg")))
    print(machine(), flush=True)
    for name in a.models.split(","):
        folder = a.folder / name
        subprocess.run([sys.executable, ROOT / "bench" / "models.py", name, folder], check=True)
        if not a.habit:
            for threads in map(int, a.threads.split(",")):
                kinds = [k for k in KINDS if not a.only or k.startswith(tuple(a.only.split(",")))]
                if name == "opis-small":
                    kinds = [k for k in kinds if k.startswith("opis")]
                compare(name, folder, threads, kinds, pictures, a.rounds)
        if name != "opis-small" and (a.habit or not a.only):
            habit(name, folder, pictures, max(3, a.rounds // 3))


if __name__ == "__main__":
    main()
