"""gc: takes away what no listed version needs, and nothing else."""
import shutil

from conftest import GOLDEN


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
