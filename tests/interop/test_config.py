# venv: dvc
"""Random configuration files as configobj reads them for DVC, and as opis does: the same settings, and the same files refused."""
import io
import os
import pathlib
import random
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import Repository  # noqa: E402

ROUNDS = 3000 if os.environ.get("OPIS_INTEROP") == "full" else 300
PIECES = ["a", "b c", '"', '"', "'", "'", "'''", '"""', "#", " # x", ",", "=", "[", "]", " ", "\t", "\\", "ü", "\n", 'é"q"', "x", "''", '""']
KEYS = ["user", "password", '"user"', "'password'", "token", "user ", '"tok=en"', "site"]
SECTIONS = ["['remote \"a\"']", "[core]", '["core"]', "[ core ]  # why", "['remote \"a]b\"']", '[remote "b"]', "[cache]#x", "['remote \"a\"' ] # ]", "[[x]]", "[x", "[]"]


def some_file(rng):
    lines = []
    for _ in range(rng.randint(1, 3)):
        lines.append(rng.choice(SECTIONS[:8] if rng.random() < 0.85 else SECTIONS))
        for _ in range(rng.randint(1, 3)):
            value = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))
            quote = rng.choice(["", "", "", '"', "'", "'''", '"""'])
            lines.append(rng.choice(["    ", "", "\t"]) + rng.choice(KEYS) + rng.choice([" = ", "=", "  =\t"]) + quote + value + quote + rng.choice(["", "  ", " # c"]))
        lines += rng.sample(["", "# hm", '  # "', "nonsense"], 1) if rng.random() < 0.3 else []
    return "\n".join(lines) + rng.choice(["\n", "", "\r\n"])


def as_dvc(text):
    """What it sets, by name; None: DVC refuses it."""
    from configobj import ConfigObj, ConfigObjError

    try:
        sections = ConfigObj(io.BytesIO(text.encode())).dict()
    except (ConfigObjError, AssertionError):
        return None
    out = {}
    for name, settings in sections.items():
        remote = re.search(r'^\s*(remote|machine|db)\s*"(.*)"\s*$', name.lower())
        if not isinstance(settings, dict) or not all(isinstance(v, str) for v in settings.values()):  # its schema wants words
            return None
        out.update({f"{remote[1]}.{remote[2]}.{k.lower()}" if remote else f"{name.lower()}.{k.lower()}": v for k, v in settings.items()})
    return out


def test_same_settings(tmp_path):
    repo = Repository(tmp_path / "repo")
    rng = random.Random(1)
    wrong, read = [], 0
    for _ in range(ROUNDS):
        text = some_file(rng)
        (repo.path / ".dvc/config").write_bytes(text.encode())
        done, theirs = repo.run("config", "--project", "--list"), as_dvc(text)
        assert done.returncode in (0, 1, 2, 3), text
        read += theirs is not None
        out = done.stdout.decode()
        if (done.returncode != 0) != (theirs is None):
            wrong.append((text, done.stderr.decode(), theirs))
        elif theirs is not None:
            wrong += [(text, out, (k, v)) for k, v in theirs.items() if f"{k}={v}\n" not in out]
    assert read > ROUNDS / 10
    assert not wrong, f"{len(wrong)} of {ROUNDS}: {wrong[:10]}"
