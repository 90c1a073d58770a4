"""The finished file of a server, decoded into frames after it was seen that they are what was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import IO

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from hinode.clip import Frames, Sound
from hinode.media import soundtrack
from hinode.media.references import EXACT, UNNAMED
from hinode.request import Size

CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg"})
MAX_BYTES = 2**32
"""Memory that the frames of one clip may take."""

MAX_FPS = 240
NEAR = 32
"""Pixels by which a side may differ: servers round sizes to what their model needs."""

SHORT = 0.1
"""Part of the length that may be missing, beside half a second: models draw certain numbers of frames."""
HALF_SECOND = 0.5

# The demuxer is named, so that no playlist dressed up as a video makes it open anything else.
_OPTIONS = {"probesize": "5000000", "analyzeduration": "5000000", "enable_drefs": "0"}


class UnusableVideo(Exception):
    """What came back is not the video that was asked for; the text says why, after "the file"."""


class VideoDecoder:
    """A video file being decoded; iterate over it to fill `frames`."""

    def __init__(self, file: IO[bytes], *, size: Size, seconds: float) -> None:
        """
        Args:
            file: the video, open for reading.
            size: width and height that it should have, give or take `NEAR` pixels a side.
            seconds: length that is wanted; what it has beyond is not decoded.

        Raises:
            Unusable: it is no such video.
        """
        file.seek(0)
        self._file, self._kind = file, _kind(file.read(32))
        try:
            self._container: InputContainer = self._opened()
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            raise UnusableVideo("is cut off or damaged") from error
        try:
            self._check(size, seconds)
        except BaseException:
            self.close()
            raise

    def _check(self, size: Size, seconds: float) -> None:
        if not self._container.streams.video:
            raise UnusableVideo("has no pictures")
        self._stream: VideoStream = self._container.streams.video[0]
        context = self._stream.codec_context
        codec = context.name.removeprefix("lib").split("-")[0]
        if {"dav1d": "av1", "vpx": "vp9"}.get(codec, codec) not in CODECS:
            raise UnusableVideo("is packed in a way that cannot be read here")
        self.size: Size = context.width, context.height
        if any(abs(have - want) > NEAR for have, want in zip(self.size, size, strict=True)):
            raise UnusableVideo(f"is {self.size[0]}x{self.size[1]} where {size[0]}x{size[1]} was asked for")
        rate = self._stream.average_rate or self._stream.guessed_rate
        if rate is None or not 0 < rate <= MAX_FPS:
            raise UnusableVideo("has no sensible frame rate")
        self.fps = Fraction(rate)
        self.wanted = max(1, math.ceil(round(seconds * float(self.fps), 6)))
        self._least = max(1, math.floor(self.wanted - max(SHORT * seconds, HALF_SECOND) * float(self.fps)))
        if self.wanted * self.size[0] * self.size[1] * 3 > MAX_BYTES:
            raise UnusableVideo("is larger than can be taken into memory")
        self._buffer: Frames = np.empty((self.wanted, self.size[1], self.size[0], 3), np.uint8)
        self.count = 0

    @property
    def frames(self) -> Frames:
        """uint8 [T, H, W, 3] in sRGB, as far as they are decoded."""
        return self._buffer[: self.count]

    def __iter__(self) -> Iterator[int]:
        """Decode; yields how many frames there are so far.

        Raises:
            Unusable: frames are damaged, or too many are missing.
        """
        reformatter = VideoReformatter()
        try:
            for frame in self._container.decode(self._stream):
                if (frame.width, frame.height) != self.size:
                    raise UnusableVideo("changes its size midway")
                source = Colorspace.ITU709 if frame.colorspace == UNNAMED else None
                rgb = reformatter.reformat(frame, format="rgb24", src_colorspace=source, interpolation=EXACT)
                self._buffer[self.count] = rgb.to_ndarray()
                self.count += 1
                yield self.count
                if self.count == self.wanted:
                    break
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            raise UnusableVideo("is cut off or damaged") from error
        # An MP4 says how many frames it has; one that was cut off lacks some of them.
        declared = min(self._stream.frames or self.count, self.wanted)
        if self.count < declared:
            raise UnusableVideo(f"has {self.count} frames of {declared}")
        if self.count < self._least:
            raise UnusableVideo(f"has {self.count} frames, too few for its length")

    def hear(self) -> Sound | None:
        """What is heard with the frames, after they were decoded; None if the file has no sound.

        Raises:
            Unheard: it has some that cannot be decoded.
        """
        return soundtrack.read(self._opened, self.count / float(self.fps))

    def _opened(self) -> InputContainer:
        self._file.seek(0)
        return av.open(self._file, "r", format=self._kind, options=_OPTIONS)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


def _kind(head: bytes) -> str:
    """The demuxer for a file that begins with `head`.

    Raises:
        Unusable: it is no video, or one of a kind that nobody sends.
    """
    if head[4:8] == b"ftyp":
        return "mov,mp4,m4a,3gp,3g2,mj2"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska,webm"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    raise UnusableVideo("is no video" if head else "is empty")
