"""What holds for every family: it samples what diffusers samples, can be left and continued, and never loses
a clip to a lack of memory while it is decoded.

The first case of each network is quick, the rest are slow.
"""

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
from hinode.engines.diffusers.memory.decoding import DECODE_FALLBACKS
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.protocol import Progress, State
from hinode.registry.families import FAMILIES
from tests.engines.diffusers.conftest import (
    STEPS,
    ModelHome,
    each_case,
    finish,
    input_kind,
    network_kind,
)
from tests.engines.diffusers.tiny_models import TINY_MODELS

every_case = pytest.mark.parametrize(("family", "mode"), each_case(by=network_kind))

MOMENTS = (("sample", 1), ("sample", STEPS - 1), ("decode", 0))
RESUMPTIONS = [
    pytest.param(
        *case.values, moment, marks=case.marks or ((pytest.mark.slow,) if case_index and index else ())
    )
    for case_index, case in enumerate(each_case(by=network_kind))
    for index, moment in enumerate(MOMENTS)
]
"""Every case at every moment: quick are the first case, and each other network at the first moment."""

AUTOENCODERS = ("wan2.1-t2v", "ltx-video", "ltx-2", "cogvideox", "hunyuanvideo-1.5-t2v")
"""A family for each class of autoencoder."""
FAILURES = [
    pytest.param(family, count, marks=() if family == AUTOENCODERS[0] and count != 2 else pytest.mark.slow)
    for family in AUTOENCODERS
    for count in (1, 2, 3)
]


class Cancelled(Exception):
    """The person does not want the clip any more."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that nothing disturbed.

    Attributes:
        run: the run.
        progress: stage, done and total of everything that it reported.
        states: its states after each of its steps, and before it decoded.
        clip: its clip.
    """

    run: DiffusersRun
    progress: list[tuple[str, int, int]]
    states: dict[tuple[str, int], State]
    clip: Clip


@pytest.fixture(scope="module")
def finished(models: ModelHome) -> Callable[[str, str], FinishedRun]:
    @functools.cache
    def generate(family: str, mode: str) -> FinishedRun:
        models.add(family)
        run = models.run(family, mode)
        reports, states = [], {}
        for progress in run:
            reports.append((progress.stage, progress.done, progress.total))
            states[progress.stage, progress.done] = run.state()
        return FinishedRun(run, reports, states, run.clip())

    return generate


def test_every_family_has_a_tiny_model() -> None:
    assert set(TINY_MODELS) == set(FAMILIES)


@every_case
def test_the_frames_are_those_of_diffusers(
    finished: Callable[[str, str], FinishedRun], reference: Callable[..., Any], family: str, mode: str
) -> None:
    original = finished(family, mode)
    assert original.progress == [
        ("load", 0, 1),
        ("text", 0, 1),
        ("load", 0, 1),
        *[("sample", step, STEPS) for step in range(STEPS + 1)],
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]
    frames, task = original.clip.frames, original.run.task
    assert len(frames) == task.frames
    sampled = frames[task.source_frames :]
    assert sampled.std() > 5  # not a uniform grey that would equal any other
    expected = reference(original.run)[task.clip_indices]
    assert float(np.abs(sampled / np.float32(255) - expected).max()) <= 1 / 255


@pytest.mark.parametrize(("family", "mode", "moment"), RESUMPTIONS)
def test_a_run_continues_to_the_same_bits(
    models: ModelHome,
    finished: Callable[[str, str], FinishedRun],
    family: str,
    mode: str,
    moment: tuple[str, int],
) -> None:
    original = finished(family, mode)
    resumed = models.engine().start(models.request(family, mode), original.states[moment])
    assert resumed.state().step == original.states[moment].step
    steps = [progress.done for progress in resumed if progress.stage == "sample"]
    assert steps == ([] if moment[0] == "decode" else list(range(moment[1], STEPS + 1)))
    assert np.array_equal(resumed.clip().frames, original.clip.frames)
    sound, expected = resumed.clip().sound, original.clip.sound
    assert (expected is not None) == FAMILIES[family].sound
    assert sound is expected or np.array_equal(sound.samples, expected.samples)  # type: ignore[union-attr]


@pytest.mark.parametrize(("family", "mode"), each_case(by=input_kind))
def test_a_cancelled_run_takes_no_further_step(models: ModelHome, family: str, mode: str) -> None:
    models.add(family)
    run = models.run(family, mode, steps=20)
    reports = []

    def watch(progress: Progress) -> None:
        reports.append((progress.stage, progress.done))
        if reports[-1] == ("sample", 2):
            raise Cancelled

    with pytest.raises(Cancelled):
        pipeline.draw(run, watch)
    assert reports[-1] == ("sample", 2)
    assert run.state().step == 2
    assert not any(thread.name == "pipeline" for thread in threading.enumerate())


@pytest.mark.parametrize(("family", "failures"), FAILURES)
def test_a_clip_survives_a_lack_of_memory_at_its_end(
    models: ModelHome,
    finished: Callable[[str, str], FinishedRun],
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    failures: int,
) -> None:
    original = finished(family, "")
    vae = type(original.run.model.parts["vae"])
    decode, remaining = vae.decode, [failures]

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if remaining[0]:
            remaining[0] -= 1
            raise torch.OutOfMemoryError("out of memory, says the test")
        return decode(self, *args, **kwargs)

    monkeypatch.setattr(vae, "decode", failing)
    clip = finish(models.engine().start(models.request(family), original.states["decode", 0]))
    assert remaining == [0]
    assert clip.frames.shape == original.clip.frames.shape
    assert f"decoded {DECODE_FALLBACKS[failures]}, for want of memory" in clip.provenance.read_as
    # The same picture, but for seams and other rounding.
    difference = np.abs(clip.frames.astype(int) - original.clip.frames).mean()
    assert float(difference) < original.clip.frames.std()
