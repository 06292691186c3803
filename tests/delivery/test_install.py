"""`make install`: the tree that it leaves, and C and C++ programs outside it that find the library through pkg-config."""
import os
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
CAT = ROOT / "examples" / "cat.jpg"
OUTSIDE = ROOT / "tests" / "delivery" / "outside.c"
VERSION = (ROOT / "VERSION").read_text().strip()


def call(*command, env=None, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})}, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    destination = tmp_path_factory.mktemp("install") / "tree"
    call("make", "--no-print-directory", "install", f"DESTDIR={destination}", cwd=ROOT)
    return destination


@pytest.fixture(scope="module")
def prefix(tree):
    return tree / "usr" / "local"


@pytest.fixture(scope="module")
def pkg_config(prefix):
    """pkg-config's answer for the installed tree, as a list of words."""
    folder = next(prefix.glob("lib/**/pkgconfig"))

    def ask(*options):
        said = call("pkg-config", f"--define-variable=prefix={prefix}", *options, "opis", env={"PKG_CONFIG_PATH": str(folder)})
        return shlex.split(said)

    return ask


@pytest.fixture(scope="module")
def words(prefix):
    return call(prefix / "bin" / "opis", "describe", CAT)


def test_everything_is_there_and_nothing_is_outside(tree, prefix, words):
    assert words.strip()
    assert [p.name for p in tree.iterdir()] == ["usr"] and [p.name for p in (tree / "usr").iterdir()] == ["local"]
    assert {p.name for p in (prefix / "include").iterdir()} == {"opis"}
    assert {p.name for p in (prefix / "include" / "opis").iterdir()} == {p.name for p in (ROOT / "include" / "opis").glob("*.h")}
    assert {p.name for p in prefix.glob("lib/**/libopis*")} == {"libopis.a", "libopis.so", "libopis.so.0", f"libopis.so.{VERSION}"}
    assert (prefix / "share" / "man" / "man1" / "opis-describe.1").stat().st_size
    for completion in ("bash-completion/completions/opis", "zsh/site-functions/_opis", "fish/vendor_completions.d/opis.fish"):
        assert (prefix / "share" / completion).stat().st_size


def test_destination_with_a_space(tmp_path):
    call("make", "--no-print-directory", "install", f"DESTDIR={tmp_path}/a folder", cwd=ROOT)
    assert (tmp_path / "a folder" / "usr" / "local" / "bin" / "opis").is_file()


def test_the_version_has_one_place(prefix, pkg_config):
    assert pkg_config("--modversion") == [VERSION]
    assert VERSION in call(prefix / "bin" / "opis", "--version")
    # nowhere else is it written down as the project's
    for file in ("meson.build", "bindings/python/pyproject.toml", "bindings/python/setup.py", "debian/control", "Dockerfile"):
        assert VERSION not in (ROOT / file).read_text(), file


@pytest.mark.parametrize("compiler, language", [("gcc", ["-xc", "-std=c11"]), ("gcc", ["-xc", "-std=c99", "-pedantic"]), ("g++", ["-xc++", "-std=c++11", "-pedantic"]), ("clang", ["-xc++", "-std=c++20"])])
def test_a_program_outside_the_tree(compiler, language, prefix, pkg_config, words, tmp_path):
    program = tmp_path / "outside"
    call(compiler, *language, "-Wall", "-Wextra", "-Werror", *pkg_config("--cflags"), OUTSIDE, "-xnone", "-o", program, *pkg_config("--libs"))
    library = next(prefix.glob("lib/**/libopis.so")).parent
    assert call(program, CAT, env={"LD_LIBRARY_PATH": str(library)}) == words
    assert "libopis.so.0 =>" in call("ldd", program, env={"LD_LIBRARY_PATH": str(library)})


def test_a_program_with_the_static_library(prefix, pkg_config, words, tmp_path):
    archive = next(prefix.glob("lib/**/libopis.a"))
    libraries = [w for w in pkg_config("--libs", "--static") if w != "-lopis"]
    call("gcc", *pkg_config("--cflags"), OUTSIDE, "-o", tmp_path / "outside", archive, *libraries)
    assert call(tmp_path / "outside", CAT) == words
    assert "libopis" not in call("ldd", tmp_path / "outside")
