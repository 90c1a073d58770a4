"""Pairs, crops and degradation; runs that continue."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from hinode.engines.native import catalog, checkpoint
from hinode.engines.native import upscaling as upscaler
from hinode.settings import Settings
from hinode.training import upscaling
from hinode.training.upscaling import FRAMES, LARGE_FRAMES, Pairs, make_pairs


@pytest.fixture
def pairs(settings: Settings) -> list[Pairs]:
    card = catalog.find(None, settings.models)
    return list(make_pairs(3, "test", card, checkpoint.load(card.path), shapes=((48, 64),)))


def test_pairs_show_the_same_moments(pairs: list[Pairs], settings: Settings) -> None:
    (batch,) = pairs
    assert (batch.small.shape, batch.generated.shape) == ((3, FRAMES, 3, 48, 64),) * 2
    assert batch.large.shape == (3, LARGE_FRAMES, 3, 96, 128)
    assert {batch.small.dtype, batch.generated.dtype, batch.large.dtype} == {torch.uint8}
    averaged = F.avg_pool2d(batch.large.flatten(0, 1).float(), 2).view(3, LARGE_FRAMES, 3, 48, 64)
    assert (averaged - batch.small[:, batch.at : batch.at + LARGE_FRAMES].float()).abs().mean() < 4
    assert not torch.equal(batch.generated, batch.small)
    card = catalog.find(None, settings.models)
    (again,) = make_pairs(3, "test", card, checkpoint.load(card.path), shapes=((48, 64),))
    assert torch.equal(again.large, batch.large)
    assert torch.equal(again.generated, batch.generated)


def test_crops_show_the_same_places(pairs: list[Pairs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscaling, "KINDS", {"small": 1.0})
    small, large = upscaling.sample_crops(pairs, random.Random(3))
    assert small.shape == (upscaling.BATCH, 2, 3, 48, 48)
    assert large.shape == (upscaling.BATCH, 2, 3, 96, 96)
    averaged = F.avg_pool2d(large.flatten(0, 1), 2).view(small.shape)
    error = (averaged - small).abs().mean()
    assert error < 0.016
    # Neither another moment nor another place is as near.
    assert (averaged.flip(1) - small).abs().mean() > error
    assert (averaged.roll(1, -1) - small).abs().mean() > 1.2 * error


def test_a_degraded_clip_stays_recognisable() -> None:
    video = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    video = F.avg_pool2d(video, 9, 1, 4)
    changed = 0
    for seed in range(8):
        degraded = upscaling.degrade(video, random.Random(seed), torch.Generator().manual_seed(seed))
        assert degraded.shape == video.shape
        assert 0 <= float(degraded.min()) <= float(degraded.max()) <= 1
        assert (degraded - video).abs().mean() < 0.1
        changed += not torch.equal(degraded, video)
    assert changed > 4


def test_an_interrupted_run_continues(
    pairs: list[Pairs], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upscaling, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(upscaling, "make_pairs", lambda *arguments: iter(pairs))
    monkeypatch.setattr(upscaling, "BATCH", 2)
    options = {"settings": settings, "steps": 4, "scenes": 3}
    whole = load_file(upscaling.train_upscaler(tmp_path / "whole", **options))

    sample, calls = upscaling.sample_crops, []

    def interrupt(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sample(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(upscaling, "sample_crops", interrupt)
    with pytest.raises(KeyboardInterrupt):
        upscaling.train_upscaler(tmp_path / "interrupted", **options)
    assert not (tmp_path / "interrupted" / "upscaler.safetensors").exists()
    monkeypatch.setattr(upscaling, "make_pairs", lambda *arguments: pytest.fail("the pairs are stored"))
    path = upscaling.train_upscaler(tmp_path / "interrupted", **options)
    assert len(calls) == 3 + 2
    resumed = load_file(path)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert upscaler.load(path).leave.weight.abs().sum() > 0  # it has learnt something


def test_pairs_of_another_version_are_made_again(
    pairs: list[Pairs], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [{"drawn": batch.generated, **vars(batch)} for batch in pairs]
    torch.save(old, tmp_path / upscaling.PAIRS_FILE)
    monkeypatch.setattr(upscaling, "make_pairs", lambda *arguments: iter(pairs))
    upscaling.train_upscaler(tmp_path, settings=settings, steps=1, scenes=3)
    stored = torch.load(tmp_path / upscaling.PAIRS_FILE)
    assert [entry.keys() for entry in stored] == [vars(pairs[0]).keys()]
