"""Videos read back, to see what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from hinode.clip import Frames
from hinode.media.decode import VideoFile


@dataclass(frozen=True, eq=False)
class DecodedVideo:
    """A video file, decoded.

    Attributes:
        frames: uint8 [T, H, W, 3], sRGB.
        starts: when each frame is shown first, in seconds.
        seconds: length of the video.
        fps: its nominal rate.
        metadata: what the file says about itself.
    """

    frames: Frames
    starts: tuple[Fraction, ...]
    seconds: Fraction
    fps: Fraction
    metadata: Mapping[str, str]


def read_video(path: Path) -> DecodedVideo:
    """Decode the pictures of an MP4, all of them, into memory."""
    with VideoFile(path) as file:
        frames, starts, ends = zip(
            *((picture.rgb, picture.start, picture.end) for picture in file), strict=True
        )
        rate = Fraction(file.stream.guessed_rate or len(frames) / ends[-1])
        return DecodedVideo(np.stack(frames), starts, ends[-1], rate, dict(file.container.metadata))
