"""The Jenkinsfile, evaluated by a mock of Jenkins' declarative pipeline (jenkins_mock.groovy): its stages, their order, what a failing stage does. test_jenkins_run.py runs the steps themselves."""
import re
import subprocess

import pytest
from jenkins import CLEAN, FILE, ROOT, STAGES, STEPS, Run


@pytest.fixture(scope="module")
def dry(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("workspace"), "--dry")


def test_stages_and_their_steps(dry):
    assert dry.status == 0, dry.err
    assert dry.begun == STAGES == dry.all("stages")[0]
    assert {s: dry.all("sh", s) for s in STAGES if dry.all("sh", s)} == STEPS
    assert dry.all("echo", "Start") == ["Начало работы скриптов"]
    assert dry.all("step", "Preparation") == ["cleanWs", "checkout"]
    assert all(command.split()[0] == "make" for command in dry.all("sh"))


def test_the_other_pipeline_has_the_same_steps():
    """.github/workflows/ci.yml, whose form is checked against its schema in tests/interop, and the Makefile that both call."""
    targets = re.findall(r"^\s*- run: make (\S+)$", (ROOT / ".github/workflows/ci.yml").read_text(), re.M)
    assert {"unit-tests", "data-quality", "docker", "docker-archive"} <= set(targets)
    makefile = (ROOT / "Makefile").read_text()
    rules = {name for names in re.findall(r"^([a-z][\w -]*):(?!=)", makefile, re.M) for name in names.split()}
    assert set(targets) | {command.split()[1] for commands in STEPS.values() for command in commands} <= rules


def test_options_and_parameters(dry):
    options = dry.all("options")[0]
    assert options["timeout"] == {"time": 90, "unit": "MINUTES"}
    assert {"buildDiscarder", "disableConcurrentBuilds", "timestamps"} <= set(options)
    assert {"BRANCH", "DATA_REVISION"} <= set(dry.all("parameters")[0])


def test_artifacts(dry):
    archived = [e["arguments"]["artifacts"] for e in dry.events if e.get("step") == "archiveArtifacts"]
    assert archived == ["build/reports/*", "dist/opis-image.tar.gz"]
    assert [e["arguments"]["testResults"] for e in dry.events if e.get("step") == "junit"] == ["build/results/*.xml", "build/reports/data-quality.xml"]


@pytest.mark.parametrize("stage", STEPS)
def test_a_failing_stage_ends_the_run_and_the_end_is_told(stage, tmp_path):
    run = Run(tmp_path, "--dry", "--fail", STEPS[stage][0])
    assert run.status == 1 and run.all("result") == ["FAILURE"]
    assert run.begun == STAGES[: STAGES.index(stage) + 1]
    assert run.all("echo")[-1] == "Pipeline completed."
    # the workspace goes last, after everything was kept
    assert run.events[-2] == {"step": "cleanWs"}
    if stage in ("Run Unit Tests", "Data Quality"):
        assert "junit" in run.all("step", stage)
    assert "dist/opis-image.tar.gz" not in run.text


def test_a_run_that_succeeds_tells_the_end_too(dry):
    assert dry.all("echo")[-1] == "Pipeline completed." and dry.all("result") == ["SUCCESS"]


def test_parameters_reach_the_steps_as_environment(tmp_path):
    odd = "x; touch injected"
    run = Run(tmp_path, "--dry", "--param", f"BRANCH={odd}", "--param", "DATA_REVISION=v1", "--param", "DATA_DIR=photos")
    given = {e["sh"]: e["environment"] for e in run.events if "sh" in e}
    assert given["make checkout"] == {"BRANCH": odd}
    assert given["make data-quality"] == {"DATA_DIR": "photos", "DATA_REVISION": "v1"}


def test_credentials_are_taken_by_id_and_never_printed(dry, tmp_path):
    assert "withCredentials" not in dry.text
    run = Run(tmp_path, "--dry", "--param", "DATA_CREDENTIALS=the-id")
    assert [e["ids"] for e in run.events if e.get("step") == "withCredentials"] == [["the-id"]]
    assert next(e for e in run.events if e.get("sh") == "make data-quality")["environment"]["AWS_ACCESS_KEY_ID"]
    assert "mock-secret" not in run.text


STUB = """
unit-tests:
	@mkdir -p build/results && echo '<testsuite><testcase name="a"/></testsuite>' > build/results/a.xml
data-quality:
	@test "$$AWS_ACCESS_KEY_ID $$AWS_SECRET_ACCESS_KEY" = "mock-user mock-secret-never-printed" && echo the credentials are there
	@mkdir -p build/reports && echo '<html/>' > build/reports/data-quality.html
docker docker-archive:
	@test -z "$$AWS_SECRET_ACCESS_KEY" && mkdir -p dist && touch dist/opis-image.tar.gz
checkout venv venv-check dependencies: ;
"""


def test_credentials_reach_one_step_and_no_log(tmp_path):
    """The steps are really run, as Jenkins runs them (with the shell's tracing), over targets that do nothing but look."""
    origin, workspace, artifacts = (tmp_path / n for n in ("origin", "workspace", "artifacts"))
    for folder in (origin, workspace, artifacts):
        folder.mkdir()
    (origin / "Makefile").write_text(STUB)
    subprocess.run("git init -q && git add . && git -c user.name=t -c user.email=t@t commit -qm one", shell=True, cwd=origin, check=True)
    run = Run(workspace, "--scm", origin, "--artifacts", artifacts, "--param", "DATA_CREDENTIALS=the-id")
    assert run.status == 0, run.text + run.err
    assert "the credentials are there" in run.all("output", "Data Quality") and "+ make data-quality" in run.all("output", "Data Quality")
    assert "mock-secret" not in run.text + run.err
    assert {p.name for p in artifacts.iterdir()} == {"data-quality.html", "opis-image.tar.gz"} and list(workspace.iterdir()) == []


@pytest.mark.parametrize(
    "old, new, why",
    [
        ("agent any", "", "needs an agent"),
        ("timestamps()", "timestmps()", "'timestmps' is no option"),
        ("cleanup {", "clean {", "'clean' is no section"),
        ("stage('Data Quality')", "stage('Start')", "two stages have one name"),
        ("sh 'make docker'\n", 'sh "make docker${1}"\n', "double-quoted"),
        ("cleanWs()", "cleenWs()", "cleenWs"),
    ],
)
def test_the_mock_refuses_what_jenkins_refuses(old, new, why, tmp_path):
    text = FILE.read_text()
    assert old in text
    (tmp_path / "Jenkinsfile").write_text(text.replace(old, new))
    run = Run(tmp_path, "--dry", file=tmp_path / "Jenkinsfile")
    assert run.status != 0 and why in run.err, run.err


def test_checkout_takes_a_branch_and_nothing_else(tmp_path):
    def git(*words, cwd):
        return subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()

    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "ci").mkdir(parents=True)
    (origin / "ci" / "pipeline").write_bytes((ROOT / "ci" / "pipeline").read_bytes())
    (origin / "ci" / "pipeline").chmod(0o755)
    git("init", "-q", "-b", "main", cwd=origin)
    git("add", ".", cwd=origin)
    git("commit", "-qm", "one", cwd=origin)
    git("clone", "-q", str(origin), str(clone), cwd=tmp_path)
    git("checkout", "-qb", "feature/x", cwd=origin)
    git("commit", "-qm", "two", "--allow-empty", cwd=origin)

    def checkout(branch):
        return subprocess.run(["ci/pipeline", "checkout"], cwd=clone, env={**CLEAN, "BUILD": "build", "BRANCH": branch}, capture_output=True, text=True)

    assert checkout("").stdout.endswith("one\n")
    assert checkout("feature/x").stdout.endswith("two\n")
    for wrong in ("no-such-branch", "--upload-pack=touch x", "a b", "-"):
        assert checkout(wrong).returncode != 0
    assert git("log", "-1", "--format=%s", cwd=clone) == "two" and not list(clone.glob("x"))
