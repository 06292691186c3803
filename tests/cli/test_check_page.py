"""opis check --report html: what the page says is what was found; and a set with every fault there is."""
import html.parser
import json
import re
import shutil

import pytest
from conftest import run
from PIL import Image
from test_check import clean, noise, plant  # noqa: F401
from test_check_captions import FAULTS, NAMES, captions, token


class Page(html.parser.HTMLParser):
    """Rows of the summary, groups, figures, bars and links of a page; tags must be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.groups, self.names, self.bars, self.links, self.ids, self.sources, self.alts, self.text = [], {}, [], [], [], [], [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag not in ("meta", "img", "br", "rect", "line", "polyline"):
            self.open.append((tag, a.get("class") or ""))
        if tag == "img":
            self.sources.append(a["src"])
            self.alts.append(a["alt"])
        if tag == "a":
            self.links.append(a["href"])
        if "id" in a:
            self.ids.append(a["id"])
        if tag == "div" and a.get("class") == "group":
            self.groups.append([])
        if tag == "rect":
            self.handle_starttag("shape", {})
            self.open.pop()

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        if tag == "rect":
            return
        assert self.open and self.open[-1][0] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text += data
        inside = [c for _, c in self.open]
        tags = [t for t, _ in self.open]
        if tags[-2:] == ["a", "b"]:
            self.rows[self.links[-1][1:]] = int(data)
        if inside[-1:] == ["name"]:
            self.names.append(data)
            if "group" in inside:
                self.groups[-1].append(data)
        if tags[-2:] == ["svg", "title"] and re.search(r": \d+$", data):
            self.bars.append(int(data.rsplit(":", 1)[1]))


def reports(folder, tmp_path, *args):
    r = run("check", folder, "--index", "none", "--report", f"html={tmp_path}/p.html", "--report", f"json={tmp_path}/p.json", *args)
    assert r.status in (0, 1), r.err
    return Page((tmp_path / "p.html").read_text()), json.loads((tmp_path / "p.json").read_text())


def test_the_page_tells_what_was_found(clean, tmp_path):
    plant(clean)
    page, report = reports(clean, tmp_path)
    assert page.rows == {k: n for k, n in report["summary"].items() if n}
    assert set(page.rows) <= set(page.ids) and {f"#{k}" for k in page.rows} == set(page.links)
    groups = [g for key in ("exact_duplicates", "near_duplicates", "similar") for g in report["groups"][key]]
    assert sorted(map(sorted, page.groups)) == sorted(map(sorted, groups))
    for f in report["findings"]:
        assert f["path"] in page.names or f["path"] in page.text, f
    readable = sum(1 for p in report["pictures"].values() if p)
    assert len(page.bars) == 4 * 24 and all(sum(page.bars[24 * i : 24 * i + 24]) == readable for i in range(4))
    assert all(s.startswith("data:image/jpeg;base64,") for s in page.sources) and all(page.alts)
    assert f"{report['failures']}findings that fail" in page.text and "the check fails" in page.text


def test_nothing_found(clean, tmp_path):
    page, _ = reports(clean, tmp_path)
    assert page.rows == {} and page.names == [] and "The check passes, and nothing was found." in page.text and "Exact duplicates" in page.text


def test_accepted_findings_are_not_shown(clean, tmp_path):
    plant(clean)
    reports(clean, tmp_path)
    shutil.copy(tmp_path / "p.json", tmp_path / "known.json")
    page, report = reports(clean, tmp_path, "--baseline", tmp_path / "known.json")
    assert page.rows == {} and page.names == [] and f"{len(report['findings'])}accepted by the baseline" in page.text
    noise(900).save(clean / "900.png")
    shutil.copy(clean / "900.png", clean / "901.png")
    page, _ = reports(clean, tmp_path, "--baseline", tmp_path / "known.json")
    assert page.rows == {"exact_duplicates": 2} and page.groups == [["900.png", "901.png"]]


def test_names_and_words_cannot_break_the_page(clean, tmp_path):
    evil = "<img src=x onerror=alert(1)>&\"'\n\x1b.png"
    Image.new("RGB", (60, 60)).save(tmp_path / "black.png")
    shutil.copy(tmp_path / "black.png", clean / evil.replace("/", ""))
    (clean / b"bad\xff.png".decode("utf-8", "surrogateescape")).write_bytes((tmp_path / "black.png").read_bytes())
    lines = captions() + [("0.jpg", '</style><script>alert("caf\ufffd")</script>')]
    page, report = reports(clean, tmp_path, "--captions", token(lines, tmp_path / "c.txt"), "--against", clean)
    text = (tmp_path / "p.html").read_text()
    assert "<script" not in text and "<img src=x" not in text and text.count("</style>") == 1 and all(s.startswith("data:") for s in page.sources)
    assert report["summary"]["mojibake"] == 1 and report["summary"]["not_nfc"] == 1


def test_every_check_there_is(clean, tmp_path):
    """Each key of --list finds what was planted for it."""
    before = tmp_path / "before"
    before.mkdir()
    for i in range(60):
        noise(2000 + i, (40 + i % 3, 41)).save(before / f"{i}.bmp")
    plant(clean)
    noise(1).save(clean / "closer.jpg", quality=94)
    other = noise(0)
    other.paste((255, 255, 255), (20, 20, 32, 32))
    other.save(clean / "other.png")
    lines = captions()
    for i, (key, words) in enumerate(FAULTS):
        lines[3 * (i % 15) + 1 + i // 15] = (lines[3 * (i % 15)][0], words)
    lines = lines[:-1]                                                                                       # few_captions
    lines += [("nowhere.jpg", "A thing that is not there"), ("0.jpg", lines[6][1]), ("1.jpg", lines[3][1])]  # orphan, repeated, twice
    lines = [(n, w if isinstance(w, bytes) or i % 3 else f"In this photo we see {i} things") for i, (n, w) in enumerate(lines)]  # same_beginning
    lines += [("0.jpg", "Said of several pictures here"), ("sub/5.png", "said of several pictures here"), ("2.jpg", "Said twice of one"), ("2.jpg", "Said twice of one")]
    file = token(lines, tmp_path / "c.txt")
    with open(file, "ab") as f:
        f.write(b"no tab in this line\n")
    (tmp_path / "train").write_text("0.jpg\n1.jpg\n3.jpg\n3.jpg\ngone.jpg\n")
    (tmp_path / "test").write_text("copy.jpg\nagain.jpg\ncloser.jpg\nother.png\n3.jpg\n" + "".join(n + "\n" for n in NAMES[8:]))
    page, report = reports(clean, tmp_path, "--require", "png", "--captions", file, "--splits", f"train={tmp_path}/train", "--splits", f"test={tmp_path}/test", "--against", before)
    keys = {line.split()[0] for line in run("check", "--list").out.splitlines()}
    assert keys == set(report["summary"]) and [k for k in keys if not report["summary"][k]] == []
    assert set(page.rows) == keys


@pytest.mark.parametrize("fail_on, status", [("default", 1), ("none", 0), ("dark", 0), ("truncated", 1), ("dark,unreadable", 1), ("all", 1), ("", 0)])
def test_fail_on(clean, tmp_path, fail_on, status):
    (clean / "cut.jpg").write_bytes((clean / "2.jpg").read_bytes()[:4000])
    (clean / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing\xff\xd9")
    assert run("check", clean, "--index", "none", "--fail-on", fail_on).status == status
    (clean / "opis-check.yaml").write_text(f"fail_on: '{fail_on}'\n")
    assert run("check", clean, "--index", "none").status == status


@pytest.mark.parametrize("text, words", [("dark: 0.2", "line 1: unknown"), ("set:\n  dark: 7", "line 2"), ("set: [1]", "line 1"), ("fail_on: {a: b}", "line 1"), ("require: doc", "no format"), ("- a", "a mapping is wanted"),
                                         ("splits: x", "mapping of names to files"), ("splits:\n  a: [1]", "line 2"), ("captions: [x]", "a path is wanted"), ("{", "line"), ("&a [*a]", "line 1"), ("set: &x\n  dark: *x", "line"),
                                         ("require: \"jpeg\\0\"", "line 1")])
def test_wrong_settings_name_the_line(clean, text, words):
    (clean / "opis-check.yaml").write_text(text)
    r = run("check", clean, "--index", "none")
    assert r.status in (2, 3) and words in r.err and "opis-check.yaml" in r.err


def test_settings_from_elsewhere(clean, tmp_path):
    """Every key of the file; paths are meant from where it lies."""
    (tmp_path / "settings").mkdir()
    (clean / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    run("check", clean, "--index", "none", "--report", f"json={tmp_path}/settings/known.json")
    token(captions() + [("broken.jpg", f"It cannot be read at all, {i}") for i in range(3)], tmp_path / "settings" / "c.txt")
    shutil.copytree(clean, tmp_path / "settings" / "old")
    token(captions(), tmp_path / "settings" / "old.txt")
    (tmp_path / "settings" / "train.txt").write_text("".join(n + "\n" for n in [*NAMES, "broken.jpg"]))
    (tmp_path / "settings" / "s.yaml").write_text("baseline: known.json\ncaptions: c.txt\nsplits: {train: train.txt}\nagainst: old\nagainst_captions: old.txt\nset: {dark: off}\nfail_on: [all]\n")
    r = run("check", clean, "--index", "none", "--config", tmp_path / "settings" / "s.yaml", "--report", "json=-")
    report = json.loads(r.out)
    assert r.status == 0 and "dark" not in report["summary"] and "leak_name" in report["summary"] and report["changes"]["recaptioned"] == ["broken.jpg"]
