"""Training of the judge: parts, their losses, their files."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from hinode.training import judge, loop
from hinode.training.judge import FORMATS, PARTS, Nets, train_judge
from hinode.world.judge import load_cast, load_judge


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A judge after one or two steps of each part."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    monkeypatch.setattr(judge, "FORMATS", FORMATS[:1])
    return train_judge(tmp_path, minutes=5 / 60, batch=2)


def test_the_parts_own_all_weights_once() -> None:
    for name, _ in Nets().named_parameters():
        assert sum(part.owns(name) for part in PARTS) == 1, name
    assert sum(part.share for part in PARTS) == pytest.approx(1)


def test_the_trained_judge_can_be_loaded(trained: Path) -> None:
    load_judge(trained / "judge.safetensors")
    load_cast(trained / "cast.safetensors")
    assert {path.stem for path in (trained / "parts").iterdir()} == {part.name for part in PARTS}


def test_only_the_named_parts_are_trained_further(trained: Path) -> None:
    before = {part.name: load_file(trained / "parts" / f"{part.name}.safetensors") for part in PARTS}
    train_judge(trained, minutes=60 / 60, batch=2, only=("pair",))
    for part in PARTS:
        after = load_file(trained / "parts" / f"{part.name}.safetensors")
        same = all(torch.equal(after[name], value) for name, value in before[part.name].items())
        assert same == (part.name != "pair"), part.name


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_has_finite_losses_that_reach_its_weights(part: judge.Part) -> None:
    torch.manual_seed(1)
    rng, nets = random.Random(1), Nets()
    scenes = [part.sample(rng) for _ in range(3)]
    frames = part.moments[0] if part.moments else 16
    losses = part.losses(nets, torch.rand(3, frames, 3, 64, 64), scenes, 1.0)
    total = torch.stack(list(losses.values())).mean()
    torch.autograd.backward(total)
    assert torch.isfinite(total)
    reached = {name for name, value in nets.named_parameters() if value.grad is not None}
    assert reached
    assert any(part.owns(name) for name in reached)
