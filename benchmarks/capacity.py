"""Waits by the formulas of `hinode capacity` beside the queue clip by clip, with a virtual clock.

Bar: the mean wait within 20 % of the simulated one, at a squared coefficient of variation of the seconds up
to 1. Waits below a hundredth of a clip are left out, because chance decides the mean of a simulation there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from hinode.money.capacity.queueing import allen_cunneen, waits
from hinode.money.capacity.simulation import simulate

SECONDS = 90.0
MACHINES = (1, 2, 4, 8, 16, 64)
LOADS = (0.6, 0.8, 0.9, 0.95)
VARIATIONS = (0.0, 0.25, 1.0, 4.0)
SMALLEST = 0.01
BAR = 0.2


def measure(clips: int, seed: int) -> Iterator[dict[str, Any]]:
    """A row for each point of the grid; waits in seconds.

    Each point has clips of its own. The same ones would make chance look like an error of the formula.
    """
    for machines in MACHINES:
        for load in LOADS:
            for variation in VARIATIONS:
                arrivals = load * machines / SECONDS
                wait = waits(machines, arrivals, SECONDS, variation)
                if wait.mean < SMALLEST * SECONDS:
                    continue
                seed += 1
                run = simulate([1.0] * machines, arrivals, SECONDS, variation, clips=clips, seed=seed)
                yield {
                    "machines": machines,
                    "load": load,
                    "variation": variation,
                    "formula": wait.mean,
                    "allen_cunneen": float(allen_cunneen(machines, load, SECONDS, variation)),
                    "simulated": run.mean,
                    "error": run.error(),
                    "p95": wait.p95,
                    "simulated_p95": run.quantile(0.95),
                }


def misses(rows: list[dict[str, Any]]) -> list[str]:
    """The points at which the bar was missed, a sentence each."""
    return [
        f"{row['machines']} machines, load {row['load']}, variation {row['variation']}: "
        f"{row['formula']:.1f} s by formula, {row['simulated']:.1f} s simulated"
        for row in rows
        if row["variation"] <= 1.0 and abs(row["formula"] / row["simulated"] - 1.0) > BAR
    ]


def main(words: list[str]) -> None:
    """Measure and print; the exit status is 0 if the bar was met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks capacity", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--clips", type=int, default=400_000, help="clips of each point (default 400000)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    rows = list(measure(options.clips, options.seed))
    missed = misses(rows)
    if options.json:
        print(json.dumps({"rows": rows, "missed": missed}))
        sys.exit(1 if missed else 0)
    print(f"{'machines':>8}{'load':>6}{'variation':>11}{'formula':>10}{'A.-C.':>9}", end="")
    print(f"{'simulated':>11}{'+-':>7}{'/ simulated':>13}{'A.-C. /':>9}{'p95 /':>8}")
    for row in rows:
        print(f"{row['machines']:>8}{row['load']:>6}{row['variation']:>11}{row['formula']:>10.1f}", end="")
        print(f"{row['allen_cunneen']:>9.1f}{row['simulated']:>11.1f}{row['error']:>7.1f}", end="")
        print(f"{row['formula'] / row['simulated']:>13.2f}", end="")
        print(f"{row['allen_cunneen'] / row['simulated']:>9.2f}", end="")
        print(f"{row['p95'] / row['simulated_p95'] if row['simulated_p95'] else 1.0:>8.2f}")
    bounded = [row["formula"] / row["simulated"] for row in rows if row["variation"] <= 1.0]
    plain = [row["allen_cunneen"] / row["simulated"] for row in rows if row["variation"] <= 1.0]
    print(f"variation up to 1: formula / simulated {min(bounded):.2f} to {max(bounded):.2f}; ", end="")
    print(f"Allen and Cunneen alone {min(plain):.2f} to {max(plain):.2f}")
    print("\n".join(missed) or "the bar is met")
    sys.exit(1 if missed else 0)
