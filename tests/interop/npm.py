"""Programs and scripts from npm, each of one version, kept in the build folder."""
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).parents[2]


def package(name, version):
    """The node_modules folder that has it."""
    folder = pathlib.Path(os.environ["OPIS"]).parent / f"npm-{name}-{version}"
    if not (folder / ".complete").exists():
        if not shutil.which("npm"):
            subprocess.run([ROOT / "ci" / "install-packages", ROOT / "ci" / "packages-npm.txt"], check=True, timeout=600)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"{name}@{version}"], check=True, timeout=600)
        (folder / ".complete").touch()
    return folder / "node_modules"
