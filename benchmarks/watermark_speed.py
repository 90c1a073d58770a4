"""What the mark costs: laying it and looking for it in the finished file, beside encoding and beside drawing
the default clip, as ratios of one run."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from benchmarks.watermark.contents import FPS, frames
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4
from hinode.settings import Settings
from hinode.trust.watermark.laying import Watermarking

SIZE = (640, 360)
COUNT = 4 * FPS


def main(words: list[str]) -> None:
    """Print processor seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(prog="benchmarks watermark-speed", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--generate", action="store_true", help="also make a clip with the native engine")
    options = parser.parse_args(words)
    clip = list(frames("natural", 0, SIZE, COUNT))
    timeline = Timeline(Fraction(FPS), Fraction(COUNT, FPS))
    with tempfile.TemporaryDirectory(prefix="hinode-") as folder:
        path = Path(folder) / "clip.mp4"
        start = time.process_time()
        write_mp4(path, clip, SIZE, timeline, Label())
        encode = time.process_time() - start
        start = time.process_time()
        mark = Watermarking().lay({"benchmark": "speed"}, clip, SIZE)
        for _ in mark.frames():
            pass
        lay = time.process_time() - start
        start = time.process_time()
        mark.outcome(path)
        check = time.process_time() - start
        result = {"encode": encode, "lay": lay, "check": check, "share_of_encode": (lay + check) / encode}
        if options.generate:
            result["generate"] = _generate(path)
            result["share"] = (lay + check) / (result["generate"] + encode)
    result = {name: round(value, 4) for name, value in result.items()}
    print(
        json.dumps(result)
        if options.json
        else "\n".join(f"{name:>16} {value:.3f}" for name, value in result.items())
    )


def _generate(path: Path) -> float:
    """Processor seconds in which the native engine, loaded, draws a clip of the same length."""
    from hinode import directing, pipeline
    from hinode.request import Request

    engine = directing.get("native", Settings.from_environment({}))
    request = Request("a red balloon over the hills", *SIZE, seconds=COUNT / FPS, seed=1)
    pipeline.draw(engine.start(request), lambda progress: None)
    start = time.process_time()
    pipeline.draw(engine.start(request), lambda progress: None)
    return time.process_time() - start
