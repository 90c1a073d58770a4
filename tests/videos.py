"""Videos read back, to see what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.clip import Frames
from hinode.media.reading.container import HEAD_BYTES, media_type
from hinode.media.reading.decode import VideoFile


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


def show_the_same(first: Path, second: Path) -> bool:
    """Whether two videos show and sound the same, bit for bit, and say the same about themselves. Their files
    differ: each is signed by itself."""
    return shown_by(first) == shown_by(second)


def shown_by(path: Path) -> str:
    """A digest of what a video or a picture shows, sounds and says, without its manifest."""
    digest = hashlib.sha256()
    with path.open("rb") as head:
        is_video = media_type(head.read(HEAD_BYTES)) is not None
    if is_video:
        with VideoFile(path) as file:
            digest.update(repr(sorted(file.container.metadata.items())).encode())
            for packet in file.container.demux():
                digest.update(repr((packet.stream.index, packet.pts)).encode() + bytes(packet))
    else:
        with Image.open(path) as image:
            digest.update(image.tobytes())
    return digest.hexdigest()
