# venv: dvc
"""opis data and DVC at the same moment: each honours the other's locks, and nothing of either is lost."""
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import OPIS, Repository  # noqa: E402

ROUNDS = 12 if os.environ.get("OPIS_INTEROP") == "full" else 3
DVC = pathlib.Path(sys.executable).with_name("dvc")
HOLD = "import sys; from dvc.repo import Repo\nr = Repo()\nwith r.lock:\n    print('held', flush=True); sys.stdin.readline()"


@pytest.fixture(params=[False, True], ids=["flock", "hardlink"])
def repo(request, tmp_path):
    r = Repository(tmp_path / "repo")
    r.env.update(DVC_NO_ANALYTICS="1", DVC_SITE_CACHE_DIR=str(tmp_path / "site"), DVC_TEST="true")
    if request.param:
        r.ok("config", "core.hardlink_lock", "true")
        (r.path / ".dvc/tmp/lock").unlink(missing_ok=True)  # what the other kind of lock leaves, DVC waits for
    return r


def start(repo, *args):
    return subprocess.Popen([str(a) for a in args], cwd=repo.path, env=repo.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_opis_waits_for_dvc(repo):
    repo.write({"f": b"1"})
    holder = subprocess.Popen([sys.executable, "-c", HOLD], cwd=repo.path, env=repo.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert "another opis or DVC" in repo.fails("add", "f")
    waiting = start(repo, OPIS, "data", "add", "f")
    time.sleep(0.3)
    assert waiting.poll() is None
    holder.communicate("\n")
    assert waiting.wait() == 0, waiting.stderr.read()


def test_dvc_waits_for_opis(repo):
    with open(repo.path / "big", "wb") as f:
        for _ in range(64):
            f.write(os.urandom(1 << 20))
    lock = repo.path / ".dvc/tmp/lock"
    lock.unlink(missing_ok=True)
    process = start(repo, OPIS, "data", "add", "big")
    while process.poll() is None and not (lock.exists() and lock.stat().st_size):
        pass
    os.kill(process.pid, signal.SIGSTOP)
    assert process.poll() is None, "it was too quick for this test"
    try:
        done = subprocess.run([DVC, "add", "big"], cwd=repo.path, env=repo.env, capture_output=True, text=True)
        assert done.returncode != 0 and "Unable to acquire lock" in done.stderr, done.stderr
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert process.wait() == 0, process.stderr.read()
    assert subprocess.run([DVC, "status", "-q"], cwd=repo.path, env=repo.env).returncode == 0


def test_both_at_once(repo):
    """Adding, again and again, side by side."""
    for turn in range(ROUNDS):
        repo.write({f"{k}": b"%d %d" % (turn, k % 5) for k in range(30)}, "mine")
        repo.write({f"{k}": b"%d %d" % (turn, k % 7) for k in range(30)}, "theirs")
        waiting = {"mine": (OPIS, "data", "add", "mine"), "theirs": (DVC, "add", "theirs")}
        while waiting:
            running = {name: start(repo, *command) for name, command in waiting.items()}
            for name, process in running.items():
                err = process.communicate()[1]
                if process.returncode == 0:
                    del waiting[name]
                else:
                    assert "another opis or DVC" in err or "Unable to acquire lock" in err, err
    assert repo.ok("status") == "Data and pipelines are up to date.\n"
    assert subprocess.run([DVC, "status", "-q"], cwd=repo.path, env=repo.env).returncode == 0
    assert sorted(repo.text(".gitignore").split()) == ["/mine", "/theirs"]
    for path in (repo.path / ".dvc/cache/files/md5").glob("??/*"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == (path.parent.name + path.name).removesuffix(".dir")
