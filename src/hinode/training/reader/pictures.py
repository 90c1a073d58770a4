"""What the reader has to read in spite of, and what it has to refuse: damages, and pictures of nothing."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F


def damage(frames: Tensor) -> Tensor:
    """Frames [B, 3, H, W] in -1..1 as other cameras, codecs and networks may give them."""
    count, size = len(frames), frames.shape[2:]
    gain = 1 + 0.06 * torch.randn(count, 1, 1, 1) + 0.02 * torch.randn(count, 3, 1, 1)
    frames = frames * gain.clamp(0.8, 1.2) + 0.04 * torch.randn(count, 1, 1, 1)
    soft = torch.rand(count) < 0.35
    if bool(soft.any()):
        factor = float(torch.empty(()).uniform_(0.35, 0.9))
        coarse = F.interpolate(frames[soft], scale_factor=factor, mode="bilinear", antialias=True)
        frames[soft] = F.interpolate(coarse, size, mode="bilinear")
    packed = (torch.rand(count) < 0.15).nonzero()[:, 0].tolist()
    for row in packed:
        frames[row] = _through_jpeg(frames[row], int(torch.randint(25, 85, ())))
    noisy = torch.rand(count) < 0.4
    level = 0.08 * torch.rand(int(noisy.sum()), 1, 1, 1)
    frames[noisy] += level * torch.randn_like(frames[noisy])
    return frames.clamp(-1.0, 1.0)


def _through_jpeg(frame: Tensor, quality: int) -> Tensor:
    pixels = ((frame.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "jpeg", quality=quality)
        with Image.open(file) as picture:
            return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def foreign(count: int, like: Tensor, rng: random.Random) -> Tensor:
    """`count` pictures of nothing of this world, as large as the true ones `like` [B, 3, h, w] in -1..1."""
    height, width = like.shape[2:]
    makers = (_noise, _plain, _gradient, _fractal, _fractal, _shapes)
    pictures = []
    for _ in range(count):
        kind = rng.randrange(len(makers) + 2)
        if kind < len(makers):
            picture = makers[kind](height, width)
        else:  # patches of a true frame in another order
            side = rng.choice((8, 16))
            patches = F.unfold(rng.choice(list(like))[None], side, stride=side)
            order = torch.randperm(patches.shape[2])
            picture = F.fold(patches[..., order], (height, width), side, stride=side)[0]
        pictures.append(picture)
    return torch.stack(pictures).clamp(-1.0, 1.0)


def _noise(height: int, width: int) -> Tensor:
    noise = torch.randn(1, int(torch.randint(1, 4, ())), height, width)
    factor = float(torch.randint(1, 9, ()))
    if factor > 1:
        noise = F.interpolate(noise[..., : math.ceil(height / factor), : math.ceil(width / factor)],
                              (height, width), mode=("nearest", "bilinear")[int(factor) % 2])  # fmt: skip
    return (noise[0].mean(0, keepdim=True) if noise.shape[1] == 2 else noise[0]).expand(
        3, -1, -1
    ) * torch.rand(()) + torch.randn(3, 1, 1) * 0.3


def _plain(height: int, width: int) -> Tensor:
    return (torch.rand(3, 1, 1) * 2 - 1).expand(3, height, width) + torch.randn(3, height, width) * 0.02


def _gradient(height: int, width: int) -> Tensor:
    first, second, turn = torch.rand(3, 1, 1), torch.rand(3, 1, 1), torch.rand(()) * 2 * math.pi
    y, x = torch.linspace(-0.7, 0.7, height)[:, None], torch.linspace(-0.7, 0.7, width)
    share = (0.5 + turn.cos() * x + turn.sin() * y).clamp(0, 1)
    if torch.rand(()) < 0.3:
        share = (x.square() + y.square()).clamp(0, 1)
    return (first + (second - first) * share) * 2 - 1


def _fractal(height: int, width: int) -> Tensor:
    """Noise with the spectrum of photographs, and colours that go together."""
    y, x = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    power = (y.square() + x.square()).sqrt().clamp(min=1 / width) ** -float(
        torch.empty(()).uniform_(0.7, 1.8)
    )
    waves = torch.fft.irfft2(torch.fft.rfft2(torch.randn(3, height, width)) * power, (height, width))
    waves = waves / waves.std((1, 2), keepdim=True)
    mixed = torch.einsum("ij,jhw->ihw", torch.randn(3, 3) * 0.25 + 0.4 * torch.rand(()), waves)
    return mixed * float(torch.empty(()).uniform_(0.3, 1.0)) + torch.randn(3, 1, 1) * 0.3


def _shapes(height: int, width: int) -> Tensor:
    """Discs and boxes of plain colours."""
    picture = (torch.rand(3, 1, 1) * 2 - 1).expand(3, height, width).clone()
    y, x = torch.arange(height)[:, None], torch.arange(width)
    for _ in range(int(torch.randint(2, 25, ()))):
        row, column = torch.rand(()) * height, torch.rand(()) * width
        high, wide = 2 + torch.rand(2) * height * 0.35
        dy, dx = ((y - row) / high).abs(), ((x - column) / wide).abs()
        inside = torch.maximum(dy, dx) < 1 if torch.rand(()) < 0.5 else dy.square() + dx.square() < 1
        picture = torch.where(inside, torch.rand(3, 1, 1) * 2 - 1, picture)
    return picture
