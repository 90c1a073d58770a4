"""What kind of video a file from outside is, found out by decoding no more than its first frame.

A process of its own does that, within limits of memory and time: a file of a few hundred bytes can make a
reader of videos take gigabytes, by the number of frames that it declares.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from hinode.errors import BadInput
from hinode.media.reading.container import HEAD_BYTES, MP4, DecodeError, media_type
from hinode.media.reading.decode import VideoFile
from hinode.request import Size

CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
LOCAL_CODECS = (
    *CODECS,
    *("vp8", "prores", "dnxhd", "mjpeg", "mpeg2video", "mpeg1video", "ffv1", "dvvideo", "rawvideo", "qtrle"),
    *("png", "huffyuv", "ffvhuff", "utvideo", "cfhd", "vc1"),
)
"""What a person's own file may be packed as, beside what strangers may send."""
SIDE = (16, 4096)
PIXELS = 4096 * 2304
MAX_FPS = 240
MAX_MEMORY, MAX_SECONDS, MAX_WAIT = 512 << 20, 15, 90
"""Bytes of address space and seconds of the processor for the process that looks at a file, on systems that
can limit it; and the seconds to wait for it, because a busy machine says nothing about the file."""
DAMAGED = "the video file is cut off or damaged"


@dataclass(frozen=True)
class Probe:
    """What a video file is: size in pixels, length, nominal rate if it names one, how its pictures are
    packed, and one of `decode.DEMUXERS`."""

    size: Size
    seconds: float
    fps: Fraction | None
    codec: str
    media_type: str = MP4


def probe(path: Path, *, max_seconds: float, field: str = "video", local: bool = False) -> Probe:
    """What a video is, of so many seconds at most.

    Args:
        field: what to name in errors.
        local: whether it is a file of this machine's own people, of any kind that is read; else it has to be
            an MP4.

    Raises:
        BadInput: it is of another kind, is damaged, or is larger or longer than is accepted.
    """
    with path.open("rb") as file:
        kind = media_type(file.read(HEAD_BYTES))
    if local and kind is None:
        remedy = "give an MP4, MOV, MKV, WebM, AVI or MPEG-TS"
        raise BadInput("the file is no video that is read here", remedy, field=field)
    if kind is None or not (local or kind in (MP4, "video/quicktime")):
        raise BadInput("the video is not an MP4", "send an MP4 with H.264 pictures", field=field)
    facts = _look_apart(path, max_seconds, LOCAL_CODECS if local else CODECS)
    if "message" in facts:
        raise BadInput(facts["message"], facts["remedy"], field=field)
    fps = Fraction(facts["fps"]) if facts["fps"] else None
    return Probe((facts["width"], facts["height"]), facts["seconds"], fps, facts["codec"], kind)


def _look_apart(path: Path, max_seconds: float, codecs: Sequence[str]) -> dict[str, Any]:
    """The result of `look`, called in a process of its own."""
    words = str(path.absolute()), repr(max_seconds), ",".join(codecs)
    command = [sys.executable, "-m", "hinode.media.reading.probe", *words]
    try:
        done = subprocess.run(command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, timeout=MAX_WAIT)
        # The output is empty if the process died: of its limits, or of something broken in the file.
        facts: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _refusal("the video file takes too long to look at", "try again, or send a smaller one")
    except ValueError:
        return _refusal(DAMAGED)
    return facts


def look(path: Path, max_seconds: float, codecs: Sequence[str] = CODECS) -> dict[str, Any]:
    """What a file is, in values of JSON: those of a `Probe`, or the message and remedy of a refusal."""
    try:
        with VideoFile(path) as file:
            # One frame is not worth a thread for each processor, each with memory of its own.
            file.stream.codec_context.thread_count = 1
            fault = next(_faults(file, max_seconds, codecs), None)
            if fault is not None:
                return _refusal(*fault)
            # Only now, when its size is known to be within bounds.
            first = next(iter(file), None)
            if first is None:
                return _refusal("the video has no frames")
            width, height = first.size
            seconds = file.seconds or file.measure_seconds()
            if not 0 < seconds <= max_seconds:
                return _refusal(*_length_fault(seconds, max_seconds))
            facts = {"width": width, "height": height, "seconds": float(seconds), "codec": file.codec}
            return {**facts, "fps": str(file.average_rate) if file.average_rate else None}
    except DecodeError as error:
        return _refusal(f"the video file {error}")
    except MemoryError:
        return _refusal(DAMAGED)


def _refusal(message: str, remedy: str = "send an MP4 that a video player opens") -> dict[str, Any]:
    return {"message": message, "remedy": remedy}


def _faults(file: VideoFile, max_seconds: float, codecs: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The cause, and the remedy if it is a special one, of what keeps a video from being accepted."""
    (width, height), rate = file.size, file.average_rate
    if file.codec not in codecs:
        message = "the pictures of the video are packed in a way that cannot be read here"
        yield message, "send an MP4 with H.264 pictures"
    if not (SIDE[0] <= min(file.size) and max(file.size) <= SIDE[1] and width * height <= PIXELS):
        bounds = f"sides from {SIDE[0]} to {SIDE[1]} pixels and at most {PIXELS:,} in a frame"
        yield f"the video is {width}x{height}", f"send one with {bounds}"
    if file.seconds > max_seconds:
        yield _length_fault(file.seconds, max_seconds)
    if rate is not None and rate > MAX_FPS:
        yield f"the video has {float(rate):.6g} frames per second", f"send one with at most {MAX_FPS}"


def _length_fault(seconds: Fraction, max_seconds: float) -> tuple[str, str]:
    remedy = f"send one of more than 0 and at most {max_seconds:g}"
    return f"the video has {float(seconds):.3g} seconds", remedy


def _limit_process() -> None:
    """Limit the memory and the time of this process, also if its parent dies."""
    with suppress(ImportError, AttributeError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    with suppress(AttributeError, ValueError):
        signal.alarm(MAX_WAIT)


if __name__ == "__main__":
    _limit_process()
    print(json.dumps(look(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3].split(","))))
