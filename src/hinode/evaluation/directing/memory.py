"""How much more memory a minute takes than four seconds, each written to a file by a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hinode.evaluation.results import Row

SHORT, LONG = 4.0, 60.0  # seconds
MAX_RATIO = 1.5
PROMPT = "a red balloon bouncing over the sea at noon"


def memory_rows(model: str | None, size: str = "640x360", steps: int | None = None) -> list[Row]:
    """Measure, and return the rows; the clips have the default size of a clip."""
    short, long = (peak_memory(seconds, model, size, steps) / 2**20 for seconds in (SHORT, LONG))
    ratio, metric, interval = long / short, "memory", "one run"
    return [
        Row(metric, "60 s by 4 s, peak resident memory", ratio, ratio, ratio, interval, 1, "x",
            f"<= {MAX_RATIO} x", ratio <= MAX_RATIO),
        Row(metric, "4 s", short, short, short, interval, 1, "MB"),
        Row(metric, "60 s", long, long, long, interval, 1, "MB"),
    ]  # fmt: skip


def peak_memory(seconds: float, model: str | None, size: str, steps: int | None) -> int:
    """Most bytes that were resident while a process made a clip into an MP4."""
    arguments = json.dumps([seconds, model, size, steps])
    command = [sys.executable, "-c", f"from {__name__} import main; main()", arguments]
    return int(subprocess.check_output(command, text=True).splitlines()[-1])


def main() -> None:
    """Make a clip as `hinode generate` does, and print the most bytes that were resident in this process."""
    from hinode import directing, pipeline
    from hinode.request import Request, parse_size
    from hinode.settings import Settings
    from hinode.trust.provenance.marking import Marking

    seconds, model, size, steps = json.loads(sys.argv[1])
    width, height = parse_size(size)
    request = Request(PROMPT, width, height, seconds, model=model, steps=steps)
    settings = Settings.from_environment(os.environ)
    engine = directing.get("native", settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        pipeline.generate(request, engine, path, "mp4", marking=Marking(settings))
    print(peak_resident())


def peak_resident() -> int:
    """Most bytes of this process that have been resident at once."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux counts the parent's memory into `ru_maxrss`, but not into this.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024
