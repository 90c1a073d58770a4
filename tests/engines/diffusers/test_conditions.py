"""What a clip is drawn from: pictures at its ends, videos that are changed or gone on from, characters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.engines.diffusers.execution.decode import TILES
from hinode.engines.diffusers.task import Task
from hinode.errors import BadInput
from hinode.registry import entries
from hinode.registry.families import FAMILIES
from hinode.registry.family import BOTH_ENDS, EDIT, EXTEND, GENERATE, REMIX
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, SOURCE, Reference, Request
from tests.engines.diffusers.conftest import FILM_SECONDS, PROMPT, Shelf, drawn, film_at
from tests.engines.diffusers.test_every_family import CASES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_request_fits_if_and_only_if_there_is_a_pipeline_for_it(shelf: Shelf, family: str) -> None:
    name = f"{family}-known"
    entries.save(dataclasses.replace(shelf.add("wan2.1-t2v"), name=name, family=family), shelf.home)
    capabilities = shelf.engine().capabilities(name)
    assert set(capabilities.required_references) <= set(capabilities.references)
    for operation in (GENERATE, REMIX, EDIT, EXTEND):
        for pictures in ("", FIRST_FRAME, LAST_FRAME, BOTH_ENDS):
            given = shelf.references(pictures)
            given += shelf.references(operation) if operation != GENERATE else ()
            request = Request(PROMPT, 64, 64, 1.2, model=name, operation=operation, references=given)
            alone = operation == GENERATE or not pictures
            fits = alone and (pictures if operation == GENERATE else operation) in FAMILIES[family].pipelines
            try:
                request.check(capabilities)
                task = Task.of(request, shelf.settings)
            except BadInput:
                assert not fits, (operation, pictures)
            else:
                assert fits, (operation, pictures)
                assert task.pipeline == FAMILIES[family].pipelines[task.role]


@pytest.mark.parametrize("role", [LAST_FRAME, BOTH_ENDS])
@pytest.mark.parametrize("frames", range(2, 14))
def test_pictures_stay_at_the_ends_though_more_frames_are_drawn(shelf: Shelf, role: str, frames: int) -> None:
    shelf.add("wan2.1-vace")
    task = Task.of(shelf.request("wan2.1-vace", role, seconds=frames / 16), shelf.settings)
    assert len(task.shown) == task.frames == frames <= task.drawn
    assert task.shown[-1] == task.drawn - 1
    assert task.shown == sorted(set(task.shown))
    if role == BOTH_ENDS:
        assert task.shown[0] == 0


@pytest.mark.parametrize("family", ["wan2.1-vace", "ltx-video-0.9.5"])
def test_an_extended_clip_opens_with_its_source(shelf: Shelf, family: str) -> None:
    shelf.add(family)
    run = shelf.run(family, EXTEND)
    clip, task = drawn(run), run.task
    before = film_at(shelf, task.family.fps, task.size)
    assert task.before == len(before) == round(FILM_SECONDS * task.family.fps)
    assert 0 < task.overlap <= min(task.before, task.family.overlap)
    assert (task.drawn - task.family.frame_rule[1]) % task.family.frame_rule[0] == 0
    assert len(clip.frames) == task.before + 6
    np.testing.assert_array_equal(clip.frames[: task.before], np.stack([np.asarray(one) for one in before]))
    assert "behind the video" in clip.provenance.read_as


def test_only_so_much_is_added_and_something_is(shelf: Shelf) -> None:
    shelf.add("wan2.1-vace")
    assert Task.of(shelf.request("wan2.1-vace", EXTEND, seconds=5.0), shelf.settings).frames == 80
    for seconds, says in ((5.01, "4.01 seconds cannot be added"), (0.75, "-0.25 seconds cannot be added")):
        with pytest.raises(BadInput, match=says) as caught:
            shelf.run("wan2.1-vace", EXTEND, seconds=seconds)
        assert caught.value.field == "seconds"


@pytest.mark.parametrize(("operation", "strength"), [(REMIX, 0.8), (EDIT, 0.6)])
@pytest.mark.parametrize("steps", range(1, 51))
def test_as_many_steps_are_taken_as_are_asked_for(
    shelf: Shelf, operation: str, strength: float, steps: int
) -> None:
    shelf.add("wan2.1-t2v")
    task = Task.of(shelf.request("wan2.1-t2v", operation, steps=steps), shelf.settings)
    assert task.profile.steps == task.estimate().steps == steps == int(task.schedule * strength)


def test_an_unasked_number_of_steps_is_the_share_that_strength_leaves(shelf: Shelf) -> None:
    shelf.add("wan2.1-t2v")
    task = Task.of(shelf.request("wan2.1-t2v", EDIT, steps=None), shelf.settings)
    assert (task.schedule, task.profile.steps) == (50, 30)


@pytest.mark.parametrize("count", [1, 2])
def test_characters_are_shown_to_the_pipeline(shelf: Shelf, plain: Callable[..., Any], count: int) -> None:
    shelf.add("wan2.1-vace")
    (film,) = shelf.references(EDIT)
    somebody = dataclasses.replace(film, role=CHARACTER, name="balloon")
    run = shelf.run("wan2.1-vace", references=(somebody,) * count)
    clip = drawn(run)
    assert run.task.tokens == shelf.run("wan2.1-vace").task.tokens // 3 * (3 + count)
    assert float(np.abs(clip.frames / np.float32(255) - plain(run)).max()) <= 1 / 255
    assert (clip.frames != drawn(shelf.run("wan2.1-vace")).frames).any()


VIDEOS = [(family, role) for family, role in CASES if role in (EDIT, EXTEND)]


@pytest.mark.parametrize(("family", "role"), VIDEOS)
def test_a_video_is_read_in_tiles_where_the_plan_decodes_in_tiles(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, family: str, role: str
) -> None:
    shelf.add(family)
    # A tile is four latent positions wide or more, and LTX-Video's are of 32 pixels.
    size = {"width": 288, "height": 256} if family.startswith("ltx") else {}
    whole = drawn(shelf.run(family, role, **size)).frames
    run = shelf.run(family, role, **size)
    run.plan = dataclasses.replace(run.plan, decode=TILES)
    run.model.prepare()
    vae = type(run.model.parts["vae"])
    real, sides = vae.tiled_encode, []

    def tiled(self: Any, video: Any) -> Any:
        sides.append(video.shape[-2:])
        return real(self, video)

    monkeypatch.setattr(vae, "tiled_encode", tiled)
    frames = drawn(run).frames
    assert set(sides) == {(run.task.size[1], run.task.size[0])}
    assert frames.shape == whole.shape
    assert float(np.abs(frames.astype(int) - whole).mean()) < whole.std()


@pytest.mark.parametrize("operation", [EDIT, EXTEND])
def test_a_source_that_cannot_be_read_is_named(shelf: Shelf, tmp_path: Path, operation: str) -> None:
    shelf.add("wan2.1-vace")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0" * 4096)
    given = Reference(SOURCE, "cd" * 32, "video/mp4", path=str(broken))
    with pytest.raises(BadInput, match="cannot be read") as caught:
        drawn(shelf.run("wan2.1-vace", operation, references=(given,)))
    assert caught.value.field == SOURCE
