"""remote, config, cache: DVC's files, edited in place."""
import pytest


def test_remotes(repo, tmp_path):
    repo.ok("remote", "add", "-d", "storage", "../store")
    assert repo.text(".dvc/config") == "['remote \"storage\"']\n    url = ../../store\n[core]\n    remote = storage\n"
    assert repo.ok("remote", "list") == f"storage\t{tmp_path}/store\t(default)\n"
    assert "already" in repo.fails("remote", "add", "storage", "/x")
    repo.ok("remote", "modify", "--local", "storage", "password", "a, 'b' #c")
    assert repo.text(".dvc/config.local") == "['remote \"storage\"']\n    password = \"a, 'b' #c\"\n"
    assert repo.ok("config", "remote.storage.password") == "a, 'b' #c\n"
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    repo.ok("push")
    assert (tmp_path / "store/files/md5/c4").is_dir()
    repo.ok("remote", "rename", "storage", "other")
    assert repo.ok("remote", "default") == "other\n"
    repo.ok("remote", "modify", "--local", "storage", "password", "-u")
    repo.ok("remote", "remove", "other")
    assert repo.text(".dvc/config") == "" and repo.ok("remote", "list") == ""
    assert "no remote of this name" in repo.fails("remote", "modify", "nobody", "url", "x")


def test_comments_survive(repo):
    text = "# ours\n[core]\n    # why\n    remote = a  # this one\n    unknown_key = 1\n\n['remote \"a\"']\n    url = /x\n"
    (repo.path / ".dvc/config").write_text(text)
    repo.ok("config", "core.autostage", "true")
    assert repo.text(".dvc/config") == text.replace("    unknown_key = 1\n", "    unknown_key = 1\n    autostage = true\n")
    assert repo.ok("config", "core.remote") == "a\n"
    repo.ok("config", "-u", "core.autostage")
    assert repo.text(".dvc/config") == text
    assert repo.ok("config", "core.nothing") == ""  # as with DVC
    assert "not the name of a setting" in repo.fails("config", "nonsense")


def test_levels(repo):
    repo.ok("config", "--global", "core.remote", "g")
    assert repo.ok("config", "core.remote") == "g\n"
    repo.ok("config", "core.remote", "p")
    repo.ok("config", "--local", "core.remote", "l")
    assert repo.ok("config", "core.remote") == "l\n"
    assert repo.ok("config", "--project", "core.remote") == "p\n"
    assert repo.ok("config", "--list") == "core.remote=l\n"


def test_cache_dir(repo, tmp_path):
    repo.ok("cache", "dir", "../cache")
    assert repo.text(".dvc/config") == "[cache]\n    dir = ../../cache\n"
    assert repo.ok("cache", "dir") == f"{tmp_path}/cache\n"
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    assert (tmp_path / "cache/files/md5/c4").is_dir()


def test_autostage(repo):
    repo.ok("config", "core.autostage", "true")
    repo.write({"f": b"1"})
    repo.ok("add", "f")
    assert {"f.dvc", ".gitignore"} <= set(repo.git("diff", "--cached", "--name-only").split())
    repo.commit()
    repo.ok("remove", "f.dvc")
    assert repo.git("diff", "--cached", "--name-status").split() == ["D", ".gitignore", "D", "f.dvc"]


def test_names_without_capitals(repo):
    """DVC's remotes have none."""
    repo.ok("remote", "add", "-d", "MyStore", "/x")
    assert repo.text(".dvc/config") == "['remote \"mystore\"']\n    url = /x\n[core]\n    remote = mystore\n"
    (repo.path / ".dvc/config").write_text("[core]\n    remote = MyStore\n['remote \"MyStore\"']\n    url = /x\n")
    assert repo.ok("remote", "list") == "mystore\t/x\t(default)\n"
    repo.ok("remote", "modify", "MYSTORE", "verify", "true")
    assert repo.text(".dvc/config").endswith("    url = /x\n    verify = true\n")


def test_long_values(repo):
    """Three quotes: over several lines, in which nothing is a key or a section."""
    text = "[core]\n    autostage = \"\"\"a\n[core]\nremote = no\"\"\"  # why\n    site = x\n"
    (repo.path / ".dvc/config").write_text(text)
    assert repo.ok("config", "core.autostage") == "a\n[core]\nremote = no\n"
    repo.ok("config", "core.remote", "store")
    assert repo.text(".dvc/config") == text + "    remote = store\n"
    repo.ok("config", "-u", "core.autostage")
    assert repo.text(".dvc/config") == "[core]\n    site = x\n    remote = store\n"


@pytest.mark.parametrize("text, line", [
    ("remote = 1\n", 1),
    ("[core]\n    remote = '''a\n\n", 2),
    ("[core]\n\n    remote = \"\"\"a\"\n", 3),
    ("[core]\n    remote = '''a''' b\n", 2),
    ("[core]\n    remote = 'a\n", 2),
    ("[core]\n    remote = \"a\" b\n", 2),
    ("[core]\n    site = '''a\n\n'''\n    remote = a, b\n", 5),
    ("[core]\n    remote = a\n    remote = b\n", 3),
    ("[core]\n    remote = a\n[core]\n    site = b\n", 3),
    ("[core\n", 1),
    ("[[core]]\n", 1),
])
def test_broken_configuration(repo, text, line):
    """What DVC refuses to read is refused, with the line."""
    (repo.path / ".dvc/config").write_text(text)
    assert f"config: line {line}: " in repo.fails("status")
    assert f"config: line {line}: " in repo.fails("config", "core.remote", "x")
    assert repo.text(".dvc/config") == text
