"""Models that lie: broken or absurd safetensors, GGUF and configuration files end with a clear error and status 3, never with a crash or with memory taken on a file's word."""
import json
import random
import re
import resource
import shutil
import struct
import subprocess

import pytest
from conftest import GOLDEN, OPIS, PICTURES

BASE = GOLDEN / "vit-gpt2"
PICTURE = PICTURES / "rgb.png"


def short(text):
    """A test's name goes into the environment of what it starts: not megabytes of it."""
    return f"{text[:20]!r}-{len(text)}" if isinstance(text, bytes) else str(text)


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def describe(model):
    """(status, stderr), with an address space of 4 GiB: a size that a file claims cannot be taken unseen."""
    done = subprocess.run([OPIS, "describe", "-m", model, "--max-length", "4", PICTURE], capture_output=True, text=True, preexec_fn=bounded, timeout=60)
    assert done.returncode >= 0, f"killed by signal {-done.returncode}"
    return done.returncode, done.stderr


def refused(model, *words):
    status, err = describe(model)
    assert status == 3, (status, err)
    assert err.startswith("opis: ") and err.count("\n") <= 3, err
    for word in words:
        assert word in err, err
    return err


@pytest.fixture
def folder(tmp_path):
    """A copy of the golden model."""
    copy = tmp_path / "model"
    shutil.copytree(BASE, copy)
    for f in copy.iterdir():
        f.chmod(0o644)
    return copy


def split(path):
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + n]), data[8 + n :]


def join(path, header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


NAME = "decoder.transformer.h.0.attn.c_attn.weight"


def test_the_copy_works(folder):
    assert describe(folder)[0] == 0


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100, 5000, -1])
def test_truncated_safetensors(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    refused(folder, "model.safetensors")


LIES = {
    "past the end": lambda t: t.update(data_offsets=[t["data_offsets"][0], 1 << 40]),
    "beyond 64 bits": lambda t: t.update(data_offsets=[0, 1 << 70]),
    "negative offset": lambda t: t.update(data_offsets=[-8, t["data_offsets"][1]]),
    "backwards": lambda t: t.update(data_offsets=t["data_offsets"][::-1]),
    "overlapping": lambda t: t.update(data_offsets=[t["data_offsets"][0] - 4, t["data_offsets"][1] - 4]),
    "one offset": lambda t: t.update(data_offsets=[0]),
    "offsets of text": lambda t: t.update(data_offsets=["0", "9"]),
    "unknown type": lambda t: t.update(dtype="F7"),
    "type of another size": lambda t: t.update(dtype="F16"),
    "type is a number": lambda t: t.update(dtype=5),
    "integers for weights": lambda t: t.update(dtype="I32"),
    "wrong shape": lambda t: t.update(shape=t["shape"][::-1]),
    "more elements": lambda t: t.update(shape=[1 << 40, 1 << 40]),
    "product overflows": lambda t: t.update(shape=[1 << 32, 1 << 32]),
    "negative dimension": lambda t: t.update(shape=[-1, -1]),
    "zero dimension": lambda t: t.update(shape=[0, 0], data_offsets=[0, 0]),
    "a thousand dimensions": lambda t: t.update(shape=[1] * 1000),
    "no shape": lambda t: t.pop("shape"),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lying_safetensors(folder, lie):
    path = folder / "model.safetensors"
    header, body = split(path)
    LIES[lie](header[NAME])
    join(path, header, body)
    refused(folder)


def test_missing_tensor_is_named(folder):
    path = folder / "model.safetensors"
    header, body = split(path)
    header["other"] = header.pop(NAME)
    join(path, header, body)
    refused(folder, NAME)


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"null", b"{" * 100000, b'{"a":' * 100000, b'{"\xff\xfe": {}}', b"\x00" * 64, b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'], ids=short)
def test_headers_that_are_none(folder, header):
    join(folder / "model.safetensors", header, b"1234")
    refused(folder)


def test_header_length_beyond_the_file(folder):
    for length in (1 << 63, (1 << 64) - 1, 1 << 40, (1 << 64) - 8):
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
        refused(folder, "model.safetensors")


ABSURD = [0, -1, 1, 7, 1 << 31, 1 << 53, 1e300, 1.5, "768", None, [], {}, True]
KEYS = [
    ("encoder", "hidden_size"), ("encoder", "num_hidden_layers"), ("encoder", "num_attention_heads"), ("encoder", "intermediate_size"), ("encoder", "image_size"), ("encoder", "patch_size"),
    ("encoder", "num_channels"), ("encoder", "layer_norm_eps"), ("encoder", "hidden_act"), ("decoder", "n_embd"), ("decoder", "n_layer"), ("decoder", "n_head"), ("decoder", "n_positions"),
    ("decoder", "vocab_size"), ("decoder", "n_inner"), ("decoder", "activation_function"), (None, "encoder"), (None, "decoder"), 
]  # fmt: skip


@pytest.mark.parametrize("part,key", KEYS)
def test_absurd_numbers_in_the_configuration(folder, part, key):
    """Some are harmless (a default stands for null, 1.0 for 1): those describe; the rest is refused. Nothing crashes."""
    config = json.loads((BASE / "config.json").read_text())
    answers = set()
    for value in ABSURD:
        changed = json.loads(json.dumps(config))
        (changed[part] if part else changed)[key] = value
        (folder / "config.json").write_text(json.dumps(changed))
        status, err = describe(folder)
        assert status in (0, 3), (value, status, err)
        assert status == 0 or err.startswith("opis: "), (value, err)
        answers.add(status)
    assert 3 in answers, "no value was refused"


@pytest.mark.parametrize("name,key", [("generation_config.json", k) for k in ("max_length", "num_beams", "length_penalty", "no_repeat_ngram_size", "eos_token_id", "decoder_start_token_id")] + [("preprocessor_config.json", k) for k in ("size", "image_mean", "image_std", "resample", "rescale_factor", "crop_size", "do_resize")])
def test_absurd_numbers_beside_the_configuration(folder, name, key):
    path = folder / name
    base = json.loads(path.read_text()) if path.exists() else {}
    for value in [*ABSURD, {"height": 1 << 31, "width": 3}, {"height": 0, "width": 0}, {"shortest_edge": -4}, [0, 0, 0], [1e39, 1, 1]]:
        path.write_text(json.dumps({**base, key: value}))
        status, err = describe(folder)
        assert status in (0, 1, 3), (value, status, err)
        assert status == 0 or err.startswith("opis: "), (value, err)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "preprocessor_config.json", "vocab.json", "tokenizer_config.json"])
@pytest.mark.parametrize("text", [b"", b"{", b"[" * 200000, b'{"a":' * 200000, b"\xff\xfe\x00", b"nan", b'{"encoder": 5}'], ids=short)
def test_files_that_are_no_json(folder, name, text):
    (folder / "tokenizer.json").unlink(missing_ok=True)
    (folder / name).write_bytes(text)
    status, err = describe(folder)
    assert status in ((0, 3) if text == b'{"encoder": 5}' or name == "tokenizer_config.json" else (3,)), (status, err)


def test_unsupported_model_says_what_it_is(folder):
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava"}))
    refused(folder, "LlavaForConditionalGeneration")


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    subprocess.run([OPIS, "model", "convert", BASE, "-o", path, "--type", "q8_0"], check=True)
    return path.read_bytes()


@pytest.mark.parametrize("at,value", [(0, b"GGML"), (4, struct.pack("<I", 1)), (4, struct.pack("<I", 999)), *[(at, struct.pack("<Q", v)) for at in (8, 16, 24) for v in (1 << 63, (1 << 64) - 1, 1 << 32, 0)]])
def test_lying_gguf(gguf, tmp_path, at, value):
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf[:at] + value + gguf[at + len(value) :])
    refused(path)


@pytest.mark.parametrize("size", [0, 3, 4, 8, 23, 24, 25, 100, 1000, 20000, -1, -100])
def test_truncated_gguf(gguf, tmp_path, size):
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf[:size])
    refused(path)


@pytest.mark.parametrize("seed", range(4))
def test_gguf_with_bytes_changed(gguf, tmp_path, seed):
    """Anywhere in the part that says what is where: an answer or an error, and no crash."""
    r, path = random.Random(seed), tmp_path / "m.gguf"
    first = gguf.find(b"decoder.transformer")
    for _ in range(50):
        data = bytearray(gguf)
        for _ in range(r.randint(1, 4)):
            data[r.randrange(4, 200) if r.random() < 0.3 else r.randrange(first, first + 8000)] = r.randrange(256)
        path.write_bytes(data)
        status, err = describe(path)
        assert status in (0, 1, 3), (status, err)


def a_matrix(data):
    """Where in a GGUF file the record of a matrix stands, behind its name: the number of dimensions, these, the type, the offset."""
    return re.search(rb"decoder\.transformer\.h\.0\.attn\.c_attn\.weight[.t]*(?=\x02\0\0\0)", data).end()


GGUF_LIES = {
    "offset past the end": lambda d, at, n: struct.pack_into("<Q", d, at + 8 + 8 * n, 1 << 40),
    "offset wraps around": lambda d, at, n: struct.pack_into("<Q", d, at + 8 + 8 * n, (1 << 64) - 32),
    "offset between alignments": lambda d, at, n: struct.pack_into("<Q", d, at + 8 + 8 * n, 1),
    "overlapping": lambda d, at, n: struct.pack_into("<Q", d, at + 8 + 8 * n, 0),
    "unknown type": lambda d, at, n: struct.pack_into("<I", d, at + 4 + 8 * n, 99),
    "type of another size": lambda d, at, n: struct.pack_into("<I", d, at + 4 + 8 * n, 0),
    "no dimensions": lambda d, at, n: struct.pack_into("<I", d, at, 0),
    "a thousand dimensions": lambda d, at, n: struct.pack_into("<I", d, at, 1000),
    "zero dimension": lambda d, at, n: struct.pack_into("<Q", d, at + 4, 0),
    "product overflows": lambda d, at, n: struct.pack_into("<QQ", d, at + 4, 1 << 32, 1 << 32),
    "huge dimension": lambda d, at, n: struct.pack_into("<Q", d, at + 4, 1 << 62),
    "wrong shape": lambda d, at, n: struct.pack_into("<QQ", d, at + 4, *struct.unpack_from("<QQ", d, at + 4)[::-1]),
    "missing": lambda d, at, n: d.__setitem__(slice(at - 6, at), b"nobody"),
}


@pytest.mark.parametrize("lie", sorted(GGUF_LIES))
def test_a_gguf_that_lies_about_a_tensor(gguf, tmp_path, lie):
    data = bytearray(gguf)
    GGUF_LIES[lie](data, a_matrix(gguf), 2)
    (tmp_path / "m.gguf").write_bytes(data)
    refused(tmp_path / "m.gguf")


def panels(data):
    """Where in a GGUF file the height of its panels stands, and where the list of what stands so: its type, its length, its first entry."""
    height, tensors = (data.index(struct.pack("<Q", len(key)) + key) + 8 + len(key) + 4 for key in (b"opis.panels", b"opis.panels.tensors"))
    return height, tensors


def first_that_stands_in_rows(data, at):
    n = struct.unpack_from("<Q", data, at + 4)[0]
    return at + 12 + data[at + 12 : at + 12 + n].index(0)


PANEL_LIES = {
    "of another height": lambda d, height, at: struct.pack_into("<I", d, height, 8),
    "of a huge height": lambda d, height, at: struct.pack_into("<I", d, height, (1 << 32) - 16),
    "of no height": lambda d, height, at: struct.pack_into("<I", d, height, 0),
    "nothing said of the height": lambda d, height, at: d.__setitem__(height - 5, ord("x")),
    "nothing said of the tensors": lambda d, height, at: d.__setitem__(at - 5, ord("x")),
    "fewer than there are tensors": lambda d, height, at: struct.pack_into("<Q", d, at + 4, struct.unpack_from("<Q", d, at + 4)[0] - 1),
    "more than there are bytes": lambda d, height, at: struct.pack_into("<Q", d, at + 4, 1 << 62),
    "of numbers": lambda d, height, at: struct.pack_into("<I", d, at, 0),
    "of a vector": lambda d, height, at: d.__setitem__(first_that_stands_in_rows(d, at), 1),
}


@pytest.mark.parametrize("lie", sorted(PANEL_LIES))
def test_a_gguf_that_lies_about_its_panels(gguf, tmp_path, lie):
    data = bytearray(gguf)
    PANEL_LIES[lie](data, *panels(gguf))
    (tmp_path / "m.gguf").write_bytes(data)
    refused(tmp_path / "m.gguf", "panels" if "bytes" not in lie else "GGUF")
