# venv: transformers
"""opis-small against its referee (models/reference.py: the encoder in PyTorch joined to Transformers' decoder and search).

Always: the committed GGUF, its weights widened to float32 on both sides. Where the hub folder (OPIS_SMALL_HUB) and photographs (OPIS_PHOTOS) are on the machine: that folder in float32, every case that
came with it, and 200 photographs."""
import json
import os
import pathlib
import subprocess
import sys

import gguf
import pytest
import safetensors.torch
import torch
import transformers
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "models"))
import reference  # noqa: E402 (registers efficientnet-lite with Transformers)

OPIS = os.environ["OPIS"]
PICTURES = ROOT / "tests" / "golden" / "pictures"
HUB = pathlib.Path(os.environ.get("OPIS_SMALL_HUB", ROOT.parent / "shared/models/opis-small"))
PHOTOS = pathlib.Path(os.environ.get("OPIS_PHOTOS", ROOT.parent / "shared/data/flickr8k/images"))
COUNT = 1000 if os.environ.get("OPIS_INTEROP") == "full" else 200
NAMES = {"num_beams": "beams", "no_repeat_ngram_size": "no-repeat-ngram", "num_return_sequences": "candidates"}
transformers.logging.set_verbosity_error()
torch.set_num_threads(2)


def describe(model, pictures, *flags):
    done = subprocess.run([OPIS, "describe", "-m", model, "--precision", "f32", "--format", "jsonl", *flags, *pictures], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def widened(path, folder):
    """The committed GGUF as the hub folder that it was made from, its weights widened to float32."""
    rows = folder / "rows.gguf"
    subprocess.run([OPIS, "model", "convert", path, "-o", rows, "--layout", "rows"], check=True)
    reader = gguf.GGUFReader(rows)
    for key, field in reader.fields.items():
        if key.startswith("opis.file."):
            (folder / key.removeprefix("opis.file.")).write_bytes(bytes(field.parts[-1]))
    weights = {}
    for t in reader.tensors:
        w = torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy())
        weights[t.name.removesuffix(".t")] = w.T.contiguous() if t.name.endswith(".t") else w
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    rows.unlink()
    return folder


def referee(model, processor, path, **options):
    pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values
    with torch.no_grad():
        out = model.generate(pixels, **options, return_dict_in_generate=True, output_scores=True)
    rows = []
    for row in out.sequences.tolist():
        ends = [i for i in range(1, len(row)) if row[i] == model.generation_config.eos_token_id]
        rows.append(row[: ends[0] + 1] if ends else row)
    return rows, out.get("sequences_scores")


@pytest.fixture(scope="module")
def hub():
    if not HUB.is_dir():
        pytest.skip(f"no hub folder of opis-small at {HUB} (OPIS_SMALL_HUB)")
    return reference.load(HUB)


def test_every_case_that_came_with_the_model(hub):
    expected = json.loads((HUB / "expected.json").read_text())
    wrong = []
    for case in expected["cases"]:
        flags = []
        for key, value in case["options"].items():
            if key == "early_stopping":
                flags += [] if value is False else ["--early-stopping" + ("=never" if value == "never" else "")]
            else:
                flags += ["--" + NAMES.get(key, key.replace("_", "-")), str(value)]
        [o] = describe(HUB, [PICTURES / case["image"]], *flags)
        rows = [row[: row.index(0, 1) + 1] if 0 in row[1:] else row for row in case["sequences"]]
        scores = case.get("sequences_scores") or []
        if [c["tokens"] for c in o["candidates"]] != rows or any(abs(s - c["score"]) > 1e-4 for s, c in zip(scores, o["candidates"])):
            wrong.append((case["image"], case["options"], rows, o["candidates"]))
    assert expected["cases"] and not wrong, wrong[0]


def test_photographs(hub):
    if not PHOTOS.is_dir():
        pytest.skip(f"no photographs at {PHOTOS} (OPIS_PHOTOS)")
    model, _, processor = hub
    paths = sorted(PHOTOS.glob("*.jpg"))
    paths = paths[:: max(1, len(paths) // COUNT)][:COUNT]
    answers = describe(HUB, paths)
    exact, differ = None, []
    for path, o in zip(paths, answers):
        rows, scores = referee(model, processor, path)
        if [o["tokens"]] == rows and abs(o["score"] - float(scores[0])) <= 1e-4:
            continue
        exact = exact or reference.load(HUB)[0].double()  # a tie of float32 is decided in float64
        pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values.double()
        with torch.no_grad():
            row = exact.generate(pixels)[0].tolist()
        if o["tokens"] != (row[: row.index(0, 1) + 1] if 0 in row[1:] else row):
            differ.append((path.name, o["tokens"], rows))
    assert len(answers) == len(paths) and not differ, f"{len(differ)} of {len(paths)}: {differ[0]}"


def test_the_committed_file_widened(tmp_path):
    committed = ROOT / "models" / "opis-small.gguf"
    model, _, processor = reference.load(widened(committed, tmp_path))
    paths = [PICTURES / n for n in ("astronaut.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg", "rgb.png", "gray.png")]
    for path, o in zip(paths, describe(committed, paths)):
        rows, scores = referee(model, processor, path)
        assert [o["tokens"]] == rows and abs(o["score"] - float(scores[0])) <= 1e-4, (path.name, o["tokens"], rows)


def test_the_committed_file_is_what_the_folder_gives(hub, tmp_path):
    made = tmp_path / "opis-small.gguf"
    subprocess.run([OPIS, "model", "convert", HUB, "-o", made, "--type", "q8_0"], check=True)
    assert made.read_bytes() == (ROOT / "models" / "opis-small.gguf").read_bytes()
