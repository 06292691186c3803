"""Repositories where nothing can be written: what only reads works, and leaves nothing."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import conftest
import pytest


@pytest.fixture
def changed(remote):
    remote.write({"data/a": b"1", "data/b": b"2", "single": b"3"})
    remote.ok("add", "data", "single")
    remote.commit()
    remote.ok("push")
    remote.write({"data/c": b"4"})
    return remote


def test_mounted_so(changed):
    if os.getuid() != 0 or subprocess.run(["mount", "--bind", changed.path, changed.path], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", changed.path], check=True)
        for args, said in ((["status"], "modified"), (["diff"], "data/c"), (["list", ".", "-R"], "data/c"), (["status", "-c"], "in sync"), (["checkout", "single"], ""), (["verify"], "4 objects")):
            assert said in changed.ok(*args)
        assert "Read-only file system" in changed.fails("add", "data")
    finally:
        subprocess.run(["umount", changed.path], check=True)


@pytest.fixture
def in_reach():
    """A folder that every user can get to, wherever the tests' own folder is."""
    for top in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if all(p.stat().st_mode & 0o001 for p in [pathlib.Path(top), *pathlib.Path(top).parents]):
            break
    else:
        raise AssertionError("no folder for temporary files that every user can get to")
    with tempfile.TemporaryDirectory(dir=top, prefix="opis-test-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def test_of_another_user(in_reach, monkeypatch):
    """Who may not write reads without the lock; commands that write need it."""
    user = "nobody" if os.getuid() == 0 else None
    monkeypatch.setattr(conftest, "OPIS", shutil.copy2(conftest.OPIS, in_reach / "opis"))
    repo = conftest.Repository(in_reach / "repo")
    repo.write({"data/a": b"1", "data/b": b"2", "single": b"3"})
    repo.ok("add", "data", "single")
    repo.commit()
    repo.write({"data/c": b"4"})
    subprocess.run(["chmod", "-R", "a+rX,a-w", ".dvc"], cwd=repo.path, check=True)
    try:
        assert "modified" in repo.ok("status", user=user)
        assert "Permission denied" in repo.fails("checkout", user=user)
    finally:
        subprocess.run(["chmod", "-R", "u+w", ".dvc"], cwd=repo.path, check=True)
