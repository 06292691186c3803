"""gc: takes away what no listed version needs, and nothing else."""
import fcntl
import shutil

from conftest import GOLDEN, Repository


def history(remote):
    """f: one (tagged v1), two (branch main), three (not committed); a folder in the first commit only."""
    remote.write(GOLDEN, "data")
    remote.write({"f": b"one"})
    remote.ok("add", "f", "data")
    remote.commit()
    remote.git("tag", "v1")
    remote.ok("push")
    remote.ok("remove", "--outs", "data.dvc")
    remote.write({"f": b"two"})
    remote.ok("add", "f")
    remote.commit()
    remote.write({"f": b"three"})
    remote.ok("add", "f")
    remote.ok("push", "-A")
    assert len(remote.objects()) == 9


def test_needs_a_scope(remote):
    assert "-w" in remote.fails("gc", "-f")
    assert "not confirmed" in remote.fails("gc", "-w")


def test_scopes(remote):
    history(remote)
    listed = remote.ok("gc", "-w", "--dry").splitlines()
    assert len(listed) == 9 and listed[-1].startswith("Would remove 8 objects") and len(remote.objects()) == 9
    remote.ok("gc", "-A", "-f")
    remote.ok("gc", "--rev", "HEAD", "-n", "2", "-f")
    remote.ok("gc", "--date", "2000-01-01", "-f")
    assert len(remote.objects()) == 9
    remote.ok("gc", "-T", "-f")
    assert len(remote.objects()) == 8
    remote.ok("gc", "-a", "-f")
    assert len(remote.objects()) == 1
    remote.ok("fetch", "-A")
    assert len(remote.objects()) == 9


def test_cloud(remote):
    history(remote)
    remote.ok("gc", "-w", "-c", "-f")
    assert len(remote.objects()) == 1 and len(list((remote.store / "files").rglob("*/*/*"))) == 1
    assert "--cloud" in remote.fails("gc", "-w", "-r", "store", "-f")


def test_not_in_remote(remote):
    history(remote)
    remote.write({"g": b"not pushed"})
    remote.ok("add", "g")
    remote.ok("gc", "-w", "--not-in-remote", "-f")
    assert len(remote.objects()) == 1
    assert "f" in remote.ok("status")


def test_unknown_directory_is_not_guessed(remote):
    history(remote)
    before = remote.objects()
    for top in (remote.path / ".dvc/cache", remote.store):
        for path in top.rglob("*.dir"):
            path.unlink()
    assert "not known" in remote.fails("gc", "-T", "-f")
    assert len(remote.objects()) == len(before) - 1
    remote.ok("gc", "-T", "-f", "--skip-failed")


def test_shared_cache(remote, tmp_path):
    remote.write({"f": b"one"})
    remote.ok("add", "f")
    remote.commit()
    shutil.copytree(remote.path, tmp_path / "second", symlinks=True)
    remote.write({"f": b"two"})
    remote.ok("add", "f")
    remote.ok("gc", "-w", "-f", "-p", tmp_path / "second")
    assert len(remote.objects()) == 2
    remote.ok("gc", "-w", "-f")
    assert len(remote.objects()) == 1


def test_references_with_slashes(repo):
    """Branches, tags and remote branches of any depth, loose and packed, and commits that only they reach."""
    contents = {"refs/heads/plain": "plain", "refs/heads/feature/x": "feature", "refs/heads/a/b/c/d": "deep", "refs/tags/rel/1": "tag", "refs/remotes/origin/feature/y": "remote", "refs/notes/deep/er": "note"}
    first = repo.commit("first")
    for ref, content in contents.items():
        repo.git("checkout", "-q", "--detach", first)
        repo.write({"f": content.encode()})
        repo.ok("add", "f")
        repo.commit(content)
        repo.git("update-ref", ref, "HEAD")
        repo.ok("remove", "f.dvc", "--outs")
    repo.git("checkout", "-q", "-f", first)
    all_of_them = repo.objects()
    assert len(all_of_them) == len(contents)
    for _ in ("loose", "packed"):
        repo.ok("gc", "-A", "-f")
        assert repo.objects() == all_of_them
        assert "5 objects" not in repo.ok("gc", "-a", "--dry", "-f") and "Would remove 3 objects" in repo.ok("gc", "-a", "--dry", "-f")
        assert "Would remove 5 objects" in repo.ok("gc", "-T", "--dry", "-f")
        assert "Would remove 6 objects" in repo.ok("gc", "-w", "--dry", "-f")
        assert "Would remove 0 objects" in repo.ok("gc", "--date", "2000-01-01", "--dry", "-f")
        repo.git("pack-refs", "--all")
    repo.ok("gc", "-aT", "-f")
    assert len(repo.objects()) == 4


def beside(repo, tmp_path, name, *how):
    """A work tree of the same git repository."""
    repo.git("worktree", "add", "-q", *how, str(tmp_path / name))
    return Repository(tmp_path / name, init=False)


def test_work_trees_share_a_cache(repo, tmp_path):
    """What the other work trees of the git repository name stays, and what they stand on without a branch; -p of one of them, or of this one, is nothing new."""
    repo.ok("cache", "dir", "../cache")
    repo.write({"f": b"one"})
    repo.ok("add", "f")
    repo.commit()
    linked, detached = beside(repo, tmp_path, "linked", "-b", "other"), beside(repo, tmp_path, "detached", "--detach")
    for tree in (linked, detached):
        for content in ("committed", "not committed"):
            tree.write({"f": f"{content} in {tree.path.name}".encode()})
            tree.ok("add", "f")
            if content == "committed":
                tree.commit()
    for at in (repo, linked, detached):
        before = repo.objects("../cache/files/md5")
        assert len(before) == 5
        at.ok("gc", "-A", "-f")
        assert repo.objects("../cache/files/md5") == before
    repo.ok("gc", "-w", "-f", "-p", linked.path, "-p", repo.path, "-p", linked.path)
    assert len(repo.objects("../cache/files/md5")) == 3
    (detached.path / "f.dvc").write_text("<<<<<<< HEAD\n")
    assert "detached" in repo.fails("gc", "-w", "-f")
    shutil.rmtree(detached.path)
    repo.ok("gc", "-w", "-f")
    assert len(repo.objects("../cache/files/md5")) == 2
    with open(linked.path / ".dvc/tmp/lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "at work" in repo.fails("gc", "-w", "-f")
    for at, left in ((linked, b"not committed in linked"), (repo, b"one")):
        (at.path / "f").unlink()
        at.ok("checkout")
        assert (at.path / "f").read_bytes() == left


def test_work_trees_with_caches_of_their_own(remote, tmp_path):
    """They share a remote, which gc -c clears."""
    remote.write({"f": b"one"})
    remote.ok("add", "f")
    remote.commit()
    linked = beside(remote, tmp_path, "linked", "-b", "other")
    linked.write({"f": b"two"})
    linked.ok("add", "f")
    linked.ok("push")
    with open(linked.path / ".dvc/tmp/lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remote.ok("gc", "-w", "-f")
    remote.ok("gc", "-w", "-c", "-f")
    shutil.rmtree(linked.path / ".dvc/cache")
    linked.ok("pull", "-f")
    assert (linked.path / "f").read_bytes() == b"two"


def test_work_trees_of_a_root_below(tmp_path):
    """The root is below git's, and git's own folder is bare."""
    first = Repository(tmp_path / "first", init=False)
    first.git("init", "-q", "-b", "main")
    (first.path / "sub").mkdir()
    first.ok("init", "--subdir", cwd=first.path / "sub")
    first.write({"sub/.dvc/config": b"[cache]\n    dir = ../../../cache\n", "sub/f": b"one"})
    first.ok("add", "f", cwd=first.path / "sub")
    first.commit()
    first.git("clone", "-q", "--bare", str(first.path), str(tmp_path / "bare"))
    bare = Repository(tmp_path / "bare", init=False)
    a, b = beside(bare, tmp_path, "a", "-b", "work"), beside(bare, tmp_path, "b", "--detach")
    b.write({"sub/f": b"two"})
    b.ok("add", "f", cwd=b.path / "sub")
    a.ok("gc", "-w", "-f", cwd=a.path / "sub")
    assert len(a.objects("../cache/files/md5")) == 2
    shutil.rmtree(b.path)
    a.ok("gc", "-w", "-f", cwd=a.path / "sub")
    assert len(a.objects("../cache/files/md5")) == 1
