"""add and commit of parts of a tracked folder; where move and add put what they track."""
import hashlib
import json
import os
import shutil

import pytest
from conftest import GOLDEN


def listed(repo, name="data"):
    """The names in the folder's list that the .dvc file tells of."""
    md5 = repo.text(f"{name}.dvc").split("md5: ")[1].split("\n")[0]
    return [e["relpath"] for e in json.loads((repo.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).read_bytes())]


@pytest.fixture
def folder(golden):
    golden.ok("add", "data")
    return golden


def test_a_deleted_part_leaves_the_list(folder):
    (folder.path / "data/b").unlink()
    shutil.rmtree(folder.path / "data/sub")
    folder.write({"data/b.c": b"changed"})
    folder.ok("add", "data/b")
    assert sorted(listed(folder)) == sorted(set(GOLDEN) - {"b"})
    assert "  size:" not in folder.text("data.dvc") and "  nfiles: 6\n" in folder.text("data.dvc")  # as DVC: what is no more than added to has no size
    folder.ok("add", "data/sub")
    assert sorted(listed(folder)) == sorted(set(GOLDEN) - {"b", "sub/b.txt"})
    assert "modified" in folder.ok("status")  # b.c was not named
    folder.ok("add", "data/b.c")
    assert folder.ok("status") == "Data and pipelines are up to date.\n"
    for name in ("data/b", "data/nosuch", "data/a.jpg/x"):
        before = folder.text("data.dvc")
        assert "no such file" in folder.fails("add", name)
        assert folder.text("data.dvc") == before


def test_what_is_added_to_keeps_its_size(folder):
    folder.write({"data/new": b"12345", "data/more/x": b"1", "data/other": b"not named"})
    assert folder.ok("add", "data/new", "data/more").count("data.dvc") == 1
    assert "  size: 18\n  nfiles: 9\n" in folder.text("data.dvc")
    assert hashlib.md5(b"12345").hexdigest() in folder.objects() and hashlib.md5(b"not named").hexdigest() not in folder.objects()
    folder.ok("add", "data/new")
    assert "  size: 18\n  nfiles: 9\n" in folder.text("data.dvc")
    assert "other" not in listed(folder)


def test_several_at_once_without_commit(folder):
    folder.write({"data/new": b"1", "data/b": b"changed"})
    (folder.path / "data/b-c").unlink()
    objects = folder.objects()
    folder.ok("add", "--no-commit", "data/new", "data/b", "data/b-c")
    assert folder.objects() == objects and folder.ok("status", "--json") == '{"data.dvc": [{"changed outs": {"data": "not in cache"}}]}\n'
    folder.ok("commit", "data")
    assert set(listed(folder)) == (set(GOLDEN) | {"new"}) - {"b-c"} and folder.ok("status", "--json") == "{}\n"


def test_what_is_named_before_an_error_is_added(folder):
    folder.write({"data/new": b"1"})
    assert "data/nosuch" in folder.fails("add", "data/new", "data/nosuch")
    assert "new" in listed(folder)


def test_a_folder_where_a_file_was(folder):
    (folder.path / "data/b").unlink()
    folder.write({"data/b/x": b"1"})
    folder.ok("add", "data/b/x")
    assert "b" not in listed(folder) and "b/x" in listed(folder) and folder.ok("status", "--json") == "{}\n"


def test_names_of_stage_files(folder):
    """Inside of a folder they are data like others; an output may not have one."""
    folder.write({"data/x.dvc": b"x", "y.dvc/f": b"1", "q/dvc.yaml/f": b"1", "file": b"1"})
    folder.ok("add", "data/x.dvc", "file")
    assert "x.dvc" in listed(folder)
    for args in (["add", "y.dvc"], ["add", "q/dvc.yaml"], ["add", "-o", "z.dvc", "/etc/hostname"], ["move", "file", "moved.dvc"]):
        assert "a .dvc file is what git tracks" in folder.fails(*args), args


def test_a_list_that_only_the_remote_has(folder, tmp_path):
    folder.ok("remote", "add", "-d", "store", "../store")
    folder.ok("push")
    shutil.rmtree(folder.path / ".dvc/cache")
    (folder.path / "data/b").unlink()
    folder.ok("add", "data/b")
    assert "b" not in listed(folder)
    shutil.rmtree(folder.path / ".dvc/cache")
    shutil.rmtree(tmp_path / "store")
    assert "neither in the cache nor on the remote" in folder.fails("add", "data/a.jpg")


def test_parts_of_what_is_no_folder(folder):
    folder.write({"file": b"1"})
    folder.ok("add", "file")
    (folder.path / "file").unlink()
    folder.write({"file/x": b"1"})
    assert "tracked as a file" in folder.fails("add", "file/x")
    shutil.rmtree(folder.path / "data")
    assert "no such folder" in folder.fails("add", "data/b")


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_parts_become_links(folder, kind):
    folder.ok("config", "cache.type", kind)
    folder.write({"data/new": b"new", "data/other": b"other"})
    folder.ok("add", "data/new")
    folder.ok("add", "--no-relink", "data/other")
    new, other = folder.path / "data/new", folder.path / "data/other"
    assert (new.is_symlink() if kind == "symlink" else new.stat().st_nlink == 2) and not other.is_symlink() and other.stat().st_nlink == 1
    assert folder.ok("status", "--json") == "{}\n"


def test_commit_of_a_part(folder):
    folder.write({"data/b": b"changed", "data/new": b"1"})
    (folder.path / "data/b-c").unlink()
    folder.ok("commit", "-f", "data/b")
    folder.ok("commit", "-f", "data/b-c")
    assert set(listed(folder)) == set(GOLDEN) - {"b-c"}
    assert "no such file" in folder.fails("commit", "-f", "data/nosuch")


def test_moves_into_folders_that_are_there(folder):
    folder.write({"file": b"1"})
    folder.ok("add", "file")
    for args in (["file", "new/file"], ["file", "new/"], ["data", "new/er/data"]):
        before = folder.text(".gitignore")
        assert "make it first: mkdir -p 'new" in folder.fails("move", *args)
        assert folder.text(".gitignore") == before and not (folder.path / "new").exists()
    (folder.path / "new").mkdir()
    folder.ok("move", "file", "new/")
    folder.ok("move", "data", "new/d")
    assert (folder.path / "new/file.dvc").exists() and folder.read("new/d") == GOLDEN and folder.ok("status", "--json") == "{}\n"
    assert "make it first" in folder.fails("add", "-o", "nosuch/x", "/etc/hostname")
    os.symlink("nowhere", folder.path / "link")
    assert "exists already" in folder.fails("move", "new/file", "link")
    assert "link" not in folder.text("new/.gitignore")


def test_an_output_that_git_keeps(folder):
    """cache: false: what it is stands in the .dvc file; it is neither stored nor hidden from git."""
    folder.write({"file": b"1", "sub/x": b"1"})
    folder.ok("add", "file")
    (folder.path / "file.dvc").write_text(folder.text("file.dvc") + "  cache: false\n")
    (folder.path / ".gitignore").write_text("/data\n")
    folder.commit()
    objects = folder.objects()
    for content, args in ((b"22", ["add", "file"]), (b"333", ["commit", "-f", "file"]), (b"4444", ["commit", "-f"])):
        folder.write({"file": content})
        folder.ok(*args)
        assert f"md5: {hashlib.md5(content).hexdigest()}\n  size: {len(content)}\n" in folder.text("file.dvc") and folder.ok("status", "--json") == "{}\n"
    folder.ok("move", "file", "sub/file")
    assert folder.objects() == objects and folder.text(".gitignore") == "/data\n" and not (folder.path / "sub/.gitignore").exists()
