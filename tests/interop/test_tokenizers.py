# venv: transformers
"""The tokenizers against Transformers' fast ones, both ways, on random Unicode and random rows of ids: from the golden folders as they are, and from their plain vocabularies alone."""
import json
import os
import random
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from transformers import AddedToken, BertTokenizerFast, GPT2TokenizerFast

GOLDEN = Path(__file__).parent.parent / "golden"
N = 20000 if os.environ.get("OPIS_INTEROP") == "full" else 3000
FOLDERS = [("vit-gpt2", GPT2TokenizerFast), ("vit-gpt2-bin", GPT2TokenizerFast), ("dinov2-gpt2", GPT2TokenizerFast), ("blip", BertTokenizerFast), ("blip-bin", BertTokenizerFast), ("git", BertTokenizerFast)]
WORDS = ["a", "man", "Riding", "don't", "we'll", "I'M", "they've", "it's", "3,5", "1990s", "x-ray", "...", "—", "café", "naïve", "İstanbul", "ΣΊΣΥΦΟΣ", "straße", "日本", "한국", "🙂", "👩‍👧", "мир",
         "<|endoftext|>", "[SEP]", "[MASK]", " [UNK] ", "##s", "\t", "\n", "  ", " ", "\u3000", "\u200b", "\u00ad", "'", "\"", "ﬁ", "½", "²", "Ⅷ", "e\u0301", "a" * 120, "do not", "n't", " .", " ,"]


def random_text(r):
    if r.random() < 0.5:
        return "".join(r.choice(WORDS) + r.choice(["", " ", " ", "  "]) for _ in range(r.randrange(12)))
    ranges = [(32, 127), (32, 127), (0, 0x300), (0x300, 0x600), (0x900, 0x1200), (0x2000, 0x2100), (0x3000, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xF900, 0xFB10), (0x1F600, 0x1F650), (0x20000, 0x20020)]
    out = []
    for _ in range(r.randrange(20)):
        lo, hi = r.choice(ranges)
        c = r.randrange(lo, hi)
        # The word-piece side of `tokenizers` has tables of an old Unicode: letters younger than those are classed by their age there.
        young = unicodedata.ucd_3_2_0.category(chr(c)) == "Cn" and c < 0x10000
        out.append(" " if c == 0 or young else chr(c))
    return "".join(out)


def compare(folder, theirs, questions, more=""):
    """questions: texts to encode, and {"ids", "skip"} to decode."""
    tool = Path(os.environ["OPIS"]).parent / "tests" / "tools" / "tokenizer_tool"
    run = subprocess.run([tool, folder], input="".join(json.dumps(q) + "\n" for q in questions), capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.split("\n")[:-1]]
    assert len(answers) == len(questions)
    wrong = []
    for q, a in zip(questions, answers):
        want = {"ids": theirs.encode(q, add_special_tokens=False)} if isinstance(q, str) else {"text": theirs.decode(q["ids"], skip_special_tokens=q["skip"]).replace("\0", "")}
        if a != want:
            wrong.append((q, a, want))
    assert not wrong, f"{len(wrong)} of {len(questions)} differ: " + "\n".join(json.dumps(w, ensure_ascii=False) for w in wrong[:8]) + f"\n{more}"


@pytest.mark.parametrize("plain", [False, True], ids=["folder", "vocabulary-alone"])
@pytest.mark.parametrize("name,kind", FOLDERS, ids=[f for f, _ in FOLDERS])
def test_same_as_transformers(name, kind, plain, tmp_path):
    names = ["vocab.json", "merges.txt", "vocab.txt"] + ([] if plain else ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])
    for n in names:
        if (GOLDEN / name / n).exists():
            shutil.copy(GOLDEN / name / n, tmp_path / n)
    theirs = kind.from_pretrained(tmp_path)
    r = random.Random(f"{name}{plain}")
    texts = [random_text(r) for _ in range(N)]
    size = len(theirs)
    rows = [[r.randrange(size + (3 if r.random() < 0.05 else 0)) for _ in range(r.randrange(14))] for _ in range(N)]
    rows += [theirs.encode(t, add_special_tokens=False) for t in texts[: N // 2]]
    questions = [t for t in texts] + [{"ids": row, "skip": i % 2 == 0} for i, row in enumerate(rows)]
    compare(tmp_path, theirs, questions)


@pytest.mark.parametrize("files", ["tokenizer.json", "added_tokens_decoder", "added_tokens.json"])
@pytest.mark.parametrize("seed", range(20 if os.environ.get("OPIS_INTEROP") == "full" else 4))
@pytest.mark.parametrize("name,kind", [("vit-gpt2", GPT2TokenizerFast), ("blip", BertTokenizerFast)], ids=["gpt2", "bert"])
def test_added_tokens(name, kind, seed, files, tmp_path):
    """lstrip, rstrip, single_word, normalized and special in every mixture, from each of the files that hold them."""
    r = random.Random(f"{name}{seed}")
    made = kind.from_pretrained(GOLDEN / name)
    contents = ["<pic>", "<Cap>", "[MAN]", "riding", "wave rider", "é!", "日本", "##x"]
    for content in r.sample(contents, 5):
        flags = {f: r.random() < 0.4 for f in ("lstrip", "rstrip", "single_word", "special")}
        made.add_tokens([AddedToken(content, normalized=r.random() < 0.5, **flags)], special_tokens=flags["special"])
    made.save_pretrained(tmp_path)
    if files != "tokenizer.json":
        (tmp_path / "tokenizer.json").unlink()
        for n in ("vocab.json", "merges.txt", "vocab.txt"):
            if (GOLDEN / name / n).exists():
                shutil.copy(GOLDEN / name / n, tmp_path / n)
    if files == "added_tokens.json":
        path = tmp_path / "tokenizer_config.json"
        config = json.loads(path.read_text())
        added = config.pop("added_tokens_decoder")
        path.write_text(json.dumps(config))
        before = len((GOLDEN / name / "vocab.txt").read_text().splitlines()) if name == "blip" else len(json.loads((GOLDEN / name / "vocab.json").read_text()))
        (tmp_path / "added_tokens.json").write_text(json.dumps({t["content"]: int(i) for i, t in added.items() if int(i) >= before}))
    theirs = kind.from_pretrained(tmp_path)
    words = contents + ["a", "man", "x", " ", "  ", "\t", ".", "RIDING", "driving", "_riding", "É!", "日", "<cap>"]
    texts = ["".join(r.choice(words) + r.choice(["", " "]) for _ in range(r.randrange(1, 10))) for _ in range(N // 4)]
    rows = [theirs.encode(t, add_special_tokens=False) for t in texts]
    questions = texts + [{"ids": row, "skip": i % 2 == 0} for i, row in enumerate(rows)]
    compare(tmp_path, theirs, questions, {str(i): str(t) for i, t in theirs.added_tokens_decoder.items()})


def settings_of(r, name):
    """What tokenizer_config.json may say, each now and then."""
    bert = {"do_lower_case": [True, False], "strip_accents": [None, True, False], "tokenize_chinese_chars": [True, False], "unk_token": ["[UNK]", "a", "[NEW]"], "sep_token": ["[SEP]", "##s", "<end>"]}
    gpt2 = {"add_prefix_space": [True, False], "unk_token": ["<|endoftext|>", "<new>"], "pad_token": [None, "<pad>", "a"], "bos_token": ["<|endoftext|>", "<s>"], "errors": ["replace"]}
    both = {"clean_up_tokenization_spaces": [True, False], "additional_special_tokens": [["<one>", "two words", "ü"]], "model_max_length": [12]}
    return {k: r.choice(v) for k, v in ((gpt2 if name.startswith(("vit", "dino")) else bert) | both).items() if r.random() < 0.4}


@pytest.mark.parametrize("files", ["vocabulary", "tokenizer.json", "both"])
@pytest.mark.parametrize("seed", range(20 if os.environ.get("OPIS_INTEROP") == "full" else 5))
@pytest.mark.parametrize("name,kind", [("vit-gpt2-bin", GPT2TokenizerFast), ("blip", BertTokenizerFast)], ids=["gpt2", "bert"])
def test_settings(name, kind, seed, files, tmp_path):
    """Every setting of tokenizer_config.json: beside a plain vocabulary, beside the tokenizer.json that was saved with it, and beside one that was saved with other settings."""
    r = random.Random(f"settings {name}{seed}{files}")
    made = kind.from_pretrained(GOLDEN / name, **settings_of(r, name))
    made.save_pretrained(tmp_path)
    if files == "vocabulary":
        (tmp_path / "tokenizer.json").unlink()
        for n in ("vocab.json", "merges.txt", "vocab.txt"):
            if (GOLDEN / name / n).exists():
                shutil.copy(GOLDEN / name / n, tmp_path / n)
    if files != "tokenizer.json":
        path = tmp_path / "tokenizer_config.json"
        config = json.loads(path.read_text())
        if r.random() < 0.5:
            config.pop("added_tokens_decoder")
        path.write_text(json.dumps({k: v for k, v in (config | settings_of(r, name)).items() if r.random() < 0.9}))
        if r.random() < 0.3 and (tmp_path / "special_tokens_map.json").exists():
            (tmp_path / "special_tokens_map.json").unlink()
    theirs = kind.from_pretrained(tmp_path)
    texts = [random_text(r) + r.choice(["", "", "<one>", " two words ", "ü", "[NEW]", "<pad>", "<s>x"]) for _ in range(N // 5)]
    rows = [theirs.encode(t, add_special_tokens=False) for t in texts]
    compare(tmp_path, theirs, texts + [{"ids": row, "skip": i % 2 == 0} for i, row in enumerate(rows)], (tmp_path / "tokenizer_config.json").read_text())
