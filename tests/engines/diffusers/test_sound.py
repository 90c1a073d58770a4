"""The sound that a model makes with its frames: that of diffusers, in the file, or not decoded at all."""

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
from tests.engines.diffusers.conftest import ModelHome, each_case, finish, pipeline_kind
from tests.marking import MARKING
from tests.sounds import correlation, read_sound, tracks

FAMILY = "ltx-2"
RATE = 24_000
CASES = [(FAMILY, mode) for mode in FAMILIES[FAMILY].pipelines]


@pytest.mark.parametrize(("family", "mode"), each_case(by=pipeline_kind, cases=CASES))
def test_the_file_sounds_as_the_model_does(
    models: ModelHome, reference: Callable[..., Any], tmp_path: Path, family: str, mode: str
) -> None:
    models.add(family)
    assert models.engine().capabilities(family).sound
    run = models.run(family, mode, seconds=7 / 24)  # the network samples nine frames for a clip of seven
    clip = finish(run)
    assert clip.sound is not None
    assert (clip.sound.rate, clip.sound.channels) == (RATE, 2)
    assert clip.sound.samples.shape[1] == 7000
    _, samples = reference(run, sound=True)
    # The first column of the spectrogram is alone in its latent, so the sound is a little shorter.
    assert samples.shape[1] / RATE == pytest.approx(9 / 24, abs=0.05)
    assert samples.std(axis=1).min() > 0.01  # not a silence that would equal any other
    assert np.abs(clip.sound.samples - samples[:, :7000]).max() < 1e-5

    result = pipeline.finish(run.task.request, clip, tmp_path / "clip.mp4", "mp4", marking=MARKING)
    assert result.sound == "stereo, 24000 Hz"
    decoded, rate = read_sound(tmp_path / "clip.mp4")
    assert (rate, decoded.shape) == (RATE, (2, 7000))
    for channel in (0, 1):
        assert correlation(decoded[channel : channel + 1], samples[channel : channel + 1]) > 0.95


def test_sound_can_be_turned_off_and_on_with_one_model_in_memory(models: ModelHome, tmp_path: Path) -> None:
    models.add(FAMILY)
    engine = models.engine()
    silent, on, default = (
        finish(engine.start(models.request(FAMILY, sound=sound))) for sound in (False, True, None)
    )
    assert silent.sound is None
    assert on.sound is not None
    assert default.sound is not None
    assert np.array_equal(on.sound.samples, default.sound.samples)
    assert np.array_equal(silent.frames, on.frames)
    request = models.request(FAMILY, sound=False)
    pipeline.finish(request, silent, tmp_path / "clip.mp4", "mp4", marking=MARKING)
    assert tracks(tmp_path / "clip.mp4") == ["video"]


def test_a_silent_run_continues_silently(models: ModelHome) -> None:
    models.add(FAMILY)
    run = models.run(FAMILY, FIRST_FRAME, sound=False)
    next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
    resumed = finish(models.engine().start(models.request(FAMILY, FIRST_FRAME, sound=False), run.state()))
    clip = finish(run)
    assert resumed.sound is clip.sound is None
    assert np.array_equal(resumed.frames, clip.frames)


def test_a_model_without_sound_says_so(models: ModelHome) -> None:
    models.add("wan2.1-t2v")
    with pytest.raises(BadInput, match=r"the model wan2\.1-t2v makes no sound") as caught:
        models.run("wan2.1-t2v", sound=True)
    assert caught.value.field == "sound"


def test_sound_of_values_that_are_not_numbers_is_refused(models: ModelHome) -> None:
    """Such values come from weights that overflow; they are not passed off as sound."""
    folder = models.folder / "broken-vocoder"
    shutil.copytree(models.checkpoint(FAMILY), folder)
    file = folder / "vocoder" / "diffusion_pytorch_model.safetensors"
    tensors = safetensors.torch.load_file(file)
    tensors["conv_in.weight"] = tensors["conv_in.weight"].sign() * 1e38  # finite, unlike what comes of them
    safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})
    models.add(FAMILY, "broken-vocoder", source=str(folder))
    with pytest.raises(EngineError, match="values that are no numbers; ask for another seed"):
        models.clip("broken-vocoder")
    assert models.clip("broken-vocoder", sound=False).sound is None
