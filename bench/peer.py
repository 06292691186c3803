"""One peer in a process of its own: a path a line on standard input, one JSON object a line on standard output, as `opis describe --files-from - --format jsonl` answers.

python bench/peer.py KIND FOLDER THREADS        KIND: opis-int8, opis-f32, habit, torch-f32, torch-bf16, ort-f32, ort-int8, ov-f32, ov-bf16, ov-int8
"""
import json
import os
import pathlib
import sys
import time
import warnings

kind, folder, threads = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(threads)
os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
warnings.filterwarnings("ignore")
if not kind.startswith("opis"):
    import numpy as np
    from PIL import Image

now = time.perf_counter


class Clock:
    def __init__(self):
        self.ms, self.last = {}, now()

    def lap(self, name):
        self.ms[name], self.last = (now() - self.last) * 1e3, now()


class Torch:
    """What Transformers' users run, kept warm; the encoder's time is taken by hooks."""

    def __init__(self):
        import torch
        import transformers
        torch.set_num_threads(threads)
        self.torch, self.t = torch, transformers
        self.dtype = torch.bfloat16 if kind == "torch-bf16" else torch.float32
        if kind != "habit":
            self.load()

    def load(self):
        self.blip = json.loads((folder / "config.json").read_text())["model_type"] == "blip"
        self.facts = json.loads((folder / "facts.json").read_text())
        family = self.t.BlipForConditionalGeneration if self.blip else self.t.VisionEncoderDecoderModel
        self.model = family.from_pretrained(folder, dtype=self.dtype).eval()
        self.processor = (self.t.BlipImageProcessor if self.blip else self.t.ViTImageProcessor).from_pretrained(folder)
        self.tokenizer = self.t.AutoTokenizer.from_pretrained(folder)
        vision = self.model.vision_model if self.blip else self.model.encoder
        vision.register_forward_pre_hook(lambda *_: setattr(self, "began", now()))
        vision.register_forward_hook(lambda *_: setattr(self, "ended", now()))

    def __call__(self, path, clock):
        if kind == "habit":
            self.load()
        image = Image.open(path).convert("RGB")
        clock.lap("decode")
        with self.torch.inference_mode():
            pixels = self.processor(images=image, return_tensors="pt").pixel_values.to(self.dtype)
            search = {k: self.facts[k] for k in ("num_beams", "max_length", "min_length")}
            row = self.model.generate(pixel_values=pixels, **search)[0]
        self.tokenizer.decode(row, skip_special_tokens=True)
        clock.lap("generate")
        clock.ms["encode"] = (self.ended - self.began) * 1e3
        clock.ms["generate"] -= clock.ms["encode"]
        return row.tolist()


class Graphs:
    """Encoder, cross-attention's keys and values once a picture, decoder with a cache; our own beam search around them."""

    def __init__(self):
        import transformers
        self.f = json.loads((folder / "facts.json").read_text())
        blip = json.loads((folder / "config.json").read_text())["model_type"] == "blip"
        self.processor = (transformers.BlipImageProcessor if blip else transformers.ViTImageProcessor).from_pretrained(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        f = self.f
        self.empty = [np.zeros((f["num_beams"], f["heads"], f["max_length"], f["head_size"]), np.float32) for _ in range(2 * f["layers"])]

    def __call__(self, path, clock):
        image = Image.open(path).convert("RGB")
        clock.lap("decode")
        pixels = self.processor(images=image, return_tensors="np").pixel_values.astype(np.float32)
        states = self.encode(pixels)
        clock.lap("encode")
        from beam import search
        self.begin(states)
        row = search(self.step, self.f)
        self.tokenizer.decode(row, skip_special_tokens=True)
        clock.lap("generate")
        return row


class Opis:
    """libopis through its Python module."""

    def __init__(self):
        import opis
        gguf = folder / f"{folder.name}-{'q8_0' if kind == 'opis-int8' else 'f32'}.gguf"
        self.model = opis.Model(gguf if gguf.exists() else None, threads=threads, precision="q8" if kind == "opis-int8" else "f32")
        facts = folder / "facts.json"
        self.search = {"beams": (f := json.loads(facts.read_text()))["num_beams"], "max_length": f["max_length"], "min_length": f["min_length"]} if facts.exists() else {}

    def __call__(self, path, clock):
        answer = self.model.describe(path, **self.search)
        return list(answer.tokens)


class OnnxRuntime(Graphs):
    def __init__(self):
        super().__init__()
        import onnxruntime as ort
        o = ort.SessionOptions()
        o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
        o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        int8 = kind == "ort-int8"
        names = {p: f"ort-{p}-int8.onnx" if int8 else "ort-encoder.onnx" if p == "encoder" else f"{p}.onnx" for p in ("encoder", "cross", "decoder")}
        self.part = {p: ort.InferenceSession(folder / name, o, providers=["CPUExecutionProvider"]) for p, name in names.items()}
        self.value = ort.OrtValue.ortvalue_from_numpy
        self.outputs = {p: [x.name for x in s.get_outputs()] for p, s in self.part.items()}
        self.empty = [self.value(e) for e in self.empty]

    def encode(self, pixels):
        return self.part["encoder"].run(None, {"pixel_values": pixels})[0]

    def begin(self, states):
        cross = self.part["cross"].run_with_ort_values(self.outputs["cross"], {"states": self.value(states)})
        self.given = {f"cross{i}": v for i, v in enumerate(cross)}
        self.cache = self.empty

    def step(self, tokens, place, beams):
        self.given.update({f"cache{i}": v for i, v in enumerate(self.cache)})
        self.given.update(token=self.value(np.ascontiguousarray(tokens)), place=self.value(np.array([place])), beam=self.value(np.ascontiguousarray(beams)))
        logp, *self.cache = self.part["decoder"].run_with_ort_values(self.outputs["decoder"], self.given)
        return logp.numpy()


class OpenVino(Graphs):
    def __init__(self):
        super().__init__()
        import openvino as ov
        core, end = ov.Core(), "-int8" if kind == "ov-int8" else ""
        how = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        how["INFERENCE_PRECISION_HINT"] = "bf16" if kind == "ov-bf16" else "f32"
        if kind == "ov-int8":
            how["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 32
        model = {p: core.compile_model(folder / f"ov-{p}{end}.xml", "CPU", how) for p in ("encoder", "cross", "decoder")}
        self.request = {p: m.create_infer_request() for p, m in model.items()}
        self.decoders = [model["decoder"].create_infer_request() for _ in range(2)]  # one's answers are the other's cache

    def encode(self, pixels):
        return self.request["encoder"].infer([pixels], share_inputs=True, share_outputs=True)[0]

    def begin(self, states):
        answer = self.request["cross"].infer([states], share_inputs=True, share_outputs=True)
        self.cross, self.cache = [answer[i] for i in range(2 * self.f["layers"])], self.empty

    def step(self, tokens, place, beams):
        answer = self.decoders[place % 2].infer([np.ascontiguousarray(tokens), np.array([place]), np.ascontiguousarray(beams), *self.cache, *self.cross], share_inputs=True, share_outputs=True)
        self.cache = [answer[1 + i] for i in range(2 * self.f["layers"])]
        return answer[0]


def memory(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":")) / 1024


def main():
    began = now()
    peer = (Opis if kind.startswith("opis") else OnnxRuntime if kind.startswith("ort") else OpenVino if kind.startswith("ov") else Torch)()
    print(json.dumps({"ready": (now() - began) * 1e3}), flush=True)
    for line in sys.stdin:
        clock = Clock()
        tokens = peer(line.rstrip("\n"), clock)
        print(json.dumps({"tokens": tokens, "ms": clock.ms, "peak_mb": memory("VmHWM")}), flush=True)


main()
