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

from hinode.engines import catalog
from hinode.errors import ModelError
from hinode.model import checkpoint
from hinode.model.checkpoint import Checkpoint
from hinode.model.dit import DiT
from hinode.model.flow import Sampler, Sampling
from hinode.training import data, distillation, trainer
from hinode.training.distillation import Distiller, Way, distil, drawn, leaps, loss, recipe_of, schedules
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


def ways(teacher: Checkpoint, **changes: float) -> list[Way]:
    told = script()
    recipe = dataclasses.replace(recipe_of_smoke(), **changes)
    return drawn(teacher, told, recipe, WAY, data.draw(told, CPU))


class Knowing(nn.Module):
    """A student that has learnt all leaps of one clip by heart: it goes by the noise levels alone."""

    def __init__(self, teacher: Checkpoint, way: Way) -> None:
        super().__init__()
        self.config, self.way, self.encode_text = teacher.model.config, way, teacher.model.encode_text

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
        start, end = (self.way.states[step].float() for step in (leap.first, leap.last))
        return (start + (end - start) * (1 - leap.now) / (leap.later - leap.now)).expand(z.shape)


def test_both_schedules_are_told_apart_by_every_level_and_end_on_levels_of_the_teacher() -> None:
    rows = schedules(WAY)
    assert [len(row) for row in rows] == [4, 2]
    told = [level for row in rows for level in row]
    assert len(set(told)) == len(told)
    times = WAY.schedule().tolist()
    assert all(level in times for row in rows for level in row[1:])
    for leap in leaps(WAY):
        assert leap.now < leap.later == times[leap.last]


@pytest.mark.parametrize("steps", [4, 2])
def test_a_student_without_error_arrives_where_its_teacher_does(teacher: Checkpoint, steps: int) -> None:
    for way in ways(teacher, known=0.5):
        student = Knowing(teacher, way)
        assert all(float(loss(student, [way], [leap], 8).value) < 1e-9 for leap in leaps(WAY))
        noise = way.states[0].float()[None]
        sampler = Sampler(
            student,  # type: ignore[arg-type]
            way.ids[None],
            8,
            noise,
            Sampling(steps, guidance=1.0, learnt=schedules(WAY)),
        )
        assert len(list(sampler)) == steps
        assert torch.allclose(sampler.state.latents[0], way.states[12].float(), atol=1e-4)


def test_the_teacher_follows_the_text_with_its_guidance(teacher: Checkpoint) -> None:
    told = script()
    video = data.draw(told, CPU)
    plain = dataclasses.replace(WAY, guidance=1.0)
    recipe = dataclasses.replace(recipe_of_smoke(), known=0.0)
    led, alone = (drawn(teacher, told, recipe, how, video)[0] for how in (WAY, plain))
    assert torch.equal(led.states[0], alone.states[0])
    assert not torch.allclose(led.states[12], alone.states[12], atol=1e-2)


def test_what_is_given_stays_and_is_not_learnt(teacher: Checkpoint) -> None:
    given = ways(teacher, known=1.0)
    told = script()
    x = teacher.model.config.tokenizer.encode(data.draw(told, CPU))
    assert all(way.kept.any() and not way.kept.all() for way in given)
    for way, clip in zip(given, x, strict=True):
        for state in way.states.values():
            assert torch.equal(state[way.kept], clip[way.kept].to(torch.bfloat16))
    leap = leaps(WAY)[1]
    spoilt = [
        dataclasses.replace(
            way, states=way.states | {leap.last: way.states[leap.last].masked_fill(way.kept, 9.0)}
        )
        for way in given
    ]
    steps = [leap] * len(given)
    before = loss(teacher.model, given, steps, 8).value
    assert before > 0
    assert torch.equal(loss(teacher.model, spoilt, steps, 8).value, before)


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
