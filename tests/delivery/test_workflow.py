"""docs/workflow.md, run line by line: its commands are taken from the page, so that the page cannot say what does not work."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "workflow.md").read_text()
OPIS = pathlib.Path(os.environ.get("OPIS", ROOT / "build" / "opis"))
PHOTOS = sorted((ROOT / "examples").glob("*.jpg"))


def section(title):
    """The commands under a heading of the page."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def commands(title, number=0):
    return re.findall(r"```sh\n(.*?)```", section(title), re.S)[number]


class Desk:
    """One person's machine: a home, a project, the program in the PATH."""

    def __init__(self, folder, remote):
        self.home, self.remote = folder, remote
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "bin" / "opis").symlink_to(OPIS)
        (folder / ".gitconfig").write_text("[user]\nname = t\nemail = t@example.org\n[advice]\ndetachedHead = false\n")
        self.env = {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}

    def run(self, script, stops=False):
        script = script.replace("/mnt/share/data", str(self.remote))
        done = subprocess.run(["bash", "-ec", script], cwd=self.project, env=self.env, capture_output=True, text=True, timeout=120)
        assert (done.returncode != 0) == stops, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def pictures(self):
        return {p.name: p.read_bytes() for p in (self.project / "photos").iterdir()}


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "me", tmp_path / "share")
    (desk.project / "photos").mkdir()
    for photo in PHOTOS[:2]:
        (desk.project / "photos" / photo.name).write_bytes(photo.read_bytes())
    (desk.home / "new").mkdir()
    (desk.home / "new" / "dog.jpg").write_bytes(PHOTOS[2].read_bytes())
    desk.run(commands("Begin"))
    return desk


def test_switching_brings_the_data(desk):
    before = desk.pictures()
    assert set(before) == {p.name for p in PHOTOS[:2]}
    desk.run(commands("A branch with other pictures"))
    assert set(desk.pictures()) == set(before) | {"dog.jpg"}
    desk.run(commands("A branch with other pictures", 1))
    assert desk.pictures() == before
    desk.run("git checkout more-dogs && opis data checkout")
    assert set(desk.pictures()) == set(before) | {"dog.jpg"}


def test_merging_both(desk):
    desk.run(commands("A branch with other pictures"))
    desk.run(commands("A branch with other pictures", 1))
    (desk.project / "photos" / "cat2.jpg").write_bytes(PHOTOS[3].read_bytes())
    desk.run("opis data add photos && git commit -am cats && opis data push")
    merge, *mend = commands("Two branches that change the same folder").splitlines()
    assert "CONFLICT" in desk.run(merge, stops=True)
    desk.run("\n".join(mend))
    assert set(desk.pictures()) == {PHOTOS[0].name, PHOTOS[1].name, "dog.jpg", "cat2.jpg"}
    assert desk.run("git status --porcelain") == ""
    assert len(desk.run("git log -1 --format=%p").split()) == 2


def test_folders_of_their_own_merge_without_conflict(desk):
    line = re.search(r"`(\.gitignore merge=union)`", section("Two branches that change the same folder"))[1]
    desk.run(f"mkdir sets && touch sets/.gitignore && echo '{line}' > .gitattributes && git add . && git commit -qm sets")
    for name in ("dogs", "cats"):
        desk.run(f"git checkout -q main && git checkout -q -b {name} && opis data checkout && cp -r ~/new sets/{name} && opis data add sets/{name} && git add . && git commit -qm {name}")
    desk.run("git checkout -q main && git merge -q dogs && git merge -q -m both cats && opis data checkout")
    assert (desk.project / "sets" / "dogs" / "dog.jpg").read_bytes() == (desk.project / "sets" / "cats" / "dog.jpg").read_bytes()
    assert desk.run("git status --porcelain") == ""


def test_the_version_of_last_month(desk):
    first = desk.pictures()
    desk.run("old=$(date -d '2 months ago' -Is) && GIT_COMMITTER_DATE=$old git commit --amend -q --no-edit --date $old")
    desk.run(commands("A branch with other pictures"))
    desk.run(f"rm photos/{PHOTOS[0].name} && opis data add photos && git commit -qam fewer && opis data push")
    now = desk.run("git rev-parse --abbrev-ref HEAD && git rev-parse HEAD")
    # what only the old version has is in the remote only, as after a fresh clone and a pull
    desk.run("rm -r .dvc/cache/files/md5 && opis data fetch")
    desk.run(commands("A version of last month"))
    assert desk.pictures() == first
    assert desk.run("git status --porcelain") == " M photos.dvc\n" and desk.run("git rev-parse --abbrev-ref HEAD && git rev-parse HEAD") == now
    desk.run(commands("A version of last month", 1))
    assert "dog.jpg" in desk.pictures() and desk.run("git status --porcelain") == ""


def test_data_follow_the_branch(desk):
    desk.run(commands("A branch with other pictures", 2))
    before = desk.pictures()
    desk.run("git checkout -b more && cp ~/new/*.jpg photos/ && opis data add photos && git commit -am more")
    desk.run("git checkout main")
    assert desk.pictures() == before
    desk.run("git merge more")
    assert set(desk.pictures()) == set(before) | {"dog.jpg"}
    desk.run("git init -q --bare ../origin && git remote add origin ../origin && git push -q origin main")
    desk.run("rm -r .dvc/cache/files/md5 photos && opis data pull")
    assert set(desk.pictures()) == set(before) | {"dog.jpg"}


def test_the_pipeline_checks_the_data_of_a_revision(desk):
    (desk.project / "build").mkdir()
    (desk.project / "build" / "opis").symlink_to(OPIS)
    (desk.project / ".gitignore").open("a").write("/build\n")
    desk.run("git add . && git commit -qm build && git tag good && echo 'no picture' > photos/broken.jpg && opis data add photos && git commit -qam bad && opis data push")
    desk.run("rm -r photos .dvc/cache/files/md5")
    quality = f"BUILD=build DATA_DIR=photos {ROOT}/ci/pipeline data-quality"
    assert "broken.jpg" in desk.run(quality, stops=True)
    assert "broken.jpg" in (desk.project / "build" / "reports" / "data-quality.xml").read_text()
    assert "broken.jpg" not in desk.run(f"DATA_REVISION=good {quality}")
    assert {p.name for p in (desk.project / "build" / "reports").iterdir()} == {f"data-quality.{kind}" for kind in ("xml", "html", "json")}
    assert "no-such-tag" in desk.run(f"DATA_REVISION=no-such-tag {quality}", stops=True)


def test_a_fresh_clone_pulls(desk, tmp_path):
    desk.run(commands("A branch with other pictures"))
    colleague = Desk(tmp_path / "colleague", desk.remote)
    colleague.project.rmdir()
    colleague.project = colleague.home
    colleague.run(commands("A colleague").replace("ADDRESS", str(desk.project)))
    colleague.project = colleague.home / "project"
    assert colleague.pictures() == desk.pictures()
