"""How often each measure orders the committed pairs as a careful look did: `python -m benchmarks.fidelity`.

    python -m benchmarks.fidelity --sheets FOLDER    # draws the contact sheets of that look instead

A measure is taken by how far the clip departs from the truth: the logarithm of drawn over true, in the
direction that is bad, or the figure itself where its target is a bound. It orders a pair if the departures
differ by more than `EQUAL`. "all" is the mean of the departures in units of the targets, each at most
`MOST`: as many targets missed by as much.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from benchmarks.fidelity.pairs import Pair, draw, read_pairs, sheet
from hinode.evaluation.book.suite import MEASURES, DrawnClip, measure

EQUAL = 0.02
MOST = 5.0
LEAST = 1e-4
"""Added to both figures of a ratio, so that nothing is divided by nothing."""
FAULTS = 12.0
"""Frames with a fault that are as bad as a target missed by its whole width."""
ROWS = 5


def departure(name: str, drawn: float, true: float) -> float:
    """How far a figure departs from the truth, in units of its target: 1 where it just misses it. nan where
    the measure has no meaning."""
    what = MEASURES[name]
    if math.isnan(drawn + true):
        return math.nan
    if name == "faults":
        return min(MOST, drawn / FAULTS)
    if what.ratio is None:
        return (
            math.nan if what.bound is None or what.whole else min(MOST, max(0.0, drawn - true) / what.bound)
        )
    low, high = what.ratio
    far = math.log((drawn + LEAST) / (true + LEAST))
    if math.isinf(high):
        return min(MOST, max(0.0, far / math.log(low)))
    if low == 0:
        return min(MOST, max(0.0, far / math.log(high)))
    return min(MOST, abs(far) / (math.log(high) if far > 0 else -math.log(low)))


def departures(drawn: Mapping[str, float], true: Mapping[str, float]) -> dict[str, float]:
    """Every measure's departure, and "all"."""
    values = {name: departure(name, drawn[name], true[name]) for name in MEASURES}
    known = [value for value in values.values() if not math.isnan(value)]
    return {**values, "all": sum(known) / len(known)}


def compare(pair: Pair) -> dict[str, float]:
    """For each measure, by how much the worse clip of a pair departs more than the better one."""
    clips = draw(pair.scene, (pair.a, pair.b))
    truth = clips[0].truth
    assert truth is not None
    true, fits = measure(DrawnClip(truth, clips[0].plan, truth))
    first, second = (departures(measure(clip, fits)[0], true) for clip in clips)
    sign = 1.0 if pair.better == "a" else -1.0
    return {name: sign * (second[name] - first[name]) for name in first}


def main() -> None:
    """Print the table, or draw the sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="where to put contact sheets")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    pairs = read_pairs()
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        for first in range(0, len(pairs), ROWS):
            picture = Image.fromarray(sheet(pairs[first : first + ROWS]).numpy())
            picture.save(options.sheets / f"pairs-{first // ROWS}.png")
        return
    results = [compare(pair) for pair in pairs]
    table = {}
    for name in results[0]:
        known = [result[name] for result in results if not math.isnan(result[name])]
        apart = [value > 0 for value in known if abs(value) > EQUAL]
        table[name] = {"agrees": sum(apart), "orders": len(apart), "pairs": len(known)}
    wrong = [pair.scene for pair, result in zip(pairs, results, strict=True) if result["all"] <= 0]
    if options.json:
        print(json.dumps({"measures": table, "all_wrong": wrong}))
        return
    for name, row in table.items():
        if not row["pairs"]:
            continue
        print(f"{name:<40}{row['agrees']:>3} of {row['orders']:>2} pairs that it orders, of {row['pairs']}")
    print(f'scenes that "all" orders the other way: {", ".join(map(str, wrong)) or "none"}')


if __name__ == "__main__":
    main()
