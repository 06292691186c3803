"""opis describe: inputs, outputs, exit statuses."""
import base64
import csv
import io
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest
from conftest import GOLDEN, OPIS, PHOTOS, PICTURES, run

EXPECTED = {c["image"]: c for c in json.loads((GOLDEN / "opis-small" / "expected.json").read_text())["cases"] if not c["options"]}
WORDS = {name: c["texts"][0] for name, c in EXPECTED.items()}


# ---- one picture ----


def test_one_picture_prints_the_description_alone():
    r = run("describe", PICTURES / "cat.jpg")
    assert (r.status, r.err) == (0, "")
    assert r.out == WORDS["cat.jpg"] + "\n"


@pytest.mark.parametrize("name", PHOTOS)
def test_embedded_model_says_what_its_referee_says(name):
    r = run("describe", PICTURES / name, "--format", "jsonl")
    assert r.lines[0]["tokens"] == EXPECTED[name]["sequences"][0]


def test_object_of_a_description():
    r = run("describe", PICTURES / "coffee.jpg", "--format", "jsonl", "--candidates", 2, "--beams", 3)
    o = r.lines[0]
    assert list(o) == ["path", "description", "score", "tokens", "candidates", "model", "model_sha256", "version", "width", "height", "ms"]
    assert (o["model"], o["width"], o["height"]) == ("opis-small", 600, 400)
    assert len(o["model_sha256"]) == 64
    assert set(o["ms"]) == {"decode", "encode", "generate"}
    assert len(o["candidates"]) == 2
    assert o["candidates"][0] == {"description": o["description"], "score": o["score"], "tokens": o["tokens"]}
    assert o["candidates"][0]["score"] >= o["candidates"][1]["score"]
    assert o["tokens"][0] == 0 and o["tokens"][-1] == 0


def test_standard_input():
    r = run("describe", "-", stdin=(PICTURES / "cat.jpg").read_bytes())
    assert r.out == WORDS["cat.jpg"] + "\n"
    r = run("describe", "-", "--format", "jsonl", stdin=(PICTURES / "cat.jpg").read_bytes())
    assert r.lines[0]["path"] == "-"


def test_broken_standard_input_is_an_error():
    r = run("describe", "-", stdin=b"no picture")
    assert r.status == 1 and r.err.startswith("opis: standard input: ")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_same_words_for_any_number_of_threads(threads):
    a = run("describe", *[PICTURES / n for n in PHOTOS], "--format", "jsonl", "--threads", threads).lines
    b = run("describe", *[PICTURES / n for n in PHOTOS], "--format", "jsonl", "--threads", 1).lines
    for x, y in zip(a, b):
        assert (x["tokens"], x["score"]) == (y["tokens"], y["score"])


def test_orientation_is_applied_unless_told_not_to():
    upright = run("describe", PICTURES / "exif6.jpg", "--format", "jsonl").lines[0]
    stored = run("describe", PICTURES / "exif6.jpg", "--format", "jsonl", "--no-orient").lines[0]
    assert (upright["width"], upright["height"]) == (stored["height"], stored["width"])


# ---- many pictures ----


def test_text_with_more_pictures(photos):
    r = run("describe", *[photos / n for n in PHOTOS])
    assert r.out == "".join(f"{photos / n}\t{WORDS[n]}\n" for n in PHOTOS)


def test_folders(photos):
    (photos / "sub").mkdir()
    (photos / "sub-first").mkdir()
    (photos / ".hidden").mkdir()
    for where in ("sub/b.jpg", "sub-first/a.jpg", ".hidden/c.jpg", ".d.jpg", "called.txt"):
        shutil.copy(photos / "cat.jpg", photos / where)
    (photos / "notes.jpg").write_text("no picture")
    (photos / "empty.png").touch()
    os.symlink("sub", photos / "link-to-folder")
    os.symlink("cat.jpg", photos / "link.jpg")
    r = run("describe", "-r", photos, "--format", "jsonl")
    paths = [os.path.relpath(o["path"], photos) for o in r.lines]
    assert paths == ["astronaut.jpg", "called.txt", "cat.jpg", "coffee.jpg", "link.jpg", "rocket.jpg", "sub-first/a.jpg", "sub/b.jpg"]
    assert paths == sorted(paths)
    assert r.status == 0
    assert "2 files are no pictures and were skipped" in r.err


def test_one_folder_of_one_picture_still_names_it(photos):
    for n in PHOTOS[1:]:
        (photos / n).unlink()
    assert run("describe", "-r", photos).out == f"{photos / PHOTOS[0]}\t{WORDS[PHOTOS[0]]}\n"


def test_failures_cost_only_their_own_line(photos):
    (photos / "bad.jpg").write_text("no picture")
    inputs = [photos / "cat.jpg", photos / "bad.jpg", photos / "missing.jpg", photos, photos / "rocket.jpg"]
    r = run("describe", *inputs, "--format", "jsonl")
    assert r.status == 1
    assert [o["path"] for o in r.lines] == [str(p) for p in inputs]
    assert [o.get("error", {}).get("code") for o in r.lines][:3] == [None, "OPIS_EFORMAT", "OPIS_ENOTFOUND"]
    assert "error" in r.lines[3] and "-r" in r.lines[3]["error"]["message"]
    assert r.lines[4]["description"] == WORDS["rocket.jpg"]
    assert "3 of 5 pictures failed" in r.err


def test_text_failures_go_to_stderr(photos):
    r = run("describe", photos / "cat.jpg", photos / "missing.jpg")
    assert r.status == 1
    assert r.out == f"{photos / 'cat.jpg'}\t{WORDS['cat.jpg']}\n"
    assert f"opis: {photos / 'missing.jpg'}: No such file or directory" in r.err


@pytest.mark.parametrize("name", sorted(p.name for p in (PICTURES / "broken").iterdir()))
def test_broken_pictures_are_refused(name):
    r = run("describe", PICTURES / "broken" / name)
    assert r.status == 1 and r.out == ""
    assert r.err.startswith("opis: ") and name in r.err


def test_json_is_an_array(photos):
    r = run("describe", photos / "cat.jpg", photos / "none.jpg", "--format", "json")
    objects = json.loads(r.out)
    assert [o["path"] for o in objects] == [str(photos / "cat.jpg"), str(photos / "none.jpg")]
    assert json.loads(run("describe", "-r", photos / "cat.jpg", "--format", "json", "--shard", "2/2").out) == []


def test_csv(photos):
    odd = photos / 'a "quoted", name.jpg'
    shutil.copy(photos / "cat.jpg", odd)
    r = run("describe", odd, photos / "none.jpg", "--format", "csv")
    rows = list(csv.reader(io.StringIO(r.bytes.decode("utf-8"), newline="")))
    assert rows[0] == ["path", "description", "score", "error"]
    assert rows[1][:2] == [str(odd), WORDS["cat.jpg"]] and float(rows[1][2]) < 0 and rows[1][3] == ""
    assert rows[2][0] == str(photos / "none.jpg") and rows[2][1:3] == ["", ""] and "No such file" in rows[2][3]
    assert r.bytes.count(b"\r\n") == 3


def test_sidecars(photos):
    (photos / "cat.txt").write_text("kept\n")
    r = run("describe", "--format", "sidecar", "-r", photos)
    assert r.status == 0
    assert (photos / "cat.txt").read_text() == "kept\n"
    assert (photos / "rocket.txt").read_text() == WORDS["rocket.jpg"] + "\n"
    assert "left alone" in r.err
    run("describe", "--format", "sidecar", "--force", photos / "cat.jpg")
    assert (photos / "cat.txt").read_text() == WORDS["cat.jpg"] + "\n"


def test_two_pictures_of_one_sidecar(photos):
    shutil.copy(PICTURES / "rgb.png", photos / "cat.png")
    r = run("describe", "--format", "sidecar", photos / "cat.jpg", photos / "cat.png")
    assert r.status == 1 and "cat.txt" in r.err


def test_xmp(photos):
    run("describe", "--format", "xmp", photos / "cat.jpg")
    root = ET.fromstring((photos / "cat.xmp").read_text().replace("\ufeff", ""))
    ns = {"dc": "http://purl.org/dc/elements/1.1/", "i": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#"}
    for element in ("dc:description", "i:AltTextAccessibility"):
        assert root.find(f".//{element}/rdf:Alt/rdf:li", ns).text == WORDS["cat.jpg"]


def test_names_that_are_not_utf8(photos):
    odd = os.fsencode(photos) + b"/\xff\xe9.jpg"
    shutil.copy(os.fsencode(photos / "cat.jpg"), odd)
    o = run("describe", odd, "--format", "jsonl").lines[0]
    assert o["path"].endswith("/\ufffd\ufffd.jpg")
    assert base64.b64decode(o["path_base64"]) == odd
    assert o["description"] == WORDS["cat.jpg"]


def test_names_in_any_language(photos):
    odd = photos / "кошка 猫 🐈\n.jpg"
    shutil.copy(photos / "cat.jpg", odd)
    assert run("describe", odd, "--format", "jsonl").lines[0]["path"] == str(odd)


# ---- lists, shards, workers ----


def test_files_from(photos, tmp_path):
    names = [str(photos / n) for n in PHOTOS]
    listing = tmp_path / "list"
    listing.write_text("\n".join(names) + "\n\n")
    want = [WORDS[n] for n in PHOTOS]
    assert [o["description"] for o in run("describe", "--files-from", listing, "--format", "jsonl").lines] == want
    assert [o["description"] for o in run("describe", "--files-from", "-", "--format", "jsonl", stdin=listing.read_bytes()).lines] == want
    assert [o["description"] for o in run("describe", "--files-from", "-", "-0", "--format", "jsonl", stdin="\0".join(names).encode()).lines] == want


def test_a_missing_list_is_the_jobs_own_failure(tmp_path):
    r = run("describe", "--files-from", tmp_path / "none")
    assert r.status == 3 and "No such file" in r.err


def test_worker_answers_each_line_at_once(photos):
    worker = subprocess.Popen([OPIS, "describe", "--files-from", "-", "--format", "jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for name in PHOTOS + ["none.jpg", "cat.jpg"]:
            worker.stdin.write(os.fsencode(photos / name) + b"\n")
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            assert answer["path"] == str(photos / name)
            assert answer.get("description") == WORDS.get(name)
        worker.stdin.close()
        assert worker.wait(30) == 1
    finally:
        worker.kill()
        worker.wait()


def many(folder, n):
    """n links to the photographs."""
    folder.mkdir()
    for i in range(n):
        os.symlink(PICTURES / PHOTOS[i % 4], folder / f"{i:05}.jpg")
    return folder


def test_shards_together_give_the_whole(tmp_path):
    folder = many(tmp_path / "many", 31)
    whole = run("describe", "-r", folder, "--format", "jsonl").lines
    parts = [run("describe", "-r", folder, "--format", "jsonl", "--shard", f"{i}/3").lines for i in (1, 2, 3)]
    assert [len(p) for p in parts] == [11, 10, 10]
    assert sorted((o["path"], o["description"]) for p in parts for o in p) == [(o["path"], o["description"]) for o in whole]
    assert [o["path"] for o in parts[1]] == [o["path"] for o in whole][1::3]


@pytest.mark.parametrize(
    "env, first, count",
    [
        ({"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4"}, 1, 4),
        ({"SLURM_ARRAY_TASK_ID": "14", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_MAX": "15"}, 2, 3),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "2"}, 0, 2),
        ({"JOB_COMPLETION_INDEX": "1", "OPIS_SHARD_COUNT": "2"}, 1, 2),
    ],
)
def test_shard_from_the_scheduler(tmp_path, env, first, count):
    folder = many(tmp_path / "many", 9)
    r = run("describe", "-r", folder, "--format", "jsonl", "--shard", "env", env=env)
    assert [os.path.basename(o["path"]) for o in r.lines] == sorted(os.listdir(folder))[first::count]


@pytest.mark.parametrize("env", [{}, {"JOB_COMPLETION_INDEX": "1"}, {"AWS_BATCH_JOB_ARRAY_INDEX": "5", "AWS_BATCH_JOB_ARRAY_SIZE": "5"}, {"SLURM_ARRAY_TASK_ID": "x"}])
def test_shard_environment_that_is_missing_or_wrong(env):
    assert run("describe", "x", "--shard", "env", env=env).status == 2


# ---- -o and --resume ----


@pytest.mark.parametrize("format", ["jsonl", "csv", "text", "json"])
def test_output_file(photos, tmp_path, format):
    out = tmp_path / "out"
    out.write_text("something old that is longer than what comes, " * 200)
    r = run("describe", "-r", photos, "--format", format, "-o", out)
    assert (r.status, r.out) == (0, "")
    assert all(words in out.read_text() for words in WORDS.values())
    assert "something old" not in out.read_text()


def test_kill_and_resume_answers_every_picture_once(tmp_path):
    folder = many(tmp_path / "many", 160)
    out = tmp_path / "out.jsonl"
    kills = 0
    for attempt in range(6):
        args = [OPIS, "describe", "-r", folder, "--format", "jsonl", "-o", out] + (["--resume"] if attempt else [])
        p = subprocess.Popen(args)
        time.sleep(0.12 + 0.04 * attempt)
        kills += p.poll() is None
        p.kill()
        p.wait()
    assert kills > 0
    assert run("describe", "-r", folder, "--format", "jsonl", "-o", out, "--resume").status == 0
    paths = [json.loads(line)["path"] for line in out.read_text().splitlines()]
    assert sorted(paths) == sorted(str(p) for p in folder.iterdir())
    before = out.read_bytes()
    assert run("describe", "-r", folder, "--format", "jsonl", "-o", out, "--resume").status == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize("format", ["jsonl", "csv", "text"])
@pytest.mark.parametrize("cut", [1, 7, 40, 100])
def test_a_half_written_end_is_mended(photos, tmp_path, format, cut):
    out = tmp_path / "out"
    odd = photos / 'm "x",\ty.jpg'
    shutil.copy(photos / "cat.jpg", odd)
    args = ["describe", "-r", photos, "--format", format, "-o", out]
    run(*args)
    whole = out.read_bytes()
    strip = lambda b: b if format != "jsonl" else [(o["path"], o["tokens"]) for o in map(json.loads, b.splitlines())]
    out.write_bytes(whole[:-cut])
    assert run(*args, "--resume").status == 0
    assert strip(out.read_bytes()) == strip(whole)


def test_resume_of_another_file_is_refused(photos, tmp_path):
    out = tmp_path / "out"
    out.write_text("my precious notes\nof many years\n")
    for format in ("jsonl", "csv", "text"):
        r = run("describe", "-r", photos, "--format", format, "-o", out, "--resume")
        assert r.status == 3 and "not written by" in r.err
        assert out.read_text() == "my precious notes\nof many years\n"


def test_output_that_cannot_be_written(photos):
    assert run("describe", photos / "cat.jpg", "-o", "/no/such/folder/x").status == 3
    r = run("describe", photos / "cat.jpg", "-o", "/dev/full", "--format", "jsonl")
    assert r.status == 3 and "No space left" in r.err
    with open("/dev/full", "wb") as full:
        done = subprocess.run([OPIS, "describe", photos / "cat.jpg"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3 and b"No space left" in done.stderr


def test_closed_pipe_ends_quietly(tmp_path):
    folder = many(tmp_path / "many", 60)
    p = subprocess.Popen([OPIS, "describe", "-r", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.readline()
    p.stdout.close()
    assert p.stderr.read() == b""
    assert p.wait(60) == 0


def test_ctrl_c_keeps_what_is_done(tmp_path):
    folder = many(tmp_path / "many", 400)
    out = tmp_path / "out.json"
    p = subprocess.Popen([OPIS, "describe", "-r", folder, "--format", "json", "-o", out], stderr=subprocess.PIPE)
    while p.poll() is None and not any(f.stat().st_size for f in tmp_path.glob("out.json*")):
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == 130
    done = json.loads(out.read_text())
    assert 0 < len(done) < 400
    assert [o["path"] for o in done] == sorted(str(f) for f in folder.iterdir())[: len(done)]


def test_ctrl_c_while_waiting_for_a_list():
    p = subprocess.Popen([OPIS, "describe", "--files-from", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(os.fsencode(PICTURES / "cat.jpg") + b"\n")
    p.stdin.flush()
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == 130


def test_progress_shows_on_a_terminal_only(photos):
    assert run("describe", "-r", photos, "-o", "/dev/null").err == ""
    main, side = pty.openpty()
    done = subprocess.run([OPIS, "describe", "-r", photos, "-o", "/dev/null"], stderr=side)
    os.close(side)
    shown = os.read(main, 10000).decode()
    os.close(main)
    assert done.returncode == 0 and "4 of 4 done" in shown


# ---- dump ----


def read_safetensors(path):
    raw = pathlib.Path(path).read_bytes()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + n])
    header.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], raw[8 + n + v["data_offsets"][0] : 8 + n + v["data_offsets"][1]]) for k, v in header.items()}


def test_dump(tmp_path):
    import hashlib

    out = tmp_path / "dump.safetensors"
    assert run("describe", PICTURES / "rgb.png", PICTURES / "gray.png", "--dump", out).status == 0
    t = read_safetensors(out)
    assert t["rgb"][:2] == ("U8", [2, 107, 160, 3])
    assert t["pixel_values"][:2] == ("F32", [2, 3, 256, 256])
    assert t["encoder_last_hidden_state"][:2] == ("F32", [2, 64, 1280])
    want = {p["file"]: p["rgb_sha256"] for p in json.loads((PICTURES / "expected.json").read_text())["pictures"]}
    half = len(t["rgb"][2]) // 2
    assert hashlib.sha256(t["rgb"][2][:half]).hexdigest() == want["rgb.png"]
    assert hashlib.sha256(t["rgb"][2][half:]).hexdigest() == want["gray.png"]
    run("describe", PICTURES / "rgb.png", PICTURES / "cat.jpg", "--dump", out)
    assert read_safetensors(out)["rgb"][1][0] == 1


# ---- usage ----


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--no-such-option", "x"],
        ["--beams"],
        ["--beams", "0", "x"],
        ["--beams", "many", "x"],
        ["--candidates", "5", "--beams", "4", "x"],
        ["--length-penalty", "nan", "x"],
        ["--repetition-penalty", "0", "x"],
        ["--early-stopping=always", "x"],
        ["--format", "xml", "x"],
        ["--precision", "f64", "x"],
        ["--shard", "0/3", "x"],
        ["--shard", "4/3", "x"],
        ["--shard", "1/3x", "x"],
        ["--resume", "x"],
        ["--resume", "--format", "json", "-o", "y", "x"],
        ["--format", "sidecar", "-o", "y", "x"],
        ["--format", "sidecar", "-"],
        ["--prompt", "a picture of", "x"],
        ["--max-bytes", "lots", "x"],
        ["-0", "x"],
        ["-", "-"],
    ],
)
def test_wrong_usage(args):
    r = run("describe", *args)
    assert r.status == 2
    assert r.out == "" and r.err.startswith("opis: ")


def test_unknown_model_names_those_there_are():
    r = run("describe", "-m", "no-such-model", PICTURES / "cat.jpg")
    assert r.status == 3 and "no-such-model" in r.err and "opis-small" in r.err


def test_limits():
    r = run("describe", PICTURES / "cat.jpg", "--max-pixels", 1000)
    assert r.status == 1 and "cat.jpg" in r.err
    r = run("describe", PICTURES / "cat.jpg", "--max-bytes", "1K", "--format", "jsonl")
    assert r.status == 1 and r.lines[0]["error"]["code"] == "OPIS_ELIMIT"


def test_limits_can_be_raised_and_name_their_defaults():
    bomb = PICTURES / "broken" / "bomb.png"
    assert "178956970" in run("describe", bomb).err
    assert "the limit of 4294967296" not in run("describe", bomb, "--max-pixels", "4G").err  # 60,000 x 60,000 are fewer: it is now read, and found broken
    assert run("describe", bomb, "--max-pixels", "4G").status == 1
    assert run("describe", PICTURES / "cat.jpg", "--max-bytes", "1G", "--max-pixels", "1G").status == 0


@pytest.mark.parametrize("pictures", [["cat.jpg"], ["cat.jpg", "rocket.jpg", "coffee.jpg"]])
def test_a_time_limit_gives_up_one_picture_after_the_other(pictures):
    inputs = [PICTURES / p for p in pictures]
    r = run("describe", *inputs, "--timeout", "0.001", "--format", "jsonl")
    assert r.status == 1
    assert [o["error"]["code"] for o in r.lines] == ["OPIS_ETIMEOUT"] * len(inputs)
    assert all(o["error"]["message"].startswith(f"{p}: ") for o, p in zip(r.lines, inputs))
    assert run("describe", *inputs, "--timeout", "600").status == 0


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_the_order_is_that_of_the_inputs_for_any_number_of_readers(photos, jobs):
    inputs = [photos / PHOTOS[i % 4] for i in range(23)] + [photos / "missing.jpg"]
    r = run("describe", *inputs, "--jobs", jobs, "--format", "jsonl")
    assert [o["path"] for o in r.lines] == [str(p) for p in inputs]
    assert [o.get("description") for o in r.lines[:-1]] == [WORDS[p.name] for p in inputs[:-1]]


def test_two_runs_do_not_write_one_file(photos, tmp_path):
    out = tmp_path / "out.jsonl"
    first = subprocess.Popen([OPIS, "describe", "--files-from", "-", "--format", "jsonl", "-o", out], stdin=subprocess.PIPE)
    try:
        first.stdin.write(os.fsencode(photos / "cat.jpg") + b"\n")
        first.stdin.flush()
        while not out.exists() or not out.read_bytes():
            time.sleep(0.02)
        second = run("describe", photos / "rocket.jpg", "--format", "jsonl", "-o", out)
        assert second.status == 3 and "out.jsonl" in second.err
    finally:
        first.stdin.close()
        first.wait(60)
    assert [json.loads(line)["description"] for line in out.read_text().splitlines()] == [WORDS["cat.jpg"]]


@pytest.mark.parametrize("format", ["text", "json", "jsonl", "csv"])
def test_full_disk(photos, format):
    r = run("describe", photos / "cat.jpg", photos / "rocket.jpg", "-o", "/dev/full", "--format", format)
    assert r.status == 3 and "No space left" in r.err
    assert not os.path.isfile("/dev/full")  # a device stays one


def test_devices_and_pipes_are_written_in_place(photos, tmp_path):
    assert run("describe", photos / "cat.jpg", "-o", "/dev/null", "--format", "json", "--dump", "/dev/null").status == 0
    assert not os.path.isfile("/dev/null")
    assert json.loads(run("describe", photos / "cat.jpg", "-o", "/dev/stdout", "--format", "json").out)[0]["description"] == WORDS["cat.jpg"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    p = subprocess.Popen([OPIS, "describe", photos / "cat.jpg", "-o", pipe, "--format", "json"])
    assert json.loads(pipe.read_text())[0]["description"] == WORDS["cat.jpg"]
    assert p.wait(60) == 0 and pipe.is_fifo()


@pytest.mark.parametrize("library,package,names", [("libheif.so.1", "libheif1", ["picture.heic", "picture.avif"]), ("libtiff.so.6", "libtiff6", ["lzw.tiff"])])
def test_without_the_library_of_a_kind_of_pictures(library, package, names, tmp_path):
    """The library is opened when the first such picture comes; without it the error names the package."""
    blocked = tmp_path / library
    blocked.write_text("no library")
    for name in names:
        r = run("describe", PICTURES / name, PICTURES / "cat.jpg", env={"LD_LIBRARY_PATH": str(tmp_path)})
        assert r.status == 1 and package in r.err and WORDS["cat.jpg"] in r.out


def test_without_the_library_of_digests(tmp_path):
    """It is opened when a digest is asked for; words need none."""
    (tmp_path / "libcrypto.so.3").write_text("no library")
    env = {"LD_LIBRARY_PATH": str(tmp_path)}
    assert run("describe", PICTURES / "cat.jpg", env=env).out.strip() == WORDS["cat.jpg"]
    r = run("model", "import", GOLDEN / "git", env={**env, "OPIS_HOME": str(tmp_path / "home")})
    assert r.status == 3 and "libcrypto" in r.err


def test_progress_tells_rate_and_time_left(tmp_path):
    folder = many(tmp_path / "many", 60)
    (folder / "00007.jpg").unlink()
    (folder / "00007.jpg").write_bytes(b"\xff\xd8\xff broken")
    main, side = pty.openpty()
    p = subprocess.Popen([OPIS, "describe", "-r", folder, "-o", "/dev/null"], stderr=side)
    os.close(side)
    shown = b""
    try:
        while True:
            shown += os.read(main, 65536)
    except OSError:
        pass
    os.close(main)
    assert p.wait(60) == 1
    assert re.search(rb"\d+ of 60 done, 1 failed, [\d.]+/s, [\d:]+ left", shown), shown


def test_options_change_the_search():
    def tokens(*args):
        return run("describe", PICTURES / "cat.jpg", "--format", "jsonl", *args).lines[0]["tokens"]

    assert len(tokens("--max-length", 5)) == 5
    assert len(tokens("--min-length", 18)) >= 18
    assert tokens("--beams", 1, "--max-length", 16) == golden("cat.jpg", max_length=16, num_beams=1)
    assert tokens("--length-penalty", 0, "--beams", 5, "--max-length", 20) == golden("cat.jpg", max_length=20, num_beams=5, length_penalty=0.0)
    assert tokens("--early-stopping", "--beams", 4, "--max-length", 20) == golden("cat.jpg", max_length=20, num_beams=4, early_stopping=True)
    assert tokens("--repetition-penalty", 1.3, "--beams", 1, "--max-length", 20) == golden("cat.jpg", max_length=20, num_beams=1, repetition_penalty=1.3)


def test_early_stopping_of_the_model_can_be_taken_back(tmp_path):
    """A model that stops early by itself; =false is the default of models that say nothing."""
    model = tmp_path / "model"
    shutil.copytree(GOLDEN / "vit-gpt2", model)
    path = model / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "early_stopping": "never"}))
    for stop in ("=false", "=true", "=never", ""):
        rows = [run("describe", "-m", m, PICTURES / "cat.jpg", "--format", "jsonl", "--beams", 4, "--length-penalty", 2, "--early-stopping" + stop).lines[0]["candidates"] for m in (GOLDEN / "vit-gpt2", model)]
        assert rows[0] == rows[1], stop


def golden(name, **options):
    cases = json.loads((GOLDEN / "opis-small" / "expected.json").read_text())["cases"]
    return next(c["sequences"][0] for c in cases if c["image"] == name and c["options"] == options)


LAUNCHER = "import os, sys; pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]); _, status, usage = os.wait4(pid, 0); print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)"


def peak(*args):
    """The peak of resident memory of a run, in MB. A small process starts it: what ru_maxrss tells of a child is at least what its parent had when it forked, and pytest grows."""
    r = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, OPIS, *map(str, args)], capture_output=True, text=True, check=True)
    status, kilobytes = r.stdout.splitlines()[-1].split()
    assert status == "0"
    return int(kilobytes) / 1024


def test_memory_is_small_and_does_not_grow(tmp_path):
    """The promise of the README: below 100 MB with the embedded model, however many pictures there are."""
    few, more = many(tmp_path / "few", 80), many(tmp_path / "more", 400)
    one, other = peak("describe", "-r", few), peak("describe", "-r", more)
    assert one < 100 and other < 100
    assert other < one + 12
