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
from hinode.world.scene import sample_scene


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    """Eight true clips of two seconds in clear air."""
    rng = random.Random("clips of the tests of fidelity")
    scenes = [scene for scene in (sample_scene(rng) for _ in range(60)) if scene.weather == "clear"][:8]
    return to_bytes(render(scenes, frames=17, fps=8, width=112, height=64))


@pytest.mark.parametrize("name", fidelity.MEASURES)
def test_a_measure_tells_true_clips_from_damaged_ones(name: str, clips: torch.Tensor) -> None:
    damage, sign = fidelity.DAMAGES[name]
    compute = fidelity.MEASURES[name]
    true, damaged = compute(fidelity.luminance(clips)), compute(fidelity.luminance(damage(clips)))
    assert (sign * (damaged - true) > 0).all()


def test_a_measure_without_damage_is_that_of_the_true_clip(clips: torch.Tensor) -> None:
    true = fidelity.measure(clips)
    assert float(true["distinct frames"].mean()) > 0.9
    assert float((true["edges of the first frame"] - 1).abs().max()) < 0.2
    assert float(true["pulse"].mean()) < 1.3


def test_the_suite_compares_a_model_with_the_truth(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    facts = {"subject": "kite", "color": "red", "motion": "left", "place": "sea", "time": "noon"}
    expect = {**facts, "weather": "clear"}
    line = json.dumps({"prompt": "a red kite", "expect": expect})
    path.write_text(f"{line}\n" * 3, encoding="utf-8")
    result = fidelity.evaluate_fidelity(path, settings=settings, model="toy", limit=2)
    assert {row["bar"] for row in result["rows"]} == set(fidelity.MEASURES)
    assert {row["n"] for row in result["rows"]} == {2}
