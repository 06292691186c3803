"""Manual pages as mandoc reads them, completions as the shells themselves complete."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from conftest import OPIS, run
from test_docs import commands

COMMANDS = re.findall(r"^  (\w+)  ", run("help").out, re.M)


@pytest.mark.parametrize("name", ["", *commands()])
def test_manual_pages_are_clean(name):
    page = run("help", "--man", *name.split()).bytes
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"")
    shown = subprocess.run(["mandoc", "-T", "utf8"], input=page, capture_output=True, check=True).stdout.decode()
    shown = re.sub(".\b", "", shown)
    assert "EXIT STATUS" in shown and "\ufffd" not in shown
    if name == "describe":
        assert "PATH… | -" in shown and "--max-pixels" in shown and "Gv" not in shown


@pytest.fixture
def shell_home(tmp_path):
    """A folder with opis on its PATH, pictures to complete, and no settings of anybody's."""
    (tmp_path / "bin").mkdir()
    os.symlink(OPIS, tmp_path / "bin" / "opis")
    work = tmp_path / "work"
    work.mkdir()
    (work / "photo one.jpg").touch()
    env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8", "XDG_DATA_HOME": str(tmp_path / "data")}
    return work, env


CASES = [
    (["d"], ["describe", "data"], []),
    (["describe", "--fo"], ["--format", "--force"], ["--beams"]),
    (["describe", "--format", ""], ["text", "json", "jsonl", "csv", "sidecar", "xmp"], ["--force"]),
    (["describe", "-m", "opis"], ["opis-small"], []),
    (["describe", "ph"], ["photo one.jpg"], []),
    (["model", "i"], ["info", "import"], ["describe"]),
    (["data", "remote", "--"], ["--help"], ["--beams"]),
    (["help", "he"], ["health", "help"], []),
    (["model", "info", "opis"], ["opis-small"], []),
]
IDS = [" ".join(words) or "empty" for words, _, _ in CASES]


@pytest.mark.parametrize("words, there, not_there", CASES, ids=IDS)
def test_bash(words, there, not_there, shell_home):
    work, env = shell_home
    script = run("help", "--completion", "bash").out + '\nCOMP_WORDS=(opis "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}\ncompopt() { :; }\n_opis\nprintf "%s\\n" "${COMPREPLY[@]}"\ncomplete -p opis\n'
    out = subprocess.run(["bash", "--norc", "-u", "-c", script, "bash", *words], cwd=work, env=env, capture_output=True, text=True)
    assert out.stderr == ""
    *found, registered = out.stdout.splitlines()
    found = [f.strip() for f in found]
    assert registered.endswith(" opis") and set(there) <= set(found) and not set(not_there) & set(found), found


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not here")
@pytest.mark.parametrize("words, there, not_there", CASES, ids=IDS)
def test_fish(words, there, not_there, shell_home, tmp_path):
    work, env = shell_home
    (tmp_path / "opis.fish").write_text(run("help", "--completion", "fish").out)
    line = " ".join(["opis", *words])
    out = subprocess.run(["fish", "--no-config", "-c", f"source {tmp_path / 'opis.fish'}; complete -C '{line}'"], cwd=work, env=env, capture_output=True, text=True)
    assert out.stderr == ""
    found = [f.split("\t")[0].replace("\\ ", " ") for f in out.stdout.splitlines()]
    assert set(there) <= set(found) and not set(not_there) & set(found), found


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not here")
@pytest.mark.parametrize("words, there, not_there", CASES, ids=IDS)
def test_zsh(words, there, not_there, shell_home, tmp_path):
    """zsh completes only where a person types: on a terminal."""
    work, env = shell_home
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "_opis").write_text(run("help", "--completion", "zsh").out)
    shown = type_in_zsh(work, env, f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; setopt nolistbeep listpacked; unsetopt automenu listambiguous; zstyle ':completion:*' insert-unambiguous no; LISTMAX=9999; PS1='%%'; echo rea''dy", "opis " + " ".join(words))
    flat = re.sub(r"\s+", " ", shown.replace("\\ ", " "))
    assert all(w in flat for w in there) and not any(re.search(rf"(^| ){re.escape(w)}( |$)", flat) for w in not_there), shown


def type_in_zsh(work, env, setup, line):
    """What the terminal shows after the line and a press of Ctrl-D (list the choices) and of Tab."""
    main, side = pty.openpty()
    p = subprocess.Popen(["zsh", "-f", "-i"], stdin=side, stdout=side, stderr=side, cwd=work, env={**env, "TERM": "vt100", "COLUMNS": "300", "LINES": "200"}, start_new_session=True)
    os.close(side)

    def read(until, patience):
        text, end = "", time.monotonic() + patience
        while time.monotonic() < end and not (until and until in text):
            if select.select([main], [], [], 0.2)[0]:
                try:
                    text += os.read(main, 65536).decode("utf-8", "replace")
                except OSError:
                    break
            elif not until and text:
                break
        return text

    try:
        os.write(main, (setup + "\n").encode())
        read("ready", 30)
        read(None, 1)
        os.write(main, line.encode())
        read(None, 1)
        os.write(main, b"\x04")
        shown = read(None, 20)
        os.write(main, b"\t")
        shown += read(None, 5)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    finally:
        p.kill()
        p.wait()
        os.close(main)
