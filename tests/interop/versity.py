"""Versity's S3 gateway, of one version, built from the Go module proxy and kept in the build folder."""
import os
import pathlib
import shutil
import subprocess
import sys

VERSION = "v1.8.0"


def gateway():
    """The program: what OPIS_VERSITYGW names, or built here with the Go of this virtual environment (under two minutes on two processors)."""
    given = os.environ.get("OPIS_VERSITYGW")
    if given:
        return given
    folder = pathlib.Path(os.environ["OPIS"]).parent.resolve() / f"versitygw-{VERSION}"
    if not (folder / "versitygw").exists():
        go, work = pathlib.Path(sys.prefix) / "bin/go", folder / "go"  # what Go downloads and compiles, 760 MB, goes once the program is there
        env = dict(os.environ, GOBIN=str(work / "bin"), GOPATH=str(work), GOMODCACHE=str(work / "mod"), GOCACHE=str(work / "cache"), GOTOOLCHAIN="local", GOFLAGS="-modcacherw", CGO_ENABLED="0")
        subprocess.run([go, "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"], env=env, check=True, timeout=1200)
        (work / "bin/versitygw").rename(folder / "versitygw")
        shutil.rmtree(work)
    return folder / "versitygw"
