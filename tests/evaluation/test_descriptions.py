from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from hinode.engines.native.plans.perception import Description
from hinode.evaluation.descriptions import compare, evaluate_descriptions, text
from hinode.world.book.plan import plan_of
from hinode.world.book.scene import sample_scene
from tests.tiny_reader import write_reader


def test_the_suite_has_a_row_for_each_fact_and_each_refusal(tmp_path: Path) -> None:
    result = evaluate_descriptions(limit=2, weights=write_reader(tmp_path / "reader.safetensors"))
    rows = {(row["bar"], row["what"]): row for row in result["rows"]}
    assert rows["renders", "whole scenes"]["holds"] is False
    assert rows["renders", "taken for this world"]["figure"] == 1.0
    assert rows["nothing of this world", "refused: noise"]["n"] == 2
    assert "camera right" in text(result)


def test_the_true_plan_is_a_whole_scene_and_a_changed_one_is_not() -> None:
    rng = random.Random(3)
    for _ in range(20):
        scene = dataclasses.replace(sample_scene(rng, subjects=2), camera="pan left")
        truth = plan_of(scene, 2.0, 16 / 9)
        true = Description(truth, {}, tuple(subject.motion for subject in scene.subjects))
        hits, distances = compare(true, scene, truth, 16 / 9)
        assert all(hit for _, hit in hits)
        assert max(distances) == 0
        wrong = Description(truth.model_copy(update={"time": "?"}), {}, true.motions)
        assert [name for name, hit in compare(wrong, scene, truth, 16 / 9)[0] if not hit] == ["time"]


def test_a_camera_that_follows_what_stays_is_a_still_one() -> None:
    scene = sample_scene(random.Random(1), subjects=1)
    rests = dataclasses.replace(scene.subjects[0], motion="still")
    scene = dataclasses.replace(scene, subjects=(rests,), camera="follow")
    truth = plan_of(scene, 2.0, 1.0)
    still = truth.model_copy(update={"camera": truth.camera.model_copy(update={"move": "still"})})
    assert all(hit for _, hit in compare(Description(still, {}, ("still",)), scene, truth, 1.0)[0])
