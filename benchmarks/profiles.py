"""Clips by plain diffusers and by the engine under each profile, end to end, cold and warm.

On this processor, with a toy network of random weights: that says what a profile does to the time, not how
its pictures look. `python -m benchmarks gpu` does the same on a GPU with a network of real size. What end to
end, cold, warm and the stages mean is said in `benchmarks/drawing.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.drawing import PLAIN, Drawer, Geometry, built, in_child
from benchmarks.overhead import GEOMETRY

STAGES = ("load", "text", "sample", "decode", "encode")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what it is called with `--only`.
        words: what it is.
        how: "plain" or a profile.
        few: whether with a LoRA that counts as distilled to four steps.
        reuse: whether blocks may be reused between steps.
        steps: sampling steps; 0 for those of the profile.
    """

    name: str
    words: str
    how: str
    few: bool = False
    reuse: bool = True
    steps: int = 0


def rows(steps: int) -> tuple[Row, ...]:
    """Every line.

    Args:
        steps: of those without a LoRA that distils; 0 for as many as each profile takes of itself.
    """
    return (
        Row("plain", "plain diffusers", PLAIN, steps=steps),
        Row("best", "best", "best", steps=steps),
        Row("full", "standard, every pass in full", "standard", reuse=False, steps=steps),
        Row("standard", "standard", "standard", steps=steps),
        Row("draft", "draft", "draft", steps=steps),
        Row("few", "standard, 4-step LoRA", "standard", few=True),
        Row("few-draft", "draft, 4-step LoRA", "draft", few=True),
    )


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks profiles", description=__doc__.split("\n")[0])
    arguments(parser, steps=0)
    asked = parser.parse_args(words)
    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    found = table(GEOMETRY, asked, device="cpu", threads=threads)
    tell(found, asked, f"processor, {threads} thread(s)")


def arguments(parser: argparse.ArgumentParser, *, steps: int) -> None:
    """What the benchmarks of this kind can be told."""
    names = [row.name for row in rows(1)]
    parser.add_argument("--only", action="append", choices=names, help="one line; may be repeated")
    parser.add_argument(
        "--steps",
        type=int,
        default=steps,
        help=f"without a LoRA that distils (default {steps or 'those of each profile'})",
    )
    parser.add_argument("--warm", type=int, default=3, help="warm clips to take the median of (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def table(geometry: Geometry, asked: argparse.Namespace, *, device: str, threads: int) -> dict[str, Any]:
    """All figures as plain numbers: seconds, bytes, operations."""
    lines: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        built(geometry, folder)
        for row in rows(asked.steps):
            if asked.only and row.name not in asked.only:
                continue
            model = "few" if row.few else "whole"
            drawer = Drawer(row.how, folder, geometry, row.steps, model, row.reuse, device, threads)
            lines[row.name] = {"words": row.words, **_line(geometry, in_child(drawer, asked.warm))}
    for line in lines.values():
        for kind in ("cold", "warm"):
            line[f"{kind}_ratio"] = lines["plain"][kind] / line[kind] if "plain" in lines else None
    clip = f"{geometry.width}x{geometry.height}, {geometry.frames} frames"
    return {"clip": clip, "steps": asked.steps, "lines": lines}


def _line(geometry: Geometry, told: dict[str, Any]) -> dict[str, Any]:
    clips = told["warm"] or [told["first"]]
    last = clips[-1]
    computed = last["passes"] - last["reused"]
    # A pass that is not computed in full has its first block computed all the same.
    operations = computed * geometry.operations(*last["drawn"])
    operations += last["reused"] * geometry.operations(*last["drawn"], layers=1)
    stages = {stage: statistics.median(clip["stages"].get(stage, 0.0) for clip in clips) for stage in STAGES}
    return {
        "cold": told["cold"],
        "warm": statistics.median(clip["e2e"] for clip in clips),
        "processor": statistics.median(clip["processor"] for clip in clips),
        "stages": stages,
        "steps": last["steps"],
        "passes": last["passes"],
        "reused": last["reused"],
        "drawn": "{}x{}".format(*last["drawn"]),
        "ways": last.get("ways", ""),
        "peak": told["peak"],
        "bytes": told["bytes"],
        "operations": operations,
        "rate": operations / stages["sample"],
    }


def tell(found: dict[str, Any], asked: argparse.Namespace, machine: str, ceiling: float = 0.0) -> None:
    """Print a table.

    Args:
        machine: what it was measured on.
        ceiling: floating-point operations that it can do in a second, or 0 for no such column.
    """
    for line in found["lines"].values():
        if ceiling:
            line["mfu"] = line["rate"] / ceiling
    if asked.json:
        print(json.dumps({"machine": machine, **found}))
        return
    print(f"{found['clip']}, on {machine}")
    for line in found["lines"].values():
        ratios = [f"{line[f'{kind}_ratio']:.2f}x" for kind in ("cold", "warm") if line[f"{kind}_ratio"]]
        print(f"{line['words']}: {line['steps']} steps at {line['drawn']}, {line['ways'] or 'plainly'}")
        print(
            f"    end to end {line['cold']:.2f} s cold, {line['warm']:.2f} s warm, "
            f"{line['processor']:.2f} s of them computing"
            + (f"; {' and '.join(ratios)} the speed of plain" if ratios else "")
        )
        print("    " + ", ".join(f"{stage} {line['stages'][stage]:.2f} s" for stage in STAGES))
        used = f", MFU {line['mfu']:.1%}" if ceiling else ""
        print(
            f"    {line['passes']} passes, {line['reused']} reused; peak {line['peak'] / 1e9:.2f} GB, "
            f"{line['rate'] / 1e12:.3g} T operations a second{used}"
        )
