"""What many files need: memory, which grows with them by little more than their names."""
import subprocess
import sys

from conftest import OPIS, Repository

LAUNCHER = "import os, sys; pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]); _, status, usage = os.wait4(pid, 0); sys.exit(os.waitstatus_to_exitcode(status) or print(usage.ru_maxrss))"
FEW, MANY = 20000, 60000


def fill(repo, n):
    repo.ok("config", "cache.type", "hardlink")
    for i in range(n):
        if i % 1000 == 0:
            (repo.path / f"data/{i // 1000:04d}").mkdir(parents=True)
        (repo.path / f"data/{i // 1000:04d}/picture-{i:07d}.jpg").write_bytes(b"%d" % i)
    repo.ok("add", "data")
    return repo


def peak(repo, *args):
    """The peak of resident memory of a run, in bytes. A small process starts it: what ru_maxrss tells of a child is at least what its parent had when it forked, and pytest grows."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, OPIS, "data", *args], cwd=repo.path, env=repo.env, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) * 1024


def test_memory_is_small_for_a_million_files(tmp_path):
    """200 MB for a million files is the aim; by what each file more takes: there is neither a second list of all files nor a whole index or directory object beside the first."""
    repos = {n: fill(Repository(tmp_path / str(n) / "repo"), n) for n in (FEW, MANY)}
    for n, repo in repos.items():
        for i in range(0, n, 10):
            (repo.path / f"data/{i // 1000:04d}/picture-{i:07d}.jpg").unlink()
    for row in (["checkout"], ["checkout"], ["status"], ["add", "data"]):
        each = (peak(repos[MANY], *row) - peak(repos[FEW], *row)) / (MANY - FEW)
        assert each < 130, (row, each)
    assert all(len(list((repo.path / "data").rglob("*.jpg"))) == n for n, repo in repos.items())
