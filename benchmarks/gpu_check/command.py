"""The command of the check: its options, and the order and time of its parts."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.diffusers_speed import TINY, WAN_1_3B, Geometry
from benchmarks.gpu_check import without_av
from benchmarks.gpu_check.children import NAMES as CHILDREN
from benchmarks.gpu_check.children import Child, report_child
from benchmarks.gpu_check.report import Report, median_step

SMALL = Geometry(
    480, 272, 17, heads=12, head=128, feed_forward=8960, layers=4, text=4096, decoder=WAN_1_3B.decoder
)
TINY_SMALL = Geometry(96, 64, 9, heads=4, head=32, feed_forward=256, layers=2)
ROWS = ["plain", "full", "standard", "few", "few-draft"]
TARGETS = {"standard": 2.0, "few": 10.0, "few-draft": 10.0}
"""How many times as fast as plain diffusers the rows of the part `profiles` should be, warm."""
PARTS = (
    "environment",
    "build",
    "baseline",
    "best",
    "second-plan",
    "native",
    "standard",
    "residences",
    "regional",
)


def main(words: list[str], *, description: str) -> None:
    """Run the check."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu-check", description=description)
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), help="folder of the results")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds for everything (default 240)")
    parser.add_argument(
        "--only", action="append", choices=[*PARTS, "profiles"], help="one part; may be repeated"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="a tiny network on the processor, to try the parts"
    )
    options = parser.parse_args(words)
    import torch

    if not (options.tiny or torch.cuda.is_available()):
        print("there is no GPU that PyTorch can use; --tiny tries the parts without one", file=sys.stderr)
        sys.exit(2)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    without_av.install()
    if options.only == ["profiles"]:
        profiles(options.out, tiny=options.tiny)
        return
    names = options.only or list(PARTS)
    report = Report(options.out, "gpu-check", options.budget)
    start = time.time()
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as place:
        _run_parts(make_check(report, Path(place), tiny=options.tiny), names, tiny=options.tiny)
    report.note("seconds", round(time.time() - start, 1))
    print("\n".join(_table(report)), f"{time.time() - start:.0f} s; {report.summary()}", sep="\n", flush=True)
    statuses = [value for key, value in report.values.items() if key.endswith(".status")]
    sys.stdout.flush()
    # Not by `sys.exit`: threads of an interrupted part may wait for ever.
    os._exit(0 if set(statuses) <= {"ok", "left out"} else 1)


def make_check(report: Report, folder: Path, *, tiny: bool) -> Any:
    """What the parts share."""
    import diffusers
    import torch
    import transformers

    from benchmarks.gpu_check.clips import Check

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    if tiny:
        torch.set_num_threads(1)
        return Check(report, folder, "cpu", TINY, TINY_SMALL)
    return Check(report, folder, "cuda", WAN_1_3B, SMALL)


def _run_parts(check: Any, names: list[str], *, tiny: bool) -> None:
    from benchmarks.gpu_check import parts
    from benchmarks.gpu_check.native import native

    report = check.report
    arguments = [str(check.folder), *(["--tiny"] if tiny else [])]
    children = {name: Child(name, arguments, report.folder) for name in CHILDREN if name in names}

    def run_child(name: str, seconds: float) -> None:
        parts.reset_memory()
        report_child(check, children[name], seconds)

    def run(name: str, seconds: float, minimum: float = 3.0) -> bool:
        if name not in names:
            return True
        if name in children:
            return report.run(name, lambda: run_child(name, seconds), seconds=seconds + 8, minimum=minimum)
        part = native if name == "native" else getattr(parts, name.replace("-", "_"))
        return report.run(name, lambda: part(check), seconds=seconds, minimum=minimum)

    try:
        run("environment", 20)
        if run("build", 40):
            run("baseline", 50)
            run("best", 50)
            run("second-plan", 20)
        run("native", 25)
        # Compiling takes what it gets; some seconds are kept for the residences.
        run("standard", max(20.0, report.remaining - (28 if report.remaining > 110 else 6)), minimum=15)
        run("residences", 40)
        run("regional", report.remaining - 4, minimum=15)
    finally:
        for child in children.values():
            child.kill()


def _fast_folder() -> str | None:
    """A folder in memory with room for the networks, or None for the default."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 8e9 else None


def _table(report: Report) -> list[str]:
    """Seconds a step, seconds of decoding, peak, and speed beside the baseline, by clip."""
    clips = {"plain diffusers": report.values.get("baseline")}
    clips |= {f"best, clip {number}": report.values.get(f"best{number}") for number in (1, 2)}
    clips |= report.values.get("standard", {}).get("values", {})
    lines, baseline = [f"{'':<36}s a step  decoding s  peak GB  x baseline (steps)"], 0.0
    for title, clip in clips.items():
        if isinstance(clip, dict) and clip.get("steps"):
            step = median_step(clip["steps"])
            baseline = baseline or step
            peak = clip["peak"] / 1e9
            lines.append(
                f"{title:<36}{step:8.3f}  {clip['decode']:10.2f}  {peak:7.2f}  {baseline / step:.2f}"
            )
    return lines


def profiles(folder: Path, *, tiny: bool) -> None:
    """Clips end to end by plain diffusers and under the profiles, without a time limit.

    Args:
        folder: gets the figures as `profiles.json`.
        tiny: whether to use a tiny network on a processor.
    """
    import torch

    from benchmarks.gpu_check.parts import MATRIX_SIDE, matrix_rate
    from benchmarks.profiles import format_table, measure

    if tiny:
        table = measure(TINY, ["plain", "standard", "few-draft"], steps=4, warm=1)
        rate, machine = matrix_rate("cpu", 512), "a processor"
    else:
        rate, machine = matrix_rate("cuda", MATRIX_SIDE), torch.cuda.get_device_name()
        torch.cuda.empty_cache()
        threads = torch.get_num_threads()
        table = measure(WAN_1_3B, ROWS, steps=30, warm=3, device="cuda", threads=threads)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profiles.json").write_text(json.dumps({"machine": machine, "rate": rate, **table}))
    print(f"{table['clip']}, on {machine}, {rate / 1e12:.3g} T operations a second in large matrix products")
    for line in format_table(table, rate):
        print(line)
    for name, target in TARGETS.items():
        if name in table["lines"]:
            print(f"{name}: {table['lines'][name]['warm_ratio']:.2f}x (target: {target:g}x)")
