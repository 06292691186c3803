"""The decoder of tests/tools/fake_decoder.h for Transformers: logits that are a hash of the row of tokens, bit for bit the same."""
import random

import numpy as np
import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


def mix(h):
    h = np.uint32(h) if not isinstance(h, np.ndarray) else h
    with np.errstate(over="ignore"):
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


class FakeConfig(PretrainedConfig):
    model_type = "fake-decoder"


class FakeDecoder(PreTrainedModel, GenerationMixin):
    config_class = FakeConfig
    main_input_name = "input_ids"

    def __init__(self, case):
        super().__init__(FakeConfig(vocab_size=case["vocab"], is_encoder_decoder=False, num_hidden_layers=1))
        self.case = case
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **_):
        rows = []
        tokens = (np.arange(self.case["vocab"], dtype=np.uint64) * 0x9E3779B1).astype(np.uint32)
        for row in input_ids.tolist():
            h = self.case["seed"]
            for t in row:
                h = int(mix((h * 31 + t + 1) & 0xFFFFFFFF))
            u = (mix(np.uint32(h) ^ tokens) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
            logits = u * u * np.float32(self.case["scale"]) - np.float32(3)
            for e in self.case["eos"]:
                logits[e] += np.float32(self.case["end_bias"])
            rows.append(logits)
        return CausalLMOutput(logits=torch.from_numpy(np.stack(rows))[:, None, :])


OPTIONS = ["num_beams", "max_length", "min_length", "length_penalty", "early_stopping", "no_repeat_ngram_size", "repetition_penalty", "num_return_sequences"]
RULES = ["sequence_bias", "bad_words_ids", "forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens", "exponential_decay_length_penalty", "renormalize_logits"]


def reference(case):
    """What Transformers answers: rows cut behind their first end token, scores, beam indices. A row's score of greedy search is the mean log-softmax of the processed logits."""
    model = FakeDecoder(case)
    options = {k: case[k] for k in OPTIONS} | {k: case[k] for k in RULES if k in case}
    if case["num_beams"] == 1:
        options.pop("length_penalty"), options.pop("early_stopping")
    config = GenerationConfig(do_sample=False, use_cache=False, eos_token_id=case["eos"] or None, pad_token_id=case["eos"][0] if case["eos"] else 0, output_scores=True, return_dict_in_generate=True, **options)
    with torch.no_grad():
        out = model.generate(torch.tensor([case["prompt"]]), generation_config=config)
    sequences, scores, paths = [], [], []
    start = len(case["prompt"])
    for i, row in enumerate(out.sequences.tolist()):
        n = next((k + 1 for k in range(start, len(row)) if row[k] in case["eos"]), len(row))
        sequences.append(row[:n])
        if case["num_beams"] == 1:
            chosen = [torch.log_softmax(s[0], -1)[t].item() for s, t in zip(out.scores, row[start:n])]
            scores.append(sum(chosen) / len(chosen))
            paths.append([0] * (n - start))
        else:
            scores.append(out.sequences_scores[i].item())
            paths.append(out.beam_indices[i].tolist()[: n - start])
    return {"sequences": sequences, "scores": scores, "beam_indices": paths}


def random_case(r: random.Random, rules=False):
    beams = r.choice([1, 1, 2, 3, 4, 4, 5, 8])
    vocab = r.choice([23, 40, 97, 300, 1021, 4096])
    prompt = [r.randrange(vocab) for _ in range(r.choice([1, 1, 1, 2, 4, 7]))]
    eos = r.sample(range(vocab), r.choice([0, 1, 1, 1, 1, 1, 2, 3]))
    if eos and r.random() < 0.5:
        prompt[0] = eos[0]
    scale = r.choice([4.0, 8.0, 16.0])
    case = {
        "seed": r.randrange(2**32), "vocab": vocab, "scale": scale, "end_bias": r.choice([0.0, 2.0, scale / 2, scale * 0.7]), "prompt": prompt, "eos": eos, "num_beams": beams,
        "max_length": len(prompt) + r.choice([1, 2, 3, 5, 8, 15, 15, 20, 40]), "min_length": r.choice([0, 0, 0, 5, 10, 60]),
        "length_penalty": r.choice([1.0, 1.0, 1.0, 0.0, 0.6, 2.0, -1.0, 5.5]), "early_stopping": r.choice([False, False, True, "never"]),
        "no_repeat_ngram_size": r.choice([0, 0, 0, 1 if vocab > 90 else 2, 2, 3]), "repetition_penalty": r.choice([1.0, 1.0, 1.0, 1.2, 1.7, 0.8]), "num_return_sequences": r.randint(1, beams),
    }
    return case | (random_rules(r, case) if rules else {})


def random_rules(r, case):
    """The rarer settings, each now and then."""
    def some(n):
        return r.sample(range(1, case["vocab"]), n)

    rules = {
        "sequence_bias": [[some(r.choice([1, 1, 2, 3])), r.choice([-4.0, 2.5, 6.0])] for _ in range(r.randint(1, 9))],
        "bad_words_ids": [some(r.choice([1, 1, 2])) for _ in range(r.randint(1, 9))] + [[e] for e in case["eos"]],
        "forced_bos_token_id": some(1)[0],
        "forced_eos_token_id": r.choice(case["eos"]) if case["eos"] else some(1)[0],
        "suppress_tokens": some(5) + [case["vocab"] + 7],
        "begin_suppress_tokens": some(5) + case["eos"],
        "renormalize_logits": True,
    }
    if case["eos"]:
        rules["exponential_decay_length_penalty"] = [r.randint(0, 6), r.choice([1.1, 1.6, 0.7])]
    return {k: v for k, v in rules.items() if r.random() < 0.35}
