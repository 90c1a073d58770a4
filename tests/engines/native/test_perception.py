from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hinode.engines.native.plans import perception
from hinode.errors import ModelError
from hinode.evaluation.descriptions import evaluate_descriptions
from hinode.world.book.picture.render import render
from hinode.world.book.plan import ScenePlan, key_count
from hinode.world.book.scene import Scene, Subject
from tests.tiny_reader import write_reader


def frames(count: int, width: int = 64, height: int = 36) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize(("count", "fps"), [(1, 24), (2, 24), (13, 6), (60, 24), (40, 8)])
def test_a_clip_of_any_length_becomes_a_plan_of_that_length(tmp_path: Path, count: int, fps: int) -> None:
    trained = perception.load(write_reader(tmp_path / "reader.safetensors"))
    description = perception.describe(frames(count), fps, trained)
    assert isinstance(description.plan, ScenePlan)
    assert len(description.plan.camera.x) == key_count(description.plan.seconds)
    assert description.plan.seconds == pytest.approx(count / fps if count > 1 else 1 / 6)
    assert description.text.count("; camera ") == 1
    assert set(description.confidence) >= {"world", "place", "time", "weather", "camera"}


@pytest.mark.parametrize("size", [(36, 64), (50, 50), (400, 20)])
def test_frames_of_any_shape_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    trained = perception.load(write_reader(tmp_path / "reader.safetensors"))
    assert perception.describe(frames(3, *size), 6, trained).plan is not None


def test_what_is_not_of_this_world_has_no_plan(tmp_path: Path) -> None:
    trained = perception.load(write_reader(tmp_path / "reader.safetensors", world=-9.0))
    description = perception.describe(frames(2), 6, trained)
    assert description.plan is None
    assert description.text == "nothing of this world"
    assert description.as_json()["of_this_world"] is False


def test_a_file_that_is_no_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        perception.load(tmp_path / "nothing.safetensors")


@pytest.mark.slow
def test_the_shipped_reader_reads_most_renders_and_refuses_noise() -> None:
    trained = perception.load(perception.path())
    rows = {row["what"]: row["figure"] for row in evaluate_descriptions(limit=24)["rows"]}
    assert trained.facts["steps"] > 0
    assert all(rows[f"{name} right"] >= 0.8 for name in ("place", "time", "weather"))
    assert rows["refused: noise"] >= 0.95
    assert rows["processor seconds of a clip"] <= 1.0


def test_the_shipped_reader_describes_a_render_in_a_sentence() -> None:
    cast = (Subject("balloon", "red", "right", 0.25, 0.4, 0.36),)
    scene = Scene(cast, time="noon", place="sea", seed=5)
    video = render([scene], frames=13, fps=6, width=224, height=128)[0]
    description = perception.describe((video * 255).byte().permute(0, 2, 3, 1).numpy(), 6)
    assert description.text == "a red balloon moves right over the sea at noon; camera still"
