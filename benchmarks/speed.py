"""How fast is the default clip? Both ratios that the project holds itself to, stage times and peak memory.

    whole process    wall-clock time of `hinode generate` over that of `python -c "import torch"`
    sampling         time of the sampling stage over its floor: the floating-point operations of the network
                     divided by the rate at which this machine multiplies large matrices of the same type

Every time is the median of several runs in fresh processes, the ratio of sampling the median of theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

PROMPT = "a red balloon rising over the mountains at noon"
MATRIX = 2048
BAR, FEW, BAR_OF_FEW = 4.0, 4, 2.0  # of both ratios; of sampling in few steps


@dataclass(frozen=True)
class Process:
    """A finished process: wall-clock seconds, peak resident memory in bytes, standard output."""

    seconds: float
    memory: int
    output: str


def run_python(*words: str) -> Process:
    """Run this Python with `words`; a failure ends the benchmark."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, *words], stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"{' '.join(words)} ended with {process.returncode}")
        output.seek(0)
        # Linux counts in KiB, macOS in bytes.
        return Process(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), output.read())


def operations(model: str | None, steps: int) -> float:
    """Floating-point operations of sampling the clip: one step of it is taken and counted."""
    from torch.utils.flop_counter import FlopCounterMode

    from hinode.engines.native.engine import NativeEngine
    from hinode.request import Request
    from hinode.settings import Settings

    run = NativeEngine(Settings.from_environment(os.environ)).start(Request(PROMPT, model=model, steps=1))
    next(progress for progress in run if progress.stage == "sample")
    with FlopCounterMode(display=False) as counter:
        for _ in run:
            pass
    return float(steps * counter.get_total_flops())


def matrix_rate() -> float:
    """Operations per second at which this machine multiplies large matrices now, at its best of eight."""
    import torch

    from hinode.model.layers import compute_type
    from hinode.settings import Settings

    settings = Settings.from_environment(os.environ)
    device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    a, b = (torch.randn(MATRIX, MATRIX, device=device).to(compute_type(device)) for _ in range(2))
    times = []
    for _ in range(8):
        start = time.perf_counter()
        (a @ b)[0, 0].item()  # waits for the device
        times.append(time.perf_counter() - start)
    return float(2 * MATRIX**3 / min(times))


def measure(runs: int, model: str | None, steps: int | None) -> dict[str, Any]:
    """All figures as plain numbers: seconds, bytes, operations, operations per second."""
    words = ["-m", "hinode", "generate", PROMPT, "--seed", "1", "--json"]
    words += ["--model", model] if model else []
    words += ["--steps", str(steps)] if steps else []
    imports, clips, rates = [], [], [matrix_rate()]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "clip.mp4")
        for warm_up in (("-c", "import torch"), (*words, "-o", path)):
            run_python(*warm_up)  # the disk cache is filled, compiled files are written
        for _ in range(runs):
            imports.append(run_python("-c", "import torch"))
            clips.append(run_python(*words, "-o", path))
            rates.append(matrix_rate())
    results = [json.loads(clip.output) for clip in clips]
    stages = {
        name: statistics.median(result["stage_seconds"][name] for result in results)
        for name in results[0]["stage_seconds"]
    }
    work = operations(model, results[0]["steps"])
    # A shared machine is fast now and slow then: each clip is held against the better rate around it.
    floors = [work / max(pair) for pair in pairwise(rates)]
    ratios = [
        result["stage_seconds"]["sample"] / floor for result, floor in zip(results, floors, strict=True)
    ]
    torch_seconds = statistics.median(run.seconds for run in imports)
    process_seconds = statistics.median(run.seconds for run in clips)
    return {
        "model": results[0]["model"],
        "steps": results[0]["steps"],
        "size": results[0]["size"],
        "native_size": results[0]["native_size"],
        "import_torch_seconds": torch_seconds,
        "process_seconds": process_seconds,
        "process_ratio": process_seconds / torch_seconds,
        "stage_seconds": stages,
        "sampling_floor_seconds": statistics.median(floors),
        "sampling_ratio": statistics.median(ratios),
        "sampling_ratios": ratios,
        "sampling_operations": work,
        "matrix_operations_per_second": statistics.median(rates),
        "peak_memory_bytes": max(run.memory for run in clips),
    }


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=5, help="processes to take the median of (default 5)")
    parser.add_argument("--model", help="which model; by default the best that is installed")
    parser.add_argument("--steps", type=int, help="sampling steps; by default the model's own number")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    figures = measure(options.runs, options.model, options.steps)
    if options.json:
        print(json.dumps(figures))
        return
    print(
        f"{figures['model']}, {figures['steps']} steps, {figures['native_size']} resized to {figures['size']}"
    )
    for name, seconds in figures["stage_seconds"].items():
        print(f"  {name:<22}{seconds:8.2f} s")
    print(f"  {'whole process':<22}{figures['process_seconds']:8.2f} s")
    print(f"  {'import torch':<22}{figures['import_torch_seconds']:8.2f} s")
    print(f"  {'floor of sampling':<22}{figures['sampling_floor_seconds']:8.2f} s", end="")
    print(f"  ({figures['sampling_operations'] / 1e9:.0f} G operations", end="")
    print(f" at {figures['matrix_operations_per_second'] / 1e9:.0f} G/s)")
    print(f"  {'peak memory':<22}{figures['peak_memory_bytes'] / 2**20:8.0f} MiB")
    for name in ("process", "sampling"):
        bar = BAR_OF_FEW if name == "sampling" and figures["steps"] <= FEW else BAR
        print(f"{name} ratio {figures[f'{name}_ratio']:.2f} (bar: {bar:g})")
    low, high = min(figures["sampling_ratios"]), max(figures["sampling_ratios"])
    print(f"sampling from {low:.2f} to {high:.2f} in {options.runs} runs")


if __name__ == "__main__":
    main(sys.argv[1:])
