from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hinode.engines.native.sampling import DirectedSampler
from hinode.model.dit import DiT
from hinode.model.flow import SamplerState, Sampling
from hinode.model.text import PAD
from tests.tiny_model import tiny_config, tiny_model

CONFIG = tiny_config(20)
CHANNELS = CONFIG.tokenizer.channels
IDS = torch.tensor([[5, 9, 3, PAD], [7, 4, PAD, PAD]])


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


START = noise(1, 2, 4, 4, CHANNELS)


@pytest.fixture(scope="module")
def model() -> DiT:
    return tiny_model(CONFIG)


def last(sampler: DirectedSampler) -> Tensor:
    """The latents after the last step."""
    for _ in sampler:
        pass
    return sampler.state.latents


# From a video


@pytest.mark.parametrize(("strength", "steps"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_less_strength_stays_closer_to_the_guide(model: DiT, strength: float, steps: int) -> None:
    guide = torch.full_like(START, 0.5)
    sampler = DirectedSampler(model, IDS[:1], 8.0, START, Sampling(steps=10, shift=1.0))
    sampler.follow(guide, strength)
    t = 1 - strength
    assert torch.allclose(sampler.state.latents, t * guide + (1 - t) * START, atol=1e-5)
    assert len(list(sampler)) == steps
    if not steps:
        assert torch.equal(sampler.state.latents, guide)


def test_an_edit_changes_what_the_words_change_and_nothing_else(model: DiT) -> None:
    source = noise(*START.shape, seed=5)

    def edit(words: Tensor, strength: float = 1.0) -> Tensor:
        sampler = DirectedSampler(model, IDS[:1], 8.0, START, Sampling(steps=6, guidance=1.0))
        sampler.edit(source, words, strength)
        return last(sampler)

    assert torch.allclose(edit(IDS[:1]), source, atol=1e-5)
    assert torch.equal(edit(IDS[1:], 0.0), source)
    far, near = ((edit(IDS[1:], strength) - source).abs().mean() for strength in (1.0, 0.3))
    assert 1e-3 < near < far


def test_a_resumed_edit_gives_the_same_bits(model: DiT) -> None:
    source = noise(*START.shape, seed=5)

    def edit(state: SamplerState | None = None) -> list[SamplerState]:
        sampler = DirectedSampler(model, IDS[:1], 8.0, START, Sampling(steps=6), state=state)
        sampler.edit(source, IDS[1:], 0.9)
        return list(sampler)

    states = edit()
    resumed = edit(states[2])
    assert resumed[-1].step == 6
    assert len(resumed) == len(states) - 3
    assert torch.equal(resumed[-1].latents, states[-1].latents)


def test_an_edit_has_one_text(model: DiT) -> None:
    shares = torch.full((2, *START.shape), 0.5)
    sampler = DirectedSampler(model, IDS, 8.0, START, Sampling(steps=2), shares=shares)
    with pytest.raises(ValueError, match="one text"):
        sampler.edit(noise(*START.shape, seed=5), IDS[:1], 1.0)


# From several texts


def test_a_clip_is_drawn_from_its_texts_by_their_shares(model: DiT) -> None:
    sampling = Sampling(steps=3, guidance=1.0)
    paths = [list(DirectedSampler(model, IDS[row : row + 1], 8.0, START, sampling)) for row in (0, 1)]
    for row in (0, 1):
        shares = torch.zeros(2, *START.shape)
        shares[row] = 1
        latents = last(DirectedSampler(model, IDS, 8.0, START, sampling, shares=shares))
        torch.testing.assert_close(latents, paths[row][-1].latents)
    halves = torch.full((2, *START.shape), 0.5)
    first = next(DirectedSampler(model, IDS, 8.0, START, sampling, shares=halves)).latents
    torch.testing.assert_close(first, (paths[0][0].latents + paths[1][0].latents) / 2)


def test_all_texts_of_a_clip_share_one_unconditional_prediction(model: DiT) -> None:
    start, sampling = noise(2, 2, 4, 4, CHANNELS), Sampling(steps=2, guidance=3.0)
    share = torch.rand(start.shape, generator=torch.Generator().manual_seed(1))
    # With the same text twice a clip is as from one text.
    twice = torch.cat((IDS, IDS))
    latents = last(
        DirectedSampler(model, twice, 8.0, start, sampling, shares=torch.stack((share, 1 - share)))
    )
    expected = last(DirectedSampler(model, IDS, 8.0, start, sampling))
    torch.testing.assert_close(latents, expected, rtol=1e-3, atol=1e-4)
