"""What a clip is made from: pictures at its ends, videos that are changed or extended, characters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.engines.diffusers.memory.decoding import TILES
from hinode.engines.diffusers.task import Task
from hinode.errors import BadInput
from hinode.registry.families import FAMILIES
from hinode.registry.families.family import BOTH_ENDS, EDIT, EXTEND, GENERATE, REMIX
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, SOURCE, Reference, Request
from tests.engines.diffusers.conftest import (
    CASES,
    PROMPT,
    VIDEO_SECONDS,
    ModelHome,
    each_case,
    finish,
    pipeline_kind,
    video_at,
)

VACE = "wan2.1-vace"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_request_fits_if_and_only_if_there_is_a_pipeline_for_it(models: ModelHome, family: str) -> None:
    name = models.add_entry(family)
    capabilities = models.engine().capabilities(name)
    assert set(capabilities.required_references) <= set(capabilities.references)
    for operation in (GENERATE, REMIX, EDIT, EXTEND):
        for pictures in ("", FIRST_FRAME, LAST_FRAME, BOTH_ENDS):
            references = models.references(pictures)
            references += models.references(operation) if operation != GENERATE else ()
            request = Request(PROMPT, 64, 64, 1.2, model=name, operation=operation, references=references)
            mode = pictures if operation == GENERATE else operation
            fits = (operation == GENERATE or not pictures) and mode in FAMILIES[family].pipelines
            try:
                request.check(capabilities)
                task = Task.of(request, models.settings)
            except BadInput:
                assert not fits, (operation, pictures)
            else:
                assert fits, (operation, pictures)
                assert task.pipeline == FAMILIES[family].pipelines[task.input_mode]


@pytest.mark.parametrize("mode", [LAST_FRAME, BOTH_ENDS])
@pytest.mark.parametrize("frames", range(2, 14))
def test_pictures_stay_at_the_ends_of_a_clip_with_fewer_frames_than_sampled(
    models: ModelHome, mode: str, frames: int
) -> None:
    models.add(VACE)
    task = Task.of(models.request(VACE, mode, seconds=frames / 16), models.settings)
    indices = task.clip_indices
    assert len(indices) == task.frames == frames <= task.network_frames
    assert indices[-1] == task.network_frames - 1
    assert indices == sorted(set(indices))
    if mode == BOTH_ENDS:
        assert indices[0] == 0


@pytest.mark.parametrize("family", [VACE, "ltx-video-0.9.5"])
def test_an_extended_clip_starts_with_its_source(models: ModelHome, family: str) -> None:
    models.add(family)
    run = models.run(family, EXTEND)
    clip, task = finish(run), run.task
    source = video_at(models, task.family.fps, task.size)
    assert task.source_frames == len(source) == round(VIDEO_SECONDS * task.family.fps)
    assert 0 < task.overlap <= min(task.source_frames, task.family.overlap)
    step, offset = task.family.frame_rule
    assert (task.network_frames - offset) % step == 0
    assert len(clip.frames) == task.source_frames + 6
    expected = np.stack([np.asarray(frame) for frame in source])
    np.testing.assert_array_equal(clip.frames[: task.source_frames], expected)
    assert "behind the video" in clip.provenance.read_as


def test_an_extension_adds_something_and_not_too_much(models: ModelHome) -> None:
    models.add(VACE)
    assert Task.of(models.request(VACE, EXTEND, seconds=5.0), models.settings).frames == 80
    for seconds, message in (
        (5.01, "4.01 seconds cannot be added"),
        (0.75, "-0.25 seconds cannot be added"),
    ):
        with pytest.raises(BadInput, match=message) as caught:
            models.run(VACE, EXTEND, seconds=seconds)
        assert caught.value.field == "seconds"


@pytest.mark.parametrize(("operation", "strength"), [(REMIX, 0.8), (EDIT, 0.6)])
def test_a_request_gets_as_many_steps_as_it_asks_for(
    models: ModelHome, operation: str, strength: float
) -> None:
    models.add("wan2.1-t2v")
    for steps in (1, 2, 3, 4, 5, 7, 11, 20, 33, 50):
        task = Task.of(models.request("wan2.1-t2v", operation, steps=steps), models.settings)
        assert task.profile.steps == task.estimate().steps == steps == int(task.schedule_steps * strength)


def test_the_default_number_of_steps_is_the_share_that_strength_leaves(models: ModelHome) -> None:
    models.add("wan2.1-t2v")
    task = Task.of(models.request("wan2.1-t2v", EDIT, steps=None), models.settings)
    assert (task.schedule_steps, task.profile.steps) == (50, 30)


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_characters_reach_the_pipeline(models: ModelHome, reference: Callable[..., Any], count: int) -> None:
    models.add(VACE)
    (video,) = models.references(EDIT)
    character = dataclasses.replace(video, role=CHARACTER, name="balloon")
    run = models.run(VACE, references=(character,) * count)
    clip = finish(run)
    without = models.run(VACE)
    assert run.task.tokens == without.task.tokens // 3 * (3 + count)
    assert float(np.abs(clip.frames / np.float32(255) - reference(run)).max()) <= 1 / 255
    if count == 2:
        assert (clip.frames != finish(without).frames).any()


ON_VIDEO = [case for case in CASES if case[1] in (EDIT, EXTEND)]


@pytest.mark.parametrize(("family", "mode"), each_case(by=pipeline_kind, cases=ON_VIDEO))
def test_a_video_is_encoded_in_tiles_if_the_plan_decodes_in_tiles(
    models: ModelHome, monkeypatch: pytest.MonkeyPatch, family: str, mode: str
) -> None:
    models.add(family)
    # A tile is at least four latent positions wide, and LTX-Video's are of 32 pixels.
    size = {"width": 288, "height": 256} if family.startswith("ltx") else {}
    whole = models.clip(family, mode, **size).frames
    run = models.run(family, mode, **size)
    run.plan = dataclasses.replace(run.plan, decode=TILES)
    run.model.prepare()
    vae = type(run.model.parts["vae"])
    tiled_encode, sides = vae.tiled_encode, []

    def recorded(self: Any, video: Any) -> Any:
        sides.append(video.shape[-2:])
        return tiled_encode(self, video)

    monkeypatch.setattr(vae, "tiled_encode", recorded)
    frames = finish(run).frames
    assert set(sides) == {(run.task.size[1], run.task.size[0])}
    assert frames.shape == whole.shape
    assert float(np.abs(frames.astype(int) - whole).mean()) < whole.std()


@pytest.mark.parametrize("operation", [EDIT, EXTEND])
def test_an_error_names_a_source_that_cannot_be_read(
    models: ModelHome, tmp_path: Path, operation: str
) -> None:
    models.add(VACE)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"\0" * 4096)
    reference = Reference(SOURCE, "cd" * 32, "video/mp4", path=str(damaged))
    with pytest.raises(BadInput, match="cannot be read") as caught:
        models.clip(VACE, operation, references=(reference,))
    assert caught.value.field == SOURCE
