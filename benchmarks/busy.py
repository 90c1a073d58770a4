"""How much longer the default clip takes beside a busy process on another core than alone.

Threads that wait for one another must sleep: if they spin, a machine with anything else to do draws several
times more slowly (`hinode.settings.thread_variables`). Each round draws the clip alone and beside the busy
process, so a machine that becomes slower meanwhile changes the ratio little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.speed import PROMPT, run_python

BAR = 1.3
SPIN = "while True: pass"


@contextmanager
def busy_process(core: int | None) -> Iterator[None]:
    """A process that never rests, on one core if the system can say which."""
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        yield
    finally:
        process.kill()
        process.wait()


def clip_seconds(path: Path) -> float:
    """Seconds that one clip takes, without the start of the process."""
    words = ("-m", "hinode", "generate", PROMPT, "--seed", "1", "--json", "-o", str(path))
    stages: dict[str, float] = json.loads(run_python(*words).output)["stage_seconds"]
    return sum(stages.values())


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks busy", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="clips of each kind (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    alone, beside = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        clip_seconds(path)  # the disk cache is filled
        for _ in range(options.rounds):
            alone.append(clip_seconds(path))
            with busy_process(cores[-1]):
                beside.append(clip_seconds(path))
    ratio = statistics.median(busy / quiet for busy, quiet in zip(beside, alone, strict=True))
    if options.json:
        print(json.dumps({"alone_seconds": alone, "beside_seconds": beside, "busy_ratio": ratio}))
        return
    print(f"the default clip alone:           {statistics.median(alone):6.2f} s")
    print(f"beside a busy process:            {statistics.median(beside):6.2f} s")
    print(f"ratio, median of {options.rounds} rounds: {ratio:.2f} (bar: {BAR:g})")


if __name__ == "__main__":
    main(sys.argv[1:])
