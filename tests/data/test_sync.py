"""push, fetch, pull, status --cloud with a folder as the remote."""
import hashlib
import json
import os
import pathlib
import shutil

import pytest
from conftest import GOLDEN, GOLDEN_DIR, Repository


def clone(repo, to):
    repo.commit("clone me") if repo.git("status", "--porcelain") else None
    shutil.copytree(repo.path / ".git", to / ".git")
    r = Repository(to, init=False)
    r.git("checkout", "-q", ".")
    r.store = repo.store
    return r


def test_push_and_pull(remote, tmp_path):
    remote.write(GOLDEN, "data")
    remote.write({"single": b"1"})
    remote.ok("add", "data", "single")
    assert json.loads(remote.ok("status", "-c", "--json"))["single"] == "new"
    assert remote.ok("push") == "7 files pushed\n"
    assert remote.ok("push") == "Everything is up to date.\n"
    assert remote.ok("status", "-c") == "Cache and remote 'store' are in sync.\n"
    assert (remote.store / "files/md5" / GOLDEN_DIR[:2] / GOLDEN_DIR[2:]).exists()
    other = clone(remote, tmp_path / "repo2")
    assert "A\tdata/" in other.ok("pull")
    assert other.read("data") == GOLDEN and other.text("single") == "1"
    assert other.run("status", "-q").returncode == 0
    assert other.ok("pull") == "Everything is up to date.\n"


def test_pull_one_file_of_a_folder(remote, tmp_path):
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    remote.ok("push")
    other = clone(remote, tmp_path / "repo2")
    other.ok("pull", "data/a.jpg")
    assert other.read("data") == {"a.jpg": b"hello"}
    assert len(other.objects()) == 2


def test_directory_object_goes_last(remote):
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    (remote.store / "files/md5/5d").mkdir(parents=True)
    (remote.store / "files/md5/5d/41402abc4b2a76b9719d911017c592").mkdir()
    remote.fails("push")
    assert not (remote.store / "files/md5" / GOLDEN_DIR[:2] / GOLDEN_DIR[2:]).exists()
    (remote.store / "files/md5/5d/41402abc4b2a76b9719d911017c592").rmdir()
    remote.ok("push")
    assert (remote.store / "files/md5" / GOLDEN_DIR[:2] / GOLDEN_DIR[2:]).exists()


def test_damage_on_the_remote(remote, tmp_path):
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    remote.ok("push")
    bad = remote.store / "files/md5/5d/41402abc4b2a76b9719d911017c592"
    bad.chmod(0o644)
    bad.write_bytes(b"hellO")
    other = clone(remote, tmp_path / "repo2")
    assert "damaged on the remote" in other.fails("pull")
    assert "5d41402abc4b2a76b9719d911017c592" not in other.objects() and not (other.path / "data/a.jpg").exists()


def test_missing_everywhere(remote, tmp_path):
    """What is nowhere is warned of by name, and is no failure, as with DVC; but what the remote says that it has and has not, is one."""
    remote.write(GOLDEN, "data")
    remote.write({"single": b"1"})
    remote.ok("add", "data", "single")
    remote.ok("push")
    (remote.store / "files/md5/5d/41402abc4b2a76b9719d911017c592").unlink()
    other = clone(remote, tmp_path / "repo2")
    assert json.loads(other.ok("status", "-c", "--json"))["data/a.jpg"] == "missing"
    for args in (["fetch"], ["pull"], ["pull", "--allow-missing"], ["fetch", "data/a.jpg"]):
        done = other.run(*args)
        assert done.returncode == 1 and b"data/a.jpg (md5 5d41402abc4b2a76b9719d911017c592): neither in the cache nor on the remote" in done.stderr and b"something was lost there" in done.stderr, args
    assert set(other.read("data")) == set(GOLDEN) - {"a.jpg"} and other.text("single") == "1"
    shutil.rmtree(remote.path / ".dvc/cache/files/md5/5d")
    done = remote.run("push")
    assert done.returncode == 0 and done.stdout == b"" and b"data/a.jpg (md5 5d41402abc4b2a76b9719d911017c592): neither in the cache nor on the remote" in done.stderr and b"'opis data add'" in done.stderr
    shutil.rmtree(remote.store)
    done = remote.run("push")
    assert done.returncode == 0 and done.stdout == b"5 files pushed\n" and b"data/a.jpg" in done.stderr
    assert not list(remote.store.rglob("*.dir"))  # it would say that all of its files are there
    remote.ok("add", "data")
    assert remote.ok("push") == "2 files pushed\n"
    assert not remote.run("push").stderr


def test_checkout_of_what_the_cache_has_not(repo):
    """It fails as DVC does; but what stands in the work tree stays, and what the cache has is put into place."""
    repo.write(GOLDEN, "data")
    repo.write({"single": b"1"})
    repo.ok("add", "data", "single")
    store = repo.path / ".dvc/cache/files/md5"
    (store / "5d/41402abc4b2a76b9719d911017c592").unlink()
    (store / "c4/ca4238a0b923820dcc509a6f75849b").unlink()
    assert repo.run("checkout").returncode == 0  # all of it is in place
    repo.write({"data/a.jpg": b"mine", "data/b": b"mine", "single": b"mine"})
    err = repo.fails("checkout")
    assert "would lose 2 changed files that no version has: 'opis data add' saves them, --force gives them up: data/a.jpg, data/b\n" in err
    for options, code in (([], 1), (["--allow-missing"], 0)):
        repo.write({"data/b": b"mine"})
        done = repo.run("checkout", "-f", *options)
        assert done.returncode == code and b"data/a.jpg: not in the cache" in done.stderr and b"single: not in the cache" in done.stderr and done.stdout == b"M\tdata/\n"
        assert repo.read("data") == dict(GOLDEN, **{"a.jpg": b"mine"}) and repo.text("single") == "mine"
    shutil.rmtree(repo.path / "data")
    assert repo.run("checkout", "data").returncode == 1 and set(repo.read("data")) == set(GOLDEN) - {"a.jpg"}
    for path in store.rglob("*.dir"):
        path.unlink()
    assert repo.run("checkout", "-f", "data").returncode == 1 and set(repo.read("data")) == set(GOLDEN) - {"a.jpg"}


def test_what_was_never_pushed(remote, tmp_path):
    remote.write(GOLDEN, "data")
    remote.write({"single": b"1"})
    remote.ok("add", "data", "single")
    other = clone(remote, tmp_path / "repo2")
    for args in (["fetch"], ["fetch", "-A"], ["fetch", "single"], ["pull", "--allow-missing"]):
        done = other.run(*args)
        assert done.returncode == 0 and done.stdout == b"" and b"single (md5 c4ca4238a0b923820dcc509a6f75849b): neither" in done.stderr, args
    assert b"data (md5 %s): neither" % GOLDEN_DIR.encode() in done.stderr
    done = other.run("pull")
    assert done.returncode == 1 and b"not everything could be put into place" in done.stderr
    other.write({"single": b"1"})  # in place already: nothing is left to be done
    assert other.run("pull", "single").returncode == 0


def test_many_missing_are_counted(remote):
    remote.write({f"f{i}": b"%d" % i for i in range(50)}, "data")
    remote.ok("add", "data")
    for n in remote.objects():
        if not n.endswith(".dir"):
            (remote.path / ".dvc/cache/files/md5" / n[:2] / n[2:]).unlink()
    done = remote.run("push")
    assert done.returncode == 0 and done.stderr.count(b": neither in the cache") == 20 and b"and 30 more" in done.stderr


def test_status_of_several_versions_tells_each_name_once(remote):
    """What is missing comes before what is new, and that before what is deleted."""
    remote.write({"f": b"one", "g": b"1"})
    remote.ok("add", "f", "g")
    remote.commit()
    remote.ok("push", "g.dvc")
    shutil.rmtree(remote.path / ".dvc/cache")
    for content in (b"two", b"three"):
        remote.write({"f": content, "g": content * 2})
        remote.ok("add", "f", "g")
        remote.commit()
    out = remote.ok("status", "-c", "-A", "--json")
    assert out.count('"f"') == 1 and json.loads(out) == {"f": "missing", "g": "new"}


def test_directories_missing_everywhere(remote):
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    shutil.rmtree(remote.path / ".dvc/cache")
    done = remote.run("status", "-c", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {} and b"data: neither in the cache nor on the remote" in done.stderr  # as DVC says it


def test_all_branches(remote):
    remote.write({"f": b"one"})
    remote.ok("add", "f")
    remote.commit()
    remote.git("checkout", "-qb", "second")
    remote.write({"f": b"two"})
    remote.ok("add", "f")
    remote.commit()
    assert remote.ok("push") == "1 file pushed\n"
    assert remote.ok("push", "-a") == "1 file pushed\n"
    shutil.rmtree(remote.path / ".dvc/cache")
    assert remote.ok("fetch", "-A") == "2 files fetched\n"


def test_no_remote(repo):
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    assert "no remote is set" in repo.fails("push")
    assert "no remote of this name" in repo.fails("push", "-r", "nobody")


def test_push_after_the_remote_lost_a_file(remote):
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    remote.ok("push")
    (remote.store / "files/md5/5d/41402abc4b2a76b9719d911017c592").unlink()
    assert remote.ok("push") == "1 file pushed\n"


def test_unreadable_remote(remote):
    remote.write({"f": b"1"})
    remote.ok("add", "f")
    remote.store.write_bytes(b"no folder")
    remote.fails("push")
    assert os.listdir(remote.path / ".dvc/cache/files/md5") == ["c4"]


def test_after_a_restart_of_the_machine(remote):
    """What was stored shortly before the machine stopped may be torn, whatever its mode says."""
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    cache = remote.path / ".dvc/cache/files/md5"
    torn = cache / "5d/41402abc4b2a76b9719d911017c592"
    torn.chmod(0o644)
    torn.write_bytes(b"")
    torn.chmod(0o444)
    assert remote.ok("status") == "Data and pipelines are up to date.\n"  # nothing says that it is not trustworthy
    (cache / ".opis").mkdir()
    note = cache / ".opis/.settle-0123456789abcdef-1"
    note.write_text("another start of the machine")
    os.utime(note, (1, 1))
    done = remote.run("status")
    assert b"1 damaged object" in done.stderr and not torn.exists() and not note.exists()
    assert b"not in cache" in done.stdout
    remote.ok("add", "data")
    assert torn.read_bytes() == b"hello" and remote.ok("status") == "Data and pipelines are up to date.\n"


def test_after_a_restart_every_torn_object_is_found(repo):
    """Small ones are hashed many at once, large ones alone; what is older than the note is believed."""
    repo.write({f"{i}": b"%d" % i * (1 + i * 37 % 500) for i in range(300)} | {f"large{i}": os.urandom(700_000) for i in range(3)}, "data")
    repo.ok("add", "data")
    objects = [p for p in (repo.path / ".dvc/cache/files/md5").glob("??/*")]
    torn = sorted(objects)[::7] + [p for p in objects if p.stat().st_size == 700_000][:1]
    for path in torn:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"?")
        path.chmod(0o444)
    (repo.path / ".dvc/cache/files/md5/.opis").mkdir()
    note = repo.path / ".dvc/cache/files/md5/.opis/.settle-0123456789abcdef-1"
    note.write_text("another start of the machine")
    os.utime(note, (1, 1))
    done = repo.run("status")
    assert f"{len(set(torn))} damaged objects".encode() in done.stderr
    assert {p for p in objects if p.exists()} == set(objects) - set(torn)


def test_notes_of_other_machines_are_left_alone(repo):
    """Machines may share a cache over a network."""
    machine = pathlib.Path("/etc/machine-id")
    if not machine.exists() or not machine.read_text().strip():
        pytest.skip("this machine has no id")
    repo.write(GOLDEN, "data")
    repo.ok("add", "data")
    (repo.path / ".dvc/cache/files/md5/.opis").mkdir()
    note = repo.path / ".dvc/cache/files/md5/.opis/.settle-0123456789abcdef-1"
    for other, stays in (("00000000000000000000000000000001\n", True), (machine.read_text(), False)):
        note.write_text(f"another start of the machine\n{other}")
        os.utime(note, (1, 1))
        repo.ok("status")
        assert note.exists() == stays


def test_much_that_is_stored_is_noted_and_settled_before_other_copies_go(repo):
    repo.write({f"{i}": os.urandom(1 << 20) for i in range(70)}, "data")
    repo.ok("add", "data")
    notes = repo.path / ".dvc/cache/files/md5/.opis"
    assert len(list(notes.glob(".settle-*"))) == 1
    (repo.path / "data/0").unlink()
    repo.ok("checkout")  # takes nothing away
    assert len(list(notes.glob(".settle-*"))) == 1
    repo.write({"1": b"another"}, "data")
    repo.ok("checkout", "-f")
    assert not notes.exists()


def test_sizes_and_damage(remote, tmp_path):
    """Small files go in batches, large ones are hashed while they move: what is on either side of each border comes through, and its damage is found."""
    sizes = [0, 1, 63, 64, 65, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 18, (1 << 18) + 1, 1 << 19, (1 << 19) + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_001, *range(1000, 1100)]
    files = {f"{n}.bin": (n.to_bytes(4, "big") * (n // 4 + 1))[:n] for n in sizes}
    remote.write(files, "data")
    remote.ok("add", "data")
    names = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    for name, md5 in names.items():
        assert (remote.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).read_bytes() == files[name]
    remote.ok("push")
    other = clone(remote, tmp_path / "repo2")
    other.ok("pull")
    assert other.read("data") == files and other.run("status", "-q").returncode == 0
    assert other.run("verify").returncode == 0
    shutil.rmtree(other.path / ".dvc/cache")
    bad = ["1.bin", "1050.bin", f"{1 << 18}.bin", f"{(1 << 18) + 1}.bin", f"{1 << 19}.bin", f"{(1 << 19) + 1}.bin", "5000001.bin"]
    for name in bad:
        path = remote.store / "files/md5" / names[name][:2] / names[name][2:]
        path.chmod(0o644)
        path.write_bytes(files[name][:-1] + b"?")
    short = ["1051.bin", f"{1 << 20}.bin"]
    for name in short:  # cut short
        os.truncate(remote.store / "files/md5" / names[name][:2] / names[name][2:], int(name[:-4]) - 1)
    bad += short
    assert "damaged on the remote" in other.fails("fetch")
    have = {p.parent.name + p.name for p in (other.path / ".dvc/cache/files/md5").glob("??/*")}
    assert have == {md5 for name, md5 in names.items() if name not in bad} | {p for p in have if p.endswith(".dir")}
    for name in bad:  # and in the cache itself
        path = remote.path / ".dvc/cache/files/md5" / names[name][:2] / names[name][2:]
        path.chmod(0o644)
        path.write_bytes(files[name][:-1] + b"?")
        path.chmod(0o444)
    out = remote.run("verify", "--dry")
    assert out.returncode != 0 and all(f"data/{name}".encode() in out.stdout + out.stderr for name in bad)


def test_a_remote_by_name_is_not_for_outputs_of_another(remote, tmp_path):
    """What an output keeps on a remote of its own neither goes to another one nor comes from there."""
    for name in ("private", "public"):
        remote.ok("remote", "add", name, tmp_path / name)
    remote.write({"a": b"a", "secret/s": b"s"})
    remote.ok("add", "a", "secret")
    remote.write({"secret.dvc": remote.text("secret.dvc").encode() + b"  remote: private\n"})
    stored = lambda name: {p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}  # noqa: E731
    remote.ok("push", "-r", "public")
    assert stored("public") == {b"a"} and json.loads(remote.ok("status", "-c", "-r", "public", "--json")) == {}
    remote.ok("push", "-r", "private", "secret")
    assert len(stored("private")) == 2
    remote.ok("push")
    assert stored("store") == {b"a"} and len(stored("private")) == 2
    shutil.rmtree(remote.path / ".dvc/cache")
    assert remote.ok("fetch", "-r", "public") == "1 file fetched\n"
    assert remote.ok("fetch") == "2 files fetched\n"
