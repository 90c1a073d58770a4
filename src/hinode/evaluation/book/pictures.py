"""Measures of a clip's pictures: how sharp, how steady, and how much changes from frame to frame.

Clips are float32 [T, 3, H, W], 0..1, at `poses.FPS`; y is their luminance [T, H, W] (BT.709).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from hinode.evaluation.book.poses import Poses

BANDS = {"coarse": (1 / 16, 1 / 8), "middle": (1 / 8, 1 / 4), "fine": (1 / 4, 1 / 2)}
"""Bands of the spectrum, in cycles per pixel."""
PERIODS = (4, 8)
"""Frames of a token, at whose borders clips pulse."""
EDGE = 16  # pixels by which a frame is mirrored outwards before its spectrum is taken
NEAR = 1.15  # radius of a subject's region, in halves of its size
NOTHING = 1e-5  # change of luminance between pictures that are the same
SMALL = 8  # pixels of a frame in one of the picture on which order is measured, coarser than rain and snow


def luminance(video: Tensor) -> Tensor:
    """[T, 3, H, W] -> [T, H, W]."""
    return torch.einsum("tchw,c->thw", video, torch.tensor([0.2126, 0.7152, 0.0722]))


def subject_region(poses: list[Poses], height: int, width: int) -> Tensor:
    """Where the plan has a subject: a disc around each, [T, H, W] bool."""
    short = min(height, width)
    right = (torch.arange(width) + 0.5 - width / 2) / short
    down = ((torch.arange(height) + 0.5 - height / 2) / short)[:, None]
    region = torch.zeros(len(poses[0].x) if poses else 1, height, width, dtype=torch.bool)
    for pose in poses:
        x, y, half = (value[:, None, None] for value in (pose.x, pose.y, pose.half))
        region |= (right - x).square() + (down - y).square() < (NEAR * half) ** 2
    return region


def band_power(y: Tensor, region: Tensor) -> dict[str, tuple[float, float]]:
    """The power of gradients by bands of spatial frequencies, in squared levels of 255: for each of `BANDS`
    the mean inside a region [T, H, W] and outside it; nan where nothing lies."""
    padded = functional.pad(y[:, None], (EDGE,) * 4, mode="reflect")[:, 0]
    height, width = padded.shape[-2:]
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
    spectrum = torch.fft.rfft2(padded * 255) * frequency
    region = region.expand_as(y)
    powers = {}
    for name, (low, high) in BANDS.items():
        inside = (frequency >= low) & (frequency < high)
        part = torch.fft.irfft2(spectrum * inside, s=(height, width))[:, EDGE:-EDGE, EDGE:-EDGE].square()
        powers[name] = (float(part[region].mean()), float(part[~region].mean()))
    return powers


def edges(y: Tensor) -> Tensor:
    """The strength of edges in each frame, [T]."""
    return y.diff(dim=-1).abs().mean((-2, -1)) + y.diff(dim=-2).abs().mean((-2, -1))


def first_frame(y: Tensor) -> float:
    """The energy of edges in the first frame over that in the others."""
    strength = edges(y)
    return float(strength[0] / strength[1:].mean().clamp(min=1e-6))


def pulse(series: Tensor, period: int) -> float:
    """The height of a wave with a period of some frames in a series [T], from its lowest to its highest
    phase, as a share of the mean. T is at least twice the period."""
    kernel = torch.ones(1, 1, period + 1) / period
    kernel[..., 0] = kernel[..., -1] = 0.5 / period  # an even number of frames, centred on one of them
    trend = functional.conv1d(series[None, None], kernel)[0, 0]
    rest = series[period // 2 : len(series) - period // 2] - trend
    whole = len(rest) // period * period
    phases = rest[:whole].reshape(-1, period).mean(0)
    return float((phases.amax() - phases.amin()) / series.mean().clamp(min=1e-6))


def disorder(y: Tensor) -> float:
    """The change from frame to frame over the change across four frames: small for motion, 1 for frames in
    no order, nan where nothing moves."""
    size = (y.shape[-2] // SMALL, y.shape[-1] // SMALL)
    small = functional.interpolate(y[:, None], size, mode="area")[:, 0]
    near, far = small.diff(dim=0).abs().mean(), (small[4:] - small[:-4]).abs().mean()
    return float(near / far) if far > NOTHING else math.nan


def change(y: Tensor, region: Tensor) -> Tensor:
    """The mean change of luminance from each frame to the next within a region [T, H, W] of both, [T - 1]."""
    both = (region[1:] | region[:-1]).float()
    return (y.diff(dim=0).abs() * both).sum((-2, -1)) / both.sum((-2, -1)).clamp(min=1.0)
