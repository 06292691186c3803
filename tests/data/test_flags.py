"""Flags of DVC's verbs: patterns, data from outside, straight to the remote, sizes."""
import json
import os
import shutil
import subprocess
import time

import pytest

from conftest import GOLDEN, GOLDEN_DIR, Repository


@pytest.fixture
def sets(remote):
    remote.write({"x": b"1"}, "sets/a")
    remote.write({"x": b"22", "y.jpg": b"3"}, "sets/b")
    remote.write({"x": b"4"}, "other")
    remote.ok("add", "sets/a", "sets/b", "other")
    return remote


def files(repo):
    return sorted(n for n in repo.objects(repo.store / "files/md5") if not n.endswith(".dir")) if repo.store.exists() else []


def test_patterns(sets):
    assert sets.ok("push", "--glob", "sets/*.dvc") == "5 files pushed\n"
    assert len(files(sets)) == 3
    sets.ok("push")
    shutil.rmtree(sets.path / ".dvc/cache")
    shutil.rmtree(sets.path / "sets")
    (sets.path / "sets").mkdir()


def test_patterns_of_what_is_not_here(sets):
    sets.ok("push")
    sets.commit()
    shutil.rmtree(sets.path / ".dvc/cache")
    for top in ("sets/a", "sets/b", "other"):
        shutil.rmtree(sets.path / top)
    sets.ok("pull", "--glob", "sets/?")
    assert sets.read("sets/a") == {"x": b"1"} and sets.read("sets/b")["y.jpg"] == b"3" and not (sets.path / "other").exists()
    sets.ok("fetch", "--glob", "**/other.dvc", "ot*")
    assert "matches nothing" in sets.fails("pull", "--glob", "nothing*")
    assert "neither" in sets.fails("pull", "sets/?")  # without --glob it is a name


def test_patterns_inside(sets):
    sets.ok("push", "--glob", "sets/b/*.jpg")
    assert files(sets) == ["eccbc87e4b5ce2fe28308fd9f2a7baf3"]


def test_patterns_from_a_folder(sets):
    sets.ok("push", "--glob", "a*", cwd=sets.path / "sets")
    assert files(sets) == ["c4ca4238a0b923820dcc509a6f75849b"]


def test_from_outside(remote, tmp_path):
    for name, content in GOLDEN.items():
        (tmp_path / "camera" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "camera" / name).write_bytes(content)
    remote.ok("add", tmp_path / "camera", "-o", "photos")
    assert remote.read("photos") == GOLDEN and GOLDEN_DIR in remote.text("photos.dvc") and remote.text(".gitignore") == "/photos\n"
    assert remote.run("status", "-q").returncode == 0 and (tmp_path / "camera/b").exists()
    assert "--force" in remote.fails("add", tmp_path / "camera/b", "-o", "photos/b")
    (remote.path / "in").mkdir()
    remote.ok("add", tmp_path / "camera/a.jpg", "-o", "in")
    assert remote.text("in/a.jpg") == "hello" and (remote.path / "in/a.jpg.dvc").exists()
    assert "one source" in remote.fails("add", tmp_path / "camera/a.jpg", tmp_path / "camera/b", "-o", "c")
    assert "fetch it first" in remote.fails("add", "s3://bucket/x", "-o", "y")


def test_to_the_remote(remote, tmp_path):
    for name, content in GOLDEN.items():
        (tmp_path / "camera" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "camera" / name).write_bytes(content)
    remote.ok("add", tmp_path / "camera", "--to-remote")
    assert GOLDEN_DIR in remote.text("camera.dvc") and not (remote.path / "camera").exists()
    assert remote.objects() == [] and GOLDEN_DIR in remote.objects(remote.store / "files/md5")
    assert not list((remote.path / ".dvc/tmp").rglob("source-*"))
    remote.ok("pull")
    assert remote.read("camera") == GOLDEN
    remote.ok("add", tmp_path / "camera/b", "--to-remote", "-o", "in-b")
    assert (remote.path / "in-b.dvc").exists()
    assert remote.run("add", "x", "--remote", "store").returncode == 2


def test_to_a_remote_that_fails(remote, tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    remote.store.write_bytes(b"no folder")
    remote.fails("add", tmp_path / "file", "--to-remote")
    assert not (remote.path / "file.dvc").exists() and not (remote.path / ".gitignore").exists()


def test_max_size(sets):
    sets.ok("push")
    shutil.rmtree(sets.path / ".dvc/cache")
    sets.ok("fetch", "--max-size", "2")
    names = sets.objects()
    assert "c4ca4238a0b923820dcc509a6f75849b" in names and "b6d767d2f8ed5d21a44b0e5886680cb9" not in names
    assert b"metrics" in sets.run("fetch", "--type", "metrics").stderr


def test_commit_leaves_links(sets):
    sets.ok("config", "cache.type", "hardlink")
    sets.write({"x": b"new"}, "other")
    sets.ok("commit", "-f", "--no-relink", "other.dvc")
    assert (sets.path / "other/x").stat().st_nlink == 1
    sets.write({"x": b"newer"}, "other")
    sets.ok("commit", "-f", "other.dvc")
    assert (sets.path / "other/x").stat().st_nlink == 2


def test_gc_keeps_experiments(sets):
    sets.commit()
    sets.git("update-ref", "refs/exps/ab/cdef/name", "HEAD")
    sets.ok("remove", "other.dvc", "--outs")
    sets.commit()
    sets.ok("gc", "--all-experiments", "-f")
    assert "a87ff679a2f3e71d9181a67b7542122c" in sets.objects()
    sets.ok("gc", "-w", "-f")
    assert "a87ff679a2f3e71d9181a67b7542122c" not in sets.objects()


# ---- what DVC's files may say ----

LOCK = b"schema: '2.0'\nstages:\n  make:\n    cmd: make\n    outs:\n    - path: out\n      hash: md5\n      md5: c4ca4238a0b923820dcc509a6f75849b\n      size: 1\n"


def test_outputs_of_a_pipeline(sets):
    sets.write({"dvc.yaml": b"stages:\n  make:\n    cmd: make\n    outs:\n    - out\n", "dvc.lock": LOCK})
    assert json.loads(sets.ok("status", "--json")) == {"make": [{"changed outs": {"out": "deleted"}}]}
    sets.ok("checkout", "make")
    assert sets.text("out") == "1"
    sets.ok("push", "out")
    assert files(sets) == ["c4ca4238a0b923820dcc509a6f75849b"]
    (sets.path / "out").unlink()
    shutil.rmtree(sets.path / ".dvc/cache")
    sets.ok("pull", "make")
    assert sets.text("out") == "1" and sets.text("dvc.lock").encode() == LOCK


def test_cloud_versioned_outputs_are_named(sets):
    sets.write({"v.dvc": b"outs:\n- path: v\n  size: 1\n  nfiles: 1\n  files:\n  - size: 1\n    version_id: x\n    etag: y\n    md5: c4ca4238a0b923820dcc509a6f75849b\n    relpath: f\n"})
    for verb in ("checkout", "commit", "restore"):
        args = [verb, "HEAD"] if verb == "restore" else [verb, "v.dvc"]
        if verb == "restore":
            sets.commit()
        assert "cloud-versioned" in sets.fails(*args), verb
    done = sets.run("status")
    assert b"cloud-versioned" in done.stderr


def test_objects_of_dvc_2(remote):
    remote.write({".dvc/cache/c4/ca4238a0b923820dcc509a6f75849b": b"1", "old.dvc": b"outs:\n- md5: c4ca4238a0b923820dcc509a6f75849b\n  size: 1\n  path: old\n"})
    (remote.path / ".dvc/cache/c4/ca4238a0b923820dcc509a6f75849b").chmod(0o444)
    remote.ok("checkout")
    assert remote.text("old") == "1" and remote.run("status", "-q").returncode == 0
    remote.ok("push")
    assert (remote.store / "c4/ca4238a0b923820dcc509a6f75849b").exists()
    shutil.rmtree(remote.path / ".dvc/cache")
    (remote.path / "old").unlink()
    remote.ok("pull")
    assert remote.text("old") == "1" and "hash:" not in remote.text("old.dvc")
    remote.ok("add", "old")  # unchanged: it stays as it is
    assert "hash:" not in remote.text("old.dvc")
    remote.write({"old": b"2"})
    remote.ok("add", "old")
    assert "hash: md5" in remote.text("old.dvc")


def test_autostage(remote):
    remote.ok("config", "core.autostage", "true")
    remote.write({"a": b"1"}, "data")
    assert "git add" not in remote.ok("add", "data")
    assert remote.git("diff", "--cached", "--name-only").split() == [".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "data.dvc"]
    remote.git("commit", "-qm", "one")
    remote.write({"a": b"2"}, "data")
    remote.ok("commit", "-f")
    assert remote.git("diff", "--cached", "--name-only").split() == ["data.dvc"]
    remote.git("commit", "-qm", "two")
    remote.ok("move", "data", "moved")
    assert remote.git("diff", "--cached", "--name-status", "--no-renames").split() == ["M", ".gitignore", "D", "data.dvc", "A", "moved.dvc"]
    remote.git("commit", "-qm", "three")
    remote.ok("remove", "moved.dvc")
    assert remote.git("diff", "--cached", "--name-status").split() == ["D", ".gitignore", "D", "moved.dvc"]


def test_dvcignore(remote):
    remote.write({".dvcignore": b"*.tmp\n/data/no\n", "data/a": b"1", "data/b.tmp": b"2", "data/no/c": b"3", "data/sub/no": b"4", "hidden.tmp": b"5"})
    remote.ok("add", "data")
    assert "nfiles: 2" in remote.text("data.dvc")
    assert "ignored by .dvcignore" in remote.fails("add", "hidden.tmp")
    assert remote.ok("list", ".", "-R", "data").splitlines() == ["a", "sub/no"]
    remote.ok("checkout", "-f")
    assert os.path.exists(remote.path / "data/b.tmp")


def test_another_folder_to_work_in(sets):
    sets.write({"x": b"changed"}, "sets/a")
    (sets.path / "sets/a/x").chmod(0o644)
    for words in (["--cd", "sets", "status", "--json"], ["--cd=sets", "--wait-for-lock", "status", "--json"]):
        assert json.loads(sets.ok(*words)) == {"a.dvc": [{"changed outs": {"a": "modified"}}]}
    assert "needs an argument" in sets.fails("--cd") and "nosuch" in sets.fails("--cd", "nosuch", "status")


def test_waiting_for_the_lock(sets):
    holder = subprocess.Popen(["flock", str(sets.path / ".dvc/tmp/lock"), "sleep", "5"])
    time.sleep(0.3)
    try:
        sets.ok("--wait-for-lock", "status")
        assert holder.poll() is not None or holder.wait(2) == 0
    finally:
        holder.kill()
        holder.wait()


def test_other_names_and_short_help(sets):
    sets.ok("mv", "other", "moved")
    sets.ok("rm", "moved.dvc")
    assert not (sets.path / "moved.dvc").exists()
    for verb in ("add", "mv", "rm", "remote", "gc"):
        assert sets.ok(verb, "-h").startswith("Usage: opis data " + verb)


def test_init_in_a_folder(repo):
    repo.ok("init", "--subdir", "new/er")
    assert (repo.path / "new/er/.dvc/config").exists()
    repo.fails("init", "another")
    assert not (repo.path / "another").exists()


def test_settings_that_are_not_there(repo):
    assert repo.ok("config", "core.remote") == "" and repo.ok("config", "nosuch.key") == ""
    assert "not set" in repo.fails("config", "-u", "core.remote")
    assert "not set" in repo.fails("cache", "dir", "-u")
