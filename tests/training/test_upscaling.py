from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from hinode.engines.native import catalog, upscaling
from hinode.errors import ModelError
from hinode.evaluation import upscaler
from hinode.model import checkpoint
from hinode.settings import Settings
from hinode.training import upscaling as teaching
from hinode.training.pairs import FRAMES, SHOWN, Pairs, gather


@pytest.fixture
def pairs(settings: Settings) -> list[Pairs]:
    card = catalog.find(None, settings.models)
    return list(gather(3, "test", card, checkpoint.load(card.path), shapes=((48, 64),)))


def test_pairs_show_the_same_moments(pairs: list[Pairs], settings: Settings) -> None:
    (one,) = pairs
    assert (one.small.shape, one.drawn.shape) == ((3, FRAMES, 3, 48, 64),) * 2
    assert one.large.shape == (3, SHOWN, 3, 96, 128)
    assert {one.small.dtype, one.drawn.dtype, one.large.dtype} == {torch.uint8}
    averaged = F.avg_pool2d(one.large.flatten(0, 1).float(), 2).view(3, SHOWN, 3, 48, 64)
    assert (averaged - one.small[:, one.at : one.at + SHOWN].float()).abs().mean() < 4
    assert not torch.equal(one.drawn, one.small)
    card = catalog.find(None, settings.models)
    (again,) = gather(3, "test", card, checkpoint.load(card.path), shapes=((48, 64),))
    assert torch.equal(again.large, one.large)
    assert torch.equal(again.drawn, one.drawn)


def test_a_batch_is_cut_from_the_same_places(pairs: list[Pairs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "KINDS", {"small": 1.0})
    given, wanted = teaching.batch(pairs, random.Random(3))
    assert given.shape == (teaching.BATCH, 2, 3, 48, 48)
    assert wanted.shape == (teaching.BATCH, 2, 3, 96, 96)
    averaged = F.avg_pool2d(wanted.flatten(0, 1), 2).view(given.shape)
    right = (averaged - given).abs().mean()
    assert right < 0.016
    # Neither another moment nor another place is as near.
    assert (averaged.flip(1) - given).abs().mean() > right
    assert (averaged.roll(1, -1) - given).abs().mean() > 1.2 * right


def test_wear_leaves_a_clip_to_be_seen() -> None:
    video = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    video = F.avg_pool2d(video, 9, 1, 4)
    changed = 0
    for seed in range(8):
        worn = teaching.worn(video, random.Random(seed), torch.Generator().manual_seed(seed))
        assert worn.shape == video.shape
        assert 0 <= float(worn.min()) <= float(worn.max()) <= 1
        assert (worn - video).abs().mean() < 0.1
        changed += not torch.equal(worn, video)
    assert changed > 4


def test_training_goes_on_where_it_was_broken_off(
    pairs: list[Pairs], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(teaching, "gather", lambda *how: iter(pairs))
    monkeypatch.setattr(teaching, "BATCH", 2)
    how = {"settings": settings, "steps": 4, "scenes": 3}
    whole = load_file(teaching.train_upscaler(tmp_path / "whole", **how))

    real, calls = teaching.batch, []

    def breaking(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(teaching, "batch", breaking)
    with pytest.raises(KeyboardInterrupt):
        teaching.train_upscaler(tmp_path / "broken", **how)
    assert not (tmp_path / "broken" / "upscaler.safetensors").exists()
    monkeypatch.setattr(teaching, "gather", lambda *how: pytest.fail("the pairs were there"))
    path = teaching.train_upscaler(tmp_path / "broken", **how)
    assert len(calls) == 3 + 2
    resumed = load_file(path)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert upscaling.load(path).leave.weight.abs().sum() > 0  # it has learnt something


def test_figures_are_what_they_are_called() -> None:
    clip = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    assert upscaler.psnr(clip * 0, clip * 0 + 0.1) == pytest.approx(20, abs=1e-3)
    assert upscaler.ssim(clip, clip) == pytest.approx(1)
    assert upscaler.ssim(clip, 1 - clip) < 0
    ramp = torch.arange(8.0).expand(1, 3, 8, 8) / 100
    assert torch.allclose(upscaler.slope(ramp), torch.tensor(0.01))


def test_nothing_is_measured_without_weights(settings: Settings) -> None:
    with pytest.raises(ModelError, match="no upscaler"):
        upscaler.evaluate_upscaling(model=None, settings=settings)


def test_the_suite_measures_and_tells(settings: Settings) -> None:
    upscaling.load.cache_clear()
    teaching.save(upscaling.UpscalerNet(), upscaling.path(), {})
    found = upscaler.evaluate_upscaling(model=None, settings=settings, limit=2)
    upscaling.load.cache_clear()
    assert json.loads(json.dumps(found)) == found
    # A network that has learnt nothing is a bicubic filter, which is behind Lanczos on these pictures.
    for kind in ("native renders", "averaged renders"):
        assert -1.5 < found[kind]["gain_db"]["mean"] < 0
        assert found[kind]["lanczos"]["psnr"] > 25
        assert 0.3 < found[kind]["lanczos"]["edge_slope"] < 1
    assert set(found["four times"]) == {"lanczos", "once", "twice"}
    assert found["drawn"]["prompts"] == 2
    assert found["drawn"]["same_verdict_as_lanczos"] in (0, 0.5, 1)
    assert found["cost"]["upscaling_gflop"] > 0
    assert "four times" in upscaler.table(found)


def test_a_setting_that_is_wrong_is_refused() -> None:
    assert dataclasses.replace(Settings(Path("x")), upscale=False).upscale is False
    assert Settings.from_environment({"HINODE_UPSCALE": "0"}).upscale is False
    assert Settings.from_environment({}).upscale is True
