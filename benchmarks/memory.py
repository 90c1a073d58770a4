"""The peak memory that the plan of the diffusers engine predicts, beside the measured one, on large networks.

Each case is a process of its own. Measured is the growth of its resident memory from just before the model is
loaded to the end of the clip.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A clip to draw.

    Attributes:
        family: of the checkpoint, a key of `large_models.LARGE_MODELS`.
        size: width and height.
        frames: how many.
        gigabytes: memory of the plan; 0 for plenty.
    """

    family: str
    size: tuple[int, int]
    frames: int
    gigabytes: float = 0.0


CASES = (
    Case("wan2.1-t2v", (128, 128), 9),
    Case("wan2.1-t2v", (256, 192), 17),
    Case("wan2.1-t2v", (192, 192), 9, 1.75),
    Case("wan2.2-ti2v", (256, 192), 9),
    Case("ltx-video", (512, 320), 17),
    Case("ltx-2", (512, 320), 17),
    Case("cogvideox", (192, 128), 9),
    Case("cogvideox", (256, 192), 17),
    Case("hunyuanvideo-1.5-t2v", (192, 128), 9),
)
EVERY_SECONDS = 0.004


def main(words: list[str]) -> None:
    """Measure every case, or the one of `--case` in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory")
    parser.add_argument("--json", action="store_true", help="one JSON object a case")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.case is not None:
        print(json.dumps(measure(options.folder, CASES[options.case])))
        return
    with tempfile.TemporaryDirectory() as place:
        for number in range(len(CASES)):
            command = [sys.executable, "-m", "benchmarks", "memory", "--case", str(number), "--folder", place]
            process = subprocess.run(
                command,
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            figures = json.loads(process.stdout.splitlines()[-1])
            if options.json:
                print(json.dumps(figures))
            else:
                print(
                    "{family}, {clip}: predicted {predicted:.2f} GB, measured {measured:.2f} GB, "
                    "ratio {ratio:.3f}; {plan}".format(**figures)
                )


def measure(folder: Path, case: Case) -> dict[str, object]:
    """Draw one clip and watch the memory."""
    import psutil

    from hinode.engines.diffusers.engine import DiffusersEngine
    from hinode.engines.diffusers.memory.budget import MemoryBudget
    from hinode.registry import entries
    from hinode.registry.families import FAMILIES
    from hinode.request import Request
    from hinode.settings import Settings

    source = folder / case.family
    if not source.is_dir():
        # Not here: what building it leaves behind would count as ours.
        subprocess.run(
            [sys.executable, "-m", "benchmarks.large_models", case.family, str(source)], check=True
        )
    files = {file.relative_to(source).as_posix(): "0" * 64 for file in source.rglob("*") if file.is_file()}
    entry = entries.Entry("large", "diffusers", case.family, str(source), "", files, "best", (), "Apache-2.0")
    entries.save(entry, folder / "home")
    budget = MemoryBudget(int((case.gigabytes or 1000) * 1e9), int((case.gigabytes or 1000) * 1e9))
    engine = DiffusersEngine(Settings(home=folder / "home", device="cpu"), budget=budget)
    seconds = case.frames / FAMILIES[case.family].fps
    request = Request("a red balloon", *case.size, seconds, engine="diffusers", model="large", steps=2)
    run = engine.start(request)
    # Code is not what the plan is about.
    for part in run.model.checkpoint.part_names:
        run.model.checkpoint.part_class(part)
    me = psutil.Process()
    gc.collect()
    before = peak = me.memory_info().rss
    finished = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not finished.wait(EVERY_SECONDS):
            peak = max(peak, me.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in run:
            pass
    finally:
        finished.set()
        watcher.join()
    return {
        "family": case.family,
        "clip": f"{case.size[0]}x{case.size[1]}, {case.frames} frames",
        "plan": run.plan.residence.value,
        "predicted": run.plan.peak / 1e9,
        "measured": (peak - before) / 1e9,
        "ratio": run.plan.peak / (peak - before),
    }
