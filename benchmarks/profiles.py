"""Clips by plain diffusers and by the engine under each profile, end to end, cold and warm.

On this processor, with a tiny network of random weights: that shows what a profile does to the time, not what
its clips look like. `python -m benchmarks gpu-check --only profiles` does the same on a GPU with a network of
real size. `benchmarks/diffusers_speed.py` defines end to end, cold, warm and the stages.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.diffusers_speed import BASELINE, ClipMaker, Geometry, measure_in_child, prepare_in_child
from benchmarks.overhead import GEOMETRY

STAGES = ("load", "text", "sample", "decode", "encode")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: its name for `--only`.
        title: what it is.
        method: "plain" or a profile.
        few: whether with a LoRA that counts as distilled to four steps.
        reuse: whether blocks may be reused between steps.
        steps: sampling steps; 0 for those of the profile.
    """

    name: str
    title: str
    method: str
    few: bool = False
    reuse: bool = True
    steps: int = 0


def rows(steps: int) -> tuple[Row, ...]:
    """Every row.

    Args:
        steps: of rows without a distilling LoRA; 0 for those of each profile.
    """
    return (
        Row("plain", "plain diffusers", BASELINE, steps=steps),
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
    names = [row.name for row in rows(1)]
    parser.add_argument("--only", action="append", choices=names, help="one row; may be repeated")
    parser.add_argument(
        "--steps", type=int, default=0, help="without a distilling LoRA (default: those of each profile)"
    )
    parser.add_argument("--warm", type=int, default=3, help="warm clips to take the median of (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    table = measure(GEOMETRY, options.only or names, steps=options.steps, warm=options.warm, threads=threads)
    if options.json:
        print(json.dumps(table))
        return
    print(f"{table['clip']}, on a processor, {threads} thread(s)")
    for line in format_table(table):
        print(line)


def measure(
    geometry: Geometry,
    names: Sequence[str],
    *,
    steps: int,
    warm: int,
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, Any]:
    """All figures as plain numbers: seconds, bytes, operations.

    Args:
        names: of the rows.
        steps: see `rows`.
        warm: number of warm clips.
    """
    lines: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare_in_child(geometry, folder)
        for row in rows(steps):
            if row.name in names:
                model = "few-step" if row.few else "full"
                maker = ClipMaker(row.method, folder, geometry, row.steps, model, row.reuse, device, threads)
                lines[row.name] = {"title": row.title, **_line(geometry, measure_in_child(maker, warm))}
    for line in lines.values():
        for kind in ("cold", "warm"):
            line[f"{kind}_ratio"] = lines["plain"][kind] / line[kind] if "plain" in lines else None
    clip = f"{geometry.width}x{geometry.height}, {geometry.frames} frames"
    return {"clip": clip, "steps": steps, "device": device, "threads": threads, "lines": lines}


def _line(geometry: Geometry, result: dict[str, Any]) -> dict[str, Any]:
    clips = result["warm"] or [result["first"]]
    last = clips[-1]
    full_passes = last["passes"] - last["reused"]
    # A pass that reuses blocks computes its first block all the same.
    operations = full_passes * geometry.operations(*last["size"])
    operations += last["reused"] * geometry.operations(*last["size"], layers=1)
    stages = {stage: statistics.median(clip["stages"].get(stage, 0.0) for clip in clips) for stage in STAGES}
    return {
        "cold": result["cold"],
        "warm": statistics.median(clip["e2e"] for clip in clips),
        "processor": statistics.median(clip["processor"] for clip in clips),
        "stages": stages,
        "steps": last["steps"],
        "passes": last["passes"],
        "reused": last["reused"],
        "size": "{}x{}".format(*last["size"]),
        "execution": last.get("execution", ""),
        "peak": result["peak"],
        "bytes": result["bytes"],
        "operations": operations,
        "rate": operations / stages["sample"],
    }


def format_table(table: dict[str, Any], max_rate: float = 0.0) -> list[str]:
    """The table as lines of text.

    Args:
        table: from `measure`.
        max_rate: floating-point operations that the device can do in a second, to print which share of them
            is used (MFU); 0 to leave that out.
    """
    text = []
    for line in table["lines"].values():
        ratios = [f"{line[f'{kind}_ratio']:.2f}x" for kind in ("cold", "warm") if line[f"{kind}_ratio"]]
        mfu = f", MFU {line['rate'] / max_rate:.1%}" if max_rate else ""
        text += [
            f"{line['title']}: {line['steps']} steps at {line['size']}, "
            f"{line['execution'] or 'unaccelerated'}",
            f"    end to end {line['cold']:.2f} s cold, {line['warm']:.2f} s warm, "
            f"{line['processor']:.2f} s of them on a processor"
            + (f"; {' and '.join(ratios)} the speed of plain" if ratios else ""),
            "    " + ", ".join(f"{stage} {line['stages'][stage]:.2f} s" for stage in STAGES),
            f"    {line['passes']} passes, {line['reused']} reused; peak {line['peak'] / 1e9:.2f} GB, "
            f"{line['rate'] / 1e12:.3g} T operations a second{mfu}",
        ]
    return text
