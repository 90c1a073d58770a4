from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from hinode.engines.native.plans import perception
from hinode.training.reader import losses, pictures, trainer
from hinode.training.reader.clips import draw_clip


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_its_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in ((trainer, "FIRST", 3), (trainer, "CLIPS", 2), (losses, "FRAMES", 4),
                                (losses, "WHOLE", 3), (losses, "OTHERS", 2)):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    path = trainer.train_reader(tmp_path, minutes=0.005)
    first = perception.load(path).facts["steps"]
    trainer.train_reader(tmp_path, minutes=0.03)
    perception.load.cache_clear()
    steps = perception.load(path).facts["steps"]
    assert steps > first > 0
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"] == steps
    assert path.stat().st_size < 4_000_000


def test_a_drawn_clip_is_the_same_every_time() -> None:
    first, second = draw_clip(7), draw_clip(7)
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.motions, second.motions)
    assert first.plan.camera[0, 0].abs().max() == 0


def test_pictures_of_nothing_have_the_shape_and_range_of_true_ones() -> None:
    torch.manual_seed(0)
    true = torch.rand(2, 3, 64, 112) * 2 - 1
    others = pictures.foreign(40, true, random.Random(1))
    assert others.shape == (40, 3, 64, 112)
    assert bool(others.isfinite().all())
    assert others.abs().max() <= 1
