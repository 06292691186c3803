"""What many files need: memory, which grows with them by little more than their names."""
import subprocess
import sys

from conftest import OPIS, Repository

LAUNCHER = "import os, sys; pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]); _, status, usage = os.wait4(pid, 0); sys.exit(os.waitstatus_to_exitcode(status) or print(usage.ru_maxrss))"
FEW, MANY = 20000, 60000


def fill(repo, n):
    repo.ok("config", "cache.type", "hardlink")
    for i in range(n):
        if i % 1000 == 0:
            (repo.path / f"data/{i // 1000:04d}").mkdir(parents=True)
        (repo.path / f"data/{i // 1000:04d}/picture-{i:07d}.jpg").write_bytes(b"%d" % i)
    repo.ok("add", "data")
    return repo


def peak(repo, *args):
    """The peak of resident memory of a run, in bytes. A small process starts it: what ru_maxrss tells of a child is at least what its parent had when it forked, and pytest grows."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, OPIS, "data", *args], cwd=repo.path, env=repo.env, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) * 1024


def test_memory_is_small_for_a_million_files(tmp_path):
    """200 MB for a million files is the aim; by what each file more takes: there is neither a second list of all files nor a whole index or directory object beside the first."""
    repos = {n: fill(Repository(tmp_path / str(n) / "repo"), n) for n in (FEW, MANY)}
    for n, repo in repos.items():
        for i in range(0, n, 10):
            (repo.path / f"data/{i // 1000:04d}/picture-{i:07d}.jpg").unlink()
    for row in (["checkout"], ["checkout"], ["status"], ["add", "data"]):
        each = (peak(repos[MANY], *row) - peak(repos[FEW], *row)) / (MANY - FEW)
        assert each < 130, (row, each)
    assert all(len(list((repo.path / "data").rglob("*.jpg"))) == n for n, repo in repos.items())


def test_memory_is_small_from_another_repository_too(tmp_path):
    """The same of import, get and list: one list of the files, of a revision that of the objects beside it."""
    heres = {}
    for n in (FEW, MANY):
        source = fill(Repository(tmp_path / str(n) / "source"), n)
        source.commit()
        heres[n] = Repository(tmp_path / str(n) / "here")
        heres[n].ok("config", "cache.type", "hardlink")
    rows = (["import", "../source", "data", "-o", "as-it-is"], ["import", "../source", "data", "-o", "data", "--rev", "main"], ["get", "../source", "data", "-o", "copy"],
            ["get", "../source", "data", "-o", "old", "--rev", "main"], ["list", "../source", "-R"], ["list", "../source", "-R", "--rev", "main"])
    for row in rows:
        each = (peak(heres[MANY], *row) - peak(heres[FEW], *row)) / (MANY - FEW)
        assert each < 190, (row, each)
    for n, here in heres.items():
        assert all(len(list((here.path / name).rglob("*.jpg"))) == n for name in ("as-it-is", "data", "copy", "old"))


def test_memory_is_that_of_the_files_whatever_the_number_of_commits(tmp_path):
    """Eight commits, each with another file changed and one that changes nothing: what they have in common is held once or twice, not eight times."""
    repos = {n: fill(Repository(tmp_path / str(n) / "repo"), n) for n in (FEW, MANY)}
    for n, repo in repos.items():
        repo.store = tmp_path / str(n) / "store"
        repo.ok("remote", "add", "-d", "store", str(repo.store))
        repo.commit()
        for i in range(7):
            repo.write({f"data/0000/picture-{i:07d}.jpg": b"version %d of %d" % (i, n)})
            repo.ok("add", "data")
            repo.commit()
            repo.git("commit", "-q", "--allow-empty", "-m", "the same data")
    for row in (["push", "-A"], ["fetch", "-A"], ["gc", "-A", "--dry"]):
        each = (peak(repos[MANY], *row) - peak(repos[FEW], *row)) / (MANY - FEW)
        assert each < 200, (row, each)


def test_many_targets_cost_what_each_costs(tmp_path):
    """Some seconds; minutes if a command compared each with each, read a list of all for each, or wrote .gitignore for each."""
    n = 4000
    repo = Repository(tmp_path / "repo")
    repo.ok("remote", "add", "-d", "store", str(tmp_path / "store"))
    (repo.path / "data").mkdir()
    (repo.path / "data/old").write_bytes(b"old")
    repo.ok("add", "data")
    parts, singles = [f"data/{i:06d}" for i in range(n)], [f"{i:06d}" for i in range(n)]
    for i, name in enumerate(parts + singles):
        (repo.path / name).write_bytes(b"%d" % i)
    repo.ok("add", *parts)
    assert f"nfiles: {n + 1}\n" in repo.text("data.dvc")
    repo.ok("add", "--glob", "data/*")
    repo.ok("add", *singles)
    assert repo.text(".gitignore").splitlines() == ["/data", *("/" + s for s in singles)]
    for name in (parts + singles)[::2]:
        (repo.path / name).unlink()
    repo.ok("push", *parts, *singles)
    repo.ok("checkout", *parts, *singles)
    assert all((repo.path / name).read_bytes() == b"%d" % i for i, name in enumerate(parts + singles))
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "many")
    for row in (["status", *parts, *singles], ["commit", *parts, *singles], ["push", "--glob", "data/*"], ["diff", "HEAD"], ["diff", "HEAD", "--targets", *parts, *singles], ["restore", "HEAD"], ["unprotect", *parts, *singles]):
        repo.ok(*row)
    repo.ok("remove", *(s + ".dvc" for s in singles))
    assert repo.text(".gitignore") == "/data\n" and [p.name for p in repo.path.glob("?*.dvc")] == ["data.dvc"]
