"""opis data import and update, and what pull, status and restore make of imports."""
import shutil
import subprocess

import pytest

from conftest import Repository
from servers import objects
from test_other import source, url  # noqa: F401


@pytest.fixture
def here(source, tmp_path):  # noqa: F811
    return Repository(tmp_path / "here")


def test_import_and_pull(here, source, url):  # noqa: F811
    out = here.ok("import", url, "data", "-o", "pictures")
    assert "git add pictures.dvc .gitignore" in out
    assert here.read("pictures") == {"a": b"changed", "sub/b": b"2"}
    head = source.git("rev-parse", "HEAD").strip()
    text = here.text("pictures.dvc")
    assert text.splitlines()[1:7] == ["frozen: true", "deps:", "- path: data", "  repo:", f"    url: {url}", f"    rev_lock: {head}"]
    assert text.startswith("md5: ") and "nfiles: 2" in text and here.text(".gitignore") == "/pictures\n"
    assert here.run("status", "-q").returncode == 0
    shutil.rmtree(here.path / ".dvc/cache")
    shutil.rmtree(here.path / "pictures")
    here.ok("pull")
    assert here.read("pictures") == {"a": b"changed", "sub/b": b"2"}
    assert here.ok("pull") == "Everything is up to date.\n"


def test_update_follows(here, source):  # noqa: F811
    here.ok("import", "../repo", "data/a")
    source.write({"a": b"third"}, "data")
    source.ok("add", "data")
    source.commit("three")
    here.write({"a.dvc": here.text("a.dvc").replace("frozen: true", "frozen: true  # a remark").encode()})
    here.ok("update", "a.dvc")
    assert here.text("a") == "third" and source.git("rev-parse", "HEAD").strip() in here.text("a.dvc") and "# a remark" in here.text("a.dvc")
    here.ok("update", "a.dvc", "--rev", "v1")
    assert here.text("a") == "1" and "rev: v1" in here.text("a.dvc")
    assert here.run("status", "-q").returncode == 0


def test_changes_are_not_lost(here, source):  # noqa: F811
    here.ok("import", "../repo", "data", "--rev", "v1")
    here.write({"a": b"my own"}, "data")
    before = here.text("data.dvc")
    refused = here.fails("update", "data.dvc", "--rev", "main")
    assert "no version has" in refused and "'opis data checkout --force data.dvc'" in refused
    assert here.text("data/a") == "my own" and here.text("data.dvc") == before
    here.ok("checkout", "--force", "data.dvc")
    here.ok("update", "data.dvc", "--rev", "main")
    assert here.text("data/a") == "changed"


def test_moved_and_committed(here, source):  # noqa: F811
    """The stage's own hash is of the path and the data, too."""
    here.ok("import", "../repo", "data/a")
    (here.path / "sub").mkdir()
    here.ok("move", "a", "b")
    here.ok("move", "b", "sub")
    assert here.ok("status", "--json") == "{}\n" and here.text("sub/b.dvc").startswith("md5: ") and here.text("sub/b.dvc").count("md5:") == 2
    here.write({"sub/b": b"mine"})
    here.ok("commit", "-f", "sub/b.dvc")
    assert here.ok("status", "--json") == "{}\n"


def test_without_data(here, source):  # noqa: F811
    here.ok("import", "../repo", "data", "--no-download")
    assert not (here.path / "data").exists() and "rev_lock" in here.text("data.dvc") and "size" not in here.text("data.dvc")
    here.ok("pull")
    assert here.read("data")["a"] == b"changed"
    here.ok("import", "../repo", "single", "--no-exec")
    assert "rev_lock" not in here.text("single.dvc") and not (here.path / "single").exists()


def test_files_of_git(here, source):  # noqa: F811
    here.ok("import", "../repo", "README", "--rev", "v1")
    here.ok("import", "../repo", "code", "--rev", "v1")
    assert here.text("README") == "text" and here.read("code") == {"run.sh": b"#!/bin/sh\n"}
    shutil.rmtree(here.path / ".dvc/cache")
    (here.path / "README").unlink()
    here.ok("pull")
    assert here.text("README") == "text"


def test_imports_are_not_pushed(here, source, tmp_path):  # noqa: F811
    here.ok("remote", "add", "-d", "own", tmp_path / "own")
    here.ok("import", "../repo", "data")
    assert here.ok("push") == "Everything is up to date.\n"


def test_restore_brings_them(here, source):  # noqa: F811
    here.ok("import", "../repo", "data", "--rev", "v1")
    here.commit("one")
    here.ok("update", "data.dvc", "--rev", "main")
    here.commit("two")
    here.ok("gc", "-w", "-f")
    here.ok("restore", "HEAD~1")
    assert here.read("data")["a"] == b"1"


def test_refused(here, source, tmp_path):  # noqa: F811
    here.write({"data/x": b"mine"})
    assert "--force" in here.fails("import", "../repo", "data")
    here.ok("import", "../repo", "data", "--force")
    assert here.read("data") == {"a": b"changed", "sub/b": b"2"}
    assert "tracks" in here.fails("import", "../repo", "single", "-o", "data/single")
    assert "there is no folder" in here.fails("import", "../repo", "single", "-o", "nowhere/single")
    assert "neither" in here.fails("import", "../repo", "nosuch")
    here.write({"own": b"1"})
    here.ok("add", "own")
    assert "no import" in here.fails("update", "own.dvc")
    here.fails("update", "data.dvc", "--to-remote")
    assert "outside" in here.fails("import", "../repo", "single", "-o", tmp_path / "elsewhere")
    here.write({"u.dvc": b"md5: 00000000000000000000000000000000\nfrozen: true\ndeps:\n- etag: x\n  path: https://example.org/u\nouts:\n- hash: md5\n  path: u\n"})
    assert "URL" in here.fails("update", "u.dvc")


def test_the_source_changed_behind_it(here, source):  # noqa: F811
    here.ok("import", "../repo", "data", "--rev", "v1")
    here.write({"data.dvc": here.text("data.dvc").replace(source.git("rev-parse", "v1").strip(), source.git("rev-parse", "HEAD").strip()).encode()})
    shutil.rmtree(here.path / ".dvc/cache")
    assert "update" in here.fails("pull")


@pytest.mark.parametrize("by_url", [False, True])
def test_something_newer(here, source, url, by_url):  # noqa: F811
    where = url if by_url else "../repo"
    here.ok("import", where, "data", "-o", "follows", "--rev", "main")
    here.ok("import", where, "data", "-o", "stays", "--rev", "v1")
    assert here.run("status", "-q").returncode == 0
    source.write({"README": b"more"})
    source.commit("more")
    if by_url:
        source.git("push", "-q", url, "main")
    assert here.ok("status") == f"follows.dvc:\n\tchanged deps:\n\t\tupdate available:   data ({where})\n"
    assert here.run("status", "-q", "--no-updates").returncode == 0
    here.ok("update", "follows.dvc")
    assert here.run("status", "-q").returncode == 0


def test_a_source_that_is_gone_holds_nothing_up(here, source):  # noqa: F811
    here.ok("import", "../repo", "data")
    shutil.move(source.path, source.path.parent / "elsewhere")
    done = here.run("status")
    assert done.returncode == 0 and b"not known" in done.stderr and b"up to date" in done.stdout


def test_gc_without_what_an_import_has(here, source):  # noqa: F811
    """An import that was never fetched, or its list gone from the cache: the data come from where they were imported, and stop nothing. What is there and known stays."""
    cache = here.path / ".dvc/cache"
    here.write({"own": b"own"})
    here.ok("add", "own")
    here.ok("import", source.path, "data", "-o", "never", "--no-download")
    here.ok("gc", "-w", "-f")
    assert len(objects(cache)) == 1
    here.ok("import", source.path, "data")
    fetched = sorted(objects(cache))
    here.ok("gc", "-w", "-f")
    assert sorted(objects(cache)) == fetched and len(fetched) == 4
    for path in cache.rglob("*.dir"):
        path.unlink()
    here.ok("gc", "-w", "-f")
    assert len(objects(cache)) == 1
    here.ok("pull")
    assert here.read("data") == here.read("never") == {"a": b"changed", "sub/b": b"2"}


def test_in_a_hook_of_git(here, source, url):  # noqa: F811
    """Where git runs a program, variables name its repository: the source is another one, and this one's HEAD stays."""
    here.write({"x": b"x"})
    here.commit()
    here.git("tag", "v1")
    head = here.git("symbolic-ref", "HEAD")
    env = {"GIT_DIR": str(here.path / ".git"), "GIT_WORK_TREE": str(here.path), "GIT_INDEX_FILE": str(here.path / ".git/index"), "GIT_PREFIX": "", "GIT_COMMON_DIR": str(here.path / ".git")}
    here.ok("import", url, "data/a", env=env)
    here.ok("update", "a.dvc", "--rev", "v1", env=env)
    assert here.text("a") == "1"
    assert "data/a" in here.ok("list", url, "-R", "--rev", "v1", env=env)
    here.ok("get", url, "data/a", "--rev", "v1", "-o", "got", env=env)
    here.ok("status", env=env)
    assert here.text("got") == "1" and here.git("symbolic-ref", "HEAD") == head
