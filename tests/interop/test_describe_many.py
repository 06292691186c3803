# venv: pictures
"""opis describe over many pictures that Pillow wrote: killed and resumed, in shards, with broken files among them, in constant memory; and one picture of 100 megapixels. The short run takes a
tiny model, the full one the embedded one."""
import json
import os
import random
import subprocess
import sys
import time

import numpy
import pytest
from PIL import Image

OPIS = os.environ["OPIS"]
FULL = os.environ.get("OPIS_INTEROP") == "full"
DESCRIBE = [OPIS, "describe"] + ([] if FULL else ["-m", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "vit-gpt2")])
LAUNCHER = "import os, sys; pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]); _, status, usage = os.wait4(pid, 0); print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)"


def peak(*args):
    """The exit status of a run and the peak of its resident memory in MB, started by a small process: ru_maxrss begins with what the parent had."""
    r = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *DESCRIBE, *map(str, args)], capture_output=True, text=True, check=True)
    status, kilobytes = r.stdout.splitlines()[-1].split()
    return int(status), int(kilobytes) / 1024


def picture(path, i):
    """A small picture of its own, of one of four kinds."""
    n = numpy.random.RandomState(i)
    image = Image.fromarray(n.randint(0, 256, (4, 5, 3), dtype=numpy.uint8)).resize((100 + i % 7, 75 + i % 5), Image.BICUBIC)
    image.save(path, ["JPEG", "PNG", "WEBP", "BMP"][i % 4])


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thousand")
    for i in range(1000):
        picture(folder / f"{i:04}.picture", i)
    return folder


@pytest.fixture(scope="module")
def whole(thousand, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out.jsonl"
    started = time.monotonic()
    subprocess.run([*DESCRIBE, "-r", thousand, "--format", "jsonl", "-o", out], check=True)
    return answers(out), time.monotonic() - started


def answers(path):
    """Each line's path and words; every line must be a whole object."""
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [(o["path"], o["description"], o["tokens"]) for o in map(json.loads, text.splitlines())]


def test_killed_ten_times_and_resumed(thousand, whole, tmp_path):
    want, seconds = whole
    r = random.Random(1)
    for series in range(10 if FULL else 2):
        out, kills, grew = tmp_path / f"{series}.jsonl", 0, 0
        for attempt in range(10):
            p = subprocess.Popen([*DESCRIBE, "-r", thousand, "--format", "jsonl", "-o", out] + (["--resume"] if attempt else []))
            time.sleep(r.uniform(0.02, 0.12) * seconds)
            kills += p.poll() is None
            p.kill()
            p.wait()
            size = out.stat().st_size if out.exists() else 0
            assert size >= grew * 0.9  # what was answered is not lost: at most the half line is mended
            grew = size
        assert kills >= 8
        subprocess.run([*DESCRIBE, "-r", thousand, "--format", "jsonl", "-o", out, "--resume"], check=True)
        assert answers(out) == want


def test_shards_are_one_run(thousand, whole, tmp_path):
    parts = []
    for i in (1, 2, 3):
        subprocess.run([*DESCRIBE, "-r", thousand, "--format", "jsonl", "-o", tmp_path / f"{i}.jsonl", "--shard", f"{i}/3"], check=True)
        parts.append(answers(tmp_path / f"{i}.jsonl"))
    want, _ = whole
    assert all(part == want[i::3] for i, part in enumerate(parts))


def test_many_with_broken_ones_in_constant_memory(tmp_path):
    """One in twenty is broken, in every way: these cost their own lines and nothing else."""
    n = 10000
    kinds = {"empty": b"", "text": b"no picture at all"}
    folder = tmp_path / "many"
    folder.mkdir()
    broken, names = set(), []
    for i in range(n):
        path = folder / f"{i:05}.picture"
        names.append(str(path))
        picture(path, i)
        if i % 20 == 7:
            broken.add(str(path))
            raw = path.read_bytes()
            path.write_bytes([raw[: len(raw) // 2], kinds["empty"], kinds["text"], raw[:40], b"\xff\xd8\xff" + raw[100:]][i // 20 % 5])
    listing, tenth = tmp_path / "list", tmp_path / "tenth"
    listing.write_text("".join(f"{p}\n" for p in names))
    tenth.write_text("".join(f"{p}\n" for p in names[: n // 10]))
    good = tmp_path / "good"
    good.write_text("".join(f"{p}\n" for p in names if p not in broken))
    status, small = peak("--files-from", tenth, "--format", "jsonl", "-o", tmp_path / "tenth.jsonl")
    assert status == 1
    status, large = peak("--files-from", listing, "--format", "jsonl", "-o", tmp_path / "all.jsonl")
    assert status == 1
    print(f"{n} pictures: {large:.0f} MB at the peak; a tenth of them {small:.0f} MB")
    assert large < 100 and large < small + 12
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    assert [o["path"] for o in lines] == names
    assert {o["path"] for o in lines if "error" in o} == broken
    assert all(o["error"]["code"] == "OPIS_EFORMAT" and o["error"]["message"] for o in lines if "error" in o)
    status, _ = peak("--files-from", good, "--format", "jsonl", "-o", tmp_path / "good.jsonl")
    assert status == 0
    assert answers(tmp_path / "good.jsonl") == [(o["path"], o["description"], o["tokens"]) for o in lines if "error" not in o]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_a_hundred_megapixels(format, tmp_path):
    row = numpy.arange(10000) // 40 % 256
    Image.fromarray(numpy.stack(numpy.broadcast_arrays(row[None], row[:, None], 0 * row[None]), 2).astype(numpy.uint8)).save(tmp_path / "large", format, **({"compression": "tiff_lzw"} if format == "TIFF" else {}))
    r = subprocess.run([*DESCRIBE, tmp_path / "large", "--format", "jsonl"], capture_output=True, check=True)
    o = json.loads(r.stdout)
    assert (o["width"], o["height"]) == (10000, 10000) and o["description"]
    status, mb = peak(tmp_path / "large")
    print(f"100 megapixels of {format}: {mb:.0f} MB at the peak")
    assert status == 0 and mb < 100 + 1.5 * 286  # the decoded picture, once, and what the format's own library needs
