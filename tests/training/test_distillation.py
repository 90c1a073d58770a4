from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hinode.engines.native import catalog
from hinode.engines.native.composition import CAMERA_NOISE_SHARE
from hinode.errors import ModelError
from hinode.model import checkpoint
from hinode.model.checkpoint import Checkpoint
from hinode.model.dit import DiT
from hinode.model.flow import Sampler, SamplerState, Sampling
from hinode.training import data, distillation, trainer
from hinode.training.directions import directions
from hinode.training.distillation import (
    Distiller,
    Leap,
    Way,
    distil,
    drawn,
    leaps,
    loss,
    recipe_of,
    schedules,
)
from hinode.training.recipes import RECIPES

CPU = torch.device("cpu")
WORDS = data.vocabulary()
SMOKE = RECIPES["smoke"]()
WAY = dataclasses.replace(SMOKE.sampling, steps=distillation.STEPS)


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """float32 on any machine, and one thread, so that numbers can be compared."""
    for module in (trainer, distillation):
        monkeypatch.setattr(module, "compute_type", lambda device: torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def teacher() -> Checkpoint:
    """A network of toy size that draws something, though nothing in particular."""
    torch.manual_seed(3)
    config = dataclasses.replace(SMOKE.model, vocabulary=len(WORDS))
    model = DiT(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.06)
    return Checkpoint(model.eval().requires_grad_(False), WORDS, {"recipe": "smoke"})


def script(step: int = 3) -> data.Script:
    return data.step_script(recipe_of_smoke(), step, 1.0, WORDS, multiple=8)


def recipe_of_smoke() -> Any:
    recipe = recipe_of(Checkpoint(None, WORDS, {"recipe": "smoke"}), 0.1)  # type: ignore[arg-type]
    (_, clip) = recipe.stages[0].mix
    clips = dataclasses.replace(clip[0], batch=2)
    return dataclasses.replace(recipe, stages=(dataclasses.replace(recipe.stages[0], mix=((clips, 1.0),)),))


def ways(
    teacher: Checkpoint, student: nn.Module | None = None, how: Sampling = WAY, **changes: float
) -> list[Way]:
    """What is learnt from a script; the student is the teacher itself if none is given."""
    told = script()
    recipe = dataclasses.replace(recipe_of_smoke(), **changes)
    return drawn(teacher, student or teacher.model, told, recipe, how, data.draw(told, CPU))


class Knowing(nn.Module):
    """A student that has learnt its teacher's ways by heart: it goes by the noise levels alone."""

    def __init__(self, teacher: Checkpoint, states: list[Tensor]) -> None:
        super().__init__()
        self.config, self.states, self.encode_text = teacher.model.config, states, teacher.model.encode_text

    def forward(
        self,
        z: Tensor,
        levels: Tensor,
        condition: object,
        fps: float,
        guidance: Tensor | None = None,
        hinted: Tensor | None = None,
    ) -> Tensor:
        now = float(levels.min())
        (leap,) = [leap for leap in leaps(WAY) if abs(leap.now - now) < 1e-6]
        start, end = self.states[leap.first], self.states[leap.last]
        return start + (end - start) * (1 - leap.now) / (leap.later - leap.now)


def test_both_schedules_are_told_apart_by_every_level_and_end_on_levels_of_the_teacher() -> None:
    rows = schedules(WAY)
    assert [len(row) for row in rows] == [4, 2]
    told = [level for row in rows for level in row]
    assert len(set(told)) == len(told)
    times = WAY.schedule().tolist()
    assert all(level in times for row in rows for level in row[1:])
    for leap in leaps(WAY):
        assert leap.now < leap.later == times[leap.last]


def going(network: nn.Module, how: Sampling, **changes: float) -> Sampler:
    """A network before its first step, from where the clips of `ways` begin."""
    told = script()
    recipe = dataclasses.replace(recipe_of_smoke(), **changes)
    tokenizer = network.config.tokenizer
    x = tokenizer.encode(data.draw(told, CPU))
    known, motion = directions(recipe, told, tokenizer, CPU)
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + told.step)
    noise = distillation.noise_of(told, known, tokenizer, generator)
    given = x.masked_fill(~known.repeat_interleave(x.shape[-1] // known.shape[-1], -1), torch.nan)
    return Sampler(network, told.ids, told.bucket.fps, noise, how, given=given, motion=motion)  # type: ignore[arg-type]


def leg(shown: list[Way], leap: Leap) -> tuple[Tensor, Tensor]:
    """Where a leap of all clips begins and where it should end."""
    begun, ended = zip(*(way.legs[leap] for way in shown), strict=True)
    return torch.stack(begun).float(), torch.stack(ended).float()


@pytest.mark.parametrize("steps", [4, 2])
def test_a_student_without_error_arrives_where_its_teacher_does(teacher: Checkpoint, steps: int) -> None:
    sampler = going(teacher.model, WAY, known=0.5)
    states = [sampler.state.latents, *(state.latents for state in sampler)]
    student = Knowing(teacher, states)
    shown = ways(teacher, student, known=0.5)
    for leap in leaps(WAY):
        begun, ended = leg(shown, leap)
        assert torch.allclose(begun, states[leap.first], atol=0.02)  # kept in bfloat16
        assert torch.allclose(ended, states[leap.last], atol=0.02)
        assert float(loss(student, shown, [leap] * len(shown), 8).value) < 1e-4
    quick = going(student, Sampling(steps, guidance=1.0, learnt=schedules(WAY)), known=0.5)
    assert len(list(quick)) == steps
    assert torch.allclose(quick.state.latents, states[-1], atol=1e-4)


@pytest.mark.parametrize("steps", [4, 2])
def test_a_student_is_shown_how_to_go_on_from_where_it_is(teacher: Checkpoint, steps: int) -> None:
    """Not from where its teacher would be."""
    torch.manual_seed(4)
    student = DiT(teacher.model.config).eval()
    for parameter in student.parameters():
        nn.init.normal_(parameter, std=0.05)
    shown = ways(teacher, student, known=0.3)
    quick = going(student, Sampling(steps, guidance=1.0, learnt=schedules(WAY)), known=0.3)
    led = going(teacher.model, WAY, known=0.3)
    for leap in leaps(WAY)[:4] if steps == 4 else leaps(WAY)[4:]:
        here = quick.state.latents
        led.state = SamplerState(here, leap.first)
        while led.state.step < leap.last:
            next(led)
        begun, ended = leg(shown, leap)
        assert torch.allclose(begun, here, atol=0.02)
        assert torch.allclose(ended, led.state.latents, atol=0.02)
        next(quick)
    alone = list(going(teacher.model, WAY, known=0.3))[-1].latents
    assert not torch.allclose(ended, alone, atol=0.2)


def test_the_teacher_follows_the_text_with_its_guidance(teacher: Checkpoint) -> None:
    plain = dataclasses.replace(WAY, guidance=1.0)
    first = leaps(WAY)[0]
    led, alone = (ways(teacher, how=how, known=0.0)[0].legs[first] for how in (WAY, plain))
    assert torch.equal(led[0], alone[0])
    assert not torch.allclose(led[1], alone[1], atol=1e-2)


def test_what_is_given_stays_and_is_not_learnt(teacher: Checkpoint) -> None:
    given = ways(teacher, known=1.0)
    x = teacher.model.config.tokenizer.encode(data.draw(script(), CPU))
    assert all(way.kept.any() and not way.kept.all() for way in given)
    for way, clip in zip(given, x, strict=True):
        for state in (state for leg in way.legs.values() for state in leg):
            assert torch.equal(state[way.kept], clip[way.kept].to(torch.bfloat16))
    leap = leaps(WAY)[1]
    spoilt = [
        dataclasses.replace(
            way, legs=way.legs | {leap: (way.legs[leap][0], way.legs[leap][1].masked_fill(way.kept, 9.0))}
        )
        for way in given
    ]
    steps = [leap] * len(given)
    before = loss(teacher.model, given, steps, 8).value
    assert before > 0
    assert torch.equal(loss(teacher.model, spoilt, steps, 8).value, before)


def test_clips_are_drawn_from_noise_that_goes_along_as_it_does_in_use(teacher: Checkpoint) -> None:
    """With a camera that pans, unless a part of the clip is given."""
    told = script()
    scenes = [dataclasses.replace(scene, camera="pan left") for scene in told.scenes]
    told = dataclasses.replace(told, scenes=scenes)
    patches = teacher.model.config.tokenizer
    free = torch.zeros(2, 2, 4, 4, patches.frames, dtype=torch.bool)
    given = free.clone()
    given[1, 0] = True
    still = dataclasses.replace(told, scenes=[dataclasses.replace(one, camera="still") for one in scenes])
    independent, panned, partly = (
        distillation.noise_of(one, known, patches, torch.Generator().manual_seed(1))
        for one, known in ((still, free), (told, free), (told, given))
    )
    assert torch.equal(
        independent, torch.randn(independent.shape, generator=torch.Generator().manual_seed(1))
    )
    both = torch.corrcoef(torch.stack((independent[0].flatten(), panned[0].flatten())))
    assert float(both[0, 1]) == pytest.approx((1 - CAMERA_NOISE_SHARE**2) ** 0.5, abs=0.03)
    assert torch.equal(partly[0], panned[0])
    assert torch.equal(partly[1], independent[1])


def test_learning_brings_the_student_nearer_to_its_teacher(teacher: Checkpoint, tmp_path: Path) -> None:
    recipe = dataclasses.replace(recipe_of_smoke(), average=0.5)
    student = Distiller(recipe, tmp_path, CPU, teacher, teacher, "toy")
    before = student.validate()
    for step in range(8):
        told = data.step_script(student.recipe, step, 1.0, WORDS, multiple=8)
        student.learn(told, data.draw(told, CPU), 3e-3)
    after = student.validate()
    assert after["validation"] < 0.7 * before["validation"]
    assert (student.progress.step, student.progress.clips) == (8, 16)
    assert student.progress.flops > 0


def test_a_clip_is_learnt_from_again_but_not_for_ever(
    teacher: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "KEPT", 3)
    student = Distiller(recipe_of_smoke(), tmp_path, CPU, teacher, teacher, "toy")
    seen: list[list[Way]] = []
    for step in range(3):
        told = data.step_script(student.recipe, step, 1.0, WORDS, multiple=8)
        student.learn(told, data.draw(told, CPU), 0.0)
        (memory,) = student.memory.values()
        seen.append(list(memory))
    assert [len(memory) for memory in seen] == [2, 3, 3]
    assert seen[1][0] is seen[0][1]
    assert not any(new is old for new in seen[2] for old in seen[0])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by 50 ms whenever it is read: runs take the same steps on any machine."""
    ticks = itertools.count()
    slow = SimpleNamespace(monotonic=lambda: next(ticks) / 20)
    monkeypatch.setattr(trainer, "time", slow)


def test_a_run_goes_on_where_it_was_and_its_file_says_how_to_draw(
    teacher: Checkpoint, tmp_path: Path, clock: None
) -> None:
    path = tmp_path / "toy.safetensors"
    checkpoint.save(path, teacher.model.state_dict(), teacher.model.config, WORDS, teacher.facts)
    out = tmp_path / "out"
    distil(path, out, minutes=0.02, threads=1)
    first = [json.loads(line) for line in (out / trainer.LOG_FILE).read_text().splitlines()]
    model = distil(path, out, minutes=0.04, threads=1)
    log = [json.loads(line) for line in (out / trainer.LOG_FILE).read_text().splitlines()]
    assert log[: len(first)] == first
    assert [line["event"] for line in log if "event" in line] == ["start", "done", "resume", "done"]
    assert log[-1]["steps"] > first[-1]["steps"] > 0
    card = catalog.read_card("quick", model)
    assert (card.teacher, card.learnt) == ("toy", (2, 4))
    assert (card.sampling["steps"], card.sampling["guidance"]) == (4, 1.0)
    assert card.sampling["learnt"] == schedules(WAY)
    further = distil(path, tmp_path / "further", start=model, minutes=0.001, threads=1)
    begun, ended = (checkpoint.load(one).model.final.weight for one in (model, further))
    taught = checkpoint.load(path).model.final.weight
    assert (ended - begun).abs().max() < 0.1 * (taught - begun).abs().max()


def test_a_teacher_that_no_recipe_made_is_refused(teacher: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no known recipe"):
        recipe_of(dataclasses.replace(teacher, facts={}), 1.0)
    other = dataclasses.replace(RECIPES["smoke"](), model=dataclasses.replace(SMOKE.model, width=128))
    with pytest.raises(ModelError, match="another network"):
        Distiller(other, tmp_path, CPU, teacher, teacher, "toy")
