# venv: transformers
"""Random captioning models made by Transformers, described by opis and by Transformers: the same tokens, scores within 1e-4.

Where the two differ, Transformers decides again in float64: a difference that vanishes there was a tie of float32, any other is a defect."""
import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest
import torch
import transformers
from PIL import Image

OPIS = os.environ["OPIS"]
GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
PICTURES = GOLDEN / "pictures"
IMAGES = ["astronaut.jpg", "coffee.jpg", "cat.jpg", "rocket.jpg", "rgb.png", "gray.png", "palette.png", "cmyk.jpg", "lossless.webp"]
ACTIVATIONS = ["gelu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "quick_gelu", "relu", "silu"]
FULL = os.environ.get("OPIS_INTEROP") == "full"
SEEDS = range(100 if FULL else 20)
ROUNDS = 4
transformers.logging.set_verbosity_error()
torch.set_num_threads(1)


def spread(model, r):
    """Weights so large that logits differ: near ties would say nothing."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.mul_(r.uniform(2, 6))
            elif "bias" in name or "lambda" in name:
                p.add_(torch.randn_like(p) * 0.3)
    return model.eval()


def some_values(r):
    """What every processor has: rescaling and normalisation, on or off, with odd numbers."""
    return dict(
        do_rescale=r.random() < 0.9, rescale_factor=r.choice([1 / 255, 1 / 255, 1 / 127.5]), do_normalize=r.random() < 0.85, image_mean=[r.uniform(0.3, 0.6) for _ in range(3)],
        image_std=[r.uniform(0.2, 0.6) for _ in range(3)], resample=r.choice([0, 1, 2, 3, 4, 5]), do_resize=r.random() < 0.9,
    )


def sides(r, side, free):
    """height and width, the same unless the model takes any size."""
    return {"height": side, "width": r.choice([side, side + 14, 2 * side])} if free else {"height": side, "width": side}


def squashing_processor(r, kinds, side, free=False):
    """Every side to its length, whatever the picture's shape."""
    more = {"do_center_crop": False} if r.random() < 0.5 else {"crop_size": sides(r, side, False), "do_center_crop": True}
    return r.choice(kinds)(size=sides(r, side, free), **some_values(r), **more)


def cropping_processor(r, kinds, side, free=False):
    """Shortest edge and centre crop, each in every form. Without the crop the picture must come out square, unless the model takes any size."""
    values = some_values(r)
    crop = r.random() < 0.8
    size = {"shortest_edge": r.choice([side - 5, side, side + 9])} if crop or free else {"height": side, "width": side}
    if not crop and not free:
        values["do_resize"] = True
    return r.choice(kinds)(size=size, do_center_crop=crop, crop_size={"height": side, "width": side}, **values)


SQUASHING = [transformers.ViTImageProcessor, transformers.ViTImageProcessor, transformers.DeiTImageProcessor, transformers.BlipImageProcessor, transformers.SiglipImageProcessor, transformers.BitImageProcessor]
CROPPING = [transformers.BitImageProcessor, transformers.CLIPImageProcessor]


def some_processor(r, side, free=False):
    return squashing_processor(r, SQUASHING, side, free) if r.random() < 0.6 else cropping_processor(r, CROPPING, side, free)


def some_rules(r, vocab, ends):
    """The rarer generation settings, each now and then."""
    def some(n):
        return r.sample(range(6, vocab), n)

    rules = {
        "sequence_bias": [[some(r.choice([1, 1, 2])), r.choice([-4.0, 2.5, 6.0])] for _ in range(6)],
        "bad_words_ids": [some(r.choice([1, 1, 2])) for _ in range(30)],
        "forced_eos_token_id": ends[0],
        "forced_bos_token_id": some(1)[0],
        "suppress_tokens": some(20),
        "begin_suppress_tokens": some(20) + ends[:1],
        "renormalize_logits": True,
        "max_new_tokens": r.randint(5, 15),
        "min_new_tokens": r.randint(1, 6),
    }
    return {k: v for k, v in rules.items() if r.random() < 0.15}


def some_defaults(r, settings, vocab, ends):
    """Generation settings of the model itself, which opis must find."""
    settings.eos_token_id = ends if len(ends) > 1 else ends[0]
    if r.random() < 0.3:
        settings.pad_token_id = None
    for key, value in some_rules(r, vocab, ends).items():
        setattr(settings, key, value)
    settings.max_length = r.choice([20, 12])
    settings.num_beams = r.randint(1, 3)
    if r.random() < 0.4:
        settings.no_repeat_ngram_size = 2
    if r.random() < 0.4:
        settings.repetition_penalty = 1.3
    if settings.num_beams > 1:
        settings.length_penalty = r.choice([1.0, 0.6])
        settings.early_stopping = r.choice([True, False, "never"])
        settings.num_return_sequences = r.choice([1, 1, settings.num_beams])


def gpt2_model(r, folder, kind):
    heads, width = r.choice([(1, 16), (2, 32), (4, 48), (4, 16), (3, 24), (5, 40), (7, 49), (3, 129)])
    side, patch = r.choice([(28, 7), (42, 14), (56, 14), (56, 7), (64, 32), (96, 32)])
    common = dict(hidden_size=width, num_hidden_layers=r.randint(1, 3), num_attention_heads=heads, image_size=side, patch_size=patch, hidden_act=r.choice(ACTIVATIONS), qkv_bias=r.random() < 0.5, layer_norm_eps=r.choice([1e-12, 1e-6, 1e-3]))
    oblong = None
    if kind == "vit":
        if r.random() < 0.15:  # pictures that are no square
            oblong = {"height": side, "width": side + 2 * patch}
            common["image_size"] = [side, side + 2 * patch]
        encoder = transformers.ViTConfig(intermediate_size=width * 3, **common)
    else:
        common["image_size"] = r.choice([side, 2 * side])  # another grid than the pictures': the table is interpolated
        encoder = transformers.Dinov2Config(mlp_ratio=r.choice([2, 4]), use_swiglu_ffn=r.random() < 0.3, layerscale_value=0.7, **common)
    text = r.choice([(heads, width), (4, 24), (2, 24), (3, 33), (6, 72)])
    decoder = transformers.GPT2Config(
        vocab_size=4096, n_positions=64, n_embd=text[1], n_layer=r.randint(1, 3), n_head=text[0], bos_token_id=0, eos_token_id=0, add_cross_attention=True, is_decoder=True,
        n_inner=r.choice([None, 40]), scale_attn_by_inverse_layer_idx=r.random() < 0.3, reorder_and_upcast_attn=r.random() < 0.2, activation_function=r.choice(ACTIVATIONS), layer_norm_epsilon=r.choice([1e-5, 1e-3]),
        tie_word_embeddings=r.random() < 0.8,
    )
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = 0
    model = spread(transformers.VisionEncoderDecoderModel(config), r)
    model.generation_config.decoder_start_token_id = model.generation_config.eos_token_id = model.generation_config.pad_token_id = model.generation_config.bos_token_id = 0
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(GOLDEN / "vit-gpt2" / name, folder / name)
    processor = transformers.ViTImageProcessor(size=oblong, **some_values(r)) if oblong else some_processor(r, side, kind == "dinov2")
    ends = [0]
    if r.random() < 0.3:  # as the older folders are: generation settings inside config.json, some in the decoder's part
        model.old_settings = {
            "": {"max_length": r.choice([20, 20, 11]), "num_beams": r.choice([1, 1, 2])},
            "decoder": {"max_length": r.choice([20, 9]), "num_beams": r.choice([1, 3]), "no_repeat_ngram_size": r.choice([0, 2]), "early_stopping": r.choice([False, True]), "min_length": r.choice([0, 5])},
        }
    else:
        ends = r.choice([[0], [0], [0, 300], [17, 0, 2000]])
        some_defaults(r, model.generation_config, 4096, ends)
        if r.random() < 0.3:  # the start is then bos
            model.generation_config.decoder_start_token_id = config.decoder_start_token_id = None
            model.generation_config.bos_token_id = r.choice([0, 11])
    return model, processor, None, ends


def blip_model(r, folder):
    heads, width = r.choice([(1, 16), (2, 32), (4, 48), (3, 24), (5, 65)])
    side = r.choice([32, 48, 64])
    text_heads, text_width = r.choice([(1, 16), (2, 32), (4, 32), (3, 21), (5, 40)])
    vision = dict(
        hidden_size=width, intermediate_size=r.choice([40, 64]), num_hidden_layers=r.randint(1, 3), num_attention_heads=heads, image_size=side, patch_size=r.choice([8, 16] + [32] * (side == 64)),
        hidden_act=r.choice(ACTIVATIONS), layer_norm_eps=r.choice([1e-5, 1e-3]),
    )
    text = dict(
        vocab_size=145, hidden_size=text_width, encoder_hidden_size=width, intermediate_size=48, num_hidden_layers=r.randint(1, 3), num_attention_heads=text_heads,
        max_position_embeddings=64, bos_token_id=143, sep_token_id=4, pad_token_id=0, eos_token_id=4, is_decoder=True, layer_norm_eps=r.choice([1e-12, 1e-5]), hidden_act=r.choice(ACTIVATIONS),
        tie_word_embeddings=r.random() < 0.8,
    )
    model = spread(transformers.BlipForConditionalGeneration(transformers.BlipConfig(text_config=text, vision_config=vision)), r)
    for name in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(GOLDEN / "blip" / name, folder / name)
    return model, some_processor(r, side), r.choice([None, "a picture of", "a photo", "A man, riding"]), [4]


def git_model(r, folder):
    side, width = r.choice([32, 48]), r.choice([16, 32])
    vision = dict(
        hidden_size=width, intermediate_size=64, num_hidden_layers=r.randint(1, 3), num_attention_heads=r.choice([1, 2, 4]), image_size=side, patch_size=r.choice([8, 16]),
        hidden_act=r.choice(["quick_gelu", *ACTIVATIONS]), layer_norm_eps=r.choice([1e-5, 1e-3]),
    )
    config = transformers.GitConfig(
        vision_config=vision, vocab_size=143, hidden_size=r.choice([16, 32]), num_hidden_layers=r.randint(1, 3), num_attention_heads=r.choice([1, 2, 4]), intermediate_size=48, max_position_embeddings=64,
        pad_token_id=0, bos_token_id=3, eos_token_id=4, hidden_act=r.choice(ACTIVATIONS), layer_norm_eps=r.choice([1e-12, 1e-5]), tie_word_embeddings=r.random() < 0.3, num_image_with_embedding=r.choice([None, 6]),
    )
    model = spread(transformers.GitForCausalLM(config), r)
    for name in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(GOLDEN / "git" / name, folder / name)
    ends = r.choice([[4], [4], [4, 60]])
    some_defaults(r, model.generation_config, 143, ends)
    return model, some_processor(r, side), r.choice([None, "a picture of", "two dogs"]), ends


def random_options(r):
    beams = r.randint(1, 8)
    options = {"num_beams": beams, "max_length": r.randint(8, 24)}
    if r.random() < 0.3:
        options["min_length"] = r.randint(2, 10)
    if r.random() < 0.3:
        options["no_repeat_ngram_size"] = r.randint(1, 3)
    if r.random() < 0.3:
        options["repetition_penalty"] = round(r.uniform(0.8, 1.6), 2)
    if beams > 1:
        options["length_penalty"] = r.choice([1.0, 0.0, 2.0, -0.5])
        options["early_stopping"] = r.choice([False, True, "never"])
        options["num_return_sequences"] = r.randint(1, beams)
    return options


NAMES = {"num_beams": "beams", "no_repeat_ngram_size": "no-repeat-ngram", "num_return_sequences": "candidates"}


def flags(options):
    out = []
    for key, value in options.items():
        if key == "early_stopping":
            out += ["--early-stopping" + ("" if value is True else f"={value}".lower())]
        else:
            out += ["--" + NAMES.get(key, key.replace("_", "-")), str(value)]
    return out


def answers(model, pixels, ids, options, ends):
    """(tokens, score) of every returned row, the padding behind the end left out."""
    extra = {} if ids is None else {"input_ids": torch.tensor([ids])}
    if options:  # opis: what is asked for goes before the model's own settings of the same meaning
        extra |= {"max_new_tokens": None, "num_return_sequences": 1} | ({"min_new_tokens": None} if "min_length" in options else {})
    extra |= options
    with torch.no_grad():
        out = model.generate(pixel_values=pixels.to(next(model.parameters()).dtype), **extra, do_sample=False, return_dict_in_generate=True, output_scores=True)
    scores = out.sequences_scores.tolist() if getattr(out, "sequences_scores", None) is not None else [None] * len(out.sequences)
    rows = []
    for row, score in zip(out.sequences.tolist(), scores):
        start = 1 if ids is None else len(ids) - isinstance(model, transformers.BlipForConditionalGeneration)
        for i in range(start, len(row)):
            if row[i] in ends:
                row = row[: i + 1]
                break
        rows.append((row, score))
    return rows


def same(mine, theirs):
    return [c["tokens"] for c in mine] == [t for t, _ in theirs] and all(s is None or abs(s - c["score"]) <= 1e-4 * max(1, abs(s)) for c, (_, s) in zip(mine, theirs))


class Doubles:
    """torch as Transformers' generation sees it, with float64 where it asks for float32: it keeps log-probabilities and their sums in float32, with a float64 model, too, and two candidates can be nearer to each other than that tells."""
    float = float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def exactly(monkeypatch, model, *asked):
    with monkeypatch.context() as m:
        m.setattr(transformers.generation.utils, "torch", Doubles())
        return answers(model, *asked)


MAKERS = {"vit-gpt2": lambda r, f: gpt2_model(r, f, "vit"), "dinov2-gpt2": lambda r, f: gpt2_model(r, f, "dinov2"), "blip": blip_model, "git": git_model}


def save(r, model, processor, folder):
    """The folder in one of the forms that the hub has."""
    processor.save_pretrained(folder)
    dtype = r.choice([torch.float32] * 4 + [torch.float16, torch.bfloat16])
    small = model.state_dict() if dtype == torch.float32 else {k: v.to(dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=small, safe_serialization=r.random() < 0.5, **({"max_shard_size": "40KB"} if r.random() < 0.2 else {}))
    if hasattr(model, "old_settings"):
        (folder / "generation_config.json").unlink()
        config = json.loads((folder / "config.json").read_text())
        config.update(model.old_settings[""])
        config["decoder"].update(model.old_settings["decoder"])
        (folder / "config.json").write_text(json.dumps(config))
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def saved_processor(r, processor, folder):
    """preprocessor_config.json in the forms it has had: the older name, sizes as numbers, what is usual left out."""
    path, kind = folder / "preprocessor_config.json", type(processor)
    file, usual = json.loads(path.read_text()), kind().to_dict()
    name = file["image_processor_type"]
    if name in ("ViTImageProcessor", "CLIPImageProcessor", "DeiTImageProcessor") and r.random() < 0.4:
        file["feature_extractor_type"] = name.replace("ImageProcessor", "FeatureExtractor")
        del file["image_processor_type"]
    elif r.random() < 0.3:
        file["image_processor_type"] = name + "Fast"
    for key in ("size", "crop_size"):
        size = file.get(key) or {}
        means_edge = key == "size" and name.startswith(("CLIP", "Bit"))
        if r.random() < 0.5 and not name.startswith("Siglip") and (len(size) == 1 if means_edge else len(size) == 2 and size.get("height") == size.get("width")):
            file[key] = next(iter(size.values()))
    for key in list(file):
        if key in usual and file[key] == usual[key] and key not in ("image_processor_type",) and r.random() < 0.3:
            del file[key]
    path.write_text(json.dumps(file))
    return kind.from_pretrained(folder)


def pictures(r, processor, folder):
    """Two pictures; where the processor does not resize, such as have the model's size already."""
    out = []
    for name in r.sample(IMAGES, 2):
        picture = Image.open(PICTURES / name)
        path = PICTURES / name
        crops = isinstance(processor, (transformers.DeiTImageProcessor, *CROPPING)) and processor.do_center_crop  # the others pass it over
        if not processor.do_resize and not crops:
            size = processor.size
            width, height = (size["width"], size["height"]) if "height" in size else (size["shortest_edge"], size["shortest_edge"])
            path = folder / f"{name}.png"
            picture.convert("RGB").resize((width, height)).save(path)
        out.append((path, processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values))
    return out


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", sorted(MAKERS))
def test_random_model(family, seed, tmp_path, monkeypatch):
    r = random.Random(f"{family} {seed}")
    torch.manual_seed(r.randrange(1 << 30))
    model, processor, prompt, ends = MAKERS[family](r, tmp_path)
    model = save(r, model, processor, tmp_path)
    processor = saved_processor(r, processor, tmp_path)
    ids = None
    if prompt:
        ids = transformers.BertTokenizer.from_pretrained(tmp_path)(prompt).input_ids
        ids = ids if family == "blip" else ids[:-1]
    for turn in range(ROUNDS):
        options = random_options(r) if turn else {}  # at first what the model itself says
        given = pictures(r, processor, tmp_path)
        done = subprocess.run([OPIS, "describe", "-m", tmp_path, "--format", "jsonl", *flags(options), *(["--prompt", prompt] if prompt else []), *[path for path, _ in given]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for (path, pixels), line in zip(given, done.stdout.splitlines()):
            mine, theirs = json.loads(line)["candidates"], answers(model, pixels, ids, options, ends)
            if same(mine, theirs):
                continue
            # decided again in float64
            exact = exactly(monkeypatch, type(model).from_pretrained(tmp_path, dtype=torch.float64).eval(), pixels, ids, options, ends)
            assert same(mine, exact), f"{options} {path.name} {prompt}\nopis  {[(c['tokens'], c['score']) for c in mine]}\ntorch {theirs}\nexact {exact}"
