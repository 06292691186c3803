"""opis check --against: another folder, a revision of the data, what changed and what drifted."""
import json
import os
import shutil
import subprocess

import numpy
import pytest
from conftest import OPIS, run
from PIL import Image
from test_check import check, clean, found, noise  # noqa: F401
from test_check_captions import captions, token


@pytest.fixture
def before(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "before" / "set")
    return tmp_path / "before" / "set"


def test_nothing_is_invented(clean, before, tmp_path):
    token(captions(), before.parent / "c.txt")
    status, report, err = check(clean, "--against", before, "--captions", token(captions(), tmp_path / "c.txt"))
    assert status == 0 and err == "" and report["findings"] == [] and report["changes"] == {"added": [], "removed": [], "changed": [], "recaptioned": []}
    assert set(report["drift"]) == {"size", "aspect_ratio", "brightness", "sharpness", "format", "caption_length", "vocabulary"}
    for d in report["drift"].values():
        assert d["p"] > 0.999 and abs(d["psi"]) < 1e-9 and d["words"].startswith("about as before")


def change(folder):
    os.remove(folder / "0.jpg")
    noise(500).save(folder / "1.jpg", quality=95)
    noise(501).save(folder / "new.png")
    (folder / "2.jpg").write_bytes((folder / "2.jpg").read_bytes()[:3000])


def test_what_changed(clean, before, tmp_path):
    lines = captions()
    token(lines, before / "c.txt")
    change(clean)
    lines[3 * 5] = (lines[3 * 5][0], "Other words are said of this one now")
    report = check(clean, "--against", before, "--captions", token(lines, tmp_path / "c.txt"))[1]
    assert report["changes"] == {"added": ["new.png"], "removed": ["0.jpg"], "changed": ["1.jpg", "2.jpg"], "recaptioned": ["5.jpg"]}


def kinds(folder, n, bright, size, suffix, words, seed):
    """A set of its own kind."""
    folder.mkdir()
    r = numpy.random.RandomState(seed)
    lines = []
    for i in range(n):
        w, h = (int(v + r.randint(0, 20)) for v in size)
        a = numpy.clip(r.randint(0, 256, (h, w, 3)) * 0.5 + bright + r.randint(-20, 20), 0, 255).astype(numpy.uint8)
        Image.fromarray(a).save(folder / f"{i}.{suffix}")
        lines.append((f"{i}.{suffix}", " ".join(r.choice(words, r.randint(5, 9) + (i % 3 if "kite" in words else 12)))))
    token(lines, folder / "c.txt")
    return folder


def test_drift_is_found(tmp_path):
    first = kinds(tmp_path / "first", 80, 20, (120, 80), "jpg", ["dog", "runs", "grass", "red", "ball", "small", "man", "jumps"], 1)
    second = kinds(tmp_path / "second", 80, 120, (200, 190), "png", ["kite", "sky", "sea", "boat", "blue", "sails", "man", "high"], 2)
    same = kinds(tmp_path / "same", 80, 20, (120, 80), "jpg", ["dog", "runs", "grass", "red", "ball", "small", "man", "jumps"], 3)
    off = [a for k in ("caption_length", "word_repetition", "repeated_caption", "same_beginning") for a in ("--set", f"{k}=off")]
    args = ["--captions", second / "c.txt", "--against", first, "--fail-on", "drift", "--set", "light=off", "--set", "similar=off", *off]
    status, report, _ = check(second, *args)
    assert status == 1 and {f["path"] for f in report["findings"] if f["key"] == "drift"} == {"#size", "#aspect_ratio", "#brightness", "#format", "#caption_length", "#vocabulary"} | ({"#sharpness"} & {f["path"] for f in report["findings"]})
    words = {f["path"]: f["message"] for f in report["findings"]}
    assert words["#brightness"].startswith("clearly different from before") and "Kolmogorov-Smirnov" in words["#brightness"]
    assert "PNG 100.0 % (before 0.0 %)" in words["#format"] and "'kite'" in words["#vocabulary"]
    d = report["drift"]["brightness"]
    assert d["ks"] == 1 and d["mean"] > d["mean_before"] and d["p"] < 1e-20
    assert "clearly different" in run("check", second, "--index", "none", "--against", first, "--captions", second / "c.txt").out
    status, report, _ = check(same, "--captions", same / "c.txt", "--against", first, "--fail-on", "drift", "--set", "similar=off")
    assert status == 0 and not report["summary"]["drift"]


def git(folder, *args):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *args], cwd=folder, check=True, capture_output=True)


def opis(folder, *args):
    subprocess.run([OPIS, *args], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(clean, tmp_path):
    """Pictures under opis data, captions under git, at the tag v1; then both changed."""
    top = tmp_path / "repository"
    top.mkdir()
    git(top, "init", "-q", "-b", "main")
    opis(top, "data", "init")
    shutil.copytree(clean, top / "photos")
    token(captions(), top / "c.txt")
    opis(top, "data", "add", "photos")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "one")
    git(top, "tag", "v1")
    change(top / "photos")
    lines = captions()
    lines[3 * 5] = (lines[3 * 5][0], "Other words are said of this one now")
    token(lines, top / "c.txt")
    return top


CHANGES = {"added": ["new.png"], "removed": ["0.jpg"], "changed": ["1.jpg", "2.jpg"], "recaptioned": ["5.jpg"]}


def test_a_revision(repository, tmp_path):
    (tmp_path / "t").mkdir()
    report = run("check", repository / "photos", "--index", "none", "--against", "v1", "--captions", repository / "c.txt", "--report", "json=-", env={"TMPDIR": str(tmp_path / "t")})
    assert json.loads(report.out)["changes"] == CHANGES and report.err == ""
    assert os.listdir(tmp_path / "t") == []
    inside = run("check", ".", "--index", "none", "--against", "HEAD", "--report", "json=-", cwd=repository / "photos" / "sub")
    assert json.loads(inside.out)["changes"] == {"added": [], "removed": [], "changed": [], "recaptioned": []}
    above = run("check", repository, "--index", "none", "--against", "v1", "--captions", repository / "c.txt", "--report", "json=-")
    assert json.loads(above.out)["changes"] == {k: [f"photos/{p}" for p in v] for k, v in CHANGES.items()}


def test_pictures_that_git_keeps(repository, clean):
    shutil.copytree(clean, repository / "small")
    git(repository, "add", "small")
    git(repository, "commit", "-qm", "two")
    change(repository / "small")
    report = check(repository / "small", "--against", "HEAD")[1]
    assert report["changes"] == {**CHANGES, "recaptioned": []}
    assert run("check", repository / "small", "--index", "none", "--against", "v1").status == 3


def test_a_revision_that_is_not_in_the_cache(repository):
    shutil.rmtree(repository / ".dvc" / "cache")
    r = run("check", repository / "photos", "--index", "none", "--against", "v1")
    assert r.status == 3 and "cache" in r.err


def test_no_such_revision(repository, clean):
    r = run("check", repository / "photos", "--index", "none", "--against", "nowhere")
    assert r.status == 3 and "nowhere" in r.err
    r = run("check", clean, "--index", "none", "--against", "v1")
    assert r.status == 3 and "neither a folder nor a revision" in r.err
