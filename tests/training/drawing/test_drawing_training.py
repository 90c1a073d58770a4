"""Training of the drawing network: the store keeps what was drawn, a run stops and goes on."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import torch

from hinode.engines.native.drawing_weights import save_pieces
from hinode.errors import BadInput, ModelError
from hinode.model.drawing import DrawingConfig
from hinode.training.drawing.recipes import smoke
from hinode.training.drawing.store import CHUNK, Store, chunk_scenes, draw_chunk, read_chunk
from hinode.training.drawing.trainer import DrawingTrainer, subject_mask, train_drawing
from hinode.world.book.picture.render import render

CPU = torch.device("cpu")


def test_a_chunk_is_read_as_it_was_drawn_and_its_plans_lie_on_its_subjects(tmp_path: Path) -> None:
    recipe, chunk = smoke(), 3  # upright
    clips = read_chunk(recipe, draw_chunk(recipe, chunk, tmp_path))
    scene, start = chunk_scenes(recipe, chunk)[0]
    width, height = recipe.shape(chunk)
    assert height > width
    size = {"width": width, "height": height}
    again = render([scene], frames=recipe.frames, fps=24, start=start, **size)
    assert torch.equal(clips.video[0], again[0].mul(255).round().byte())
    for number, (scene, start) in enumerate(chunk_scenes(recipe, chunk)):
        empty = dataclasses.replace(
            scene, subjects=(), camera="still" if scene.camera == "follow" else scene.camera
        )
        if len(scene.subjects) != 1 or scene.camera == "follow":
            continue
        alone = render([empty], frames=1, fps=24, start=start, **size)[0, 0]
        change = (render([scene], frames=1, fps=24, start=start, **size)[0, 0] - alone).abs().sum(0) > 0.25
        mask = subject_mask(clips.plans.part(number, 0, 1), height, width)[0, 0, 0] > 0
        assert bool((change & mask).any()) or not mask.any()


def test_samples_are_parts_of_clips_some_of_them_mirrored(tmp_path: Path) -> None:
    recipe = smoke()
    draw_chunk(recipe, 0, tmp_path)
    store = Store(recipe, tmp_path)
    store.wait()
    clips = store.sample(6, 9, random.Random(0))
    assert clips.video.shape == (6, 9, 3, recipe.height, recipe.width)
    assert clips.plans.tracks.shape == (6, 3, 9, 6)
    assert len(store.chunks) == 1
    assert CHUNK == 8


@pytest.mark.slow
def test_a_run_learns_stops_and_goes_on(tmp_path: Path) -> None:
    recipe = dataclasses.replace(smoke(), minutes=0.08)
    train_drawing(recipe, tmp_path, threads=1, device="cpu")
    first = torch.load(tmp_path / "state.pt")["progress"]
    train_drawing(recipe, tmp_path, minutes=0.16, threads=1, device="cpu")
    second = torch.load(tmp_path / "state.pt")["progress"]
    assert second["step"] > first["step"] > 0
    assert second["clips"] > 0
    other = dataclasses.replace(recipe, network=DrawingConfig(fine_width=64, width=64, depth=2))
    with pytest.raises(ModelError, match="another network"):
        DrawingTrainer(other, tmp_path, CPU).restore()


def test_a_run_starts_with_the_weights_of_another_and_new_parts_begin_anew(tmp_path: Path) -> None:
    recipe = smoke()
    plain = dataclasses.replace(recipe, network=dataclasses.replace(recipe.network, details=0))
    before = DrawingTrainer(plain, tmp_path, CPU)
    progress = {"step": 40, "elapsed": 60.0, "clips": 5, "images": 9, "flops": 0.0}
    facts = {"shapes": [[17, 24, 64, 32]], "progress": progress}
    path = tmp_path / "plain.safetensors"
    save_pieces(path, before.network.state_dict(), plain.network, facts)
    trainer = DrawingTrainer(recipe, tmp_path, CPU)
    trainer.start_from(path)
    assert (trainer.progress.step, trainer.progress.begun, trainer.progress.origin) == (40, 40, 60.0)
    torch.testing.assert_close(trainer.average.merge.weight, before.network.merge.weight, atol=0.02, rtol=0)
    assert not trainer.network.details.leave.kernel.weight.any()
    with pytest.raises(BadInput, match="the weights had 1 minutes of training"):
        train_drawing(recipe, tmp_path, start=path, minutes=0.5, device="cpu")
    deeper = dataclasses.replace(recipe.network, depth=2)
    with pytest.raises(ModelError, match="of another network"):
        DrawingTrainer(dataclasses.replace(recipe, network=deeper), tmp_path, CPU).start_from(path)
