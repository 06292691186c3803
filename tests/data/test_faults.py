"""Nothing lost: every command killed, or its disk failing, at every call that changes the file system. Afterwards the old or the new state is there, every object is what its name says, nothing
of the user's is gone, and the same command run again completes."""
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest
from conftest import OPIS, environment

FAULT = pathlib.Path(os.environ.get("OPIS_FAULT", pathlib.Path(OPIS).parent / "tests" / "data" / "fault.so"))
V1 = {"a.jpg": b"hello" * 1000, "b": b"x", "empty": b"", "sub/c.txt": b"see", "sub/deep/d": b"dee"}
V2 = {"a.jpg": b"hello" * 1000, "b": b"changed", "new": b"new", "sub/deep/d": b"dee", "sub/e": b"eee"}


@pytest.fixture
def memory():
    """A folder in memory where there is one: the commands wait for their disk, thousands of times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as path:
        yield pathlib.Path(path).resolve()


class World:
    """A folder with a repository, a remote and a home."""

    def __init__(self, path):
        self.path, self.repo, self.store = path, path / "repo", path / "store"
        self.env = environment(path)

    def run(self, *args, **env):
        return subprocess.run([OPIS, "data", *args], cwd=self.repo, env=dict(self.env, **env), capture_output=True, stdin=subprocess.DEVNULL, timeout=300)

    def ok(self, *args):
        done = self.run(*args)
        assert done.returncode == 0, done.stderr.decode()

    def git(self, *args):
        subprocess.run(["git", *args], cwd=self.repo, env=self.env, check=True, capture_output=True)

    def write(self, files, below="data"):
        top = self.repo / below
        if top.exists():
            shutil.rmtree(top)
        for name, content in files.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes(content)
        if "b" in files:
            (top / "b").chmod(0o755)

    def copy(self, to):
        subprocess.run(["cp", "-a", self.path, to], check=True)
        return World(to)

    def state(self):
        return State(self)


class State:
    def __init__(self, world):
        self.files, self.cache, self.store, self.strange, self.damaged = {}, {}, {}, [], []
        for path in sorted(world.repo.rglob("*")):
            rel = path.relative_to(world.repo).as_posix()
            if rel.startswith((".git/", ".dvc/cache/", ".dvc/tmp/")) or rel in (".git", ".dvc/cache", ".dvc/tmp") or (path.is_dir() and not path.is_symlink()):
                continue
            self.files[rel] = (path.read_bytes(), stat.S_IMODE(path.stat().st_mode) & 0o111, path.is_symlink())
        self.objects(world.repo / ".dvc/cache/files/md5", self.cache)
        self.objects(world.store / "files/md5", self.store)
        for top in (world.repo / ".dvc/cache", world.store, world.repo / ".dvc/tmp/opis"):
            for path in top.rglob("*"):
                if path.is_file() and path.parts[-4:-2] != ("files", "md5") and path.parent.name != "index" and not path.name.startswith(".settle-"):
                    self.strange.append(path.relative_to(world.path).as_posix())
        self.strange.sort()

    def objects(self, top, into):
        for path in top.glob("??/*"):
            name, content = path.parent.name + path.name, path.read_bytes()
            into[name] = content
            if hashlib.md5(content).hexdigest() != name.removesuffix(".dir"):
                self.damaged.append(name)

    def same(self, other):
        return (self.files, self.cache.keys(), self.store.keys(), self.strange) == (other.files, other.cache.keys(), other.store.keys(), other.strange)

    def difference(self, other):
        out = []
        for what in ("files", "cache", "store"):
            mine, theirs = getattr(self, what), getattr(other, what)
            out += [f"{what}: {k}: {mine.get(k, 'missing')!r:.120} / {theirs.get(k, 'missing')!r:.120}" for k in sorted(mine.keys() | theirs.keys()) if mine.get(k) != theirs.get(k)]
        return out + [f"strange: {self.strange} / {other.strange}"] * (self.strange != other.strange)


def broken_promises(objects):
    import json

    return [name for name, content in objects.items() if name.endswith(".dir") for e in json.loads(content) if e["md5"] not in objects]


# ---- what is done ----


def base(world, **settings):
    world.repo.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", "--template=", "."], cwd=world.repo, env=world.env, check=True)
    world.ok("init")
    config = "[core]\n    remote = store\n    checksum_jobs = 1\n" + "".join(f"[{k.split('.')[0]}]\n    {k.split('.')[1]} = {v}\n" for k, v in settings.items())
    (world.repo / ".dvc/config").write_text(config + "['remote \"store\"']\n    url = ../../store\n    jobs = 1\n")


def tracked(world, files=V1, **settings):
    base(world, **settings)
    world.write(files)
    (world.repo / "untracked").write_bytes(b"mine")
    world.ok("add", "data")
    world.git("add", "-A")
    world.git("commit", "-qm", "1")


def add_new(world):
    base(world)
    world.write(V1)


def add_hard_linked(world):
    base(world, **{"cache.type": "hardlink"})
    world.write(V1)


def add_symbolically_linked(world):
    base(world, **{"cache.type": "symlink"})
    world.write(V1)


def add_file(world):
    base(world)
    world.write({"b": b"x" * 2_000_000}, "d")


def add_changed(world):
    tracked(world)
    world.write(V2)


MANY = ["d/a", "d/b", "d/c", "e/x"]


def add_many(world):
    base(world)
    world.write({"a": b"1", "b": b"2", "c": b"3"}, "d")
    world.write({"x": b"4"}, "e")


def many(world):
    add_many(world)
    world.ok("add", *MANY)


def many_changed(world):
    many(world)
    for name, content in (("d/a", b"5"), ("d/c", b"6"), ("e/x", b"7")):
        (world.repo / name).write_bytes(content)


def dependency(world):
    """A stage file in a folder, of what another file was."""
    base(world)
    world.write({"a": b"1"}, "d")
    world.write({"code": b"2"}, "src")
    world.ok("add", "d/a")
    file = world.repo / "d/a.dvc"
    file.write_text("deps:\n- path: ../src/code\n  hash: md5\n" + file.read_text())
    world.ok("commit", "-f")
    (world.repo / "sub").mkdir()


def dependency_changed(world):
    dependency(world)
    (world.repo / "d/a").write_bytes(b"3")
    (world.repo / "src/code").write_bytes(b"4")


def tracked_beside_a_folder(world):
    tracked(world)
    (world.repo / "sub").mkdir()


def pushed(world):
    tracked(world)
    world.ok("push")


def two_versions(world, **settings):
    """The work tree has the first; the .dvc file, the cache and the remote know both."""
    tracked(world, **settings)
    world.write(V2)
    world.ok("add", "data")
    world.ok("push")
    world.git("commit", "-qam", "2")
    world.git("checkout", "-q", "HEAD~1")
    world.ok("checkout")
    world.git("checkout", "-q", "main")


def two_versions_hard(world):
    two_versions(world, **{"cache.type": "hardlink"})


def two_versions_symbolic(world):
    two_versions(world, **{"cache.type": "symlink"})


def folder_where_a_file_was(world):
    tracked(world, {"x": b"1", "y/z": b"2"})
    world.write({"x/deep": b"3", "y": b"4"})
    world.ok("add", "data")
    world.git("commit", "-qam", "2")
    world.git("checkout", "-q", "HEAD~1")
    world.ok("checkout")
    world.git("checkout", "-q", "main")


def cloned(world):
    pushed(world)
    shutil.rmtree(world.repo / "data")
    shutil.rmtree(world.repo / ".dvc/cache")
    shutil.rmtree(world.repo / ".dvc/tmp")


def cloned_large(world):
    tracked(world, {"large": bytes(range(256)) * 8_000})
    world.ok("push")
    shutil.rmtree(world.repo / "data")
    shutil.rmtree(world.repo / ".dvc/cache")
    shutil.rmtree(world.repo / ".dvc/tmp")


def garbage(world):
    two_versions(world)
    world.ok("checkout")


def protected(world):
    tracked(world, **{"cache.type": "hardlink"})


SCENARIOS = {
    "add": (add_new, ["add", "data"]),
    "add-hardlink": (add_hard_linked, ["add", "data"]),
    "add-symlink": (add_symbolically_linked, ["add", "data"]),
    "add-file": (add_file, ["add", "d/b"]),
    "add-changed": (add_changed, ["add", "data"]),
    "add-no-commit": (add_changed, ["add", "--no-commit", "data"]),
    "add-part": (add_changed, ["add", "data/b", "data/new", "data/sub/c.txt"]),
    "commit": (add_changed, ["commit", "-f"]),
    "add-many": (add_many, ["add", *MANY]),
    "commit-many": (many_changed, ["commit", "-f"]),
    "commit-dependency": (dependency_changed, ["commit", "-f"]),
    "checkout": (two_versions, ["checkout"]),
    "checkout-hardlink": (two_versions_hard, ["checkout"]),
    "checkout-symlink": (two_versions_symbolic, ["checkout"]),
    "checkout-kinds": (folder_where_a_file_was, ["checkout"]),
    "push": (tracked, ["push"]),
    "fetch": (cloned, ["fetch"]),
    "pull": (cloned, ["pull"]),
    "pull-large": (cloned_large, ["pull"]),
    "gc": (garbage, ["gc", "-w", "-f"]),
    "gc-cloud": (garbage, ["gc", "-w", "-c", "-f"]),
    "restore": (garbage, ["restore", "HEAD~1"]),
    "move": (tracked, ["move", "data", "moved"]),
    "move-into": (tracked_beside_a_folder, ["move", "data", "sub/moved"]),
    "move-dependency": (dependency, ["move", "d/a", "sub"]),
    "remove-many": (many, ["remove", *(f"{name}.dvc" for name in MANY)]),
    "remove": (tracked, ["remove", "data.dvc"]),
    "remove-outs": (tracked, ["remove", "data.dvc", "--outs"]),
    "unprotect": (protected, ["unprotect", "data"]),
    "config": (tracked, ["config", "cache.type", "copy"]),
}
NAMES = {f"{name}-names" for name in ("add", "add-file", "push", "pull")}  # on a file system whose files always have names: what is in the making has temporary ones
SCENARIOS.update({name: SCENARIOS[name.removesuffix("-names")] for name in sorted(NAMES)})
GOES = {"gc", "gc-cloud"}  # what may take objects away


def check_after(name, before, after, end):
    """What holds after a fault, whatever was done by then."""
    assert not after.damaged, f"damaged objects: {after.damaged}"
    contents = {content for content, _, _ in after.files.values()} | set(after.cache.values())
    for path, (content, _, _) in before.files.items():
        assert content in contents or path.endswith((".dvc", ".gitignore", "config")), f"lost: {path}"
    for path, entry in after.files.items():
        allowed = {s.files[path][0] for s in (before, end) if path in s.files}
        assert allowed, f"a strange file: {path}"
        if path.endswith(".gitignore"):  # two lines at once: what is to come, and what was
            lines = [set(s.files.get(path, (b"",))[0].split(b"\n")) for s in (before, end)]
            assert lines[0] & lines[1] <= set(entry[0].split(b"\n")) <= lines[0] | lines[1]
            continue
        assert entry[0] in allowed, f"neither old nor new: {path}: {entry[0]!r:.100}"
    for path in before.files.keys() & end.files.keys():
        if before.files[path][0] == end.files[path][0]:
            assert path in after.files, f"gone: {path}"
    assert "untracked" not in before.files or after.files["untracked"][0] == b"mine"
    if name in GOES:
        assert end.cache.keys() <= after.cache.keys() <= before.cache.keys() and end.store.keys() <= after.store.keys() <= before.store.keys()
    else:
        assert before.cache.keys() <= after.cache.keys() <= end.cache.keys() | before.cache.keys() and before.store.keys() <= after.store.keys()
    assert not broken_promises(after.store), "a directory object on the remote whose files are not there"
    if name not in ("pull", "pull-large", "pull-names", "fetch"):
        assert not broken_promises(after.cache)


def preload(name, **fault):
    return {"LD_PRELOAD": str(FAULT), **fault, **({"FAULT_NAMES": "1"} if name in NAMES else {})}


def one_point(name, args, template, before, end, fault, where):
    shutil.rmtree(where, ignore_errors=True)
    world = template.copy(where)
    try:
        done = world.run(*args, **preload(name, FAULT=fault))
        after = world.state()
        check_after(name, before, after, end)
        if fault.startswith(("kill", "half")):
            assert done.returncode == -9 or after.same(end), (done.returncode, done.stderr)  # the index may save a call or two
        else:
            assert done.returncode in (0, 1, 2, 3), (done.returncode, done.stderr)
            assert done.returncode == 0 or done.stderr.startswith(b"opis: "), done.stderr
            if done.returncode == 0:
                after.strange = []  # a temporary file that could not be taken away; the next command does
                assert after.same(end), "success was told, but: " + "\n".join(after.difference(end))
        if fault.startswith("kill"):
            mine = world.run("status", "--json")
            shutil.rmtree(world.repo / ".dvc/tmp/opis/index", ignore_errors=True)
            assert mine.stdout == world.run("status", "--json").stdout, "the index says something else than the files"
        if name == "remove-many":  # what is gone already cannot be named again, as with rm
            args = [args[0], *(a for a in args[1:] if (world.repo / a).exists())]
        again = done if args == ["remove"] else world.run(*args)
        final = world.state()
        assert not final.damaged
        assert final.same(end), f"run again ({again.returncode}, {again.stderr.decode()}):\n" + "\n".join(final.difference(end))
        return None
    except AssertionError as e:
        return f"{fault}: {str(e)[:1500]}"
    finally:
        shutil.rmtree(where, ignore_errors=True)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_point(memory, name):
    setup, args = SCENARIOS[name]
    assert FAULT.exists(), "build the tests: meson configure -Dtests=true"
    template = World(memory / "template")
    setup(template)
    before = template.state()
    whole = template.copy(memory / "whole")
    count = memory / "count"
    done = whole.run(*args, **preload(name, FAULT="count", FAULT_COUNT=str(count)))
    assert done.returncode == 0, done.stderr
    end, n = whole.state(), int(count.read_text())
    assert n >= 3 and not end.strange and not end.damaged
    faults = [f"{kind}:{i}" for kind in ("kill", "half", "EIO", "ENOSPC") for i in range(1, n + 1)]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        results = threads.map(lambda i: one_point(name, args, template, before, end, faults[i], memory / f"w{i}"), range(len(faults)))
        wrong = [r for r in results if r]
    assert not wrong, f"{len(wrong)} of {len(faults)} points:\n" + "\n".join(wrong[:12])
