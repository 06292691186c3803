"""opis bench: every field is there, numbers are numbers, and what it counts is what the model does. Nothing here looks at how fast the machine is."""
import json

import pytest
from conftest import GOLDEN, PICTURES, run

STAGES = ["decode", "encode", "generate", "picture"]


def bench(*args, **more):
    done = run("bench", "--repeat", "2", "--format", "json", *args, **more)
    assert done.status == 0, done.err
    return json.loads(done.out)


def test_json_has_every_field_and_positive_numbers():
    b = bench("--threads", "1")
    assert b["model"] == "opis-small" and b["family"] == "efficientnet-lite-gpt2" and b["precision"] == "q8"
    assert b["threads"] == 1 and b["repeat"] == 2 and b["processors"] >= 1 and b["parameters"] > 1e6 and b["tokens"] > 2
    assert b["cpu"] in run("version").out
    assert b["ms"]["load"] > 0
    for stage in STAGES:
        assert 0 < b["ms"][stage]["best"] <= b["ms"][stage]["median"]
    assert sum(b["ms"][s]["best"] for s in STAGES[:3]) <= b["ms"]["picture"]["median"] * 1.01
    assert b["captions_per_second"]["single"] > 0 and b["captions_per_second"]["batch"] > 0 and b["captions_per_second"]["batch_size"] > 1
    assert b["peak_memory_bytes"] > 10e6
    assert min(b["peak"].values()) > 0
    for part in ("encoder", "whole"):
        assert b[part]["f32_gflop"] + b[part]["q8_gop"] > 0 and b[part]["weights_gb"] > 0
        assert b[part]["roofline_ms"] > 0 and b[part]["roofline_share"] > 0 and b[part]["gops_per_second"] > 0
    assert b["whole"]["q8_gop"] > b["encoder"]["q8_gop"] and b["whole"]["weights_gb"] > b["encoder"]["weights_gb"]


def test_work_is_counted_by_its_kind_and_does_not_depend_on_threads_or_kernels():
    q8 = bench()
    f32 = bench("--precision", "f32", "--threads", "2")
    plain = bench(env={"OPIS_CPU": "generic"})
    assert f32["precision"] == "f32" and f32["whole"]["q8_gop"] == 0 and f32["encoder"]["q8_gop"] == 0
    assert f32["encoder"]["f32_gflop"] == pytest.approx(q8["encoder"]["f32_gflop"] + q8["encoder"]["q8_gop"], rel=1e-4)
    assert plain["cpu"] == "generic" and plain["encoder"]["f32_gflop"] == q8["encoder"]["f32_gflop"] and plain["whole"]["q8_gop"] == pytest.approx(q8["whole"]["q8_gop"], rel=1e-4)


def test_longer_searches_are_more_work():
    short, long = bench("--max-length", "3", "--beams", "1"), bench("--max-length", "8", "--beams", "4")
    assert long["whole"]["q8_gop"] > short["whole"]["q8_gop"] and long["encoder"]["f32_gflop"] == short["encoder"]["f32_gflop"]
    assert short["tokens"] <= 3 and long["tokens"] <= 8


def test_text_says_the_same_in_words():
    done = run("bench", "--repeat", "1", PICTURES / "cat.jpg", PICTURES / "coffee.jpg")
    assert done.status == 0
    names = [line.split()[0] for line in done.out.splitlines()]
    assert names == ["program", "model", "load", *STAGES, "captions", "memory", "encoder", "work", "machine"]


def test_other_models_and_pictures():
    model = next(p for p in sorted(GOLDEN.iterdir()) if (p / "config.json").exists())
    assert bench("-m", model, PICTURES / "cat.jpg")["model"] == model.name


@pytest.mark.parametrize("args, status, words", [
    (["--repeat", "0"], 2, "--repeat"),
    (["--format", "yaml"], 2, "--format"),
    (["--beams", "0"], 2, "--beams"),
    (["-m", "no-such-model"], 3, "no-such-model"),
    (["missing.jpg"], 3, "missing.jpg"),
    ([__file__], 3, "test_bench.py"),
])
def test_what_cannot_be_measured_is_said(args, status, words):
    done = run("bench", *args)
    assert done.status == status and words in done.err and done.err.startswith("opis: ") and not done.out


def test_the_processor_that_is_asked_for_must_be_there():
    assert run("bench", env={"OPIS_CPU": "abacus"}).status == 2
