"""Flicker: how much the background changes back and forth from frame to frame, compared with true clips."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from hinode.world.judge import JudgeNet, places

RADIUS = 0.3  # short sides around the subject that are not background
STEADY_WEATHER = ("clear", "fog")  # rain and snow flicker by nature, and hide what else does
RESAMPLES = 2000


def flicker(frames: Tensor, fps: float, net: JudgeNet) -> list[float]:
    """Mean absolute second difference in time of each clip's background, in levels of 255.

    Steady movement, as of a pan over something smooth, counts little; a trembling edge counts fully. The
    background is what is never near the subject, which the judge locates. `frames`: uint8 [B, T, H, W, 3],
    T >= 3.
    """
    count, _, height, width, _ = frames.shape
    short = min(width, height)
    x, y = ((torch.arange(side) + 0.5) / short for side in (width, height))
    at = places(frames, fps, net) * torch.tensor([width / short, height / short])
    across = (x - at[..., 0, None]).square()[..., None, :]
    down = (y - at[..., 1, None]).square()[..., :, None]
    background = ((across + down) > RADIUS**2).all(1)  # (B, H, W)
    levels = frames.float()
    change = (levels[:, 2:] - 2 * levels[:, 1:-1] + levels[:, :-2]).abs().mean((1, 4))
    return [float(change[clip][background[clip]].mean()) for clip in range(count)]


def compare_flicker(generated: Sequence[float], true: Sequence[float], seed: int = 0) -> dict[str, float]:
    """The mean flicker of generated clips over that of true clips of the same facts, with a 95 % bootstrap
    interval over the pairs."""
    pairs = [pair for pair in zip(generated, true, strict=True) if all(map(math.isfinite, pair))]
    if not pairs:
        return {"n": 0}

    def ratio(sample: Sequence[tuple[float, float]]) -> float:
        return sum(first for first, _ in sample) / sum(second for _, second in sample)

    rng = random.Random(f"flicker/{seed}")
    ratios = sorted(ratio(rng.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    low, high = (ratios[int(share * (RESAMPLES - 1))] for share in (0.025, 0.975))
    drawn, truth = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    figures = {"drawn": drawn, "true": truth, "ratio": ratio(pairs), "low": low, "high": high}
    return {**{name: round(value, 4) for name, value in figures.items()}, "n": len(pairs)}
