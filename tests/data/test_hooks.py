"""opis data hooks: data follow the branch, and go before a git push."""
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import OPIS, Repository

NAMES = ["post-checkout", "post-merge", "post-rewrite", "pre-push"]


@pytest.fixture
def hooked(remote, tmp_path):
    """Two branches with different data; the program is on the PATH, the hooks are in."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "opis").symlink_to(OPIS)
    remote.env["PATH"] = f"{tools}:{remote.env['PATH']}"
    remote.write({"a": b"1"}, "data")
    remote.ok("add", "data")
    remote.commit("one")
    remote.git("checkout", "-qb", "other")
    remote.write({"a": b"2", "b": b"2"}, "data")
    remote.ok("add", "data")
    remote.commit("two")
    remote.ok("hooks", "install")
    return remote


def hooks(repo):
    return repo.path / ".git/hooks"


def test_branch(hooked):
    assert all((hooks(hooked) / n).stat().st_mode & 0o111 for n in NAMES)
    hooked.git("checkout", "-q", "main")
    assert hooked.read("data") == {"a": b"1"}
    hooked.git("checkout", "-q", "other")
    assert hooked.read("data") == {"a": b"2", "b": b"2"}
    hooked.git("checkout", "-q", "main")
    hooked.git("checkout", "-q", "other", "--", "data.dvc")  # a file, no branch: the data stay
    assert hooked.read("data") == {"a": b"1"}


def test_merge_and_rebase(hooked):
    hooked.git("checkout", "-q", "main")
    hooked.git("merge", "-q", "other")
    assert hooked.read("data")["b"] == b"2"
    hooked.git("reset", "-q", "--hard", "HEAD~1")
    hooked.write({"text": b"t"})
    hooked.commit("beside")
    hooked.ok("checkout", "-f")
    assert hooked.read("data") == {"a": b"1"}
    hooked.git("rebase", "-q", "other")
    assert hooked.read("data") == {"a": b"2", "b": b"2"}


def test_missing_data_are_fetched(hooked):
    hooked.ok("push", "-a")
    shutil.rmtree(hooked.path / ".dvc/cache")
    hooked.write({"a": b"2", "b": b"2"}, "data")
    hooked.ok("commit", "-f", "data.dvc")
    hooked.git("checkout", "-q", "main")
    assert hooked.read("data") == {"a": b"1"}


def test_local_changes_stay(hooked):
    hooked.write({"a": b"unsaved"}, "data")
    done = subprocess.run(["git", "checkout", "main"], cwd=hooked.path, env=hooked.env, capture_output=True, text=True)
    assert done.returncode != 0 and "no version has" in done.stderr
    assert hooked.read("data")["a"] == b"unsaved" and hooked.git("branch", "--show-current").strip() == "main"


def test_push(hooked, tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare"], check=True)
    hooked.git("remote", "add", "origin", str(tmp_path / "bare"))
    hooked.git("push", "-q", "origin", "main")  # the data of main, though other is checked out
    assert {"c4ca4238a0b923820dcc509a6f75849b"} == {n for n in hooked.objects(hooked.store / "files/md5") if not n.endswith(".dir")}
    shutil.rmtree(hooked.path / ".dvc/cache")
    done = subprocess.run(["git", "push", "origin", "other"], cwd=hooked.path, env=hooked.env, capture_output=True, text=True)
    assert done.returncode != 0 and "--no-verify" in done.stderr and "neither in the cache nor on the remote" in done.stderr  # though a push by hand only warns: nobody would read it
    assert "other" not in subprocess.run(["git", "branch"], cwd=tmp_path / "bare", capture_output=True, text=True).stdout
    hooked.git("push", "-q", "--no-verify", "origin", "other")
    hooked.git("push", "-q", "origin", ":other")


def test_hooks_that_are_there(hooked, tmp_path):
    hooked.ok("hooks", "remove")
    for name in NAMES:
        (hooks(hooked) / name).write_text(f"#!/usr/bin/env python3\nimport sys\nopen({str(tmp_path)!r} + '/{name}', 'a').write(' '.join(sys.argv[1:]) + '|' + sys.stdin.read())\n")
        (hooks(hooked) / name).chmod(0o755)
    before = {n: (hooks(hooked) / n).read_text() for n in NAMES}
    hooked.ok("hooks", "install")
    hooked.ok("hooks", "install")  # again changes nothing
    hooked.git("checkout", "-q", "main")
    assert hooked.read("data") == {"a": b"1"} and (tmp_path / "post-checkout").read_text().split("|")[0].endswith(" 1")
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare"], check=True)
    hooked.git("remote", "add", "origin", str(tmp_path / "bare"))
    hooked.git("push", "-q", "origin", "main")
    told = (tmp_path / "pre-push").read_text()
    assert told.startswith("origin ") and "refs/heads/main" in told
    hooked.ok("hooks", "remove")
    assert {n: (hooks(hooked) / n).read_text() for n in NAMES} == before
    assert "no hook" in hooked.ok("hooks", "remove")


def test_a_hook_that_says_no(hooked, tmp_path):
    hooked.ok("hooks", "remove")
    (hooks(hooked) / "pre-push").write_text("#!/bin/sh\nexit 7\n")
    (hooks(hooked) / "pre-push").chmod(0o755)
    hooked.ok("hooks", "install")
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare"], check=True)
    hooked.git("remote", "add", "origin", str(tmp_path / "bare"))
    assert subprocess.run(["git", "push", "origin", "main"], cwd=hooked.path, env=hooked.env, capture_output=True).returncode != 0


def test_hooks_elsewhere(hooked):
    hooked.ok("hooks", "remove")
    hooked.git("config", "core.hooksPath", ".husky")
    assert "core.hooksPath is .husky" in hooked.fails("hooks", "install")
    assert not (hooked.path / ".husky").exists()


def test_below_the_top_of_git(tmp_path, hooked):
    top = tmp_path / "top"
    r = Repository(top / "it's here", init=False)
    r.env["PATH"] = hooked.env["PATH"]
    subprocess.run(["git", "init", "-q", "-b", "main", top], check=True)
    r.ok("init", "--subdir")
    r.write({"a": b"1"})
    r.ok("add", "a")
    r.commit("one")
    r.git("checkout", "-qb", "other")
    r.write({"a": b"2"})
    r.ok("add", "a")
    r.commit("two")
    r.ok("hooks", "install")
    r.git("checkout", "-q", "main")
    assert r.text("a") == "1"


def test_a_branch_without_data(hooked):
    hooked.git("checkout", "-q", "--orphan", "bare")
    hooked.git("rm", "-rqf", "--cached", ".")
    shutil.rmtree(hooked.path / ".dvc")
    hooked.git("commit", "-qm", "nothing", "--allow-empty")
    assert hooked.run("hooks", "run", "post-checkout", "a", "b", "1").returncode == 0
    assert hooked.run("hooks", "run", "nosuch").returncode == 0
