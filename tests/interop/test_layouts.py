# venv: dvc
"""Repositories in every layout, twice: the same steps by opis data and by DVC 3.67. After every step both have the same files, modes, objects, settings and states of git, and what one refuses the other refuses."""
import configparser
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import OPIS, environment  # noqa: E402

os.environ["COLUMNS"] = "1000"  # which DVC reads once: its tables are wrapped where paths are long
SKIPPED = {"tmp", "site", "hooks"}


class Side:
    """One of the two, in a folder of its own that is its HOME, too."""

    def __init__(self, top, by_dvc):
        self.top, self.by_dvc = top, by_dvc
        top.mkdir(parents=True)
        self.env = environment(top)
        self.env.update(DVC_NO_ANALYTICS="1", DVC_TEST="true", DVC_SITE_CACHE_DIR=str(top / "site"))
        self.env.update(GIT_AUTHOR_DATE="2024-01-01T00:00:00Z", GIT_COMMITTER_DATE="2024-01-01T00:00:00Z")  # the same commits on both sides

    def run(self, where, *args, env=None):
        """data ARGS in a folder: status, output, errors."""
        args = [str(a).replace("@", str(self.top)) for a in args]
        env = {k: v.replace("@", str(self.top)) for k, v in (env or {}).items()}
        if not self.by_dvc:
            done = subprocess.run([OPIS, "data", *args], cwd=self.top / where, env={**self.env, **env}, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
            return done.returncode, done.stdout.decode(), done.stderr.decode()
        from dvc.cli import main

        out, err, before, old = io.StringIO(), io.StringIO(), os.getcwd(), dict(os.environ)
        os.environ.clear()
        os.environ.update({**self.env, **env})
        os.chdir(self.top / where)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                status = main(args)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(old)
        return status, out.getvalue(), err.getvalue()

    def git(self, where, *args):
        done = subprocess.run(["git", "-c", "protocol.file.allow=always", *args], cwd=self.top / where, env=self.env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def files(self):
        """All that is there, also modes and where links lead; of settings what they say, of git what it sees."""
        out = {}
        for folder, folders, names in os.walk(self.top):
            rel = pathlib.Path(folder).relative_to(self.top).as_posix()
            if ".git" in folders or ".git" in names:
                out[f"{rel} git"] = self.git(rel, "status", "--porcelain")
            at = rel.split("/")
            folders[:] = [n for n in folders if n != ".git" and not (n in SKIPPED and (at[-1] == ".dvc" or rel == ".")) and not n.startswith(".opis")]
            if at[-1] != ".dvc":
                out[rel] = stat.S_IMODE(os.stat(folder).st_mode)
            for n in [*names, *(n for n in folders if os.path.islink(os.path.join(folder, n)))]:
                path = pathlib.Path(folder, n)
                if n == ".git" or n.startswith(".opis"):
                    continue
                where = f"{rel}/{n}"
                if path.is_symlink():
                    out[where] = os.readlink(path).replace(str(self.top), "@")
                elif n in ("config", "config.local"):
                    read = configparser.ConfigParser(interpolation=None, allow_no_value=True)
                    read.read_string(path.read_text())
                    out[where] = {s: {k: (v or "").replace(str(self.top), "@") for k, v in read[s].items()} for s in read.sections()}
                else:
                    out[where] = (path.read_bytes().replace(os.fsencode(self.top), b"@"), stat.S_IMODE(path.stat().st_mode))
        return out


class Pair:
    def __init__(self, home):
        self.mine, self.theirs = Side(home / "mine", False), Side(home / "theirs", True)
        self.both = (self.mine, self.theirs)
        self.done = []

    def say(self, *words):
        return "\n".join(["", *(f"  {w or '.'}: {' '.join(map(str, a))}" for w, a in self.done), *map(str, words)])

    def write(self, files):
        for s in self.both:
            for name, content in files.items():
                path = s.top / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if os.path.lexists(path):
                    path.unlink()
                path.write_bytes(content.replace(b"@", os.fsencode(s.top)))

    def git(self, where, *args):
        self.done.append((where, ("git", *args)))
        for s in self.both:
            s.git(where, *(a.replace("@", str(s.top)) for a in args))

    def commit(self, where):
        self.git(where, "add", "-A")
        self.git(where, "commit", "-qm", ".")

    def each(self, change):
        for s in self.both:
            change(s.top)

    def step(self, where, *args, env=None, works=None):
        """One command by each. works: what both must do, where that is known."""
        self.done.append((where, args))
        (mine, _, my_errors), (theirs, _, errors) = (s.run(where, *args, env=env) for s in self.both)
        assert (mine == 0) == (theirs == 0), self.say(f"opis {mine}: {my_errors}", f"DVC {theirs}: {errors}")
        assert works is None or (theirs == 0) == works, self.say(f"DVC {theirs}: {errors}")
        one, other = self.mine.files(), self.theirs.files()
        assert one == other, self.say(*(f"{k}: opis {one.get(k)}, DVC {other.get(k)}" for k in sorted(one.keys() | other.keys()) if one.get(k) != other.get(k)))
        return theirs == 0

    def ok(self, where, *args, env=None):
        self.step(where, *args, env=env, works=True)

    def report(self, where, *args, env=None):
        """What both say, which must be the same."""
        self.done.append((where, args))
        (mine, out, my_errors), (theirs, their_out, errors) = (s.run(where, *args, env=env) for s in self.both)
        assert (mine == 0) == (theirs == 0), self.say(f"opis {mine}: {my_errors}", f"DVC {theirs}: {errors}")
        if "--json" in args and theirs == 0:
            assert json.loads(out) == json.loads(their_out), self.say(out, their_out)
        else:
            assert out.replace(str(self.mine.top), "@").split() == their_out.replace(str(self.theirs.top), "@").split(), self.say(out, their_out)

    def reports(self, where, cloud=True):
        self.report(where, "status", "--json")
        self.report(where, "diff", "--json")
        self.report(where, "list", ".", "-R", "--dvc-only", "--json")
        if cloud:
            self.report(where, "status", "-c", "--json")


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


DATA = {"data/a": b"1", "data/sub/b": b"2", "single": b"3"}


def below(where, files=None):
    return {f"{where}/{k}": v for k, v in (files or DATA).items()}


def started(pair, where, *init, git=True):
    for s in pair.both:
        (s.top / where).mkdir(parents=True)
        if git:
            s.git(where, "init", "-q", "-b", "main")
    pair.ok(where, "init", *init)


def test_nested_roots(pair):
    """What a root below this one tracks is not this one's, in revisions either."""
    pair.each(lambda top: (top / "mono/one/nested").mkdir(parents=True))
    pair.git("mono", "init", "-q", "-b", "main")
    for where in ("mono/one", "mono/one/nested"):
        pair.ok(where, "init", "--subdir")
        pair.ok(where, "config", "core.autostage", "true")
        pair.write(below(where))
        pair.ok(where, "add", "data", "single")
    pair.commit("mono")
    pair.git("mono", "tag", "first")
    for where in ("mono/one", "mono/one/nested"):
        pair.write({f"{where}/data/c": where.encode()})
        pair.ok(where, "add", "data")
        pair.reports(where, cloud=False)
    pair.commit("mono")
    for where in ("mono/one", "mono/one/nested"):
        pair.report(where, "diff", "first", "HEAD", "--json")
        pair.ok(where, "gc", "-a", "-f")
        pair.reports(where, cloud=False)


def test_add_into_a_nested_root(pair):
    """DVC writes an empty list there; opis leaves the other repository alone."""
    started(pair, "repo")
    pair.each(lambda top: (top / "repo/inner").mkdir())
    pair.ok("repo/inner", "init", "--subdir")
    pair.write(below("repo/inner"))
    pair.ok("repo/inner", "add", "data")
    before = pair.mine.files()
    for target in ("inner/data", "inner/single", "inner/data/a", "inner"):
        status, _, errors = pair.mine.run("repo", "add", target)
        assert status != 0 and "another DVC repository" in errors, target
    assert pair.mine.files() == before
    pair.theirs.run("repo", "add", "inner/data")
    assert b"nfiles: 0" in pair.theirs.files()["repo/inner/data.dvc"][0]


def test_no_git(pair):
    started(pair, "repo", "--no-scm", git=False)
    pair.write(below("repo"))
    pair.ok("repo", "add", "data", "single")
    pair.report("repo", "status", "--json")
    pair.report("repo", "list", ".", "-R", "--dvc-only", "--json")
    pair.ok("repo", "gc", "-w", "-f")


@pytest.mark.parametrize("beside_git", [False, True])
def test_revisions_without_git(pair, beside_git):
    """Where git is not to be looked at there is the work tree alone, and that is no error; but gc, which would throw away what branches need, says so."""
    started(pair, "repo", *([] if beside_git else ["--no-scm"]), git=beside_git)
    pair.ok("repo", "config", "core.no_scm", "true")
    pair.ok("repo", "remote", "add", "-d", "store", "@/store")
    pair.write(below("repo"))
    pair.ok("repo", "add", "data", "single")
    pair.report("repo", "status", "-c", "-A", "--json")
    pair.ok("repo", "push", "-a")
    pair.ok("repo", "fetch", "-T")
    pair.ok("repo", "pull", "-A")
    pair.step("repo", "diff", works=None)
    status, _, errors = pair.mine.run("repo", "gc", "-a", "-f")
    assert status != 0 and "not under git" in errors


def test_shared_in_any_letters(pair):
    started(pair, "repo")
    pair.write({**below("repo"), "repo/.dvc/config": b"[cache]\n    shared = Group\n"})
    pair.ok("repo", "add", "data", "single")


def test_empty_variables(pair):
    """A folder of settings that is named by an empty variable is where it is without the variable."""
    started(pair, "repo")
    for name in ("DVC_GLOBAL_CONFIG_DIR", "XDG_CONFIG_HOME"):
        env = {"DVC_GLOBAL_CONFIG_DIR": "", "XDG_CONFIG_HOME": ""} | ({name: "@/" + name} if name != "DVC_GLOBAL_CONFIG_DIR" else {})
        pair.ok("repo", "config", "--global", "core.remote", "a", env=env)
        pair.report("repo", "config", "core.remote", env=env)
    pair.report("repo", "config", "core.remote", env={"DVC_SYSTEM_CONFIG_DIR": "", "XDG_CONFIG_DIRS": "@/XDG_CONFIG_HOME"})


@pytest.mark.parametrize("level, value", [("--system", "../elsewhere"), ("--global", "../elsewhere"), ("--project", "../elsewhere"), ("--local", "@/elsewhere"), ("--local", "~/elsewhere"), ("--global", "sub dir")])
def test_paths_of_levels(pair, level, value):
    """Where a cache is and a remote, by each level and form: what goes there, and what config says of it."""
    env = {"DVC_SYSTEM_CONFIG_DIR": "@/etc-dvc", "DVC_GLOBAL_CONFIG_DIR": "@/home/dvc"}
    started(pair, "repo")
    pair.write(below("repo"))
    for name, last in (("cache.dir", ""), ("remote.store.url", "-store")):
        pair.ok("repo", "config", level, name, value + last, env=env)
        pair.report("repo", "config", name, env=env)
        pair.report("repo", "config", level, "--show-origin", name, env=env)
    pair.ok("repo", "config", level, "core.remote", "store", env=env)
    pair.report("repo", "cache", "dir", env=env)
    pair.report("repo", "remote", "list", env=env)
    pair.ok("repo", "add", "data", "single", env=env)
    pair.ok("repo", "push", env=env)
    file = {"--system": "etc-dvc/config", "--global": "home/dvc/config", "--project": "repo/.dvc/config", "--local": "repo/.dvc/config.local"}[level]
    pair.write({file: f"[cache]\n    dir = {value}\n[core]\n    remote = store\n['remote \"store\"']\n    url = {value}-store\n".encode()})
    pair.report("repo", "config", "cache.dir", env=env)
    pair.ok("repo", "add", "data", "single", env=env)
    pair.ok("repo", "push", env=env)


def test_wrong_cache_type(pair):
    """Link types that are none stop what handles data, but not the commands that mend the setting."""
    started(pair, "repo")
    pair.write({**below("repo"), "repo/.dvc/config": b"[cache]\n    type = Copy\n"})
    pair.step("repo", "add", "data", works=False)
    pair.report("repo", "config", "-l")
    pair.report("repo", "remote", "list")
    pair.ok("repo", "config", "cache.type", "copy")
    pair.ok("repo", "add", "data")


OLD = {"data/a": b"1", "data/sub/b": b"2\r\n", "data/bin": b"\0\r\n", "single": b"3", "text": b"x\r\ny\r\n"}


def as_dvc_2(pair, cache, sizes):
    """data, single and text as DVC 2 has recorded them: line ends do not count in hashes of text."""
    pair.write(below("repo", OLD))
    md5 = {k: hashlib.md5(v if b"\0" in v else v.replace(b"\r\n", b"\n")).hexdigest() for k, v in OLD.items()}
    files = [n for n in sorted(OLD) if n.startswith("data/")]
    listing = json.dumps([{"md5": md5[n], "relpath": n[5:]} for n in files]).encode()
    folder = hashlib.md5(listing).hexdigest() + ".dir"
    objects = {md5[n]: OLD[n] for n in OLD} | {folder: listing}
    pair.write({f"{cache}/{k[:2]}/{k[2:]}": v for k, v in objects.items()})
    pair.each(lambda top: [(top / cache / k[:2] / k[2:]).chmod(0o444) for k in objects])
    outs = {n: (md5[n], f"  size: {len(OLD[n])}\n") for n in ("single", "text")} | {"data": (folder, f"  size: {sum(len(OLD[n]) for n in files)}\n  nfiles: {len(files)}\n")}
    pair.write({f"repo/{n}.dvc": f"outs:\n- md5: {h}\n{more if sizes else ''}  path: {n}\n".encode() for n, (h, more) in outs.items()})
    pair.write({"repo/.gitignore": b"/data\n/single\n/text\n"})


def without_lists(files):
    """Files but for the lists of folders in caches: DVC leaves one wherever it looks at a folder."""
    found = {k: v for k, v in files.items() if not re.search(r"cache/(files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}[.]dir$", k)}
    return {k: v for k, v in found.items() if not re.search(r"cache/(files/md5/)?[0-9a-f]{2}$", k) or any(x.startswith(k + "/") for x in found)}


@pytest.mark.parametrize("sizes", [True, False])
@pytest.mark.parametrize("cache", ["repo/.dvc/cache", "cache"])
def test_dvc_2(pair, monkeypatch, cache, sizes):
    """Outputs of DVC 2 beside those of DVC 3: what did not change stays as DVC 2 had it."""
    of_all = Side.files
    monkeypatch.setattr(Side, "files", lambda side: without_lists(of_all(side)))
    started(pair, "repo")
    pair.ok("repo", "remote", "add", "-d", "store", "@/store")
    if cache == "cache":
        pair.ok("repo", "cache", "dir", "../cache")
    as_dvc_2(pair, cache, sizes)
    pair.commit("repo")
    pair.reports("repo")
    pair.ok("repo", "add", "data", "single", "text")
    pair.ok("repo", "push", "single")
    pair.ok("repo", "push")
    pair.reports("repo")
    pair.write({"repo/three/x": b"1", "repo/three/y": b"2\r\n", "repo/single": b"33", "repo/data/new": b"n"})
    pair.reports("repo")
    pair.ok("repo", "add", "three", "single", "data")
    pair.reports("repo")
    if sizes:  # else the keys are in another order: DVC writes the file anew
        pair.ok("repo", "move", "text", "moved")
    pair.commit("repo")
    pair.report("repo", "diff", "HEAD~1", "HEAD", "--json")
    pair.ok("repo", "push")
    pair.each(lambda top: (shutil.rmtree(top / cache), shutil.rmtree(top / "repo/data"), (top / "repo/single").unlink()))
    pair.ok("repo", "fetch")
    pair.ok("repo", "pull")
    pair.git("repo", "checkout", "-q", "HEAD~1")
    pair.ok("repo", "pull", "-f")
    pair.reports("repo")
    pair.git("repo", "checkout", "-q", "main")
    pair.ok("repo", "checkout", "-f")
    pair.ok("repo", "gc", "-w", "-f")
    pair.ok("repo", "gc", "-w", "-c", "-f")
    pair.reports("repo")


def test_list_below_the_root(pair):
    """Of the repository that one stands in, as it is, paths are from there; of a revision, and of others, from the root."""
    started(pair, "repo")
    pair.write({**below("repo"), "repo/src/code": b"x", "repo/src/deep/more": b"y", "repo/src/imgs/s/i": b"z", "other/file": b"o"})
    pair.ok("repo", "add", "data", "single", "src/imgs")
    pair.commit("repo")
    pair.git("repo", "tag", "first")
    for where in ("repo/src", "repo/src/imgs", "repo"):
        for options in ((), ("-R",), ("--dvc-only", "-R"), ("-L", "0"), ("-R", "-L", "0"), ("-R", "-L", "1"), ("--rev", "first")):
            pair.report(where, "list", ".", *options, "--json")
        for path in ("imgs", "imgs/s/i", "../data", "../..", ".", "src/imgs", "/src", "../nosuch"):
            for options in ((), ("--rev", "first", "-R"), ("-R", "-L", "0"), ("-R", "-L", "1")):
                pair.report(where, "list", ".", path, *options, "--json")
    for url in ("@/repo", "..", "deep", "../data"):
        pair.report("repo/src", "list", url, "-R", "--json")
        pair.report("repo/src", "list", url, "imgs", "--json")
    pair.ok("repo/src", "get", ".", "../data", "-o", "@/got")
    pair.ok("repo/src", "get", ".", "imgs/s", "-o", "@/got-too")
    pair.ok("repo/src", "get", "@/repo", "data", "--rev", "first", "-o", "@/got-first")
    pair.step("repo/src", "get", "@/repo", "data", "-o", "@/not-got", works=False)
    pair.report("other", "list", "@/repo", "src", "-R", "--json")


def masked(pair, umask):
    """Both sides with this umask. DVC has noted that of its start in several places."""
    import dvc_data.hashfile.db.local as local

    old = os.umask(umask)
    noted, local.umask = local.umask, umask
    return lambda: (os.umask(old), setattr(local, "umask", noted))


@pytest.mark.parametrize("umask", [0o077, 0o002])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("types", ["", "symlink", "hardlink"])
def test_modes(pair, umask, shared, types):
    """What is made gets the modes that DVC gives it: objects and their folders here and there, data by each type of link, files of git."""
    restore = masked(pair, umask)
    try:
        settings = "[cache]\n    dir = ../../deep/er/cache\n" + "    shared = group\n" * shared + f"    type = {types}\n" * bool(types)
        started(pair, "repo")
        pair.write({**below("repo"), "repo/.dvc/config": f"{settings}[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store/deep\n".encode()})
        pair.ok("repo", "add", "data", "single")
        pair.commit("repo")
        pair.ok("repo", "push")
        pair.reports("repo")
        pair.ok("repo", "unprotect", "data")
        pair.write({"repo/data/a": b"changed", "repo/data/n/e/w": b"w"})
        pair.ok("repo", "add", "data")
        pair.commit("repo")
        pair.ok("repo", "push")
        pair.each(lambda top: shutil.rmtree(top / "repo/data"))
        pair.ok("repo", "checkout")
        pair.each(lambda top: (shutil.rmtree(top / "deep"), shutil.rmtree(top / "repo/data"), (top / "repo/single").unlink()))
        pair.ok("repo", "pull")
        pair.ok("repo", "checkout", "--relink")
        pair.ok("repo", "move", "single", "moved")
        pair.ok("repo", "unprotect", "moved")
        started(pair, "second")
        pair.write({"second/.dvc/config": settings.encode(), "second/own": b"own"})
        pair.ok("second", "add", "own")
        pair.ok("second", "get", "../repo", "data", "-o", "copy")
        pair.ok("second", "gc", "-w", "-p", "../repo", "-f")
        pair.reports("repo")
    finally:
        restore()


def test_sources_with_nested_roots(pair):
    """Of what a path is in, the innermost root counts, in a work tree, a revision and a clone; from above it is not there."""
    pair.write({".config/dvc/config": b"[core]\n    remote = store\n['remote \"store\"']\n    url = @/store\n"})
    pair.each(lambda top: (top / "mono/sub").mkdir(parents=True))
    pair.git("mono", "init", "-q", "-b", "main")
    pair.ok("mono/sub", "init", "--subdir")
    pair.write({"mono/README": b"r", "mono/sub/code/x.py": b"x", "mono/sub/code/images/i": b"i", **below("mono/sub")})
    pair.ok("mono/sub", "add", "data", "single", "code/images")
    pair.ok("mono/sub", "push")
    pair.commit("mono")
    pair.git("mono", "tag", "first")
    pair.write({"mono/sub/data/c": b"new"})
    pair.ok("mono/sub", "add", "data")
    pair.ok("mono/sub", "push")
    pair.commit("mono")
    started(pair, "top")
    pair.write({"top/t": b"t", "top/mixed/of-git": b"g", "top/mixed/d": b"d"})
    pair.each(lambda top: (top / "top/in").mkdir())
    pair.ok("top", "add", "t", "mixed/d")
    pair.ok("top/in", "init", "--subdir")
    pair.write(below("top/in"))
    pair.ok("top/in", "add", "data")
    pair.ok("top/in", "push")
    pair.ok("top", "push")
    pair.commit("top")
    started(pair, "here")
    n = 0
    for url, revision in (("../mono", None), ("../mono", "first"), ("file://@/mono", None), ("file://@/mono", "first"), ("../mono/sub", "first")):
        rev = ("--rev", revision) if revision else ()
        for path in ("sub/data", "sub/single", "sub/code", "sub", "README", "sub/data/a", "sub/nosuch"):
            n += 1
            pair.step("here", "get", url, path, *rev, "-o", f"got{n}", works=path != "sub/nosuch")
        for path in ("sub", "sub/data", "sub/code") + (() if url == "../mono/sub" else (".",)):
            pair.report("here", "list", url, path, "-R", *rev, "--json")
    for url in ("../top", "file://@/top"):
        for path in (".", "in", "in/data", "mixed"):
            n += 1
            pair.ok("here", "get", url, path, "-o", f"got{n}")
            pair.report("here", "list", url, path, "-R", "--json")
    for i, (url, path, rev) in enumerate((("../mono", "sub/data", ()), ("../mono", "sub/single", ("--rev", "first")), ("../mono/sub", "sub/data", ("--rev", "first")), ("../top", "in/data", ()))):
        pair.ok("here", "import", url, path, "-o", f"i{i}", *rev)
    pair.ok("here", "import", "file://@/mono", "sub/data/sub", "-o", "cloned", "--no-exec")
    pair.write({"mono/sub/data/sub/d": b"newer", "mono/sub/single": b"33"})
    pair.ok("mono/sub", "add", "data", "single")
    pair.ok("mono/sub", "push")
    pair.commit("mono")
    pair.ok("here", "update", "i0.dvc", "i2.dvc")
    pair.ok("here", "update", "i1.dvc", "--rev", "main")
    pair.each(lambda top: (shutil.rmtree(top / "here/.dvc/cache"), shutil.rmtree(top / "here/i0"), (top / "here/i1").unlink(), shutil.rmtree(top / "here/i2")))
    for side in pair.both:
        side.run("here", "pull", "i0.dvc", "i1.dvc", "i2.dvc", "i3.dvc")
    assert without_lists(pair.mine.files()) == without_lists(pair.theirs.files())


def test_files_of_git_behind_links(pair):
    """.dvc files and settings that are symbolic links stay links: what they lead to is written."""
    started(pair, "repo")
    pair.write({**below("repo"), "settings": b"[cache]\n    type = copy\n"})
    pair.ok("repo", "add", "data", "single")

    def turn(top):
        (top / "repo/real").mkdir()
        for name in ("single.dvc", "data.dvc"):
            (top / "repo" / name).rename(top / "repo/real" / name)
            (top / "repo" / name).symlink_to("real/" + name)
        (top / "repo/.dvc/config").unlink()
        (top / "repo/.dvc/config").symlink_to("../../settings")

    pair.each(turn)
    pair.reports("repo", cloud=False)
    pair.write({"repo/single": b"changed", "repo/data/c": b"new", "repo/more": b"more"})
    pair.ok("repo", "add", "single", "data", "more")
    pair.ok("repo", "config", "core.check_update", "false")
    pair.write({"repo/single": b"again"})
    pair.ok("repo", "add", "single")
    pair.reports("repo", cloud=False)
