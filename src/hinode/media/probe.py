"""What a video file that somebody sent is, found out without decoding more than its first frame.

That is done in a process of its own, which may have only so much memory and time: a file of a few hundred
bytes can make a reader of videos take gigabytes, by the number of frames that it says it has.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from hinode.errors import BadInput
from hinode.request import Size

CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
SIDE = (16, 4096)
PIXELS = 4096 * 2304
MAX_FPS = 240
FIRST_BOX = b"ftyp"
"""What an MP4 begins with, after four bytes of length."""
MAX_MEMORY = 512 << 20
"""Bytes of address space that a look at a file may take, where the system can hold a process to that."""
MAX_SECONDS = 15
"""Seconds that it may take."""

# The format is named, so that no playlist dressed up as a video makes the demuxer open other files, and so is
# the protocol. The other two bound how far it looks for what it needs to know.
_OPTIONS = {
    "protocol_whitelist": "file",
    "probesize": str(5_000_000),
    "analyzeduration": str(5_000_000),
    "enable_drefs": "0",
}


_PLAYABLE = "send an MP4 that a video player opens"


@dataclass(frozen=True)
class SoundFacts:
    """What the sound of a video file is, as far as the file says.

    Attributes:
        rate: samples per second.
        channels: how many.
        seconds: how long it lasts.
    """

    rate: int
    channels: int
    seconds: float


@dataclass(frozen=True)
class Probe:
    """What a video file is.

    Attributes:
        size: width and height in pixels.
        seconds: its length.
        fps: its nominal rate, or None if the file does not say.
        codec: how its pictures are packed, one of `CODECS`.
        sound: its sound, or None if it has none; whether it can be decoded is not known.
    """

    size: Size
    seconds: float
    fps: Fraction | None
    codec: str
    sound: SoundFacts | None = None


def probe(path: Path, *, most_seconds: float, field: str = "video") -> Probe:
    """See that a file is an MP4 that can be worked on, and of what kind.

    Args:
        path: of the file.
        most_seconds: the longest that is taken.
        field: what to name in errors.

    Raises:
        BadInput: it is not an MP4, is damaged, or is larger or longer than can be taken.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] != FIRST_BOX:
        raise BadInput("the video is not an MP4", "send an MP4 with H.264 pictures", field=field)
    said = _looked_at(path, most_seconds)
    if "message" in said:
        raise BadInput(said["message"], said["remedy"], field=field)
    fps = Fraction(said["fps"]) if said["fps"] else None
    sound = None if said["sound"] is None else SoundFacts(*said["sound"])
    return Probe((said["width"], said["height"]), said["seconds"], fps, said["codec"], sound)


def _looked_at(path: Path, most_seconds: float) -> dict[str, Any]:
    """What `look` finds out in a process of its own."""
    command = [sys.executable, "-m", "hinode.media.probe", str(path.absolute()), repr(most_seconds)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MAX_SECONDS,
        )
        # Nothing was said if the process went down: over its bounds, or over what is broken in the file.
        said: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return _refusal(_damaged())
    return said


def look(path: Path, most_seconds: float) -> dict[str, Any]:
    """What a file is, in values of JSON: those of a `Probe`, or the message and remedy of a refusal."""
    try:
        with av.open(str(path), format="mp4", options=_OPTIONS) as container:
            found = _read(container, most_seconds)
    except BadInput as refusal:
        return _refusal(refusal)
    except (av.error.FFmpegError, OSError, ValueError, OverflowError, MemoryError):
        return _refusal(_damaged())
    fps = None if found.fps is None else str(found.fps)
    return {
        "width": found.size[0],
        "height": found.size[1],
        "seconds": found.seconds,
        "fps": fps,
        "codec": found.codec,
        "sound": None if found.sound is None else dataclasses.astuple(found.sound),
    }


def _refusal(error: BadInput) -> dict[str, Any]:
    return {"message": error.message, "remedy": error.remedy}


def _damaged() -> BadInput:
    return _bad("the video cannot be read, for its file is cut off or damaged", _PLAYABLE)


def _bad(message: str, remedy: str) -> BadInput:
    return BadInput(message, remedy, field="video")


def _read(container: InputContainer, most_seconds: float) -> Probe:
    if not container.streams.video:
        raise _bad("the file has no pictures", "send an MP4 with a video in it")
    stream = container.streams.video[0]
    # One frame is not worth a thread for each processor, each with memory of its own.
    stream.codec_context.thread_count = 1
    size = stream.codec_context.width, stream.codec_context.height
    codec = stream.codec_context.name.removeprefix("lib").split("-")[0]
    codec = {"dav1d": "av1", "vpx": "vp9"}.get(codec, codec)
    if codec not in CODECS:
        raise _bad(
            "the pictures of the video are packed in a way that cannot be read here",
            "send an MP4 with H.264 pictures",
        )
    if not (SIDE[0] <= min(size) and max(size) <= SIDE[1] and size[0] * size[1] <= PIXELS):
        raise _bad(
            f"the video is {size[0]}x{size[1]}",
            f"send one with sides from {SIDE[0]} to {SIDE[1]} pixels and at most {PIXELS:,} in a frame",
        )
    seconds = _seconds(container, stream)
    if not 0 < seconds <= most_seconds:
        raise _bad(
            f"the video has {float(seconds):.3g} seconds",
            f"send one of more than 0 and at most {most_seconds:g}",
        )
    rate = stream.average_rate or stream.guessed_rate
    if rate is not None and rate > MAX_FPS:
        raise _bad(
            f"the video has {float(rate):.6g} frames per second",
            f"send one with at most {MAX_FPS}",
        )
    # Only now that its size is known to be bearable.
    if next(container.decode(stream), None) is None:
        raise _bad("the video has no frames", _PLAYABLE)
    sound = None
    if container.streams.audio:
        heard = container.streams.audio[0]
        context = heard.codec_context
        sound = SoundFacts(context.sample_rate, context.channels, float(_seconds(container, heard)))
    return Probe(size, float(seconds), Fraction(rate) if rate else None, codec, sound)


def _seconds(container: InputContainer, stream: VideoStream | AudioStream) -> Fraction:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)


def _hold_back() -> None:
    """Keep this process within its bounds, also if nobody is left to end it."""
    with suppress(ImportError, AttributeError, ValueError, OSError):  # not every system can do that
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    with suppress(AttributeError, ValueError):
        signal.alarm(MAX_SECONDS)


if __name__ == "__main__":
    _hold_back()
    print(json.dumps(look(Path(sys.argv[1]), float(sys.argv[2]))))
