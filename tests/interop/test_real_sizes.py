# venv: transformers
"""Random weights at the true configurations of the captioners that people use, saved by Transformers: the same tokens for ten pictures each, the same words from an f32 GGUF, and what loading costs.

Only in the long run: the four models take some 5 GB of disk and several minutes."""
import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import torch
import transformers
from PIL import Image
from test_captioners import FULL, GOLDEN, OPIS, PICTURES, answers, same

pytestmark = pytest.mark.skipif(not FULL, reason="only with OPIS_INTEROP=full")
IMAGES = ["astronaut.jpg", "coffee.jpg", "cat.jpg", "rocket.jpg", "rgb.png", "gray.png", "palette.png", "progressive.jpg", "cmyk.jpg", "lossless.webp"]
CLIP = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])


def wordpieces(folder, size, special):
    """A vocabulary of the true size: the golden one's words, and made-up ones; `special` are at their ids."""
    words = [w for w in (GOLDEN / "blip" / "vocab.txt").read_text().splitlines() if not w.startswith("[")] + [f"word{i}" for i in range(size)]
    at = {v: k for k, v in special.items()}
    words = iter(words)
    (folder / "vocab.txt").write_text("".join((at[i] if i in at else next(words)) + "\n" for i in range(size)))
    shutil.copy(GOLDEN / "git" / "special_tokens_map.json", folder / "special_tokens_map.json")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))


BERT = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}


def vit_gpt2(folder):
    encoder = transformers.ViTConfig()
    decoder = transformers.GPT2Config(add_cross_attention=True, is_decoder=True)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = transformers.VisionEncoderDecoderModel(config)
    for key in ("decoder_start_token_id", "eos_token_id", "pad_token_id", "bos_token_id"):
        setattr(config, key, 50256)
        setattr(model.generation_config, key, 50256)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(GOLDEN / "vit-gpt2-bin" / name, folder / name)
    return model, transformers.ViTImageProcessor(), [50256]


def blip(folder, vision):
    text = dict(vocab_size=30524, hidden_size=768, encoder_hidden_size=vision["hidden_size"], intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, bos_token_id=30522, sep_token_id=102, pad_token_id=0)
    model = transformers.BlipForConditionalGeneration(transformers.BlipConfig(text_config=text, vision_config=dict(vision, image_size=384, patch_size=16)))
    wordpieces(folder, 30524, dict(BERT, **{"[DEC]": 30522, "[ENC]": 30523}))
    return model, transformers.BlipImageProcessor(size={"height": 384, "width": 384}, **CLIP), [102]


def git_base(folder):
    model = transformers.GitForCausalLM(transformers.GitConfig())
    wordpieces(folder, 30522, BERT)
    return model, transformers.CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, **CLIP), [102]


MODELS = {
    "vit-gpt2": vit_gpt2,
    "blip-base": lambda f: blip(f, dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)),
    "blip-large": lambda f: blip(f, dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16)),
    "git-base": git_base,
}


# A process of its own starts it: what is started would inherit the peak of this one, which holds a model too.
LAUNCHER = """
import json, os, subprocess, sys, time
began = time.monotonic()
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
out = p.stdout.read()
_, status, usage = os.wait4(p.pid, 0)
json.dump({"out": out, "status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - began, "cpu": usage.ru_utime + usage.ru_stime, "MB": usage.ru_maxrss / 1024}, sys.stdout)
"""


def measured(*args):
    """What it prints ("out"), wall-clock and processor seconds, and the peak of resident memory in MB."""
    done = subprocess.run([sys.executable, "-c", LAUNCHER, OPIS, *map(str, args)], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["status"] == 0, done.stderr
    return result


def seconds_to_read(path):
    began = time.monotonic()
    with open(path, "rb", buffering=0) as f:
        while f.readinto(buffer):
            pass
    return time.monotonic() - began


buffer = bytearray(1 << 22)


@pytest.mark.parametrize("name", MODELS)
def test_real_size(name, tmp_path, record_property):
    try:
        real_size(name, tmp_path, record_property)
    finally:  # gigabytes
        shutil.rmtree(tmp_path, ignore_errors=True)


def real_size(name, tmp_path, record_property):
    torch.manual_seed(7)
    model, processor, ends = MODELS[name](tmp_path)
    with torch.no_grad():  # near ties would say nothing
        for key, p in model.named_parameters():
            if p.dim() > 1:
                p.mul_(1.6)
            elif "bias" in key:
                p.add_(torch.randn_like(p) * 0.05)
    model.eval()
    model.save_pretrained(tmp_path, safe_serialization=False)
    processor.save_pretrained(tmp_path)
    bin_ = tmp_path / "pytorch_model.bin"
    options = {"num_beams": 4, "max_length": 16}
    flags = ["--beams", 4, "--max-length", 16, "--format", "jsonl"]
    paths = [PICTURES / i for i in IMAGES]
    mine = [json.loads(line) for line in measured("describe", "-m", tmp_path, *flags, *paths)["out"].splitlines()]
    exact = None
    for path, line in zip(paths, mine):
        pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values
        theirs = answers(model, pixels, None, options, ends)
        if not same(line["candidates"], theirs):
            exact = exact or type(model).from_pretrained(tmp_path, dtype=torch.float64).eval()
            assert same(line["candidates"], answers(exact, pixels, None, options, ends)), f"{path.name}\nopis  {line['tokens']} {line['score']}\ntorch {theirs}"
    gguf = tmp_path / "m.gguf"
    subprocess.run([OPIS, "model", "convert", tmp_path, "-o", gguf, "--type", "f32"], check=True)
    again = [json.loads(line) for line in measured("describe", "-m", gguf, *flags, *paths)["out"].splitlines()]
    assert [(o["tokens"], o["score"]) for o in again] == [(o["tokens"], o["score"]) for o in mine]
    size = bin_.stat().st_size / 1e6
    read = min(seconds_to_read(bin_) for _ in range(3))
    one = measured("describe", "-m", tmp_path, *flags, paths[0])
    ready = [measured("describe", "-m", tmp_path, "--beams", 1, "--max-length", 2, PICTURES / "one.png") for _ in range(3)]
    figures = {
        "file MB": round(size), "read it s": round(read, 2), "ready s": round(min(r["seconds"] for r in ready), 2), "ready cpu s": round(min(r["cpu"] for r in ready), 2), "peak MB": round(one["MB"]),
    }
    record_property("figures", json.dumps(figures))
    print(f"\n{name}: {figures}")
    # Never two copies: the packed weights, the tensor in hand, and the picture's scratch.
    assert one["MB"] < 1.15 * size + 150
    if name == "vit-gpt2":
        assert one["MB"] < 1300
