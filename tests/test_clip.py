from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hinode.clip import Clip, Making

MAKING = Making("native", "toy", seed=1, steps=2, native_size=(64, 36), stage_seconds={"load": 1.0})


def test_knows_its_size_and_length() -> None:
    clip = Clip(np.zeros((12, 36, 64, 3), np.uint8), 8.0, MAKING)
    assert (clip.size, clip.seconds) == ((64, 36), 1.5)


def test_nothing_in_it_can_be_changed() -> None:
    clip = Clip(np.zeros((1, 2, 2, 3), np.uint8), 8.0, MAKING)
    with pytest.raises(ValueError, match="read-only"):
        clip.frames[0] = 1
    with pytest.raises(TypeError):
        clip.making.stage_seconds["load"] = 2.0  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip.fps = 9.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "frames",
    [np.zeros((0, 2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3), np.float32)],
)
def test_frames_are_bytes_in_the_one_shape(frames: np.ndarray) -> None:
    with pytest.raises(AssertionError):
        Clip(frames, 8.0, MAKING)
