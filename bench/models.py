"""Models of true size with random weights, made once into a folder: hub folders, and what each peer wants of them (ONNX for ONNX Runtime and OpenVINO, 8 bits in each one's own way).

OPIS=build/opis python bench/models.py NAME FOLDER      NAME: vit-gpt2, blip-base, opis-small
"""
import itertools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

# How each is asked to describe, as its users do.
SEARCH = {
    "vit-gpt2": dict(num_beams=4, max_length=16, min_length=0),
    "blip-base": dict(num_beams=3, max_length=20, min_length=5),
}
BYTES = {n: chr(n if 33 <= n <= 126 or 161 <= n <= 172 or 174 <= n else 256 + sum(not (33 <= m <= 126 or 161 <= m <= 172 or 174 <= m) for m in range(n))) for n in range(256)}


def larger(model, but):
    """Random weights as they come give every picture nearly the same features: larger ones tell pictures apart, and tokens come with a margin."""
    import torch
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1 and not any(b in name for b in but):
                p.mul_(3)


def vit_gpt2(folder):
    import torch
    import transformers as t
    torch.manual_seed(0)
    config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(t.ViTConfig(), t.GPT2Config(add_cross_attention=True, is_decoder=True))
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = 50256
    model = t.VisionEncoderDecoderModel(config).eval()
    larger(model, ["wte"])
    g = model.generation_config
    g.decoder_start_token_id = g.eos_token_id = g.pad_token_id = g.bos_token_id = 50256
    g.num_beams, g.max_length = 4, 16
    model.save_pretrained(folder)
    t.ViTImageProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)
    words, merges = list(BYTES.values()), []
    letters = [BYTES[c] for c in range(97, 123)]
    pairs = [a + b for a, b in itertools.product(letters, letters)]
    for a, b in itertools.chain(itertools.product(letters, letters), itertools.product(pairs, pairs)):
        if len(words) < 50256:
            merges.append(f"{a} {b}")
            words.append(a + b)
    words.append("<|endoftext|>")
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", "bos_token": words[-1], "eos_token": words[-1], "unk_token": words[-1]}))


def blip_base(folder):
    import torch
    import transformers as t
    torch.manual_seed(0)
    # 12 heads as the released model has; the classes' own defaults are 8, and vision weights of 1e-10, with which the encoder says the same of every picture.
    model = t.BlipForConditionalGeneration(t.BlipConfig(vision_config=dict(initializer_range=0.02), text_config=dict(num_attention_heads=12))).eval()
    larger(model, ["word_embeddings", "predictions"])
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "attention.output.dense.weight" in name:  # with norms after the sums, what all positions see alike would drown the token: one would follow on itself for ever
                p.mul_(0.1)
    model.save_pretrained(folder)
    t.BlipImageProcessor().save_pretrained(folder)
    words = ["[PAD]"] + [f"[unused{i}]" for i in range(99)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for w in itertools.chain(map("".join, itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=3)), map("".join, itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=4))):
        if len(words) < 30522:
            words.append(w)
    words += ["[DEC]", "[ENC]"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    special = dict(unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]")
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(special, tokenizer_class="BertTokenizer", do_lower_case=True, clean_up_tokenization_spaces=True)))


# ---- what a careful engineer would give ONNX Runtime and OpenVINO ----

def parts(name, folder):
    """(encoder, cross, decoder, facts): pixel_values -> states; states -> each layer's keys and values, once a picture; one token a beam with a cache of fixed size -> log-probabilities."""
    import torch
    from torch import nn
    import transformers as t

    def linear(weight, bias):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = weight.detach().clone().contiguous(), bias.detach().clone()
        return layer

    class Layer(nn.Module):
        pass

    def gpt2(m):
        layers = []
        for h in m.decoder.transformer.h:
            y = Layer()
            y.n1, y.n2, y.n3 = h.ln_1, h.ln_cross_attn, h.ln_2
            y.qkv = linear(h.attn.c_attn.weight.T, h.attn.c_attn.bias)
            y.out = linear(h.attn.c_proj.weight.T, h.attn.c_proj.bias)
            y.cq = linear(h.crossattention.q_attn.weight.T, h.crossattention.q_attn.bias)
            y.ckv = linear(h.crossattention.c_attn.weight.T, h.crossattention.c_attn.bias)
            y.cout = linear(h.crossattention.c_proj.weight.T, h.crossattention.c_proj.bias)
            y.f1, y.f2 = linear(h.mlp.c_fc.weight.T, h.mlp.c_fc.bias), linear(h.mlp.c_proj.weight.T, h.mlp.c_proj.bias)
            y.act = nn.GELU(approximate="tanh")
            layers.append(y)
        return layers, m.decoder.transformer.wte, m.decoder.transformer.wpe, None, m.decoder.transformer.ln_f, nn.Sequential(m.decoder.lm_head)

    def bert(m):
        b, layers = m.text_decoder.bert, []
        for h in b.encoder.layer:
            y, s, c = Layer(), h.attention, h.crossattention
            stack = lambda a, *which: linear(torch.cat([getattr(a.self, w).weight for w in which]), torch.cat([getattr(a.self, w).bias for w in which]))
            y.n1, y.n2, y.n3 = s.output.LayerNorm, c.output.LayerNorm, h.output.LayerNorm
            y.qkv, y.out = stack(s, "query", "key", "value"), s.output.dense
            y.cq, y.ckv, y.cout = c.self.query, stack(c, "key", "value"), c.output.dense
            y.f1, y.f2, y.act = h.intermediate.dense, h.output.dense, nn.GELU()
            layers.append(y)
        p = m.text_decoder.cls.predictions
        head = nn.Sequential(p.transform.dense, nn.GELU(), p.transform.LayerNorm, linear(p.decoder.weight, p.bias))
        return layers, b.embeddings.word_embeddings, b.embeddings.position_embeddings, b.embeddings.LayerNorm, None, head

    if name == "vit-gpt2":
        m = t.VisionEncoderDecoderModel.from_pretrained(folder, attn_implementation="eager").eval()
        vision, made, pre = m.encoder, gpt2(m), True
        facts = dict(size=224, start=50256, end=50256)
    else:
        m = t.BlipForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").eval()
        vision, made, pre = m.vision_model, bert(m), False
        facts = dict(size=384, start=30522, end=102)
    layers, words, places, first_norm, last_norm, head = made
    text = m.decoder.config if name == "vit-gpt2" else m.text_decoder.config
    assert text.num_attention_heads == 12 and text.hidden_size == 768, text
    heads, size, B, L = 12, 64, SEARCH[name]["num_beams"], SEARCH[name]["max_length"]
    facts.update(layers=len(layers), heads=heads, head_size=size, vocab=words.weight.shape[0], **SEARCH[name])

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.vision = vision

        def forward(self, pixel_values):
            return self.vision(pixel_values, return_dict=False)[0]

    class Cross(nn.Module):
        def __init__(self):
            super().__init__()
            self.kv = nn.ModuleList(y.ckv for y in layers)

        def forward(self, states):
            out = []
            for kv in self.kv:
                both = kv(states[0]).reshape(-1, 2, heads, size)
                out += [both[:, 0].permute(1, 2, 0), both[:, 1].permute(1, 0, 2)]  # [heads, size, T], [heads, T, size]
            return tuple(out)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.words, self.places, self.head = nn.ModuleList(layers), words, places, head
            self.first, self.last = first_norm or nn.Identity(), last_norm or nn.Identity()

        def forward(self, token, place, beam, *given):
            n = len(self.layers)
            cache, cross = given[:2 * n], given[2 * n:]
            x = self.first(self.words(token) + self.places(place))
            at = torch.arange(L)
            here, hidden, new = (at == place).reshape(1, 1, L, 1), (at > place).float() * -1e9, []
            for i, y in enumerate(self.layers):
                q, k, v = (y.qkv(y.n1(x) if pre else x)).reshape(B, 3, heads, 1, size).unbind(1)
                k, v = torch.where(here, k, cache[2 * i].index_select(0, beam)), torch.where(here, v, cache[2 * i + 1].index_select(0, beam))
                new += [k, v]
                a = y.out((torch.softmax(q @ k.transpose(2, 3) / 8 + hidden, -1) @ v).reshape(B, -1))
                x = x + a if pre else y.n1(x + a)
                q = y.cq(y.n2(x) if pre else x).reshape(B, heads, size).transpose(0, 1)
                a = y.cout((torch.softmax(q @ cross[2 * i] / 8, -1) @ cross[2 * i + 1]).transpose(0, 1).reshape(B, -1))
                x = x + a if pre else y.n2(x + a)
                a = y.f2(y.act(y.f1(y.n3(x) if pre else x)))
                x = x + a if pre else y.n3(x + a)
            return (torch.log_softmax(self.head(self.last(x)), -1), *new)

    return Encoder().eval(), Cross().eval(), Decoder().eval(), facts


def export(name, folder):
    import torch
    encoder, cross, decoder, f = parts(name, folder)
    B, n = f["num_beams"], f["layers"]
    with torch.no_grad():
        pixels = torch.randn(1, 3, f["size"], f["size"])
        states = encoder(pixels)
        kv = cross(states)
        cache = [torch.zeros(B, f["heads"], f["max_length"], f["head_size"]) for _ in range(2 * n)]
        cross_names, cache_names = [f"cross{i}" for i in range(2 * n)], [f"cache{i}" for i in range(2 * n)]
        options = dict(opset_version=17, dynamo=False)
        torch.onnx.export(encoder, (pixels,), folder / "encoder.onnx", input_names=["pixel_values"], output_names=["states"], **options)
        torch.onnx.export(cross, (states,), folder / "cross.onnx", input_names=["states"], output_names=cross_names, **options)
        torch.onnx.export(decoder, (torch.zeros(B, dtype=torch.long), torch.zeros(1, dtype=torch.long), torch.arange(B), *cache, *kv), folder / "decoder.onnx",
                          input_names=["token", "place", "beam", *cache_names, *cross_names], output_names=["logp", *[f"new{i}" for i in range(2 * n)]], **options)
    (folder / "facts.json").write_text(json.dumps(f))


def onnxruntime_models(name, folder):
    """Graphs as ONNX Runtime's own tools make them: fused where they know how, and weights of matrix products in 8 bits, activations quantised on the fly."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model
    for part in ("encoder", "cross", "decoder"):
        source = folder / f"{part}.onnx"
        if part == "encoder":
            fused = optimize_model(str(source), model_type="vit", num_heads=12, hidden_size=768, opt_level=1)
            fused.save_model_to_file(str(folder / "ort-encoder.onnx"))
            source = folder / "ort-encoder.onnx"
        quantize_dynamic(source, folder / f"ort-{part}-int8.onnx", weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm", "Attention"],
                         extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


def openvino_models(name, folder):
    """int8: the encoder wholly in 8 bits (calibrated on random pictures; what has outliers stays), the decoder's weights in 8 bits with activations quantised on the fly."""
    import nncf
    import openvino as ov
    f = json.loads((folder / "facts.json").read_text())
    for part in ("encoder", "cross", "decoder"):
        model = ov.convert_model(folder / f"{part}.onnx")
        ov.save_model(model, folder / f"ov-{part}.xml", compress_to_fp16=False)
        if part == "encoder":
            random = np.random.default_rng(0)
            pictures = [random.standard_normal((1, 3, f["size"], f["size"])).astype(np.float32) for _ in range(8)]
            model = nncf.quantize(model, nncf.Dataset(pictures), subset_size=8, model_type=nncf.ModelType.TRANSFORMER)
        else:
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        ov.save_model(model, folder / f"ov-{part}-int8.xml", compress_to_fp16=False)


RECIPE = {"blip-base": 2}  # of the weights: a new number makes them, and all that follows from them, again
STEPS = [("hub", lambda n, f: (vit_gpt2 if n == "vit-gpt2" else blip_base)(f)), ("onnx", export), ("onnxruntime", onnxruntime_models), ("openvino", openvino_models)]


def make(name, folder, opis):
    folder.mkdir(parents=True, exist_ok=True)
    if name == "opis-small":  # is inside the program
        return
    recipe = f"-{RECIPE[name]}" if name in RECIPE else ""
    for step, do in STEPS:
        done = folder / f".made-{step}{recipe}"
        if not done.exists():
            print(f"   making {name} for {step}", flush=True)
            do(name, folder)
            done.touch()
    done = folder / f".made-panels{recipe}"  # files of an older opis stand in rows
    if not done.exists():
        for kind in ("q8_0", "f32"):
            subprocess.run([opis, "model", "convert", folder, "-o", folder / f"{name}-{kind}.gguf", "--type", kind], check=True)
        done.touch()


if __name__ == "__main__":
    make(sys.argv[1], pathlib.Path(sys.argv[2]), os.environ["OPIS"])
