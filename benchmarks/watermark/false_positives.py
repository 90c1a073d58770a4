"""How often clips without a mark match an identity: the highest scores of random identities over the whole
search, the fit of their tail, and the upper 95 % bound of the rate."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np

from benchmarks.watermark.contents import CONTENTS, frames
from hinode.request import Size
from hinode.trust.watermark.detect import scores
from hinode.trust.watermark.search import Residual, Spectrum, readings
from hinode.trust.watermark.words import PUBLIC_KEY, min_score, words

IDENTITIES = 100_000
BLOCK = 20_000
FRAMES = 8
"""Frames of an unmarked clip: one group, since more lower the noise of the picture and nothing else."""

SIZE: Size = (640, 360)
EDGES = np.arange(2.0, 8.01, 0.25)


def clip_histogram(index: int, known: np.ndarray) -> tuple[np.ndarray, float, int, float]:
    """Of one clip: identities whose best score exceeds each of `EDGES`, the highest score, matches, and
    the highest pilot."""
    content = "natural" if index % 4 else list(CONTENTS)[1 + index // 4 % 3]
    residual = Residual()
    for frame in frames(content, 1_000_000 + index, SIZE, FRAMES):
        residual.add(frame)
    found = readings(Spectrum(residual.sum()), PUBLIC_KEY)
    best = np.concatenate(
        [
            scores(found, known[start : start + BLOCK].astype(np.float32)).max(0)
            for start in range(0, len(known), BLOCK)
        ]
    )
    over = (best[:, None] >= EDGES).sum(0)
    pilot = max(reading.pilot for reading in found)
    return over, float(best.max()), int((best >= min_score(len(found))).sum()), pilot


def main(count: int, first: int, path: Path | None) -> None:
    """Print the table of `count` clips; the rows of earlier calls with the same `path` are included."""
    random = np.random.default_rng(24)
    ids = [random.bytes(16) for _ in range(IDENTITIES)]
    length = len(
        readings(Spectrum(np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)), PUBLIC_KEY)[
            0
        ].chips
    )
    known = np.concatenate(
        [
            words(ids[start : start + BLOCK], PUBLIC_KEY, length).astype(np.int8)
            for start in range(0, IDENTITIES, BLOCK)
        ]
    )
    results = []
    for index in range(first, first + count):
        over, highest, matches, pilot = clip_histogram(index, known)
        results.append(
            {"index": index, "over": over.tolist(), "highest": highest, "matches": matches, "pilot": pilot}
        )
        if path:
            with path.open("a") as file:
                file.write(json.dumps(results[-1]) + "\n")
    print(summary(results))


def summary(results: list[dict[str, object]]) -> str:
    """What the rows say together."""
    clips = len(results)
    trials = clips * IDENTITIES
    over = np.sum([row["over"] for row in results], axis=0)
    matches = sum(int(str(row["matches"])) for row in results)
    limit = min_score(32)
    # Exact for 0 matches (3.0 / n), and Wilson-Hilferty for more.
    bound = (
        3.0
        if not matches
        else (matches + 1) * (1 - 1 / (9 * (matches + 1)) + 1.645 / 3 / math.sqrt(matches + 1)) ** 3
    ) / trials
    normal = NormalDist()
    lines = [
        f"{clips} unmarked clips, {IDENTITIES:,} identities each, the best of 32 readings",
        f"limit {limit:.2f}: {matches} matches in {trials:.2e} comparisons, upper 95 % bound {bound:.1e}",
        f"highest score {max(float(str(row['highest'])) for row in results):.2f}, "
        f"highest pilot {max(float(str(row['pilot'])) for row in results):.2f}",
        "",
        "| score | share above | normal tail times 32 |",
        "|---|---|---|",
    ]
    for edge, value in zip(EDGES, over, strict=True):
        if edge >= 3.5 and edge % 0.5 == 0 and value:
            lines.append(f"| {edge:.1f} | {value / trials:.2e} | {32 * (1 - normal.cdf(edge)):.2e} |")
    return "\n".join(lines)
