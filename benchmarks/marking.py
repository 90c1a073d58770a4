"""What marks cost: of a clip in a running worker, and of the whole process of the command.

In the worker, the default clip is drawn several times. Each is finished twice, in turn with and without its
marks: the invisible mark over frames and sound, the search for it in the file, the signature, and the signed
pictures. For the process, a clip of the test card of the same size and length is made by processes that mark
and by processes that do not, in turn.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hinode import directing, pipeline
from hinode.clip import Clip
from hinode.request import Request
from hinode.settings import Settings
from hinode.trust.provenance.marking import Marking
from hinode.trust.provenance.signing import Mark
from hinode.trust.provenance.statement import Statement
from hinode.trust.watermark.laying import Watermarking

SHARE_BAR, PROCESS_BAR = 0.05, 0.3
PROMPT = "a red balloon rising over the sea at sunset"
MARKS = {True: "marked", False: "bare"}

# The process without marks must not import the library that signs.
PROCESS = """
import sys
from dataclasses import dataclass
from pathlib import Path
from hinode import pipeline
from hinode.engines.testcard.engine import TestcardEngine
from hinode.request import Request
from hinode.settings import Settings

folder, marks = Path(sys.argv[1]), sys.argv[2] == "marked"
settings = Settings.from_environment({"HINODE_HOME": str(folder / "home"), "HINODE_WATERMARK": "01"[marks]})
if marks:
    from hinode.trust.provenance.marking import Marking
else:
    @dataclass
    class Marking:
        settings: Settings
        embed_prompt = False
        def sign(self, path, statement):
            pass
request = Request("a card", 640, 360, seconds=2, engine="testcard")
pipeline.generate(request, TestcardEngine(settings), folder / "card.mp4", "mp4", marking=Marking(settings))
"""


class NoMarking(Marking):
    """Signs nothing."""

    def sign(self, path: Path, statement: Statement) -> Mark:
        """Leave the file as it is."""
        return Mark(digest="", bytes=0, label="")


def finish(request: Request, clip: Clip, folder: Path, settings: Settings, marks: bool) -> dict[str, float]:
    """Write a clip and its pictures, with or without marks.

    Returns:
        seconds by stage.
    """
    marking = Marking(settings) if marks else NoMarking(settings)
    path = folder / "clip.mp4"
    result = pipeline.finish(
        request, clip, path, "mp4", marking=marking, watermarking=Watermarking(enabled=marks)
    )
    stills = folder / "still.webp", folder / "still.jpg"
    pipeline.write_stills(request, clip, *stills, marking=marking)
    return dict(result.provenance.stage_seconds)


def measure_worker(count: int, folder: Path) -> dict[str, float]:
    """Median seconds of drawing a clip, of finishing it without and with marks, and of its signature."""
    settings = Settings(folder / "home")
    engine = directing.get("native", settings)
    seconds: dict[str, list[float]] = {"draw": [], "bare": [], "marked": [], "sign": []}
    for number in range(count + 1):
        request = Request(PROMPT, seed=number)
        begin = time.perf_counter()
        clip = pipeline.draw(engine.start(request), lambda progress: None)
        taken = {"draw": time.perf_counter() - begin}
        for marks in (number % 2 == 0, number % 2 != 0):
            begin = time.perf_counter()
            stages = finish(request, clip, folder, settings, marks)
            taken[MARKS[marks]] = time.perf_counter() - begin
            if marks:
                taken["sign"] = stages["sign"]
        if number:  # the first one loads the model and the library
            for name, value in taken.items():
                seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure_process(count: int, folder: Path) -> dict[str, float]:
    """Median processor seconds of processes that mark, and of those that do not: unlike those of the clock,
    they say little of what else the machine does."""
    taken: dict[str, list[float]] = {name: [] for name in MARKS.values()}
    for number in range(count + 1):
        for name, seconds in taken.items():
            begin = _children_seconds()
            subprocess.run([sys.executable, "-c", PROCESS, str(folder), name], check=True)
            if number:  # the first one makes the keys, and reads the libraries from the disk
                seconds.append(_children_seconds() - begin)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(words: list[str]) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks marking", description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="clips, and pairs of processes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="hinode-") as name:
        worker = measure_worker(options.count, Path(name))
        process = measure_process(options.count, Path(name))
    without = worker["draw"] + worker["bare"]
    added = worker["marked"] - worker["bare"]
    values = {
        "clip_seconds": round(without, 4),
        "marks_seconds": round(added, 4),
        "sign_seconds": round(worker["sign"], 4),
        "share": round(added / without, 4),
        "process_seconds": round(process["marked"] - process["bare"], 3),
    }
    if options.json:
        print(json.dumps(values))
        return
    print(
        f"marks take {added:.3f} s, {worker['sign']:.3f} s of them the signature, "
        f"of a clip that takes {without:.2f} s without them"
    )
    print(f"share: {values['share']:.2%} (bar {SHARE_BAR:.0%})")
    print(
        f"the process of the command grows by {values['process_seconds']:.3f} s of {process['bare']:.2f} s "
        f"(bar {PROCESS_BAR} s)"
    )
