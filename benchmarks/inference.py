"""The same clip drawn by every backend of a CPU: our engine, compiled, diffusers, ONNX, OpenVINO, int8.

All have the same weights, noise, texts and noise levels. Each runs in a process of its own, one after
another, so that memory and start-up are its own. Times are of sampling: text encoding and all steps, medians.

    ratio      to our engine in bfloat16 in the same run: above 1 is slower
    floor      times the floating-point operations of the network at the measured rate of large bfloat16
               matrix products; MFU is one over it
    start      seconds from loaded weights to the first clip: exporting, compiling, quantising
    pays       clips after which a backend has made up for its start, compared with our engine, or - if never
    PSNR       of the frames against our engine in float32, at the fewest steps; identical frames are 99
    agrees     share of clips that the judge reads like our float32 ones, at the most steps
    right      share of the attributes named in the prompts that the judge finds in the clips
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SIZES = ("360x360", "640x360")
BASE, EXACT = "eager-bf16", "eager-fp32"
SCENES = 20261122  # seed of the prompts, which nothing else uses


def main(words: list[str]) -> None:
    """Measure and print."""
    from benchmarks.inference_backends import BACKENDS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks inference", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--only", action="append", choices=list(BACKENDS), help="one backend; may be repeated"
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 12], help="sampling steps (default 4 12)")
    parser.add_argument(
        "--sizes", nargs="+", default=list(SIZES), help="of the clips (default: square and wide)"
    )
    parser.add_argument("--runs", type=int, default=5, help="clips to take the median of (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="default: all cores")
    parser.add_argument(
        "--processor",
        action="store_true",
        help="processor seconds, not wall-clock ones: for one thread where others compute too",
    )
    parser.add_argument("--clips", type=int, default=4, help="clips for PSNR (default 4)")
    parser.add_argument("--judged", type=int, default=24, help="clips for the judge (default 24)")
    parser.add_argument("--model", help="which model; by default the best that is installed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    figures = measure(options)
    if options.json:
        print(json.dumps(figures))
    else:
        print_tables(figures)


def missing(backend: str) -> list[str]:
    """Packages that a backend needs and this Python lacks."""
    from benchmarks.inference_backends import BACKENDS, NEEDS

    kind = backend.split("-")[0]
    needs = (
        *NEEDS.get(kind, ()),
        *(("onnxruntime",) if BACKENDS[backend][1] == "int8" and kind == "openvino" else ()),
    )
    return [name for name in needs if importlib.util.find_spec(name) is None]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures as plain numbers: seconds, operations a second, bytes, decibels, shares."""
    from benchmarks.inference_backends import BACKENDS
    from hinode.world.caption import caption
    from hinode.world.scene import sample_scene

    rng = random.Random(SCENES)
    scenes = [sample_scene(rng, subjects=1, held_out=None) for _ in range(max(options.clips, options.judged))]
    prompts = [caption(scene, rng) for scene in scenes]
    lines: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for backend in BACKENDS:
            if options.only and backend not in {*options.only, BASE, EXACT}:
                continue
            if lacks := missing(backend):
                lines[backend] = {"left_out": f"needs {', '.join(lacks)}: pip install 'hinode[bench]'"}
                continue
            print(f"{BACKENDS[backend][2]} ...", file=sys.stderr)
            job = {
                "backend": backend,
                "sizes": options.sizes,
                "steps": options.steps,
                "runs": options.runs,
                "threads": options.threads,
                "processor": options.processor,
                "prompts": prompts[: options.clips],
                "judged": prompts[: options.judged],
                "model": options.model,
                "frames": str(Path(place) / f"{backend}.npz"),
            }
            child = subprocess.run(
                [sys.executable, "-m", "benchmarks.inference_backends", json.dumps(job)],
                capture_output=True,
                text=True,
            )
            if child.returncode:
                message = (child.stderr.strip().splitlines() or ["no message"])[-1]
                lines[backend] = {"left_out": f"failed: {message[:160]}"}
            else:
                lines[backend] = json.loads(child.stdout.strip().splitlines()[-1])
        quality(lines, Path(place), options.sizes, prompts)
    rate = max(line["rate"] for line in lines.values() if "rate" in line)
    return {"threads": options.threads, "rate": rate, "steps": options.steps, "lines": lines}


def quality(lines: dict[str, Any], place: Path, sizes: list[str], prompts: list[str]) -> None:
    """Add to each line how its frames compare with those of our engine in float32."""
    import numpy as np
    import torch

    from hinode.world.judge import judge, load_judge
    from hinode.world.prompts.prompt import parse

    drawings = {name: dict(np.load(place / f"{name}.npz")) for name, line in lines.items() if "rate" in line}
    exact, net = drawings[EXACT], load_judge()
    verdicts: dict[str, list[dict[str, str]]] = {}
    for name, frames in drawings.items():
        lines[name]["psnr"] = {size: psnr(frames[f"psnr {size}"], exact[f"psnr {size}"]) for size in sizes}
        clips = frames[f"judged {sizes[0]}"]
        if len(clips):
            verdicts[name] = [verdict.values for verdict in judge(torch.from_numpy(clips), 8.0, net)]
    for name, readings in verdicts.items():
        same = [a == b for a, b in zip(readings, verdicts[EXACT], strict=True)]
        lines[name]["agrees"] = sum(same) / len(same)
        pairs = [
            reading[attribute] == value
            for prompt, reading in zip(prompts, readings, strict=False)
            for attribute, value in parse(prompt).facts().items()
        ]
        lines[name]["right"] = sum(pairs) / len(pairs)


def psnr(frames: Any, exact: Any) -> float:
    """Mean over clips, dB of 255 levels; 99 for clips that are the same."""
    errors = ((frames.astype(float) - exact.astype(float)) ** 2).mean((1, 2, 3, 4))
    return float(sum(min(99.0, 10 * math.log10(255**2 / max(e, 1e-9))) for e in errors) / len(errors))


def print_tables(figures: dict[str, Any]) -> None:
    """Print a table for each clip."""
    from benchmarks.inference_backends import BACKENDS

    lines, rate = figures["lines"], figures["rate"]
    print(f"{figures['threads']} threads, {rate / 1e9:.0f} G operations a second in large matrix products")
    for size in lines[BASE]["clips"]:
        base = lines[BASE]["clips"][size]
        print(f"\nclip of 17 frames at {size}, drawn at {base['native_size']}")
        steps = [str(count) for count in figures["steps"]]
        heads = [f"{name} {count}" for count in steps for name in ("s", "ratio", "floor", "MFU")]
        print(
            "| backend | " + " | ".join([*heads, "start s", "pays", "MiB", "PSNR", "agrees", "right"]) + " |"
        )
        print("|---" * (len(heads) + 7) + "|")
        for name, line in lines.items():
            if "left_out" in line:
                print(f"| {BACKENDS[name][2]} | {line['left_out']} |")
                continue
            clip, cells = line["clips"][size], []
            for count in steps:
                seconds, floor = clip["seconds"][count], clip["floor"][count] / rate
                ratio = seconds / base["seconds"][count]
                cells += [
                    f"{seconds:.3f}",
                    f"{ratio:.2f}",
                    f"{seconds / floor:.2f}",
                    f"{floor / seconds:.0%}",
                ]
            won = base["seconds"][steps[0]] - clip["seconds"][steps[0]]
            pays = f"{max(0, math.ceil((clip['start'] - base['start']) / won))}" if won > 0 else "-"
            cells += [
                f"{clip['start']:.2f}",
                pays,
                f"{line['peak'] / 2**20:.0f}",
                f"{line['psnr'][size]:.1f}",
            ]
            cells += [f"{line['agrees']:.0%}", f"{line['right']:.0%}"] if "agrees" in line else ["", ""]
            print(f"| {BACKENDS[name][2]} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
