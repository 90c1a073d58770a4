"""Whole runs: reports, states and models, stopping, continuing, starting from published weights."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from hinode.engines.native import catalog, checkpoint
from hinode.errors import BadInput, ModelError
from hinode.model.flow import Sampler, Sampling
from hinode.training import data, run
from hinode.training.recipes import RECIPES, Recipe
from hinode.training.run import train
from hinode.training.trainer import Trainer

CPU = torch.device("cpu")
SMOKE = RECIPES["smoke"]()

pytestmark = pytest.mark.usefixtures("exact", "clock")


def read_log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / run.LOG_FILE).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model with six seconds and 40 steps of training."""
    model = Trainer(SMOKE, tmp_path_factory.mktemp("published"), CPU)
    model.progress.step, model.progress.elapsed = 40, 6.0
    model.export()
    return model.out / "model.safetensors"


def test_a_run_reports_and_exports_a_model_that_can_be_sampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    untrained = Trainer(SMOKE, tmp_path, CPU).validate()["validation"]
    recipe = dataclasses.replace(SMOKE, warmup_steps=5)
    path = train(recipe, tmp_path / "run", minutes=0.15, threads=1)
    assert path == tmp_path / "run" / "model.safetensors"
    log = read_log(path.parent)
    start, *reports, done = log
    assert (start["event"], start["recipe"], start["dtype"]) == ("start", "smoke", "float32")
    assert start["parameters"] == done["parameters"] > 100_000
    assert len(reports) >= 3
    assert [line["step"] for line in reports] == sorted({line["step"] for line in reports})
    assert 0 < reports[0]["fraction"] < reports[-1]["fraction"] <= 1
    assert all(0 <= line["render_share"] <= 1 for line in reports)
    assert 0 < reports[-1]["lr"] < 0.25 * SMOKE.learning_rate
    assert (done["event"], done["recipe"]) == ("done", "smoke")
    assert done["validation"] < 0.7 * untrained
    assert done["steps"] > reports[-2]["step"]
    assert done["images"] > 0 < done["clips"]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == log

    loaded = checkpoint.load(path)
    assert loaded.facts == {name: value for name, value in done.items() if name != "event"}
    assert loaded.vocabulary.words == data.vocabulary().words
    card = catalog.read_card("smoke", path)
    assert [shape.size for shape in card.shapes] == [(32, 32)]
    ids = loaded.vocabulary.batch([["red", "balloon"]], limit=card.words)
    noise = torch.randn(1, 2, 4, 4, 768, generator=torch.Generator().manual_seed(1))
    sampler = Sampler(loaded.model, ids, 8.0, noise, Sampling(**{**card.sampling, "steps": 3}))
    assert [state.step for state in sampler] == [1, 2, 3]
    video = loaded.model.config.tokenizer.decode(sampler.state.latents)
    assert video.shape == (1, 5, 3, 32, 32)
    assert not video.isnan().any()


def test_a_longer_run_continues_the_shorter_one(tmp_path: Path) -> None:
    train(SMOKE, tmp_path, minutes=0.02)
    short = read_log(tmp_path)
    train(SMOKE, tmp_path, minutes=0.04)
    log = read_log(tmp_path)
    assert log[: len(short)] == short
    resumed, *_, done = log[len(short) :]
    assert (resumed["event"], resumed["minutes"]) == ("resume", 0.04)
    assert done["steps"] > short[-1]["steps"]
    assert done["minutes"] == pytest.approx(0.04, abs=0.01)
    path = train(SMOKE, tmp_path, minutes=0.04)  # finished already: no step, and still a model
    assert read_log(tmp_path)[-1]["steps"] == done["steps"]
    assert checkpoint.load(path).facts["steps"] == done["steps"]


def test_a_run_may_start_over(tmp_path: Path) -> None:
    train(SMOKE, tmp_path, minutes=0.02)
    first = read_log(tmp_path)
    train(SMOKE, tmp_path, minutes=0.02, resume=False)
    log = read_log(tmp_path)
    assert [line["event"] for line in log if "event" in line] == ["start", "done"]
    assert log[-1]["steps"] == first[-1]["steps"]


def test_states_and_models_are_written_during_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[int] = []
    save = Trainer.save

    def record(model: Trainer) -> None:
        saves.append(model.progress.step)
        save(model)

    monkeypatch.setattr(Trainer, "save", record)
    recipe = dataclasses.replace(SMOKE, minutes=0.04, save_minutes=0.01, validate_minutes=0.02)
    train(recipe, tmp_path)
    assert len(saves) >= 3
    exports = [line for line in read_log(tmp_path) if line.get("event") == "export"]
    assert len(exports) >= 1
    assert 0 < exports[0]["steps"] < saves[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_everything_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    render, calls = data.render_batch, itertools.count(1)

    def interrupt(batch: data.Batch, device: torch.device) -> torch.Tensor:
        if next(calls) == 4:
            os.kill(os.getpid(), number)
        return render(batch, device)

    monkeypatch.setattr(data, "render_batch", interrupt)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    path = train(SMOKE, tmp_path, minutes=1.0)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    stopped = read_log(tmp_path)[-1]
    assert (stopped["event"], stopped["steps"]) == ("stopped", 4)
    assert checkpoint.load(path).facts["steps"] == 4
    model = Trainer(SMOKE, tmp_path, CPU)
    assert model.restore()
    assert model.progress.step == 4


def test_the_minutes_of_published_weights_count(published: Path, tmp_path: Path) -> None:
    path = train(SMOKE, tmp_path, start=published, minutes=0.12, threads=1)
    start = read_log(tmp_path)[0]
    assert (start["event"], start["begins_as"]) == ("start", "model")
    facts = checkpoint.load(path).facts
    assert facts["steps"] > 40
    assert facts["minutes"] == pytest.approx(0.12, abs=0.01)
    assert facts["clips"] > checkpoint.load(published).facts["clips"]


def test_the_learning_rate_warms_up_again_from_published_weights(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    rate = Recipe.rate

    def record(self: Recipe, step: int, fraction: float) -> float:
        steps.append(step)
        return rate(self, step, fraction)

    monkeypatch.setattr(Recipe, "rate", record)
    train(SMOKE, tmp_path, start=published, minutes=0.11, threads=1)
    assert steps[:2] == [0, 1]
    # but not when the run continues from its own state
    train(SMOKE, tmp_path, start=published, minutes=0.12, threads=1)
    assert read_log(tmp_path)[-1]["event"] == "done"
    assert steps == list(range(len(steps)))


def test_unsuitable_published_weights_are_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"had 0\.1 minutes of .*, and .* takes 0\.05") as caught:
        train(SMOKE, tmp_path, start=published, minutes=0.05, threads=1)
    assert caught.value.field == "minutes"
    deeper = dataclasses.replace(SMOKE, model=dataclasses.replace(SMOKE.model, depth=2))
    with pytest.raises(ModelError, match="a different network than the recipe smoke trains"):
        train(deeper, tmp_path, start=published, threads=1)


def test_an_unknown_recipe_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no recipe called giant; choose one of nano, mini, smoke") as caught:
        train("giant", tmp_path)
    assert caught.value.field == "recipe"
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_may_be_named(tmp_path: Path) -> None:
    assert checkpoint.load(train("smoke", tmp_path, minutes=0.01)).facts["recipe"] == "smoke"
