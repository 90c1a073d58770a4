"""Clips as bytes and as numbers, their likeness, and what an MP4 file leaves of them."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.media.reading.decode import VideoFile
from hinode.media.timeline import Timeline, frame_rate
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4


def as_bytes(frames: Tensor) -> Frames:
    """[T, 3, H, W] in 0..1 -> uint8 [T, H, W, 3]."""
    levels: Frames = (frames * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return levels


def as_floats(frames: Frames) -> Tensor:
    """The inverse of `as_bytes`."""
    return torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float() / 255


def psnr(frames: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio of a clip in 0..1, in dB."""
    return -10 * math.log10(max(float((frames - truth).square().mean()), 1e-10))


def reencode(frames: Frames, fps: float) -> Frames:
    """A clip [T, H, W, 3] after it was written to an MP4 file and read again."""
    _, height, width, _ = frames.shape
    rate = frame_rate(fps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_mp4(path, frames, (width, height), Timeline(rate, len(frames) / rate), Label())
        with VideoFile(path) as file:
            decoded: Frames = np.stack([picture.rgb for picture in file])
            return decoded
