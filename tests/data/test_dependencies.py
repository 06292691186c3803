"""Stage files that have dependencies: what status says of them, and what commit and move write. tests/interop/test_data_deps.py holds the same against DVC."""
import json

import pytest
from conftest import Repository

MD5 = {b"1": "c4ca4238a0b923820dcc509a6f75849b", b"2": "c81e728d9d4c2f636f067f89cc14862c"}
OUT = f"outs:\n- md5: {MD5[b'2']}\n  size: 1\n  hash: md5\n  path: out\n"


def entry(path, content=b"1"):
    return f"- md5: {MD5[content]}\n  size: 1\n  hash: md5\n  path: {path}\n"


def status(repo, *args):
    return json.loads(repo.ok("status", "--json", *args))


@pytest.fixture
def made(repo, tmp_path):
    """A repository where `out` was made from `code`, and both are what out.dvc says."""
    repo.write({"code": b"1", "out": b"2", "../far/away": b"1"})
    return repo


def record(repo, *deps, top=""):
    repo.write({"out.dvc": (top + "deps:\n" + "".join(deps) + OUT).encode()})
    repo.ok("commit", "-f")
    assert status(repo) == {}


def test_status(made, tmp_path):
    far = str(tmp_path / "far/away")
    record(made, entry("code"), entry("../far/away"), entry(far))
    made.write({"code": b"2", "../far/away": b"2"})
    assert status(made) == {"out.dvc": [{"changed deps": {"code": "modified", far: "modified"}}]}
    (made.path / "code").unlink()
    assert status(made, "out")["out.dvc"][0]["changed deps"]["code"] == "deleted"
    assert "\tchanged deps:\n\t\tdeleted:            code\n" in made.ok("status")
    assert made.run("status", "-q").returncode == 1
    made.write({"out.dvc": b"frozen: true\n" + (made.path / "out.dvc").read_bytes()})
    assert status(made) == {}


def test_folders(made):
    made.write({"src/a": b"1", "hidden/a": b"1", ".dvcignore": b"hidden\n"})
    record(made, "- path: src\n  hash: md5\n", "- path: ../far\n  hash: md5\n", "- path: hidden\n  hash: md5\n")
    assert "nfiles: 1\n" in made.text("out.dvc") and "md5: d751713988987e9331980363e24189ce.dir\n  size: 0\n" in made.text("out.dvc")  # an ignored folder counts as empty
    made.write({"src/b": b"1", "../far/b": b"1", "hidden/b": b"1"})
    assert set(status(made)["out.dvc"][0]["changed deps"]) == {"src", str(made.path.parent / "far")}


def test_commit(made):
    record(made, entry("code"))
    made.write({"code": b"2"})
    before = made.text("out.dvc")
    assert "code: changed since" in made.fails("commit")
    assert made.text("out.dvc") == before
    made.ok("commit", "-f")
    assert entry("code", b"2") in made.text("out.dvc") and status(made) == {}
    (made.path / "code").unlink()
    assert "depends on it" in made.fails("commit", "-f")


def test_own_hash(made):
    """That of an import; nothing else has one."""
    record(made, entry("code"))
    assert made.text("out.dvc").count("\nmd5: ") == 1
    record(made, entry("code"), entry("../far/away"), top=f"md5: {MD5[b'1']}\n")
    assert not made.text("out.dvc").startswith("md5: ") and "\nmd5: " not in made.text("out.dvc")


def test_always_changed(made):
    made.write({"out.dvc": ("always_changed: true\n" + OUT).encode()})
    made.ok("commit", "-f")
    assert status(made) == {"out.dvc": ["always changed"]}
    made.write({"dvc.yaml": b"stages:\n  call:\n    cmd: date\n  none:\n    cmd: x\n    deps: [code]\n"})
    assert status(made) == {"out.dvc": ["always changed"], "call": ["always changed"], "none": [{"changed deps": {"code": "modified"}}]}


def test_move(made, tmp_path):
    record(made, entry("code"), entry("../far/away"), entry(tmp_path / "far/away"))
    made.write({"sub/x": b""})
    made.ok("move", "out", "sub")
    text = made.text("sub/out.dvc")
    assert "path: ../code\n" in text and "path: ../../far/away\n" in text and f"path: {tmp_path}/far/away\n" in text
    assert status(made) == {}


def test_urls_are_told(made):
    made.write({"out.dvc": ("deps:\n- etag: '\"1\"'\n  size: 1\n  hash: md5\n  path: https://example.org/x\n" + OUT).encode()})
    made.ok("commit", "-f")
    assert "https://example.org/x" in made.run("status").stderr.decode()
    assert status(made) == {}


def test_import_of_a_repository_is_no_dependency_here(repo, tmp_path):
    """A path of the other repository that is also one of ours."""
    source = Repository(tmp_path / "source/repo")
    source.write({"code": b"1"})
    source.commit()
    repo.write({"code": b"other"})
    repo.ok("import", str(source.path), "code", "-o", "got")
    repo.write({"got.dvc": repo.text("got.dvc").replace("frozen: true\n", "").encode()})
    assert status(repo) == {}
