"""opis data list and get: what other repositories have, on this machine and behind a git URL."""
import json
import shutil
import subprocess

import pytest

from conftest import OPIS, Repository, environment


@pytest.fixture
def source(remote):
    """Two versions of a folder and a file beside what git has, pushed; in the work tree something of its own."""
    (remote.path / ".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {remote.store}\n")
    remote.write({"a": b"1", "sub/b": b"2"}, "data")
    remote.write({"single": b"s", "README": b"text", "code/run.sh": b"#!/bin/sh\n"})
    (remote.path / "code/run.sh").chmod(0o755)
    remote.ok("add", "data", "single")
    remote.commit("one")
    remote.git("tag", "v1")
    remote.write({"a": b"changed"}, "data")
    remote.ok("add", "data")
    remote.commit("two")
    remote.ok("push", "-A")
    return remote


@pytest.fixture
def url(source, tmp_path):
    """The same behind a URL, its data on the remote alone."""
    subprocess.run(["git", "clone", "-q", "--bare", source.path, tmp_path / "bare.git"], check=True)
    return f"file://{tmp_path}/bare.git"


def opis(tmp_path, *args):
    done = subprocess.run([OPIS, "data", *map(str, args)], cwd=tmp_path, env=environment(tmp_path), capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_list(source):
    names = source.ok("list", ".").splitlines()
    assert names == [".dvcignore", ".gitignore", "README", "code", "data", "data.dvc", "single", "single.dvc"]
    assert source.ok("list", ".", "-R", "--dvc-only").splitlines() == ["data/a", "data/sub/b", "single"]
    entries = {e["path"]: e for e in json.loads(source.ok("list", ".", "--json"))}
    assert entries["data"]["isout"] and entries["data"]["isdir"] and entries["data"]["md5"].endswith(".dir") and not entries["README"]["isout"]
    assert entries["single"] == {"isout": True, "isdir": False, "isexec": False, "size": 1, "md5": "03c7c0ace395d80182db07ae2c30f034", "path": "single"}
    assert [e["path"] for e in json.loads(source.ok("list", ".", "code", "--json"))] == ["run.sh"]
    assert json.loads(source.ok("list", ".", "code/run.sh", "--json"))[0]["isexec"]
    assert "neither" in source.fails("list", ".", "nosuch") and source.run("list").returncode == 2


def test_list_forms(source):
    assert source.ok("list", ".", "data", "-T").splitlines() == ["data", "├── a", "└── sub", "    └── b"]
    assert source.ok("list", ".", "data", "-R", "-L", "1").splitlines() == ["a", "sub"]
    assert ["1", "03c7c0ace395d80182db07ae2c30f034", "single"] in [line.split() for line in source.ok("list", ".", "--size", "--show-hash").splitlines()]
    assert source.run("list", ".", "-T", "--json").returncode == 2


def test_list_a_revision(source):
    old = {e["path"]: e for e in json.loads(source.ok("list", ".", "-R", "--json", "--rev", "v1"))}
    assert old["data/a"]["md5"] == "c4ca4238a0b923820dcc509a6f75849b" and ".dvc/config" not in old
    assert "no revision" in source.fails("list", ".", "--rev", "nosuch")


def test_data_lie_over_the_files(repo, tmp_path):
    """Folders that several outputs share, names that sort before '/', files in the place of data: what is there as a file counts, with what is recorded of it."""
    recorded = {"deep/a/b/1": b"1", "deep/a/b-c/2": b"2", "deep/a/b.c": b"3", "deep/a/c/4": b"4", "deep/d": b"5", "x/e": b"6"}
    repo.write(recorded, "sets/data")
    repo.write({"one": b"7", "git": b"8"}, "sets")
    repo.ok("add", "sets/data", "sets/one")
    repo.commit()
    everything = sorted(["git", "one", *("data/" + name for name in recorded)])
    assert repo.ok("list", ".", "sets", "-R", "--rev", "HEAD").splitlines() == sorted([*everything, ".gitignore", "data.dvc", "one.dvc"])
    assert repo.ok("list", ".", "--dvc-only").splitlines() == ["sets"] and repo.ok("list", ".", "-T", "--dvc-only", "-L", "2").splitlines() == [".", "└── sets", "    ├── data", "    └── one"]
    (repo.path / "sets/data/deep/d").unlink()
    (repo.path / "sets/data/deep/a/c/4").unlink()
    shutil.rmtree(repo.path / "sets/data/x")
    repo.write({"x": b"a file now", "deep/a/c/new": b"9", "deep/a/b/1": b"changed"}, "sets/data")
    entries = {e["path"]: e for e in json.loads(repo.ok("list", ".", "sets", "-R", "--json"))}
    shown = {name.removeprefix("data/"): e for name, e in entries.items() if name.startswith("data/")}
    assert list(shown) == ["deep/a/b-c/2", "deep/a/b.c", "deep/a/b/1", "deep/a/c/4", "deep/a/c/new", "deep/d", "x"]
    assert shown["deep/a/b/1"]["isout"] and shown["deep/a/b/1"]["size"] == 7 and shown["deep/a/b/1"]["md5"] == "c4ca4238a0b923820dcc509a6f75849b"
    assert shown["deep/d"]["isout"] and shown["deep/d"]["size"] is None and not shown["deep/a/c/new"]["isout"]
    assert shown["x"] == {"isout": True, "isdir": False, "isexec": False, "size": 10, "md5": None, "path": "data/x"}
    folders = {e["path"]: e for e in json.loads(repo.ok("list", ".", "sets/data/deep", "--json"))}
    assert list(folders) == ["a", "d"] and folders["a"]["isdir"] and folders["a"]["isout"]
    assert repo.ok("list", ".", "sets/data", "-T").splitlines() == [
        "sets/data", "├── deep", "│   ├── a", "│   │   ├── b", "│   │   │   └── 1", "│   │   ├── b-c", "│   │   │   └── 2", "│   │   ├── b.c", "│   │   └── c", "│   │       ├── 4", "│   │       └── new",
        "│   └── d", "└── x"]
    now = {**recorded, "deep/a/b/1": b"changed", "deep/a/c/new": b"9", "x": b"a file now"}
    del now["x/e"]
    repo.ok("get", ".", "sets/data", "-o", tmp_path / "now")
    repo.ok("get", ".", "sets/data", "-o", tmp_path / "then", "--rev", "HEAD")
    here = Repository(tmp_path / "here")
    here.ok("import", "../repo", "sets/data", "-o", "now")
    here.ok("import", "../repo", "sets/data", "-o", "then", "--rev", "HEAD")
    here.ok("import", "../repo", "sets/data/deep/a", "-o", "part")
    for where in (Repository(tmp_path, init=False), here):
        assert where.read("now") == now and where.read("then") == recorded
    assert here.read("part") == {name.removeprefix("deep/a/"): content for name, content in now.items() if name.startswith("deep/a/")}
    assert f"size: {sum(map(len, now.values()))}\n  nfiles: {len(now)}\n" in here.text("now.dvc")


def test_what_a_revision_ignores(repo, tmp_path):
    """The .dvcignore files of the revision that is asked for count, not those of now."""
    repo.write({"a.tmp": b"1", "sub/x/f": b"1", "sub/k": b"1", "sub/z": b"1", ".dvcignore": b"*.tmp\n/sub/x\n", "sub/.dvcignore": b"k\n", "d/a": b"1"})
    repo.ok("add", "d")
    repo.commit()
    repo.git("tag", "v1")
    (repo.path / ".dvcignore").unlink()
    repo.commit()
    assert repo.ok("list", ".", "-R", "--rev", "v1").split() == [".dvcignore", ".gitignore", "d.dvc", "d/a", "sub/.dvcignore", "sub/z"]
    assert repo.ok("list", ".", "-R", "--rev", "HEAD").split() == [".gitignore", "a.tmp", "d.dvc", "d/a", "sub/.dvcignore", "sub/x/f", "sub/z"]
    for path in ("a.tmp", "sub/x", "sub/x/f", "sub/k"):
        assert "neither a file of git nor data" in repo.fails("list", ".", path, "--rev", "v1")
        assert "neither a file of git nor data" in repo.fails("get", ".", path, "--rev", "v1", "-o", tmp_path / "no")
    repo.ok("get", ".", "sub", "--rev", "v1", "-o", tmp_path / "sub")
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["z"]
    repo.ok("get", ".", "sub/x", "--rev", "HEAD", "-o", tmp_path / "x")
    assert (tmp_path / "x/f").read_text() == "1"


def test_list_and_get_by_url(url, tmp_path):
    assert opis(tmp_path, "list", url, "-R", "--dvc-only").splitlines() == ["data/a", "data/sub/b", "single"]
    assert opis(tmp_path, "list", url, "--rev", "v1", "data", "--show-hash").splitlines()[0].split() == ["c4ca4238a0b923820dcc509a6f75849b", "a"]
    opis(tmp_path, "get", url, "data", "-o", "out")
    assert (tmp_path / "out/a").read_bytes() == b"changed" and (tmp_path / "out/sub/b").read_bytes() == b"2"
    opis(tmp_path, "get", url, "data/a", "--rev", "v1", "-o", "old")
    assert (tmp_path / "old").read_bytes() == b"1"
    opis(tmp_path, "get", url, "README")
    assert (tmp_path / "README").read_text() == "text"
    left = [p.name for p in tmp_path.iterdir() if p.name.startswith("source-") or ".opis-" in p.name]
    assert not left


def test_get_here(source, tmp_path):
    opis(tmp_path, "get", "repo", "data", "--rev", "v1")
    assert (tmp_path / "data/a").read_bytes() == b"1"
    source.write({"a": b"not added"}, "data")
    opis(tmp_path, "get", "repo", "data/a")  # without a revision: as it is there
    assert (tmp_path / "a").read_bytes() == b"not added"
    opis(tmp_path, "get", "repo", "code", "-o", "code2", "--rev", "v1")
    assert (tmp_path / "code2/run.sh").stat().st_mode & 0o100
    shutil.rmtree(source.path / ".dvc/cache")
    shutil.rmtree(source.path / "data")
    (tmp_path / "folder").mkdir()
    opis(tmp_path, "get", "repo", "data", "-o", "folder")  # from the source's remote
    assert (tmp_path / "folder/data/a").read_bytes() == b"changed"
    assert not (source.path / ".dvc/cache").exists()  # which is not ours to fill


def test_get_takes_no_place_unasked(source, tmp_path):
    (tmp_path / "single").write_text("mine")
    assert "--force" in Repository(tmp_path / "elsewhere", init=False).fails("get", source.path, "single", "-o", tmp_path / "single")
    opis(tmp_path, "get", "repo", "single", "-f")
    assert (tmp_path / "single").read_text() == "s"
    opis(tmp_path, "get", "repo", "data", "--rev", "v1")
    opis(tmp_path, "get", "repo", "data", "-f", "-o", "data2")
    opis(tmp_path, "get", "repo", "single", "-o", "data", "--force")  # into the folder
    assert (tmp_path / "data/single").read_text() == "s"
    shutil.rmtree(tmp_path / "data2/sub")
    (tmp_path / "data2/own").write_text("x")
    opis(tmp_path, "get", "repo", "code", "-o", "new/deep")
    assert (tmp_path / "new/deep/run.sh").exists()


def test_get_refuses(source, url, tmp_path):
    other = Repository(tmp_path / "elsewhere", init=False)
    assert "name the data" in other.fails("get", source.path, "data.dvc")
    assert "neither" in other.fails("get", source.path, "nosuch")
    done = other.run("get", f"file://{tmp_path}/nothing", "x")
    assert done.returncode == 1 and b"git could not clone" in done.stderr
    assert b"no revision" in other.run("get", url, "data", "--rev", "nosuch").stderr
    assert "neither" in other.fails("get", source.path, "../x")
    for p in (source.store / "files/md5").rglob("*"):
        p.unlink() if p.is_file() else None
    other.fails("get", url, "single")
    assert list(other.path.iterdir()) == []


def test_get_other_settings(url, source, tmp_path):
    shutil.move(source.store, tmp_path / "moved")
    opis(tmp_path, "get", url, "single", "-o", "one", "--remote-config", f"url={tmp_path}/moved")
    (tmp_path / "extra").write_text(f"[core]\n    remote = other\n['remote \"other\"']\n    url = {tmp_path}/moved\n")
    opis(tmp_path, "get", url, "single", "-o", "two", "--config", "extra")
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text() == "s"
    assert opis(tmp_path, "get", url, "single", "--show-url").strip() == f"{source.store}/files/md5/03/c7c0ace395d80182db07ae2c30f034"


def test_a_repository_of_git_alone(tmp_path):
    plain = Repository(tmp_path / "plain", init=False)
    plain.git("init", "-q", "-b", "main")
    plain.write({"f": b"1", "d/g": b"2"})
    plain.commit()
    assert opis(tmp_path, "list", "plain", "-R").splitlines() == ["d/g", "f"]
    opis(tmp_path, "get", "plain", "d", "--rev", "HEAD")
    assert (tmp_path / "d/g").read_bytes() == b"2"


def test_an_output_with_a_remote_of_its_own(source, tmp_path):
    second, url = tmp_path / "second", f"file://{source.path}"
    source.ok("remote", "add", "second", second)
    source.write({"x": b"x", "y/z": b"z"}, "two")
    source.ok("add", "two")
    source.write({"two.dvc": source.text("two.dvc").encode() + b"  remote: second\n"})
    source.ok("push")
    source.commit("three")
    assert opis(tmp_path, "get", url, "two", "--show-url").startswith(f"{second}/files/md5/")
    opis(tmp_path, "get", url, "two")
    opis(tmp_path, "get", url, "two/y/z")
    opis(tmp_path, "get", url, ".", "-o", "all")
    assert (tmp_path / "two/x").read_bytes() == b"x" and (tmp_path / "z").read_bytes() == b"z" and (tmp_path / "all/two/y/z").read_bytes() == b"z" and (tmp_path / "all/single").exists()
    here = Repository(tmp_path / "here")
    here.ok("import", url, "two")
    assert here.read("two") == {"x": b"x", "y/z": b"z"}


def test_a_revision_before_the_first_commit(repo, tmp_path):
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    for verb in (["list", "."], ["get", ".", "f", "-o", tmp_path / "got"]):
        assert "no revision" in repo.fails(*verb, "--rev", "HEAD")
    assert not (tmp_path / "got").exists()
