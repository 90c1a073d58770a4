from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hinode.engines.native.smoothing import (
    EDGE_DIFFERENCE,
    FLICKER,
    MAX_JUMP,
    blend_fixed_edges,
    reduce_flicker,
    smooth_patch_seams,
)

SPAN = 4


def clip(*levels: float) -> Tensor:
    """A grey clip, one level a frame: [1, T, 3, 8, 8]."""
    return torch.tensor(levels)[None, :, None, None, None].expand(1, -1, 3, 8, 8).clone()


def test_a_small_jump_between_patches_is_spread() -> None:
    jump = MAX_JUMP / 2
    video = clip(0, 0, 0, 0, 0, *[jump] * 4)
    out = smooth_patch_seams(video, SPAN)[0, :, 0, 4, 4]
    steps = out.diff().abs()
    assert steps.max() < 0.6 * jump
    assert torch.allclose(out[[0, 1, 2]], torch.zeros(3))
    assert out[-1] == jump
    assert torch.allclose(out.sum(), video[0, :, 0, 4, 4].sum())  # both sides give as much


def test_motion_stays() -> None:
    even = clip(*torch.linspace(-0.8, 0.8, 9).tolist())
    assert torch.allclose(smooth_patch_seams(even, SPAN), even, atol=1e-6)
    large = clip(0, 0, 0, 0, 0, *[2 * MAX_JUMP] * 4)
    assert torch.equal(smooth_patch_seams(large, SPAN), large)
    within = clip(0, 0, 0, *[MAX_JUMP / 2] * 6)  # not where patches meet
    assert torch.equal(smooth_patch_seams(within, SPAN), within)


def test_context_stays_and_the_other_side_meets_it() -> None:
    jump = MAX_JUMP / 2
    video = clip(0, 0, 0, *[jump] * 6)
    fixed = torch.zeros(1, 9, 1, 1, 1, dtype=torch.bool)
    fixed[:, :3] = True
    out = smooth_patch_seams(video, 2 * SPAN, fixed)
    assert torch.equal(out[:, :3], video[:, :3])
    assert torch.allclose(out[0, 3:6, 0, 4, 4], torch.tensor([0.0, jump / 2, jump]), atol=1e-6)
    region = torch.zeros(1, 1, 1, 8, 8, dtype=torch.bool)
    region[..., :4] = True
    across = clip(0, 0, 0, 0, 0, *[jump] * 4)
    out = smooth_patch_seams(across, SPAN, region)
    assert torch.equal(out[..., :4], across[..., :4])
    assert not torch.equal(out[..., 4:], across[..., 4:])


def test_short_clips() -> None:
    for frames in (1, 2, 3):
        video = clip(*torch.arange(float(frames)).tolist())
        assert smooth_patch_seams(video, SPAN).shape == video.shape


def test_flicker_is_averaged_and_motion_is_not() -> None:
    small = FLICKER / 3
    flicker = clip(0, small, 0, small, 0, small, 0)
    out = reduce_flicker(flicker)[0, :, 0, 4, 4]
    assert out.diff().abs().max() < 0.5 * small
    assert float(out.mean()) == pytest.approx(float(flicker.mean()), abs=small / 10)
    large = clip(0, 0, 0, *[4 * FLICKER] * 4)
    assert torch.allclose(reduce_flicker(large), large, atol=1e-6)
    even = clip(*torch.linspace(-0.5, 0.5, 9).tolist())
    assert torch.allclose(reduce_flicker(even)[:, 1:-1], even[:, 1:-1], atol=1e-6)


def test_a_change_of_colour_at_one_brightness_is_motion() -> None:
    video = clip(0.0, 0.0, 0.0, 0.0, 0.0)
    video[:, 2, 0], video[:, 2, 1] = 5 * FLICKER, -5 * FLICKER
    assert torch.allclose(reduce_flicker(video), video, atol=1e-6)


def test_a_drawn_frame_meets_a_context_frame_half_way() -> None:
    small = EDGE_DIFFERENCE / 4
    video = clip(0, 0, small, small, small)
    fixed = torch.zeros(1, 5, 1, 8, 8, dtype=torch.bool)
    fixed[:, :2] = True
    out = blend_fixed_edges(video, fixed)
    assert torch.equal(out[:, :2], video[:, :2])
    assert torch.equal(out[:, 3:], video[:, 3:])
    assert float(out[0, 2, 0, 4, 4]) == pytest.approx(small / 2, rel=0.1)
    back = blend_fixed_edges(video.flip(1), fixed.flip(1))
    assert torch.allclose(back.flip(1), out)
    moved = clip(0, 0, *[4 * EDGE_DIFFERENCE] * 3)
    assert torch.allclose(blend_fixed_edges(moved, fixed), moved, atol=1e-6)


def test_only_pixels_beside_context_are_blended() -> None:
    video = clip(0, EDGE_DIFFERENCE / 4, 0)
    fixed = torch.zeros(1, 3, 1, 8, 8, dtype=torch.bool)
    fixed[:, 0, ..., :4] = True
    out = blend_fixed_edges(video, fixed)
    assert torch.equal(out[..., 4:], video[..., 4:])
    assert (out[:, 1, ..., :4] < video[:, 1, ..., :4]).all()
    assert torch.equal(blend_fixed_edges(video, torch.zeros_like(fixed)), video)
