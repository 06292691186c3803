"""opis check --captions: one fault of every kind, in every format, and none invented."""
import json
import os

import pytest
from conftest import run
from test_check import check, clean, found, noise  # noqa: F401

NAMES = [f"{i}.jpg" for i in range(8)] + [f"sub/{i}.png" for i in range(8)]
WHO = ["A man", "Two dogs", "The girl in red", "An old woman", "Some children", "One bird", "A brown horse", "Three boats"]
WHAT = ["runs over the green field", "sit beside a small lake today", "jumps from the wall", "looks at the evening sky quietly", "waits near an open door in town"]


def captions():
    """Three captions a picture, all different; nothing is wrong with them."""
    return [(name, f"{WHO[i % 8]} {WHAT[(i // 8 * 3 + k) % 5]} number {i * 3 + k}") for i, name in enumerate(NAMES) for k in range(3)]


def token(lines, file):
    count = {}
    with open(file, "wb") as f:
        for name, words in lines:
            count[name] = count.get(name, -1) + 1
            f.write(f"{name}#{count[name]}\t".encode() + (words if isinstance(words, bytes) else words.encode()) + b"\n")
    return file


def test_nothing_is_invented(clean, tmp_path):
    status, report, err = check(clean, "--captions", token(captions(), tmp_path / "c.txt"))
    assert status == 0 and err == "" and report["findings"] == []
    assert {"empty_caption", "mojibake", "orphan_caption"} <= set(report["summary"])


def test_names_without_folder_or_extension(clean, tmp_path):
    """Flickr8k's lists have file names alone, sidecars no extensions; where both folders have such a picture, it is not guessed."""
    os.rename(clean / "sub", clean / "other")
    for i in range(8):
        os.rename(clean / "other" / f"{i}.png", clean / "other" / f"p{i}.png")
    lines = [(n.replace("sub/", "p") if "sub" in n else "photos/" + n.replace(".jpg", ""), w) for n, w in captions()]
    assert check(clean, "--captions", token(lines, tmp_path / "c.txt"))[1]["findings"] == []
    noise(99).save(clean / "other" / "0.png")
    status, report, _ = check(clean, "--captions", token(lines, tmp_path / "c.txt"))
    assert status == 1 and {("orphan_caption", "photos/0"), ("missing_caption", "0.jpg"), ("missing_caption", "other/0.png")} == found(report)


FAULTS = [
    ("empty_caption", ""), ("empty_caption", " . "), ("invalid_utf8", b"A man caf\xe9 is open in the long street"), ("invalid_utf8", b"A cut letter is at the end of it \xe2\x82"),
    ("control_characters", b"A man\x00 walks to the small lake over there"), ("control_characters", "A man\x07 walks to the lake over there"), ("control_characters", "A man walks\u202e back to the lake slowly"),
    ("mojibake", "A manâ€™s hat lies on the green grass alone"), ("mojibake", "A cafÃ© stands at the corner of the street"), ("mojibake", "Ð§ÐµÐ»Ð¾Ð²ÐµÐº is what it said on a wall"),
    ("mojibake", "A caf\ufffd stands at the next corner of it"), ("mixed_scripts", "A wom\u0430n walks to the lake over there"), ("mixed_scripts", "Человек идёт по улице города"),
    ("caption_length", "word " + " ".join(f"word{i}" for i in range(60))), ("caption_length", "Oops"), ("word_repetition", "A dog dog runs over the long beach"),
    ("word_repetition", "A dog on the beach on the beach runs")]


@pytest.mark.parametrize("key, words", FAULTS)
def test_each_fault(clean, tmp_path, key, words):
    lines = captions()
    lines[10] = (lines[10][0], words)
    status, report, _ = check(clean, "--captions", token(lines, tmp_path / "c.txt"))
    assert found(report) == {(key, f"{lines[10][0]}#1")}
    assert "line 11" in report["findings"][0]["message"]
    assert status == (key in ("empty_caption", "invalid_utf8"))


@pytest.mark.parametrize("words", ["UN CAFÉ… À GAUCHE, «L'ÉTÉ» ET LÀ", "Ein Mädchen läuft über die große Straße", "The café’s “door” – it’s open – costs 5 € or ½", "MAÇÃ», SÃO PAULO e coração de mãe",
                                   "Þórður ætlar að færa Æsu á bát", "The child’s kite 🪁 flies 👨‍👩‍👧 above them all", "Żółta łódź płynie po rzece obok domu",
                                   "A child in the snow, snow flies behind it"])
def test_what_looks_odd_but_is_right(clean, tmp_path, words):
    lines = captions()
    lines[10] = (lines[10][0], words)
    assert check(clean, "--captions", token(lines, tmp_path / "c.txt"))[1]["findings"] == []


def test_captions_of_pictures(clean, tmp_path):
    lines = [line for line in captions() if line[0] != "3.jpg"]
    del lines[1]                                                # 0.jpg has two now
    lines += [("nowhere.jpg", f"A thing that is not there, {i}") for i in range(3)]
    lines += [("4.jpg", "The same words of two pictures here"), ("5.jpg", "the SAME words of two pictures here .")]
    lines += [("6.jpg", "Said twice of this picture here"), ("6.jpg", "Said twice of this picture here!")]
    file = token(lines, tmp_path / "c.txt")
    with open(file, "ab") as f:
        f.write(b"no tab in this line\n")
    status, report, _ = check(clean, "--captions", file)
    assert status == 1 and found(report) == {("missing_caption", "3.jpg"), ("few_captions", "0.jpg"), ("orphan_caption", "nowhere.jpg"), ("repeated_caption", "4.jpg#3"), ("repeated_caption", "5.jpg#3"),
                                             ("caption_twice", "6.jpg#4"), ("unreadable_caption", f"#line {len(lines) + 1}")}


def test_same_beginning(clean, tmp_path):
    lines = [(n, "A photo that shows " + w) if i % 2 else (n, w) for i, (n, w) in enumerate(captions())]
    report = check(clean, "--captions", token(lines, tmp_path / "c.txt"))[1]
    assert found(report) == {("same_beginning", "")} and "24 of 48 captions begin with 'a photo that shows'" in report["findings"][0]["message"]
    assert check(clean, "--captions", tmp_path / "c.txt", "--set", "same_beginning=0.6")[1]["findings"] == []


def write(kind, folder):
    lines = [(n, "" if i == 10 else w) for i, (n, w) in enumerate(captions()) if n != "7.jpg"] + [("gone.jpg", f"Something else is here, {k}") for k in range(3)]
    of = {}
    for name, words in lines:
        of.setdefault(name, []).append(words)
    file = folder / f"captions-{kind}"
    if kind == "karpathy":
        file.write_text(json.dumps({"images": [{"filename": n, "split": "train", "sentences": [{"raw": w} for w in ws]} for n, ws in of.items()]}))
    elif kind == "coco":
        file.write_text(json.dumps({"images": [{"id": i, "file_name": n} for i, n in enumerate(of)], "annotations": [{"image_id": i, "caption": w} for i, ws in enumerate(of.values()) for w in ws]}))
    elif kind == "csv":
        file.write_text("image,caption\n" + "".join(f'{n},"{w}"\n' for n, w in lines))
    elif kind == "jsonl":
        file.write_text("".join(json.dumps({"path": n, "description": w}) + "\n" for n, w in lines))
    else:
        for name, ws in of.items():
            path = file / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".txt").write_text("\n".join(w for w in ws if w))
    return file


@pytest.mark.parametrize("kind", ["karpathy", "coco", "csv", "jsonl", "sidecar"])
def test_every_format(clean, tmp_path, kind):
    status, report, _ = check(clean, "--captions", write(kind, tmp_path))
    gone = "gone" if kind == "sidecar" else "gone.jpg"
    empty = ("few_captions", "3.jpg") if kind == "sidecar" else ("empty_caption", "3.jpg#1")  # a line that is not there
    assert status == 1 and found(report) == {("missing_caption", "7.jpg"), ("orphan_caption", gone), empty}


def test_reports_show_captions(clean, tmp_path):
    lines = captions()
    lines[10] = (lines[10][0], "<b>A cafÃ©</b> & more of it in the street")
    token(lines, tmp_path / "c.txt")
    r = run("check", clean, "--index", "none", "--captions", tmp_path / "c.txt", "--report", f"html={tmp_path}/p.html", "--report", f"junit={tmp_path}/j.xml")
    assert r.status == 0 and "16 pictures" in r.out and "48 captions" in r.out and "mojibake" in r.out
    page = (tmp_path / "p.html").read_text()
    assert "&lt;b&gt;A cafÃ©&lt;/b&gt; &amp;" in page and "<b>A caf" not in page and page.count("data:image/jpeg") == 1
    assert 'name="mojibake"' in (tmp_path / "j.xml").read_text()


def test_settings_beside_the_data(clean, tmp_path):
    token(captions()[:-1], clean / "c.txt")
    (clean / "opis-check.yaml").write_text("captions: c.txt\nfail_on: [few_captions]\n")
    status, report, _ = check(clean)
    assert status == 1 and found(report) == {("few_captions", "sub/7.png")}


@pytest.mark.parametrize("content, status, words", [
    (b"x\t" + b"word " * 210000 + b"\n", 1, ""), (b"\x00" * 5000, 3, "captions"), (b"[" * 100000, 3, "nested deeper"), (b'{"a": ' * 5000 + b"1" + b"}" * 5000, 3, "nested deeper"), (b"", 1, ""),
    (b'[{"path": "0.jpg", "caption": ', 3, "broken JSON"), (b"0.jpg\tA" + b"\x00B" * 1000 + b"\n", 1, "")], ids=["megabyte", "nul", "brackets", "objects", "empty", "cut", "nuls"])
def test_hostile_captions(clean, tmp_path, content, status, words):
    (tmp_path / "c").write_bytes(content)
    r = run("check", clean, "--index", "none", "--captions", tmp_path / "c")
    assert r.status == status and words in r.err and "AddressSanitizer" not in r.err


def test_no_caption_file(clean, tmp_path):
    r = run("check", clean, "--index", "none", "--captions", tmp_path / "none.txt")
    assert r.status == 3 and "none.txt" in r.err
