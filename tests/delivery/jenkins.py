"""Runs the mock of Jenkins (jenkins_mock.groovy) and reads what it tells."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "Jenkinsfile"
STAGES = ["Start", "Preparation", "Checkout", "Setup Virtual Environment", "Activate venv", "Install Dependencies", "Run Unit Tests", "Data Quality", "Build Docker image"]
STEPS = {
    "Checkout": ["make checkout"],
    "Setup Virtual Environment": ["make venv"],
    "Activate venv": ["make venv-check"],
    "Install Dependencies": ["make dependencies"],
    "Run Unit Tests": ["make unit-tests"],
    "Data Quality": ["make data-quality"],
    "Build Docker image": ["make docker", "make docker-archive"],
}
# a pipeline's machine knows nothing of the tests that start this one
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("OPIS", "MAKE", "MFLAGS", "BUILD", "PYTHON", "DATA_", "BRANCH", "TEST_"))}
JAVA = {"JAVA_HOME": "/usr/lib/jvm/default-java", "JAVA_OPTS": "-Dfile.encoding=UTF-8 -XX:TieredStopAtLevel=1"}


class Run:
    def __init__(self, folder, *options, file=FILE, timeout=600, env=None):
        # a file beside the workspace: a long run can be watched
        log = folder.with_name(folder.name + ".log")
        with open(log, "w") as out:
            done = subprocess.run(["groovy", ROOT / "tests/delivery/jenkins_mock.groovy", file, folder, *map(str, options)], stdout=out, stderr=subprocess.PIPE, text=True, timeout=timeout, env={**CLEAN, **JAVA, **(env or {})})
        self.status, self.err, self.text = done.returncode, done.stderr, log.read_text()
        self.events = [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def all(self, key, stage=None):
        return [e[key] for e in self.events if key in e and (stage is None or e.get("stage") == stage)]

    @property
    def begun(self):
        return [e["stage"] for e in self.events if e.get("event") == "begin"]
