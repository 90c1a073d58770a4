"""Rollouts, their targets and losses; students and their files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hinode.engines.native import catalog, checkpoint
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.composition import CAMERA_NOISE_SHARE
from hinode.errors import ModelError
from hinode.model.dit import DiT
from hinode.model.flow import Sampler, SamplerState, Sampling
from hinode.training import data, distillation, run
from hinode.training.directions import sample_directions
from hinode.training.distillation import (
    Distiller,
    Leap,
    Rollout,
    distil,
    leaps,
    loss,
    roll_out,
    schedules,
    student_recipe,
)
from hinode.training.recipes import RECIPES, Recipe

CPU = torch.device("cpu")
WORDS = data.vocabulary()
SMOKE = RECIPES["smoke"]()
SAMPLING = dataclasses.replace(SMOKE.sampling, steps=distillation.TEACHER_STEPS)

pytestmark = pytest.mark.usefixtures("exact")


@pytest.fixture(scope="module")
def teacher() -> Checkpoint:
    """A network of toy size that generates something, though nothing in particular."""
    torch.manual_seed(3)
    config = dataclasses.replace(SMOKE.model, vocabulary=len(WORDS))
    model = DiT(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.06)
    return Checkpoint(model.eval().requires_grad_(False), WORDS, {"recipe": "smoke"})


def smoke_recipe(**changes: float) -> Recipe:
    """The student's recipe with batches of two clips."""
    recipe = student_recipe(Checkpoint(None, WORDS, {"recipe": "smoke"}), 0.1)  # type: ignore[arg-type]
    (_, (bucket, _)) = recipe.stages[0].mix
    stage = dataclasses.replace(recipe.stages[0], mix=((dataclasses.replace(bucket, batch_size=2), 1.0),))
    return dataclasses.replace(recipe, stages=(stage,), **changes)  # type: ignore[arg-type]


def make_batch(step: int = 3) -> data.Batch:
    return data.training_batch(smoke_recipe(), step, 1.0, WORDS, multiple=8)


def make_rollouts(
    teacher: Checkpoint, student: nn.Module | None = None, sampling: Sampling = SAMPLING, **changes: float
) -> list[Rollout]:
    """The rollouts of one batch; the student is the teacher itself if none is given."""
    batch = make_batch()
    video = data.render_batch(batch, CPU)
    return roll_out(teacher, student or teacher.model, batch, smoke_recipe(**changes), sampling, video)


class PerfectStudent(nn.Module):
    """A student that reproduces its teacher's states from the noise levels alone."""

    def __init__(self, teacher: Checkpoint, states: list[Tensor]) -> None:
        super().__init__()
        self.config, self.states, self.encode_text = teacher.model.config, states, teacher.model.encode_text

    def forward(self, z: Tensor, levels: Tensor, *_: object) -> Tensor:
        now = float(levels.min())
        (leap,) = [leap for leap in leaps(SAMPLING) if abs(leap.now - now) < 1e-6]
        start, end = self.states[leap.first], self.states[leap.last]
        return start + (end - start) * (1 - leap.now) / (leap.later - leap.now)


def test_every_level_identifies_its_schedule_and_ends_on_a_level_of_the_teacher() -> None:
    rows = schedules(SAMPLING)
    assert [len(row) for row in rows] == [4, 2]
    levels = [level for row in rows for level in row]
    assert len(set(levels)) == len(levels)
    times = SAMPLING.schedule().tolist()
    assert all(level in times for row in rows for level in row[1:])
    for leap in leaps(SAMPLING):
        assert leap.now < leap.later == times[leap.last]


def start_sampler(network: nn.Module, sampling: Sampling, **changes: float) -> Sampler:
    """A sampler before its first step, on the noise and the conditions of `make_rollouts`."""
    batch, recipe = make_batch(), smoke_recipe(**changes)
    tokenizer = network.config.tokenizer
    x = tokenizer.encode(data.render_batch(batch, CPU))
    mask, motion = sample_directions(recipe, batch, tokenizer, CPU)
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + batch.step)
    noise = distillation.sample_noise(batch, mask, tokenizer, generator)
    pixels = x.masked_fill(~mask.repeat_interleave(x.shape[-1] // mask.shape[-1], -1), torch.nan)
    return Sampler(network, batch.ids, batch.bucket.fps, noise, sampling, context=pixels, motion=motion)  # type: ignore[arg-type]


def targets_of(rollouts: list[Rollout], leap: Leap) -> tuple[Tensor, Tensor]:
    """Where a leap of all clips begins and where it should end."""
    starts, ends = zip(*(rollout.targets[leap] for rollout in rollouts), strict=True)
    return torch.stack(starts).float(), torch.stack(ends).float()


@pytest.mark.parametrize("steps", [4, 2])
def test_a_perfect_student_arrives_where_its_teacher_does(teacher: Checkpoint, steps: int) -> None:
    sampler = start_sampler(teacher.model, SAMPLING, mask_share=0.5)
    states = [sampler.state.latents, *(state.latents for state in sampler)]
    student = PerfectStudent(teacher, states)
    rollouts = make_rollouts(teacher, student, mask_share=0.5)
    for leap in leaps(SAMPLING):
        start, end = targets_of(rollouts, leap)
        assert torch.allclose(start, states[leap.first], atol=0.02)  # rollouts are bfloat16
        assert torch.allclose(end, states[leap.last], atol=0.02)
        assert float(loss(student, rollouts, [leap] * len(rollouts), 8).value) < 1e-4
    sampling = Sampling(steps, guidance=1.0, learnt=schedules(SAMPLING))
    quick = start_sampler(student, sampling, mask_share=0.5)
    assert len(list(quick)) == steps
    assert torch.allclose(quick.state.latents, states[-1], atol=1e-4)


@pytest.mark.parametrize("steps", [4, 2])
def test_targets_start_at_the_students_own_states(teacher: Checkpoint, steps: int) -> None:
    """Not at its teacher's."""
    torch.manual_seed(4)
    student = DiT(teacher.model.config).eval()
    for parameter in student.parameters():
        nn.init.normal_(parameter, std=0.05)
    rollouts = make_rollouts(teacher, student, mask_share=0.3)
    sampling = Sampling(steps, guidance=1.0, learnt=schedules(SAMPLING))
    quick = start_sampler(student, sampling, mask_share=0.3)
    sampler = start_sampler(teacher.model, SAMPLING, mask_share=0.3)
    for leap in leaps(SAMPLING)[:4] if steps == 4 else leaps(SAMPLING)[4:]:
        state = quick.state.latents
        sampler.state = SamplerState(state, leap.first)
        while sampler.state.step < leap.last:
            next(sampler)
        start, end = targets_of(rollouts, leap)
        assert torch.allclose(start, state, atol=0.02)
        assert torch.allclose(end, sampler.state.latents, atol=0.02)
        next(quick)
    final = list(start_sampler(teacher.model, SAMPLING, mask_share=0.3))[-1].latents
    assert not torch.allclose(end, final, atol=0.2)


def test_the_teacher_uses_its_guidance(teacher: Checkpoint) -> None:
    unguided = dataclasses.replace(SAMPLING, guidance=1.0)
    first = leaps(SAMPLING)[0]
    with_guidance, without = (
        make_rollouts(teacher, sampling=sampling, mask_share=0.0)[0].targets[first]
        for sampling in (SAMPLING, unguided)
    )
    assert torch.equal(with_guidance[0], without[0])
    assert not torch.allclose(with_guidance[1], without[1], atol=1e-2)


def test_given_values_stay_and_are_not_learnt(teacher: Checkpoint) -> None:
    rollouts = make_rollouts(teacher, mask_share=1.0)
    x = teacher.model.config.tokenizer.encode(data.render_batch(make_batch(), CPU))
    assert all(rollout.mask.any() and not rollout.mask.all() for rollout in rollouts)
    for rollout, clip in zip(rollouts, x, strict=True):
        for state in (state for pair in rollout.targets.values() for state in pair):
            assert torch.equal(state[rollout.mask], clip[rollout.mask].to(torch.bfloat16))
    leap = leaps(SAMPLING)[1]

    def spoil(rollout: Rollout) -> Rollout:
        start, end = rollout.targets[leap]
        end = end.masked_fill(rollout.mask, 9.0)
        return dataclasses.replace(rollout, targets=rollout.targets | {leap: (start, end)})

    steps = [leap] * len(rollouts)
    value = loss(teacher.model, rollouts, steps, 8).value
    assert value > 0
    assert torch.equal(loss(teacher.model, [spoil(rollout) for rollout in rollouts], steps, 8).value, value)


def test_noise_moves_with_the_camera_unless_pixels_are_given(teacher: Checkpoint) -> None:
    batch = make_batch()
    scenes = [dataclasses.replace(scene, camera="pan left") for scene in batch.scenes]
    panning = dataclasses.replace(batch, scenes=scenes)
    still = dataclasses.replace(batch, scenes=[dataclasses.replace(s, camera="still") for s in scenes])
    patches = teacher.model.config.tokenizer
    free = torch.zeros(2, 2, 4, 4, patches.frames, dtype=torch.bool)
    opening = free.clone()
    opening[1, 0] = True
    independent, moving, partial = (
        distillation.sample_noise(b, mask, patches, torch.Generator().manual_seed(1))
        for b, mask in ((still, free), (panning, free), (panning, opening))
    )
    assert torch.equal(
        independent, torch.randn(independent.shape, generator=torch.Generator().manual_seed(1))
    )
    correlation = torch.corrcoef(torch.stack((independent[0].flatten(), moving[0].flatten())))
    assert float(correlation[0, 1]) == pytest.approx((1 - CAMERA_NOISE_SHARE**2) ** 0.5, abs=0.03)
    assert torch.equal(partial[0], moving[0])
    assert torch.equal(partial[1], independent[1])


def test_training_brings_the_student_nearer_to_its_teacher(teacher: Checkpoint, tmp_path: Path) -> None:
    recipe = dataclasses.replace(smoke_recipe(), average=0.5)
    student = Distiller(recipe, tmp_path, CPU, teacher, teacher, "toy")
    before = student.validate()
    for step in range(8):
        batch = data.training_batch(student.recipe, step, 1.0, WORDS, multiple=8)
        student.learn(batch, data.render_batch(batch, CPU), 3e-3)
    after = student.validate()
    assert after["validation"] < 0.7 * before["validation"]
    assert (student.progress.step, student.progress.clips) == (8, 16)
    assert student.progress.flops > 0


def test_the_memory_holds_the_latest_rollouts(
    teacher: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "MEMORY_CLIPS", 3)
    student = Distiller(smoke_recipe(), tmp_path, CPU, teacher, teacher, "toy")
    contents: list[list[Rollout]] = []
    for step in range(3):
        batch = data.training_batch(student.recipe, step, 1.0, WORDS, multiple=8)
        student.learn(batch, data.render_batch(batch, CPU), 0.0)
        (memory,) = student.memory.values()
        contents.append(list(memory))
    assert [len(memory) for memory in contents] == [2, 3, 3]
    assert contents[1][0] is contents[0][1]
    assert not any(new is old for new in contents[2] for old in contents[0])


def test_a_run_continues_and_its_file_says_how_to_sample(
    teacher: Checkpoint, tmp_path: Path, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "VALIDATION_CLIPS", 2)
    path = tmp_path / "toy.safetensors"
    checkpoint.save(path, teacher.model.state_dict(), teacher.model.config, WORDS, teacher.facts)
    out = tmp_path / "out"

    def read_log() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (out / run.LOG_FILE).read_text().splitlines()]

    distil(path, out, minutes=0.01, threads=1)
    first = read_log()
    model = distil(path, out, minutes=0.02, threads=1)
    log = read_log()
    assert log[: len(first)] == first
    assert [line["event"] for line in log if "event" in line] == ["start", "done", "resume", "done"]
    assert log[-1]["steps"] > first[-1]["steps"] > 0
    card = catalog.read_card("quick", model)
    assert (card.teacher, card.learnt) == ("toy", (2, 4))
    assert (card.sampling["steps"], card.sampling["guidance"]) == (4, 1.0)
    assert card.sampling["learnt"] == schedules(SAMPLING)
    second = distil(path, tmp_path / "second", start=model, minutes=0.001, threads=1)
    before, after = (checkpoint.load(file).model.final.weight for file in (model, second))
    start = checkpoint.load(path).model.final.weight
    assert (after - before).abs().max() < 0.1 * (start - before).abs().max()


def test_unsuitable_teachers_are_refused(teacher: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no known recipe"):
        student_recipe(dataclasses.replace(teacher, facts={}), 1.0)
    other = dataclasses.replace(SMOKE, model=dataclasses.replace(SMOKE.model, width=128))
    with pytest.raises(ModelError, match="another network"):
        Distiller(other, tmp_path, CPU, teacher, teacher, "toy")
