# venv: eval
"""opis eval against pycocoevalcap: the tokenizer (its Java program) on captions of every shape, the metrics on the same words, and everything end to end."""
import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

OPIS = os.environ["OPIS"]
TOOL = Path(OPIS).parent / "tests" / "tools" / "ptb_tool"
FULL = os.environ.get("OPIS_INTEROP") == "full"
N = 200000 if FULL else 20000
DATA = Path(os.environ.get("OPIS_DATA", Path(__file__).parents[3] / "shared" / "data"))  # folders with captions.token.txt; there need not be any
METRICS = ["BLEU_1", "BLEU_2", "BLEU_3", "BLEU_4", "ROUGE_L", "CIDEr"]

WORDS = """a man in the on wearing red shirt two dogs run don't it's he's they've we'll I'm can't cannot won't gonna gotta wanna lemme gimme 'tis 'twas 'em 'n' rock'n'roll o'clock y'all y'know U.S. U.S U.K.
U.S.A. a.m. p.m. A.M. e.g. i.e. etc. etc Mr. Mrs. Dr. St. Jr. Sr. Inc. Co. Corp. Ltd. vs. vs v. No. no. nos. fig. Fig. Ph.D. Jan. Feb. Mon. Tues. Sat. t-shirt T-shirt mid-air x-ray well-known co-ed pro- anti-
1980's 1980s '80s '99 3,000 3.5 1/2 3-1/2 1/2/2010 10-10-10 $5 $5.00 US$5 #1 #tag @user a@b.com www.foo.com http://x.y/z foo.com foo.jpg doc.PDF ... .. .... . -- --- - ---- ----- " '' ` `` ' ( ) [ ] { } < >
<< >> & &amp; &quot; &apos; &lt; &gt; &nbsp; % * ** + = / \\ | ~ ^ _ __ @ ! ? !! ?! , ; : :) :-) ;) ^_^ =) C++ c# AT&T R&B S&P-500 cap'n c'est d'or l'eau O'Brien McDonald's boys' Boss' dogs. man. "hello"
'hello' (hi) she'd 5'10" 5ft 10lb 7-up A. B. I. Z. X.Y. The A He This 'The 555-1234 (555)555-1234 555.555.1234 +1 -5 9:30 9:30am 5th 20% a/b and/or his/her n't Isn't ISN'T ca. Pty. pty. co. ltd
hyphen-ated-word bird's-eye ol' somethin' li'l ev'ry s'mores nor'easter e'er c'mon cont'd -LRB- -RRB- ad-lib. art. op. prop. pp. $ # 1. 12. 3). a) b. <b> </b> <br/> a.k.a.""".split()
MARKS = ["é", "É", "ñ", "“", "”", "‘", "’", "—", "–", "…", "½", "£", "€", "\u00a0", "\u00ad", "日", "本", "ß", "　", "°", "²", "×", "•", "😀", "«", "»", "´", "¿", "ü", " ", " ", "a", "s", "t", "n", "1", "2", ".", ",", " the "]


def like_a_caption(r):
    return "".join(r.choice(WORDS) + r.choice([" ", " ", " ", " ", "", ". ", ", ", "  ", "'", '"', "-", "."]) for _ in range(r.randrange(1, 12)))


def ascii_text(r):
    return "".join(chr(r.randrange(32, 127)) for _ in range(r.randrange(40)))


def dense(r):
    return "".join(r.choice("abAI .'\"-1n&t,:;/$#@()s") for _ in range(r.randrange(30)))


def beyond_ascii(r):
    return "".join(r.choice(MARKS) for _ in range(r.randrange(25)))


def captions_of_data():
    for file in sorted(DATA.glob("*/captions.token.txt")):
        yield from (line.rstrip("\n").split("\t", 1)[1] for line in file.open() if "\t" in line)


def tokens_of_peer(captions):
    done = PTBTokenizer().tokenize({i: [{"caption": c}] for i, c in enumerate(captions)})
    return [done[i][0] for i in range(len(captions))]


def same_tokens(captions):
    # A tag with an open quotation mark may swallow the next caption there; ours ends with its caption (docs/eval.md).
    captions = [re.sub(r"=(\s*['\"])", r"-\1", c).strip() or "x" for c in captions]
    ours = subprocess.run([TOOL], input="".join(c + "\n" for c in captions).encode(), stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]
    theirs = tokens_of_peer(captions)
    assert len(ours) == len(theirs) == len(captions)
    wrong = [(c, o, t) for c, o, t in zip(captions, ours, theirs) if o != t]
    assert not wrong, f"{len(wrong)} of {len(captions)} differ:\n" + "\n".join(f"{c!r}\n  ours   {o!r}\n  theirs {t!r}" for c, o, t in sorted(wrong, key=lambda w: len(w[0]))[:10])


@pytest.mark.parametrize("kind", [like_a_caption, ascii_text, dense, beyond_ascii])
def test_tokenizer_on_random_captions(kind):
    r = random.Random(kind.__name__)
    same_tokens([kind(r) for _ in range(N)])


def test_tokenizer_on_captions_of_people():
    written = ["A child in a pink dress is climbing up a set of stairs in an entry way .", "Two dogs of different breeds looking at each other on the road .", 'A man holds a sign that says " Will work for food . "']
    same_tokens(written + list(captions_of_data()))


def write(folder, references, predictions):
    with open(folder / "references.token.txt", "w") as f:
        for k, captions in references.items():
            f.writelines(f"{k}#{i}\t{c}\n" for i, c in enumerate(captions))
    (folder / "predictions.jsonl").write_text("".join(json.dumps({"path": k, "description": v}) + "\n" for k, v in predictions.items()))


def ours(folder):
    done = subprocess.run([OPIS, "eval", "--references", folder / "references.token.txt", "--predictions", folder / "predictions.jsonl", "--format", "json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def theirs(references, predictions, tokenize):
    if tokenize:
        t = PTBTokenizer()
        gts, res = t.tokenize({k: [{"caption": c} for c in v] for k, v in references.items()}), t.tokenize({k: [{"caption": v}] for k, v in predictions.items()})
    else:
        gts, res = references, {k: [v] for k, v in predictions.items()}
    bleu, each = Bleu(4).compute_score(gts, res, verbose=0)
    rouge, rouges = Rouge().compute_score(gts, res)
    cider, ciders = Cider().compute_score(gts, res)
    return dict(zip(METRICS, [*bleu, rouge, cider])), {k: dict(zip(METRICS, [*(each[n][i] for n in range(4)), rouges[i], ciders[i]])) for i, k in enumerate(references)}


def compare(folder, references, predictions, tokenize, tolerance):
    write(folder, references, predictions)
    mine, (total, each) = ours(folder), theirs(references, predictions, tokenize)
    for m in METRICS:
        assert mine[m] == pytest.approx(total[m], abs=tolerance), m
    for k in references:
        for m in METRICS:
            assert mine["per_picture"][k][m] == pytest.approx(each[k][m], abs=tolerance), (k, m)


@pytest.mark.parametrize("pictures, vocabulary, seed", [(1, 5, 1), (2, 4, 2), (40, 12, 3), (300, 60, 4), (800, 400, 5)])
def test_metrics_on_the_same_words(tmp_path, pictures, vocabulary, seed):
    """Words that a tokenizer leaves as they are."""
    r = random.Random(seed)
    words = ["".join(r.choice("bcdfgklmprt") + r.choice("aeiou") for _ in range(r.randrange(2, 4))) + "x" for _ in range(vocabulary)]
    weights = [1 / (i + 1) for i in range(vocabulary)]
    sentence = lambda low: " ".join(r.choices(words, weights, k=r.randrange(low, 14)))
    references = {f"{i}.jpg": [sentence(1) for _ in range(r.randrange(1, 7))] for i in range(pictures)}
    predictions = {k: (r.choice(v) if r.random() < 0.2 else sentence(0) or words[0]) for k, v in references.items()}
    predictions[next(iter(predictions))] = ""
    compare(tmp_path, references, predictions, False, 1e-6)


@pytest.mark.parametrize("kind", [like_a_caption, beyond_ascii])
def test_end_to_end_on_random_captions(tmp_path, kind):
    r = random.Random(7)
    one = lambda: re.sub(r"=(\s*['\"])", r"-\1", kind(r)).strip() or "x"
    references = {f"{i}.jpg": [one() for _ in range(5)] for i in range(500)}
    predictions = {k: (r.choice(v) if r.random() < 0.3 else one()) for k, v in references.items()}
    compare(tmp_path, references, predictions, True, 1e-4)


def test_end_to_end_on_captions_of_people(tmp_path):
    captions = list(captions_of_data())[:25000 if FULL else 5000] or ["a man rides a wave on his surfboard .", "a brown dog runs in the grass", "two girls sit on a bench .", "the boy 's red ball is in the air", "people walk ."] * 40
    references = {f"{i // 5}.jpg": captions[i : i + 5] for i in range(0, len(captions) - 5, 5)}
    r = random.Random(9)
    predictions = {k: r.choice(v) if r.random() < 0.3 else r.choice(captions) for k, v in references.items()}
    compare(tmp_path, references, predictions, True, 1e-4)
