"""Several processes at work in one repository, or on one cache."""
import hashlib
import os
import socket
import subprocess
import time

import pytest
from conftest import OPIS, Repository


def intact(repo, top=".dvc/cache/files/md5"):
    for path in (repo.path / top).glob("??/*"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == (path.parent.name + path.name).removesuffix(".dir")


def start(repo, *args):
    return subprocess.Popen([OPIS, "data", *args], cwd=repo.path, env=repo.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.parametrize("links", [False, True])
def test_many_at_once(repo, links):
    if links:
        repo.ok("config", "core.hardlink_lock", "true")
    for i in range(8):
        repo.write({f"{k}": b"%d %d" % (i, k % 3) for k in range(20)}, f"d{i}")
    running = {i: start(repo, "add", f"d{i}") for i in range(8)}
    while running:  # one that waited for too long says so, and is started again
        for i, process in list(running.items()):
            err = process.communicate()[1].decode()
            if process.returncode == 0:
                del running[i]
            else:
                assert "another opis or DVC" in err, err
                running[i] = start(repo, "add", f"d{i}")
    assert repo.ok("status") == "Data and pipelines are up to date.\n"
    assert sorted(repo.text(".gitignore").split()) == [f"/d{i}" for i in range(8)]
    intact(repo)
    if links:
        assert not (repo.path / ".dvc/tmp/lock").exists() and not list((repo.path / ".dvc/tmp").glob("*.lock"))


def test_one_cache_for_two(tmp_path):
    """Locks are a repository's: two of them may store the same objects at the same moment."""
    repos = [Repository(tmp_path / name / "repo") for name in "ab"]
    for r in repos:
        r.ok("cache", "dir", str(tmp_path / "cache"))
    for turn in range(10):
        for r in repos:
            r.write({f"{k}": b"%d %d" % (turn, k) for k in range(50)}, "data")
        done = [start(r, "add", "data") for r in repos]
        assert [p.wait() for p in done] == [0, 0], [p.stderr.read() for p in done]
    for r in repos:
        assert r.ok("status") == "Data and pipelines are up to date.\n"
    for path in (tmp_path / "cache/files/md5").glob("??/*"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == (path.parent.name + path.name).removesuffix(".dir")
    assert not [p for p in (tmp_path / "cache/files/md5").glob(".opis/*") if not p.name.startswith(".settle-")]


def test_a_lock_that_is_a_link(repo):
    repo.ok("config", "core.hardlink_lock", "true")
    repo.write({"f": b"1"})
    lock = repo.path / ".dvc/tmp/lock"
    lock.write_text("/somewhere/else.lock")  # DVC's, on another machine
    os.utime(lock, (time.time() + 3600, time.time() + 3600))
    assert "another opis or DVC" in repo.fails("add", "f")
    os.utime(lock, (1, 1))  # it has run out
    repo.ok("add", "f")
    dead = subprocess.Popen(["true"])
    dead.wait()
    claim = repo.path / f".dvc/tmp/opis-{socket.gethostname()}-{dead.pid}.lock"
    claim.write_text(str(claim))
    os.utime(claim, (time.time() + 3600, time.time() + 3600))
    os.link(claim, lock)  # what a killed opis leaves
    repo.ok("status")
    assert not lock.exists() and not claim.exists()


def test_links_in_the_tree_lead_nowhere_outside(repo, tmp_path):
    """A folder of the data that somebody made a link of is not written through, nor anything behind it taken away."""
    outside = tmp_path / "outside"
    repo.write({"sub/x": b"1", "y": b"2"}, "data")
    repo.ok("add", "data")
    outside.mkdir()
    (outside / "x").write_bytes(b"not ours")
    subprocess.run(["rm", "-r", repo.path / "data/sub"], check=True)
    (repo.path / "data/sub").symlink_to(outside)
    err = repo.fails("checkout", "-f")
    assert "data/sub" in err
    assert (outside / "x").read_bytes() == b"not ours" and len(list(outside.iterdir())) == 1
    repo.ok("remove", "data.dvc", "--outs")
    assert (outside / "x").read_bytes() == b"not ours"
