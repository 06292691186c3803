# venv: dvc
"""Random patterns: .dvcignore as DVC's own class takes it, .gitignore as git does."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import OPIS, environment  # noqa: E402

PROBE = pathlib.Path(OPIS).parent / "tests/unit/data/ignore_probe"
ROUNDS = 20000 if os.environ.get("OPIS_INTEROP") == "full" else 2000
NAMES = ["a", "b", "ab", "a.b", "b.tmp", "x y", "#h", "!n", "é", "日", "[a]", "a*", "a-b", " s", "]"]
PIECES = ["a", "b", "ab", ".", "tmp", "*", "*", "**", "?", "/", "/", "/", "[ab]", "[!a]", "[a-c]", "[^b]", "[]a]", "[", "]", "\\*", "\\", "é", "日", " ", "#", "!", "-", "\\[", "\\ "]
# What DVC takes in its own way, and nobody writes: brackets that match or hold a '/' (DVC puts one behind a folder's name, and cuts patterns at each), three stars, and two stars as a last folder.
STRANGE = re.compile(r"\[[!^-]|--|\[[^]\n]*/|\*\*\*|.\*\*/\s*$", re.M)


def path(rng):
    return "/".join(rng.choice(NAMES) for _ in range(rng.randint(1, 4)))


def pattern(rng):
    if rng.random() < 0.4:  # near to a path
        p = path(rng)
        for _ in range(rng.randint(0, 2)):
            k = rng.randint(0, len(p))
            p = p[:k] + rng.choice(PIECES) + p[k + rng.randint(0, 1):]
    else:
        p = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 6)))
    return rng.choice(["", "", "", "!", "/"]) + p + rng.choice(["", "", "", "/", " "])


def mine(cases, strip):
    done = subprocess.run([PROBE], input=json.dumps([[text, strip, paths] for text, paths in cases]), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def cases(seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        text = "".join(pattern(rng) + "\n" for _ in range(rng.randint(1, 4)))
        paths = sorted({path(rng) + rng.choice(["", "/"]) for _ in range(6)})
        yield text, paths


def folders(p):
    """Those above a path."""
    parts = p.rstrip("/").split("/")
    return ["/".join(parts[:k]) + "/" for k in range(1, len(parts))]


def report(wrong, n):
    assert not wrong, f"{len(wrong)} of {n}:\n" + "\n".join(f"{text!r} {path!r}: opis {a}, peer {b}" for text, path, a, b in wrong[:25])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_as_dvc(tmp_path):
    from dvc.fs import localfs
    from dvc.ignore import DvcIgnorePatterns

    wrong, kept = [], []
    for text, paths in cases(1, ROUNDS):
        if STRANGE.search(text):
            continue
        file = tmp_path / ".dvcignore"
        file.write_text(text)
        try:
            spec = DvcIgnorePatterns.from_file(str(file), localfs, ".dvcignore")
        except Exception:  # what DVC itself cannot read
            continue
        answers = []
        for p in paths:
            whole = os.path.join(tmp_path, p.rstrip("/"))
            answers.append(bool(spec.matches(os.path.dirname(whole), os.path.basename(whole), p.endswith("/"))))
        kept.append((text, paths, answers))
    assert len(kept) > ROUNDS / 5
    asked = [(text, paths + [f for p in paths for f in folders(p)]) for text, paths, _ in kept]
    for (text, paths, theirs), (_, all_paths), answers in zip(kept, asked, mine(asked, True)):
        ours = dict(zip(all_paths, answers))
        for p, b in zip(paths, theirs):  # DVC's answer counts the folders above, too
            a = any(ours[f] for f in folders(p)) or ours[p]
            if a != b:
                wrong.append((text, p, a, b))
    report(wrong, len(kept))


def test_as_git(tmp_path):
    """git is asked for the path itself: with --no-index, and where no folder above is ignored."""
    env = environment(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path / "r"], check=True, env=env)
    top = tmp_path / "r"
    wrong, n = [], 0
    for text, paths in cases(2, ROUNDS // 10):
        (top / ".gitignore").write_text(text)
        if "?" in text or "[" in text:  # they take one byte with git, one character with DVC and opis
            paths = [p for p in paths if p.isascii()]
        above = sorted({f for p in paths for f in folders(p)})
        asked = paths + above
        done = subprocess.run(["git", "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"], cwd=top, env=env, input="\0".join(asked).encode(), capture_output=True)
        fields = done.stdout.decode().split("\0")[:-1]
        theirs = {}
        for i in range(0, len(fields), 4):
            theirs[fields[i + 3]] = bool(fields[i + 2]) and not fields[i + 2].startswith("!")
        ours = dict(zip(asked, mine([(text, asked)], False)[0]))
        for p in paths:
            if any(theirs.get(f) for f in folders(p)) or (p.endswith("/") and "**" in text):  # (of a folder that is not there, git takes the '/' for part of the name)
                continue
            n += 1
            if ours[p] != theirs.get(p, False):
                wrong.append((text, p, ours[p], theirs.get(p)))
    assert n > 100
    report(wrong, n)
