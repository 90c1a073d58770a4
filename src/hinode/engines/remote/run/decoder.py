"""The finished file of a server, checked against the request and decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import IO

import numpy as np

from hinode.clip import Frames, Sound
from hinode.media.reading.container import DecodeError, open_container
from hinode.media.reading.decode import VideoFile
from hinode.media.sound import read_sound
from hinode.request import Size

CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg"})
MAX_BYTES = 2**32
"""Memory that the frames of one clip may take."""

MAX_FPS = 240
SIDE_TOLERANCE = 32
"""Pixels by which a side may differ: servers round sizes to what their model needs."""

MISSING_SHARE, MISSING_SECONDS = 0.1, 0.5
"""Of the length, the larger of both may be missing: models draw certain numbers of frames."""


class VideoDecoder:
    """A video file being decoded; iterate over it to fill `frames`."""

    def __init__(self, file: IO[bytes], *, size: Size, seconds: float) -> None:
        """
        Args:
            size: requested; sides may differ by `SIDE_TOLERANCE` pixels.
            seconds: requested; what the file has beyond them is not decoded.

        Raises:
            DecodeError: it is not the video that was requested.
        """
        self._file, self._video = file, VideoFile(file)
        try:
            self._check(size, seconds)
        except BaseException:
            self.close()
            raise

    def _check(self, size: Size, seconds: float) -> None:
        if self._video.codec not in CODECS:
            raise DecodeError("is packed in a way that cannot be read here")
        self.size: Size = self._video.size
        if any(abs(have - want) > SIDE_TOLERANCE for have, want in zip(self.size, size, strict=True)):
            raise DecodeError(f"is {self.size[0]}x{self.size[1]} where {size[0]}x{size[1]} was requested")
        fps = self._video.average_rate
        if fps is None or not 0 < fps <= MAX_FPS:
            raise DecodeError("has no sensible frame rate")
        self.fps = fps
        self.total = max(1, math.ceil(round(seconds * float(fps), 6)))
        missing = max(MISSING_SHARE * seconds, MISSING_SECONDS) * float(fps)
        self._minimum = max(1, math.floor(self.total - missing))
        if self.total * self.size[0] * self.size[1] * 3 > MAX_BYTES:
            raise DecodeError("is too large for the memory of this server")
        self._buffer: Frames = np.empty((self.total, self.size[1], self.size[0], 3), np.uint8)
        self.count = 0

    @property
    def frames(self) -> Frames:
        """uint8 [T, H, W, 3] in sRGB, as far as they are decoded."""
        return self._buffer[: self.count]

    def __iter__(self) -> Iterator[int]:
        """Decode; yields how many frames there are so far.

        Raises:
            DecodeError: frames are damaged, or too many are missing.
        """
        for picture in islice(self._video, self.total):
            if picture.size != self.size:
                raise DecodeError("changes its size midway")
            self._buffer[self.count] = picture.rgb
            self.count += 1
            yield self.count
        # An MP4 says how many frames it has; one that was cut off lacks some of them.
        declared = min(self._video.stream.frames or self.count, self.total)
        if self.count < declared:
            raise DecodeError(f"has {self.count} frames of {declared}")
        if self.count < self._minimum:
            raise DecodeError(f"has {self.count} frames, too few for its length")

    def read_sound(self) -> Sound | None:
        """The sound of the frames, after they were decoded; None if the file has no sound.

        Raises:
            UnusableSound: it has sound that cannot be decoded.
        """
        seconds = self.count / float(self.fps)
        return read_sound(lambda: open_container(self._file), seconds)

    def close(self) -> None:
        """Close the file."""
        self._video.container.close()
