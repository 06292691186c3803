"""pytorch_model.bin in every form that torch.save has given it, and the forms that are meant to harm."""
import json
import pickle
import shutil
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch_bin
from conftest import GOLDEN, PICTURES, run
from torch_bin import Storage, Tensor

SOURCE = GOLDEN / "blip"
PHOTOS = [PICTURES / "cat.jpg", PICTURES / "coffee.jpg"]


@pytest.fixture
def folder(tmp_path):
    """The golden BLIP model without its weights."""
    for f in SOURCE.iterdir():
        if f.suffix not in (".safetensors",) and f.name != "expected.json":
            shutil.copy(f, tmp_path / f.name)
    return tmp_path


@pytest.fixture(scope="module")
def weights():
    return torch_bin.read_safetensors(SOURCE / "model.safetensors")


@pytest.fixture(scope="module")
def answer():
    return words(SOURCE)


def words(model):
    r = run("describe", "-m", model, "--format", "jsonl", "--beams", 3, *PHOTOS)
    assert r.status == 0, r.err
    return [(o["tokens"], o["score"]) for o in r.lines]


def state_of(weights, **options):
    return OrderedDict((name, Tensor(Storage(kind, data), shape, **options)) for name, (kind, shape, data) in weights.items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("save", [torch_bin.save, torch_bin.save_legacy])
def test_protocols(folder, weights, answer, save, protocol):
    state = state_of(weights)
    state._metadata = OrderedDict({"": {"version": 1}})
    save(folder / "pytorch_model.bin", state, protocol)
    assert words(folder) == answer


def test_parameters_and_what_is_no_tensor(folder, weights, answer):
    state = dict(state_of(weights, parameter=True), epoch=3, name="x", rate=0.5, big=1 << 70, nothing=None, more=[1, (2, "3")])
    torch_bin.save(folder / "pytorch_model.bin", state, prefix="pytorch_model")
    assert words(folder) == answer


@pytest.mark.parametrize("save", [torch_bin.save, torch_bin.save_legacy])
def test_one_storage_for_all(folder, weights, answer, save):
    kinds = {"F32": b"", "I64": b""}
    places = {}
    for name, (kind, _, data) in weights.items():
        places[name] = len(kinds[kind]) // torch_bin.KINDS[kind][1]
        kinds[kind] += data
    storages = {kind: Storage(kind, data) for kind, data in kinds.items() if data}
    save(folder / "pytorch_model.bin", {name: Tensor(storages[kind], shape, offset=places[name]) for name, (kind, shape, _) in weights.items()})
    assert words(folder) == answer


def test_strides(folder, weights, answer):
    """Every matrix stored turned round, every vector with gaps."""
    state = {}
    for name, (kind, shape, data) in weights.items():
        each = torch_bin.KINDS[kind][1]
        cells = [data[i : i + each] for i in range(0, len(data), each)]
        if len(shape) == 2:
            rows, columns = shape
            turned = b"".join(cells[r * columns + c] for c in range(columns) for r in range(rows))
            state[name] = Tensor(Storage(kind, turned), shape, strides=(1, rows))
        elif len(shape) == 1:
            state[name] = Tensor(Storage(kind, b"".join(c + b"\xff" * each for c in cells)), shape, strides=(2,))
        else:
            state[name] = Tensor(Storage(kind, data), shape)
    torch_bin.save(folder / "pytorch_model.bin", state)
    assert words(folder) == answer


@pytest.mark.parametrize("kind", ["F64", "BF16", "F16"])
def test_other_types(folder, weights, kind):
    """The same numbers in another type; what they are rounded to is also stored as f32."""

    def convert(data):
        n = len(data) // 4
        floats = struct.unpack(f"<{n}f", data)
        if kind == "F64":
            return struct.pack(f"<{n}d", *floats), data
        if kind == "F16":
            half = struct.pack(f"<{n}e", *floats)
            return half, struct.pack(f"<{n}f", *struct.unpack(f"<{n}e", half))
        tops = [data[i + 2 : i + 4] for i in range(0, 4 * n, 4)]
        return b"".join(tops), b"".join(b"\0\0" + t for t in tops)

    there, plain = {}, {}
    for name, (k, shape, data) in weights.items():
        a, b = convert(data) if k == "F32" else (data, data)
        there[name] = Tensor(Storage(kind if k == "F32" else k, a), shape)
        plain[name] = Tensor(Storage(k, b), shape)
    torch_bin.save(folder / "pytorch_model.bin", plain)
    expected = words(folder)
    torch_bin.save(folder / "pytorch_model.bin", there)
    assert words(folder) == expected
    gguf = folder / "converted.gguf"
    assert run("model", "convert", folder, "-o", gguf, "--type", "f32").status == 0
    assert words(gguf) == expected


def test_shards(folder, weights, answer):
    names = sorted(weights)
    index = {}
    for i in range(3):
        file = f"pytorch_model-{i + 1:05}-of-00003.bin"
        torch_bin.save(folder / file, {n: Tensor(Storage(weights[n][0], weights[n][2]), weights[n][1]) for n in names[i::3]})
        index.update((n, file) for n in names[i::3])
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    assert words(folder) == answer
    assert "pytorch" in run("model", "info", folder).out
    (folder / "pytorch_model-00002-of-00003.bin").unlink()
    r = run("describe", "-m", folder, PHOTOS[0])
    assert r.status == 3 and "pytorch_model-00002-of-00003.bin" in r.err


def test_zip64_and_data_descriptors(folder, weights, answer, tmp_path):
    """Sizes in zip64 fields, and a stream that could not go back to write its sizes."""
    storages = []
    data = torch_bin.dump(state_of(weights), 2, storages, torch_bin._modules(), False)

    class Stream:
        def __init__(self, f):
            self.f = f

        def write(self, b):
            return self.f.write(b)

        def flush(self):
            self.f.flush()

    with open(folder / "pytorch_model.bin", "wb") as f, zipfile.ZipFile(Stream(f), "w") as z:
        for name, content in [("archive/data.pkl", data), *[(f"archive/data/{s.key}", s.data) for s in storages], ("archive/version", b"3\n")]:
            with z.open(name, "w", force_zip64=True) as e:
                e.write(content)
    assert words(folder) == answer


# ---- what is refused ----

ONE = {"a": Tensor(Storage("F32", bytes(16)), [2, 2])}


def refused(folder, *words_):
    r = run("model", "info", folder)
    assert r.status == 3, (r.out, r.err)
    assert "pytorch_model.bin" in r.err
    for w in words_:
        assert w in r.err, r.err


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


@pytest.mark.parametrize("stack_global", [False, True])
@pytest.mark.parametrize("module, name", [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("torch.storage", "_load_from_bytes"), ("torch", "load"), ("collections", "Counter")])
def test_nothing_is_run(folder, module, name, stack_global):
    mark = folder / "was-run"
    called = text(module) + text(name) + b"\x93" if stack_global else f"c{module}\n{name}\n".encode()
    torch_bin.save(folder / "pytorch_model.bin", ONE, pickled=b"\x80\x04}" + text("a") + called + text(f"touch {mark}") + b"\x85Rs.")
    refused(folder, f"{module}.{name}", "nothing in it was run")
    assert not mark.exists()


EVIL = {
    "a bomb of nested tuples": (b"\x80\x02" + b")" + b"\x85" * 100 + b".", "nested"),
    "a tower of lists": (b"\x80\x02" + b"]" * 100 + b"a" * 99 + b".", "nested"),
    "tuples that double": (b"\x80\x02)" + b"2\x86" * 40 + b".", "nested"),
    "an empty pickle": (b"", "broken"),
    "only a stop": (b"\x80\x02.", "broken"),
    "no state dict": (b"\x80\x02K\x07.", "no state dict"),
    "an empty dict": (b"\x80\x02}.", "no state dict"),
    "a pop of nothing": (b"\x80\x020.", "broken"),
    "marks without an end": (b"\x80\x02" + b"(" * 1000, "broken"),
    "a text past the end": (b"\x80\x02X\xff\xff\xff\x7fabc", "broken"),
    "a text of 2^64 bytes": (b"\x80\x04\x8d" + b"\xff" * 8 + b"abc", "broken"),
    "a memo at 2^32": (b"\x80\x02}r\xff\xff\xff\xff.", "broken"),
    "a memo that was never written": (b"\x80\x02h\x07.", "broken"),
    "an extension code": (b"\x80\x02\x82\x01.", "0x82"),
    "a text opcode of protocol 0": (b"I7\n.", "0x49"),
    "protocol 9": (b"\x80\x09}.", "protocol"),
    "a storage that is called": (b"\x80\x02ctorch\nFloatStorage\n)R.", "storage"),
    "a call of a number": (b"\x80\x02K\x07)R.", "no known global"),
    "a reference to nothing": (b"\x80\x02K\x07Q.", "no storage"),
    "a global with a newline missing": (b"\x80\x02cos", "broken"),
    "a global with escape codes": (b"\x80\x02c\x1b[31mos\nsystem\n.", "?[31mos.system"),
    "a dict of odd length": (b"\x80\x02}(K\x01u.", "broken"),
    "attributes of a number": (b"\x80\x02K\x01}b.", "attributes"),
}


@pytest.mark.parametrize("name", EVIL)
def test_evil_pickles(folder, name):
    pickled, words_ = EVIL[name]
    torch_bin.save(folder / "pytorch_model.bin", ONE, pickled=pickled)
    refused(folder, words_)


@pytest.mark.parametrize(
    "tensor, words_",
    [
        (Tensor(Storage("F32", bytes(16)), [2, 3]), "past the end"),
        (Tensor(Storage("F32", bytes(16)), [2, 2], offset=1), "past the end"),
        (Tensor(Storage("F32", bytes(16)), [2, 2], offset=1 << 62), "past the end"),
        (Tensor(Storage("F32", bytes(16)), [2, 2], strides=(1 << 62, 1 << 62)), "past the end"),
        (Tensor(Storage("F32", bytes(16)), [2, 2], strides=(-1, 1)), "impossible"),
        (Tensor(Storage("F32", bytes(16)), [-2, 2]), "impossible"),
        (Tensor(Storage("F32", bytes(16)), [2, 2], offset=-1), "impossible"),
        (Tensor(Storage("F32", bytes(16)), [2, 2], strides=(1,)), "impossible"),
        (Tensor(Storage("F32", bytes(16)), [1 << 30, 1 << 30]), "impossible"),
        (Tensor(Storage("F32", bytes(16)), [1 << 39], strides=(0,)), "more memory"),
        (Tensor(Storage("F32", bytes(16)), [1] * 17), "impossible"),
    ],
)
@pytest.mark.parametrize("save", [torch_bin.save, torch_bin.save_legacy])
def test_lying_tensors(folder, save, tensor, words_):
    save(folder / "pytorch_model.bin", {"a": tensor})
    refused(folder, words_)


def test_lying_storages(folder):
    bin_ = folder / "pytorch_model.bin"
    torch_bin.save(bin_, ONE, drop=[ONE["a"].storage.key or "0"])
    refused(folder, "is missing")
    torch_bin.save(bin_, {"a": Tensor(Storage("F32", bytes(16)), [4])}, pickled=torch_bin.dump({"a": Tensor(Storage("F32", bytes(64), "0"), [4])}, 2, [], torch_bin._modules(), False))
    refused(folder, "has 16 bytes, not 64")
    torch_bin.save(bin_, ONE, pickled=torch_bin.dump({"a": Tensor(Storage("F32", bytes(16), "../data.pkl"), [4])}, 2, [], torch_bin._modules(), False))
    refused(folder, "storage key")
    torch_bin.save_legacy(bin_, ONE, cut=4)
    refused(folder, "truncated")
    torch_bin.save_legacy(bin_, ONE, little=False)
    refused(folder, "big-endian", "torch.save")
    torch_bin.save(bin_, ONE, extra=[("byteorder", "big")])
    refused(folder, "big-endian", "torch.save")
    torch_bin.save(bin_, ONE, extra=[("constants.pkl", "x")])
    refused(folder, "TorchScript")


def test_lying_zips(folder):
    bin_ = folder / "pytorch_model.bin"
    whole = torch_bin.save(bin_, ONE).read_bytes()
    end = whole.rindex(b"PK\5\6")
    central = struct.unpack("<I", whole[end + 16 : end + 20])[0]

    def put(data, *words_):
        bin_.write_bytes(data)
        refused(folder, *words_)

    def patched(at, form, value):
        b = bytearray(whole)
        struct.pack_into(form, b, at, value)
        return bytes(b)

    put(whole[:-1], "truncated")
    put(whole[: len(whole) // 2], "truncated")
    put(whole + b"x", "truncated")
    put(patched(end + 16, "<I", len(whole)), "outside")
    put(patched(end + 12, "<I", 0x7FFFFFFF), "outside")
    put(patched(end + 10, "<H", 9), "volumes")
    put(patched(central + 42, "<I", 7), "not where")
    put(patched(central + 24, "<I", 0x7FFFFFFF), "two sizes")
    both = bytearray(patched(central + 24, "<I", 0x7FFFFFF0))
    struct.pack_into("<I", both, central + 20, 0x7FFFFFF0)
    put(bytes(both), "past the end")
    put(patched(central + 20, "<I", 0xFFFFFFFF), "zip64")
    put(patched(central + 8, "<H", 1), "encrypted")
    second = central + 46 + len("archive/data.pkl")
    n = struct.unpack("<H", whole[second + 28 : second + 30])[0]
    overlap = bytearray(whole)
    # the second entry says that it is where the first one is
    struct.pack_into("<I", overlap, second + 42, 0)
    put(bytes(overlap), "different things")
    # the first one grown until it reaches into the second
    grown = bytearray(whole)
    size = struct.unpack("<I", whole[central + 24 : central + 28])[0]
    struct.pack_into("<II", grown, central + 20, size + 8, size + 8)
    put(bytes(grown), "share bytes")
    assert n > 0
    torch_bin.save(bin_, ONE, compress=True)
    refused(folder, "compressed")
    with pytest.warns(UserWarning):
        torch_bin.save(bin_, ONE, extra=[("data.pkl", "x")])
    refused(folder, "twice")
    with zipfile.ZipFile(bin_, "w") as z:
        z.writestr("hello.txt", "x")
    refused(folder, "data.pkl")


def test_other_files(folder):
    bin_ = folder / "pytorch_model.bin"
    for data, words_ in (
        (b"", "neither"),
        (b"hello", "neither"),
        (b"\0" * 257 + b"ustar" + b"\0" * 300, "tar file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n", "git-lfs"),
        (pickle.dumps({"a": 1}, 2), "none of torch.save's"),
        (pickle.dumps(torch_bin.MAGIC, 2) + pickle.dumps(7, 2), "version"),
    ):
        bin_.write_bytes(data)
        refused(folder, words_)
