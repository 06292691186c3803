#!/usr/bin/env python3
"""opis data against DVC on the same files, turn by turn, and against what md5sum, cp and git need for them.

    bench/data.py --opis build/opis --dvc VENV/bin/dvc --dir EMPTY_FOLDER [--files 10000] [--size 20000] [--type copy|hardlink] [--rows add,status,...]

Seconds of the clock, seconds of the processors (which other work on the machine lengthens less), and the peak of memory, page cache warm. DVC runs with its fastest settings: no analytics, no look for updates, a hashing thread a processor, the same cache.type as opis. With --no-dvc
only opis is measured. The folder wants a file system of its own, on which nothing was removed lately (put_away says why); an image that is mounted will do."""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import time

ROWS = ["add", "add again", "status", "add, one changed", "push", "push again", "pull", "checkout", "gc"]


def measure(command, cwd, env):
    """Seconds of the clock and of the processors, and MB; from a child of its own, so that the peak of memory is this command's. What earlier commands wrote is on the disk first."""
    os.sync()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        start = time.monotonic()
        done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seconds = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(writer, json.dumps([done.returncode, seconds, used.ru_maxrss, used.ru_utime + used.ru_stime, done.stderr.decode("utf-8", "replace")[-500:]]).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    status, seconds, peak, cpu, words = json.loads(os.read(reader, 65536))
    os.close(reader)
    if status != 0:
        sys.exit(f"{command}: status {status}\n{words}")
    return seconds, cpu, peak / 1024


class Side:
    """A repository of one of the programs."""

    def __init__(self, top, program, env, options):
        self.path, self.program = top / "repo", program
        self.env = dict(env, HOME=str(top), DVC_NO_ANALYTICS="1", DVC_SITE_CACHE_DIR=str(top / "site"), GIT_CONFIG_NOSYSTEM="1")
        self.path.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", "."], cwd=self.path, env=self.env, check=True)
        subprocess.run([*program, "init", "-q"], cwd=self.path, env=self.env, check=True)
        (self.path / ".dvc/config").write_text(
            f"[core]\n    analytics = false\n    check_update = false\n    autostage = false\n    checksum_jobs = {os.cpu_count()}\n    remote = store\n[cache]\n    type = {options.type}\n"
            f"['remote \"store\"']\n    url = {top}/store\n")

    def run(self, *args):
        return measure([*self.program, *args], self.path, self.env)

    def warm(self):
        for folder in (self.path / "data", self.path / ".dvc/cache"):
            if folder.exists():
                subprocess.run(f"find {folder} -type f -print0 | xargs -0 cat >/dev/null", shell=True, check=True)


def make_files(top, n, size):
    rng = random.Random(n)
    for i in range(n):
        path = top / f"{i // 1000:03d}" / f"picture-{i:07d}.jpg"
        if i % 1000 == 0:
            path.parent.mkdir(parents=True)
        if size <= 1 << 24:
            path.write_bytes(rng.randbytes(size))
        else:
            with open(path, "wb") as f:
                for _ in range(size >> 24):
                    f.write(rng.randbytes(1 << 24))


def change_one(side):
    path = next(iter(sorted((side.path / "data").rglob("*.jpg"))))
    data = path.read_bytes() if path.stat().st_size < 1 << 24 else b""
    path.unlink()
    path.write_bytes(data + str(time.time_ns()).encode())


def put_away(side, name):
    """ext4 passes over every inode that was freed in the last minute, which makes files slow to create after many were removed: so they go later."""
    trash = side.path.parent / "trash"
    trash.mkdir(exist_ok=True)
    os.rename(side.path / name, trash / f"{len(list(trash.iterdir()))}")


def prepare(row, side):
    """What stands before the row's command."""
    if row == "add, one changed":
        change_one(side)
    elif row == "pull":
        put_away(side, ".dvc/cache")
        put_away(side, "data")
    elif row == "checkout":
        put_away(side, "data")
    elif row == "gc":  # a tenth of the objects are no longer needed
        for i, path in enumerate(sorted((side.path / "data").rglob("*.jpg"))):
            if i % 10 == 0:
                path.unlink()
        side.run("add", "data")


COMMANDS = {"add": ["add", "data"], "add again": ["add", "data"], "status": ["status"], "add, one changed": ["add", "data"], "push": ["push"], "push again": ["push"], "pull": ["pull"],
            "checkout": ["checkout"], "gc": ["gc", "-w", "-f"]}


# What nobody can do without: reading and hashing what is hashed, copying what is copied, looking at every file, removing what is removed. Names of measurements, whose sum a row is compared with.
FAIR = {"add": {"hardlink": ["md5sum"], "copy": ["md5sum", "cp -r"]}, "add again": ["git status"], "status": ["git status"], "add, one changed": ["git status"], "push": ["cp -r"], "push again": ["git status"],
        "pull": {"hardlink": ["cp -r", "md5sum", "cp -rl"], "copy": ["cp -r", "md5sum", "cp -r"]}, "checkout": {"hardlink": ["cp -rl"], "copy": ["cp -r"]}, "gc": ["rm"]}


def yardstick(row, kind, measured):
    """The names and the seconds (clock, processors) of what a row is compared with; None where it was not measured."""
    names = FAIR[row]
    names = names.get(kind, names["copy"]) if isinstance(names, dict) else names
    if not all(n in measured for n in names):
        return None
    return " + ".join(names), sum(measured[n][0] for n in names), sum(measured[n][1] for n in names)


def yardsticks(top, source, env, many):
    jobs = str(os.cpu_count())
    copy, links, tenth = str(top / "copy"), str(top / "links"), str(top / "tenth")
    out = {"md5sum": measure(["sh", "-c", f"find {source} -type f -print0 | xargs -0 -n 200 -P {jobs} md5sum"], top, env),
           "cp -r": measure(["cp", "-r", source, copy], top, env),
           "cp -rl": measure(["cp", "-rl", source, links], top, env)}
    if many:
        with open(tenth, "wb") as f:  # a tenth of them, as gc removes
            f.write(b"".join(os.fsencode(p) + b"\0" for i, p in enumerate(sorted(pathlib.Path(copy).rglob("*.jpg"))) if i % 10 == 0))
        out["rm"] = measure(["sh", "-c", f"xargs -0 rm <{tenth}"], top, env)
        os.unlink(tenth)
    shutil.rmtree(links)
    repo = top / "git"
    repo.mkdir()
    git = ["git", "-c", "core.untrackedCache=true", "-c", "gc.auto=0", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", "."], cwd=repo, check=True, env=env)
    shutil.rmtree(copy)
    subprocess.run(["cp", "-rl", source, repo / "data"], check=True)
    time.sleep(1.1)  # otherwise git reads every file again: they are as young as its index
    if many:
        subprocess.run([*git, "-c", "core.compression=0", "add", "."], cwd=repo, check=True, env=env)
        subprocess.run([*git, "status"], cwd=repo, check=True, env=env, stdout=subprocess.DEVNULL)
        out["git status"] = measure([*git, "status"], repo, env)
    shutil.rmtree(repo)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--opis", required=True)
    p.add_argument("--dvc")
    p.add_argument("--no-dvc", action="store_true")
    p.add_argument("--dir", required=True)
    p.add_argument("--files", type=int, default=10000)
    p.add_argument("--size", type=int, default=20000)
    p.add_argument("--type", default="hardlink")
    p.add_argument("--rows", default=",".join(r.replace(", ", "+") for r in ROWS))
    p.add_argument("--no-yardsticks", action="store_true")
    options = p.parse_args()
    top = pathlib.Path(options.dir).resolve()
    top.mkdir(parents=True, exist_ok=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_", "AWS_", "XDG_"))}
    source = top / "source"
    make_files(source, options.files, options.size)
    sides = {"opis": Side(top / "opis", [os.path.abspath(options.opis), "data"], env, options)}
    if not options.no_dvc:
        sides["dvc"] = Side(top / "dvc", [os.path.abspath(options.dvc)], env, options)
    measured = {} if options.no_yardsticks else yardsticks(top, str(source), env, options.files > 5)
    for side in sides.values():
        subprocess.run(["cp", "-r", source, side.path / "data"], check=True)
        side.warm()
    shutil.rmtree(source)
    time.sleep(61)  # put_away says why; and no file is so young that an index must not believe it
    print(f"{options.files} files of {options.size} bytes, cache.type {options.type}, {os.cpu_count()} processors; " + ", ".join(f"{k} {v[0]:.2f} s ({v[1]:.2f})" for k, v in measured.items()), flush=True)
    print("| | opis | processors | MB | DVC | processors | MB | times | of the processors | yardstick | | processors | times the yardstick | of the processors |\n|" + "---|" * 14, flush=True)
    order = list(sides.items())
    for i, row in enumerate(r.replace("+", ", ") for r in options.rows.split(",")):
        result = {}
        for name, side in reversed(order) if i % 2 else order:  # who is second finds the disk busier or the machine warmer
            prepare(row, side)
            side.warm()
            time.sleep(1.1)
            result[name] = side.run(*COMMANDS[row])
        o, d = result["opis"], result.get("dvc")
        mine = f"| {row} | {o[0]:.3f} s | {o[1]:.2f} s | {o[2]:.0f} | "
        theirs = f"{d[0]:.2f} s | {d[1]:.2f} s | {d[2]:.0f} | {d[0] / o[0]:.1f} | {d[1] / max(o[1], 0.001):.1f} |" if d else "| | | | |"
        y = yardstick(row, options.type, measured)
        print(mine + theirs + (f" {y[0]} | {y[1]:.3f} s | {y[2]:.2f} s | {o[0] / y[1]:.2f} | {o[1] / max(y[2], 0.001):.2f} |" if y else " | | | | |"), flush=True)
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
