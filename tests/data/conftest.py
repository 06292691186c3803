"""What the tests of opis data share: repositories to work in, and running the program in them."""
import os
import pathlib
import subprocess

import pytest

OPIS = os.environ.get("OPIS", str(pathlib.Path(__file__).parents[2] / "build" / "opis"))
GOLDEN = {"a.jpg": b"hello", "b": b"x", "b-c": b"y", "b.c": b"y", "empty": b"", "sub/b.txt": b"x", 'ünï "q" 😀.txt': "hé".encode()}
GOLDEN_DIR = "c67e22c61a4df650ca2cb27e19dfaf84.dir"


def environment(home):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_", "AWS_", "XDG_"))}
    env.update(HOME=str(home), GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.org", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.org", GIT_CONFIG_NOSYSTEM="1",
               XDG_CONFIG_DIRS=str(home / "etc"))
    return env


class Repository:
    """A folder under git and opis data."""

    def __init__(self, path, init=True):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.env = environment(self.path.parent)
        if init:
            self.git("init", "-q", "-b", "main")
            self.ok("init")

    def run(self, *args, cwd=None, env=None, **options):
        """opis data ARGS; the finished process."""
        return subprocess.run([OPIS, "data", *map(str, args)], cwd=cwd or self.path, env=dict(self.env, **(env or {})), capture_output=True, stdin=subprocess.DEVNULL, timeout=120, **options)

    def ok(self, *args, **options):
        """The same, which must succeed; its standard output."""
        done = self.run(*args, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape")

    def fails(self, *args, **options):
        """The same, which must fail, not crash; its standard error."""
        done = self.run(*args, **options)
        assert done.returncode in (1, 2, 3), (done.returncode, done.stdout, done.stderr)
        err = done.stderr.decode()
        assert err.startswith("opis: "), err
        return err

    def git(self, *args):
        done = subprocess.run(["git", *args], cwd=self.path, env=self.env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def commit(self, message="."):
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD").strip()

    def write(self, files, below=""):
        for name, content in files.items():
            path = self.path / below / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.exists():
                path.unlink()
            path.write_bytes(content)

    def read(self, below):
        """All files below a folder, by name."""
        top = self.path / below
        return {p.relative_to(top).as_posix(): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file()}

    def text(self, name):
        return (self.path / name).read_text()

    def objects(self, top=".dvc/cache/files/md5"):
        root = self.path / top
        return sorted(p.relative_to(root).as_posix().replace("/", "") for p in root.rglob("*") if p.is_file())


@pytest.fixture
def repo(tmp_path):
    return Repository(tmp_path / "repo")


@pytest.fixture
def golden(repo):
    """A repository with the golden folder in place, not yet added."""
    repo.write(GOLDEN, "data")
    return repo


@pytest.fixture
def remote(repo, tmp_path):
    """A repository with a folder as its default remote."""
    (repo.path / ".dvc" / "config").write_text("[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n")
    repo.store = tmp_path / "store"
    return repo
