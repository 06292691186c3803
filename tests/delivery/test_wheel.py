"""`make wheel`: what is in the wheel, and what a project that installs it into a fresh environment gets."""
import hashlib
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()
CAT = ROOT / "examples" / "cat.jpg"
TIFF = ROOT / "tests" / "golden" / "pictures" / "lzw.tiff"
CLEAN = {k: v for k, v in os.environ.items() if k not in ("OPIS_LIBRARY", "PYTHONPATH", "LD_LIBRARY_PATH")}


def call(*command, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, **{"env": CLEAN, **more})
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def make(folder):
    env = {**CLEAN, "BUILD": os.environ.get("BUILD", "build"), "PYTHON": os.environ.get("PYTHON", sys.executable)}
    call(ROOT / "ci" / "wheel", folder, cwd=ROOT, env=env)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return make(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of a fresh environment that has the wheel, and Pillow from the system."""
    folder = tmp_path_factory.mktemp("venv")
    call("/usr/bin/python3", "-m", "venv", "--system-site-packages", folder)
    call(folder / "bin" / "python", "-m", "pip", "-q", "install", "--no-index", "--no-deps", wheel)
    return folder / "bin" / "python"


def test_two_builds_give_the_same_bytes(wheel, tmp_path):
    first, second = (hashlib.sha256(w.read_bytes()).hexdigest() for w in (wheel, make(tmp_path)))
    assert first == second


def test_name_says_any_python_3_and_which_libc(wheel):
    assert wheel.name.startswith(f"opis-{VERSION}-py3-none-manylinux_2_") and wheel.name.endswith(f"_{os.uname().machine}.whl")


def test_library_its_libraries_and_their_licences_are_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "opis/libopis.so.0" in names and "opis/py.typed" in names and "opis/LICENSE" in names
    for library, package in (("libjpeg", "libjpeg62-turbo"), ("libtiff", "libtiff6"), ("libcrypto", "libssl3")):
        assert any(n.startswith(f"opis.libs/{library}") for n in names)
        assert f"opis/licenses/{package}/copyright" in names
    assert not any("x265" in n or "__pycache__" in n for n in names)


def test_it_describes_with_its_own_libraries_alone(python, tmp_path):
    script = """
import opis, sys
opis.generate_image_description(sys.argv[2])  # its library is opened when the first such picture comes
print(opis.generate_image_description(sys.argv[1]))
print(opis.__version__, opis.__file__)
print(*sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}))
"""
    words, version, maps = call(python, "-c", script, CAT, TIFF, cwd=tmp_path).splitlines()
    assert words == call(os.environ.get("OPIS", ROOT / "build" / "opis"), "describe", CAT, "--beams", "4", "--max-length", "16").strip()
    assert version.split()[0] == VERSION and str(python.parents[1]) in version
    for library in ("libopis", "libjpeg", "libtiff", "libcrypto", "libwebp"):
        loaded = [m for m in maps.split() if f"/{library}" in m]
        assert loaded and all(m.startswith(str(python.parents[1])) for m in loaded), loaded


def test_unit_tests_of_a_project_that_used_another_captioner(python):
    said = subprocess.run([python, "-m", "unittest", "-v", "tests.test_image_processing"], cwd=ROOT / "examples" / "python-project", env=CLEAN, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0 and "Ran 5 tests" in said.stderr and "skipped" not in said.stderr, said.stderr
