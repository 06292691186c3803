"""The container image, built by `make docker`: what is in it, and what it does when it runs."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).parents[2]
IMAGE = os.environ.get("OPIS_IMAGE", "localhost/opis")
CAT = ROOT / "examples" / "cat.jpg"
# Debian's podman keeps to what the kernel of a small virtual machine allows: crun refuses hybrid cgroups, and limits may not be raised.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--no-healthcheck"]
ENGINES = [["docker", "run"], *(["podman", "--cgroup-manager", "cgroupfs", "--runtime", r, "run", *LIMITS] for r in ("crun", "runc"))]


def call(*command, check=True, text=True, **more):
    done = subprocess.run(command, capture_output=True, text=text, timeout=300, **more)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def engine():
    """The words that run a container here, as a list up to the options of `run`."""
    why = []
    for words in ENGINES:
        if not shutil.which(words[0]):
            continue
        done = call(*words, "--rm", IMAGE, "version", check=False)
        if done.returncode == 0:
            return words
        why.append((done.stderr.strip() or "no message").splitlines()[-1])
    pytest.skip(f"containers cannot run on this machine: {'; '.join(why) or 'neither docker nor podman is here'}")


def inspect(image=IMAGE):
    for tool in (["docker", "image", "inspect"], ["podman", "image", "inspect"]):
        if shutil.which(tool[0]):
            done = call(*tool, image, check=False)
            if done.returncode == 0:
                return json.loads(done.stdout)[0]
    raise AssertionError(f"{image} is not there: make docker")


class Server:
    def __init__(self, engine, *options):
        self.tool = engine[: engine.index("run")]
        self.id = call(*engine, "-d", "-p", "127.0.0.1::8501", *options, IMAGE).stdout.strip()
        mapped = call(*self.tool, "port", self.id, "8501", check=False)
        if mapped.returncode:
            self.remove()
        assert mapped.returncode == 0, mapped.stderr
        self.url = "http://" + mapped.stdout.split()[0]

    def inside(self, *command, check=True):
        return call(*self.tool, "exec", self.id, *command, check=check)

    def wait(self):
        for _ in range(600):
            if self.inside("/usr/bin/opis", "health", check=False).returncode == 0:
                return self
            time.sleep(0.1)
        raise AssertionError(call(*self.tool, "logs", self.id).stdout)

    def get(self, path, data=None, kind=None):
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind} if kind else {})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.read()

    def remove(self):
        call(*self.tool, "rm", "-f", "-v", self.id, check=False)


@pytest.fixture
def serve(engine):
    servers = []

    def start(*options):
        servers.append(Server(engine, *options))
        return servers[-1].wait()

    yield start
    for server in servers:
        server.remove()


def test_what_the_image_says_of_itself():
    image = inspect()
    config, version = image["Config"], (ROOT / "VERSION").read_text().strip()
    assert image["Size"] <= 100e6
    assert config["User"] == "10001:10001"
    assert "8501/tcp" in config["ExposedPorts"] and list(config["Volumes"]) == ["/data"]
    assert config["Entrypoint"] == ["/usr/bin/opis"] and config.get("StopSignal") in ("SIGTERM", None, "15")
    health = config.get("Healthcheck") or image["Healthcheck"]
    assert health["Test"] == ["CMD", "/usr/bin/opis", "health"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "opis" and labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0" and labels["org.opencontainers.image.revision"] == call("git", "rev-parse", "HEAD", cwd=ROOT).stdout.strip()


@pytest.mark.skipif(not shutil.which("buildah"), reason="docker build dates the files of an image anew with every build")
def test_a_second_build_without_the_cache_gives_the_same_bytes(tmp_path):
    assert inspect()["RootFS"]["Layers"] == inspect(IMAGE + "-again")["RootFS"]["Layers"]
    for image in (IMAGE, IMAGE + "-again"):
        call(ROOT / "ci" / "docker", "archive", image, tmp_path / image.split("/")[-1], cwd=ROOT)
    first, second = tmp_path.iterdir()
    assert first.read_bytes() == second.read_bytes()


def test_the_archive_is_loaded_and_runs(engine, tmp_path):
    call(ROOT / "ci" / "docker", "archive", IMAGE, tmp_path / "image.tar.gz", cwd=ROOT)
    tool = engine[: engine.index("run")]
    before = inspect()
    with open(tmp_path / "image.tar", "wb") as tar:
        subprocess.run(["gzip", "-dc", tmp_path / "image.tar.gz"], stdout=tar, check=True)
    name = call(*tool, "load", "-i", tmp_path / "image.tar").stdout.split()[-1]
    try:
        after = inspect(name)
        assert after["RootFS"] == before["RootFS"] and after["Config"]["Labels"] == before["Config"]["Labels"] and (after["Config"].get("Healthcheck") or after["Healthcheck"])["Test"][1] == "/usr/bin/opis"
        assert call(*engine, "--rm", name, "version").stdout == call(*engine, "--rm", before["Id"], "version").stdout
    finally:
        call(*tool, "tag", before["Id"], IMAGE)


def test_it_describes_without_a_network_and_with_a_read_only_root(engine):
    words = call(*engine, "--rm", "--network", "none", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "-v", f"{ROOT}/examples:/pictures:ro", IMAGE, "describe", "/pictures/cat.jpg").stdout
    here = os.environ.get("OPIS", str(ROOT / "build" / "opis"))
    assert words == call(here, "describe", CAT).stdout and words.strip()


def test_every_kind_of_picture_can_be_read_inside(engine):
    pictures = ROOT / "tests" / "golden" / "pictures"
    here = os.environ.get("OPIS", str(ROOT / "build" / "opis"))
    inside = call(*engine, "--rm", "--network", "none", "--read-only", "-v", f"{pictures}:/pictures:ro", "-w", "/pictures", IMAGE, "describe", "-r", ".", check=False)
    outside = call(here, "describe", "-r", ".", check=False, cwd=pictures)
    assert inside.stdout == outside.stdout and inside.stdout
    assert inside.returncode == outside.returncode


def test_the_page_answers_and_the_history_is_in_the_volume(engine, serve, tmp_path):
    tmp_path.chmod(0o777)
    server = serve("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "-v", f"{tmp_path}:/data")
    assert b"<html" in server.get("/").lower()
    answer = json.loads(server.get("/v1/describe", CAT.read_bytes(), "image/jpeg"))
    assert answer["description"] and answer["model"] == "opis-small"
    assert (tmp_path / "history.sqlite").stat().st_uid == 10001


def test_without_a_read_only_root_it_writes_nothing_outside_the_volume_either(serve):
    server = serve()
    server.get("/v1/describe", CAT.read_bytes(), "image/jpeg")
    changed = {line.split()[1] for line in call(*server.tool, "diff", server.id).stdout.splitlines()}
    # what the engine itself lays out when it starts a container: /etc/hosts and its like, places to mount on
    assert {c for c in changed if not c.startswith(("/etc", "/run", "/dev", "/proc", "/sys"))} == set()


def test_stop_is_quick_and_clean(engine, serve):
    server = serve()
    call(*server.tool, "stop", "--time", "2", server.id)
    # 137 would be: it did not stop within two seconds and was killed
    assert call(*server.tool, "inspect", "--format", "{{.State.ExitCode}}", server.id).stdout.strip() == "0"


def test_health_fails_where_no_server_is(engine):
    assert call(*engine, "--rm", IMAGE, "health", check=False).returncode == 1


def test_it_is_not_root_and_has_no_shell(engine):
    for program in ("/bin/sh", "/bin/bash", "/usr/bin/apt"):
        assert call(*engine, "--rm", "--entrypoint", program, IMAGE, check=False).returncode == 127


def test_memory_limit_of_the_compose_file_is_enough(serve):
    server = serve("--memory", "1g")
    for _ in range(3):
        assert json.loads(server.get("/v1/describe", (ROOT / "examples" / "astronaut.jpg").read_bytes(), "image/jpeg"))["description"]
    assert call(*server.tool, "inspect", "--format", "{{.State.OOMKilled}}", server.id).stdout.strip() == "false"


def test_compose_file(engine, tmp_path):
    """compose.yaml as it is, but for the port: what it starts is limited as it says, and keeps its history over a restart."""
    if engine[0] == "docker":
        compose, tool = ["docker", "compose"], ["docker"]
    else:
        compose, tool = ["podman-compose", f"--podman-args={' '.join(engine[1 : engine.index('run')])}", f"--podman-run-args={' '.join(LIMITS)}"], engine[: engine.index("run")]
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    text = (ROOT / "compose.yaml").read_text()
    assert "127.0.0.1:8501:8501" in text
    (tmp_path / "compose.yaml").write_text(text.replace("127.0.0.1:8501:8501", f"127.0.0.1:{port}:8501"))
    compose += ["-p", f"opis-test-{port}", "-f", str(tmp_path / "compose.yaml")]
    name = f"opis-test-{port}_opis_1" if engine[0] != "docker" else f"opis-test-{port}-opis-1"

    def up():
        call(*compose, "up", "-d", "--no-build")
        server = Server.__new__(Server)
        server.tool, server.id, server.url = tool, name, f"http://127.0.0.1:{port}"
        return server.wait()

    try:
        server = up()
        assert json.loads(server.get("/v1/describe", CAT.read_bytes(), "image/jpeg"))["description"]
        host = json.loads(call(*tool, "inspect", name).stdout)[0]["HostConfig"]
        assert host["ReadonlyRootfs"] and host["Memory"] == 1 << 30 and host["NanoCpus"] == 2e9 and host["RestartPolicy"]["Name"] == "unless-stopped"
        assert "no-new-privileges" in " ".join(host["SecurityOpt"])
        status = json.loads(call(*tool, "inspect", name).stdout)[0]
        assert not status.get("EffectiveCaps")
        call(*compose, "down")
        assert call(*tool, "ps", "-a", "--format", "{{.Names}}").stdout.count(name) == 0
        server = up()
        assert len(json.loads(server.get("/v1/history"))["entries"]) == 1
    finally:
        call(*compose, "down", "-v", check=False)


def test_the_licences_and_records_of_what_it_holds(engine, tmp_path):
    tool = engine[: engine.index("run")]
    name = call(*tool, "create", IMAGE).stdout.strip()
    try:
        call(*tool, "cp", f"{name}:/usr/share/doc", str(tmp_path / "doc"))
        call(*tool, "cp", f"{name}:/var/lib/dpkg/status.d", str(tmp_path / "status.d"))
    finally:
        call(*tool, "rm", "-v", name)
    records = {p.name for p in (tmp_path / "status.d").iterdir()}
    assert {"libc6", "libjpeg62-turbo", "libcurl4", "libheif1"} <= records
    assert records <= {p.parent.name for p in (tmp_path / "doc").glob("*/copyright")}
    assert (tmp_path / "doc" / "opis" / "LICENSE").is_file()
