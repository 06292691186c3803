"""Repositories where nothing can be written: what only reads works, and leaves nothing."""
import os
import subprocess

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


def test_of_another_user(changed, tmp_path):
    """Who may not write reads without the lock; commands that write need it."""
    user = "nobody" if os.getuid() == 0 else None
    for folder in [*tmp_path.parents][:3] + [tmp_path]:
        if os.stat(folder).st_uid == os.getuid() and folder != tmp_path.parents[-1]:
            folder.chmod(folder.stat().st_mode | 0o055)
    subprocess.run(["chmod", "-R", "a+rX,a-w", ".dvc"], cwd=changed.path, check=True)
    try:
        assert "modified" in changed.ok("status", user=user)
        assert "Permission denied" in changed.fails("checkout", user=user)
    finally:
        subprocess.run(["chmod", "-R", "u+w", ".dvc"], cwd=changed.path, check=True)
