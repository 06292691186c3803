"""The Debian packages and the relocatable tarball in dist/ (`make deb dist`), tried in a clean Debian: a root that holds the base system and nothing of what opis was built with."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DIST = ROOT / "dist"
AGAIN = pathlib.Path(os.environ.get("OPIS_DIST_AGAIN", ROOT / "build" / "dist-again"))
VERSION = (ROOT / "VERSION").read_text().strip()
DEBS = [f"{name}_{VERSION}_{subprocess.check_output(['dpkg', '--print-architecture'], text=True).strip()}.deb" for name in ("opis", "libopis0", "libopis-dev")]
TARBALL = f"opis-{VERSION}-linux-{os.uname().machine}.tar.gz"


def call(*command, check=True, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, **more)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


class Root:
    """A clean Debian to run commands in."""

    def __init__(self):
        base = call(ROOT / "ci" / "docker", "base", cwd=ROOT).stdout.strip()
        self.name = call("buildah", "from", "--pull-never", base).stdout.strip()
        self.path = pathlib.Path(call("buildah", "mount", self.name).stdout.strip())

    def run(self, *command, check=True):
        return call("buildah", "run", "--isolation", "chroot", self.name, "--", *command, check=check)

    def sh(self, script, check=True):
        return self.run("sh", "-euc", script, check=check)

    def put(self, *files):
        (self.path / "work").mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, self.path / "work")

    def remove(self):
        call("buildah", "rm", self.name)


@pytest.fixture(scope="module")
def root():
    root = Root()
    yield root
    root.remove()


def here(*arguments, **more):
    return call(os.environ.get("OPIS", ROOT / "build" / "opis"), *arguments, **more).stdout


@pytest.mark.parametrize("name", [*DEBS, TARBALL])
def test_two_builds_give_the_same_bytes(name):
    first, second = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in (DIST, AGAIN))
    assert first == second


@pytest.mark.parametrize("name", DEBS)
def test_lintian_has_nothing_to_say(name):
    assert call("lintian", "--allow-root", "--display-info", "--pedantic", "--fail-on", "error,warning,info,pedantic", DIST / name, check=False).stdout == ""


def test_tarball_runs_in_a_system_without_its_libraries(root):
    assert root.sh("ldconfig -p | grep -c libjpeg || true").stdout.strip() == "0"
    root.put(DIST / TARBALL, ROOT / "examples" / "cat.jpg")
    unpacked = f"/work/elsewhere/{TARBALL[:-7]}"
    root.sh(f"mkdir -p /work/elsewhere && tar -xzf /work/{TARBALL} -C /work/elsewhere")
    assert root.run(f"{unpacked}/bin/opis", "describe", "/work/cat.jpg").stdout == here("describe", ROOT / "examples" / "cat.jpg")
    # the server's own libraries are found, too
    said = root.sh(f"{unpacked}/bin/opis serve --port 8599 --log none & for i in $(seq 100); do {unpacked}/bin/opis health http://127.0.0.1:8599 && break; sleep 0.1; done; kill $!; wait $!").stdout
    assert "http://127.0.0.1:8599: ready" in said


def test_tarball_holds_the_licences_of_what_it_brings():
    with tarfile.open(DIST / TARBALL) as tar:
        names = tar.getnames()
        assert all(m.uid == m.gid == 0 for m in tar.getmembers())
    top = TARBALL[:-7]
    assert f"{top}/share/doc/opis/LICENSE" in names
    assert any("/lib/opis/libtiff.so" in n for n in names) and f"{top}/share/doc/libtiff6/copyright" in names
    assert not any("libx265" in n or "/libc.so" in n for n in names)


def test_packages_install_in_a_clean_system_and_describe(root):
    root.put(*(DIST / d for d in DEBS), ROOT / "examples" / "cat.jpg", ROOT / "tests" / "delivery" / "outside.c")
    root.sh("apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y /work/opis_*.deb")
    assert root.run("opis", "describe", "/work/cat.jpg").stdout == here("describe", ROOT / "examples" / "cat.jpg")
    assert root.run("opis", "--version").stdout == here("--version")
    assert "ready" in root.sh("opis serve --port 8599 --log none & for i in $(seq 100); do opis health http://127.0.0.1:8599 && break; sleep 0.1; done; kill $!; wait $!").stdout


def test_development_package_is_all_that_a_program_needs(root):
    root.put(*(DIST / d for d in DEBS), ROOT / "examples" / "cat.jpg", ROOT / "tests" / "delivery" / "outside.c")
    root.sh("DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev pkg-config /work/libopis0_*.deb /work/libopis-dev_*.deb")
    words = here("describe", ROOT / "examples" / "cat.jpg")
    root.sh("cd /work && cc -Wall -Werror outside.c $(pkg-config --cflags --libs opis) -o outside")
    assert root.run("/work/outside", "/work/cat.jpg").stdout == words
    root.sh("cd /work && cc -Wall -Werror outside.c $(pkg-config --cflags opis) -o outside-static /usr/lib/*/libopis.a $(pkg-config --static --libs opis | sed 's/-lopis//')")
    assert root.run("/work/outside-static", "/work/cat.jpg").stdout == words


def test_packages_go_without_a_trace(root):
    root.sh("apt-get purge -y opis libopis0 libopis-dev")
    left = root.sh("find / -xdev -path /proc -prune -o -path /work -prune -o -iname '*opis*' -print").stdout.split()
    assert [p for p in left if not p.startswith(("/var/cache", "/var/log", "/sys", "/tmp", "/run"))] == []
