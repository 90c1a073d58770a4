"""Pairs of the picture book, their damages, and runs that continue."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from hinode.engines.native import upscaling
from hinode.training import decoder
from hinode.training.decoder import Pairs, damage, make_pair, sample_crops, train_decoder


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    small, large = (
        torch.stack(part) for part in zip(*(make_pair(random.Random(k)) for k in range(3)), strict=True)
    )
    return Pairs(small, large)


def test_pairs_show_the_same_place_at_the_same_moment(pairs: Pairs) -> None:
    assert (pairs.small.shape, pairs.large.shape) == ((3, 3, 96, 96), (3, 3, 288, 288))
    assert {pairs.small.dtype, pairs.large.dtype} == {torch.uint8}
    averaged = F.avg_pool2d(pairs.large.float(), 3)
    for mean, small in zip(averaged, pairs.small.float(), strict=True):
        error = (mean - small).abs().mean()
        assert error < 4
        assert (mean.roll(1, -1) - small).abs().mean() > 1.5 * error
        assert (mean.roll(1, -2) - small).abs().mean() > 1.5 * error


def test_crops_show_the_same_place_and_light(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "DAMAGED", 0.0)
    small, large = sample_crops(pairs, random.Random(3))
    assert small.shape == (decoder.BATCH, 3, 64, 64)
    assert large.shape == (decoder.BATCH, 3, 192, 192)
    assert (F.avg_pool2d(large, 3) - small).abs().mean() < 0.02


def test_damage_leaves_a_frame_recognisable_and_its_light_as_it_is() -> None:
    frames = F.avg_pool2d(torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(1)), 9, 1, 4)
    errors = {}
    for severe in (False, True):
        damaged = [
            damage(frames, random.Random(k), torch.Generator().manual_seed(k), severe=severe)
            for k in range(12)
        ]
        for frame in damaged:
            assert frame.shape == frames.shape
            assert 0 <= float(frame.min()) <= float(frame.max()) <= 1
        errors[severe] = torch.stack([(frame - frames).abs().mean() for frame in damaged])
        light = torch.stack([(frame - frames).mean((-1, -2)).abs().amax() for frame in damaged])
        assert float(light.max()) < 0.03
    assert float(errors[True].max()) < 0.1
    assert float(errors[True].mean()) > 2 * float(errors[False].mean())
    assert float(errors[False].max()) < 0.02


def test_an_interrupted_run_continues(pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "BATCH", 1)
    rendered = []

    def count_pairs(rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        rendered.append(rng)
        return pairs.small[0], pairs.large[0]

    monkeypatch.setattr(decoder, "make_pair", count_pairs)
    first = train_decoder(tmp_path, minutes=0.01, pairs=3)
    steps = len((tmp_path / "state.pt").read_bytes()) and torch.load(tmp_path / "state.pt")["step"]
    assert upscaling.load(first).config == upscaling.UpscalerConfig()
    assert upscaling.load(first).leave.weight.abs().sum() > 0  # it has learnt something
    upscaling.load.cache_clear()
    train_decoder(tmp_path, minutes=0.02, pairs=4)
    assert torch.load(tmp_path / "state.pt")["step"] > steps
    assert len(rendered) == 4
