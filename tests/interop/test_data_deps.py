# venv: dvc
"""Stage files that have dependencies: both report the same of them, and commit writes the same."""
import hashlib
import json
import os
import pathlib
import shutil
import sys

import pytest
from ruamel.yaml import YAML

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import Repository  # noqa: E402
from test_data import dvc, dvc_ok, home  # noqa: E402, F401
from test_data_flags import files  # noqa: E402

HEAD = "outs:\n- path: out\n  hash: md5\n"
STAGES = {  # name of the stage file: what stands in it before the first commit
    "out.dvc": {
        "file": "deps:\n- path: code.py\n  hash: md5\n" + HEAD,
        "folder": "deps:\n- path: src\n  hash: md5\n" + HEAD,
        "tracked folder": "deps:\n- path: data\n  hash: md5\n" + HEAD,
        "inside a tracked folder": "deps:\n- path: data/sub/c\n  hash: md5\n" + HEAD,
        "outside": "deps:\n- path: ../outside.bin\n  hash: md5\n" + HEAD,
        "absolute": "deps:\n- path: HOME/outside.bin\n  hash: md5\n" + HEAD,
        "folder outside": "deps:\n- path: ../far\n  hash: md5\n" + HEAD,
        "absolute into the repository": "deps:\n- path: HOME/repo/code.py\n  hash: md5\n" + HEAD,
        "several": "deps:\n- path: src/b\n  hash: md5\n- path: code.py\n  hash: md5\n- path: ../outside.bin\n  hash: md5\n" + HEAD + "- path: second\n  hash: md5\n",
        "as DVC 2": "deps:\n- path: code.py\n- path: src\n- path: ../outside.bin\nouts:\n- path: out\n",
        "always": "always_changed: true\ndeps:\n- path: code.py\n  hash: md5\n" + HEAD,
        "always, nothing else": "always_changed: true\n" + HEAD,
        "locked": "locked: true\ndeps:\n- path: code.py\n  hash: md5\n" + HEAD,
        "ignored": "deps:\n- path: hidden/x\n  hash: md5\n- path: hidden\n  hash: md5\n" + HEAD,
        "frozen": "frozen: true\ndeps:\n- path: code.py\n  hash: md5\n" + HEAD,
        "comments": "# about it\ndeps:\n  # what it is made of\n  - path: code.py # the code\n    hash: md5\n" + HEAD,
        "unhashed": "deps:\n- path: code.py\n" + HEAD,
        "not cached": "deps:\n- path: code.py\n  hash: md5\n" + HEAD + "  cache: false\n",
        "executable": "deps:\n- path: run.sh\n  hash: md5\n" + HEAD,
    },
    "sub/deep/out.dvc": {
        "above": "deps:\n- path: ../../code.py\n  hash: md5\n- path: ../../../outside.bin\n  hash: md5\n" + HEAD,
        "wdir": "wdir: ../..\ndeps:\n- path: code.py\n  hash: md5\n" + HEAD,
    },
}
CASES = [(file, name) for file, names in STAGES.items() for name in names]


def cases(first):
    """All of them, or every other one."""
    return CASES if os.environ.get("OPIS_INTEROP") == "full" else CASES[first::2]


CHANGES = ["nothing", "changed", "gone", "kind", "new file", "output", "output gone", "both", "edited", "unknown hash"]


def write(repo, name, content):
    repo.write({name: content})


def change(repo, file, kind):
    top = repo.path
    if kind in ("changed", "both"):
        for name in ("code.py", "src/b", "data/sub/c", "../outside.bin", "../far/x", "hidden/x", "run.sh"):
            write(repo, name, b"other " + name.encode())
    if kind == "gone":
        for name in ("code.py", "../outside.bin", "run.sh"):
            (top / name).unlink()
        for name in ("src", "../far", "hidden", "data"):
            shutil.rmtree(top / name)
    if kind == "kind":
        for name in ("code.py", "../outside.bin"):
            (top / name).unlink()
            write(repo, name + "/inside", b"now a folder")
        for name in ("src", "../far"):
            shutil.rmtree(top / name)
            write(repo, name, b"now a file")
    if kind == "new file":
        for name in ("src", "../far", "hidden", "data"):
            write(repo, name + "/fresh", b"one more")
    out = (top / file).with_name("out") if "wdir" not in (top / file).read_text() else top / "out"
    if kind in ("output", "both"):
        out.unlink()
        out.write_bytes(b"made otherwise")
    if kind == "output gone":
        out.unlink()
    text = (top / file).read_text()
    if kind == "edited":
        (top / file).write_text(text.replace("path: out\n", "path: out\n  remote: store\n"))
    if kind == "unknown hash":
        (top / file).write_text(text.replace(hashlib.md5(b"print(1)").hexdigest(), "deadbeef" * 4))


def answers(repo, run):
    """What is said and left, step by step."""
    said = {}
    status, out = run("status", "--json")
    said["status"] = json.loads(out) if status == 0 else "fails"
    said["quiet"] = run("status", "-q")[0]
    said["cloud"] = run("status", "-c", "-q")[0]
    said["commit"] = run("commit")[0] == 0
    said["commit's files"] = files(repo.path)
    said["forced"] = run("commit", "-f")[0] == 0
    said["forced's files"] = files(repo.path)
    status, out = run("status", "--json")
    said["status after"] = json.loads(out) if status == 0 else "fails"
    said["checkout"] = run("checkout")[0] == 0
    said["push"] = run("push")[0] == 0
    said["files"] = files(repo.path)
    return said


@pytest.fixture
def both(home):  # noqa: F811
    """The same repository twice, one after the other at the same place."""

    def each(build, answers=answers):
        said = []
        for who in ("mine", "theirs"):
            top = home / "twin"
            repo = Repository(top / "repo")
            build(repo, top)
            run = (lambda *a: dvc(repo, *a)) if who == "theirs" else (lambda *a: (lambda d: (d.returncode, d.stdout.decode()))(repo.run(*a)))
            said.append(answers(repo, run))
            top.rename(home / f"{who}-{len(list(home.iterdir()))}")
        return said

    return each


def start(repo, top, file, name):
    repo.ok("remote", "add", "-d", "store", "../store")
    repo.write({"code.py": b"print(1)", "src/a": b"1", "src/b": b"2", "data/sub/c": b"3", "data/d": b"4", "../outside.bin": b"5", "../far/x": b"6", "../far/y/z": b"7", "hidden/x": b"8", "run.sh": b"9", ".dvcignore": b"hidden\n"})
    (repo.path / "run.sh").chmod(0o755)
    where = "" if name == "wdir" else file[: -len("out.dvc")]
    repo.write({where + "out": b"made", where + "second": b"also", file: STAGES[file][name].replace("HOME", str(top)).encode()})
    repo.ok("add", "data")
    dvc(repo, "commit", "-f", file)


MOVES = [("out", "moved"), ("out", "sub"), ("out", "sub/deep/moved"), ("sub/deep/out", "near"), ("sub/deep/out", "sub/other")]


def test_moved(both, home):  # noqa: F811
    """A stage file that moves takes the paths of its dependencies along."""
    differ = []
    for file, name in cases(0):
        for one, other in MOVES:
            if file != one + ".dvc" or name in ("several", "as DVC 2", "wdir"):
                continue

            def build(repo, top, file=file, name=name):
                start(repo, top, file, name)
                (repo.path / "sub/deep").mkdir(parents=True, exist_ok=True)

            def moving(repo, run, one=one, other=other):
                said = {"move": run("move", one, other)[0], "files": files(repo.path)}
                said["files"].pop(".gitignore", None)  # DVC leaves an empty one, or none
                said["status"] = run("status", "--json")
                for path in said["files"]:  # DVC writes the file anew, in an order of its own
                    if path.endswith(".dvc"):
                        said["files"][path] = YAML(typ="safe").load(said["files"][path])
                return said

            mine, theirs = both(build, moving)
            if mine != theirs:
                differ.append(f"{name}, {one} to {other}")
    if differ:
        pytest.fail("\n".join(differ), pytrace=False)


@pytest.mark.parametrize("kind", CHANGES)
def test_dependencies(both, home, kind):  # noqa: F811
    differ = []
    for file, name in cases(CHANGES.index(kind) % 2):
        def build(repo, top, file=file, name=name):
            start(repo, top, file, name)
            change(repo, file, kind)

        mine, theirs = both(build)
        for step in mine:
            if step == "checkout" and mine[step] and not theirs[step]:  # DVC stops at dependencies that are folders now, whose lists are in no cache, and takes the output away
                break
            if mine[step] != theirs[step]:
                one, other = mine[step], theirs[step]
                if isinstance(one, dict) and isinstance(other, dict):
                    one, other = ({k: v for k, v in a.items() if b.get(k) != v} for a, b in ((one, other), (other, one)))
                differ.append(f"{file} ({name}), {step}:\n    opis {one}\n    DVC  {other}")
                break
    if differ:
        pytest.fail("\n".join(differ), pytrace=False)
