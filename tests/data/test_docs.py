"""docs/data.md: every command in it runs, taken from the page, one section after another in one project."""
import pathlib
import re
import subprocess

import pytest

from conftest import OPIS, environment

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "data.md").read_text()


def sections():
    for part in PAGE.split("\n## ")[1:]:
        title, body = part.split("\n", 1)
        blocks = re.findall(r"^( *)```sh\n(.*?)^ *```$", body, re.M | re.S)
        yield title, "".join(text.replace("\n" + indent, "\n")[len(indent):] for indent, text in blocks)


SECTIONS = dict(sections())


@pytest.fixture
def project(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "opis").symlink_to(OPIS)
    env = environment(tmp_path)
    env["PATH"] = f"{tools}:{env['PATH']}"
    (tmp_path / ".gitconfig").write_text("[init]\n    defaultBranch = main\n[protocol \"file\"]\n    allow = always\n")
    (tmp_path / "drive-key.json").write_text("{}")

    def run(script, cwd="project"):
        script = script.replace("/mnt/share/data", str(tmp_path / "share"))
        done = subprocess.run(["bash", "-euc", script], cwd=tmp_path / cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout

    (tmp_path / "project/photos").mkdir(parents=True)
    for name in "abc":
        (tmp_path / f"project/photos/{name}.jpg").write_text(name)
    return tmp_path, run


def test_the_page(project):
    tmp, run = project
    run(SECTIONS["A new repository"].split("git clone")[0])
    run("git clone" + SECTIONS["A new repository"].split("git clone")[1])
    assert (tmp / "project/copy/photos/a.jpg").read_text() == "a"
    run("rm -rf copy")
    before, after = SECTIONS["From DVC in five minutes"].split("opis data status")
    run(before)
    (tmp / "project/photos/d.jpg").write_text("d")
    assert "photos/d.jpg" in run("opis data status" + after)
    assert "photos.dvc" in run("git show --stat HEAD") and run("opis data status") == "Data and pipelines are up to date.\n"
    run(SECTIONS["Branches"])
    assert (tmp / "project/photos/d.jpg").exists() and not (tmp / "project/.git/hooks/pre-push").exists()
    before, after = SECTIONS["Back to an earlier version"].split("opis data restore HEAD~1 photos/a.jpg")
    out = run(before)
    assert "photos/d.jpg" in out and not (tmp / "project/photos/d.jpg").exists()
    run("opis data restore HEAD~1 photos/a.jpg" + after)
    assert (tmp / "project/photos/d.jpg").read_text() == "d" and run("git status --porcelain") == ""
    run("mkdir ../other; cd ../other; git init -q; opis data init\n" + SECTIONS["Data of other repositories"])
    assert (tmp / "other/copy-of-them/a.jpg").read_text() == (tmp / "other/theirs/a.jpg").read_text() == "a"
    assert "all are what their names say" in run(SECTIONS["Is everything still whole?"])
    run(SECTIONS["Clearing up"])
    run("opis data checkout && opis data status -q")


def test_google_drive(project):
    """The settings are taken (there is no Drive here to be asked)."""
    tmp, run = project
    run("git init -q && opis data init\n" + SECTIONS["Google Drive, step by step"])
    assert "gdrive://1aBcDeFgHiJkLmNoPqRsTuVwXyZ/data" in (tmp / "project/.dvc/config").read_text()
    assert "drive-key.json" in (tmp / "project/.dvc/config.local").read_text() and "drive-key" not in (tmp / "project/.dvc/config").read_text()


def test_other_remotes(project):
    """The settings are taken, and what is secret stays out of git."""
    tmp, run = project
    run("git init -q && opis data init\n" + SECTIONS["Other remotes"])
    shared, local = (tmp / "project/.dvc/config").read_text(), (tmp / "project/.dvc/config.local").read_text()
    assert "s3://my-bucket/pictures" in shared and "webdavs://" in shared
    assert "wJalrEXAMPLEKEY" in local and "our secret" in local and "EXAMPLEKEY" not in shared and "secret" not in shared


def test_nothing_is_left_out():
    ran = {"A new repository", "From DVC in five minutes", "Branches", "Back to an earlier version", "Data of other repositories", "Is everything still whole?", "Clearing up", "Google Drive, step by step", "Other remotes"}
    assert {title for title, text in SECTIONS.items() if text} == ran
