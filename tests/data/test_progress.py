"""What long work shows on a terminal: files and bytes, also within one large file, which can be interrupted."""
import os
import pty
import re
import signal
import subprocess
import time

import conftest

SIZE = 40 << 20


def shown(repo, *args, interrupt=False):
    """What a run writes to its terminal, and how it ended."""
    main, side = pty.openpty()
    p = subprocess.Popen([conftest.OPIS, "data", *args], cwd=repo.path, env=repo.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=side)
    os.close(side)
    text = b""
    try:
        while True:
            text += os.read(main, 65536)
            if interrupt and text:
                time.sleep(0.3)
                p.send_signal(signal.SIGINT)
                interrupt = False
    except OSError:
        pass
    os.close(main)
    return text.decode(), p.wait(120)


def test_one_large_file(remote, tmp_path):
    amount = r"\d[\d.]* [KM]?i?B of 40\.0 MiB(, [\d.]+ [KMG]?i?B/s, \d+:\d\d left)?[\r\x1b]"
    remote.write({"large": os.urandom(SIZE)})
    for what, *args in (("Adding: 0 of 1 file, ", "add", "large"), ("Pushing: 0 of 1 file, ", "push"), ("Verifying: ", "verify")):
        text, status = shown(remote, *args)
        assert status == 0 and re.search(what + amount, text), text
        assert text.endswith("\r\x1b[K"), text  # the line is taken away
    remote.commit()
    remote.git("clone", "-q", ".", str(tmp_path / "clone"))
    clone = conftest.Repository(tmp_path / "clone", init=False)
    text, status = shown(clone, "pull")
    assert status == 0 and re.search("Fetching: 0 of 1 file, " + amount, text), text
    assert re.search(r"Checking out: 0 of 1 file, \d[\d.]* [KM]?i?B[\r\x1b,]", text), text
    os.utime(clone.path / "large", (1, 1))
    text, status = shown(clone, "status")
    assert status == 0 and re.search("Hashing: 0 of 1 file, " + amount, text), text


def test_many_files(remote):
    remote.write({f"data/{i:04d}": b"%d" % i for i in range(300)})
    text, status = shown(remote, "add", "data")
    assert status == 0 and re.search(r"Adding: \d+ of 300 files, \d[\d.]* B of \d+ B", text), text
    text, status = shown(remote, "push")
    assert status == 0 and re.search(r"Pushing: \d+ of 301 files, \d+ B of \d+\.\d KiB", text), text


def test_a_large_file_can_be_interrupted(remote):
    """8 GB that take no room on the disk; the interrupted command ends before it has read them all."""
    with open(remote.path / "large", "wb") as f:
        f.truncate(8 << 30)
    text, status = shown(remote, "add", "--no-commit", "large", interrupt=True)
    assert status == 130 and not (remote.path / "large.dvc").exists(), text
    assert "Adding" in text or "Hashing" in text
    assert re.search(r", [\d.]+ [MG]iB/s, \d+:\d\d left", text), text
    number, unit = re.findall(r"([\d.]+) ([KMG])iB of 8\.0 GiB", text)[-1]
    assert float(number) * {"K": 1 / 1048576, "M": 1 / 1024, "G": 1}[unit] < 7


def test_clearing_up(remote):
    remote.write({f"data/{i:04d}": b"%d" % i for i in range(300)})
    remote.ok("add", "data")
    remote.ok("push")
    remote.ok("remove", "data.dvc")
    text, status = shown(remote, "gc", "-w", "-c", "-f")
    assert status == 0, text
    for line in (r"Looking at the remote's objects: \d+ files?", r"Removing from the remote: \d+ of 301 files", r"Looking at objects: \d+ files?", r"Removing: \d+ of 301 files"):
        assert re.search(line, text), (line, text)
