"""Every step of the Jenkinsfile, run in a clean clone as Jenkins would: `make jenkins-test`, with OPIS_JENKINS=full and all the tests of `make unit-tests`; without it, with those in C only."""
import os

from jenkins import ROOT, STAGES, Run


def test_every_step_runs_in_a_clean_clone(tmp_path):
    workspace, artifacts = tmp_path / "workspace", tmp_path / "artifacts"
    workspace.mkdir()
    artifacts.mkdir()
    (workspace / "left-over").write_text("of the run before")
    short = {} if os.environ.get("OPIS_JENKINS") == "full" else {"TEST_SUITES": "unit"}
    run = Run(workspace, "--scm", ROOT, "--artifacts", artifacts, timeout=7200, env=short)
    output = "\n".join(run.all("output")[-60:])
    assert run.status == 0 and run.all("result") == ["SUCCESS"], output + run.err
    assert run.begun == STAGES
    assert min(run.all("junit")) > 0 and len(run.all("junit")) == 2
    kept = {p.name for p in artifacts.iterdir()}
    assert {"data-quality.xml", "data-quality.html", "opis-image.tar.gz"} <= kept
    assert list(workspace.iterdir()) == []
