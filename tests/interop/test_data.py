# venv: dvc
"""opis data and DVC 3.67 in turn on the same repository: after every step both say the same of it, and what one writes the other would have written."""
import json
import os
import pathlib
import random
import re
import shutil
import stat
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import Repository  # noqa: E402

FIRST = int(os.environ.get("OPIS_INTEROP_FIRST", 0))  # other seeds than the usual ones
SEQUENCES = int(os.environ.get("OPIS_INTEROP_SEQUENCES", 300 if os.environ.get("OPIS_INTEROP") == "full" else 20))
SEEDS = range(FIRST, FIRST + SEQUENCES)
NAMES = ["a.jpg", "b", "b-c", "b.c", "ünï", "日本語.png", "😀", 'q"uote', "it's", "two words", " lead", "#hash", "-dash", "x" * 200, "true", "1e3", "a: b", "ü" * 60, "run.sh", "empty"]
FOLDERS = ["", "", "sub/", "sub/deep er/", "z.d/", "ö/"]


def dvc(repo, *args):
    """DVC's command line inside this process: its status and what it printed."""
    import io
    from contextlib import redirect_stderr, redirect_stdout

    from dvc.cli import main

    out, before = io.StringIO(), os.getcwd()
    os.chdir(repo.path)
    try:
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            status = main(list(args))
    finally:
        os.chdir(before)
    return status, out.getvalue()


def dvc_ok(repo, *args):
    status, out = dvc(repo, *args)
    assert status == 0, args
    return out


def either(rng, repo, *args):
    if rng.random() < 0.5:
        repo.ok(*args)
    else:
        dvc_ok(repo, *args)


def scribble(rng, repo, top):
    """Some changes below a folder."""
    for _ in range(rng.randint(1, 5)):
        path = repo.path / top / (rng.choice(FOLDERS) + rng.choice(NAMES))
        if path.is_dir() or any(p.exists() and not p.is_dir() for p in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if (path.exists() or path.is_symlink()) and rng.random() < 0.3:
            path.unlink()
            continue
        path.unlink(missing_ok=True)
        if rng.random() < 0.1:
            target = repo.path / "elsewhere"
            target.write_bytes(b"behind a link")
            path.symlink_to(target)
            continue
        path.write_bytes(b"" if path.name == "empty" else rng.randbytes(rng.randint(0, 3000)))
        if path.name == "run.sh":
            path.chmod(0o755)


def same_json(repo, *args):
    status, out = dvc(repo, *args)
    done = repo.run(*args)
    assert (done.returncode == 0) == (status == 0), (args, done.stderr)
    assert status or json.loads(done.stdout) == json.loads(out), args


def same_report(repo):
    mine, theirs = json.loads(repo.ok("status", "--json")), json.loads(dvc_ok(repo, "status", "--json"))
    assert mine == theirs
    mine, theirs = json.loads(repo.ok("status", "-c", "--json")), json.loads(dvc_ok(repo, "status", "-c", "--json"))
    assert mine == theirs
    mine, theirs = json.loads(repo.ok("diff", "--show-hash", "--json")), json.loads(dvc_ok(repo, "diff", "--show-hash", "--json"))
    if mine != theirs and any(entry["path"].endswith("/") for entry in mine["not in cache"]):  # DVC's private index may still remember a directory object that gc took: what says a DVC without it?
        for index in pathlib.Path(os.environ["DVC_SITE_CACHE_DIR"]).glob("repo/*/index"):
            shutil.rmtree(index)
        theirs = json.loads(dvc_ok(repo, "diff", "--show-hash", "--json"))
    assert mine == theirs


def unpadded(table):
    """How wide a table's columns are depends on what else is installed beside DVC."""
    return re.sub(r"-+\|", "-|", re.sub(r" +\|", " |", table))


def files_written(repo):
    out = {p.relative_to(repo.path).as_posix(): p.read_bytes() for p in repo.path.rglob("*.dvc") if p.is_file()}
    out.update({p.relative_to(repo.path).as_posix(): p.read_bytes() for p in repo.path.rglob(".gitignore") if ".dvc" not in p.parts})
    return out


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_TEST", "true")
    return tmp_path


@pytest.mark.parametrize("seed", SEEDS)
def test_in_turn(home, seed):
    rng = random.Random(seed)
    repo = Repository(home / "repo")
    either(rng, repo, "remote", "add", "-d", "store", str(home / "store"))
    if rng.random() < 0.3:
        (repo.path / ".dvcignore").write_text("*.tmp\n/data/sub/b\nz.d/\n")
    scribble(rng, repo, "data")
    (repo.path / "data/first").write_bytes(b"1")
    commits = []
    for step in range(8):
        kind = rng.choice(["add", "add", "file", "scribble", "push", "pull", "checkout", "loss", "gc", "commit", "git", "git", "list", "restore", "back", "move", "remove", "glob", "outside"])
        if kind == "add" or not (repo.path / "data.dvc").exists():
            either(rng, repo, "add", "data")
        elif kind == "file":
            name = rng.choice(NAMES[:15]).strip().lstrip("-")
            (repo.path / name).unlink(missing_ok=True)
            (repo.path / name).write_bytes(rng.randbytes(20))
            either(rng, repo, "add", name)
        elif kind == "scribble":
            scribble(rng, repo, "data")
        elif kind == "push":
            either(rng, repo, "push")
        elif kind == "pull":
            either(rng, repo, "push")
            shutil.rmtree(repo.path / ".dvc/cache")
            either(rng, repo, "pull", "-f")
        elif kind == "checkout":
            either(rng, repo, "checkout", "-f")
        elif kind == "loss":
            either(rng, repo, "push")
            shutil.rmtree(repo.path / "data")
            either(rng, repo, "checkout", "-f")
        elif kind == "gc":
            either(rng, repo, "gc", "-w", "-f")
        elif kind == "commit":
            either(rng, repo, "commit", "-f")
        elif kind == "list":
            for args in (["-R"], ["-R", "--dvc-only"], [], ["data"]):
                if args != ["data"] or (repo.path / "data").exists():
                    same_json(repo, "list", ".", *args, "--json")
        elif kind == "restore" and commits:  # what neither the cache nor the remote has any more is no failure of ours
            done = repo.run("restore", rng.choice(commits), "--force")
            assert done.returncode == 0 or b"neither in the cache" in done.stderr or b"tracks" in done.stderr, done.stderr
        elif kind == "back" and commits:
            repo.git("add", "-A")
            repo.git("commit", "-qm", ".", "--allow-empty")
            repo.git("checkout", "-q", rng.choice(commits))
            if rng.random() < 0.5:
                repo.run("checkout", "-f", "--allow-missing")
            else:
                dvc(repo, "checkout", "-f", "--allow-missing")
        elif kind == "move" and (repo.path / "data").exists():
            either(rng, repo, "move", "data", "moved")
            either(rng, repo, "move", "moved", "data")
        elif kind == "remove" and (repo.path / "data").exists():
            either(rng, repo, "remove", "data.dvc")
            either(rng, repo, "add", "data")
        elif kind == "glob":
            either(rng, repo, "push", "--glob", "d*.dvc")
        elif kind == "outside":
            (home / "outside").mkdir(exist_ok=True)
            (home / "outside/x").write_bytes(rng.randbytes(5))
            either(rng, repo, "add", str(home / "outside/x"), "-o", "taken", "--force")
        elif kind == "git":
            repo.git("add", "-A")
            repo.git("commit", "-qm", ".", "--allow-empty")
            commits.append(repo.git("rev-parse", "HEAD").strip())
        if (repo.path / "data").exists():
            same_report(repo)


@pytest.mark.parametrize("seed", SEEDS)
def test_same_bytes(home, seed):
    """The same tree added by one and by the other: .dvc files, .gitignore and objects are the same, modes too."""
    rng = random.Random(1000 + seed)
    mine = Repository(home / "mine")
    scribble(rng, mine, "data")
    scribble(rng, mine, "other data")
    (mine.path / "data/first").write_bytes(b"1")
    (mine.path / "other data").mkdir(exist_ok=True)
    names = [n for n in rng.sample(NAMES[:17], 6) if not n.startswith("-")]
    for n in names:
        (mine.path / n).write_bytes(n.encode())
    theirs = Repository(home / "theirs", init=False)
    shutil.rmtree(theirs.path)
    shutil.copytree(mine.path, theirs.path, symlinks=True)
    paths = ["data", "other data", *names]
    mine.ok("add", *paths)
    dvc_ok(theirs, "add", *paths)
    assert files_written(mine) == files_written(theirs)
    assert mine.objects() == theirs.objects()
    for path in (mine.path / ".dvc/cache/files").rglob("*"):
        if path.is_file():
            other = theirs.path / path.relative_to(mine.path)
            assert path.read_bytes() == other.read_bytes() and stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    mine.write({"second": b"2"}, "data")
    theirs.write({"second": b"2"}, "data")
    mine.ok("add", "data")
    dvc_ok(theirs, "add", "data")
    assert files_written(mine) == files_written(theirs)


ODD = [*"ab.-_ ~!@#$%^&*()+={}[]|;:'\"<>,?`\\", "é", "\u0301", "日", "😀", "\u200b", "\x7f", "\x01", "\t", "\xa0", "\u2028", "\ufeff", "\x85", "İ", "ß"]
WORDS = ["true", "null", "0x1", "1_000", "1:2", "=", "2001-01-01", ".inf", "~", "y", "0o7", "+1", "1.", ".5", "e", "--", ".hid", "L" * 240]


@pytest.mark.parametrize("seed", SEEDS)
def test_odd_names(home, seed):
    """Names of any characters, of what is added and in it: the same .dvc files, lists and .gitignore lines."""
    rng = random.Random(4000 + seed)
    mine = Repository(home / "mine")

    def name():
        n = rng.choice(WORDS) if rng.random() < 0.2 else "".join(rng.choice(ODD) for _ in range(rng.choice([1, 2, 3, 5, 9])))
        return "a" if n in (".", "..") else n

    tops = sorted({n for n in (name() for _ in range(4)) if not n.startswith("-") and not n.endswith(" ") and "\\ " not in n})  # (of a blank at the end DVC's .gitignore line is not what git means; one behind a backslash it does not find again, and adds the line once more)
    for top in tops:
        if rng.random() < 0.5:
            mine.write({top: rng.randbytes(3)})
        else:
            mine.write({(f"{name()}/" if rng.random() < 0.3 else "") + f"{i}{name()}": rng.randbytes(rng.choice([0, 1, 9])) for i in range(5)}, top)
    theirs = Repository(home / "theirs", init=False)
    shutil.rmtree(theirs.path)
    shutil.copytree(mine.path, theirs.path)
    for _ in range(2):
        for top in tops:
            mine.ok("add", top)
            dvc_ok(theirs, "add", top)
            assert files_written(mine) == files_written(theirs), top
            assert mine.objects() == theirs.objects(), top
            for r in (mine, theirs):
                r.write({top if (r.path / top).is_file() else f"{top}/more": b"changed"})


@pytest.mark.parametrize("seed", SEEDS)
def test_diff(home, seed):
    """Between revisions, to the work tree, of targets, with and without the cache: the same words and the same JSON."""
    rng = random.Random(2000 + seed)
    repo = Repository(home / "repo")
    for revision in ("v1", "v2"):
        scribble(rng, repo, "data")
        scribble(rng, repo, "sub/other data")
        for top in ("data", "sub/other data"):
            (repo.path / top).mkdir(parents=True, exist_ok=True)
            (repo.path / top / f"f{rng.randint(0, 3)}").write_bytes(b"%d" % rng.randint(0, 3))
        (repo.path / "single").write_bytes(b"%d" % rng.randint(0, 3))
        repo.ok("add", "data", "single", "sub/other data")
        if revision == "v2" and rng.random() < 0.3:
            repo.ok("remove", "single.dvc", "--outs")
        repo.commit()
        repo.git("tag", revision)
    scribble(rng, repo, "data")
    files = list((repo.path / "sub/other data").rglob("*"))
    dirs = [d for d in repo.objects() if d.endswith(".dir")]
    if rng.random() < 0.5:
        rng.choice([f for f in files if f.is_file()]).rename(repo.path / "sub/other data/renamed")
    if rng.random() < 0.3:
        shutil.rmtree(repo.path / "data")
    if rng.random() < 0.5:
        objects = [p for p in (repo.path / ".dvc/cache/files/md5").rglob("*") if p.is_file() and (seed % 2 or not p.name.endswith(".dir"))]
        for p in rng.sample(objects, min(3, len(objects))):  # (DVC itself gives up over targets in a directory object that is not there)
            p.unlink()
    targets = [] if any(not (repo.path / ".dvc/cache/files/md5" / d[:2] / d[2:]).exists() for d in dirs) else [["v1", "--targets", "data"], ["v1", "v2", "--targets", "single", "data"], ["v1", "--targets", "data/f1", "data/sub"]]
    for args in ([], ["v1"], ["v1", "v2"], ["v2", "v1"], ["v2", "HEAD"], *targets):
        for form in rng.sample([["--json"], ["--json", "--show-hash"], ["--md"], ["--md", "--show-hash"], [], ["--show-hash"], ["--hide-missing"]], 2):
            done, (status, out) = repo.run("diff", *form, *args), dvc(repo, "diff", *form, *args)
            assert (done.returncode == 0) == (status == 0), (args, form, done.stderr)
            if status == 0 and "--json" in form:
                assert json.loads(done.stdout) == json.loads(out), (args, form)
            elif status == 0:
                assert unpadded(done.stdout.decode()) == unpadded(out), (args, form)


@pytest.fixture
def source(home):
    """Somebody's repository: two versions of data, beside what git has."""
    r = Repository(home / "source")
    r.write({"data/a": b"1", "data/sub/b": b"2", 'data/é "x"': b"u", "single": b"s", "plain": b"p", "code/run.sh": b"x", "code/deep/f": b"y"})
    (r.path / "code/run.sh").chmod(0o755)
    r.ok("add", "data", "single")
    r.commit()
    r.git("tag", "v1")
    r.write({"data/a": b"new"})
    r.ok("add", "data")
    r.commit()
    r.git("tag", "v2")
    return r


IMPORTS = [
    ["import", "../source", "data", "--rev", "v1"],
    ["import", "../source", "single"],
    ["import", "../source", "code"],
    ["import", "../source", "plain", "-o", "pl ain: x"],
    ["import", "../source", "data/sub", "-o", "s2"],
    ["import", "../source", 'data/é "x"'],
    ["import", "../source", "single", "--no-download", "-o", "nd"],
    ["import", "../source", "single", "--no-exec", "-o", "ne"],
    ["import", "../source", "nosuch"],
    ["import", "../source", "single"],
    ["import", "../source", "data", "-o", "d3", "--rev", "v1", "--no-download"],
    ["update", "d3.dvc"],
    ["update", "data.dvc", "--rev", "v2"],
    ["update", "single.dvc", "--rev", "v1"],
    ["update", "s2.dvc", "--no-download"],
    ["update", "code.dvc", "--rev", "v1", "--no-download"],
    ["move", "s2", "moved"],
    ["move", "single.dvc", "nosuch/single"],
    ["move", "pl ain: x", "mo ved"],
    ["move", "mo ved", "moved"],
    ["commit", "-f", "code.dvc", "moved.dvc", "mo ved.dvc"],
    ["import", "../source", "single", "-o", "other", "--remote-config", "url=/nowhere"],
    ["import", "../source", "single", "-o", "wrong", "--remote", "nosuch"],
]


def test_imports(home, source):
    """Each step by one and by the other, in repositories of their own: the same files, byte for byte, the same status."""
    both = [Repository(home / "mine"), Repository(home / "theirs")]
    url = f"file://{source.path}"
    for args in [*IMPORTS, ["import", url, "data", "-o", "by url"], ["import", url, "code", "-o", "code2", "--rev", "v1"]]:
        mine, theirs = both[0].run(*args).returncode, dvc(both[1], *args)[0]
        assert (mine == 0) == (theirs == 0), args
        names = [sorted(p.relative_to(r.path).as_posix() for p in r.path.rglob("*") if p.is_file() and p.parts[len(r.path.parts)] not in (".git", ".dvc")) for r in both]
        assert names[0] == names[1], args
        for name in names[0]:
            assert (both[0].path / name).read_bytes() == (both[1].path / name).read_bytes(), (args, name)
        assert json.loads(both[0].ok("status", "--json")) == json.loads(dvc_ok(both[1], "status", "--json")), args


@pytest.mark.parametrize("by_url", [False, True])
def test_get_and_list(home, source, by_url):
    url = f"file://{source.path}" if by_url else str(source.path)
    here = Repository(home / "here", init=False)
    for args in ([], ["-R"], ["--rev", "v1", "-R"], ["--dvc-only"], ["--dvc-only", "-R"], ["data"], ["data", "-R", "--rev", "v1"], ["data/a"], ["code"], ["code", "--dvc-only"], ["nosuch"], ["-R", "-L", "2"]):
        paths, options = [a for a in args if a in ("data", "data/a", "code", "nosuch")], [a for a in args if a not in ("data", "data/a", "code", "nosuch")]
        same_json(here, "list", url, *paths, *options, "--json")
    for i, args in enumerate((["data"], ["data", "--rev", "v1"], ["data/sub"], ["single"], ["code"], ["code/deep", "--rev", "v1"], ["plain"], ["nosuch"], ["data.dvc"])):
        (here.path / f"m{i}").mkdir()
        (here.path / f"t{i}").mkdir()
        mine, theirs = here.run("get", url, *args, "-o", f"m{i}").returncode, dvc(here, "get", url, *args, "-o", f"t{i}")[0]
        assert (mine == 0) == (theirs == 0), args
        assert here.read(f"m{i}") == here.read(f"t{i}"), args


def test_list_links(home):
    """Links that lead to folders, to files and nowhere, tracked and not."""
    repo = Repository(home / "repo")
    repo.write({"data/a": b"1", "data/sub/b": b"2", "file": b"3"})
    for link, to in (("data/folder", "sub"), ("into", "data"), ("to a file", "file"), ("sub nowhere", "nowhere"), ("x.tmp", "data")):
        (repo.path / link).symlink_to(to)
    repo.ok("add", "data")
    (repo.path / "data/broken").symlink_to("nowhere")
    (repo.path / ".dvcignore").write_text("*.tmp\n")
    for args in ([], ["-R"], ["-R", "--level", "1"], ["--size"], ["data"], ["data", "-R"], ["into"], ["into", "-R"], ["--dvc-only", "-R"]):
        same_json(repo, "list", ".", *args, "--json")
        same_json(repo, "ls", ".", *args, "--json")


@pytest.mark.parametrize("seed", SEEDS[: max(6, SEQUENCES // 10)])
def test_list_what_is_not_ignored(home, seed):
    """Random .dvcignore files in two revisions: the same lists of each, and of what is there."""
    rng = random.Random(3000 + seed)
    repo = Repository(home / "repo")
    for revision in ("v1", "v2"):
        for folder in ("", "a/", "a/b/", "c/"):
            repo.write({folder + name: b"1" for name in rng.sample(["x", "y", "x.tmp", "y.log", "z"], 3)})
            lines = rng.sample(["x", "*.tmp", "/y", "b/", "!x.tmp", "a/b", "/a/b/y*", "**/z", "c", "# x", "!/a/b/x"], rng.randint(0, 3))
            (repo.path / folder / ".dvcignore").write_text("".join(line + "\n" for line in lines))
        repo.commit()
        repo.git("tag", revision)
    (repo.path / ".dvcignore").write_text("x\n")
    for args in ([], ["--rev", "v1"], ["--rev", "v2"]):
        for path in ([], ["a"], ["a/b"], ["a/b/x"], ["c"], ["x.tmp"]):
            same_json(repo, "list", ".", *path, "-R", "--json", *args)
