"""What the engine `diffusers` adds to plain diffusers on the same work: one ratio, measured in one run.

Both make the same clips with a tiny network, wide enough that a step takes longer than 50 ms, in the same
steps (profile `best`), and write them with the same encoder. They take turns in one process, and the ratio is
the median of the ratios of neighbours. Cold clips are made by a process each; these take turns likewise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.diffusers_speed import (
    BASELINE,
    PROMPT,
    ClipMaker,
    Geometry,
    measure_in_child,
    prepare_in_child,
)

GEOMETRY = Geometry(128, 96, 9, heads=8, head=64, feed_forward=1024, layers=4)
BAR = 1.03
PROCESSOR = "warm, processor"
"""Seconds of the process on a processor: what other programs on a busy machine change least."""


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead", description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=15, help="warm pairs (default 15)")
    parser.add_argument("--cold", type=int, default=3, help="cold pairs (default 3)")
    parser.add_argument("--steps", type=int, default=16, help="sampling steps (default 16)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    result = measure(options.pairs, options.cold, options.steps)
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{result['clip']}, {result['steps']} steps of {result['step_seconds'] * 1000:.0f} ms, "
        f"{result['threads']} thread(s); seconds are medians"
    )
    for name, ratio in result["ratios"].items():
        low, high = ratio["range"]
        print(
            f"  {name:<18}plain {ratio['plain']:7.3f} s, engine {ratio['engine']:7.3f} s, "
            f"ratio {ratio['ratio']:.4f} ({low:.4f} to {high:.4f} in {ratio['pairs']} pairs)"
        )
    print(f"overhead ratio {result['ratios']['warm, end to end']['ratio']:.4f} (bar: {BAR:g})")


def measure(pairs: int, cold: int, steps: int, geometry: Geometry = GEOMETRY) -> dict[str, Any]:
    """All figures as plain numbers."""
    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare_in_child(geometry, folder)
        makers = [
            ClipMaker(method, folder, geometry, steps, threads=threads) for method in (BASELINE, "best")
        ]
        times: dict[str, list[list[float]]] = {"warm, end to end": [], PROCESSOR: [], "warm, sampling": []}
        for pair in range(-1, pairs):
            prompt = f"{PROMPT} {'on ' * (pair + 2)}"
            clips = _in_turn(
                pair, makers, lambda maker, prompt=prompt: maker.make(prompt, folder / "clip.mp4")
            )
            if pair >= 0:  # the first pair warms up
                times["warm, end to end"].append([clip["e2e"] for clip in clips])
                times[PROCESSOR].append([clip["processor"] for clip in clips])
                times["warm, sampling"].append([clip["stages"]["sample"] for clip in clips])
        if cold:
            times["cold, end to end"] = [
                _in_turn(pair, makers, lambda maker: measure_in_child(maker, 0)["cold"])
                for pair in range(cold)
            ]
    return {
        "clip": f"{geometry.width}x{geometry.height}, {geometry.frames} frames",
        "steps": steps,
        "threads": threads,
        "step_seconds": statistics.median(baseline for baseline, _ in times["warm, sampling"]) / steps,
        "ratios": {name: _ratio(seconds) for name, seconds in times.items()},
    }


def _in_turn(pair: int, makers: list[ClipMaker], act: Callable[..., Any]) -> list[Any]:
    """What `act` returns for both makers, in their order; which goes first alternates."""
    results = {index: act(makers[index]) for index in ((0, 1) if pair % 2 == 0 else (1, 0))}
    return [results[0], results[1]]


def _ratio(seconds: list[list[float]]) -> dict[str, Any]:
    ratios = sorted(engine / baseline for baseline, engine in seconds)
    return {
        "plain": statistics.median(baseline for baseline, _ in seconds),
        "engine": statistics.median(engine for _, engine in seconds),
        "ratio": statistics.median(ratios),
        "range": (ratios[0], ratios[-1]),
        "pairs": len(ratios),
    }
