"""Remotes that are no folder: HTTP to read from, WebDAV (Apache), SFTP (OpenSSH's sshd; with a password, rclone's server), and the clouds, for which a local folder of rclone stands."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import GOLDEN, GOLDEN_DIR, OPIS
from servers import Fault, Wire, account, apache, basic, command_lines, files, new_key, objects, proxy, rclone_serve, sshd, use, wrong_objects
from test_progress import shown
from test_sync import clone as cloned

USER, PASSWORD = "me", "s3cret word"


def clone(repo, to, url, **settings):
    repo.store = None
    return use(cloned(repo, to), url, **settings)


def trust_host(repo, port, at=None):
    """The host's keys where ssh looks for them, as those of the port that it is seen at."""
    folder = repo.path.parent / ".ssh"
    folder.mkdir(exist_ok=True)
    keys = subprocess.run(["ssh-keyscan", "-p", str(port), "127.0.0.1"], check=True, capture_output=True, text=True).stdout
    assert keys
    (folder / "known_hosts").write_text(keys.replace(f":{port} ", f":{at or port} "))


class Kind:
    """A server of a kind over a folder: its URL, its settings, and where its files are."""

    def __init__(self, name, folder, repo):
        self.name, self.folder, self.repo = name, folder, repo

    def __enter__(self):
        self.settings = {"user": USER, "password": PASSWORD}
        if self.name == "rclone":
            config = self.folder.parent / "rclone.conf"
            self.folder.mkdir()
            config.write_text(f"[cloud]\ntype = alias\nremote = {self.folder}\n")
            self.repo.env["RCLONE_CONFIG"] = str(config)
            self.settings, self.url, self.server = {}, "rclone://cloud/pictures", None
            return self
        own = self.folder.parent / "server"
        if self.name == "webdav":
            self.server = apache(own, self.folder, USER, PASSWORD)
        elif self.name == "ssh":
            self.server, self.settings = sshd(own), {"user": account(), "keyfile": str(own / "key")}
        else:  # nobody's password can be tried on a sshd that is not root's
            self.server = rclone_serve("sftp", self.folder, USER, PASSWORD)
        self.port = self.server.__enter__()
        self.url = self.url_at(self.port)
        if self.name != "webdav":
            trust_host(self.repo, self.port)
        return self

    def url_at(self, port):
        """The same by way of another port."""
        return f"{self.name.removesuffix('-password')}://127.0.0.1:{port}{self.folder if self.name == 'ssh' else ''}/some/where"

    def __exit__(self, *what):
        if self.server:
            self.server.__exit__(*what)

    def clone(self, repo, to):
        other = clone(repo, to, self.url, **self.settings)
        other.env.update({k: v for k, v in self.repo.env.items() if k == "RCLONE_CONFIG"})
        return other


@pytest.fixture(params=["webdav", "ssh", "ssh-password", "rclone"])
def kind(request, golden, tmp_path):
    with Kind(request.param, tmp_path / "store", golden) as k:
        use(golden, k.url, **k.settings)
        golden.ok("add", "data")
        yield k


def test_there_and_back(golden, kind, tmp_path):
    assert json.loads(golden.ok("status", "-c", "--json"))["data"] == "new"
    assert golden.ok("push") == "6 files pushed\n"
    assert golden.ok("push") == "Everything is up to date.\n"
    assert golden.ok("status", "-c") == "Cache and remote 'store' are in sync.\n"
    assert len(objects(kind.folder)) == 6 and not wrong_objects(kind.folder)
    other = kind.clone(golden, tmp_path / "repo2")
    other.ok("pull")
    assert other.read("data") == GOLDEN
    assert other.run("status", "-q").returncode == 0


def test_damage_is_found(golden, kind, tmp_path):
    golden.ok("push")
    bad = next(p for p in objects(kind.folder) if p.name == "41402abc4b2a76b9719d911017c592")
    bad.chmod(0o644)
    bad.write_bytes(b"hellO")
    other = kind.clone(golden, tmp_path / "repo2")
    assert "damaged on the remote" in other.fails("pull")
    assert "5d41402abc4b2a76b9719d911017c592" not in other.objects() and not (other.path / "data/a.jpg").exists()


def test_clearing_up(golden, kind):
    golden.ok("push")
    golden.write({"data/a.jpg": b"another"})
    golden.ok("add", "data")
    golden.ok("push")
    assert len(objects(kind.folder)) == 8
    golden.ok("gc", "-w", "-c", "-f")
    assert len(objects(kind.folder)) == 6
    assert golden.ok("status", "-c") == "Cache and remote 'store' are in sync.\n"


def test_what_killed_runs_have_left(golden, kind):
    """Half uploads go away by themselves, when they are certainly nobody's any more."""
    half = kind.folder / ("pictures" if kind.name == "rclone" else "some/where") / ".opis"
    half.mkdir(parents=True)
    (half / "old").write_bytes(b"half")
    (half / "new").write_bytes(b"half")
    os.utime(half / "old", (time.time() - 200_000,) * 2)
    golden.ok("push")
    assert sorted(os.listdir(half)) == ["new"]


def test_a_large_file_tells_how_far_it_is(golden, kind):
    """Also on its way out, of which rclone tells only when it is asked."""
    golden.write({"large": os.urandom(24 << 20)})
    golden.ok("push")
    golden.ok("add", "large")
    golden.env["RCLONE_BWLIMIT"] = "8M"
    text, status = shown(golden, "push")
    told = {float(n) for n in re.findall(r"0 of 1 file, ([\d.]+) MiB of 24\.0 MiB", text)}
    assert status == 0 and any(0 < n < 24 for n in told), text


def test_nothing_is_there_yet(golden, kind, tmp_path):
    golden.commit()
    other = kind.clone(golden, tmp_path / "repo2")
    assert "neither" in other.fails("pull") or "not" in other.fails("pull")


def many(repo, n=60, size=20_000):
    rng = __import__("random").Random(1)
    repo.write({f"{i:03}": rng.randbytes(size) for i in range(n)}, "many")
    repo.ok("add", "many")


def descendants(pid):
    """A process and what it has started, however deep."""
    found, children = {pid}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    children.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except OSError:
                pass
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.add(child)
            queue.append(child)
    return found


def gone(pids):
    for _ in range(200):
        alive = []
        for pid in pids:
            try:
                with open(f"/proc/{pid}/stat") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] != "Z":
                        alive.append(pid)
            except OSError:
                pass
        if not alive:
            return True
        time.sleep(0.05)
    return False


def test_killed_and_taken_up(golden, kind, tmp_path):
    many(golden)
    process = subprocess.Popen([OPIS, "data", "push", "-j", "2"], cwd=golden.path, env=golden.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(objects(kind.folder)) < 5:
        time.sleep(0.01)
    family = descendants(process.pid)
    assert not any(PASSWORD.encode() in line for line in command_lines())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert gone(family), "something of it still runs"
    assert not wrong_objects(kind.folder)
    before = len(objects(kind.folder))
    done = golden.ok("push")
    assert len(objects(kind.folder)) == 67
    assert before == 67 or done == f"{67 - before} file{'s' if before < 66 else ''} pushed\n"
    other = kind.clone(golden, tmp_path / "repo2")
    process = subprocess.Popen([OPIS, "data", "pull", "-j", "2"], cwd=other.path, env=other.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cache = other.path / ".dvc/cache/files/md5"
    while process.poll() is None and len(objects(cache)) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not wrong_objects(cache)
    other.ok("pull")
    assert other.read("many") == golden.read("many") and other.read("data") == GOLDEN


@pytest.mark.parametrize("kind", ["webdav", "ssh", "ssh-password"], indirect=True)
def test_wrong_credentials(golden, kind, tmp_path):
    key, wrong = ("keyfile", str(new_key(tmp_path / "another"))) if kind.name == "ssh" else ("password", "quite wr0ng")
    golden.ok("remote", "modify", "--local", "store", key, wrong)
    for words in (["push"], ["status", "-c"], ["gc", "-w", "-c", "-f"], ["fetch"]):
        if words == ["fetch"]:
            shutil.rmtree(golden.path / ".dvc/cache")
        err = golden.fails(*words)
        assert "user" in err and key in err and "quite wr0ng" not in err
    assert not objects(kind.folder)


# ---- what networks do ----

wired = pytest.mark.parametrize("kind", ["webdav", "ssh"], indirect=True)


def over(wire, repo, kind, **settings):
    """The same remote by way of a wire."""
    if kind.name == "ssh":
        trust_host(repo, kind.port, wire.port)
    return use(repo, kind.url_at(wire.port), **kind.settings, **settings)


@wired
def test_connections_that_break(golden, kind, tmp_path):
    many(golden)
    with Wire(kind.port, ("cut", 0), *[("cut", 100_000)] * 4) as wire:
        over(wire, golden, kind)
        assert golden.ok("push", "-j", "2") == "67 files pushed\n"
        assert not wire.fates and not wrong_objects(kind.folder)
    other = kind.clone(golden, tmp_path / "repo2")
    with Wire(kind.port, ("cut", 0), *[("cut", 4_000)] * 4) as wire:
        over(wire, other, kind)
        other.ok("pull", "-j", "2")
        assert not wire.fates and other.read("many") == golden.read("many")


@wired
def test_connections_that_hang(golden, kind, tmp_path):
    """After the time-out it goes on over another one."""
    many(golden)
    with Wire(kind.port, ("stall", 0), ("stall", 100_000), ("stall", 60_000)) as wire:
        over(wire, golden, kind, timeout="1")
        assert golden.ok("push", "-j", "2") == "67 files pushed\n"
        assert not wire.fates and not wrong_objects(kind.folder)
    other = kind.clone(golden, tmp_path / "repo2")
    with Wire(kind.port, ("stall", 0), ("stall", 4_000)) as wire:
        over(wire, other, kind, timeout="1")
        other.ok("pull", "-j", "2")
        assert not wire.fates and other.read("many") == golden.read("many")


@wired
@pytest.mark.parametrize("fate", ["stall", "cut"])
def test_service_that_never_answers(golden, kind, fate):
    """It is given up after few tries, by name and with the reason."""
    with Wire(kind.port, always=(fate, 0)) as wire:
        over(wire, golden, kind, timeout="1")
        for words in (["push"], ["status", "-c"]):
            err = golden.fails(*words)
            assert f"127.0.0.1:{wire.port}" in err and ("'timeout'" in err if fate == "stall" else "EOF" in err)
        assert wire.total <= (6 if fate == "stall" else 18)
    assert not objects(kind.folder)


@pytest.mark.parametrize("kind", ["ssh"], indirect=True)
def test_unknown_host(golden, kind):
    known = golden.path.parent / ".ssh/known_hosts"
    new_key(golden.path.parent / "key")
    key = (golden.path.parent / "key.pub").read_text().split()
    known.write_text(f"[127.0.0.1]:{kind.port} {key[0]} {key[1]}\n")
    assert "ssh-keyscan" in golden.fails("push")
    assert not objects(kind.folder)


def test_no_such_name_of_rclone(golden, tmp_path):
    golden.env["RCLONE_CONFIG"] = str(tmp_path / "none.conf")
    golden.ok("add", "data")
    use(golden, "rclone://nobody/x")
    assert "rclone listremotes" in golden.fails("push")


def test_rclone_is_not_installed(golden):
    golden.ok("add", "data")
    use(golden, "webdav://127.0.0.1:1/x")
    assert "apt-get install rclone" in golden.fails("push", env={"PATH": "/nonexistent"})


@pytest.mark.parametrize("kind", ["webdav"], indirect=True)
def test_webdav_that_is_tired(golden, kind, tmp_path):
    with proxy(kind.port, lambda q: Fault(503) if q.n % 9 == 4 else Fault(cut=0) if q.n % 17 == 6 else None) as (own, seen):
        use(golden, kind.url_at(own), **kind.settings)
        golden.ok("push", "-j", "2")
        assert len(seen) > 14
        other = clone(golden, tmp_path / "repo2", kind.url_at(own), **kind.settings)
        other.ok("pull", "-j", "2")
        assert other.read("data") == GOLDEN


@pytest.mark.parametrize("kind", ["webdav"], indirect=True)
def test_webdav_that_is_down(golden, kind):
    with proxy(kind.port, lambda q: Fault(503)) as (own, seen):
        use(golden, kind.url_at(own), **kind.settings)
        assert "503" in golden.fails("push", "-j", "2")
        assert "503" in golden.fails("status", "-c")
        assert len(seen) < 100
    assert not objects(kind.folder)


# ---- Google Drive: what can be told without it ----

def test_drive_without_credentials(golden):
    golden.ok("add", "data")
    use(golden, "gdrive://root/pictures")
    err = golden.fails("push")
    assert "gdrive_use_service_account" in err and "rclone config" in err
    golden.ok("remote", "modify", "store", "gdrive_use_service_account", "true")
    golden.ok("remote", "modify", "--local", "store", "gdrive_service_account_json_file_path", "../nothing.json")
    assert "nothing.json" in golden.fails("push")


# ---- HTTP ----

@pytest.fixture
def published(remote, tmp_path):
    """A repository whose remote is a folder that is also served over HTTP."""
    remote.write(GOLDEN, "data")
    remote.ok("add", "data")
    remote.ok("push")
    return remote


def http_clone(repo, to, port, **settings):
    store = repo.store
    other = use(cloned(repo, to), f"http://127.0.0.1:{port}/", **settings)
    repo.store = store
    return other


def test_http(published, tmp_path):
    with files(published.store) as port:
        other = http_clone(published, tmp_path / "repo2", port)
        other.ok("pull")
        assert other.read("data") == GOLDEN
        assert other.ok("status", "-c") == "Cache and remote 'store' are in sync.\n"
        other.write({"more": b"more"})
        other.ok("add", "more")
        assert json.loads(other.ok("status", "-c", "--json")) == {"more": "new"}
        assert "can only be read" in other.fails("push")
        assert "can only be read" in other.fails("gc", "-w", "-c", "-f")
        other.ok("remote", "modify", "store", "url", f"http://127.0.0.1:{port}/nowhere")
        shutil.rmtree(other.path / ".dvc/cache")
        fetched = other.run("fetch")
        assert fetched.returncode == 0 and b"more (md5 " in fetched.stderr and b"neither in the cache nor on the remote" in fetched.stderr  # as DVC: what is nowhere is a warning
        (other.path / "more").unlink()
        other.fails("pull")


def test_http_is_asked_once_for_a_list_that_is_nowhere(published, tmp_path):
    for path in published.store.rglob("*.dir"):
        path.unlink()
    with files(published.store) as port, proxy(port, lambda _: None) as (own, seen):
        other = http_clone(published, tmp_path / "repo2", own)
        other.commit()
        other.git("commit", "-q", "--allow-empty", "-m", "2")
        for args in (["fetch"], ["fetch", "-A"], ["pull"], ["checkout"], ["status", "-c"], ["diff"]):
            del seen[:]
            other.run(*args)
            assert len(seen) == 1, args


@pytest.mark.parametrize("settings, wanted", [
    ({"auth": "basic", "user": "me", "password": "p:w"}, basic("me", "p:w")),
    ({"auth": "custom", "custom_auth_header": "X-Token", "password": "t0ken"}, ("X-Token", "t0ken")),
])
def test_http_with_credentials(published, tmp_path, settings, wanted):
    with files(published.store, wanted) as port:
        other = http_clone(published, tmp_path / "repo2", port)
        assert "refuses (401)" in other.fails("pull")
        for name, value in settings.items():
            other.ok("remote", "modify", "--local", "store", name, value)
        other.ok("pull")
        assert other.read("data") == GOLDEN
        other.ok("remote", "modify", "--local", "store", "password", "quite wr0ng")
        shutil.rmtree(other.path / ".dvc/cache")
        err = other.fails("fetch")
        assert "401" in err and "quite wr0ng" not in err


def test_http_password_in_the_address(published, tmp_path):
    with files(published.store, basic("me", "p@ss")) as port:
        other = http_clone(published, tmp_path / "repo2", port)
        other.ok("remote", "modify", "--local", "store", "url", f"http://me:p%40ss@127.0.0.1:{port}")
        other.ok("pull")
        bad = published.store / "files/md5/5d/41402abc4b2a76b9719d911017c592"
        bad.chmod(0o644)
        bad.write_bytes(b"hellO")
        shutil.rmtree(other.path / ".dvc/cache")
        err = other.fails("fetch")
        assert "damaged on the remote" in err and "p%40ss" not in err and "p@ss" not in err


def test_http_that_is_tired(published, tmp_path):
    big = os.urandom(3_000_000)
    published.write({"big": big})
    published.ok("add", "big")
    published.ok("push")
    met = {}

    def rule(q):
        """Every object: busy, then cut off after 1 MB, then there."""
        met[q.path] = met.get(q.path, 0) + 1
        return {1: Fault(503, headers=[("Retry-After", "0")]), 2: Fault(cut=1_000_000)}.get(met[q.path])

    with files(published.store) as port, proxy(port, rule) as (own, seen):
        other = http_clone(published, tmp_path / "repo2", own)
        other.ok("pull", "-j", "2")
        assert other.read("data") == GOLDEN and (other.path / "big").read_bytes() == big
        assert len(seen) == 2 * 7 + 1 and sorted(met.values()) == [2] * 6 + [3]


def test_http_server_is_away(published, tmp_path):
    with files(published.store, None) as port, proxy(port, lambda _: Fault(500, headers=[("Retry-After", "0")])) as (own, _):
        other = http_clone(published, tmp_path / "repo2", own)
        assert "500" in other.fails("pull")
        assert GOLDEN_DIR not in other.objects()


def test_unknown_kind_of_remote(golden):
    golden.ok("add", "data")
    use(golden, "gopher://me:s3cret@host/x")
    err = golden.fails("push")
    assert "gopher://" in err and "s3cret" not in err
