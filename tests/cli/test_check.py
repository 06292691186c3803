"""opis check on a folder with one fault of every kind, and on one with none."""
import json
import pathlib
import re
import shutil
import xml.etree.ElementTree

import numpy
import pytest
from conftest import run
from PIL import Image, ImageFilter


def noise(seed, size=(120, 100)):
    """A picture with edges, light, dark and colour: nothing is wrong with it."""
    r = numpy.random.RandomState(seed)
    small = Image.fromarray(r.randint(0, 256, (8, 10, 3), dtype=numpy.uint8))
    return Image.blend(small.resize(size, Image.NEAREST), Image.fromarray(r.randint(0, 256, (size[1], size[0], 3), dtype=numpy.uint8)), 0.3)


@pytest.fixture
def clean(tmp_path):
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    for i in range(8):
        noise(i).save(folder / f"{i}.jpg", quality=95)
        noise(100 + i).save(folder / "sub" / f"{i}.png")
    return folder


def check(folder, *args):
    r = run("check", folder, "--index", "none", "--report", "json=-", *args)
    return r.status, (json.loads(r.out) if r.out.startswith("{") else None), r.err


def found(report):
    return {(f["key"], f["path"]) for f in report["findings"]}


def test_nothing_is_invented(clean):
    status, report, err = check(clean)
    assert status == 0 and err == "" and report["findings"] == [] and not any(report["summary"].values())
    assert len(report["pictures"]) == 16 and set(report["pictures"]["0.jpg"]) >= {"dark", "blurry", "near_duplicates"}


def plant(folder):
    Image.new("RGB", (120, 100), (9, 9, 9)).save(folder / "dark.png")
    Image.new("RGB", (120, 100), (255, 255, 255)).save(folder / "light.png")
    noise(30, (600, 60)).save(folder / "wide.png")
    noise(31, (4000, 3000)).save(folder / "large.jpg")
    slope = numpy.linspace(0, 120, 120)[None, :, None] + numpy.linspace(0, 60, 100)[:, None, None] + numpy.array([0, 9, 20])
    Image.fromarray(slope.astype(numpy.uint8)).save(folder / "blurred.png")
    noise(33).convert("L").save(folder / "grey.png")
    noise(33).convert("L").filter(ImageFilter.EDGE_ENHANCE).convert("RGB").save(folder / "greycolour.png")
    shutil.copy(folder / "0.jpg", folder / "copy.jpg")
    noise(1).save(folder / "again.jpg", quality=80)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing\xff\xd9")
    (folder / "nothing.png").write_bytes(b"")
    (folder / "cut.jpg").write_bytes((folder / "2.jpg").read_bytes()[:4000])
    shutil.copy(folder / "sub" / "3.png", folder / "lies.jpg")
    turned = Image.Exif()
    turned[0x112] = 6
    noise(34).save(folder / "turned.jpg", exif=turned)
    noise(35).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(numpy.random.RandomState(1).randint(0, 65536, (100, 120), dtype=numpy.uint16)).save(folder / "deep.png")
    noise(36).save(folder / "moving.gif", save_all=True, append_images=[noise(37)])
    noise(38, (20, 20)).save(folder / "tiny.png")
    noise(39).convert("RGBA").save(folder / "alpha.png")
    noise(40).save(folder / "Clash.png")
    noise(41).save(folder / "clash.PNG")
    noise(42).save(folder / "aux.png")
    noise(43).save(folder / "cafe\u0301.png")
    (folder / "empty").mkdir()


PLANTED = [("dark", "dark.png"), ("light", "light.png"), ("low_information", "dark.png"), ("odd_aspect_ratio", "wide.png"), ("odd_size", "large.jpg"), ("blurry", "blurred.png"),
           ("grayscale", "grey.png"), ("grey_colour", "greycolour.png"), ("exact_duplicates", "copy.jpg"), ("exact_duplicates", "0.jpg"), ("unreadable", "broken.jpg"), ("unreadable", "nothing.png"),
           ("truncated", "cut.jpg"), ("wrong_extension", "lies.jpg"), ("not_upright", "turned.jpg"), ("cmyk", "cmyk.jpg"), ("sixteen_bit", "deep.png"), ("animated", "moving.gif"),
           ("too_small", "tiny.png"), ("alpha", "alpha.png"), ("case_clash", "clash.PNG"), ("reserved_name", "aux.png"), ("not_nfc", "cafe\u0301.png"), ("empty_folder", "empty/")]


def test_every_planted_fault_is_found(clean):
    plant(clean)
    status, report, _ = check(clean)
    assert status == 1
    assert set(PLANTED) <= found(report)
    assert {p for k, p in found(report) if k in ("near_duplicates", "similar")} >= {"1.jpg", "again.jpg"}
    untouched = {f"{i}.jpg" for i in range(4, 8)} | {f"sub/{i}.png" for i in range(8) if i != 3}
    assert not [f for f in found(report) if f[1] in untouched]
    assert report["summary"] == {k: sum(f["key"] == k for f in report["findings"]) for k in report["summary"]}


def test_empty_folder(tmp_path):
    (tmp_path / "none").mkdir()
    status, report, _ = check(tmp_path / "none")
    assert status == 1 and found(report) == {("empty_folder", "")}


def test_require(clean):
    status, report, _ = check(clean, "--require", "jpeg")
    assert status == 1 and found(report) == {("wrong_format", f"sub/{i}.png") for i in range(8)}


def test_settings_and_fail_on(clean):
    shutil.copy(clean / "0.jpg", clean / "copy.jpg")
    assert check(clean)[0] == 0
    assert check(clean, "--fail-on", "exact_duplicates")[0] == 1
    assert check(clean, "--fail-on", "exact_duplicates", "--set", "exact_duplicates=off")[0] == 0
    (clean / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert check(clean)[0] == 1 and check(clean, "--fail-on", "none")[0] == 0
    (clean / "opis-check.yaml").write_text("fail_on: none\nset:\n  dark: 1\n")
    status, report, _ = check(clean)
    assert status == 0 and report["summary"]["dark"] > 10


@pytest.mark.parametrize("args, words", [(["--set", "drak=1"], "no key"), (["--set", "dark=2"], "outside"), (["--fail-on", "x"], "no key"), (["--require", "doc"], "no format"), (["--report", "pdf=x"], "none of")])
def test_wrong_options(clean, args, words):
    r = run("check", clean, *args)
    assert r.status == 2 and words in r.err


def test_baseline(clean, tmp_path):
    (clean / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    run("check", clean, "--index", "none", "--report", f"json={tmp_path}/known.json")
    assert check(clean, "--baseline", tmp_path / "known.json")[0] == 0
    (clean / "worse.jpg").write_bytes(b"\xff\xd8\xff")
    assert check(clean, "--baseline", tmp_path / "known.json")[0] == 1
    (tmp_path / "known.json").write_text("{")
    assert check(clean, "--baseline", tmp_path / "known.json")[0] == 3


def test_junit_and_page(clean, tmp_path):
    plant(clean)
    run("check", clean, "--index", "none", "--report", f"junit={tmp_path}/j.xml", "--report", f"html={tmp_path}/p.html")
    suite = xml.etree.ElementTree.parse(tmp_path / "j.xml").getroot()[0]
    failed = {c.get("name") for c in suite if c.find("failure") is not None}
    assert failed == {"unreadable", "truncated", "wrong_extension", "empty_folder"}
    assert int(suite.get("tests")) == len(suite) and int(suite.get("failures")) == len(failed)
    page = (tmp_path / "p.html").read_text()
    assert "data:image/jpeg;base64," in page and "<svg" in page and "<script" not in page


def test_index_notices_changes(clean, tmp_path):
    index = tmp_path / "index.sqlite"
    first = run("check", clean, "--index", index, "--report", "json=-")
    assert index.exists() and run("check", clean, "--index", index, "--report", "json=-").bytes == first.bytes
    (clean / "0.jpg").write_bytes(b"\xff\xd8\xff")
    assert run("check", clean, "--index", index).status == 1
    index.write_bytes(b"no database at all, only words" * 100)
    assert run("check", clean, "--index", index).status == 1


def test_no_folder(tmp_path):
    assert run("check", tmp_path / "no").status == 3


def test_the_page_lists_every_check_with_its_threshold():
    """docs/check.md and --list: the same keys, thresholds and exit statuses."""
    rows = [line.strip("|").split("|") for line in (pathlib.Path(__file__).parents[2] / "docs" / "check.md").read_text().splitlines() if line.startswith("| `")]
    written = {}
    for keys, thresholds, _, fails in rows:
        names = re.findall(r"`(\w+)`", keys)
        numbers = [t.strip() for t in thresholds.split(",")]
        for i, name in enumerate(names):
            written[name] = (numbers[i] if len(numbers) == len(names) else "", "fails" if "yes" in fails else "")
    listed = {line.split()[0]: (line[21:28].strip(), line[28:34].strip()) for line in run("check", "--list").out.splitlines()}
    assert written == listed
