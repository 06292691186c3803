"""opis data restore and verify."""
import json
import os
import shutil

import pytest

from conftest import GOLDEN, GOLDEN_DIR


@pytest.fixture
def past(remote):
    """v1 and v2 of a folder and a file, pushed; the work tree is v2's."""
    remote.write({"a": b"1", "b": b"2", "sub/c": b"3"}, "data")
    remote.write({"single": b"s"}, "sub")
    remote.ok("add", "data", "sub/single")
    remote.commit("one")
    remote.git("tag", "v1")
    remote.write({"a": b"new", "d": b"4"}, "data")
    (remote.path / "data/b").unlink()
    remote.write({"single": b"S"}, "sub")
    remote.write({"later": b"l"})
    remote.ok("add", "data", "sub/single", "later")
    remote.commit("two")
    remote.git("tag", "v2")
    remote.ok("push", "-A")
    return remote


V1 = {"a": b"1", "b": b"2", "sub/c": b"3"}
V2 = {"a": b"new", "d": b"4", "sub/c": b"3"}


def test_everything(past):
    head = past.git("rev-parse", "HEAD")
    out = past.ok("restore", "v1")
    assert "data.dvc" in out and "sub/single.dvc" in out
    assert past.read("data") == V1 and past.text("sub/single") == "s" and past.text("later") == "l"
    assert past.git("rev-parse", "HEAD") == head and past.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert past.git("show", "v1:data.dvc") == past.text("data.dvc")
    assert past.run("status", "-q").returncode == 0
    past.ok("restore", "HEAD")
    assert past.read("data") == V2 and past.git("status", "--porcelain") == ""


def test_one_path(past):
    past.ok("restore", "v1", "data")
    assert past.read("data") == V1 and past.text("sub/single") == "S"
    past.ok("restore", "HEAD")
    past.ok("restore", "v1", "single.dvc", cwd=past.path / "sub")
    assert past.text("sub/single") == "s" and past.read("data") == V2
    past.ok("restore", "v1", "sub")  # a folder: what is tracked below it


def test_one_file_of_a_folder(past):
    dvc = past.text("data.dvc")
    past.ok("restore", "v1", "data/a")
    assert past.read("data") == dict(V2, a=b"1") and past.text("data.dvc") == dvc


def test_from_the_remote(past):
    past.ok("gc", "-w", "-f")
    assert "c4ca4238a0b923820dcc509a6f75849b" not in past.objects()
    past.ok("restore", "v1")
    assert past.read("data") == V1


def test_data_that_are_only_here(past):
    shutil.rmtree(past.path / ".dvc/cache")
    assert "no version has" in past.fails("restore", "v1")
    assert past.read("data") == V2


def test_nowhere(past):
    for top in (past.path / ".dvc/cache", past.store):
        (top / "files/md5/c4/ca4238a0b923820dcc509a6f75849b").unlink()
    assert "nothing was changed" in past.fails("restore", "v1")
    assert past.read("data") == V2 and past.git("status", "--porcelain") == ""


def test_local_changes(past):
    past.write({"a": b"unsaved"}, "data")
    assert "no version has" in past.fails("restore", "v1")
    assert past.read("data") == dict(V2, a=b"unsaved") and past.text("sub/single") == "S" and past.git("status", "--porcelain") == ""
    past.ok("restore", "v1", "sub/single")  # another path is not held back by it
    past.ok("restore", "v1", "--force")
    assert past.read("data") == V1


def test_local_changes_of_a_dvc_file(past):
    past.write({"a": b"saved, not committed"}, "data")
    past.ok("add", "data")
    assert "in no commit" in past.fails("restore", "v1")
    assert past.read("data")["a"] == b"saved, not committed"
    past.commit("three")
    past.ok("restore", "v1")
    assert past.read("data") == V1


def test_removed_since(past):
    past.ok("remove", "sub/single.dvc", "--outs")
    past.commit("gone")
    past.ok("restore", "v1", "sub/single")
    assert past.text("sub/single") == "s" and "/single" in past.text("sub/.gitignore")


def test_what_is_in_the_way(past):
    past.git("rm", "-q", "sub/single.dvc")
    (past.path / "sub/single").unlink()
    past.write({"single": b"git's"}, "sub")
    past.git("add", "-f", "sub/single")
    past.git("commit", "-qm", "git has it now")
    assert "git" in past.fails("restore", "v1", "sub/single")
    past.ok("remove", "data.dvc", "--outs")
    past.write({"a": b"1"}, "data")
    past.ok("add", "data/a")
    assert "data/a.dvc" in past.fails("restore", "v1", "data")


def test_wrong_names(past):
    assert "no revision" in past.fails("restore", "nosuch")
    assert "in revision v1" in past.fails("restore", "v1", "later")
    assert past.run("restore").returncode == 2


def test_pipeline(past):
    past.write({"dvc.yaml": b"stages:\n  make:\n    cmd: echo x > out\n    outs:\n    - out\n", "out": b"o"})
    past.write({"dvc.lock": b"schema: '2.0'\nstages:\n  make:\n    cmd: echo x > out\n    outs:\n    - path: out\n      hash: md5\n      md5: d95679752134a2d9eb61dbd7b91c4bcc\n      size: 1\n"})
    past.write({"tmp": b"o"})
    past.ok("add", "tmp")
    past.ok("remove", "tmp.dvc", "--outs")
    (past.path / ".gitignore").write_text((past.path / ".gitignore").read_text() + "/out\n")
    past.commit("pipeline")
    past.git("tag", "p")
    past.write({"dvc.lock": b"schema: '2.0'\nstages: {}\n"})
    past.commit("other")
    (past.path / "out").unlink()
    assert "dvc.lock" in past.fails("restore", "p", "out")
    past.ok("restore", "p")
    assert past.text("out") == "o" and past.git("show", "p:dvc.lock") == past.text("dvc.lock")


# ---- verify ----


@pytest.fixture
def saved(remote):
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    return remote


def spoil(repo, name="5d/41402abc4b2a76b9719d911017c592"):
    """A bit that rots: the same size, mode and times."""
    path = repo.path / ".dvc/cache/files/md5" / name
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"x" * before.st_size)
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def test_all_well(saved):
    assert "6 objects" in saved.ok("verify") and "all are what" in saved.ok("verify")
    assert json.loads(saved.ok("verify", "--json"))["damaged"] == []
    assert saved.ok("verify", "-q") == ""


def test_mended_from_the_remote(saved):
    saved.ok("push")
    path = spoil(saved)
    done = saved.run("verify", "--dry")
    assert done.returncode == 1 and b"5d41402abc4b2a76b9719d911017c592 (data/a.jpg)" in done.stdout and path.read_bytes() == b"xxxxx"
    assert "mended" in saved.ok("verify")
    assert path.read_bytes() == b"hello" and path.stat().st_mode & 0o777 == 0o444
    directory = spoil(saved, f"{GOLDEN_DIR[:2]}/{GOLDEN_DIR[2:]}")
    assert json.loads(saved.ok("verify", "--json"))["damaged"] == [{"object": GOLDEN_DIR, "path": "data", "mended": True}]
    assert directory.read_bytes().startswith(b"[{")


def test_not_to_be_mended(saved):
    path = spoil(saved)
    done = saved.run("verify")
    assert done.returncode == 1 and b"set aside" in done.stdout and not path.exists()
    assert (saved.path / ".dvc/cache/damaged/5d41402abc4b2a76b9719d911017c592").read_bytes() == b"xxxxx"
    assert "not in cache" in saved.ok("status")
    saved.ok("commit", "-f", "data.dvc")  # the work tree still has it
    assert path.read_bytes() == b"hello" and saved.run("verify").returncode == 0


def test_a_link_shares_the_damage(saved):
    saved.ok("push")
    saved.ok("config", "cache.type", "hardlink")
    saved.ok("checkout", "--relink")
    spoil(saved)
    saved.ok("verify")
    assert "modified" in saved.ok("status")
    saved.ok("checkout", "-f")
    assert saved.read("data") == GOLDEN


def test_objects_of_dvc_2(remote):
    (remote.path / ".dvc/cache/5d").mkdir(parents=True)
    path = remote.path / ".dvc/cache/5d/41402abc4b2a76b9719d911017c592"
    path.write_bytes(b"hello")
    path.chmod(0o444)
    assert "1 objects" in remote.ok("verify")
    path.chmod(0o644)
    path.write_bytes(b"hellO")
    assert remote.run("verify").returncode == 1
