"""Masks that move: a picture whose place changes over a video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.clip import Frames
from hinode.media.writing.video import write_lossless
from hinode.request import Size, Trajectory


def frame_count(seconds: float, fps: Fraction) -> int:
    """Frames of a mask for a video of so many seconds."""
    return max(1, -(-round(seconds * 10**6) * fps // 10**6))


def write_moving(target: Path, mask: Path, track: Trajectory, seconds: float, fps: Fraction) -> Size:
    """Write an MP4, without loss, of a mask that follows a track.

    Args:
        mask: a picture in grey.
        track: (seconds, x, y) in order, at least one: by how much of width and height the mask lies to the
            right of its place in the picture, and below it. What comes in is like most of the picture's edge.
        seconds: length of the video.
        fps: its rate.

    Returns:
        Width and height of its frames.
    """
    with Image.open(mask) as image:
        still = np.asarray(image.convert("L"))
    write_lossless(target, _frames(still, track, seconds, fps), fps)
    return still.shape[1], still.shape[0]


def _frames(still: Frames, track: Trajectory, seconds: float, fps: Fraction) -> Iterator[Frames]:
    height, width = still.shape
    times = np.arange(frame_count(seconds, fps)) / float(fps)
    moments, across, down = np.array(track, np.float64).T
    right = np.rint(np.interp(times, moments, across) * width).astype(int)
    below = np.rint(np.interp(times, moments, down) * height).astype(int)
    edge = np.concatenate((still[0], still[-1], still[:, 0], still[:, -1]))
    around = np.pad(still, 1, constant_values=round(float(np.median(edge))))
    for x, y in zip(right, below, strict=True):
        rows = (np.arange(1, height + 1) - y).clip(0, height + 1)
        columns = (np.arange(1, width + 1) - x).clip(0, width + 1)
        yield np.repeat(around[rows][:, columns, None], 3, axis=2)
