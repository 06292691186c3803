# venv: transformers
"""generate() against Transformers' own, on decoders whose logits are a hash of the row: rows equal, scores within 1e-5, over random combinations of all options.

`python test_generate.py N SEED [rare]` prints N cases with their answers: tests/golden/generate/cases.jsonl is made with 150 and 20, followed by 60 and 21 with the rare settings."""
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_decoder import random_case, reference  # noqa: E402


def ask(cases):
    tool = Path(os.environ["OPIS"]).parent / "tests" / "tools" / "generate_tool"
    lines = "".join(json.dumps(c) + "\n" for c in cases)
    return [json.loads(line) for line in subprocess.run([tool], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()]


@pytest.mark.parametrize("rules", [False, True], ids=["usual", "rare"])
def test_random_options(rules):
    r = random.Random(int(os.environ.get("OPIS_SEED", "1")))
    cases = [random_case(r, rules) for _ in range(400 if os.environ.get("OPIS_INTEROP") != "full" else 4000)]
    wrong = []
    for case, ours in zip(cases, ask(cases)):
        theirs = reference(case)
        if rules and not all(score > -1e8 for score in theirs["scores"]):  # everything forbidden, or not a number: there is no answer
            assert len(ours.get("sequences", [])) < len(theirs["sequences"]) or any(math.isnan(score) for score in theirs["scores"])
            continue
        same = "error" not in ours and ours["sequences"] == theirs["sequences"] and ours["beam_indices"] == theirs["beam_indices"]
        if not same or not all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-5) for a, b in zip(ours["scores"], theirs["scores"], strict=True)):
            wrong.append((case, ours, theirs))
    assert not wrong, f"{len(wrong)} of {len(cases)} differ, the first: {json.dumps(wrong[0])}"


if __name__ == "__main__":
    r = random.Random(int(sys.argv[2]))
    wanted = int(sys.argv[1])
    while wanted:
        c = random_case(r, "rare" in sys.argv)
        answer = reference(c)
        if all(score > -1e8 for score in answer["scores"]):
            print(json.dumps({"case": c, "answer": answer}))
            wanted -= 1
