from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hinode.model.tokens import SpacetimePatches, positions

CPU = torch.device("cpu")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=60)
@given(
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([2, 4, 8]),
)
def test_a_video_comes_back_exactly(
    batch: int, more: int, rows: int, columns: int, frames: int, size: int
) -> None:
    patches = SpacetimePatches(frames, size)
    video = noise(batch, 1 + more * frames, 3, rows * size, columns * size)
    latents = patches.encode(video)
    assert latents.shape == (batch, 1 + more, rows, columns, frames * size * size * 3)
    assert latents.shape[-1] == patches.channels
    assert torch.equal(patches.decode(latents), video)


@given(st.integers(1, 200), st.sampled_from([1, 2, 4, 8]))
def test_latent_frames_hold_the_video_and_no_frame_more_than_they_must(frames: int, span: int) -> None:
    patches = SpacetimePatches(span)
    latent = patches.latent_frames(frames)
    assert 1 + span * (latent - 1) >= frames
    assert latent == 1 or 1 + span * (latent - 2) < frames


@pytest.mark.parametrize(
    "shape", [(2, 16, 16), (16, 16, 16), (5, 12, 16), (5, 16, 20), (4, 8, 8), (18, 64, 64)]
)
def test_what_does_not_fit_is_refused_with_what_would(shape: tuple[int, int, int]) -> None:
    frames, height, width = shape
    with pytest.raises(ValueError, match=rf"{frames} frames of {width}x{height}.*1 \+ 4k.*multiples of 8"):
        SpacetimePatches().encode(torch.zeros(1, frames, 3, height, width))


def test_a_patch_is_one_place_for_four_frames_and_the_first_frame_stands_alone() -> None:
    patches = SpacetimePatches()
    video = noise(1, 9, 3, 24, 32)
    latents = patches.encode(video)
    for frame, latent in ((0, 0), (1, 1), (4, 1), (5, 2), (8, 2)):
        changed = video.clone()
        changed[0, frame, 1, 9, 17] += 1
        touched = (patches.encode(changed) != latents).any(-1).nonzero().tolist()
        assert touched == [[0, latent, 1, 2]]


def test_an_image_is_a_video_of_one_frame() -> None:
    patches = SpacetimePatches()
    video = noise(2, 5, 3, 16, 16)
    image = patches.encode(video[:, :1])
    assert torch.equal(image, patches.encode(video)[:, :1])
    assert torch.equal(patches.decode(image), video[:, :1])


def test_the_four_drafts_of_the_first_frame_are_averaged() -> None:
    patches = SpacetimePatches()
    latents = noise(1, 1, 1, 1, patches.channels)
    drafts = latents.view(4, 8, 8, 3).permute(0, 3, 1, 2)
    assert torch.allclose(patches.decode(latents)[0, 0], drafts.mean(0))


@pytest.mark.parametrize("fps", [8.0, 12.0, 24.0])
def test_times_are_the_middles_of_what_a_latent_frame_shows(fps: float) -> None:
    frames = 17
    seconds = positions(5, 2, 2, fps=fps, frames=4, device=CPU)[:, 0, 0]
    clock = torch.arange(frames) / fps
    shown = torch.cat((clock[:1], clock[1:].view(4, 4).mean(1)))
    assert torch.allclose(seconds, shown)


def test_the_same_second_has_the_same_position_at_any_rate() -> None:
    """Two seconds at 8 and at 24 frames per second begin and end at the same place in time."""
    slow = positions(5, 2, 2, fps=8, frames=4, device=CPU)[:, 0, 0]
    fast = positions(13, 2, 2, fps=24, frames=4, device=CPU)[:, 0, 0]
    # Three latent frames at 24 fps show what one does at 8 fps, a third of a frame earlier on average.
    assert torch.allclose(fast[1:].view(4, 3).mean(1), slow[1:] - 1 / 24, atol=1e-6)
    assert fast[0] == slow[0] == 0


def test_places_are_measured_in_short_sides_from_the_middle() -> None:
    for rows, columns in ((8, 8), (8, 14), (14, 8)):
        places = positions(1, rows, columns, fps=8, frames=4, device=CPU)[0, :, 1:]
        grid = places.view(rows, columns, 2)
        assert torch.allclose(grid.mean((0, 1)), torch.zeros(2), atol=1e-6)
        short = min(rows, columns)
        assert torch.allclose(grid[1, 1] - grid[0, 0], torch.full((2,), 1 / short))
        assert grid[..., 0].max() == pytest.approx((rows - 1) / 2 / short)
        assert grid[..., 1].max() == pytest.approx((columns - 1) / 2 / short)


def test_a_coarse_place_is_the_middle_of_its_four_fine_ones() -> None:
    fine = positions(3, 8, 14, fps=8, frames=4, device=CPU).view(3, 4, 2, 7, 2, 3)
    coarse = positions(3, 4, 7, fps=8, frames=4, device=CPU).view(3, 4, 7, 3)
    assert torch.allclose(fine.mean((2, 4)), coarse, atol=1e-6)
