# venv: dvc
"""Every command and option of DVC 3.67's own parser: opis takes it, or it stands below with the reason why not. And where targets are named in other ways, from other folders: both answer alike."""
import argparse
import configparser
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import OPIS, Repository  # noqa: E402
from test_data import dvc, home  # noqa: E402, F401

PIPELINES, EXPERIMENTS, CLOUD, OWN = "runs or draws pipelines, and reads metrics", "experiments", "takes data from URLs and cloud versions, not from repositories", "opis has its own"
COMMANDS = {
    "artifacts": EXPERIMENTS, "dataset": CLOUD, "ds": CLOUD, "experiments": EXPERIMENTS, "exp": EXPERIMENTS, "queue": EXPERIMENTS, "studio": EXPERIMENTS, "params": PIPELINES, "metrics": PIPELINES, "plots": PIPELINES,
    "dag": PIPELINES, "repro": PIPELINES, "stage": PIPELINES, "freeze": PIPELINES, "unfreeze": PIPELINES, "get-url": CLOUD, "import-url": CLOUD, "import-db": CLOUD, "test-db": CLOUD, "list-url": CLOUD, "ls-url": CLOUD,
    "data": "'status' and 'diff' say it", "daemon": "DVC's analytics", "completion": OWN, "install": "opis data hooks", "git-hook": "opis data hooks", "version": "opis version", "doctor": OWN, "help": OWN,
    "check-ignore": "questions about .dvcignore", "destroy": "removing .dvc does it", "root": "git rev-parse does it", "du": "list --size does it", "cache migrate": "opis reads and writes DVC 2's cache as it is",
}
EVERYWHERE = {"--cprofile", "--cprofile-dump", "--yappi", "--yappi-separate-threads", "--viztracer", "--viztracer-depth", "--viztracer-async", "--pdb", "--instrument", "--instrument-open", "--show-stack", "--ss"}  # for work on DVC itself
OPTIONS = {
    "": {"-q": "stands behind the command", "--quiet": "stands behind the command", "-v": "stands behind the command", "--verbose": "stands behind the command", "-V": "opis version", "--version": "opis version"},
    "fetch": {"--type": "opis does not tell metrics and plots from other data, and says so"},
    "update": {"--to-remote": "of import-url alone", "-r": "of import-url alone", "--remote": "of import-url alone"},
}
NEEDS = {"--jobs": "2", "-j": "2", "--remote-jobs": "2", "--num": "2", "-n": "2", "--level": "1", "-L": "1", "--max-size": "1"}


def walk(parser, path=()):
    yield " ".join(path), parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                if " ".join((*path, name)) not in COMMANDS:
                    yield from walk(inner, (*path, name))


def parsers():
    from dvc.cli.parser import get_main_parser

    return list(walk(get_main_parser()))


def test_every_option():
    refused, taken = [], []
    for path, parser in parsers():
        words = path.split()
        for action in parser._actions:
            for option in action.option_strings:
                if option in EVERYWHERE:
                    continue
                value = [] if action.nargs == 0 else [NEEDS.get(option, "." if option == "--cd" else "x")]
                command = [OPIS, "data", option, *value, "--help"] if not path else [OPIS, "data", *words, option, *value, "--help"]
                done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
                known = option in OPTIONS.get(path, {})
                if (done.returncode != 0 or not done.stdout.startswith(b"Usage: ")) and not known:
                    refused.append((path, option, done.stderr.decode()))
                elif done.returncode == 0 and known and path != "update":
                    taken.append((path, option))
    assert not refused
    assert not taken, "these stand in the list of what is not ours, and work"


def test_lists_are_of_this_version():
    """Nothing stands in the lists that DVC does not have any more."""
    from dvc.cli.parser import get_main_parser

    top = next(a for a in get_main_parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert {name for name in COMMANDS if " " not in name} - set(top.choices) <= {"help"}
    by_path = dict(parsers())
    for path, options in OPTIONS.items():
        assert set(options) <= {o for a in by_path[path]._actions for o in a.option_strings}, path


FORMS = [  # where, and what is typed
    ("", ["status", "data", "single"]), ("", ["status", "data.dvc"]), ("", ["status", "nosuch"]), ("", ["status", "sub"]), ("", ["status", "-R", "sub"]), ("", ["status", "sub/inner/data"]), ("sub", ["status"]), ("sub", ["status", "inner/data"]),
    ("sub", ["status", "../data"]), ("sub", ["status", "-R", "."]), ("sub/inner", ["status", "data.dvc", "../../single.dvc"]), ("", ["status", "data/a"]), ("", ["status", "./data/"]), ("", ["status", "-d", "data"]),
    ("", ["checkout", "data/a"]), ("", ["checkout", "data/a", "data/sub"]), ("", ["checkout", "data/nosuch"]), ("", ["checkout", "nosuch"]), ("", ["checkout", "sub"]), ("", ["checkout", "-R", "sub"]), ("", ["checkout", "-R", "nosuch"]),
    ("sub", ["checkout"]), ("sub", ["checkout", "inner/data/x"]), ("sub", ["checkout", "../data/sub"]), ("data", ["checkout", "a"]), ("", ["checkout", "single", "sub/inner/data.dvc"]),
    ("", ["push", "data/a"]), ("", ["push", "data/sub"]), ("", ["push", "data/nosuch"]), ("", ["push", "nosuch"]), ("", ["push", "sub"]), ("", ["push", "-R", "sub"]), ("sub", ["push", "inner/data"]), ("sub/inner", ["push", "data.dvc", "../../data/b"]), ("sub", ["push"]),
    ("", ["fetch", "data/a"]), ("", ["fetch", "nosuch"]), ("", ["fetch", "-R", "sub"]), ("", ["pull", "data/a"]), ("sub", ["pull", "inner/data/x", "../single"]), ("", ["pull", "-R", "."]), ("", ["pull", "nosuch"]),
    ("", ["add", "data/a"]), ("", ["add", "nosuch"]), ("", ["add", "."]), ("", ["add", "data", "single"]), ("sub", ["add", "inner/data"]), ("sub", ["add", "../data"]), ("", ["add", "data.dvc"]), ("", ["add", "data/new"]), ("", ["add"]), ("", ["add", "data/nosuch"]), ("", ["add", "--no-commit", "data/a", "data/new"]), ("data", ["add", "new"]), ("", ["add", "single/x"]),
    ("", ["commit", "-f", "data"]), ("", ["commit", "-f", "data.dvc"]), ("", ["commit", "-f"]), ("", ["commit", "-f", "nosuch"]), ("", ["commit", "-f", "-R", "sub"]), ("sub", ["commit", "-f", "inner/data.dvc"]), ("", ["commit", "-f", "data/a"]),
    ("", ["remove", "data.dvc"]), ("", ["remove", "data"]), ("", ["rm", "single.dvc", "data.dvc", "--outs"]), ("", ["remove", "nosuch.dvc"]), ("sub", ["remove", "inner/data.dvc"]), ("", ["remove"]),
    ("", ["move", "data", "moved"]), ("", ["mv", "data.dvc", "moved"]), ("", ["move", "data", "sub"]), ("", ["move", "data", "sub/moved"]), ("", ["move", "nosuch", "x"]), ("", ["move", "single", "data"]), ("sub", ["move", "inner/data", "here"]), ("", ["move", "data", "nosuch/data"]), ("", ["move", "single", "nosuch/"]), ("", ["move", "single", "moved.dvc"]),
    ("", ["move", "single.dvc", "nosuch/x.dvc"]), ("", ["move", "single", "sub/inner"]), ("", ["move", "sub/inner/data", "."]), ("sub", ["move", "../single", "inner"]), ("", ["move", "data", "data/x"]), ("", ["add", "-o", "x.dvc", "single"]), ("", ["add", "-o", "nosuch/x", "/etc/hostname"]), ("", ["add", "-o", "nosuch/x", "--to-remote", "/etc/hostname"]),
    ("", ["move", "data/a", "x"]), ("", ["unprotect", "data"]), ("", ["unprotect", "data/a"]), ("", ["unprotect", "nosuch"]), ("sub", ["unprotect", "inner/data", "../single"]),
    ("", ["diff", "--targets", "data"]), ("", ["diff", "HEAD", "--targets", "data/a", "single"]), ("", ["diff", "nosuch"]), ("sub", ["diff"]), ("", ["list", "."]), ("", ["list", ".", "data"]), ("", ["list", ".", "nosuch"]), ("sub", ["list", ".."]), ("", ["ls", ".", "sub"]),
    ("", ["gc"]), ("", ["gc", "-f"]), ("sub", ["gc", "-w", "-f"]), ("", ["remote", "default"]), ("", ["remote", "default", "nosuch"]), ("", ["remote", "remove", "nosuch"]), ("", ["remote", "rename", "store", "other"]), ("", ["remote", "modify", "store", "jobs", "3"]),
    ("", ["remote", "modify", "nosuch", "url", "x"]), ("", ["remote", "add", "store", "x"]), ("", ["remote", "add", "-f", "store", "x"]), ("", ["remote", "list"]), ("", ["config", "core.remote"]), ("", ["config", "nosuch.key"]), ("", ["config", "-l"]), ("", ["config", "core.remote", "x"]),
    ("", ["config", "-u", "core.remote"]), ("", ["config", "-u", "core.autostage"]), ("", ["cache", "dir"]), ("", ["cache", "dir", "elsewhere"]), ("sub", ["cache", "dir", "elsewhere"]), ("", ["cache", "dir", "-u"]), ("", ["init"]), ("", ["init", "-f"]), ("", ["init", "--subdir", "new/er"]), ("", ["init", "new"]),
    ("", ["--cd", "sub", "status", "inner/data"]), ("", ["--cd", "sub", "checkout", "inner/data"]), ("", ["--cd", "nosuch", "status"]), ("", ["--cd", "sub", "remove", "inner/data.dvc"]), ("", ["--wait-for-lock", "status"]), ("sub", ["--cd", "..", "add", "data"]),
]
OURS = {  # where opis answers otherwise
    ("sub/inner", "push data.dvc ../../data/b"),  # DVC pushes the first alone
    ("", "commit -f data/a"),  # opis takes what is inside a tracked folder for the folder
    ("", "init -f"),  # DVC throws the cache away
}


def files(top):
    """All of it. Of settings not their order: DVC sorts them anew, opis edits in place."""
    out = {p.relative_to(top).as_posix(): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file() and not {".git", "tmp"} & set(p.relative_to(top).parts)}
    for name in [n for n in out if n.endswith((".dvc/config", ".dvc/config.local"))]:
        read = configparser.ConfigParser(interpolation=None)
        read.read_string(out.pop(name).decode())
        out.update({f"{name} {section}": dict(read[section]) for section in read.sections()})
    return out


@pytest.mark.parametrize("at", range(0, len(FORMS), 12))
def test_forms(home, at):  # noqa: F811
    made = Repository(home / "made/repo")
    made.ok("remote", "add", "-d", "store", "../store")
    made.write({"data/a": b"1", "data/b": b"2", "data/sub/c": b"3", "single": b"4", "sub/inner/data/x": b"5"})
    made.ok("add", "data", "single", "sub/inner/data")
    made.commit()
    made.ok("push")
    for path in ("data/a", "sub/inner/data/x"):
        (made.path / path).unlink()
    (made.path / "data/new").write_bytes(b"6")
    differ = []
    for i, (where, args) in enumerate(FORMS[at : at + 12]):
        answers = []
        for who in ("mine", "theirs"):
            top = home / f"{i}/{who}"
            shutil.copytree(home / "made", top)
            repo = Repository(top / "repo", init=False)
            if args[0] in ("push", "fetch", "pull"):
                shutil.rmtree(top / "store" if args[0] == "push" else repo.path / ".dvc/cache")
            repo.path = top / "repo" / where
            if who == "mine":
                done = repo.run(*args)
                answers.append((done.returncode == 0, files(top)))
            else:
                answers.append((dvc(repo, *args)[0] == 0, files(top)))
        (one, mine), (other, theirs) = answers
        if (where, " ".join(args)) in OURS:
            continue
        if one != other:
            differ.append((where, args, f"opis {one} {done.stderr.decode()}, DVC {other}"))
        elif mine != theirs and not (args[0] in ("move", "mv") and {k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)} <= {k for k in theirs if "/cache/files/" in k}):  # (DVC stores what changed meanwhile, and forgets it)
            differ.append((where, args, {k: (mine.get(k), theirs.get(k)) for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)}))
    assert not differ, "\n" + "\n".join(map(str, differ))
