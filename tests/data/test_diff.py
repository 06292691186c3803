"""opis data diff: two revisions, a revision and the work tree, as JSON, Markdown and text."""
import json

import pytest


@pytest.fixture
def history(repo):
    repo.write({"a": b"1", "b": b"2", "sub/c": b"3"}, "data")
    repo.write({"single": b"s"})
    repo.ok("add", "data", "single")
    repo.commit("one")
    repo.git("tag", "v1")
    repo.write({"a": b"changed", "new": b"4"}, "data")
    (repo.path / "data/b").rename(repo.path / "data/sub/moved")
    (repo.path / "data/sub/c").unlink()
    return repo


def test_work_tree(history):
    d = json.loads(history.ok("diff", "--json"))
    assert list(d) == ["added", "deleted", "modified", "renamed", "not in cache"]
    assert d["added"] == [{"path": "data/new"}] and d["deleted"] == [{"path": "data/sub/c"}]
    assert d["modified"] == [{"path": "data/"}, {"path": "data/a"}]
    assert d["renamed"] == [{"path": {"old": "data/b", "new": "data/sub/moved"}}]
    hashes = json.loads(history.ok("diff", "--json", "--show-hash"))
    assert hashes["modified"][1]["hash"] == {"old": "c4ca4238a0b923820dcc509a6f75849b", "new": "8977dfac2f8e04cb96e66882235f5aba"}
    assert hashes["modified"][0]["hash"]["new"].endswith(".dir")


def test_text_and_markdown(history):
    text = history.ok("diff")
    assert "Added:\n    data/new\n\n" in text and "Renamed:\n    data/b -> data/sub/moved\n" in text
    assert text.endswith("files summary: 1 added, 1 deleted, 1 renamed, 1 modified\n")
    assert history.ok("diff", "--md").splitlines()[:3] == ["| Status   | Path                     |", "|----------|--------------------------|", "| added    | data/new                 |"]


def test_revisions_and_targets(history):
    history.ok("add", "data")
    history.ok("remove", "single.dvc")
    history.commit("two")
    d = json.loads(history.ok("diff", "v1", "HEAD", "--json"))
    assert "not in cache" not in d and {"path": "single"} in d["deleted"]
    back = json.loads(history.ok("diff", "HEAD", "v1", "--json"))
    assert {"path": "single"} in back["added"] and back["renamed"] == [{"path": {"old": "data/sub/moved", "new": "data/b"}}]
    assert json.loads(history.ok("diff", "v1", "HEAD", "--json", "--targets", "single"))["deleted"] == [{"path": "single"}]
    assert json.loads(history.ok("diff", "v1", "HEAD", "--json", "--targets", "data/sub"))["modified"] == []
    once = history.ok("diff", "v1", "HEAD", "--json", "--targets", "data/a")
    assert history.ok("diff", "v1", "HEAD", "--json", "--targets", "data/a", "data/a") == once and json.loads(once)["modified"]
    assert history.ok("diff", "v1", "HEAD", "--json", "--targets", "data/a", "data") == history.ok("diff", "v1", "HEAD", "--json", "--targets", "data")
    assert json.loads(history.ok("diff", "v1", "v1", "--json")) == {} and history.ok("diff") == ""
    assert "neither" in history.fails("diff", "--targets", "nothing")
    assert "no revision" in history.fails("diff", "nosuch")
    assert "two revisions" in history.fails("diff", "a", "b", "c")


def test_missing_from_the_cache(history):
    (history.path / ".dvc/cache/files/md5/c4/ca4238a0b923820dcc509a6f75849b").unlink()
    assert json.loads(history.ok("diff", "--json"))["not in cache"] == [{"path": "data/a"}]
    assert "not in cache" not in history.ok("diff", "--json", "--hide-missing")
    history.write({"a": b"1"}, "data")
    assert "Not in cache:\n    data/a\n" in history.ok("diff")


def test_before_the_first_commit(repo):
    repo.write({"a": b"1"})
    repo.ok("add", "a")
    assert repo.ok("diff", "--json") == "{}\n"


def lose_lists(repo):
    for path in (repo.path / ".dvc/cache/files/md5").rglob("*.dir"):
        path.unlink()


def test_lists_that_only_the_remote_has(history, tmp_path):
    history.ok("remote", "add", "-d", "store", "../store")
    history.ok("push")
    whole, changed = json.loads(history.ok("diff", "--json")), history.run("diff", "--json", "--targets", "data/a").stdout
    lose_lists(history)
    before = history.objects()
    told = json.loads(history.ok("diff", "--json"))
    assert told == dict(whole, **{"not in cache": [{"path": "data/"}]})
    assert history.run("diff", "--json", "--targets", "data/a").stdout == changed
    assert history.objects() == before and not list((history.path / ".dvc/tmp/opis").glob("source-*"))  # the cache stays as it is
    (tmp_path / "store").rename(tmp_path / "away")
    assert json.loads(history.ok("diff", "--json"))["added"] == []
    history.ok("add", "data")
    history.ok("commit")
    history.commit("two")
    (tmp_path / "away").rename(tmp_path / "store")
    history.ok("push")
    lose_lists(history)
    assert json.loads(history.ok("diff", "v1", "HEAD", "--json"))["added"] == whole["added"]


def test_a_remote_that_does_not_answer(history):
    history.ok("remote", "add", "-d", "store", "gopher://nowhere/data")
    lose_lists(history)
    done = history.run("diff", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["modified"] == [{"path": "data/"}]
    assert b"the remote cannot be asked what is in data: " in done.stderr
