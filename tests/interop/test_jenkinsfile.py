# venv: schemas
"""npm-groovy-lint (from npm, with Groovy's own parser in it) reads the Jenkinsfile and finds nothing. What the pipeline does is tried in tests/delivery."""
import json
import pathlib
import subprocess

import npm
import pytest

ROOT = pathlib.Path(__file__).parents[2]
VERSION = "16.2.0"


@pytest.fixture(scope="module")
def lint(tmp_path_factory):
    program = npm.package("npm-groovy-lint", VERSION) / ".bin" / "npm-groovy-lint"

    def run(text):
        place = tmp_path_factory.mktemp("lint")
        (place / "Jenkinsfile").write_text(text)
        done = subprocess.run([program, "--files", "**/Jenkinsfile", "--path", place, "--config", ROOT / "ci" / "groovylint.json", "--noserver", "--failon", "none", "--output", "json"], capture_output=True, text=True, timeout=300)
        said = json.loads(done.stdout[done.stdout.index("{") :])
        assert said["summary"]["totalFilesLinted"] == 1, done.stdout
        return [(e["rule"], e["msg"]) for f in said["files"].values() for e in f["errors"]]

    return run


def test_lint_finds_nothing(lint):
    assert lint((ROOT / "Jenkinsfile").read_text()) == []


def test_lint_can_refuse(lint):
    text = (ROOT / "Jenkinsfile").read_text()
    broken = text.replace("agent any\n", "agent any }\n")
    sloppy = text.replace("  stages {", "  String unused = ''; stages {").replace("sh 'make docker'", 'sh "make docker"')
    assert broken != text and "NglParseError" in {rule for rule, _ in lint(broken)}
    assert {"UnusedVariable", "UnnecessaryGString"} <= {rule for rule, _ in lint(sloppy)}
