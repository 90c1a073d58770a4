"""The sound that a model makes with its frames: that of diffusers, in the file, or not made at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

from hinode import pipeline
from hinode.errors import BadInput, EngineError
from hinode.registry.families import FAMILIES
from hinode.request import FIRST_FRAME
from tests.engines.diffusers.conftest import Shelf, drawn
from tests.hearing import alike, heard, tracks

FAMILY = "ltx-2"
RATE = 24_000


@pytest.mark.parametrize("role", FAMILIES[FAMILY].pipelines)
def test_the_file_sounds_as_the_model_does(
    shelf: Shelf, plain: Callable[..., Any], tmp_path: Path, role: str
) -> None:
    shelf.add(FAMILY)
    assert shelf.engine().capabilities(FAMILY).sound
    run = shelf.run(FAMILY, role, seconds=7 / 24)  # nine frames are drawn and seven are kept
    clip = drawn(run)
    assert clip.sound is not None
    assert (clip.sound.rate, clip.sound.channels) == (RATE, 2)
    assert clip.sound.samples.shape[1] == 7000
    _, samples = plain(run, sound=True)
    # The first column of the spectrogram stands alone in its latent, so the sound is a little shorter.
    assert samples.shape[1] / RATE == pytest.approx(9 / 24, abs=0.05)
    assert samples.std(axis=1).min() > 0.01  # not a silence that would equal any other
    assert np.abs(clip.sound.samples - samples[:, :7000]).max() < 1e-5

    result = pipeline.finish(run.task.request, clip, tmp_path / "clip.mp4", "mp4")
    assert result.sound == "stereo, 24000 Hz"
    decoded, rate = heard(tmp_path / "clip.mp4")
    assert (rate, decoded.shape) == (RATE, (2, 7000))
    for place in (0, 1):
        assert alike(decoded[place : place + 1], samples[place : place + 1]) > 0.95


def test_without_sound_nothing_else_changes(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add(FAMILY)
    sounding, silent = drawn(shelf.run(FAMILY)), shelf.run(FAMILY, sound=False)
    clip = drawn(silent)
    assert clip.sound is None
    assert np.array_equal(clip.frames, sounding.frames)
    pipeline.finish(silent.task.request, clip, tmp_path / "clip.mp4", "mp4")
    assert tracks(tmp_path / "clip.mp4") == ["video"]


def test_sound_can_be_turned_off_and_on_with_one_model_in_memory(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    engine = shelf.engine()
    clips = [drawn(engine.start(shelf.request(FAMILY, sound=sound))) for sound in (False, True, None)]
    silent, asked, usual = (clip.sound for clip in clips)
    assert silent is None
    assert asked is not None
    assert usual is not None
    assert np.array_equal(asked.samples, usual.samples)


def test_a_silent_run_goes_on_silently(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    run = shelf.run(FAMILY, FIRST_FRAME, sound=False)
    next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
    resumed = drawn(shelf.engine().start(shelf.request(FAMILY, FIRST_FRAME, sound=False), run.state()))
    whole = drawn(run)
    assert resumed.sound is whole.sound is None
    assert np.array_equal(resumed.frames, whole.frames)


def test_a_model_without_sound_says_so(shelf: Shelf) -> None:
    shelf.add("wan2.1-t2v")
    with pytest.raises(BadInput, match=r"the model wan2\.1-t2v makes no sound") as caught:
        shelf.run("wan2.1-t2v", sound=True)
    assert caught.value.field == "sound"


def test_sound_that_is_none_is_one_sentence(shelf: Shelf) -> None:
    """Values that are no numbers, as of weights that overflow, are not passed off as sound."""

    folder = shelf.twin(FAMILY)
    broken = shelf.folder / "broken-vocoder"
    if not broken.is_dir():
        shutil.copytree(folder, broken)
        file = broken / "vocoder" / "diffusion_pytorch_model.safetensors"
        tensors = safetensors.torch.load_file(file)
        tensors["conv_out.weight"] = tensors["conv_out.weight"] * float("nan")
        safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})
    shelf.add(FAMILY, "broken-vocoder", source=str(broken))
    with pytest.raises(EngineError, match="values that are no numbers; ask for another seed"):
        drawn(shelf.run("broken-vocoder"))
    assert drawn(shelf.run("broken-vocoder", sound=False)).sound is None
