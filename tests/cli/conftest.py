"""What the tests of the program share: running it, and the pictures."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

OPIS = os.environ.get("OPIS", str(pathlib.Path(__file__).parents[2] / "build" / "opis"))
GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
PICTURES = GOLDEN / "pictures"
PHOTOS = ["astronaut.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg"]


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.bytes = done.stdout
        self.err = done.stderr.decode("utf-8", "surrogateescape")

    @property
    def out(self):
        return self.bytes.decode("utf-8")

    @property
    def lines(self):
        return [json.loads(line) for line in self.bytes.splitlines()]


def run(*args, stdin=b"", env=None, cwd=None, timeout=120):
    """Runs opis and waits; never through a shell."""
    full = dict(os.environ, **(env or {}))
    return Result(subprocess.run([OPIS, *map(os.fspath, map(str_or_bytes, args))], input=stdin, capture_output=True, env=full, cwd=cwd, timeout=timeout))


def str_or_bytes(arg):
    return arg if isinstance(arg, (bytes, os.PathLike)) else str(arg)


@pytest.fixture
def photos(tmp_path):
    """A folder with the four photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in PHOTOS:
        shutil.copy(PICTURES / name, folder / name)
    return folder
