from __future__ import annotations

import torch
from torch import Tensor

from hinode.engines.smoothing import LIMIT, smoothed

SPAN = 4


def clip(*levels: float) -> Tensor:
    """A grey clip, one level a frame: [1, T, 3, 8, 8]."""
    return torch.tensor(levels)[None, :, None, None, None].expand(1, -1, 3, 8, 8).clone()


def test_a_small_jump_between_patches_is_spread() -> None:
    jump = LIMIT / 2
    video = clip(0, 0, 0, 0, 0, *[jump] * 4)
    out = smoothed(video, SPAN)[0, :, 0, 4, 4]
    steps = out.diff().abs()
    assert steps.max() < 0.6 * jump
    assert torch.allclose(out[[0, 1, 2]], torch.zeros(3))
    assert out[-1] == jump
    assert torch.allclose(out.sum(), video[0, :, 0, 4, 4].sum())  # both sides give as much


def test_motion_stays() -> None:
    even = clip(*torch.linspace(-0.8, 0.8, 9).tolist())
    assert torch.allclose(smoothed(even, SPAN), even, atol=1e-6)
    large = clip(0, 0, 0, 0, 0, *[2 * LIMIT] * 4)
    assert torch.equal(smoothed(large, SPAN), large)
    within = clip(0, 0, 0, *[LIMIT / 2] * 6)  # not where patches meet
    assert torch.equal(smoothed(within, SPAN), within)


def test_what_is_given_stays_and_the_other_side_meets_it() -> None:
    jump = LIMIT / 2
    video = clip(0, 0, 0, *[jump] * 6)
    kept = torch.zeros(1, 9, 1, 1, 1, dtype=torch.bool)
    kept[:, :3] = True
    out = smoothed(video, 2 * SPAN, kept)
    assert torch.equal(out[:, :3], video[:, :3])
    assert torch.allclose(out[0, 3:6, 0, 4, 4], torch.tensor([0.0, jump / 2, jump]), atol=1e-6)
    region = torch.zeros(1, 1, 1, 8, 8, dtype=torch.bool)
    region[..., :4] = True
    across = clip(0, 0, 0, 0, 0, *[jump] * 4)
    out = smoothed(across, SPAN, region)
    assert torch.equal(out[..., :4], across[..., :4])
    assert not torch.equal(out[..., 4:], across[..., 4:])


def test_short_clips() -> None:
    for frames in (1, 2, 3):
        video = clip(*torch.arange(float(frames)).tolist())
        assert smoothed(video, SPAN).shape == video.shape
