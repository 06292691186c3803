"""init, add, status, checkout, commit, remove, move: what they write, and what they refuse."""
import hashlib
import json
import os
import stat
import subprocess
import tempfile

import pytest
from conftest import GOLDEN, GOLDEN_DIR, Repository


def test_init(repo):
    assert repo.text(".dvc/.gitignore") == "/config.local\n/tmp\n/cache\n"
    assert repo.text(".dvc/config") == ""
    assert repo.text(".dvcignore").count("\n") == 3
    assert repo.git("diff", "--cached", "--name-only").split() == [".dvc/.gitignore", ".dvc/config", ".dvcignore"]
    assert "already" in repo.fails("init")
    repo.ok("init", "-f")


def test_init_without_git(tmp_path):
    r = Repository(tmp_path / "plain", init=False)
    assert "git init" in r.fails("init")
    r.ok("init", "--no-scm")
    assert r.text(".dvc/config") == "[core]\n    no_scm = True\n"
    r.write({"f": b"1"})
    r.ok("add", "f")
    assert not (r.path / ".gitignore").exists()


def test_outside(tmp_path):
    r = Repository(tmp_path / "none", init=False)
    assert "not inside of a DVC repository" in r.fails("status")


def test_golden_vector(golden):
    golden.ok("add", "data")
    assert golden.text("data.dvc") == f"outs:\n- md5: {GOLDEN_DIR}\n  size: 12\n  nfiles: 7\n  hash: md5\n  path: data\n"
    assert golden.text(".gitignore") == "/data\n"
    body = (golden.path / ".dvc/cache/files/md5" / GOLDEN_DIR[:2] / GOLDEN_DIR[2:]).read_bytes()
    assert body.startswith(b'[{"md5": "5d41402abc4b2a76b9719d911017c592", "relpath": "a.jpg"}, {"md5": "')
    assert body.endswith(b'"relpath": "\\u00fcn\\u00ef \\"q\\" \\ud83d\\ude00.txt"}]')
    assert len(golden.objects()) == 6
    for path in (golden.path / ".dvc/cache/files").rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert not (golden.path / ".dvc/cache/files/md5/.opis").exists()


def test_file(repo):
    repo.write({"run.sh": b"#!/bin/sh\ntrue\n"})
    os.chmod(repo.path / "run.sh", 0o755)
    repo.ok("add", "run.sh")
    assert repo.text("run.sh.dvc") == "outs:\n- md5: 23e73a9d81fd6b0b3b2ac7f12a3a8e97\n  size: 15\n  isexec: true\n  hash: md5\n  path: run.sh\n".replace(
        "23e73a9d81fd6b0b3b2ac7f12a3a8e97", subprocess.run(["md5sum", repo.path / "run.sh"], capture_output=True, text=True).stdout.split()[0])
    (repo.path / "run.sh").unlink()
    repo.ok("checkout")
    assert os.access(repo.path / "run.sh", os.X_OK)


def test_status(golden):
    assert "Nothing is tracked" in golden.ok("status")
    golden.ok("add", "data")
    assert golden.ok("status") == "Data and pipelines are up to date.\n"
    assert golden.run("status", "-q").returncode == 0
    golden.write({"b": b"new"}, "data")
    assert golden.ok("status") == "data.dvc:\n\tchanged outs:\n\t\tmodified:           data\n"
    assert json.loads(golden.ok("status", "--json")) == {"data.dvc": [{"changed outs": {"data": "modified"}}]}
    assert golden.run("status", "-q").returncode == 1
    golden.git("mv", "-k", "data", "elsewhere")
    os.rename(golden.path / "data", golden.path / "elsewhere")
    assert json.loads(golden.ok("status", "--json", cwd=golden.path / ".dvc")) == {"../data.dvc": [{"changed outs": {"../data": "deleted"}}]}
    (golden.path / ".dvc/cache/files/md5" / GOLDEN_DIR[:2] / GOLDEN_DIR[2:]).unlink()
    assert json.loads(golden.ok("status", "--json", "data.dvc")) == {"data.dvc": [{"changed outs": {"data": "not in cache"}}]}


def test_change_of_the_same_size_and_instant(repo):
    """The index must not believe a file that changed within the clock's tick after it was hashed."""
    repo.write({"f": b"0"})
    for i in range(30):
        (repo.path / "f").write_bytes(b"%d" % (i % 10))
        repo.ok("add", "f")
        (repo.path / "f").write_bytes(b"%d" % ((i + 1) % 10))
        assert repo.run("status", "-q").returncode == 1, i


def test_checkout_restores(golden):
    golden.ok("add", "data")
    golden.commit()
    (golden.path / "data/b").unlink()
    (golden.path / "data/sub/b.txt").unlink()
    (golden.path / "data/sub").rmdir()
    assert golden.ok("checkout") == "M\tdata/\n"
    assert golden.read("data") == GOLDEN
    assert golden.ok("checkout") == ""


def test_checkout_of_a_directory_object_in_another_order(golden):
    """DVC sorts its files; whoever does not is read all the same, and names that come twice are refused in any order."""
    golden.ok("add", "data")
    folder = golden.path / ".dvc/cache/files/md5"
    entries = json.loads((folder / GOLDEN_DIR[:2] / GOLDEN_DIR[2:]).read_text())

    def store(some):
        body = json.dumps(some).encode()
        name = hashlib.md5(body).hexdigest() + ".dir"
        path = folder / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        path.chmod(0o444)
        (golden.path / "data.dvc").write_text(f"outs:\n- md5: {name}\n  size: 5\n  nfiles: 1\n  hash: md5\n  path: data\n")

    for order in (entries[::-1], entries[3:] + entries[:3], entries[1::2] + entries[::2]):
        (golden.path / "data/b").unlink()
        golden.write({"a.jpg": b"other", "more": b"x", "b-b": b"x"}, "data")
        store(order)
        assert "would lose 1 changed file" in golden.fails("checkout")
        assert golden.ok("checkout", "-f") == "M\tdata/\n"
        assert golden.read("data") == GOLDEN
        store(order + order[2:3])
        assert "comes twice" in golden.fails("checkout", "-f")
        store(order + [dict(order[2], relpath="b-c/x")])
        assert "both a file and a folder" in golden.fails("checkout", "-f")
        assert golden.read("data") == GOLDEN


def test_checkout_keeps_unsaved(golden):
    golden.ok("add", "data")
    golden.write({"b": b"precious", "more": b"also"}, "data")
    err = golden.fails("checkout")
    assert "data/b" in err and "--force" in err
    assert golden.read("data")["b"] == b"precious"
    golden.ok("checkout", "--force")
    assert golden.read("data") == GOLDEN


def test_checkout_follows_branches(golden):
    golden.ok("add", "data")
    golden.commit("with data")
    golden.git("checkout", "-q", "--orphan", "empty")
    golden.git("rm", "-q", "--cached", "data.dvc")
    (golden.path / "data.dvc").unlink()
    golden.commit("without")
    assert golden.ok("checkout") == "D\tdata\n"
    assert not (golden.path / "data").exists()
    golden.git("checkout", "-q", "main")
    golden.ok("checkout")
    assert golden.read("data") == GOLDEN


def test_checkout_changes_of_kind(repo):
    """A file becomes a folder and back; in a folder, a file's name becomes a folder's."""
    repo.write({"x": b"file"})
    repo.ok("add", "x")
    first = repo.commit()
    (repo.path / "x").unlink()
    repo.write({"x/a": b"1", "x/b/c": b"2"})
    repo.ok("add", "x")
    second = repo.commit()
    (repo.path / "x/a").unlink()
    repo.write({"x/a/deep": b"3"})
    repo.ok("add", "x")
    third = repo.commit()
    for revision, want in [(first, None), (third, {"a/deep": b"3", "b/c": b"2"}), (second, {"a": b"1", "b/c": b"2"}), (first, None), (second, {"a": b"1", "b/c": b"2"})]:
        repo.git("checkout", "-q", revision)
        repo.ok("checkout")
        if want is None:
            assert (repo.path / "x").read_bytes() == b"file"
        else:
            assert repo.read("x") == want
        assert repo.run("status", "-q").returncode == 0


def test_add_again_edits_in_place(golden):
    golden.ok("add", "data")
    text = "# what this is\n" + golden.text("data.dvc").replace("  size: 12\n", "  size: 12 # bytes\n").replace("outs:\n", "outs: # one\n") + "meta:\n  who: me # and you\n"
    (golden.path / "data.dvc").write_text(text)
    golden.write({"b": b"changed"}, "data")
    golden.ok("add", "data")
    now = golden.text("data.dvc")
    assert now != text
    for part in ("# what this is\n", "  size: 18 # bytes\n", "outs: # one\n", "meta:\n  who: me # and you\n", "  nfiles: 7\n  hash: md5\n  path: data\n"):
        assert part in now


def test_add_part_of_a_folder(golden):
    golden.ok("add", "data")
    golden.write({"b": b"changed", "new": b"n"}, "data")
    golden.ok("add", "data/new")
    assert golden.text("data.dvc").count("nfiles: 8") == 1
    assert golden.run("status", "-q").returncode == 1
    golden.ok("checkout", "-f")
    assert golden.read("data") == dict(GOLDEN, new=b"n")


def test_add_no_commit_then_commit(golden):
    golden.ok("add", "--no-commit", "data")
    assert golden.objects() == [] if (golden.path / ".dvc/cache").exists() else True
    assert "not in cache" in golden.ok("status")
    golden.ok("commit")
    assert golden.run("status", "-q").returncode == 0
    golden.write({"b": b"changed"}, "data")
    assert "-f" in golden.fails("commit")
    golden.ok("commit", "-f")
    assert golden.run("status", "-q").returncode == 0


def test_add_glob(repo):
    repo.write({"a.txt": b"1", "b.txt": b"2", "c.bin": b"3"})
    repo.ok("add", "--glob", "*.txt")
    assert sorted(p.name for p in repo.path.glob("*.dvc")) == [".dvc", "a.txt.dvc", "b.txt.dvc"]
    assert "matches nothing" in repo.fails("add", "--glob", "*.png")


def test_add_refuses(repo, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/f").write_bytes(b"1")
    repo.write({"tracked": b"1", "d/f": b"1", "ignored/f": b"1"})
    repo.git("add", "tracked")
    assert "git rm -r --cached" in repo.fails("add", "tracked")
    assert "no such file" in repo.fails("add", "nothing")
    assert "outside of the repository" in repo.fails("add", "../outside/f")
    os.symlink(tmp_path / "outside", repo.path / "link")
    assert "symbolic link" in repo.fails("add", "link")
    assert "symbolic link" in repo.fails("add", "link/f")
    os.symlink("nowhere", repo.path / "d/broken")
    assert "link that leads nowhere" in repo.fails("add", "d")
    (repo.path / "d/broken").unlink()
    (repo.path / ".dvcignore").write_text("ignored\n")
    assert "ignored by .dvcignore" in repo.fails("add", "ignored")
    (repo.path / "d/.dvcignore").write_text("x\n")
    assert ".dvcignore inside" in repo.fails("add", "d")
    (repo.path / "d/.dvcignore").unlink()
    os.mkfifo(repo.path / "d/pipe")
    assert "neither a file nor a folder" in repo.fails("add", "d")
    (repo.path / "d/pipe").unlink()
    repo.ok("add", "d/f")
    assert "holds 'd/f'" in repo.fails("add", "d")
    assert "a .dvc file is" in repo.fails("add", "d/f.dvc")


def test_dvcignore_of_all_in_a_folder(repo):
    """With DVC, "x/**" is about the folder x, too: it is no data, and nothing in it can be taken back."""
    repo.write({"x/f": b"1", "y/f": b"1", "y/keep": b"1", "z/y/keep": b"1"}, "p")
    (repo.path / ".dvcignore").write_text("p/x/**\np/y/**\n!p/y/keep\n")
    assert repo.ok("list", ".", "p", "-R").split() == ["z/y/keep"]
    for name in ("p/x", "p/y"):
        assert "ignored by .dvcignore" in repo.fails("add", name)
    repo.ok("add", "p")
    assert "  nfiles: 1\n" in repo.text("p.dvc")


def test_a_name_too_long(repo):
    """There is no room for the .dvc file's: nothing is written."""
    name = "n" * 252
    repo.write({name: b"1", "n" * 251: b"1"})
    assert "too long" in repo.fails("add", name)
    assert not (repo.path / ".gitignore").exists() and repo.objects() == []
    repo.ok("add", "n" * 251)


def test_dvcignore(repo):
    repo.write({"d/a": b"1", "d/b.tmp": b"2", "d/keep.tmp": b"3", "d/sub/c.tmp": b"4", "d/sub/c": b"5", "d/.git": b"6", "d/build/x": b"7"})
    (repo.path / ".dvcignore").write_text("# comment\n*.tmp\n!keep.tmp\n  /d/build/  \n")
    repo.ok("add", "d")
    assert "nfiles: 3" in repo.text("d.dvc")
    (repo.path / "d/a").unlink()
    repo.ok("checkout")
    assert set(repo.read("d")) == {"a", "b.tmp", "keep.tmp", "sub/c.tmp", "sub/c", ".git", "build/x"}


def test_gitignore_lines(repo):
    names = ["plain", "a b", "#hash", "!bang", "st*r", "q?", "br[x]", "ünï"]
    repo.write({n: n.encode() for n in names})
    for n in names:
        repo.ok("add", n)
    assert repo.git("status", "--porcelain", "-z", "-uall").split("\0")[:-1] and not any(line[3:] in names for line in repo.git("status", "--porcelain", "-z", "-uall").split("\0"))
    for n in names:
        repo.ok("remove", n + ".dvc")
    assert not (repo.path / ".gitignore").exists()


def test_already_ignored_by_git(repo):
    (repo.path / ".gitignore").write_text("*.bin\n")
    repo.write({"x.bin": b"1"})
    repo.ok("add", "x.bin")
    assert repo.text(".gitignore") == "*.bin\n"


def test_remove(golden):
    golden.ok("add", "data")
    assert "data.dvc" in golden.fails("remove", "data")
    golden.ok("remove", "data.dvc")
    assert not (golden.path / "data.dvc").exists() and not (golden.path / ".gitignore").exists()
    golden.ok("checkout")
    assert golden.read("data") == GOLDEN
    golden.ok("add", "data")
    golden.ok("remove", "--outs", "data.dvc")
    assert not (golden.path / "data").exists()


def test_checkout_leaves_what_never_was_an_output(repo):
    """Dependencies, and outputs that git keeps, whose content happens to be in the cache, too: status hashed them, which makes them nobody's data."""
    repo.write({"same": b"1", "code/x": b"1", "in put": b"1", "metrics.json": b"1", "made": b"1"})
    repo.write({"dvc.yaml": b"stages:\n  a:\n    cmd: x\n    deps: [code, in put]\n    outs:\n    - made\n    - metrics.json: {cache: false}\n"})
    entry = "hash: md5\n      md5: c4ca4238a0b923820dcc509a6f75849b\n      size: 1\n"
    repo.write({"dvc.lock": ("schema: '2.0'\nstages:\n  a:\n    cmd: x\n    deps:\n    - path: in put\n      " + entry + "    outs:\n" + "".join(f"    - path: {p}\n      {entry}" for p in ("made", "metrics.json"))).encode()})
    repo.ok("add", "same")
    assert json.loads(repo.ok("status", "--json")) == {"a": [{"changed deps": {"code": "modified"}}]}
    repo.ok("checkout")
    assert repo.read("code") == {"x": b"1"} and repo.text("in put") == "1"
    (repo.path / "dvc.yaml").unlink()
    (repo.path / "dvc.lock").unlink()
    repo.ok("checkout")  # takes away what the pipeline made, and nothing else
    assert repo.read("code") == {"x": b"1"} and repo.text("in put") == "1" and repo.text("metrics.json") == "1" and repo.text("same") == "1"


def test_no_stage_file_where_git_would_not_see_it(repo):
    repo.write({"z/a": b"1", "x/b": b"2", "hidden/c": b"3"})
    repo.ok("add", "z", "x")
    (repo.path / ".gitignore").write_text("/z\n/x\n/hidden\n")
    for args in (["move", "x", "z"], ["move", "x", "z/deep"], ["move", "x", "x/inside"], ["move", "x", "hidden"]):
        err = repo.fails(*args)
        assert "tracks" in err or "hides this file from git" in err, (args, err)
    assert "hides this file from git" in repo.fails("add", "hidden/c")
    assert not (repo.path / "hidden/c.dvc").exists() and not (repo.path / "hidden/.gitignore").exists()
    assert repo.read("x") == {"b": b"2"} and repo.read("z") == {"a": b"1"} and repo.ok("status") == "Data and pipelines are up to date.\n"


def test_move(golden):
    golden.ok("add", "data")
    (golden.path / "other").mkdir()
    golden.ok("move", "data", "other")
    assert golden.read("other/data") == GOLDEN and not (golden.path / "data").exists() and not (golden.path / "data.dvc").exists()
    assert golden.text("other/data.dvc").endswith("path: data\n") and golden.text("other/.gitignore") == "/data\n"
    golden.ok("move", "other/data", "new name")
    assert golden.text("new name.dvc").endswith("  path: new name\n")
    assert golden.run("status", "-q").returncode == 0
    golden.write({"file": b""})
    assert "exists" in golden.fails("move", "new name", "file")


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy", "reflink,copy"])
def test_link_types(golden, kind):
    (golden.path / ".dvc/config").write_text(f"[cache]\n    type = \"{kind}\"\n")
    golden.ok("add", "data")
    f = golden.path / "data/a.jpg"
    assert f.is_symlink() == (kind == "symlink")
    assert (f.stat().st_nlink > 1) == (kind == "hardlink")
    assert (golden.path / "data/empty").stat().st_nlink == 1
    assert golden.run("status", "-q").returncode == 0
    golden.ok("unprotect", "data")
    assert not f.is_symlink() and f.stat().st_nlink == 1 and os.access(f, os.W_OK)
    (golden.path / ".dvc/config").write_text("[cache]\n    type = hardlink\n")
    golden.ok("checkout", "--relink")
    assert f.stat().st_nlink > 1 and not f.is_symlink()
    assert golden.read("data") == GOLDEN
    f.unlink()
    golden.ok("checkout")
    assert golden.read("data") == GOLDEN
    assert sorted(golden.objects()) == sorted(set(golden.objects()))


def test_hostile_directory_object(golden):
    golden.ok("add", "data")
    folder = golden.path / ".dvc/cache/files/md5"
    for i, name in enumerate(["../evil", "/tmp/evil", "a/../../evil", "", "a//b", "a\\u0000b", ".", "x/.."]):
        body = ('[{"md5": "5d41402abc4b2a76b9719d911017c592", "relpath": "%s"}]' % name).encode()
        fake = "%032x" % (i + 1)
        (folder / fake[:2]).mkdir(exist_ok=True)
        path = folder / fake[:2] / (fake[2:] + ".dir")
        path.write_bytes(body)
        path.chmod(0o444)
        (golden.path / "data.dvc").write_text(f"outs:\n- md5: {fake}.dir\n  size: 5\n  nfiles: 1\n  hash: md5\n  path: data\n")
        assert "leads out" in golden.fails("checkout", "-f")
    assert not (golden.path / "evil").exists() and not (golden.path.parent / "evil").exists()


def test_checkout_never_follows_links(golden, tmp_path):
    golden.ok("add", "data")
    outside = tmp_path / "outside"
    outside.mkdir()
    (golden.path / "data/sub/b.txt").unlink()
    (golden.path / "data/sub").rmdir()
    os.symlink(outside, golden.path / "data/sub")
    err = golden.fails("checkout", "-f")
    assert "link" in err and list(outside.iterdir()) == []
    (golden.path / "data/sub").unlink()
    (golden.path / "data/b").unlink()
    (outside / "target").write_bytes(b"mine")
    os.symlink(outside / "target", golden.path / "data/b")
    golden.ok("checkout", "-f")
    assert (outside / "target").read_bytes() == b"mine" and golden.read("data") == GOLDEN


def test_damaged_object_is_not_believed(golden):
    golden.ok("add", "data")
    path = golden.path / ".dvc/cache/files/md5/5d/41402abc4b2a76b9719d911017c592"
    path.chmod(0o644)
    path.write_bytes(b"hellO")
    assert "not in cache" in golden.ok("status")
    assert not path.exists()
    golden.ok("commit")
    assert golden.run("status", "-q").returncode == 0


def test_names_that_are_not_utf8(repo):
    os.makedirs(repo.path / "d")
    for name in (b"\xff\xfe", "ü".encode(), b"z", "\ue000".encode(), "\ud7ff".encode()):
        with open(os.fsencode(repo.path / "d") + b"/" + name, "wb") as f:
            f.write(name)
    before = sorted(os.listdir(os.fsencode(repo.path / "d")))
    repo.ok("add", "d")
    body = next((repo.path / ".dvc/cache").rglob("*.dir")).read_text()
    names = [e["relpath"] for e in json.loads(body)]
    assert names == sorted(names) and "\udcff\udcfe" in names
    subprocess.run(["rm", "-rf", repo.path / "d"], check=True)
    repo.ok("checkout")
    assert sorted(os.listdir(os.fsencode(repo.path / "d"))) == before


def test_lock_is_honoured(repo):
    import fcntl

    repo.write({"f": b"1"})
    repo.ok("status")
    with open(repo.path / ".dvc/tmp/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "at work in this repository" in repo.fails("add", "f")
    (repo.path / ".dvc/tmp/rwlock").write_text(json.dumps({"read": {}, "write": {str(repo.path / "f"): {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    assert "dvc repro" in repo.fails("add", "f")
    (repo.path / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(repo.path / "f"): {"pid": 2**22 - 1, "cmd": "gone"}}}))
    repo.ok("add", "f")


def test_folder_that_a_missing_file_must_replace_is_not_left_empty(repo):
    repo.write({"data": b"1"})
    repo.ok("add", "data")
    (repo.path / ".dvc/cache/files/md5/c4/ca4238a0b923820dcc509a6f75849b").unlink()
    (repo.path / "data").unlink()
    repo.write({"a": b"2"}, "data")
    repo.write({"copy": b"2"})
    repo.ok("add", "copy")
    repo.fails("checkout")
    assert not (repo.path / "data").exists()


def test_list_tells_the_hash_of_a_folder_where_a_file_is_now(repo):
    repo.write({"a": b"1"}, "data")
    repo.ok("add", "data")
    (repo.path / "data/a").unlink()
    (repo.path / "data").rmdir()
    repo.write({"data": b"2"})
    entry = json.loads(repo.ok("list", ".", "data", "--json", "--show-hash"))[0]
    assert entry["md5"].endswith(".dir") and not entry["isdir"]


def test_checkout_asks_the_remote_for_the_list_of_a_folder(remote):
    """Its files may all be in the cache."""
    remote.write({"a": b"1"}, "data")
    remote.ok("add", "data")
    remote.ok("push")
    for path in (remote.path / ".dvc/cache").rglob("*.dir"):
        path.unlink()
    (remote.path / "data/a").unlink()
    remote.ok("checkout")
    assert remote.read("data") == {"a": b"1"}


def test_a_repository_of_its_own_is_no_data(golden):
    inner = Repository(golden.path / "inner")
    inner.write({"x": b"1"})
    (inner.path / ".dvcignore").unlink()
    assert "another DVC repository" in golden.fails("add", "inner")
    golden.write({"a": b"1"}, "inner/../outer")
    inner.path.rename(golden.path / "outer/inner")
    golden.ok("add", "outer")  # within a folder it is passed over, as DVC does
    assert "nfiles: 1\n" in golden.text("outer.dvc")


@pytest.mark.parametrize("types", ["hardlink", "hardlink,symlink", "reflink,hardlink,copy"])
def test_cache_on_another_file_system(repo, types):
    """What cannot be linked stays as it is, is recorded, and is warned of; no error, as with DVC."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(repo.path).st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as cache:
        repo.ok("cache", "dir", "--local", cache)
        repo.ok("config", "cache.type", types)
        repo.write({"data/a": b"1", "single": b"2"})
        done = repo.run("add", "data", "single")
        assert done.returncode == 0 and (b"none of the link types" in done.stderr) == (types == "hardlink"), done.stderr
        assert repo.read("data") == {"a": b"1"} and (repo.path / "data/a").is_symlink() == ("symlink" in types)
        assert repo.ok("status", "--json") == "{}\n"


def test_a_merge_in_progress(repo):
    """Nothing is done with a .dvc file that has conflicts, and the error says what it is; when they are settled all is well."""
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    repo.commit()
    for branch in ("one", "two"):
        repo.git("checkout", "-q", "-b", branch, "main")
        repo.write({"f": branch.encode()})
        repo.ok("add", "f")
        repo.commit()
    assert subprocess.run(["git", "merge", "-q", "one"], cwd=repo.path, env=repo.env, capture_output=True).returncode == 1
    for verb in (["status"], ["add", "f"], ["checkout", "-f"], ["diff"], ["gc", "-w", "-f"], ["push"]):
        assert "f.dvc: line 2: a conflict of a merge" in repo.fails(*verb)
    assert len(repo.objects()) == 3
    repo.git("checkout", "--theirs", "f.dvc")
    repo.ok("checkout")
    assert repo.text("f") == "one"


def test_names_that_are_not_utf8(repo):
    """DVC fails at them. They come back as they are, and JSON stays JSON: their bytes are Python's surrogates, as in the list of the folder."""
    repo.commit()
    (repo.path / "data").mkdir()
    names = {b"\xff\xfe": b"0", b"ok\x80\xc3\xa9": b"1", b"\xed\xa0\x80": b"2", "é😀".encode(): b"3"}
    for name, content in names.items():
        with open(os.path.join(os.fsencode(repo.path / "data"), name), "wb") as f:
            f.write(content)
    repo.ok("add", "data")
    for args in (["list", ".", "data", "--json"], ["diff", "--json"]):
        text = repo.ok(*args)
        text.encode("utf-8")
        found = {os.fsencode(entry["path"]).rpartition(b"/")[2] for part in [json.loads(text)] for entry in (part if isinstance(part, list) else part["added"])}
        assert found - {b"", b"data"} == set(names), args
    repo.commit()
    for path in (repo.path / "data").iterdir():
        path.unlink()
    repo.ok("checkout", "-f")
    assert {os.fsencode(p.name): p.read_bytes() for p in (repo.path / "data").iterdir()} == names
