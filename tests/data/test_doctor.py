"""opis data doctor: facts, notes and what is wrong."""
import json


def kinds(repo):
    done = repo.run("doctor", "--json")
    found = json.loads(done.stdout)["findings"]
    assert (done.returncode == 1) == any(f["kind"] == "wrong" for f in found)
    return found


def wrong(repo):
    return " | ".join(f["text"] for f in kinds(repo) if f["kind"] == "wrong")


def test_well(remote):
    remote.write({"a": b"1"}, "data")
    remote.ok("add", "data")
    remote.ok("hooks", "install")
    text = remote.ok("doctor")
    assert "1 tracked, all in the cache" in text and "store" in text and "the default one" in text and "post-checkout" in text and "copy" in text
    assert wrong(remote) == "" and remote.ok("doctor", "-q") == ""
    assert not [p for p in (remote.path / ".dvc").rglob("doctor-*")]


def test_remotes(remote):
    remote.ok("config", "core.remote", "nosuch")
    assert "nosuch" in wrong(remote)
    remote.ok("config", "-u", "core.remote")
    assert any(f["kind"] == "note" and "remote default" in f["text"] for f in kinds(remote))
    remote.ok("remote", "add", "-d", "odd", "gopher://user:secret@host/x")
    assert "gopher" in wrong(remote) and "secret" not in remote.run("doctor").stdout.decode()


def test_data(remote):
    remote.write({"a": b"1", "b": b"2"})
    remote.ok("add", "a", "b")
    remote.git("add", "-f", "a")
    assert "tracked by git" in wrong(remote)
    remote.git("rm", "-q", "--cached", "a")
    (remote.path / ".dvc/cache/files/md5/c4/ca4238a0b923820dcc509a6f75849b").unlink()
    assert any("2 tracked, 1 of them not all in the cache" in f["text"] for f in kinds(remote))
    remote.write({"c.dvc": b"outs:\n- path: c\n  files:\n  - relpath: x\n    md5: 00000000000000000000000000000000\n"})
    assert "cloud-versioned" in wrong(remote)
    remote.write({"c.dvc": b"outs: x\n"})
    assert "c.dvc" in wrong(remote)


def test_secrets_in_git(remote):
    remote.ok("remote", "modify", "--local", "store", "password", "secret")
    remote.git("add", "-f", ".dvc/config.local")
    assert "config.local" in wrong(remote)


def test_links(remote):
    remote.write({"a": b"1"})
    remote.ok("add", "a")
    remote.ok("config", "cache.type", "hardlink")
    assert wrong(remote) == ""


def test_without_git(tmp_path):
    from conftest import Repository

    r = Repository(tmp_path / "plain", init=False)
    r.ok("init", "--no-scm")
    assert "no versions to go back to" in r.ok("doctor")
