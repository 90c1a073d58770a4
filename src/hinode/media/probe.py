"""What a video file that somebody sent is, found out without decoding more than its first frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from hinode.errors import BadInput
from hinode.request import Size

CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
SIDE = (16, 4096)
PIXELS = 4096 * 2304
MOST_FPS = 240
FIRST_BOX = b"ftyp"
"""What an MP4 begins with, after four bytes of length."""

# The format is named, so that no playlist dressed up as a video makes the demuxer open other files, and so is
# the protocol. The other two bound how far it looks for what it needs to know.
_OPTIONS = {
    "protocol_whitelist": "file",
    "probesize": str(5_000_000),
    "analyzeduration": str(5_000_000),
    "enable_drefs": "0",
}


@dataclass(frozen=True)
class Probe:
    """What a video file is.

    Attributes:
        size: width and height in pixels.
        seconds: its length.
        fps: its nominal rate, or None if the file does not say.
        codec: how its pictures are packed, one of `CODECS`.
    """

    size: Size
    seconds: float
    fps: Fraction | None
    codec: str


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
    try:
        with av.open(str(path), format="mp4", options=_OPTIONS) as container:
            return _read(container, most_seconds, field)
    except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise BadInput(
            "the video cannot be read, for its file is cut off or damaged",
            "send an MP4 that a video player opens",
            field=field,
        ) from error


def _read(container: InputContainer, most_seconds: float, field: str) -> Probe:
    if not container.streams.video:
        raise BadInput("the file has no pictures", "send an MP4 with a video in it", field=field)
    stream = container.streams.video[0]
    size = stream.codec_context.width, stream.codec_context.height
    codec = stream.codec_context.name.removeprefix("lib").split("-")[0]
    codec = {"dav1d": "av1", "vpx": "vp9"}.get(codec, codec)
    if codec not in CODECS:
        raise BadInput(
            "the pictures of the video are packed in a way that cannot be read here",
            "send an MP4 with H.264 pictures",
            field=field,
        )
    if not (SIDE[0] <= min(size) and max(size) <= SIDE[1] and size[0] * size[1] <= PIXELS):
        raise BadInput(
            f"the video is {size[0]}x{size[1]}",
            f"send one with sides from {SIDE[0]} to {SIDE[1]} pixels and at most {PIXELS:,} in a frame",
            field=field,
        )
    seconds = _seconds(container, stream)
    if not 0 < seconds <= most_seconds:
        raise BadInput(
            f"the video has {float(seconds):.3g} seconds",
            f"send one of more than 0 and at most {most_seconds:g}",
            field=field,
        )
    rate = stream.average_rate or stream.guessed_rate
    if rate is not None and rate > MOST_FPS:
        raise BadInput(
            f"the video has {float(rate):.6g} frames per second",
            f"send one with at most {MOST_FPS}",
            field=field,
        )
    # Only now that its size is known to be bearable.
    if next(container.decode(stream), None) is None:
        raise BadInput("the video has no frames", "send an MP4 that a video player opens", field=field)
    return Probe(size, float(seconds), Fraction(rate) if rate else None, codec)


def _seconds(container: InputContainer, stream: VideoStream) -> Fraction:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)
