"""Models come (pull, import), are listed, looked after and removed; pull against a hub on this machine, well-behaved and not."""
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest
import torch_bin
from conftest import GOLDEN, OPIS, PICTURES, run
from fake_hub import COMMIT, Hub, git_blob

REPO = "lab/tiny-blip"
TEXTS = ["config.json", "generation_config.json", "preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json", "vocab.txt"]


def files_of(golden, more=()):
    return {f.name: f.read_bytes() for f in (GOLDEN / golden).iterdir() if f.name in TEXTS or f.name in ("model.safetensors", "pytorch_model.bin")} | dict(more)


@pytest.fixture(scope="module")
def blip():
    return files_of("blip", {"README.md": b"---\nlicense: bsd-3-clause\n---\n# A card\n", ".gitattributes": b"x", "tf_model.h5": b"no" * 1000, "onnx/model.onnx": b"x"})


@pytest.fixture
def hub(blip):
    h = Hub()
    h.repos[REPO] = dict(blip)
    yield h
    h.close()


@pytest.fixture
def env(tmp_path, hub):
    return {"OPIS_HOME": str(tmp_path / "store"), "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HOME": str(tmp_path), "HF_TOKEN": "", "HF_HUB_OFFLINE": "0", "no_proxy": "127.0.0.1",
            "HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "", "XDG_CACHE_HOME": "", "HUGGING_FACE_HUB_TOKEN": "", "HF_TOKEN_PATH": "", "OPIS_MODEL": ""}


def pull(env, repo=REPO):
    return run("model", "pull", repo, env=env)


def installed(env, repo=REPO):
    return os.path.join(env["OPIS_HOME"], repo)


def words(env, model, golden="blip"):
    r = run("describe", "-m", model, "--format", "jsonl", PICTURES / "cat.jpg", env=env)
    assert r.status == 0, r.err
    assert r.lines[0]["tokens"] == run("describe", "-m", GOLDEN / golden, "--format", "jsonl", PICTURES / "cat.jpg").lines[0]["tokens"]


def nothing_visible(env, repo=REPO):
    assert not os.path.exists(installed(env, repo))
    assert repo not in run("model", "list", env=env).out


def test_pull_list_info_verify_remove(env, hub, blip):
    r = run("describe", "-m", REPO, PICTURES / "cat.jpg", env=env)
    assert r.status == 3 and f"opis model pull {REPO}" in r.err
    r = pull(env)
    assert r.status == 0, r.err
    assert r.out.startswith(f"{REPO}\t{installed(env)}\t")
    assert sorted(os.listdir(installed(env))) == sorted([".opis.json", "README.md", "model.safetensors", *TEXTS])
    record = json.load(open(installed(env) + "/.opis.json"))
    assert record["repo"] == REPO and record["commit"] == COMMIT and record["revision"] == "main"
    assert record["files"]["model.safetensors"] == {"size": len(blip["model.safetensors"]), "sha256": hashlib.sha256(blip["model.safetensors"]).hexdigest()}
    words(env, REPO)
    assert f"{REPO}\t{installed(env)}\n" in run("model", "list", env=env).out
    info = run("model", "info", REPO, env=env).out
    for said in ("family:      blip", "licence:     bsd-3-clause", f"from:        {REPO}, commit {COMMIT}", "tokenizer:   WordPiece, ", "generation: ", "F32 x "):
        assert said in info, info
    r = run("model", "verify", REPO, env=env)
    assert r.status == 0 and "9 files are what they were" in r.out
    hub.requests.clear()
    r = pull(env)
    assert r.status == 0 and len(hub.requests) == 1, "the same commit is there"
    assert run("model", "remove", REPO, env=env).status == 0
    nothing_visible(env)
    assert not os.path.exists(os.path.dirname(installed(env)))
    assert run("model", "remove", REPO, env=env).status == 3


def test_only_what_is_needed_and_no_token_to_strangers(env, hub):
    hub.private[REPO] = "secret"
    r = pull(env)
    assert r.status == 3 and "HF_TOKEN" in r.err and "401" in r.err
    env["HF_TOKEN"] = "wrong"
    assert "no access" in pull(env).err
    env["HF_TOKEN"] = "secret"
    hub.requests.clear()
    assert pull(env).status == 0
    asked = {q["path"].split("/")[-1].split("?")[0] for q in hub.requests}
    assert not asked & {"tf_model.h5", "model.onnx", ".gitattributes"}
    assert all(q["authorization"] == ("Bearer secret" if q["role"] == "hub" else None) for q in hub.requests)
    assert any(q["role"] == "cdn" for q in hub.requests)


def test_token_from_its_file(env, hub, tmp_path):
    hub.private[REPO] = "from-file"
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("from-file\n")
    assert pull(env).status == 0


def test_several_at_once(env, hub):
    hub.slow = 0.1
    assert pull(env).status == 0
    assert 2 <= hub.max_at_once <= 4


def test_safetensors_are_preferred(env, hub):
    hub.repos[REPO]["pytorch_model.bin"] = b"never fetched" * 100
    assert pull(env).status == 0
    assert not os.path.exists(installed(env) + "/pytorch_model.bin") and not hub.gets("pytorch_model.bin")


def test_bin_and_old_folder(env, hub):
    hub.repos["lab/old"] = {f.name: f.read_bytes() for f in (GOLDEN / "vit-gpt2-bin").iterdir() if not f.name.startswith("expected")}
    assert pull(env, "lab/old").status == 0
    words(env, "lab/old", "vit-gpt2-bin")


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_shards(env, hub, blip, tmp_path, form):
    weights = torch_bin.read_safetensors(GOLDEN / "blip" / "model.safetensors")
    del hub.repos[REPO]["model.safetensors"]
    index = {}
    for i in range(3):
        names = sorted(weights)[i::3]
        if form == "bin":
            file = f"pytorch_model-{i + 1:05}-of-00003.bin"
            torch_bin.save(tmp_path / file, {n: torch_bin.Tensor(torch_bin.Storage(weights[n][0], weights[n][2]), weights[n][1]) for n in names})
            data = (tmp_path / file).read_bytes()
        else:
            file, header, body = f"model-{i + 1:05}-of-00003.safetensors", {}, b""
            for n in names:
                header[n] = {"dtype": weights[n][0], "shape": weights[n][1], "data_offsets": [len(body), len(body) + len(weights[n][2])]}
                body += weights[n][2]
            text = json.dumps(header).encode()
            data = len(text).to_bytes(8, "little") + text + body
        hub.repos[REPO][file] = data
        index.update((n, file) for n in names)
    name = "pytorch_model.bin.index.json" if form == "bin" else "model.safetensors.index.json"
    hub.repos[REPO][name] = json.dumps({"metadata": {}, "weight_map": index}).encode()
    r = pull(env)
    assert r.status == 0, r.err
    words(env, REPO)


def test_revisions(env, hub):
    assert "no such revision" in pull(env, REPO + "@v9").err
    other = "f" * 40
    hub.revisions[(REPO, "v2")] = other
    assert pull(env, REPO + "@v2").status == 0
    assert json.load(open(installed(env, REPO + "@v2/.opis.json")))["commit"] == other
    words(env, REPO + "@v2")
    nothing_visible_names = run("model", "list", env=env).out
    assert f"{REPO}@v2\t" in nothing_visible_names and f"{REPO}\t" not in nothing_visible_names


@pytest.mark.parametrize("typed", ["refs/pr/1", "refs%2Fpr%2F1"])
def test_revision_with_slashes(env, hub, typed):
    """Pull requests and branches as the hub names them; asked for percent-encoded, and one folder on the disk."""
    hub.revisions[(REPO, "refs/pr/1")] = "e" * 40
    assert pull(env, f"{REPO}@{typed}").status == 0
    assert any("/revision/refs%2Fpr%2F1?" in q["path"] for q in hub.requests)
    name = REPO + "@refs/pr/1"
    assert f"{name}\t" in run("model", "list", env=env).out
    assert os.listdir(env["OPIS_HOME"] + "/lab") == ["tiny-blip@refs%2Fpr%2F1"]
    words(env, name)
    assert run("describe", "-m", name, "--format", "jsonl", PICTURES / "cat.jpg", env=env).lines[0]["model"] == "tiny-blip@refs/pr/1"
    assert run("model", "verify", name, env=env).status == 0
    hub.requests.clear()
    assert pull(env, name).status == 0
    assert not hub.gets("config.json"), "it is here"
    assert run("model", "remove", name, env=env).status == 0
    assert not os.path.exists(env["OPIS_HOME"] + "/lab")
    for bad in ("refs/../x", "refs//x", "/x", "refs/.x", "x/"):
        assert pull(env, f"{REPO}@{bad}").status == 2


def test_a_new_commit_replaces_the_old_one(env, hub, monkeypatch):
    import fake_hub

    assert pull(env).status == 0
    monkeypatch.setattr(fake_hub, "COMMIT", "a" * 40)
    hub.repos[REPO]["README.md"] = b"---\nlicense: mit\n---\n"
    hub.requests.clear()
    r = pull(env)
    assert r.status == 0, r.err
    assert not hub.gets("model.safetensors"), "the weights are the same, and are here"
    assert "licence:     mit" in run("model", "info", REPO, env=env).out
    assert os.listdir(env["OPIS_HOME"] + "/.incoming") == ["lab+tiny-blip.lock"]


def test_connection_cut_in_the_middle(env, hub, blip):
    n = len(blip["model.safetensors"])
    hub.faults[("cdn", "GET", "model.safetensors?X-Amz-Signature=1")] = [("cut", n // 3), ("hang up",), ("cut", n // 3)]
    r = pull(env)
    assert r.status == 0, r.err
    ranges = [q["range"] for q in hub.gets("model.safetensors?X-Amz-Signature=1")]
    assert ranges == [None, f"bytes={n // 3}-", f"bytes={n // 3}-", f"bytes={n // 3 * 2}-"]
    words(env, REPO)


def test_a_server_without_ranges(env, hub, blip):
    n = len(blip["model.safetensors"])
    hub.faults[("cdn", "GET", "model.safetensors?X-Amz-Signature=1")] = [("cut", n // 3), ("no ranges",)]
    assert pull(env).status == 0
    words(env, REPO)


def test_killed_in_the_middle(env, hub, blip):
    """The next pull goes on where the killed one stopped; meanwhile nothing stands under the model's name."""
    n, go_on = len(blip["model.safetensors"]), threading.Event()
    hub.faults[("cdn", "GET", "model.safetensors?X-Amz-Signature=1")] = [("stall", n // 2, go_on)]
    p = subprocess.Popen([OPIS, "model", "pull", REPO], env=dict(os.environ, **env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    incoming = env["OPIS_HOME"] + "/.incoming/lab+tiny-blip"

    def part():
        names = [f for f in os.listdir(incoming) if f.endswith(".part")] if os.path.isdir(incoming) else []
        return sum(os.path.getsize(f"{incoming}/{f}") for f in names)

    while part() < n // 2 and p.poll() is None:
        time.sleep(0.02)
    busy = pull(env)
    assert busy.status == 3 and "another opis" in busy.err
    p.send_signal(signal.SIGKILL)
    p.wait()
    go_on.set()
    nothing_visible(env)
    hub.requests.clear()
    assert pull(env).status == 0
    assert [q["range"] for q in hub.gets("model.safetensors?X-Amz-Signature=1")] == [f"bytes={n // 2}-"]
    words(env, REPO)


def test_interrupted(env, hub, blip):
    n, go_on = len(blip["model.safetensors"]), threading.Event()
    hub.faults[("cdn", "GET", "model.safetensors?X-Amz-Signature=1")] = [("stall", n // 2, go_on)]
    p = subprocess.Popen([OPIS, "model", "pull", REPO], env=dict(os.environ, **env), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not hub.gets("model.safetensors?X-Amz-Signature=1"):
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    go_on.set()
    assert p.returncode == 130 and out == err == b""
    nothing_visible(env)


def test_asked_to_wait(env, hub):
    hub.faults[("hub", "GET", "main?blobs=true")] = [("status", 429, {"Retry-After": "1"}), ("status", 503)]
    hub.faults[("hub", "HEAD", "config.json")] = [("status", 500), ("hang up",)]
    began = time.monotonic()
    assert pull(env).status == 0
    assert time.monotonic() - began >= 1


def test_never_answered(env, hub):
    hub.faults[("hub", "GET", "main?blobs=true")] = [("status", 429, {"Retry-After": "0"})] * 9
    r = pull(env)
    assert r.status == 3 and "429" in r.err
    assert len(hub.requests) == 5
    hub.close()
    env["HF_ENDPOINT"] = "http://127.0.0.1:1"
    r = pull(env)
    assert r.status == 3 and "127.0.0.1:1" in r.err


def test_not_there(env, hub):
    assert "no such repository" in pull(env, "lab/nothing").err
    hub.gated.add(REPO)
    assert "grants access" in pull(env).err
    for name in ("", "../x", "a/b/c", "lab/..", "lab/x y", "-x", "@main", "lab/x@", "http://x/y"):
        assert run("model", "pull", "--", name, env=env).status == 2
    assert not os.path.exists(env["OPIS_HOME"] + "/lab")


def test_wrong_digest(env, hub):
    hub.faults[("hub", "GET", "vocab.txt")] = [("other bytes",)]
    r = pull(env)
    assert r.status == 3 and "vocab.txt" in r.err and "digest" in r.err, "git's digest of a small file"
    nothing_visible(env)
    hub.faults[("cdn", "GET", "model.safetensors?X-Amz-Signature=1")] = [("other bytes",)]
    r = pull(env)
    assert r.status == 3 and "model.safetensors" in r.err and "digest" in r.err
    nothing_visible(env)
    assert pull(env).status == 0
    words(env, REPO)


def test_broken_part_of_an_earlier_try(env, hub, blip):
    n = len(blip["model.safetensors"])
    incoming = env["OPIS_HOME"] + "/.incoming/lab+tiny-blip"
    os.makedirs(incoming)
    with open(f"{incoming}/model.safetensors.{hashlib.sha256(blip['model.safetensors']).hexdigest()[:16]}.part", "wb") as f:
        f.write(b"x" * (n // 2))
    with open(f"{incoming}/vocab.txt", "wb") as f:
        f.write(b"of another time")
    assert pull(env).status == 0
    assert len(hub.gets("model.safetensors?X-Amz-Signature=1")) == 2
    words(env, REPO)
    assert run("model", "verify", REPO, env=env).status == 0


def test_full_disk(env, hub, blip):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(blip["model.safetensors"]) // 2, resource.RLIM_INFINITY))

    done = subprocess.run([OPIS, "model", "pull", REPO], env=dict(os.environ, **env), capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 3 and "model.safetensors" in done.stderr and "File too large" in done.stderr
    nothing_visible(env)
    assert pull(env).status == 0, "with room, it goes on"


def test_no_room_is_said_beforehand(env, hub):
    hub.repos[REPO]["model.safetensors"] = b"x"
    hub.lie_list[REPO] = []
    big = 1 << 60
    real = hub.repos[REPO].pop("model.safetensors")
    hub.lie_list[REPO] = [{"rfilename": "model.safetensors", "size": big, "lfs": {"sha256": hashlib.sha256(real).hexdigest()}}]
    r = pull(env)
    assert r.status == 3 and "MB are free" in r.err


def test_unsupported_model_is_not_fetched(env, hub, blip):
    hub.repos[REPO]["config.json"] = json.dumps({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava"}).encode()
    r = pull(env)
    assert r.status == 3 and "this is a LlavaForConditionalGeneration; opis runs VisionEncoderDecoderModel" in r.err
    assert not hub.gets("model.safetensors")
    hub.repos["lab/flax"] = {k: v for k, v in blip.items() if k != "model.safetensors"}
    r = pull(env, "lab/flax")
    assert r.status == 3 and "tf_model.h5" in r.err
    nothing_visible(env)


def test_evil_lists(env, hub, blip):
    hub.repos[REPO]["pytorch_model.bin.index.json"] = json.dumps({"weight_map": {"a": "../../evil.bin"}}).encode()
    del hub.repos[REPO]["model.safetensors"]
    hub.lie_list[REPO] = [{"rfilename": "../../evil.bin", "size": 7}]
    r = pull(env)
    assert r.status == 3 and "evil.bin" in r.err
    hub.faults[("hub", "GET", "main?blobs=true")] = [("status", 200, {"Content-Type": "text/html"})]
    assert "no valid JSON" in pull(env).err


def test_renamed_repository(env, hub):
    env["HF_ENDPOINT"] = hub.url + "/renamed"
    r = pull(env)
    assert r.status == 0, r.err
    words(env, REPO)


# ---- the Hugging Face cache ----


@pytest.fixture
def cache(tmp_path, blip):
    """As huggingface_hub leaves it."""
    base = tmp_path / "hf" / "hub" / "models--lab--tiny-blip"
    (base / "blobs").mkdir(parents=True)
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text(COMMIT)
    snapshot = base / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in [*TEXTS, "model.safetensors"]:
        digest = hashlib.sha256(blip[name]).hexdigest() if name == "model.safetensors" else git_blob(blip[name])
        (base / "blobs" / digest).write_bytes(blip[name])
        (snapshot / name).symlink_to(f"../../blobs/{digest}")
    return base


def test_models_in_the_cache_have_their_names(env, cache):
    words(env, REPO)
    words(env, f"{REPO}@{COMMIT}")
    assert f"{REPO}\t{cache}/snapshots/{COMMIT}\n" in run("model", "list", env=env).out
    assert "8 files" in run("model", "verify", REPO, env=env).out
    r = run("model", "remove", REPO, env=env)
    assert r.status == 3 and "only reads" in r.err
    env["HF_HUB_CACHE"], env["HF_HOME"] = env["HF_HOME"] + "/hub", "/nowhere"
    words(env, REPO)


def test_revision_with_slashes_in_the_cache(env, cache):
    (cache / "refs" / "refs" / "pr").mkdir(parents=True)
    (cache / "refs" / "refs" / "pr" / "1").write_text(COMMIT)
    words(env, f"{REPO}@refs/pr/1")


def test_other_models_in_the_cache_are_not_listed(env, cache):
    config = cache / "snapshots" / COMMIT / "config.json"
    config.unlink()
    config.write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')
    assert REPO not in run("model", "list", env=env).out
    r = run("describe", "-m", REPO, PICTURES / "cat.jpg", env=env)
    assert r.status == 3 and "this is a BertForMaskedLM" in r.err


def test_pull_takes_what_the_cache_has(env, hub, cache):
    assert pull(env).status == 0
    assert [q["path"].split("/")[-1] for q in hub.gets() if "resolve" in q["path"]] == ["README.md"]
    blob = next(b for b in (cache / "blobs").iterdir() if b.stat().st_size > 100000)
    shutil.rmtree(cache)
    assert not blob.exists()
    words(env, REPO)


def test_broken_blobs_of_the_cache_are_not_taken(env, hub, cache):
    blob = next(b for b in (cache / "blobs").iterdir() if b.stat().st_size > 100000)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    assert "digest" in run("model", "verify", REPO, env=env).err
    assert pull(env).status == 0
    assert len(hub.gets("model.safetensors?X-Amz-Signature=1")) == 1
    assert run("model", "verify", REPO, env=env).status == 0


def test_offline(env, hub, cache):
    env["HF_HUB_OFFLINE"] = "1"
    assert pull(env).out.startswith(f"{REPO}\t{cache}")
    r = pull(env, "lab/other")
    assert r.status == 3 and "HF_HUB_OFFLINE" in r.err
    assert not hub.requests


# ---- import and verify ----


def test_import(env, tmp_path):
    shutil.copytree(GOLDEN / "git", tmp_path / "my-git")
    (tmp_path / "my-git" / "notes.txt").write_text("not wanted")
    r = run("model", "import", f"{tmp_path}/my-git/", env=env)
    assert r.status == 0, r.err
    shutil.rmtree(tmp_path / "my-git")
    words(env, "my-git", "git")
    assert not os.path.exists(installed(env, "my-git/notes.txt"))
    shutil.copytree(GOLDEN / "git", tmp_path / "my-git")
    r = run("model", "import", tmp_path / "my-git", env=env)
    assert r.status == 3 and "opis model remove my-git" in r.err
    r = run("model", "import", tmp_path / "nothing", env=env)
    assert r.status == 3 and "nothing" in r.err
    (tmp_path / "empty").mkdir()
    assert run("model", "import", tmp_path / "empty", env=env).status == 3
    assert run("model", "convert", GOLDEN / "git", "-o", tmp_path / "one.gguf", "--type", "f32", env=env).status == 0
    assert run("model", "import", tmp_path / "one.gguf", env=env).status == 0
    words(env, "one", "git")
    assert run("model", "verify", "one", env=env).status == 0
    assert run("model", "remove", "one", env=env).status == 0
    assert run("describe", "-m", "one", PICTURES / "cat.jpg", env=env).status == 3


def test_verify_finds_what_changed(env, hub):
    assert pull(env).status == 0
    path = installed(env) + "/model.safetensors"
    data = bytearray(open(path, "rb").read())
    data[-1] ^= 1
    os.unlink(path)
    open(path, "wb").write(data)
    r = run("model", "verify", REPO, env=env)
    assert r.status == 1 and "model.safetensors" in r.err and "digest" in r.err
    open(path, "ab").write(b"x")
    assert "bytes" in run("model", "verify", REPO, env=env).err
    os.unlink(installed(env) + "/vocab.txt")
    assert run("model", "verify", REPO, env=env).status == 1
    assert pull(env).status == 0, "a pull mends what is missing"
    assert run("model", "verify", "opis-small", env=env).status == 0
