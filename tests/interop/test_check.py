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
from cleanvision import Imagelab
from PIL import Image, ImageFilter

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
