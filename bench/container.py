"""What the container image costs, beside what it replaces: a page of Streamlit over Transformers and PyTorch.

    python3 bench/container.py [--image localhost/opis] [--peer VENV [--page VENV]]

--peer: a virtual environment with torch, transformers and Pillow; --page: one with streamlit, where that is another. What the peer's image would hold beside Debian's Python is counted from the
RECORD files that came with the wheels. Its model has the shape of the usual one, ViT-base and GPT-2, with random weights: only size and time are looked at. Prints JSON.
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "cat.jpg"
ENGINES = [["docker", "run"], *(["podman", "--cgroup-manager", "cgroupfs", "--runtime", r, "run", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--no-healthcheck"] for r in ("crun", "runc"))]
PEER = """
import resource, sys, time
began = time.monotonic()
import torch, transformers
if sys.argv[1] == "make":
    encoder = transformers.ViTConfig()
    decoder = transformers.GPT2Config(is_decoder=True, add_cross_attention=True)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id = 50256, 50256
    model = transformers.VisionEncoderDecoderModel(config)
    model.save_pretrained(sys.argv[2])
    transformers.ViTImageProcessor().save_pretrained(sys.argv[2])
else:
    from PIL import Image
    model = transformers.VisionEncoderDecoderModel.from_pretrained(sys.argv[2]).eval()
    processor = transformers.ViTImageProcessor.from_pretrained(sys.argv[2])
    ready, cpu = time.monotonic() - began, time.process_time()
    with torch.no_grad():
        model.generate(processor(Image.open(sys.argv[3]).convert("RGB"), return_tensors="pt").pixel_values, max_length=16, num_beams=4)
    print(ready, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def call(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=1800, **more).stdout


def get(url, data=None):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(urllib.request.Request(url, data, {"Content-Type": "image/jpeg"} if data else {}), timeout=60) as answer:
        return answer.read()


def ready(url, process=None):
    while True:
        try:
            return get(url + "/readyz")
        except OSError:
            if process and process.poll() is not None:
                raise
            time.sleep(0.002)


def memory(pid):
    return {k: int(v) * 1024 for k, v in re.findall(r"^(VmRSS|VmHWM):\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)}


def processor(pid):
    """Seconds of processor time that a process has taken."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def container(image, rounds):
    for engine in ENGINES:
        try:
            call(*engine, "--rm", image, "version")
            break
        except (OSError, subprocess.CalledProcessError):
            continue
    else:
        sys.exit("no container runs here")
    tool, times = engine[: engine.index("run")], []
    for i in range(rounds):
        began = time.monotonic()
        name = call(*engine, "-d", "--network", "host", "-e", "OPIS_PORT=18501", "-e", "OPIS_HOST=127.0.0.1", image).strip()
        ready("http://127.0.0.1:18501")
        times.append(time.monotonic() - began)
        if i == rounds - 1:
            pid = call(*tool, "inspect", "--format", "{{.State.Pid}}", name).strip()
            idle = memory(pid)["VmRSS"]
            for _ in range(20):
                get("http://127.0.0.1:18501/v1/describe?beams=4&max_length=16", PICTURE.read_bytes())
            most = memory(pid)["VmHWM"]
        began = time.monotonic()
        call(*tool, "stop", "--time", "10", name)
        stop = time.monotonic() - began
        call(*tool, "rm", "-f", "-v", name)
    size = json.loads(call(*tool, "image", "inspect", image))[0]["Size"]
    return {"image": size, "start_to_ready": statistics.median(times), "memory_ready": idle, "memory_after_20_pictures": most, "stop": stop}


def program(rounds):
    """The same program without a container around it."""
    times, taken = [], []
    for _ in range(rounds):
        began = time.monotonic()
        process = subprocess.Popen([os.environ.get("OPIS", ROOT / "build" / "opis"), "serve", "--port", "18502", "--log", "none"], stderr=subprocess.DEVNULL)
        ready("http://127.0.0.1:18502", process)
        times.append(time.monotonic() - began)
        taken.append(processor(process.pid))
        process.terminate()
        process.wait()
    return {"start_to_ready": statistics.median(times), "processor_to_ready": statistics.median(taken)}


def closure(venvs, wanted):
    """Every distribution that the wanted ones need on this machine, with the bytes of its files."""
    folders = [str(next(pathlib.Path(v).glob("lib/python3*/site-packages"))) for v in venvs]
    known = {}
    for d in importlib.metadata.distributions(path=folders):
        known.setdefault(re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(), d)
    sizes, left = {}, list(wanted)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in sizes or name not in known:
            continue
        sizes[name] = sum(f.size or 0 for f in known[name].files)
        # what is only for another system or an extra is not installed: it is not among the known
        left += [re.match(r"[\w.-]+", r)[0] for r in known[name].requires or [] if "extra ==" not in r]
    return sizes


def peer(venv, page):
    python = pathlib.Path(venv) / "bin" / "python"
    sizes = closure([venv, page], ["torch", "transformers", "pillow", "streamlit"])
    with tempfile.TemporaryDirectory() as folder:
        call(python, "-c", PEER, "make", folder)
        model = sum(f.stat().st_size for f in pathlib.Path(folder).iterdir())
        runs = [[float(w) for w in call(python, "-c", PEER, "run", folder, PICTURE).split()] for _ in range(3)]
    cuda = sum(v for k, v in sizes.items() if k.startswith("nvidia-") or k == "triton")
    return {"wheels": sum(sizes.values()), "of_these_cuda": cuda, "packages": len(sizes), "model": model, "start_to_ready": statistics.median(r[0] for r in runs), "processor_to_ready": statistics.median(r[1] for r in runs), "memory": statistics.median(r[2] for r in runs)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", default="localhost/opis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer")
    parser.add_argument("--page")
    given = parser.parse_args()
    said = {"container": container(given.image, given.rounds), "program": program(given.rounds)}
    if given.peer:
        said["peer"] = peer(given.peer, given.page or given.peer)
    print(json.dumps(said, indent=2))
