# venv: dvc
"""Two repositories with the same content, in which the same random steps are done by opis data and by DVC 3.67: after every step both have the same files, objects, .dvc files and reports, and what one refuses the other refuses."""
import json
import os
import pathlib
import random
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import Repository  # noqa: E402
from test_data import FOLDERS, NAMES, SEEDS, dvc, home  # noqa: E402, F401

STEPS = 12
TOPS = ["data", "sub/data", "sub/deep er/ünï data", "z.d/q'uo\"te", "[x]", "sub/single.jpg", "one file", "ö/e\u0301", "L" * 120]
PIPELINE = "stages:\n  make:\n    cmd: echo made\n    outs:\n      - made\n      - sub/metrics.json:\n          cache: false\n  big:\n    cmd: echo big\n    wdir: sub\n    deps:\n      - in put\n    outs:\n      - \"out dir\"\n"


class Twins:
    """The same thing done to both; step() compares what came of it."""

    def __init__(self, home, rng):
        self.rng = rng
        self.mine, self.theirs = Repository(home / "mine/repo"), Repository(home / "theirs/repo", init=False)
        self.both = (self.mine, self.theirs)
        shutil.rmtree(self.theirs.path)
        shutil.copytree(self.mine.path, self.theirs.path, symlinks=True)
        self.done = []

    def say(self, *words):
        return "\n".join(["", *(" ".join(d) if isinstance(d, tuple) else f"# {d}" for d in self.done), *map(str, words)])

    def step(self, *args):
        """One command by each: both succeed, or both refuse. True when they did it."""
        mine, (status, _) = self.mine.run(*args), dvc(self.theirs, *args)
        self.done.append(args)
        if args[0] == "gc" and b"use --skip-failed" in mine.stderr:  # of a folder whose list is nowhere DVC takes the files away without a word
            mine = self.mine.run(*args, "--skip-failed")
        assert (mine.returncode == 0) == (status == 0), self.say(f"opis {mine.returncode} {mine.stderr.decode()}, DVC {status}")
        return status == 0

    def step_without_left_overs(self, *args):
        """The same for what lets DVC store objects that nothing names: away with them."""
        objects = ".dvc/cache/files/md5"
        before = set(self.theirs.objects(objects))
        done = self.step(*args)
        for o in set(self.theirs.objects(objects)) - before - set(self.mine.objects(objects)):
            (self.theirs.path / objects / o[:2] / o[2:]).unlink()
        return done

    def git(self, *args):
        self.done.append(("git", *args))
        for r in self.both:
            r.git(*args)

    def each(self, change):
        """A change of the files, the same in both."""
        state = self.rng.getstate()
        for r in self.both:
            self.rng.setstate(state)
            change(r.path, self.rng)

    def reports(self, *args, names=True):
        (mine, (status, theirs)) = self.mine.run(*args), dvc(self.theirs, *args)
        assert (mine.returncode == 0) == (status == 0), self.say(args, f"opis {mine.returncode} {mine.stderr.decode()}, DVC {status}")
        if status == 0 and mine.stdout.decode() != theirs:
            one, other = json.loads(mine.stdout), json.loads(theirs)
            if not names:  # of equal files DVC tells any one
                one, other = sorted(one.values()), sorted(other.values())
            if one != other and args[0] == "diff":  # DVC's private index may still remember a directory object that gc took
                for index in pathlib.Path(os.environ["DVC_SITE_CACHE_DIR"]).glob("repo/*/index"):
                    shutil.rmtree(index)
                status, theirs = dvc(self.theirs, *args)
                other = json.loads(theirs)
            assert one == other, self.say(args, f"opis: {one}", f"DVC: {other}")

    def compare(self):
        mine, theirs = tree(self.mine.path), tree(self.theirs.path)
        assert mine == theirs, self.say(*(f"{k}: opis {mine.get(k)}, DVC {theirs.get(k)}" for k in sorted(mine.keys() | theirs.keys()) if mine.get(k) != theirs.get(k)))
        for top in (".dvc/cache/files/md5", "../store/files/md5"):
            one, other = ({o for o in r.objects(top) if not o.startswith(".opis")} for r in self.both)
            if top.startswith(".dvc"):  # opis brings a directory object from the remote to know what gc and fetch must keep of it; away with it, so that both go on alike
                for o in [o for o in one - other if o.endswith(".dir")]:
                    (self.mine.path / top / o[:2] / o[2:]).unlink()
                    one.remove(o)
            assert one == other, self.say(top, f"only opis: {sorted(one - other)}", f"only DVC: {sorted(other - one)}")


def tree(top):
    """All that is in a work tree: the bytes of files, also behind links (DVC puts files where links were, opis leaves them)."""
    out = {}
    for folder, folders, names in os.walk(top):
        folders[:] = [n for n in folders if folder != str(top) or n not in (".git", ".dvc")]
        for n in (*names, *folders):
            path = pathlib.Path(folder, n)
            rel = path.relative_to(top).as_posix()
            if path.is_file():
                out[rel] = path.read_bytes()
    return out


def fill(path, top, rng):
    """What is to be tracked: a file, or a folder of files."""
    where = path / top
    if where.is_file() or (not where.exists() and ("." in where.name or "file" in where.name)):
        where.parent.mkdir(parents=True, exist_ok=True)
        where.unlink(missing_ok=True)
        where.write_bytes(rng.randbytes(rng.choice([0, 1, 30])))
        return
    where.mkdir(parents=True, exist_ok=True)
    (where / "always").unlink(missing_ok=True)
    (where / "always").write_bytes(b"%d" % rng.randint(0, 2))
    for _ in range(rng.randint(1, 5)):
        file = where / (rng.choice(FOLDERS) + rng.choice([*NAMES, "x.tmp", ".hidden", "Thumbs.db", ".gitkeep"]))
        if file.is_dir() or any(p.exists() and not p.is_dir() for p in file.parents):
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        content, kind = rng.choice([b"", b"1", b"2", rng.randbytes(40)]), rng.random()
        if kind < 0.2:
            continue
        file.write_bytes(content)


def lose(path, top, rng):
    """A part of what is tracked goes."""
    where = path / top
    if where.is_file():
        where.unlink()
        return
    files = sorted(p for p in where.rglob("*") if p.is_file() or p.is_symlink())
    for p in rng.sample(files, min(len(files), 2)):
        p.unlink()
    if rng.random() < 0.2 and where.exists():
        shutil.rmtree(where)


def size_in_its_place(path):
    """A size that comes back is written last; a move by DVC brings it forward again, opis leaves the order."""
    lines = path.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith("  size:"))
    lines.insert(2, lines.pop(at))
    path.write_text("".join(lines))


def tracked(twins):
    return [t for t in TOPS if os.path.lexists(twins.mine.path / f"{t}.dvc")]


def write_pipeline(path, rng):
    """Outs of a pipeline that somebody ran: what dvc.lock says comes from DVC itself, see commit."""
    (path / "sub").mkdir(exist_ok=True)
    for name in ("made", "sub/metrics.json", "sub/in put"):
        (path / name).unlink(missing_ok=True)  # it may be a link into the cache
        (path / name).write_bytes(b"%d" % rng.randint(0, 9))
    (path / "sub/out dir").mkdir(exist_ok=True)
    out = path / "sub/out dir" / rng.choice(NAMES[:6])
    out.unlink(missing_ok=True)
    out.write_bytes(rng.randbytes(4))
    (path / "dvc.yaml").write_text(PIPELINE)


def random_step(twins, commits):
    rng, known = twins.rng, tracked(twins)
    target = rng.choice(known) if known else None
    kind = rng.choice(["add"] * 5 + ["fill"] * 3 + ["lose", "lose", "push", "push target", "checkout", "checkout target", "lost cache", "gc", "gc", "gc", "gc cloud", "commit", "git", "git", "back", "move", "move",
                       "remove", "remove", "no-commit", "ignore", "unprotect", "recursive", "type", "pipeline", "both", "part", "part", "part"])
    twins.done.append(kind)
    if kind == "add" or target is None:
        top = rng.choice(TOPS)
        twins.each(lambda p, r: fill(p, top, r))
        twins.step("add", top)
    elif kind == "both":
        names = rng.sample(TOPS, 3)
        for top in names:
            twins.each(lambda p, r, top=top: fill(p, top, r))
        twins.step("add", *names)
    elif kind == "no-commit":
        twins.each(lambda p, r: fill(p, target, r))
        if twins.step("add", "--no-commit", target):  # (what is in no cache, DVC's checkout -f takes away; opis keeps it)
            twins.reports("status", "--json")
            twins.step("commit", "-f", target)
    elif kind == "part":
        where = twins.theirs.path / target
        names = [p.relative_to(twins.theirs.path).as_posix() for p in sorted(where.rglob("*"))] if where.is_dir() else []  # (as it was: some of it changes, or goes, before it is named)
        twins.each(lambda p, r: fill(p, target, r))
        twins.each(lambda p, r: lose(p, target, r))
        names += [p.relative_to(twins.theirs.path).as_posix() for p in sorted(where.rglob("*"))] if where.is_dir() else []
        names = [n for n in names if "/-" not in n]
        ignoring = any(line and not line.startswith("#") for line in (twins.mine.path / ".dvcignore").read_text().split("\n"))  # (what is ignored DVC takes all the same, when it is a part)
        if names and not ignoring:  # (of several parts DVC stores the list in between, of a folder that of its own)
            twins.step_without_left_overs("add", *rng.choice([[], [], ["--no-commit"]]), *rng.sample(names, min(len(names), rng.choice([1, 1, 2, 3]))))
            if twins.step("commit", "-f", f"{target}.dvc"):
                twins.compare()
                twins.each(lambda p, r: size_in_its_place(p / f"{target}.dvc"))
    elif kind == "fill":
        twins.each(lambda p, r: fill(p, target, r))
    elif kind == "lose":
        twins.each(lambda p, r: lose(p, target, r))
    elif kind == "push":
        twins.step("push")
    elif kind == "push target":
        twins.step("push", f"{target}.dvc")
    elif kind == "checkout":
        twins.step("checkout", "-f")
    elif kind == "checkout target":
        twins.step("checkout", "-f", rng.choice([target, f"{target}.dvc"]))
    elif kind == "recursive":
        twins.step("checkout", "-f", "-R", rng.choice([".", "sub", "sub/deep er"]))
    elif kind == "lost cache":
        if twins.step("push"):
            for r in twins.both:
                shutil.rmtree(r.path / ".dvc/cache", ignore_errors=True)
            twins.step(*rng.choice([["pull", "-f"], ["fetch"], ["pull", "-f", f"{target}.dvc"], ["pull", "-f", "-R", "."]]))
            twins.step("fetch")  # (of what is not in the cache, DVC's checkout -f takes the files away; opis leaves them)
    elif kind == "gc":
        twins.step("gc", "-f", *rng.choice([["-w"], ["-w"], ["-a"], ["-A"], ["-T"], ["--rev", "HEAD", "-n", "1"], ["-a", "-T"]]))
    elif kind == "gc cloud":
        twins.step("gc", "-w", "-c", "-f")
    elif kind == "commit":
        twins.step("commit", "-f", *rng.choice([[*known], [target], [f"{target}.dvc"]]))  # (all of them: DVC would write dvc.lock, too, which is not ours)
    elif kind == "git":
        twins.git("add", "-A")
        twins.git("commit", "-qm", ".", "--allow-empty")
        name = f"t{len(commits)}"
        twins.git(*rng.choice([["tag", name], ["branch", name]]))
        commits.append(name)
    elif kind == "back" and commits:
        twins.git("add", "-A")
        twins.git("commit", "-qm", ".", "--allow-empty")
        twins.git("checkout", "-qf", rng.choice(commits))
        twins.step("checkout", "-f", *rng.choice([[], ["--allow-missing"]]))
        for top in set(TOPS) - set(tracked(twins)):  # (what the other revision does not have opis takes away, as it is in the cache; DVC only where it made the files itself)
            for r in twins.both:
                shutil.rmtree(r.path / top) if (r.path / top).is_dir() else (r.path / top).unlink(missing_ok=True)
    elif kind == "move" and "[" not in target:  # (DVC leaves the .gitignore line of such a name)
        twins.step("commit", "-f", f"{target}.dvc")  # (DVC stores what changed meanwhile, and forgets it)
        twins.step_without_left_overs("move", rng.choice([target, f"{target}.dvc"]), rng.choice([t for t in TOPS if t != target and (twins.theirs.path / t).parent.exists()] + ["moved", "[moved] two"]))
    elif kind == "remove" and "[" not in target:
        twins.step("remove", *rng.choice([[f"{target}.dvc"], [f"{target}.dvc", "--outs"], [target]]))
        for r in twins.both:  # (what remove leaves, DVC's next checkout takes away, because it made it once; opis leaves it)
            shutil.rmtree(r.path / target) if (r.path / target).is_dir() else (r.path / target).unlink(missing_ok=True)
    elif kind == "ignore":
        twins.each(lambda p, r: (p / ".dvcignore").write_text(r.choice(["*.tmp\n", "/data/sub\n", "b*\n!b-c\n", "", ".hidden\n"])))
    elif kind == "unprotect":
        twins.step("unprotect", target)
    elif kind == "type":
        twins.step("config", "cache.type", rng.choice(["copy", "hardlink", "symlink", "hardlink,copy", "reflink,copy"]))
    elif kind == "pipeline":
        twins.each(write_pipeline)
        for r in twins.both:  # running and recording pipelines is DVC's business; what comes of it is ours, too
            dvc(r, "commit", "-f", "dvc.yaml")


@pytest.mark.parametrize("seed", SEEDS)
def test_twins(home, seed):  # noqa: F811
    rng = random.Random(7000 + seed)
    twins = Twins(home, rng)
    for r in twins.both:  # (by its whole path: DVC looks for one beside the repository elsewhere when it reads the settings of a revision)
        r.ok("remote", "add", "-d", "store", str(r.path.parent / "store"))
    if rng.random() < 0.4:
        twins.step("config", "cache.type", rng.choice(["copy", "hardlink", "symlink", "hardlink,copy"]))
    commits = []
    for _ in range(STEPS):
        random_step(twins, commits)
        twins.compare()
        twins.reports("status", "--json")
        if rng.random() < 0.4:
            twins.reports("status", "-c", "--json", names=False)
            twins.reports("diff", "--json", *(rng.sample(commits, 1) if commits and rng.random() < 0.5 else []))
            twins.reports("list", ".", "-R", "--json", *rng.choice([[], ["--dvc-only"], ["--size"], ["--show-hash"]]))
            known = tracked(twins)
            if known:
                twins.reports("status", "--json", *rng.sample(known, 1))
