"""opis check --splits: what is in two splits, by name, pixels, perceptual hash and words."""
import json
import shutil

import pytest
from conftest import run
from test_check import check, clean, found, noise  # noqa: F401
from test_check_captions import NAMES, captions, token

TRAIN, TEST = NAMES[:10], NAMES[10:]


@pytest.fixture
def split(tmp_path):
    def write(**splits):
        args = []
        for name, names in splits.items():
            (tmp_path / f"{name}.list").write_text("".join(n + "\n" for n in names))
            args += ["--splits", f"{name}={tmp_path}/{name}.list"]
        return args
    return write


def test_nothing_is_invented(clean, split, tmp_path):
    status, report, err = check(clean, *split(train=TRAIN, test=TEST), "--captions", token(captions(), tmp_path / "c.txt"))
    assert status == 0 and err == "" and report["findings"] == [] and {"leak_name", "leak_caption", "no_split"} <= set(report["summary"])


def test_every_leak(clean, split, tmp_path):
    shutil.copy(clean / "0.jpg", clean / "copy.jpg")                # the same pixels
    noise(1).save(clean / "near.jpg", quality=80)                    # nearly
    lines = captions() + [("copy.jpg", f"Copied from somewhere else, {k}") for k in range(3)] + [("near.jpg", f"Saved with less quality, {k}") for k in range(3)]
    lines[3 * 12] = (lines[3 * 12][0], lines[3][1].upper() + " .")   # words of 1.jpg (train), said of sub/4.png (test)
    status, report, _ = check(clean, *split(train=TRAIN + [TRAIN[5]], test=TEST[:-1] + ["copy.jpg", "near.jpg", "2.jpg", "gone.jpg", "gone2.jpg"], other=["gone.jpg"]), "--captions", token(lines, tmp_path / "c.txt"))
    found_leaks = {f for f in found(report) if f[0] not in ("exact_duplicates", "near_duplicates", "similar", "repeated_caption")}
    near = {k for k, p in found(report) if p == "near.jpg" and k.startswith("leak")}
    assert near in ({"leak_near"}, {"leak_similar"})
    assert status == 1 and found_leaks == {
        ("leak_name", "2.jpg"), ("leak_content", "0.jpg"), ("leak_content", "copy.jpg"), (*near, "1.jpg"), (*near, "near.jpg"), ("leak_caption", "1.jpg#0"), ("leak_caption", "sub/4.png#0"),
        ("listed_twice", TRAIN[5]), ("no_split", TEST[-1]), ("missing_picture", "gone.jpg"), ("missing_picture", "gone2.jpg"), ("leak_name", "gone.jpg")}


@pytest.mark.parametrize("leak, counts", [("name", True), ("content", True), ("caption", False)])
def test_what_counts(clean, split, tmp_path, leak, counts):
    lines, test = captions(), list(TEST)
    if leak == "name":
        test.append(TRAIN[3])
    if leak == "content":
        shutil.copy(clean / "0.jpg", clean / "copy.jpg")
        lines += [("copy.jpg", f"Copied from somewhere else, {k}") for k in range(3)]
        test.append("copy.jpg")
    if leak == "caption":
        lines[-1] = (lines[-1][0], lines[0][1])
    status, report, _ = check(clean, *split(train=TRAIN, test=test), "--captions", token(lines, tmp_path / "c.txt"))
    assert status == counts and report["summary"][f"leak_{leak}"] > 0


def test_folders_are_splits(clean):
    shutil.copy(clean / "0.jpg", clean / "sub" / "copy.jpg")
    (clean / "more").mkdir()
    noise(77).save(clean / "more" / "a.png")
    shutil.copy(clean / "more" / "a.png", clean / "sub" / "b.png")
    status, report, _ = check(clean, "--splits", f"train={clean}/sub", "--splits", "test=more", "--set", "no_split=off")
    assert status == 1 and {f for f in found(report) if f[0].startswith("leak")} == {("leak_content", "more/a.png"), ("leak_content", "sub/b.png")}
    assert run("check", clean, "--index", "none", "--splits", f"x={clean}/..").status == 3


def test_splits_of_captions(clean, tmp_path):
    images = [{"filename": n, "split": "test" if n in TEST else "train", "sentences": [{"raw": w} for m, w in captions() if m == n]} for n in NAMES]
    (tmp_path / "k.json").write_text(json.dumps({"images": images}))
    assert check(clean, "--captions", tmp_path / "k.json")[:2][1]["findings"] == []
    shutil.copy(clean / TRAIN[0], clean / TEST[0])
    status, report, _ = check(clean, "--captions", tmp_path / "k.json")
    assert status == 1 and ("leak_content", TRAIN[0]) in found(report) and ("leak_content", TEST[0]) in found(report)


def test_settings_file_and_command_line(clean, split):
    names = split(train=TRAIN, test=TEST + [TRAIN[0]])
    for name in ("train", "test"):
        shutil.copy(names[1].split("=")[1].replace("train", name), clean / f"{name}.txt")
    (clean / "opis-check.yaml").write_text("splits:\n  train: train.txt\n  test: test.txt\n")
    assert found(check(clean)[1]) == {("leak_name", TRAIN[0])}
    assert found(check(clean, *split(train=TRAIN, test=TEST))[1]) == set()


@pytest.mark.parametrize("content", [b"\x00" * 9000, b"x" * 2000000 + b"\n", b"a\tb\n" * 1000, b"\xff\xfe\n", b"../0.jpg\n/etc/passwd\n"], ids=["nuls", "long", "many", "marks", "paths"])
def test_odd_lists(clean, tmp_path, content):
    (tmp_path / "odd.txt").write_bytes(content)
    r = run("check", clean, "--index", "none", "--splits", f"odd={tmp_path}/odd.txt", "--set", "no_split=off")
    assert r.status in (0, 1) and r.err == ""


@pytest.mark.parametrize("args, status, words", [(["--splits", "train"], 2, "NAME=FILE"), (["--splits", "a=x", "--splits", "a=y"], 2, "two splits"), (["--splits", "a=/nowhere.txt"], 3, "nowhere.txt")])
def test_wrong_splits(clean, args, status, words):
    r = run("check", clean, "--index", "none", *args)
    assert r.status == status and words in r.err
