# venv: schemas
"""The files that other programs read (workflow, compose file, Kubernetes job) against their schemas, and one folder described by many processes: GNU parallel; in the long run a Slurm of one node."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
OPIS = os.environ["OPIS"]
EXAMPLES = ROOT / "examples"
FULL = os.environ.get("OPIS_INTEROP") == "full"


def call(*command, check=True, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, **more)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


def tool(name):
    return pathlib.Path(sys.executable).parent / name


@pytest.mark.parametrize("schema, file", [("vendor.github-workflows", ".github/workflows/ci.yml"), ("custom.github-workflows-require-timeout", ".github/workflows/ci.yml"), ("vendor.compose-spec", "compose.yaml")])
def test_schema(schema, file):
    call(tool("check-jsonschema"), "--builtin-schema", schema, ROOT / file)


def test_schemas_can_refuse(tmp_path):
    (tmp_path / "bad.yml").write_text((ROOT / "compose.yaml").read_text().replace("read_only: true", "read_only: [1]"))
    assert call(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", tmp_path / "bad.yml", check=False).returncode


def test_kubernetes_job(tmp_path):
    import yaml

    file = EXAMPLES / "kubernetes" / "describe.yaml"
    call(tool("kubernetes-validate"), "--strict", file)
    (tmp_path / "bad.yaml").write_text(file.read_text().replace("completions: 8", "completion: 8"))
    assert call(tool("kubernetes-validate"), "--strict", tmp_path / "bad.yaml", check=False).returncode
    job = yaml.safe_load(file.read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert {e["name"]: e["value"] for e in container["env"]}["OPIS_SHARD_COUNT"] == str(job["completions"])
    # what the pod runs is what this program takes
    for index in range(2):
        words = [w.replace("$(JOB_COMPLETION_INDEX)", str(index)).replace("/pictures", str(EXAMPLES)).replace("/descriptions", str(tmp_path)) for w in container["args"]]
        call(OPIS, *words, env={**os.environ, "JOB_COMPLETION_INDEX": str(index), "OPIS_SHARD_COUNT": "2"})
    assert sorted(pathlib.Path(a["path"]).name for a in joined(tmp_path)) == sorted(p.name for p in EXAMPLES.glob("*.jpg"))


def joined(folder):
    return [json.loads(line) for line in call(EXAMPLES / "join", folder).stdout.splitlines()]


@pytest.fixture
def pictures(tmp_path):
    """A folder of 41 pictures: not a multiple of any number of shards."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(41):
        (folder / f"{i:03}.jpg").write_bytes(sorted(EXAMPLES.glob("*.jpg"))[i % 4].read_bytes())
    return folder


def complete(answers, pictures):
    """Every picture once, in order, with the words that a single run gives."""
    assert [a["path"] for a in answers] == sorted(map(str, pictures.iterdir()))
    words = dict(line.split("\t") for line in call(OPIS, "describe", *sorted(EXAMPLES.glob("*.jpg"))).stdout.splitlines())
    assert [a["description"] for a in answers] == [list(words.values())[i % 4] for i in range(len(answers))]


def lines(file):
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_gnu_parallel_killed_and_run_again(pictures, tmp_path):
    call(ROOT / "ci" / "install-packages", ROOT / "ci" / "packages-many.txt")
    out, env = tmp_path / "out", {**os.environ, "OPIS": OPIS}
    command = [EXAMPLES / "parallel" / "describe.sh", "3", pictures, out]
    first = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    while lines(out / "part-1.jsonl") < 2:
        assert first.poll() is None or lines(out / "part-1.jsonl") >= 2
        time.sleep(0.01)
    # parallel gives each process a group of its own: everything of the session goes, as when a machine is switched off
    for pid in call("ps", "-s", first.pid, "-o", "pid=", check=False).stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    first.wait()
    while call("ps", "-s", first.pid, "-o", "pid=", check=False).stdout.split():
        time.sleep(0.01)
    done = sum(lines(p) for p in out.iterdir())
    call(*command, env=env)
    complete(joined(out), pictures)
    assert done >= 2


SLURM_CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmctldPort={port}
SlurmdPort={port2}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=2
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

if FULL:

    @pytest.fixture
    def slurm(tmp_path):
        """A Slurm of one node; its environment."""
        call(ROOT / "ci" / "install-packages", ROOT / "ci" / "packages-many.txt", ROOT / "ci" / "packages-slurm.txt")
        host = os.uname().nodename.split(".")[0]
        (tmp_path / "state").mkdir()
        (tmp_path / "spool").mkdir()
        conf = tmp_path / "slurm.conf"
        conf.write_text(SLURM_CONF.format(host=host, folder=tmp_path, port=26817, port2=26818, cpus=os.cpu_count()))
        env = {**os.environ, "SLURM_CONF": str(conf), "OPIS": OPIS}
        daemons = [subprocess.Popen(["/usr/sbin/slurmctld", "-D"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), subprocess.Popen(["/usr/sbin/slurmd", "-D", "-N", host], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        try:
            for _ in range(300):
                if "idle" in call("sinfo", "-h", "-o", "%T", env=env, check=False).stdout:
                    break
                time.sleep(0.2)
            else:
                raise AssertionError([log.read_text() for log in tmp_path.glob("*.log")])
            yield env
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
            for daemon in daemons:
                daemon.wait(30)

    def test_slurm_array_with_a_killed_task(slurm, pictures, tmp_path):
        out = tmp_path / "out"

        def submit():
            return call("sbatch", "--parsable", "--array=1-3", "--cpus-per-task=1", "--mem=800", f"--output={tmp_path}/log-%A-%a", EXAMPLES / "slurm" / "describe.sh", pictures, out, env=slurm, cwd=tmp_path).stdout.strip()

        def states(job):
            return call("squeue", "-h", "-j", job, "-t", "all", "-o", "%T", env=slurm, check=False).stdout.split()

        def wait(job):
            while any(s in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING") for s in states(job)):
                time.sleep(0.2)
            return set(states(job))

        job = submit()
        while lines(out / "part-00001.jsonl") < 2:
            assert "FAILED" not in states(job), [p.read_text() for p in tmp_path.glob("log-*")]
            time.sleep(0.02)
        call("scancel", "--signal=KILL", "--full", f"{job}_1", env=slurm)
        ended = wait(job)
        assert ended - {"COMPLETED"}, "no task was killed"
        before = lines(out / "part-00001.jsonl")
        assert 2 <= before < 14
        job = submit()
        assert wait(job) == {"COMPLETED"}, [p.read_text() for p in tmp_path.glob("log-*")]
        complete(joined(out), pictures)
