"""Video files decoded, one picture at a time: the only place that reads pictures out of a video.

Callers turn `DecodeError` into an error of their own, with the field and the remedy that apply there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import IO

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from hinode.clip import Frames
from hinode.request import Size

MP4 = "mp4"

UNSPECIFIED = 2
"""H.273 code of a colour matrix that is not named; such a video is read as BT.709, as players do."""

INTERPOLATION = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)
"""Colours come out as they went in: a clip may be extended again and again."""

# A playlist disguised as a video must not make FFmpeg open other files: so the demuxer is always named, and
# only this protocol is allowed. The numbers limit how far FFmpeg reads to find out what a file holds.
_OPTIONS = {
    "protocol_whitelist": "file",
    "enable_drefs": "0",
    "probesize": str(5_000_000),
    "analyzeduration": str(5_000_000),
}

_CODEC_NAMES = {"dav1d": "av1", "vpx": "vp9"}


class DecodeError(Exception):
    """A file is not a video that can be decoded; the text says why, after "the file"."""


@dataclass(frozen=True)
class Picture:
    """A picture of a video; its colours are converted only if they are needed.

    Attributes:
        start, end: when it is first shown and when it is over, in seconds by the clock of the file.
        size: width and height in pixels.
    """

    start: Fraction
    end: Fraction
    size: Size
    _frame: av.VideoFrame = field(repr=False)
    _reformatter: VideoReformatter = field(repr=False)

    @cached_property
    def rgb(self) -> Frames:
        """uint8 [H, W, 3] in sRGB.

        Raises:
            DecodeError: its pixels are stored in a form that cannot be converted.
        """
        matrix = Colorspace.ITU709 if self._frame.colorspace == UNSPECIFIED else None
        with _decode_errors():
            converted = self._reformatter.reformat(
                self._frame, format="rgb24", src_colorspace=matrix, interpolation=INTERPOLATION
            )
            return converted.to_ndarray().astype(np.uint8, copy=False)


class VideoFile:
    """An open video file; iterate over it for its pictures."""

    def __init__(self, source: Path | IO[bytes], demuxer: str = MP4) -> None:
        """
        Args:
            source: the file, as a path or open for reading.
            demuxer: FFmpeg's name of the only kind of file that is accepted.

        Raises:
            DecodeError: it is missing, is no such file, is damaged, or has no pictures.
        """
        self.container = open_container(source, demuxer)
        if not self.container.streams.video:
            self.container.close()
            raise DecodeError("has no pictures")
        self.stream: VideoStream = self.container.streams.video[0]

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.container.close()

    @property
    def size(self) -> Size:
        """Width and height in pixels, as the file declares them."""
        return self.stream.codec_context.width, self.stream.codec_context.height

    @property
    def codec(self) -> str:
        """How the pictures are packed, such as "h264", whichever library decodes them."""
        name = self.stream.codec_context.name.removeprefix("lib").split("-")[0]
        return _CODEC_NAMES.get(name, name)

    @property
    def average_rate(self) -> Fraction | None:
        """Frames per second over the whole length, or None if the file does not say."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return Fraction(rate) if rate else None

    @property
    def seconds(self) -> Fraction:
        """Length of the pictures as the file declares it; 0 if it does not."""
        if self.stream.duration is not None and self.stream.time_base is not None:
            return self.stream.duration * self.stream.time_base
        return Fraction(self.container.duration or 0, av.time_base)

    def __iter__(self) -> Iterator[Picture]:
        """Its pictures in the order in which they are shown.

        Raises:
            DecodeError: the file is cut off or damaged.
        """
        # One for each pass: the converter keeps a state that two threads must not share.
        reformatter = VideoReformatter()
        with _decode_errors():
            for frame in self.container.decode(self.stream):
                tick = frame.time_base or Fraction(1, av.time_base)
                start = (frame.pts or 0) * tick
                end = start + (frame.duration or 0) * tick
                yield Picture(start, end, (frame.width, frame.height), frame, reformatter)


def open_container(source: Path | IO[bytes], demuxer: str = MP4) -> InputContainer:
    """Open a file of one kind, and no other file that it refers to.

    Raises:
        DecodeError: it is missing, is not of that kind, or is damaged.
    """
    with _decode_errors():
        file = str(source) if isinstance(source, Path) else source
        return av.open(file, "r", format=demuxer, options=_OPTIONS)


def at_rate(pictures: Iterable[Picture], fps: Fraction) -> Iterator[Picture]:
    """The picture on show at each time k / fps after the first one begins, until the last one is over."""
    begin = Fraction(0)
    count = 0
    current: Picture | None = None
    for picture in pictures:
        if current is None:
            begin = picture.start
        while current is not None and count / fps < picture.start - begin:
            yield current
            count += 1
        current = picture
    while current is not None and (count == 0 or count / fps < current.end - begin):
        yield current
        count += 1


@contextmanager
def _decode_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DecodeError("does not exist") from error
    except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise DecodeError("is cut off or damaged") from error
