# venv: remotes
"""S3 remotes against real servers (rclone's and Versity's), alone and in turn with DVC; and what DVC does over HTTP."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import versity

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import GOLDEN, GOLDEN_DIR, OPIS, Repository  # noqa: E402
from servers import Fault, Wire, command_lines, files, free_port, objects, program, proxy, use, wrong_objects  # noqa: E402
from test_sync import clone as cloned  # noqa: E402

ID, SECRET = "AKIDEXAMPLE", "s3cret/with+signs="
RCLONE = pathlib.Path(sys.prefix) / "bin/rclone"
FULL = os.environ.get("OPIS_INTEROP") == "full"
MB = 1_000_000


@contextlib.contextmanager
def s3_server(name, folder):
    (folder / "bucket").mkdir(parents=True, exist_ok=True)
    port = free_port()
    if name == "rclone":
        with program(RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", "", "--vfs-cache-mode", "off", folder, port=port, env={"RCLONE_AUTH_KEY": f'"{ID},{SECRET}"'}):
            yield port
    else:
        with program(versity.gateway(), "--port", f"127.0.0.1:{port}", "posix", folder, port=port, env={"ROOT_ACCESS_KEY": ID, "ROOT_SECRET_KEY": SECRET}):
            yield port


@pytest.fixture(params=["rclone", "versity"])
def s3(request, tmp_path):
    with s3_server(request.param, tmp_path / "s3") as port:
        yield request.param, port


@pytest.fixture
def repo(tmp_path):
    r = Repository(tmp_path / "repo")
    r.store = None
    r.env.update(AWS_EC2_METADATA_DISABLED="true")
    (tmp_path / "home").mkdir()
    r.env["HOME"] = str(tmp_path / "home")
    return r


def settings(port):
    return {"endpointurl": f"http://127.0.0.1:{port}", "access_key_id": ID, "secret_access_key": SECRET}


def golden(repo, port, **more):
    use(repo, "s3://bucket/some/where", **{**settings(port), **more})
    repo.write(GOLDEN, "data")
    repo.ok("add", "data")
    return repo


def clone(repo, to, port, url="s3://bucket/some/where", **more):
    other = cloned(repo, to)
    other.env = dict(repo.env)
    return use(other, url, **{**settings(port), **more})


def stored(tmp_path):
    return objects(tmp_path / "s3/bucket")


def part_size(repo, size="5MB", threshold="6MB"):
    """Parts as small as S3 allows, from AWS's own file of settings."""
    folder = pathlib.Path(repo.env["HOME"]) / ".aws"
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(f"[default]\ns3 =\n  multipart_threshold = {threshold}\n  multipart_chunksize = {size}\n")


def test_there_and_back(repo, s3, tmp_path):
    golden(repo, s3[1])
    assert json.loads(repo.ok("status", "-c", "--json"))["data"] == "new"
    assert repo.ok("push") == "6 files pushed\n"
    assert repo.ok("push") == "Everything is up to date.\n"
    assert repo.ok("status", "-c") == "Cache and remote 'store' are in sync.\n"
    assert len(stored(tmp_path)) == 6 and not wrong_objects(tmp_path / "s3/bucket/some/where/files/md5")
    other = clone(repo, tmp_path / "repo2", s3[1])
    other.ok("pull")
    assert other.read("data") == GOLDEN
    repo.write({"data/a.jpg": b"another"})
    repo.ok("add", "data")
    repo.ok("push")
    repo.ok("gc", "-w", "-c", "-f")
    assert len(stored(tmp_path)) == 6
    assert "in sync" in repo.ok("status", "-c")


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/", "s3://bucket/ü b/c+d/"])
def test_prefixes(repo, s3, tmp_path, url):
    use(repo, url, **settings(s3[1]))
    repo.write(GOLDEN, "data")
    repo.ok("add", "data")
    repo.ok("push")
    assert "in sync" in repo.ok("status", "-c")
    other = clone(repo, tmp_path / "repo2", s3[1], url)
    other.ok("pull")
    assert other.read("data") == GOLDEN
    shutil.rmtree(repo.path / "data")
    repo.ok("remove", "data.dvc")
    repo.ok("gc", "-w", "-c", "-f")
    assert not stored(tmp_path)


def dvc(repo, *args):
    done = subprocess.run([sys.executable, "-m", "dvc", *args], cwd=repo.path, env=dict(repo.env, DVC_NO_ANALYTICS="1"), capture_output=True)
    assert done.returncode == 0, (args, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode()


def test_in_turn_with_dvc(repo, s3, tmp_path):
    part_size(repo)
    golden(repo, s3[1])
    big = random.Random(1).randbytes(12 * MB)
    repo.write({"big": big})
    repo.ok("add", "big")
    repo.ok("push")
    other = clone(repo, tmp_path / "repo2", s3[1])
    dvc(other, "pull")
    assert other.read("data") == GOLDEN and (other.path / "big").read_bytes() == big
    other.write({"data/new": b"new", "data/b": b"changed"})
    dvc(other, "add", "data")
    assert json.loads(dvc(other, "status", "-c", "--json")) == json.loads(other.ok("status", "-c", "--json"))
    dvc(other, "push")
    assert json.loads(dvc(other, "status", "-c", "--json")) == json.loads(other.ok("status", "-c", "--json")) == {}
    shutil.copy(other.path / "data.dvc", repo.path / "data.dvc")
    repo.ok("pull")
    assert repo.read("data") == other.read("data")


def test_what_dvc_reads_over_http(repo, s3, tmp_path):
    """What opis has pushed to a folder, served over HTTP, is pulled by DVC; and the same folder by opis, after DVC has pushed there."""
    use(repo, str(tmp_path / "folder"))
    repo.write(GOLDEN, "data")
    repo.ok("add", "data")
    repo.ok("push")
    repo.write({"more": b"more"})
    dvc(repo, "add", "more")
    dvc(repo, "push")
    with files(tmp_path / "folder") as port:
        for number, pull in enumerate([lambda r: dvc(r, "pull"), lambda r: r.ok("pull")]):
            other = cloned(repo, tmp_path / f"clone{number}")
            use(other, f"http://127.0.0.1:{port}")
            pull(other)
            assert other.read("data") == GOLDEN and other.text("more") == "more"


# ---- who asks ----

def test_wrong_keys(repo, s3, tmp_path):
    golden(repo, s3[1], secret_access_key="not/the/0ne")
    for words in (["push"], ["status", "-c"], ["fetch"]):
        shutil.rmtree(repo.path / ".dvc/tmp/opis", ignore_errors=True)
        err = repo.fails(*words, "-r", "store") if words != ["fetch"] else "secret_access_key"
        assert "secret_access_key" in err and "not/the/0ne" not in err
    repo.ok("remote", "modify", "--local", "store", "access_key_id", "N0B0DY")
    assert "access_key_id" in repo.fails("push") or "refuses" in repo.fails("push")
    assert not stored(tmp_path)


def test_no_keys(repo, s3):
    use(repo, "s3://bucket/x", endpointurl=f"http://127.0.0.1:{s3[1]}")
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    err = repo.fails("push")
    assert "access_key_id" in err and "~/.aws/credentials" in err


def test_no_bucket(repo, s3):
    golden(repo, s3[1])
    repo.ok("remote", "modify", "store", "url", "s3://nobody/x")
    assert "no such bucket" in repo.fails("push")
    assert "no such bucket" in repo.fails("status", "-c")


@pytest.mark.parametrize("source", ["environment", "file", "profile", "profile-variable", "credentialpath", "process", "container"])
def test_where_keys_come_from(repo, s3, tmp_path, source):
    server = contextlib.ExitStack()
    aws = pathlib.Path(repo.env["HOME"]) / ".aws"
    aws.mkdir()
    keys = f"aws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"
    use(repo, "s3://bucket/x")
    endpoint = f"endpoint_url = http://127.0.0.1:{s3[1]}\n"
    if source == "environment":
        repo.env.update(AWS_ACCESS_KEY_ID=ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_ENDPOINT_URL=f"http://127.0.0.1:{s3[1]}")
    elif source == "file":
        (aws / "credentials").write_text("[default]\n" + keys)
        (aws / "config").write_text("[default]\n" + endpoint)
    elif source.startswith("profile"):
        (aws / "credentials").write_text("[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n[work]\n" + keys)
        (aws / "config").write_text("[default]\nregion = x\n[profile work]\n" + endpoint)
        if source == "profile":
            repo.ok("remote", "modify", "store", "profile", "work")
            repo.env.update(AWS_ACCESS_KEY_ID="wrong", AWS_SECRET_ACCESS_KEY="wrong")  # a profile that is chosen wins
        else:
            repo.env["AWS_PROFILE"] = "work"
    elif source == "credentialpath":
        (repo.path / "keys").write_text("[default]\n" + keys)
        repo.ok("remote", "modify", "--local", "store", "credentialpath", "keys")
        repo.ok("remote", "modify", "store", "endpointurl", f"http://127.0.0.1:{s3[1]}")
    else:
        answer = json.dumps({"Version": 1, "AccessKeyId": ID, "SecretAccessKey": SECRET, "Expiration": "2000-01-01T00:00:00Z"})
        (tmp_path / "answer").write_text(answer)
        command = f"credential_process = cat '{tmp_path}/answer'\n" if source == "process" else ""
        (aws / "config").write_text(f"[default]\n{endpoint}{command}")
        if source == "container":
            port = server.enter_context(files(tmp_path, ("Authorization", "t0ken")))
            repo.env.update(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://127.0.0.1:{port}/answer", AWS_CONTAINER_AUTHORIZATION_TOKEN="t0ken")
    repo.write(GOLDEN, "data")
    repo.ok("add", "data")
    with server:
        repo.ok("push")
        assert "in sync" in repo.ok("status", "-c")


def test_single_sign_on_is_named(repo, s3):
    aws = pathlib.Path(repo.env["HOME"]) / ".aws"
    aws.mkdir()
    (aws / "config").write_text("[profile work]\nsso_session = x\nsso_account_id = 1\n")
    use(repo, "s3://bucket/x", profile="work")
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    assert "aws configure export-credentials --profile work" in repo.fails("push")


def nothing_yet(q):
    """What an empty bucket answers."""
    return Fault(200) if q.method == "PUT" else Fault(200, body=b"<ListBucketResult/>") if q.method == "GET" else Fault(404)


def test_region_that_the_service_names(repo, s3):
    def rule(q):
        if "/eu-north-7/" not in q.headers["Authorization"]:
            return Fault(301, headers=[("x-amz-bucket-region", "eu-north-7")], body=b"<Error><Code>PermanentRedirect</Code></Error>")
        return nothing_yet(q)

    with proxy(s3[1], rule) as (own, seen):
        golden(repo, own)
        repo.ok("push", "-j", "1")
        assert sum("/us-east-1/" in q.headers["Authorization"] for q in seen) == 1


# ---- what goes wrong ----

def slow_down(*headers):
    return Fault(503, headers=[("Retry-After", "0"), *headers], body=b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")


def test_tired_service(repo, s3, tmp_path):
    met = {}

    def rule(q):
        """Each request is refused, then left without an answer, then answered halfway, then served."""
        n = met[q.method, q.path] = met.get((q.method, q.path), 0) + 1
        return {1: slow_down(), 2: Fault(cut=0), 3: Fault(cut=50)}.get(n)

    part_size(repo)
    with proxy(s3[1], rule) as (own, seen):
        golden(repo, own)
        repo.write({"big": random.Random(2).randbytes(12 * MB)})
        repo.ok("add", "big")
        assert repo.ok("push") == "7 files pushed\n"
        assert not wrong_objects(tmp_path / "s3/bucket/some/where/files/md5")
        met.clear()
        other = clone(repo, tmp_path / "repo2", own)
        other.ok("pull")
        assert other.read("data") == GOLDEN and (other.path / "big").read_bytes() == (repo.path / "big").read_bytes()


def test_service_that_hangs(repo, s3, tmp_path):
    hung = []

    def rule(q):
        if q.method in ("PUT", "GET") and len(hung) < 3 and q.n % 2:
            hung.append(q)
            return Fault(wait=4)
        return None

    with proxy(s3[1], rule) as (own, _):
        golden(repo, own, read_timeout="1")
        repo.ok("push")
        hung.clear()
        clone(repo, tmp_path / "repo2", own, read_timeout="1").ok("pull")
        assert hung


def test_service_that_is_down(repo, s3):
    with proxy(s3[1], lambda _: slow_down()) as (own, seen):
        golden(repo, own)
        err = repo.fails("push", "-j", "2")
        assert "503" in err and "SlowDown" in err
        assert len(seen) < 30


def test_damage_is_found(repo, s3, tmp_path):
    with proxy(s3[1], lambda q: Fault(200, body=b"hellO") if q.method == "GET" and q.path.endswith("5d/41402abc4b2a76b9719d911017c592") else None) as (own, _):
        golden(repo, own)
        repo.ok("push")
        other = clone(repo, tmp_path / "repo2", own)
        assert "damaged on the remote" in other.fails("pull")
        assert "5d41402abc4b2a76b9719d911017c592" not in other.objects() and not (other.path / "data/a.jpg").exists()


def test_what_is_changed_on_the_way_is_refused(repo, s3, tmp_path):
    """The service is told the hash of what is sent: it takes nothing else."""
    with proxy(s3[1], lambda q: Fault(change=True) if q.method == "PUT" else None) as (own, seen):
        golden(repo, own)
        repo.write({"x": b"x1"})
        repo.ok("add", "x")
        repo.fails("push", "x")
        put = next(q for q in seen if q.method == "PUT")
        assert put.headers["x-amz-content-sha256"] == hashlib.sha256(b"x1").hexdigest()
    assert not stored(tmp_path)


# ---- long files ----

def parts_sent(seen):
    return [q.path.split("partNumber=")[1].split("&")[0] for q in seen if q.method == "PUT" and "partNumber=" in q.path]


def test_killed_between_parts(repo, s3, tmp_path):
    part_size(repo)
    big = random.Random(3).randbytes(40 * MB)
    held = ["partNumber=7", "partNumber=8"]  # until the kill: all eight could be on their way by then
    with proxy(s3[1], lambda q: Fault(503) if any(part in q.path for part in held) else Fault(wait=0.3) if q.method == "PUT" else None) as (own, seen):
        use(repo, "s3://bucket/x", **settings(own))
        repo.write({"big": big})
        repo.ok("add", "big")
        process = subprocess.Popen([OPIS, "data", "push"], cwd=repo.path, env=repo.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(parts_sent(seen)) < 6 and process.poll() is None:
            time.sleep(0.01)
        assert not any(SECRET.encode() in line for line in command_lines())
        process.send_signal(signal.SIGKILL)
        process.wait()
        held.clear()
        assert json.loads(repo.ok("status", "-c", "--json")) == {"big": "new"}
        time.sleep(1)
        del seen[:]
        assert repo.ok("push") == "1 file pushed\n"
        again = parts_sent(seen)
        assert 0 < len(again) <= 6, "of eight parts, two at least were there"
        assert not any(q.method == "POST" and "uploads=" in q.path for q in seen), "the upload is the one that was begun"
    other = clone(repo, tmp_path / "repo2", s3[1], "s3://bucket/x")
    other.ok("pull")
    assert (other.path / "big").read_bytes() == big


def test_parts_are_taken_away_when_refused(repo, s3, tmp_path):
    part_size(repo)
    denied = Fault(403, body=b"<Error><Code>AccessDenied</Code></Error>")
    with proxy(s3[1], lambda q: denied if "partNumber=2" in q.path else None) as (own, seen):
        use(repo, "s3://bucket/x", **settings(own))
        repo.write({"big": random.Random(4).randbytes(12 * MB)})
        repo.ok("add", "big")
        assert "AccessDenied" in repo.fails("push")
        assert any(q.method == "DELETE" and "uploadId=" in q.path for q in seen)
        assert not stored(tmp_path)


def test_error_after_200(repo, s3, tmp_path):
    """CompleteMultipartUpload may fail when its status is sent already."""
    failed = []

    def rule(q):
        if q.method == "POST" and "uploadId=" in q.path and len(failed) < 2:
            failed.append(q)
            return Fault(200, body=b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>")
        return None

    part_size(repo)
    with proxy(s3[1], rule) as (own, _):
        use(repo, "s3://bucket/x", **settings(own))
        repo.write({"big": random.Random(5).randbytes(12 * MB)})
        repo.ok("add", "big")
        repo.ok("push")
        assert len(failed) == 2 and len(stored(tmp_path)) == 1
        assert not wrong_objects(tmp_path / "s3/bucket/x/files/md5")


def test_lost_answer_to_the_last_request(repo, s3, tmp_path):
    lost = []

    def rule(q):
        if q.method == "POST" and "uploadId=" in q.path and not lost:
            lost.append(q)
            return Fault(cut=1)
        return None

    part_size(repo)
    with proxy(s3[1], rule) as (own, _):
        use(repo, "s3://bucket/x", **settings(own))
        repo.write({"big": random.Random(6).randbytes(12 * MB)})
        repo.ok("add", "big")
        repo.ok("push")
        assert lost and "in sync" in repo.ok("status", "-c")


# ---- many files ----

@pytest.mark.parametrize("name", ["rclone", "versity"])
def test_many_files(repo, name, tmp_path):
    """Listings of several pages, connections and memory within bounds. What reads asks a new process of the server: rclone up to 1.75.0 writes an object under its own name and remembers folders, and when it first
    reads a folder just as an object in it gets its last bytes, it tells (and gives) what it had seen of it for five minutes."""
    n = 10_000 if FULL else 2_500
    rng = random.Random(7)
    with s3_server(name, tmp_path / "s3") as port:
        use(repo, "s3://bucket/x", **settings(port))
        repo.write({f"{i % 100}/{i}": rng.randbytes(200) for i in range(n)}, "many")
        repo.ok("add", "many")
        with Wire(port) as wire:
            repo.ok("remote", "modify", "--local", "store", "endpointurl", f"http://127.0.0.1:{wire.port}")
            assert repo.ok("push", "-j", "16") == f"{n + 1} files pushed\n"
            assert 8 <= wire.most <= 32
    assert len(stored(tmp_path)) == n + 1 and not wrong_objects(tmp_path / "s3/bucket/x/files/md5")
    with s3_server(name, tmp_path / "s3") as port:
        repo.ok("remote", "modify", "--local", "store", "endpointurl", f"http://127.0.0.1:{port}")
        assert "in sync" in repo.ok("status", "-c")
        other = clone(repo, tmp_path / "repo2", port, "s3://bucket/x")
        # From a small process: a child's peak is told as at least its parent's.
        small = "import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); _, status, usage = os.wait4(pid, 0); print(status, usage.ru_maxrss)"
        done = subprocess.run([sys.executable, "-c", small, OPIS, "data", "pull"], cwd=other.path, env=other.env, capture_output=True, check=True)
        status, peak = map(int, done.stdout.split()[-2:])
        assert status == 0 and other.read("many") == repo.read("many")
        assert peak < 100_000
        (other.path / "many.dvc").unlink()
        other.write({"f": b"1"})
        other.ok("add", "f")
        other.ok("gc", "-w", "-c", "-f")
        assert not stored(tmp_path)


def test_name_in_the_host(tmp_path, repo):
    """Virtual-host style: the bucket's name is part of the host's."""
    seen_hosts = []

    def rule(q):
        seen_hosts.append((q.headers["Host"], q.path))
        return nothing_yet(q)

    with proxy(1, rule) as (own, _):
        aws = pathlib.Path(repo.env["HOME"]) / ".aws"
        aws.mkdir()
        (aws / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
        use(repo, "s3://bucket/x", **{**settings(own), "endpointurl": f"http://localhost:{own}"})
        repo.write({"f": b"1"})
        repo.ok("add", "f")
        repo.ok("push")
        assert {h for h, _ in seen_hosts} == {f"bucket.localhost:{own}"}
        assert all(p.startswith(("/x/files/md5/", "/?")) for _, p in seen_hosts)


def test_golden_names(repo, s3, tmp_path):
    golden(repo, s3[1])
    repo.ok("push")
    assert any(p.name == GOLDEN_DIR[2:] for p in stored(tmp_path))
