from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hinode.clip import Clip, Provenance, Sound
from hinode.errors import EngineError

PROVENANCE = Provenance("native", "toy", seed=1, steps=2, native_size=(64, 36), stage_seconds={"load": 1.0})


def test_knows_its_size_and_length() -> None:
    clip = Clip(np.zeros((12, 36, 64, 3), np.uint8), 8.0, PROVENANCE)
    assert (clip.size, clip.seconds) == ((64, 36), 1.5)


def test_nothing_in_it_can_be_changed() -> None:
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    clip = Clip(frames, 8.0, PROVENANCE)
    with pytest.raises(ValueError, match="read-only"):
        clip.frames[0] = 1
    frames[0] = 1  # the array of the caller is still its own
    with pytest.raises(TypeError):
        clip.provenance.stage_seconds["load"] = 2.0  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip.fps = 9.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "frames",
    [np.zeros((0, 2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3), np.float32)],
)
def test_frames_are_bytes_in_the_one_shape(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"frames are .*, not uint8"):
        Clip(frames, 8.0, PROVENANCE)


def test_sound_knows_its_length_and_cannot_be_changed() -> None:
    sound = Sound(np.zeros((2, 1200), np.float32), 24000)
    assert (sound.channels, sound.seconds) == (2, 0.05)
    assert Clip(np.zeros((1, 2, 2, 3), np.uint8), 8.0, PROVENANCE, sound).sound is sound
    with pytest.raises(ValueError, match="read-only"):
        sound.samples[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        sound.rate = 1  # type: ignore[misc]


def test_parts_of_a_sound() -> None:
    sound = Sound(np.arange(10, dtype=np.float32)[None] / 10, 10)
    assert sound.between(8, 12).tolist() == [[np.float32(0.8), np.float32(0.9), 0.0, 0.0]]
    assert sound.between(12, 14).tolist() == [[0.0, 0.0]]
    assert (sound.until(0.5).samples.shape, sound.until(5.0).samples.shape) == ((1, 5), (1, 10))


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.zeros((2, 8)), 8000),
        (np.zeros(8, np.float32), 8000),
        (np.zeros((3, 8), np.float32), 8000),
        (np.zeros((1, 8), np.float32), 0),
        (np.full((1, 8), 1.5, np.float32), 8000),
        (np.full((1, 8), np.nan, np.float32), 8000),
    ],
)
def test_samples_are_numbers_in_the_one_shape(samples: np.ndarray, rate: int) -> None:
    with pytest.raises(ValueError, match=r"samples|rate"):
        Sound(samples, rate)


def test_the_sound_of_a_model_is_clipped_and_has_to_be_numbers() -> None:
    loud = Sound.from_model([[0.5, 2.0, -3.0]], 8000)
    assert loud.samples.tolist() == [[0.5, 1.0, -1.0]]
    for value in (np.nan, np.inf):
        with pytest.raises(EngineError, match="no numbers; ask for"):
            Sound.from_model([[0.0, value]], 8000)
    with pytest.raises(EngineError, match=r"shape \(3, 2\)"):
        Sound.from_model(np.zeros((3, 2)), 8000)
