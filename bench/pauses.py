#!/usr/bin/env python3
"""What a picture takes when it is asked for once in a while, as a user or a server does, and not back to back.

    bench/pauses.py --pictures FOLDER [--opis build/opis] [-n 60] [--pauses 0,5,50,200] [--threads 1,2] [-m MODEL]

One `opis describe --files-from -` for each number of threads is fed one path after the other, with so many milliseconds between an answer and the next question; the medians of what its answers say of
decoding, encoding and generating, and of the time from question to answer as the asker sees it."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).parents[1]
STAGES = ("decode", "encode", "generate")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--opis", default=str(ROOT / "build/opis"))
    p.add_argument("--pictures", type=pathlib.Path, required=True)
    p.add_argument("-n", type=int, default=60)
    p.add_argument("--pauses", default="0,5,50,200")
    p.add_argument("--threads", default="1,2")
    p.add_argument("-m", "--model", default="opis-small")
    o = p.parse_args()
    paths = [str(o.pictures / name) for name in sorted(os.listdir(o.pictures))[:o.n]]
    print("| threads | pause | " + " | ".join(STAGES) + " | asked to answered | processor time a picture |")
    print("|---|---|---|---|---|---|---|")
    for threads in o.threads.split(","):
        run = subprocess.Popen([o.opis, "describe", "-m", o.model, "--files-from", "-", "--format", "jsonl", "--threads", threads], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def ask(path):
            began = time.perf_counter()
            run.stdin.write(path + "\n")
            run.stdin.flush()
            answer = json.loads(run.stdout.readline())["ms"]
            return [answer[s] for s in STAGES] + [(time.perf_counter() - began) * 1e3]

        def used():
            fields = pathlib.Path(f"/proc/{run.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

        for path in paths[:5]:
            ask(path)
        for pause in o.pauses.split(","):
            rows, before = [], used()
            for path in paths:
                time.sleep(float(pause) / 1e3)
                rows.append(ask(path))
            print(f"| {threads} | {pause} ms | " + " | ".join(f"{statistics.median(column):.2f} ms" for column in zip(*rows)) + f" | {(used() - before) / len(paths):.1f} ms |", flush=True)
        run.stdin.close()
        run.wait()


if __name__ == "__main__":
    main()
