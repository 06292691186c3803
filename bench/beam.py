"""Beam search as Transformers 4.57 does it, in numpy, for peers that only have a step: as little between the steps as can be."""
import numpy as np


def search(step, f):
    """step(tokens, place, sources) -> log-probabilities [beams, vocab], for the tokens at that place, beams reordered by sources. Returns the best row."""
    B, V, end, most, least = f["num_beams"], f["vocab"], f["end"], f["max_length"], f["min_length"]
    running = np.full(B, -1e9, np.float32)
    running[0] = 0
    rows = np.full((B, most), f["start"], np.int64)
    results, beams = [], np.arange(B)
    for length in range(1, most):
        logp = step(rows[:, length - 1], length - 1, beams)
        if length < least:
            logp[:, end] = -np.inf
        total = (logp + running[:, None]).ravel()
        k = 2 * B
        best = np.argpartition(total, -k)[-k:]
        best = best[np.argsort(-total[best], kind="stable")]
        source, token, score = best // V, best % V, total[best]
        last = length + 1 == most
        finished = (token == end) | last
        for rank in range(B):
            if finished[rank]:
                results.append((float(score[rank]) / length, [*rows[source[rank], :length].tolist(), int(token[rank])]))
        results = sorted(results, key=lambda r: -r[0])[:B]
        open_ = np.flatnonzero(~finished)[:B]
        if last or len(open_) < B or (len(results) == B and score[open_[0]] / length <= results[-1][0]):
            break
        beams, running = source[open_], score[open_]
        rows = rows[beams]
        rows[:, length] = token[open_]
    return results[0][1]
