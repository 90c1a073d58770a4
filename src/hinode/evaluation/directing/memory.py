"""How much memory a minute takes beside four seconds, each made into a file by a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hinode.evaluation.directing.rows import Row

SHORT, LONG = 4.0, 60.0
MAX_RATIO = 1.5
"""How many times the memory of the short clip the long one may take."""
PROMPT = "a red balloon bouncing over the sea at noon"


def memory_rows(model: str | None, size: str = "640x360", steps: int | None = None) -> list[Row]:
    """See `Bar.rows`; made afresh on each call, from the default size of a clip."""
    short, long = (peak(seconds, model, size, steps) / 2**20 for seconds in (SHORT, LONG))
    ratio, bar, only = long / short, "memory", "one run"
    return [
        Row(bar, "60 s by 4 s, peak resident memory", ratio, ratio, ratio, only, 1, "x", f"<= {MAX_RATIO} x",
            ratio <= MAX_RATIO),
        Row(bar, "4 s", short, short, short, only, 1, "MB"),
        Row(bar, "60 s", long, long, long, only, 1, "MB"),
    ]  # fmt: skip


def peak(seconds: float, model: str | None, size: str, steps: int | None) -> int:
    """Most bytes that were resident while a process made a clip into an MP4.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    words = json.dumps([seconds, model, size, steps])
    code = (
        f"from hinode.evaluation.directing import memory; memory.make(*__import__('json').loads({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.splitlines()[-1])


def make(seconds: float, model: str | None, size: str, steps: int | None) -> None:
    """Make a clip as `hinode generate` does, and print the most bytes that were resident in this process."""
    from hinode import directing, pipeline
    from hinode.request import Request, parse_size
    from hinode.settings import Settings

    width, height = parse_size(size)
    request = Request(PROMPT, width, height, seconds, model=model, steps=steps)
    engine = directing.get("native", Settings.from_environment(os.environ))
    with tempfile.TemporaryDirectory() as folder:
        pipeline.generate(request, engine, Path(folder) / "clip.mp4", "mp4")
    print(most_resident())


def most_resident() -> int:
    """Most bytes of this process that have been resident at once."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux counts what the parent had into `ru_maxrss`, but not into this.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
