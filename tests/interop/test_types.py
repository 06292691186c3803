# venv: schemas
"""The Python module's type hints, read by mypy as strictly as it can: the module itself, and a program that uses it rightly or wrongly."""
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
USE = """
import pathlib
import opis
words: str = opis.generate_image_description(pathlib.Path("a.jpg"), beams=2)
model = opis.Model("x", precision="q8", threads=2)
found: list[opis.Description] = model.describe_batch([b"", "a.jpg"], candidates=2)
score: float = found[0].candidates[1].score
"""


def mypy(*paths):
    return subprocess.run([pathlib.Path(sys.executable).parent / "mypy", "--strict", "--disable-error-code=import-not-found", "--cache-dir=/dev/null", *paths], cwd=ROOT / "bindings" / "python", capture_output=True, text=True, timeout=300)


def test_the_module():
    done = mypy("opis")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("right, wrong", [("words: str", "words: bytes"), ('"x", precision="q8"', '"x", precision=8'), ("score: float", "score: str"), (".describe_batch([", ".describe_batches([")])
def test_a_program_that_uses_it(right, wrong, tmp_path):
    program = tmp_path / "use.py"
    program.write_text(USE)
    done = mypy(program)
    assert done.returncode == 0, done.stdout
    assert right in USE
    program.write_text(USE.replace(right, wrong))
    assert mypy(program).returncode == 1
