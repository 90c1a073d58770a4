"""Measures of sharpness and steadiness, and the suite that prints them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from hinode.evaluation import fidelity
from hinode.evaluation.evaluate import to_bytes
from hinode.settings import Settings
from hinode.world.render import render
from hinode.world.scene import Scene, sample_scene

FRAMES, FPS, WIDTH, HEIGHT = 17, 8.0, 112, 64


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Three scenes in clear air."""
    rng = random.Random("scenes of the tests of fidelity")
    return [scene for scene in (sample_scene(rng) for _ in range(60)) if scene.weather == "clear"][:3]


def draw(scenes: list[Scene]) -> torch.Tensor:
    """True clips of two seconds."""
    return to_bytes(render(scenes, frames=FRAMES, fps=FPS, width=WIDTH, height=HEIGHT))


@pytest.mark.parametrize("name", fidelity.MEASURES)
def test_a_measure_tells_true_clips_from_damaged_ones(name: str, scenes: list[Scene]) -> None:
    measure, clips = fidelity.MEASURES[name], draw(scenes)
    damaged = measure.damage(clips) if measure.damage else draw(fidelity.without_subjects(scenes))
    assert (measure.sign * (measure.values(damaged, scenes) - measure.values(clips, scenes)) > 0).all()


def test_true_clips_are_even_and_have_their_shapes(scenes: list[Scene]) -> None:
    clips = draw(scenes)
    values = {name: measure.values(clips, scenes) for name, measure in fidelity.MEASURES.items()}
    assert float(values["distinct frames"].mean()) > 0.9
    assert float((values["edges of the first frame"] - 1).abs().max()) < 0.2
    assert float(values["pulse"].mean()) < 1.3
    assert float(values["shape"].mean()) > 0.5


def test_the_suite_compares_a_model_with_the_truth(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    facts = {"subject": "kite", "color": "red", "motion": "left", "place": "sea", "time": "noon"}
    expect = {**facts, "weather": "clear"}
    line = json.dumps({"prompt": "a red kite", "expect": expect})
    path.write_text(f"{line}\n" * 3, encoding="utf-8")
    result = fidelity.evaluate_fidelity(path, settings=settings, model="toy", limit=2)
    assert {row["bar"] for row in result["rows"]} == set(fidelity.MEASURES)
    assert {row["n"] for row in result["rows"]} == {2}
