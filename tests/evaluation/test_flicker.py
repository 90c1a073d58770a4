from __future__ import annotations

import random

import pytest

from hinode.evaluation.evaluate import to_bytes
from hinode.evaluation.flicker import compare_flicker, flicker
from hinode.world.judge import load_judge
from hinode.world.render import render
from hinode.world.scene import Scene, Subject


def test_a_trembling_background_flickers_and_a_subject_does_not_count() -> None:
    rng = random.Random("flicker")
    scene = Scene((Subject("ball", "red", "still", x=0.3, y=0.4),), place="desert")
    frames = to_bytes(render([scene, scene], frames=9, fps=8.0, width=64, height=64))
    calm = flicker(frames, 8.0, load_judge())
    assert calm[0] == calm[1] < 1
    disturbed = frames.clone()
    for number in range(9):  # only where the ball is
        disturbed[0, number, 14:36, 10:30] += rng.randrange(8)
    disturbed[1, ::2, :, 48:] ^= 8
    result = flicker(disturbed, 8.0, load_judge())
    assert result[0] == pytest.approx(calm[0], abs=0.05)
    assert result[1] > calm[1] + 2


def test_flicker_is_compared_in_pairs() -> None:
    result = compare_flicker([2.0, 4.0, float("nan")], [1.0, 2.0, 3.0])
    assert result == {"drawn": 3.0, "true": 1.5, "ratio": 2.0, "low": 2.0, "high": 2.0, "n": 2}
    assert compare_flicker([float("nan")], [1.0]) == {"n": 0}
