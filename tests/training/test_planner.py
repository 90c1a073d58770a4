from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hinode.engines.native.plans import planner as trained
from hinode.model.text import Vocabulary
from hinode.training import planner
from hinode.world.book.plan import key_count
from hinode.world.book.words.caption import VOCABULARY
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import parse


def test_a_stopped_run_goes_on_and_its_weights_make_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "TOKENS", 96)  # four plans of 2 s a step
    path = planner.train_planner(tmp_path, minutes=0.01)
    first = trained.load(path).facts["steps"]
    planner.train_planner(tmp_path, minutes=0.03)
    trained.load.cache_clear()
    network = trained.load(path)
    assert network.facts["steps"] > first > 0
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"] == network.facts["steps"]
    plan = network.plan(parse("a red balloon", BOOK), seconds=2.0, aspect=1.0, seed=1)
    assert len(plan.camera.x) == key_count(2.0)


def test_a_step_has_the_same_batch_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "TOKENS", 96)
    first, second, third = (planner.sample_batch(Vocabulary(VOCABULARY), 32, step) for step in (5, 5, 6))
    assert torch.equal(first.values, second.values)
    assert torch.equal(first.ids, second.ids)
    assert not torch.equal(first.ids, third.ids)
