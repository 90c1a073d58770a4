"""What kind of video a file from outside is, found out by decoding no more than its first frame.

A process of its own does that, within limits of memory and time: a file of a few hundred bytes can make a
reader of videos take gigabytes, by the number of frames that it declares.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from hinode.errors import BadInput
from hinode.media.decode import DecodeError, VideoFile
from hinode.request import Size

CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
SIDE = (16, 4096)
PIXELS = 4096 * 2304
MAX_FPS = 240
FIRST_BOX = b"ftyp"
"""What an MP4 begins with, after four bytes of length."""
MAX_MEMORY, MAX_SECONDS = 512 << 20, 15
"""Bytes of address space and seconds for the process that looks at a file, on systems that can limit it."""
DAMAGED = "the video file is cut off or damaged"


@dataclass(frozen=True)
class Probe:
    """What a video file is: size in pixels, length, nominal rate if it names one, and one of `CODECS`."""

    size: Size
    seconds: float
    fps: Fraction | None
    codec: str


def probe(path: Path, *, max_seconds: float, field: str = "video") -> Probe:
    """What an MP4 is, of so many seconds at most; `field` is what to name in errors.

    Raises:
        BadInput: it is not an MP4, is damaged, or is larger or longer than is accepted.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] != FIRST_BOX:
        raise BadInput("the video is not an MP4", "send an MP4 with H.264 pictures", field=field)
    facts = _look_apart(path, max_seconds)
    if "message" in facts:
        raise BadInput(facts["message"], facts["remedy"], field=field)
    fps = Fraction(facts["fps"]) if facts["fps"] else None
    return Probe((facts["width"], facts["height"]), facts["seconds"], fps, facts["codec"])


def _look_apart(path: Path, max_seconds: float) -> dict[str, Any]:
    """The result of `look`, called in a process of its own."""
    command = [sys.executable, "-m", "hinode.media.probe", str(path.absolute()), repr(max_seconds)]
    try:
        done = subprocess.run(command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, timeout=MAX_SECONDS)
        # The output is empty if the process died: of its limits, or of something broken in the file.
        facts: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return _refusal(DAMAGED)
    return facts


def look(path: Path, max_seconds: float) -> dict[str, Any]:
    """What a file is, in values of JSON: those of a `Probe`, or the message and remedy of a refusal."""
    try:
        with VideoFile(path) as file:
            # One frame is not worth a thread for each processor, each with memory of its own.
            file.stream.codec_context.thread_count = 1
            fault = next(_faults(file, max_seconds), None)
            if fault is not None:
                return _refusal(*fault)
            # Only now, when its size is known to be within bounds.
            first = next(iter(file), None)
            if first is None:
                return _refusal("the video has no frames")
            width, height = first.size
            facts = {"width": width, "height": height, "seconds": float(file.seconds), "codec": file.codec}
            return {**facts, "fps": str(file.average_rate) if file.average_rate else None}
    except DecodeError as error:
        return _refusal(f"the video file {error}")
    except MemoryError:
        return _refusal(DAMAGED)


def _refusal(message: str, remedy: str = "send an MP4 that a video player opens") -> dict[str, Any]:
    return {"message": message, "remedy": remedy}


def _faults(file: VideoFile, max_seconds: float) -> Iterator[tuple[str, ...]]:
    """The cause, and the remedy if it is a special one, of what keeps a video from being accepted."""
    (width, height), rate = file.size, file.average_rate
    if file.codec not in CODECS:
        message = "the pictures of the video are packed in a way that cannot be read here"
        yield message, "send an MP4 with H.264 pictures"
    if not (SIDE[0] <= min(file.size) and max(file.size) <= SIDE[1] and width * height <= PIXELS):
        bounds = f"sides from {SIDE[0]} to {SIDE[1]} pixels and at most {PIXELS:,} in a frame"
        yield f"the video is {width}x{height}", f"send one with {bounds}"
    if not 0 < file.seconds <= max_seconds:
        remedy = f"send one of more than 0 and at most {max_seconds:g}"
        yield f"the video has {float(file.seconds):.3g} seconds", remedy
    if rate is not None and rate > MAX_FPS:
        yield f"the video has {float(rate):.6g} frames per second", f"send one with at most {MAX_FPS}"


def _limit_process() -> None:
    """Limit the memory and the time of this process, also if its parent dies."""
    with suppress(ImportError, AttributeError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    with suppress(AttributeError, ValueError):
        signal.alarm(MAX_SECONDS)


if __name__ == "__main__":
    _limit_process()
    print(json.dumps(look(Path(sys.argv[1]), float(sys.argv[2]))))
