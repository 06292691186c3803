"""opis eval: what it prints, writes and refuses."""
import json
import re

import pytest
from conftest import PHOTOS, run

REFERENCES = "a.jpg#0\tA dog runs on the beach .\na.jpg#1\tThe brown dog is running in the sand\nb.jpg#0\tTwo cats sleep in a box\nb.jpg#1\tcats sleeping in a carton\nc.jpg#0\ta man rides a wave\n"
GOOD = {"a.jpg": "a dog is running on the beach", "b.jpg": "two cats are sleeping in a box", "c.jpg": "a man riding a wave"}
METRICS = ["BLEU_1", "BLEU_2", "BLEU_3", "BLEU_4", "ROUGE_L", "CIDEr"]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "refs.txt").write_text(REFERENCES)
    (tmp_path / "good.jsonl").write_text("".join(json.dumps({"path": k, "description": v}) + "\n" for k, v in GOOD.items()))
    (tmp_path / "bad.csv").write_text("path,description\r\na.jpg,a red bus\r\nb.jpg,a red bus\r\nc.jpg,a red bus\r\n")
    return tmp_path


def ev(files, *args):
    return run("eval", "--references", "refs.txt", *args, cwd=files)


def test_text(files):
    r = ev(files, "--predictions", "good.jsonl")
    assert r.status == 0 and r.err == ""
    assert r.out.startswith("3 pictures, 5 references (refs.txt), predictions: good.jsonl\n")
    for name in METRICS:
        assert re.search(rf"^{name} +\d+\.\d{{4}} +\d+\.\d{{4}} \.\. +\d+\.\d{{4}}$", r.out, re.M)
    assert "3 of 3 descriptions differ" in r.out


def test_json(files):
    o = json.loads(ev(files, "--predictions", "good.jsonl", "--format", "json").out)
    assert set(METRICS) < set(o) and set(o["confidence"]) == set(METRICS)
    assert all(o["confidence"][m][0] <= o[m] <= o["confidence"][m][1] for m in METRICS)
    assert (o["pictures"], o["references"], o["unused_predictions"], o["different_descriptions"]) == (3, 5, 0, 3)
    assert set(o["per_picture"]) == set(GOOD)
    assert o["per_picture"]["c.jpg"]["words"] == "a man riding a wave"
    assert o["BLEU_1"] > 0.8 and 0 < o["distinct_2"] <= 1 and o["vocabulary"] == 16
    assert sum(p["CIDEr"] for p in o["per_picture"].values()) / 3 == pytest.approx(o["CIDEr"], abs=1e-12)


def test_same_answer_twice(files):
    assert ev(files, "--predictions", "good.jsonl", "--format", "json").bytes == ev(files, "--predictions", "good.jsonl", "--format", "json").bytes


def test_no_samples(files):
    o = json.loads(ev(files, "--predictions", "good.jsonl", "--format", "json", "--samples", "0").out)
    assert "confidence" not in o


def test_compare(files):
    o = json.loads(ev(files, "--predictions", "good.jsonl", "--compare", "bad.csv", "--format", "json").out)["compare"]
    assert o["better"] == 3 and o["worse"] == 0
    assert o["difference"]["BLEU_1"] > 0.5 and 0 < o["p"]["BLEU_1"] <= 1
    assert "better on 3 pictures and worse on 0" in ev(files, "--predictions", "good.jsonl", "--compare", "bad.csv").out


def test_page(files, photos):
    (files / "refs.txt").write_text("".join(f"{p}\twords <b>about</b> {p}\n" for p in PHOTOS))
    (files / "p.csv").write_text("path,description\r\n" + "".join(f"{p},<script>alert(1)</script>\r\n" for p in PHOTOS))
    r = ev(files, "--predictions", "p.csv", "--html", "page.html", "--images", photos)
    assert r.status == 0
    page = (files / "page.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 2 * len(PHOTOS)  # best and worst
    assert "<script" not in page and "&lt;script&gt;" in page and "http" not in page.replace("http-equiv", "")


def test_describe_and_score_in_one_go(files, photos):
    (files / "refs.txt").write_text("".join(f"{p}\ta photograph of something\n" for p in PHOTOS))
    r = ev(files, "--images", photos, "--beams", "2", "--max-length", "12", "--format", "json", "-o", "kept.jsonl")
    assert r.status == 0, r.err
    o = json.loads(r.out)
    kept = [json.loads(line) for line in (files / "kept.jsonl").read_text().splitlines()]
    assert {k["path"].rsplit("/")[-1]: k["description"] for k in kept} == {k: v["prediction"] for k, v in o["per_picture"].items()}
    described = run("describe", "--beams", "2", "--max-length", "12", "--format", "jsonl", *[photos / p for p in PHOTOS]).lines
    assert [d["description"] for d in described] == [k["description"] for k in kept]
    again = json.loads(ev(files, "--predictions", "kept.jsonl", "--format", "json").out)
    assert all(again[m] == o[m] for m in METRICS)


@pytest.mark.parametrize("args, status, words", [
    (["--predictions", "none.jsonl"], 3, "none.jsonl"),
    (["--predictions", "short.csv"], 3, "no prediction for 2 of 3 pictures: b.jpg, c.jpg"),
    (["--predictions", "twice.csv"], 3, "second prediction for a.jpg"),
    (["--predictions", "broken.json"], 3, "broken.json: line 1"),
    (["--images", "nowhere"], 3, "none of the pictures"),
    ([], 2, "neither --predictions nor --images"),
    (["--predictions", "good.jsonl", "--beams", "3"], 2, "nothing is described"),
    (["--predictions", "good.jsonl", "--samples", "1"], 2, "--samples"),
    (["--predictions", "good.jsonl", "more"], 2, "operands"),
    (["--predictions", "good.jsonl", "--html", "no/such/folder.html"], 3, "no/such"),
])
def test_errors(files, args, status, words):
    (files / "short.csv").write_text("path,description\r\na.jpg,a dog\r\n")
    (files / "twice.csv").write_text("path,description\r\na.jpg,a dog\r\na.jpg,a cat\r\nb.jpg,x\r\nc.jpg,x\r\n")
    (files / "broken.json").write_text('[{"path": "a.jpg", ')
    r = ev(files, *args)
    assert r.status == status and words in r.err, r.err


def test_failed_descriptions_are_missing_ones(files):
    (files / "failed.jsonl").write_text('{"path": "a.jpg", "description": "a"}\n{"path": "b.jpg", "error": {"code": "OPIS_EFORMAT", "message": "broken"}}\n{"path": "c.jpg", "description": "c"}\n')
    r = ev(files, "--predictions", "failed.jsonl")
    assert r.status == 3 and "1 of 3 pictures: b.jpg" in r.err
