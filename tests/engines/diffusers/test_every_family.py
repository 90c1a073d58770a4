"""What holds for every family: it draws what diffusers draws, can be left and gone on with, and never loses a
clip to a lack of memory while it is decoded."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from hinode import pipeline
from hinode.clip import Clip
from hinode.engines.diffusers.execution.decode import DECODE_FALLBACKS
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.protocol import Progress, State
from hinode.registry.families import FAMILIES
from tests.engines.diffusers.conftest import STEPS, Shelf, drawn
from tests.engines.diffusers.twins import TWINS

CASES = [(family, role) for family in TWINS for role in FAMILIES[family].pipelines]
FAILING = [(*case, 1) for case in CASES]
FAILING += [(family, next(iter(FAMILIES[family].pipelines)), many) for family in TWINS for many in (2, 3)]


def named(value: str) -> str:
    return value or "words"


EVERY = pytest.mark.parametrize(("family", "role"), CASES, ids=named)


class Stop(Exception):
    """The person does not want the clip any more."""


@dataclass(frozen=True)
class Whole:
    """A run that nothing disturbed.

    Attributes:
        run: it, after its end.
        told: what it told.
        states: what it was after each of its steps, and before it decoded.
        clip: what it drew.
    """

    run: DiffusersRun
    told: list[tuple[str, int, int]]
    states: dict[tuple[str, int], State]
    clip: Clip


@pytest.fixture(scope="module")
def whole(shelf: Shelf) -> Callable[[str, str], Whole]:
    @functools.cache
    def draw(family: str, role: str) -> Whole:
        shelf.add(family)
        run = shelf.run(family, role)
        told, states = [], {}
        for progress in run:
            told.append((progress.stage, progress.done, progress.total))
            states[progress.stage, progress.done] = run.state()
        return Whole(run, told, states, run.clip())

    return draw


def test_every_family_has_a_twin() -> None:
    assert set(TWINS) == set(FAMILIES)


@EVERY
def test_draws_what_diffusers_draws(
    whole: Callable[[str, str], Whole], plain: Callable[..., Any], family: str, role: str
) -> None:
    made = whole(family, role)
    assert made.told == [
        ("load", 0, 1),
        ("text", 0, 1),
        ("load", 0, 1),
        *[("sample", step, STEPS) for step in range(STEPS + 1)],
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]
    frames, task = made.clip.frames, made.run.task
    assert len(frames) == task.frames
    drawn = frames[task.before :]
    assert drawn.std() > 5  # not a grey nothing that would equal any other
    assert float(np.abs(drawn / np.float32(255) - plain(made.run)[task.shown]).max()) <= 1 / 255


@EVERY
@pytest.mark.parametrize("where", [("sample", 1), ("sample", STEPS - 1), ("decode", 0)], ids=str)
def test_goes_on_to_the_same_bits(
    shelf: Shelf, whole: Callable[[str, str], Whole], family: str, role: str, where: tuple[str, int]
) -> None:
    made = whole(family, role)
    resumed = shelf.engine().start(shelf.request(family, role), made.states[where])
    assert resumed.state().step == made.states[where].step
    steps = [one.done for one in resumed if one.stage == "sample"]
    assert steps == ([] if where[0] == "decode" else list(range(where[1], STEPS + 1)))
    assert np.array_equal(resumed.clip().frames, made.clip.frames)
    here, there = resumed.clip().sound, made.clip.sound
    assert (there is not None) == FAMILIES[family].sound
    assert here is there or np.array_equal(here.samples, there.samples)  # type: ignore[union-attr]


@EVERY
def test_a_cancelled_run_takes_no_further_step(shelf: Shelf, family: str, role: str) -> None:
    shelf.add(family)
    run = shelf.run(family, role, steps=20)
    seen = []

    def watch(progress: Progress) -> None:
        seen.append((progress.stage, progress.done))
        if seen[-1] == ("sample", 2):
            raise Stop

    with pytest.raises(Stop):
        pipeline.draw(run, watch)
    assert seen[-1] == ("sample", 2)
    assert run.state().step == 2
    assert not any(thread.name == "pipeline" for thread in threading.enumerate())


@pytest.mark.parametrize(("family", "role", "failures"), FAILING)
def test_delivers_though_the_memory_runs_out_at_the_end(
    shelf: Shelf,
    whole: Callable[[str, str], Whole],
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    role: str,
    failures: int,
) -> None:
    made = whole(family, role)
    vae = type(made.run.model.parts["vae"])
    real, left = vae.decode, [failures]

    def decode(self: Any, *inputs: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("out of memory, says the test")
        return real(self, *inputs, **options)

    monkeypatch.setattr(vae, "decode", decode)
    clip = drawn(shelf.engine().start(shelf.request(family, role), made.states["decode", 0]))
    assert left == [0]
    assert clip.frames.shape == made.clip.frames.shape
    assert f"decoded {DECODE_FALLBACKS[failures]}, for want of memory" in clip.provenance.read_as
    # The same picture, seams and other roundings and all.
    assert float(np.abs(clip.frames.astype(int) - made.clip.frames).mean()) < made.clip.frames.std()
