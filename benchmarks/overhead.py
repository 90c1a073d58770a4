"""What the engine `diffusers` adds to plain diffusers on the same work: one ratio, measured in one run.

Both draw the same clips of a toy network, wide enough that a step takes longer than 50 ms, in the same steps
(profile `best`), and write them with the same encoder. They take turns in one process, and the ratio is the
median of the ratios of neighbours; cold clips are drawn by a process each, which take turns likewise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.drawing import PLAIN, PROMPT, Drawer, Geometry, built, in_child

GEOMETRY = Geometry(128, 96, 9, heads=8, head=64, feed_forward=1024, layers=4)
BAR = 1.03
PROCESSOR = "warm, processor"
"""Seconds that the process itself computed: what is told apart from neighbours on a busy machine."""


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead", description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=15, help="warm pairs (default 15)")
    parser.add_argument("--cold", type=int, default=3, help="cold pairs (default 3)")
    parser.add_argument("--steps", type=int, default=16, help="sampling steps (default 16)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args(words)
    found = measure(asked.pairs, asked.cold, asked.steps)
    if asked.json:
        print(json.dumps(found))
        return
    print(
        f"{found['clip']}, {found['steps']} steps of {found['step_seconds'] * 1000:.0f} ms, "
        f"{found['threads']} thread(s); seconds are medians"
    )
    for name, one in found["ratios"].items():
        low, high = one["range"]
        print(
            f"  {name:<18}plain {one['plain']:7.3f} s, ours {one['ours']:7.3f} s, "
            f"ratio {one['ratio']:.4f} ({low:.4f} to {high:.4f} in {one['pairs']} pairs)"
        )
    print(f"overhead ratio {found['ratios']['warm, end to end']['ratio']:.4f} (bar: {BAR:g})")


def measure(pairs: int, cold: int, steps: int, geometry: Geometry = GEOMETRY) -> dict[str, Any]:
    """All figures as plain numbers."""
    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        built(geometry, folder)
        two = [Drawer(how, folder, geometry, steps, threads=threads) for how in (PLAIN, "best")]
        times: dict[str, list[list[float]]] = {"warm, end to end": [], PROCESSOR: [], "warm, sampling": []}
        for pair in range(-1, pairs):
            prompt = f"{PROMPT} {'on ' * (pair + 2)}"
            told = _in_turn(pair, two, lambda one, prompt=prompt: one.draw(prompt, folder / "clip.mp4"))
            if pair >= 0:  # the first one warms up
                times["warm, end to end"].append([one["e2e"] for one in told])
                times[PROCESSOR].append([one["processor"] for one in told])
                times["warm, sampling"].append([one["stages"]["sample"] for one in told])
        if cold:
            times["cold, end to end"] = [
                _in_turn(pair, two, lambda one: in_child(one, 0)["cold"]) for pair in range(cold)
            ]
    return {
        "clip": f"{geometry.width}x{geometry.height}, {geometry.frames} frames",
        "steps": steps,
        "threads": threads,
        "step_seconds": statistics.median(one[0] for one in times["warm, sampling"]) / steps,
        "ratios": {name: _ratio(measured) for name, measured in times.items()},
    }


def _in_turn(pair: int, two: list[Drawer], act: Any) -> list[Any]:
    """What `act` gives for both, in their order; which goes first alternates."""
    told = {which: act(two[which]) for which in ((0, 1) if pair % 2 == 0 else (1, 0))}
    return [told[0], told[1]]


def _ratio(measured: list[list[float]]) -> dict[str, Any]:
    ratios = sorted(ours / plain for plain, ours in measured)
    return {
        "plain": statistics.median(plain for plain, _ in measured),
        "ours": statistics.median(ours for _, ours in measured),
        "ratio": statistics.median(ratios),
        "range": (ratios[0], ratios[-1]),
        "pairs": len(ratios),
    }
