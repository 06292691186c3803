# venv: cleanvision
"""opis check against cleanvision: every score and flag, and the groups of duplicates, on generated pictures and on those of OPIS_DATA, where there are some."""
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
import scipy.stats
from cleanvision import Imagelab
from PIL import Image, ImageDraw, ImageFilter

OPIS = os.environ["OPIS"]
FULL = os.environ.get("OPIS_INTEROP") == "full"
DATA = Path(os.environ.get("OPIS_DATA", Path(__file__).parents[3] / "shared" / "data"))
KEYS = ["dark", "light", "odd_aspect_ratio", "low_information", "blurry", "grayscale", "odd_size"]


def compare(folder):
    lab = Imagelab(data_path=str(folder))
    lab.find_issues(n_jobs=2, verbose=False)
    run = subprocess.run([OPIS, "check", folder, "--index", "none", "--fail-on", "none", "--report", "json=-"], stdout=subprocess.PIPE, check=True)
    ours = json.loads(run.stdout)
    names = [os.path.relpath(p, folder) for p in lab.issues.index]
    assert sorted(names) == sorted(ours["pictures"])
    wrong = []
    for name, row in zip(names, lab.issues.to_dict("records")):
        for key in KEYS + ["exact_duplicates", "near_duplicates"]:
            mine = ours["pictures"][name][key]
            if abs(mine["score"] - row[f"{key}_score"]) > 1e-3 or mine["flagged"] != bool(row[f"is_{key}_issue"]):
                wrong.append((name, key, mine, row[f"{key}_score"], row[f"is_{key}_issue"]))
    assert not wrong, f"{len(wrong)} differ: {wrong[:10]}"
    for key in ["exact_duplicates", "near_duplicates"]:
        theirs = sorted(sorted(os.path.relpath(p, folder) for p in group) for group in lab.info[key]["sets"])
        assert sorted(sorted(g) for g in ours["groups"][key]) == theirs
    return ours


def picture(r):
    """Blocks, noise and slopes of any size, brightness and sharpness, in colour or grey."""
    width, height = r.randrange(3, 400), r.randrange(3, 300)
    if r.random() < 0.1:
        width *= 5
    n = numpy.random.RandomState(r.randrange(1 << 30))
    coarse = Image.fromarray(n.randint(0, 256, (r.randrange(2, 12), r.randrange(2, 12), 3), dtype=numpy.uint8)).resize((width, height), r.choice([Image.NEAREST, Image.BICUBIC]))
    fine = Image.fromarray(n.randint(0, 256, (height, width, 3), dtype=numpy.uint8))
    image = Image.blend(coarse, fine, r.choice([0.05, 0.1, 0.4]))
    low = r.choice([0, 0, 0, 200, 240])
    scale = r.choice([0.1, 0.3, 0.8, 1, 1]) * (255 - low) / 255
    image = image.point(lambda v: int(low + v * scale))
    if r.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(r.randrange(1, 20)))
    return image.convert("L") if r.random() < 0.2 else image


def test_generated_pictures(tmp_path):
    r = random.Random(3)
    for i in range(600 if FULL else 200):
        image = picture(r)
        image.save(tmp_path / f"{i:04}.{r.choice(['png', 'png', 'jpg'])}")
        if i % 20 == 7:
            image.save(tmp_path / f"{i:04}-copy.png")
            image.save(tmp_path / f"{i:04}-again.png")
        if i % 20 == 13:
            image.save(tmp_path / f"{i:04}-near.jpg", quality=90)
    ours = compare(tmp_path)
    assert all(ours["summary"][key] for key in KEYS if key != "light") and ours["groups"]["exact_duplicates"] and ours["groups"]["near_duplicates"]


def grey(value, size):
    return Image.new("L", size, value)


def slope(size, low, high, turn):
    a = numpy.linspace(low, high, size[0])[None, :] + numpy.zeros(size[1])[:, None]
    return Image.fromarray((a.T if turn else a).astype(numpy.uint8))


def lines(r, size, back, ink):
    image = Image.new("RGB", size, back)
    draw = ImageDraw.Draw(image)
    for _ in range(r.randrange(1, 30)):
        draw.line([r.randrange(size[0]), r.randrange(size[1]), r.randrange(size[0]), r.randrange(size[1])], fill=ink, width=r.randrange(1, 4))
    return image


def board(size, cell, a, b):
    y, x = numpy.mgrid[: size[1], : size[0]]
    return Image.fromarray(numpy.where(((x // cell + y // cell) % 2 == 0), a, b).astype(numpy.uint8))


def spots(r, size, share, value, back):
    """A share of pixels decides the percentile: just below, at and just above it."""
    a = numpy.full((size[1], size[0], 3), back, numpy.uint8)
    n = round(share * size[0] * size[1])
    flat = a.reshape(-1, 3)
    flat[r.sample(range(len(flat)), n)] = value
    return Image.fromarray(a)


def extremes(r):
    """Every kind that a check is about, near its threshold and far from it."""
    size = lambda: (r.randrange(1, 260), r.randrange(1, 260))
    yield from (grey(v, size()) for v in (0, 1, 2, 60, 80, 82, 84, 128, 240, 242, 243, 250, 254, 255))
    yield from (Image.new("RGB", size(), tuple(r.randrange(256) for _ in range(3))) for _ in range(12))
    yield from (slope(size(), r.randrange(256), r.randrange(256), r.random() < 0.5) for _ in range(16))
    yield from (lines(r, size(), r.choice(["white", "black", "grey", "navy"]), r.choice(["white", "black", "red"])) for _ in range(16))
    yield from (board(size(), r.randrange(1, 20), r.randrange(256), r.randrange(256)) for _ in range(12))
    yield from (spots(r, (100, 80), share, value, back) for share in (0.0099, 0.01, 0.0101, 0.0499, 0.05, 0.0501, 0.5) for value, back in ((255, 0), (0, 255), (90, 20), (235, 255)))
    # Of as many colours: cleanvision takes pictures of one colour for equal when they have equally many pixels.
    yield from (Image.new("RGB", (w, h), (200, 30, 10 * i)) for i, (w, h) in enumerate(((1, 1), (1, 2), (2, 1), (3, 3), (35, 100), (34, 100), (100, 35), (100, 36), (1, 300), (300, 2), (64, 64), (65, 64), (64, 65), (63, 200))))
    photo = picture(r)
    yield from (photo.filter(ImageFilter.GaussianBlur(k / 2)) for k in range(12))
    yield from (photo.point(lambda v, k=k: v * k // 12) for k in range(1, 12))
    yield from (photo.point(lambda v, k=k: 255 - (255 - v) * k // 12) for k in range(1, 12))


def test_every_kind(tmp_path):
    for seed in range(8 if FULL else 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for i, image in enumerate(extremes(random.Random(seed))):
            image.save(folder / f"{i:04}.png")
            if i % 5 == 0:
                image.save(folder / f"{i:04}.jpg", quality=75 + i % 25)
        ours = compare(folder)
        assert all(ours["summary"][key] for key in KEYS if key != "odd_size")


def brightness(image):
    r, g, b = (numpy.asarray(image.convert("RGB"), float).reshape(-1, 3).mean(0)).tolist()
    return (0.241 * r * r + 0.691 * g * g + 0.068 * b * b) ** 0.5 / 255


@pytest.mark.parametrize("n, m", [(40, 40), (90, 33)])
def test_drift_as_scipy_tests_it(tmp_path, n, m):
    values, words = {}, {}
    r = random.Random(n)
    for name, count, bright in (("now", n, 30), ("before", m, 0)):
        (tmp_path / name).mkdir()
        values[name], words[name] = [], []
        with open(tmp_path / name / "c.txt", "w") as f:
            for i in range(count):
                image = picture(r).convert("RGB").point(lambda v: min(255, v + bright))
                kind = r.choice(["png", "png", "bmp"] if bright else ["png", "bmp"])
                image.save(tmp_path / name / f"{i}.{kind}")
                words[name].append(r.randrange(3, 12) + (bright > 0))
                f.write(f"{i}.{kind}\t{' '.join(r.choice('abcdefgh') for _ in range(words[name][-1]))}\n")
                values[name].append((kind, (image.width * image.height) ** 0.5, image.width / image.height, brightness(image)))
    run = subprocess.run([OPIS, "check", tmp_path / "now", "--captions", tmp_path / "now" / "c.txt", "--against", tmp_path / "before", "--index", "none", "--fail-on", "none", "--report", "json=-"],
                         stdout=subprocess.PIPE, check=True)
    drift = json.loads(run.stdout)["drift"]
    pairs = [(key, [v[1 + i] for v in values["now"]], [v[1 + i] for v in values["before"]]) for i, key in enumerate(("size", "aspect_ratio", "brightness"))] + [("caption_length", words["now"], words["before"])]
    for key, now, before in pairs:
        expected = scipy.stats.ks_2samp(now, before, method="exact")
        assert drift[key]["ks"] == pytest.approx(expected.statistic, abs=1e-12), key
        assert drift[key]["p"] == pytest.approx(expected.pvalue, rel=1e-9), key
        assert drift[key]["mean"] == pytest.approx(numpy.mean(now), rel=1e-9) and drift[key]["mean_before"] == pytest.approx(numpy.mean(before), rel=1e-9), key
    table = [[sum(v[0] == kind for v in values[name]) for kind in ("png", "bmp")] for name in ("now", "before")]
    assert drift["format"]["p"] == pytest.approx(scipy.stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)


def test_all_of_one_size(tmp_path):
    """No spread of sizes: cleanvision's odd_size takes another way there."""
    n = numpy.random.RandomState(1)
    for i in range(12):
        Image.fromarray(n.randint(0, 256, (50 if i else 90, 60, 3), dtype=numpy.uint8)).save(tmp_path / f"{i}.png")
    compare(tmp_path)


def test_photographs(tmp_path):
    found = sorted(DATA.glob("*/images/*.jpg"))[:: 1 if FULL else 25] or sorted((Path(__file__).parents[1] / "golden" / "pictures").glob("*.jpg"))
    for path in found:
        if Image.open(path).mode in ("L", "RGB"):
            shutil.copy(path, tmp_path / path.name)
    compare(tmp_path)


@pytest.mark.skipif(not (DATA / "flickr8k").exists(), reason="Flickr8k is not here")
def test_what_the_page_says_of_flickr8k():
    """docs/check.md, "On Flickr8k": each number."""
    folder = DATA / "flickr8k"
    splits = [a for name in ("train", "dev", "extra") for a in ("--splits", f"{name}={folder}/{name}.txt")]
    run = subprocess.run([OPIS, "check", folder / "images", "--captions", folder / "captions.token.txt", *splits, "--index", "none", "--report", "json=-"], stdout=subprocess.PIPE, check=True)
    report = json.loads(run.stdout)
    expected = {"dark": 1, "blurry": 1, "exact_duplicates": 2, "similar": 43, "caption_length": 26, "word_repetition": 5, "repeated_caption": 424, "caption_twice": 18, "leak_similar": 8, "leak_caption": 112}
    assert {k: n for k, n in report["summary"].items() if n} == expected and len(report["pictures"]) == 7091
    assert len(report["groups"]["similar"]) == 21
    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text().split("## On Flickr8k")[1].split("## ")[0]
    for number in ["7,091", "35,455", "43 pictures in 21 groups", "8 of them", "1 dark", "1 blurry", "424 captions", "112 of those", "18 are said twice", "26 captions", "5 repetitions"]:
        assert number in page, number
