from __future__ import annotations

import pytest
import torch

from hinode.model.flow import null_text
from hinode.model.text import NULL, PAD
from hinode.training import data
from hinode.training.data import drop_text, sample_levels


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_clip_has_one_level_or_one_per_frame() -> None:
    levels = sample_levels(20_000, 4, seeded(1))
    assert levels.shape == (20_000, 4)
    assert levels.min() > 0
    assert levels.max() < 1
    alike = (levels == levels[:, :1]).all(1)
    assert alike.float().mean() == pytest.approx(1 - data.INDEPENDENT, abs=0.01)
    assert all(len(row.unique()) == 4 for row in levels[~alike][:200])


def test_a_quarter_of_the_samples_sees_hardly_anything_but_noise() -> None:
    levels = sample_levels(20_000, 1, seeded(2))
    usual = torch.special.ndtr((torch.tensor(data.EARLIEST).logit() - data.LEVEL_MEAN) / data.LEVEL_SPREAD)
    share = data.EARLY * (1 - data.INDEPENDENT)
    assert (levels < data.EARLIEST).float().mean() == pytest.approx(
        float(share + (1 - share) * usual), abs=0.01
    )
    assert (levels < data.EARLIEST / 3).float().mean() == pytest.approx(share / 3, abs=0.01)


def test_the_other_levels_are_logit_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "EARLY", 0.0)
    logits = sample_levels(20_000, 1, seeded(2)).logit()
    assert float(logits.mean()) == pytest.approx(data.LEVEL_MEAN, abs=0.02)
    assert float(logits.std()) == pytest.approx(data.LEVEL_SPREAD, abs=0.02)


def test_levels_follow_from_the_seed() -> None:
    assert torch.equal(sample_levels(8, 3, seeded(4)), sample_levels(8, 3, seeded(4)))
    assert not torch.equal(sample_levels(8, 3, seeded(4)), sample_levels(8, 3, seeded(5)))


def test_a_tenth_of_the_texts_is_dropped_whole() -> None:
    ids = torch.tensor([[5, 9, 3, PAD]]).expand(20_000, -1)
    dropped = drop_text(ids, seeded(1))
    gone = (dropped != ids).any(1)
    assert gone.float().mean() == pytest.approx(data.TEXT_DROPOUT, abs=0.01)
    assert dropped[gone].unique(dim=0).tolist() == [[NULL, PAD, PAD, PAD]]
    assert null_text(ids[:2]).tolist() == [[NULL, PAD, PAD, PAD]] * 2
