"""Every golden model: the tokens, scores and texts that Transformers gives, and what its encoder sees and says."""
import json
import struct

import pytest
from conftest import GOLDEN, PICTURES, run
from test_describe import read_safetensors

FAMILIES = [f.parent.name for f in sorted([*GOLDEN.glob("*/model.safetensors"), *GOLDEN.glob("*/pytorch_model.bin")])]
FLAGS = {
    "max_length": "--max-length",
    "min_length": "--min-length",
    "num_beams": "--beams",
    "length_penalty": "--length-penalty",
    "no_repeat_ngram_size": "--no-repeat-ngram",
    "repetition_penalty": "--repetition-penalty",
    "num_return_sequences": "--candidates",
}


def flags(options):
    out = []
    for key, value in options.items():
        if key == "early_stopping":
            out += {True: ["--early-stopping"], False: ["--early-stopping=false"], "never": ["--early-stopping=never"]}[value]
        else:
            out += [FLAGS[key], value]
    return out


def expected(family):
    return json.loads((GOLDEN / family / "expected.json").read_text())


def until_end(row, n_prompt, ends):
    """A row of `sequences` without the padding after its first end token."""
    for i in range(n_prompt, len(row)):
        if row[i] in ends:
            return row[: i + 1]
    return row


def ends_of(family):
    config = json.loads((GOLDEN / family / "config.json").read_text())
    end = config["text_config"]["sep_token_id"] if "text_config" in config else config["eos_token_id"]
    return end if isinstance(end, list) else [end]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_case(family):
    ends, wrong = ends_of(family), []
    groups = {}
    for case in expected(family)["cases"]:
        groups.setdefault((case["prompt"], json.dumps(case["options"])), []).append(case)
    for (prompt, options), cases in groups.items():
        args = flags(json.loads(options)) + (["--prompt", prompt] if prompt else [])
        r = run("describe", "-m", GOLDEN / family, "--format", "jsonl", *args, *[PICTURES / c["image"] for c in cases])
        assert r.status == 0, r.err
        for case, o in zip(cases, r.lines):
            n_prompt = max(1, len(case.get("input_ids") or []) - family.startswith("blip"))  # BLIP is fed its prompt without the last [SEP]
            rows = [until_end(row, n_prompt, ends) for row in case["sequences"]]
            if [c["tokens"] for c in o["candidates"]] != rows or [c["description"] for c in o["candidates"]] != [t.strip() for t in case["texts"]]:
                wrong.append((case["image"], prompt, options, rows, o["candidates"]))
            for score, c in zip(case.get("sequences_scores") or [], o["candidates"]):
                if abs(score - c["score"]) > 1e-4:
                    wrong.append((case["image"], prompt, options, score, c["score"]))
    assert not wrong, f"{len(wrong)} wrong, the first: {wrong[0]}"


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_and_encoder(family, tmp_path):
    images = expected(family)["images"]
    out = tmp_path / "dump.safetensors"
    assert run("describe", "-m", GOLDEN / family, "--beams", 1, "--max-length", 4, "--dump", out, *[PICTURES / i for i in images]).status == 0
    mine, theirs = read_safetensors(out), read_safetensors(GOLDEN / family / "expected.safetensors")
    for name in ("pixel_values", "encoder_last_hidden_state"):
        assert mine[name][:2] == theirs[name][:2]
        n = len(mine[name][2]) // 4
        a, b = struct.unpack(f"<{n}f", mine[name][2]), struct.unpack(f"<{n}f", theirs[name][2])
        worst = max(abs(x - y) for x, y in zip(a, b))
        assert worst <= (1e-6 if name == "pixel_values" else 1e-3 * max(map(abs, b)))


@pytest.mark.parametrize("kind", ["generic", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon", "neon-dotprod"])
def test_every_kind_of_processor_says_the_same(kind):
    r = run("describe", "-m", GOLDEN / "vit-gpt2", "--format", "jsonl", PICTURES / "cat.jpg", "--beams", 4, "--max-length", 16, env={"OPIS_CPU": kind})
    if r.status == 3 and "OPIS_CPU" in r.err:
        pytest.skip(f"this processor has no {kind}")
    case = next(c for c in expected("vit-gpt2")["cases"] if c["image"] == "cat.jpg" and c["options"] == {"max_length": 16, "num_beams": 4})
    assert r.lines[0]["tokens"] == until_end(case["sequences"][0], 1, ends_of("vit-gpt2"))


def test_the_same_bits_with_and_without_matrix_units():
    """The model inside the program is too small for bf16: its scores are the same to the last digit."""
    answers = []
    for kind in ("avx512vnni", "amx"):
        r = run("describe", "--format", "jsonl", PICTURES / "cat.jpg", env={"OPIS_CPU": kind})
        if r.status == 3 and "OPIS_CPU" in r.err:
            pytest.skip(f"this processor has no {kind}")
        answers.append([(c["tokens"], c["score"]) for c in r.lines[0]["candidates"]])
    assert answers[0] == answers[1]


def answers(model, family, precision=(), kind=None):
    pictures = [PICTURES / i for i in expected(family)["images"]]
    r = run("describe", "-m", model, "--format", "jsonl", *precision, *pictures, env={"OPIS_CPU": kind} if kind else {})
    if kind and r.status == 3 and "OPIS_CPU" in r.err:
        pytest.skip(f"this processor has no {kind}")
    assert r.status == 0, r.err
    return [[(c["tokens"], c["score"]) for c in o["candidates"]] for o in r.lines]


@pytest.mark.parametrize("layout", ["panels", "rows"])
@pytest.mark.parametrize("family", FAMILIES)
def test_converted_to_f32_gguf_says_the_same(family, layout, tmp_path):
    gguf = tmp_path / "m.gguf"
    assert run("model", "convert", GOLDEN / family, "-o", gguf, "--type", "f32", "--layout", layout).status == 0
    assert answers(GOLDEN / family, family) == answers(gguf, family)


@pytest.mark.parametrize("kind", ["generic", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon", "neon-dotprod"])
@pytest.mark.parametrize("stored", ["f32", "f16", "q8_0"])
@pytest.mark.parametrize("family", FAMILIES)
def test_panels_say_what_rows_say(family, stored, kind, tmp_path):
    """To the last bit, however it is computed: only the order of the bytes differs."""
    files = [tmp_path / f"{layout}.gguf" for layout in ("panels", "rows")]
    for f in files:
        assert run("model", "convert", GOLDEN / family, "-o", f, "--type", stored, "--layout", f.stem).status == 0
    for precision in ("f32", "q8"):
        panels, rows = (answers(f, family, ["--precision", precision], kind) for f in files)
        assert panels == rows


@pytest.mark.parametrize("stored", ["f32", "f16", "q8_0"])
@pytest.mark.parametrize("family", FAMILIES)
def test_from_panels_back_to_rows(family, stored, tmp_path):
    """The same bytes as at once; and of panels in panels again nothing changes. A file is named in itself, so all of them are called alike."""
    def convert(model, folder, layout):
        (tmp_path / folder).mkdir()
        out = tmp_path / folder / f"{family}.gguf"
        assert run("model", "convert", model, "-o", out, "--type", stored, "--layout", layout).status == 0
        return out

    rows, panels = convert(GOLDEN / family, "rows", "rows"), convert(GOLDEN / family, "panels", "panels")
    assert rows.read_bytes() != panels.read_bytes()
    assert convert(panels, "back", "rows").read_bytes() == rows.read_bytes()
    assert convert(rows, "and forth", "panels").read_bytes() == panels.read_bytes()
    assert convert(panels, "again", "panels").read_bytes() == panels.read_bytes()
    assert run("model", "info", panels).out.replace(str(panels), "").split("sha256")[0] == run("model", "info", rows).out.replace(str(rows), "").split("sha256")[0]
    assert run("model", "verify", panels).status == 0
