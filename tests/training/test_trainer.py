from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hinode.engines.native import catalog
from hinode.errors import BadInput, ModelError
from hinode.model import checkpoint
from hinode.model.flow import Sampler, Sampling
from hinode.model.text import FIRST_WORD, Vocabulary
from hinode.training import data, trainer
from hinode.training.recipes import RECIPES, Recipe
from hinode.training.trainer import Trainer, split_parameters, train

CPU = torch.device("cpu")
SMOKE = RECIPES["smoke"]()


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """float32 on any machine, and one thread, so that numbers can be compared."""
    monkeypatch.setattr(trainer, "compute_type", lambda device: torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by 50 ms whenever it is read: runs take the same steps on any machine."""
    ticks = itertools.count()
    slow = SimpleNamespace(monotonic=lambda: next(ticks) / 20)
    monkeypatch.setattr(trainer, "time", slow)


def learn(student: Trainer, steps: range, fraction: float = 0.9) -> list[float]:
    costs = []
    for step in steps:
        script = data.step_script(student.recipe, step, fraction, student.vocabulary, multiple=8)
        result, _ = student.learn(script, data.draw(script, CPU), student.recipe.rate(step + 200, 0.0))
        costs.append(float(result.value.detach()))
    return costs


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / trainer.LOG_FILE).read_text(encoding="utf-8").splitlines()]


def weights(student: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in student.model.parameters()])


# Beginning with what is published


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model that had six seconds of training."""
    student = Trainer(SMOKE, tmp_path_factory.mktemp("published"), CPU)
    learn(student, range(3))
    student.progress.elapsed = 6.0
    student.export()
    return student.out / trainer.MODEL_FILE


def test_training_goes_on_with_published_weights(published: Path, tmp_path: Path, clock: None) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    student.begin_as(published)
    shown = checkpoint.load(published).model.state_dict()
    for network in (student.model, student.average):
        assert all(torch.equal(value, shown[name]) for name, value in network.state_dict().items())
    assert (student.progress.step, student.progress.begun, student.progress.elapsed) == (3, 3, 6.0)

    train(SMOKE, tmp_path / "on", start=published, minutes=0.12, threads=1)
    noted = lines(tmp_path / "on")
    assert (noted[0]["event"], noted[0]["begins_as"]) == ("start", "model")
    facts = checkpoint.load(tmp_path / "on" / trainer.MODEL_FILE).facts
    assert facts["steps"] > 3
    assert facts["minutes"] == pytest.approx(0.12, abs=0.01)
    assert facts["clips"] > checkpoint.load(published).facts["clips"]


def test_words_that_are_new_since_then_begin_anew(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = data.vocabulary()
    shown = checkpoint.load(published).model.state_dict()[trainer.WORDS]
    more = Vocabulary(tuple(sorted({*now.words, "comet", "nebula"})))
    monkeypatch.setattr(data, "vocabulary", lambda: more)
    student = Trainer(SMOKE, tmp_path, CPU)
    student.begin_as(published)
    table = student.model.state_dict()[trainer.WORDS]
    assert len(table) == len(shown) + 2
    assert torch.equal(table[:FIRST_WORD], shown[:FIRST_WORD])
    for word in now.words:
        assert torch.equal(table[more.encode([word])], shown[now.encode([word])])
    assert 0.5 < float(table[more.encode(["comet", "nebula"])].std()) < 1.5
    assert torch.equal(student.average.state_dict()[trainer.WORDS], table)
    assert learn(student, range(3, 5))


def test_the_learning_rate_warms_up_again_with_published_weights(
    published: Path, tmp_path: Path, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    rate = Recipe.rate

    def noted(self: Recipe, step: int, fraction: float) -> float:
        asked.append(step)
        return rate(self, step, fraction)

    monkeypatch.setattr(Recipe, "rate", noted)
    train(SMOKE, tmp_path, start=published, minutes=0.11, threads=1)
    assert asked[:2] == [0, 1]
    # and is not begun again when the run goes on from its own state
    train(SMOKE, tmp_path, start=published, minutes=0.12, threads=1)
    assert lines(tmp_path)[-1]["event"] == "done"
    assert asked == list(range(len(asked)))


def test_what_cannot_be_begun_with_is_said(published: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"had 0\.1 minutes of .*, and .* takes 0\.05") as caught:
        train(SMOKE, tmp_path, start=published, minutes=0.05, threads=1)
    assert caught.value.field == "minutes"
    other = dataclasses.replace(SMOKE, model=dataclasses.replace(SMOKE.model, depth=2))
    with pytest.raises(ModelError, match="a different network than the recipe smoke trains"):
        train(other, tmp_path, start=published, threads=1)


# One step


def test_the_first_loss_is_what_it_always_was(tmp_path: Path) -> None:
    """An untrained network predicts zero: this is the drawing, the noise, its levels and the weighting."""
    images = learn(Trainer(SMOKE, tmp_path, CPU), range(1), 0.0)
    clips = learn(Trainer(SMOKE, tmp_path, CPU), range(1, 2), 0.9)
    assert images == [pytest.approx(2.92346, rel=1e-3)]
    assert clips == [pytest.approx(0.39418, rel=1e-3)]


def test_learning_one_script_by_heart_lowers_its_loss(tmp_path: Path) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    script = data.step_script(student.recipe, 3, 0.9, student.vocabulary, multiple=8)
    video = data.draw(script, CPU)
    costs = [float(student.learn(script, video, 2e-3)[0].value.detach()) for _ in range(25)]
    assert costs[-1] < 0.35 * costs[0]


def test_a_step_counts_what_it_learnt_from(tmp_path: Path) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    learn(student, range(3), 0.0)
    assert (student.progress.step, student.progress.images, student.progress.clips) == (3, 12, 0)
    before = student.progress.flops
    assert before > 0
    steps = range(3, 9)
    learn(student, steps, 0.9)
    buckets = [data.step_script(student.recipe, s, 0.9, student.vocabulary, multiple=8).bucket for s in steps]
    assert student.progress.clips == sum(b.batch for b in buckets if b.frames > 1) > 0


def test_the_learning_rate_is_the_size_of_the_step(tmp_path: Path) -> None:
    def moved(rate: float) -> torch.Tensor:
        student = Trainer(SMOKE, tmp_path, CPU)
        before = weights(student)
        script = data.step_script(student.recipe, 0, 0.0, student.vocabulary, multiple=8)
        student.learn(script, data.draw(script, CPU), rate)
        return weights(student) - before

    assert not moved(0.0).any()
    step = moved(1e-3)
    assert step.any()
    assert torch.allclose(moved(2e-3), 2 * step, atol=1e-6)


def test_large_gradients_are_clipped(tmp_path: Path) -> None:
    calm = Trainer(dataclasses.replace(SMOKE, clip_norm=1e-3), tmp_path, CPU)
    script = data.step_script(calm.recipe, 0, 0.0, calm.vocabulary, multiple=8)
    norms: list[float] = []
    calm.optimisers[0].register_step_pre_hook(
        lambda *_: norms.append(
            float(torch.stack([p.grad.norm() for p in calm.parameters if p.grad is not None]).norm())
        )
    )
    _, norm = calm.learn(script, data.draw(script, CPU), 1e-3)
    assert float(norm) > 1e-2
    assert norms == [pytest.approx(1e-3, rel=1e-3)]


def test_matrices_of_blocks_go_to_muon_and_all_else_to_adamw(tmp_path: Path) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    matrices, rest = split_parameters(student.model)
    everything = list(student.model.parameters())
    assert len({id(p) for p in matrices + rest}) == len(matrices + rest) == len(everything)
    names = {id(p): name for name, p in student.model.named_parameters()}
    assert {p.ndim for p in matrices} == {2}
    for name in ("fine_in.0.qkv.weight", "coarse.0.text_kv.weight", "text.blocks.0.mlp.fall.weight"):
        assert name in {names[id(p)] for p in matrices}
    for name in ("embed.weight", "final.weight", "text.embed.weight", "coarse.0.modulation", "merge.weight"):
        assert name in {names[id(p)] for p in rest}
    muon, adam = student.optimisers
    assert isinstance(muon, torch.optim.Muon)
    assert sum(len(group["params"]) for group in muon.param_groups) == len(matrices)
    assert sum(len(group["params"]) for group in adam.param_groups) == len(rest)


def test_the_average_follows_the_weights_quickly_at_first(tmp_path: Path) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    start = weights(student)
    for step in range(3):
        before = torch.cat([p.flatten() for p in student.average.parameters()])
        learn(student, range(step, step + 1))
        after = torch.cat([p.flatten() for p in student.average.parameters()])
        decay = (1 + step) / (10 + step)
        assert torch.allclose(after, torch.lerp(before, weights(student), 1 - decay), atol=1e-6)
    assert not torch.equal(weights(student), start)
    student.progress.step = 10**6
    before = torch.cat([p.flatten() for p in student.average.parameters()])
    student._follow()
    after = torch.cat([p.flatten() for p in student.average.parameters()])
    assert torch.allclose(after, torch.lerp(before, weights(student), 1 - SMOKE.average), atol=1e-7)


def test_validation_is_repeatable_and_falls_as_the_average_learns(tmp_path: Path) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    first = student.validate()
    assert student.validate() == first
    assert first == Trainer(SMOKE, tmp_path, CPU).validate()
    assert len(first["validation_by_level"]) == 4
    assert sum(first["validation_by_level"]) / 4 == pytest.approx(first["validation"], rel=1e-3)
    learn(student, range(20))
    assert student.validate()["validation"] < 0.9 * first["validation"]


# Stopping and going on


def test_a_run_goes_on_from_its_state_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = Trainer(SMOKE, tmp_path, CPU)
    costs = learn(whole, range(5))
    first = Trainer(SMOKE, tmp_path, CPU)
    learn(first, range(3))
    first.save()
    second = Trainer(SMOKE, tmp_path, CPU)
    assert second.restore()
    assert second.progress == first.progress
    assert learn(second, range(3, 5)) == costs[3:]
    assert torch.equal(weights(second), weights(whole))
    assert all(
        torch.equal(a, b)
        for a, b in zip(second.average.parameters(), whole.average.parameters(), strict=True)
    )
    assert not list(tmp_path.glob("*.part"))


def test_without_a_state_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert not Trainer(SMOKE, tmp_path, CPU).restore()


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    Trainer(SMOKE, tmp_path, CPU).save()
    wider = dataclasses.replace(SMOKE, model=dataclasses.replace(SMOKE.model, depth=2))
    with pytest.raises(ModelError, match="different network or vocabulary; use another --out"):
        Trainer(wider, tmp_path, CPU).restore()


def test_a_failed_save_leaves_the_state_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = Trainer(SMOKE, tmp_path, CPU)
    student.save()

    def full_disk(state: object, path: Path) -> None:
        path.write_bytes(b"half a st")
        raise OSError(28, "No space left on device")

    learn(student, range(1))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(OSError, match="No space"):
            student.save()
    again = Trainer(SMOKE, tmp_path, CPU)
    assert again.restore()
    assert again.progress.step == 0


# Whole runs


def test_a_run_trains_reports_and_leaves_a_model_that_draws(
    tmp_path: Path, clock: None, capsys: pytest.CaptureFixture[str]
) -> None:
    untrained = Trainer(SMOKE, tmp_path, CPU).validate()["validation"]
    recipe = dataclasses.replace(SMOKE, warmup_steps=5)
    path = train(recipe, tmp_path / "run", minutes=0.2, threads=1)
    assert path == tmp_path / "run" / "model.safetensors"
    log = lines(path.parent)
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


def test_a_longer_run_goes_on_where_the_shorter_one_ended(tmp_path: Path, clock: None) -> None:
    train(SMOKE, tmp_path, minutes=0.03)
    short = lines(tmp_path)
    train(SMOKE, tmp_path, minutes=0.06)
    log = lines(tmp_path)
    assert log[: len(short)] == short
    resumed, *_, done = log[len(short) :]
    assert (resumed["event"], resumed["minutes"]) == ("resume", 0.06)
    assert done["steps"] > short[-1]["steps"]
    assert done["minutes"] == pytest.approx(0.06, abs=0.01)
    again = train(SMOKE, tmp_path, minutes=0.06)  # over already: nothing to learn, and still a model
    assert lines(tmp_path)[-1]["steps"] == done["steps"]
    assert checkpoint.load(again).facts["steps"] == done["steps"]


def test_a_run_may_start_over(tmp_path: Path, clock: None) -> None:
    train(SMOKE, tmp_path, minutes=0.02)
    first = lines(tmp_path)
    train(SMOKE, tmp_path, minutes=0.02, resume=False)
    log = lines(tmp_path)
    assert [line["event"] for line in log if "event" in line] == ["start", "done"]
    assert log[-1]["steps"] <= first[-1]["steps"] + 1


def test_states_and_models_are_kept_on_the_way(
    tmp_path: Path, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[int] = []
    save = Trainer.save

    def noted(student: Trainer) -> None:
        saves.append(student.progress.step)
        save(student)

    monkeypatch.setattr(Trainer, "save", noted)
    recipe = dataclasses.replace(SMOKE, minutes=0.06, save_minutes=0.015, validate_minutes=0.02)
    train(recipe, tmp_path)
    assert len(saves) >= 3
    exports = [line for line in lines(tmp_path) if line.get("event") == "export"]
    assert len(exports) >= 1
    assert 0 < exports[0]["steps"] < saves[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_everything_saved(
    tmp_path: Path, clock: None, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    draw, drawn = data.draw, itertools.count(1)

    def interrupted(script: data.Script, device: torch.device) -> torch.Tensor:
        if next(drawn) == 4:
            os.kill(os.getpid(), number)
        return draw(script, device)

    monkeypatch.setattr(data, "draw", interrupted)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    path = train(SMOKE, tmp_path, minutes=1.0)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    done = lines(tmp_path)[-1]
    assert (done["event"], done["steps"]) == ("stopped", 4)
    assert checkpoint.load(path).facts["steps"] == 4
    again = Trainer(SMOKE, tmp_path, CPU)
    assert again.restore()
    assert again.progress.step == 4


def test_a_second_interrupt_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), trainer.stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_unknown_recipe_is_answered_with_the_known(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no recipe called giant; choose one of nano, mini, smoke") as caught:
        train("giant", tmp_path)
    assert caught.value.field == "recipe"
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_may_be_named(tmp_path: Path, clock: None) -> None:
    recipe: Recipe = dataclasses.replace(SMOKE, minutes=0.01)
    assert checkpoint.load(train("smoke", tmp_path, minutes=recipe.minutes)).facts["recipe"] == "smoke"
