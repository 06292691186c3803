# venv: dvc
"""Objects that are missing in the cache, on the remote, or in both: where DVC 3.67 only warns, opis does, too, and where it fails, opis does."""
import hashlib
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import Repository  # noqa: E402
from test_data import dvc, home  # noqa: E402, F401

FULL = os.environ.get("OPIS_INTEROP") == "full"
A, SINGLE = hashlib.md5(b"hello").hexdigest(), hashlib.md5(b"one").hexdigest()
LOSSES = {  # what goes: (where, what); "all" of a cache
    "the cache": [("cache", "all")], "a file here": [("cache", A)], "the folder here": [("cache", "dir")], "the single one here": [("cache", SINGLE)],
    "a file in both": [("cache", A), ("store", A)], "the single one in both": [("cache", SINGLE), ("store", SINGLE)], "the folder in both": [("cache", "dir"), ("store", "dir")],
    "a file there, the cache": [("cache", "all"), ("store", A)], "the folder there, the cache": [("cache", "all"), ("store", "dir")],
    "the single one there, the cache": [("cache", "all"), ("store", SINGLE)], "file and folder there, file here": [("cache", A), ("store", A), ("store", "dir")], "nothing": []}
COMMANDS = [["push"], ["push", "data"], ["push", "data/a"], ["push", "single.dvc"], ["push", "-A"], ["push", "-a", "-j", "2"], ["push", "-T"], ["push", "--run-cache"], ["push", "-r", "store"], ["push", "-r", "nosuch"],
            ["fetch"], ["fetch", "data"], ["fetch", "data/a"], ["fetch", "single"], ["fetch", "-A"], ["fetch", "-aT"], ["fetch", "--run-cache"], ["fetch", "-r", "store"],
            ["pull"], ["pull", "-f"], ["pull", "--allow-missing"], ["pull", "data"], ["pull", "data/a"], ["pull", "single"], ["pull", "-A"], ["pull", "--run-cache"],
            ["checkout"], ["checkout", "-f"], ["checkout", "--allow-missing"], ["checkout", "data"], ["checkout", "data/a"], ["checkout", "data/b"], ["checkout", "--summary"],
            ["status", "-c"], ["status", "-c", "-q"], ["status", "-q"], ["gc", "-w", "-f"], ["gc", "-w", "-f", "--not-in-remote"], ["gc", "-w", "-c", "-f"]]


def make(path, pushed):
    repo = Repository(path)
    repo.write({"a": b"hello", "b": b"bee", "sub/c": b"sea"}, "data")
    repo.write({"single": b"one"})
    repo.ok("remote", "add", "-d", "store", "../store")
    repo.ok("add", "data", "single")
    repo.commit()
    if pushed:
        repo.ok("push")
    return repo


def lose(repo, losses):
    for where, what in losses:
        top = repo.path / (".dvc/cache" if where == "cache" else "../store") / "files/md5"
        for path in list(top.glob("??/*")) if top.exists() else []:
            name = path.parent.name + path.name
            if what == "all" or name == what or (what == "dir" and name.endswith(".dir")):
                path.unlink()


def ours(args, way, loss, pushed):
    """Where opis answers otherwise, and why."""
    no_folder = loss == "the folder in both" or loss == "the folder there, the cache" or (not pushed and loss in ("the cache", "the folder here", *(k for k in LOSSES if k.endswith("the cache"))))
    if args[0] == "gc" and no_folder:  # DVC takes away the files of a folder that it knows nothing of; opis takes away nothing, and says why
        return True
    if way == "work" and "--allow-missing" in args:  # DVC would remove the files that are there, and refuses; opis leaves them where they are
        return True
    return args == ["pull", "-A"]  # after a look at other commits DVC checks nothing out, and says that all is well


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("pushed", [True, False])
def test_missing(home, loss, pushed):  # noqa: F811
    top = make(home / "made/repo", pushed)
    lose(top, LOSSES[loss])
    differ = []
    for i, args in enumerate(COMMANDS):
        if not FULL and (i + list(LOSSES).index(loss) + pushed) % 8:
            continue
        for way in ["work", "no work"] if args[0] in ("pull", "checkout") else ["work"]:
            if ours(args, way, loss, pushed):
                continue
            answers = []
            for who in ("mine", "theirs"):
                shutil.copytree(home / "made", home / f"{who}{i}{way}")
                repo = Repository(home / f"{who}{i}{way}/repo", init=False)
                if way == "no work":
                    shutil.rmtree(repo.path / "data")
                    (repo.path / "single").unlink()
                if who == "mine":
                    done = repo.run(*args)
                    answers.append(done.returncode == 0)
                    words = done.stderr.decode()
                else:
                    answers.append(dvc(repo, *args)[0] == 0)
            if answers[0] != answers[1]:
                differ.append((args, way, f"opis {answers[0]}, DVC {answers[1]}", words))
    assert not differ, "\n".join(map(str, differ))
