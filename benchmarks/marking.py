"""What signing costs: of a clip in a running worker, and of the whole process of the command.

In the worker, the default clip is generated, encoded and signed, and its pictures are written, several times;
the share is the seconds of signing over those of everything else. For the process, a short clip of the test
card is made by processes that sign and by processes that do not, in turn.
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

SHARE_BAR, PROCESS_BAR = 0.05, 0.3
PROMPT = "a red balloon rising over the sea at sunset"

PROCESS = """
import sys
from pathlib import Path
from hinode import pipeline
from hinode.engines.testcard.engine import TestcardEngine
from hinode.request import Request
from hinode.settings import Settings

folder, signed = Path(sys.argv[1]), sys.argv[2] == "signed"
settings = Settings.from_environment({"HINODE_HOME": str(folder / "home")})
if signed:
    from hinode.trust.provenance.marking import Marking
    marking = Marking(settings)
else:
    class Marking:
        embed_prompt = False
        def sign(self, path, statement):
            pass
    marking = Marking()
request = Request("a card", 64, 36, seconds=0.5, engine="testcard")
pipeline.generate(request, TestcardEngine(settings), folder / "clip.mp4", "mp4", marking=marking)
"""


def measure_share(count: int, folder: Path) -> tuple[float, float]:
    """Median seconds of signing a clip and its pictures, and of generating and encoding it."""
    from hinode import directing, pipeline
    from hinode.engines.protocol import timed
    from hinode.request import Request
    from hinode.settings import Settings
    from hinode.trust.provenance.marking import Marking

    settings = Settings(folder / "home")
    marking, engine = Marking(settings), directing.get("native", settings)
    signing, others = [], []
    for number in range(count + 1):
        request = Request(PROMPT, seed=number)
        begun = time.perf_counter()
        clip = pipeline.draw(engine.start(request), lambda progress: None)
        result = pipeline.finish(request, clip, folder / "clip.mp4", "mp4", marking=marking)
        seconds = time.perf_counter() - begun
        signed = result.provenance.stage_seconds["sign"]
        stills: dict[str, float] = {}
        small = folder / "still.webp", folder / "still.jpg"
        pipeline.write_stills(request, clip, *small, marking=marking)
        statement = marking.shorten(pipeline.state_clip(request, clip.provenance))
        with timed(stills, "sign"):  # again, for the same cost
            for path in small:
                marking.sign(path, statement)
        if number:  # the first one loads the model and the library
            signing.append(signed + stills["sign"])
            others.append(seconds - signed)
    return statistics.median(signing), statistics.median(others)


def measure_process(count: int, folder: Path) -> tuple[float, float]:
    """Median processor seconds of processes that sign, and of those that do not: unlike those of the clock,
    they say little of what else the machine does."""
    taken: dict[str, list[float]] = {"signed": [], "bare": []}
    for number in range(count + 1):
        for kind, seconds in taken.items():
            begun = _children_seconds()
            subprocess.run([sys.executable, "-c", PROCESS, str(folder), kind], check=True)
            if number:  # the first one makes the keys, and reads the libraries from the disk
                seconds.append(_children_seconds() - begun)
    return statistics.median(taken["signed"]), statistics.median(taken["bare"])


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
        signing, others = measure_share(options.count, Path(name))
        signed, bare = measure_process(options.count, Path(name))
    values = {
        "sign_seconds": round(signing, 4),
        "clip_seconds": round(others, 4),
        "share": round(signing / others, 4),
        "process_seconds": round(signed - bare, 3),
    }
    if options.json:
        print(json.dumps(values))
        return
    print(f"signing takes {signing * 1000:.1f} ms of a clip that takes {others:.2f} s without it")
    print(f"share: {values['share']:.2%} (bar {SHARE_BAR:.0%})")
    print(f"the process of the command grows by {signed - bare:.3f} s of {bare:.2f} s (bar {PROCESS_BAR} s)")
