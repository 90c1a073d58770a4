from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hinode.model import controls, flow
from hinode.model.dit import DiT, DiTConfig
from hinode.model.flow import Sampler, SamplerState, Sampling, loss, null_text
from hinode.model.text import NULL, PAD
from tests.tiny_model import tiny_config, tiny_model

TINY = tiny_config(20)
IDS = torch.tensor([[5, 9, 3, PAD], [7, 4, PAD, PAD]])


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass
class Oracle:
    """Stands in for a network: computes clean latents from z, levels and the first word of each text, and
    records its calls."""

    clean: Callable[[Tensor, Tensor, Tensor], Tensor]
    config: DiTConfig = TINY
    calls: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # z and levels
    control: Tensor | None = None  # of the last call

    def encode_text(self, ids: Tensor) -> Tensor:
        return ids[:, :1]

    def __call__(
        self, z: Tensor, t: Tensor, text: Tensor, fps: float, control: Tensor | None = None
    ) -> Tensor:
        self.control = control
        z = z.repeat(len(t) // len(z), 1, 1, 1, 1)
        self.calls.append((z.clone(), t.clone()))
        return self.clean(z, t, text)


def draw(model: Any, start: Tensor, sampling: Sampling, ids: Tensor = IDS, **more: Any) -> list[Tensor]:
    """The latents before the first step and after every one."""
    sampler = Sampler(model, ids[: len(start)], 8.0, start, sampling, **more)
    return [sampler.state.latents, *(state.latents for state in sampler)]


@pytest.fixture(scope="module")
def model() -> DiT:
    return tiny_model(TINY)


# The method in one loop


@pytest.mark.parametrize("noise_scale", [1.0, 2.0])
def test_the_sampler_does_what_the_loop_does(noise_scale: float) -> None:
    model = tiny_model(tiny_config(20, noise_scale=noise_scale))
    start = noise(2, 3, 4, 4, TINY.tokenizer.channels)
    latents = flow.sample(model, IDS, 8.0, start, steps=5, guidance=3.0)
    *_, last = Sampler(model, IDS, 8.0, start, Sampling(5, 3.0, guided=(0.0, 1.0)))
    assert latents.shape == start.shape
    torch.testing.assert_close(last.latents, latents, rtol=1e-5, atol=1e-5)


# Loss


def test_the_loss_is_the_velocity_error() -> None:
    x, epsilon = noise(2, 3, 2, 2, 8, seed=1), noise(2, 3, 2, 2, 8, seed=2)
    levels = torch.tensor([[0.2, 0.5, 0.9], [0.1, 0.1, 0.1]])
    weight = 1 + torch.rand(2, 3, 2, 2, 1, generator=seeded(3))
    config = dataclasses.replace(TINY, noise_scale=2.0)
    oracle = Oracle(lambda z, t, text: 0.7 * z, config)
    result = loss(oracle, x, IDS, 8.0, levels=levels, noise=epsilon, weight=weight)  # type: ignore[arg-type]
    t = levels[..., None, None, None]
    z = t * x + (1 - t) * 2.0 * epsilon
    assert torch.allclose(oracle.calls[0][0], z)
    velocity, predicted = (x - z) / (1 - t), (0.7 * z - x + x - z) / (1 - t)
    by_hand = (weight * (predicted - velocity).square()).mean((2, 3, 4))
    assert torch.allclose(result.errors, by_hand, rtol=1e-4)
    assert torch.allclose(result.value, by_hand.mean(), rtol=1e-4)
    assert torch.equal(result.levels, levels)


def test_a_perfect_prediction_costs_nothing() -> None:
    x = noise(2, 3, 2, 2, 8)
    oracle = Oracle(lambda z, t, text: x)
    result = loss(oracle, x, IDS, 8.0, levels=torch.rand(2, 3), noise=noise(2, 3, 2, 2, 8, seed=1))  # type: ignore[arg-type]
    assert result.value == 0


def test_frames_of_context_do_not_count() -> None:
    x, epsilon = noise(2, 3, 2, 2, 8, seed=1), noise(2, 3, 2, 2, 8, seed=2)
    levels = torch.tensor([[1.0, 0.3, 0.3], [1.0, 1.0, 0.6]])

    def cost(wrong_by: float) -> Tensor:
        off = wrong_by * (levels == 1).float()[..., None, None, None]
        oracle = Oracle(lambda z, t, text: 0.5 * z + off)
        return loss(oracle, x, IDS, 8.0, levels=levels, noise=epsilon).value  # type: ignore[arg-type]

    assert torch.equal(cost(0.0), cost(100.0))
    # ... and those that do count as much as ever: the mean is over three frames, not six.
    alone = Oracle(lambda z, t, text: 0.5 * z)
    errors = loss(alone, x, IDS, 8.0, levels=levels, noise=epsilon).errors  # type: ignore[arg-type]
    assert torch.allclose(cost(0.0), errors[levels < 1].mean())


def test_context_reaches_the_network_clean_and_does_not_count() -> None:
    x, epsilon = noise(1, 2, 2, 2, 8, seed=1), noise(1, 2, 2, 2, 8, seed=2)
    mask = torch.zeros(1, 2, 2, 2, 4, dtype=torch.bool)
    mask[0, 0] = True  # a whole latent frame
    mask[0, 1, 0, 1, 2] = True  # one patch of one video frame
    context = mask.repeat_interleave(2, -1)
    levels = torch.tensor([[0.4, 0.4]])

    def cost(wrong_by: Tensor) -> flow.Loss:
        oracle = Oracle(lambda z, t, text: x + wrong_by)
        result = loss(oracle, x, IDS[:1], 8.0, levels=levels, noise=epsilon, mask=mask)  # type: ignore[arg-type]
        z, t = oracle.calls[0]
        assert torch.equal(z[context], x[context])
        assert torch.allclose(z[~context], (0.4 * x + 0.6 * epsilon)[~context])
        assert t.tolist() == [[1.0, pytest.approx(0.4)]]
        assert oracle.control is not None
        assert torch.equal(oracle.control[..., :4], controls.GAINS[0] * mask.float())
        return result

    assert cost(100.0 * context.float()).value == 0
    assert float(cost(0.6 * torch.ones_like(x)).value) == pytest.approx(1.0, rel=1e-5)


def test_nearly_clean_frames_weigh_no_more_than_the_bound() -> None:
    x = noise(1, 1, 2, 2, 8)
    oracle = Oracle(lambda z, t, text: x + 0.1)
    levels = torch.tensor([[0.9999]])
    result = loss(oracle, x, IDS[:1], 8.0, levels=levels, noise=noise(1, 1, 2, 2, 8))  # type: ignore[arg-type]
    assert float(result.value) == pytest.approx((0.1 / flow.NEAREST) ** 2, rel=1e-3)


def test_the_loss_teaches_the_network(model: DiT) -> None:
    learner = DiT(TINY)
    x = learner.config.tokenizer.encode(noise(2, 5, 3, 16, 16).clamp(-1, 1))
    inputs = {"levels": torch.rand(2, 2, generator=seeded(1)), "noise": noise(*x.shape, seed=2)}
    optimiser = torch.optim.Adam(learner.parameters(), 1e-2)
    costs = []
    for _ in range(12):
        result = loss(learner, x, IDS, 8.0, **inputs)
        torch.autograd.backward(result.value)
        optimiser.step()
        optimiser.zero_grad()
        costs.append(float(result.value.detach()))
    assert costs[-1] < 0.6 * costs[0]


# Sampling


def test_a_student_steps_from_the_levels_that_it_learnt() -> None:
    rows = ((0.0, 0.1, 0.3, 0.6), (0.02, 0.3))
    four, two, three = (Sampling(steps=steps, learnt=rows).schedule().tolist() for steps in (4, 2, 3))
    assert (four, two) == ([*rows[0], 1.0], [*rows[1], 1.0])
    assert three == Sampling(steps=3).schedule().tolist()


@given(st.integers(1, 60), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 5.0]))
def test_a_schedule_climbs_from_exactly_0_to_exactly_1(steps: int, shift: float) -> None:
    times = Sampling(steps=steps, shift=shift).schedule().tolist()
    assert len(times) == steps + 1
    assert (times[0], times[-1]) == (0.0, 1.0)
    assert all(after > before for before, after in itertools.pairwise(times))
    at_high_noise = sum(t < 0.5 for t in times) / len(times)
    if steps > 10:
        assert (at_high_noise > 0.55) == (shift > 1)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_perfect_network_draws_the_clean_clip(steps: int) -> None:
    x, start = noise(2, 3, 2, 2, 8, seed=1), noise(2, 3, 2, 2, 8, seed=2)
    sampling = Sampling(steps=steps, guidance=1.0)
    path = draw(Oracle(lambda z, t, text: x), start, sampling)
    assert torch.allclose(path[-1], x, atol=1e-5)
    for t, latents in zip(sampling.schedule().tolist(), path, strict=True):
        assert torch.allclose(latents, t * x + (1 - t) * start, atol=1e-5)


def test_every_step_reads_its_own_noise_level() -> None:
    oracle = Oracle(lambda z, t, text: 0.5 * z)
    sampling = Sampling(steps=5, guidance=1.0)
    draw(oracle, noise(2, 3, 2, 2, 8), sampling)
    assert [levels.unique().tolist() for _, levels in oracle.calls] == [
        pytest.approx([t]) for t in sampling.schedule().tolist()[:-1]
    ]


def test_noise_is_scaled_as_in_training() -> None:
    start = noise(2, 3, 2, 2, 8)
    oracle = Oracle(lambda z, t, text: z, dataclasses.replace(TINY, noise_scale=2.0))
    assert torch.equal(draw(oracle, start, Sampling(steps=1))[0], 2 * start)


def test_the_error_of_a_curved_path_falls_with_the_step() -> None:
    """Data from a Gaussian of width s: the best prediction is known, and so is the end of every path."""
    spread = 0.3

    def clean(z: Tensor, t: Tensor, text: Tensor) -> Tensor:
        t = t[..., None, None, None].double()
        return t * spread**2 / (t**2 * spread**2 + (1 - t) ** 2) * z

    start = noise(1, 1, 2, 2, 8)

    def error(steps: int) -> float:
        sampling = Sampling(steps=steps, guidance=1.0, shift=1.0)
        return float((draw(Oracle(clean), start, sampling)[-1] - spread * start).abs().max())

    assert 1.7 < error(20) / error(40) < 2.3


def test_a_resumed_run_gives_the_same_bits(model: DiT) -> None:
    start = noise(2, 3, 4, 4, TINY.tokenizer.channels)
    sampling = Sampling(steps=5, guidance=2.0)
    path = draw(model, start, sampling)
    for stop in range(6):
        state = SamplerState(path[stop].clone(), stop)
        rest = draw(model, torch.zeros_like(start), sampling, state=state)
        assert len(rest) == 6 - stop
        assert torch.equal(rest[-1], path[-1])


def test_a_finished_run_stays_finished(model: DiT) -> None:
    sampler = Sampler(model, IDS[:1], 8.0, noise(1, 1, 2, 2, 768), Sampling(steps=2))
    assert [state.step for state in sampler] == [1, 2]
    last = sampler.state
    assert list(sampler) == []
    with pytest.raises(StopIteration):
        next(sampler)
    assert sampler.state is last


def by_text(z: Tensor, t: Tensor, text: Tensor) -> Tensor:
    """Clean latents that are the number of the first word."""
    return torch.zeros_like(z) + text[:, :, None, None, None]


def test_guidance_leads_away_from_the_unconditional_prediction() -> None:
    start = noise(2, 1, 2, 2, 8)
    for guidance in (1.0, 2.5):
        end = draw(Oracle(by_text), start, Sampling(4, guidance, guided=(0.0, 1.0)))[-1]
        for row, word in enumerate((5, 7)):
            assert torch.allclose(end[row], torch.tensor(NULL + guidance * (word - NULL)), atol=1e-4)


def test_guidance_can_lead_away_from_a_text() -> None:
    start, negative = noise(2, 1, 2, 2, 8), torch.tensor([[4, PAD, PAD, PAD], [NULL, PAD, PAD, PAD]])
    sampling = Sampling(4, 2.5, guided=(0.0, 1.0))
    end = draw(Oracle(by_text), start, sampling, negative_ids=negative)[-1]
    for row, (word, away) in enumerate(((5, 4), (7, NULL))):
        assert torch.allclose(end[row], torch.tensor(away + 2.5 * (word - away)), atol=1e-4)
    # The null text is the default.
    end = draw(Oracle(by_text), start, sampling, negative_ids=null_text(IDS))[-1]
    assert torch.equal(end, draw(Oracle(by_text), start, sampling)[-1])


def test_guidance_1_predicts_once_a_step_without_the_null_text(model: DiT) -> None:
    start = noise(2, 3, 4, 4, TINY.tokenizer.channels)
    oracle = Oracle(by_text)
    draw(oracle, start, Sampling(steps=3, guidance=1.0))
    assert [len(z) for z, _ in oracle.calls] == [2, 2, 2]
    # Guidance of 1.0001 computes both answers and mixes in next to nothing of the second.
    exact, nearly = (draw(model, start, Sampling(3, g, guided=(0.0, 1.0)))[-1] for g in (1.0, 1.0001))
    assert torch.allclose(exact, nearly, atol=1e-2)
    assert not torch.allclose(exact, draw(model, start, Sampling(3, 3.0))[-1], atol=1e-2)


def test_guidance_is_spent_only_within_its_noise_levels() -> None:
    oracle = Oracle(by_text)
    sampling = Sampling(steps=10, guidance=2.0, guided=(0.3, 0.8), shift=1.0)
    draw(oracle, noise(2, 1, 2, 2, 8), sampling)
    doubled = [len(z) == 4 for z, _ in oracle.calls]
    assert doubled == [0.3 <= t <= 0.8 for t in sampling.schedule().tolist()[:-1]]
    assert 0 < sum(doubled) < 10


def test_context_is_kept_and_called_clean(model: DiT) -> None:
    start = noise(2, 3, 4, 4, TINY.tokenizer.channels)
    context = torch.full_like(start, torch.nan)
    context[0, :2] = noise(2, 4, 4, TINY.tokenizer.channels, seed=1)
    context[1, 2] = noise(4, 4, TINY.tokenizer.channels, seed=2)
    frames = torch.tensor([[True, True, False], [False, False, True]])
    sampling = Sampling(steps=4, guidance=2.0, guided=(0.0, 1.0))
    path = draw(model, start, sampling, context=context)
    for latents in path:
        assert torch.equal(latents[frames], context[frames])
        assert not latents.isnan().any()
    assert not torch.equal(path[-1][~frames], draw(model, start, sampling)[-1][~frames])
    oracle = Oracle(by_text)
    draw(oracle, start, sampling, context=context)
    for _, levels in oracle.calls:
        assert torch.equal(levels == 1, frames.repeat(len(levels) // 2, 1))


def test_a_single_frame_or_whole_patch_can_be_context(model: DiT) -> None:
    start = noise(1, 3, 4, 4, TINY.tokenizer.channels)
    context = torch.full_like(start, torch.nan).unflatten(-1, (4, -1))
    context[0, 1, :, :, 3] = 0.25  # the last video frame of a latent frame
    context[0, 2, 1, 2, :, :-1] = 0.5  # not all of a patch: no context
    latents = draw(model, start, Sampling(steps=3), context=context.flatten(-2))[-1].unflatten(-1, (4, -1))
    assert (latents[0, 1, :, :, 3] == 0.25).all()
    assert not (latents[0, 1, :, :, :3] == 0.25).any()
    assert not (latents[0, 2] == 0.5).any()
    assert not latents.isnan().any()


def test_a_network_with_control_channels_reads_context_and_motion() -> None:
    oracle = Oracle(by_text, dataclasses.replace(TINY, control=True))
    start = noise(1, 2, 2, 2, 8)
    context = torch.full_like(start, torch.nan)
    context[:, 0] = 0.0
    motion = noise(1, 2, 2, 2, 7, seed=1)
    draw(oracle, start, Sampling(steps=2, guidance=2.0, guided=(0.0, 1.0)), context=context, motion=motion)
    assert oracle.control is not None
    assert oracle.control.shape == (2, 2, 2, 2, 11)
    assert torch.equal(oracle.control[0, ..., :4], oracle.control[1, ..., :4])
    assert oracle.control[:, 0, ..., :4].min() == controls.GAINS[0]
    assert oracle.control[:, 1, ..., :4].max() == 0
    # The unconditional prediction reads the context and no motion.
    mask = torch.zeros(1, 2, 2, 2, 4, dtype=torch.bool)
    assert torch.equal(oracle.control[:1, ..., 4:], controls.encode(mask, motion)[..., 4:])
    assert oracle.control[1, ..., 4:].abs().max() == 0


def test_the_words_decide_what_is_drawn(model: DiT) -> None:
    start = noise(1, 1, 4, 4, TINY.tokenizer.channels)
    one, other = (draw(model, start, Sampling(steps=3), ids=IDS[k : k + 1])[-1] for k in (0, 1))
    assert (one - other).abs().max() > 0.01
