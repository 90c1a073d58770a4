"""One step, its optimisers and average; states; published weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from hinode.engines.native import checkpoint
from hinode.errors import ModelError
from hinode.model.text import FIRST_WORD, Vocabulary
from hinode.training import data, trainer
from hinode.training.recipes import RECIPES
from hinode.training.trainer import Trainer, split_parameters

CPU = torch.device("cpu")
SMOKE = RECIPES["smoke"]()

pytestmark = pytest.mark.usefixtures("exact")


def train_steps(model: Trainer, steps: range, fraction: float = 0.9) -> list[float]:
    """Losses of some steps."""
    losses = []
    for step in steps:
        batch = data.training_batch(model.recipe, step, fraction, model.vocabulary, multiple=8)
        loss, _ = model.learn(batch, data.render_batch(batch, CPU), model.recipe.rate(step + 200, 0.0))
        losses.append(float(loss.value.detach()))
    return losses


def first_batch(model: Trainer) -> data.Batch:
    return data.training_batch(model.recipe, 0, 0.0, model.vocabulary, multiple=8)


def weights(model: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.model.parameters()])


def averages(model: Trainer) -> torch.Tensor:
    return torch.cat([p.flatten() for p in model.average.parameters()])


# One step


def test_the_first_loss_is_known(tmp_path: Path) -> None:
    """An untrained network predicts zero, so this is the rendering, the noise, its levels and the weights."""
    images = train_steps(Trainer(SMOKE, tmp_path, CPU), range(1), 0.0)
    clips = train_steps(Trainer(SMOKE, tmp_path, CPU), range(1, 2), 0.9)
    assert images == [pytest.approx(2.92346, rel=1e-3)]
    assert clips == [pytest.approx(0.39418, rel=1e-3)]


def test_repeating_one_batch_lowers_its_loss(tmp_path: Path) -> None:
    model = Trainer(SMOKE, tmp_path, CPU)
    batch = data.training_batch(model.recipe, 3, 0.9, model.vocabulary, multiple=8)
    video = data.render_batch(batch, CPU)
    losses = [float(model.learn(batch, video, 2e-3)[0].value.detach()) for _ in range(25)]
    assert losses[-1] < 0.35 * losses[0]


def test_a_step_counts_its_clips(tmp_path: Path) -> None:
    model = Trainer(SMOKE, tmp_path, CPU)
    train_steps(model, range(3), 0.0)
    assert (model.progress.step, model.progress.images, model.progress.clips) == (3, 12, 0)
    assert model.progress.flops > 0
    steps = range(3, 9)
    train_steps(model, steps, 0.9)
    buckets = [data.training_batch(SMOKE, s, 0.9, model.vocabulary, multiple=8).bucket for s in steps]
    assert model.progress.clips == sum(b.batch_size for b in buckets if b.frames > 1) > 0


def test_the_learning_rate_is_the_size_of_the_step(tmp_path: Path) -> None:
    def change(rate: float) -> torch.Tensor:
        model = Trainer(SMOKE, tmp_path, CPU)
        before = weights(model)
        batch = first_batch(model)
        model.learn(batch, data.render_batch(batch, CPU), rate)
        return weights(model) - before

    assert not change(0.0).any()
    step = change(1e-3)
    assert step.any()
    assert torch.allclose(change(2e-3), 2 * step, atol=1e-6)


def test_large_gradients_are_clipped(tmp_path: Path) -> None:
    model = Trainer(dataclasses.replace(SMOKE, clip_norm=1e-3), tmp_path, CPU)
    batch = first_batch(model)
    norms: list[float] = []
    model.optimisers[0].register_step_pre_hook(
        lambda *_: norms.append(
            float(torch.stack([p.grad.norm() for p in model.parameters if p.grad is not None]).norm())
        )
    )
    _, norm = model.learn(batch, data.render_batch(batch, CPU), 1e-3)
    assert float(norm) > 1e-2
    assert norms == [pytest.approx(1e-3, rel=1e-3)]


def test_matrices_of_blocks_go_to_muon_and_all_else_to_adamw(tmp_path: Path) -> None:
    model = Trainer(SMOKE, tmp_path, CPU)
    matrices, rest = split_parameters(model.model)
    parameters = list(model.model.parameters())
    assert len({id(p) for p in matrices + rest}) == len(matrices + rest) == len(parameters)
    names = {id(p): name for name, p in model.model.named_parameters()}
    assert {p.ndim for p in matrices} == {2}
    for name in ("fine_in.0.qkv.weight", "coarse.0.text_kv.weight", "text.blocks.0.mlp.fc_out.weight"):
        assert name in {names[id(p)] for p in matrices}
    for name in ("embed.weight", "final.weight", "text.embed.weight", "coarse.0.modulation", "merge.weight"):
        assert name in {names[id(p)] for p in rest}
    muon, adam = model.optimisers
    assert isinstance(muon, torch.optim.Muon)
    assert sum(len(group["params"]) for group in muon.param_groups) == len(matrices)
    assert sum(len(group["params"]) for group in adam.param_groups) == len(rest)


def test_the_average_follows_the_weights_quickly_at_first(tmp_path: Path) -> None:
    model = Trainer(SMOKE, tmp_path, CPU)
    start = weights(model)
    for step in range(3):
        before = averages(model)
        train_steps(model, range(step, step + 1))
        decay = (1 + step) / (10 + step)
        assert torch.allclose(averages(model), torch.lerp(before, weights(model), 1 - decay), atol=1e-6)
    assert not torch.equal(weights(model), start)
    model.progress.step = 10**6
    before = averages(model)
    train_steps(model, range(3, 4))
    assert torch.allclose(averages(model), torch.lerp(before, weights(model), 1 - SMOKE.average), atol=1e-6)


def test_validation_is_repeatable_and_falls_with_training(tmp_path: Path) -> None:
    model = Trainer(SMOKE, tmp_path, CPU)
    first = model.validate()
    assert model.validate() == first
    assert first == Trainer(SMOKE, tmp_path, CPU).validate()
    assert len(first["validation_by_level"]) == 4
    assert sum(first["validation_by_level"]) / 4 == pytest.approx(first["validation"], rel=1e-3)
    train_steps(model, range(20))
    assert model.validate()["validation"] < 0.9 * first["validation"]


# Saved states


def test_a_restored_run_continues_exactly(tmp_path: Path) -> None:
    uninterrupted = Trainer(SMOKE, tmp_path, CPU)
    losses = train_steps(uninterrupted, range(5))
    first = Trainer(SMOKE, tmp_path, CPU)
    train_steps(first, range(3))
    first.save()
    second = Trainer(SMOKE, tmp_path, CPU)
    assert second.restore()
    assert second.progress == first.progress
    assert train_steps(second, range(3, 5)) == losses[3:]
    assert torch.equal(weights(second), weights(uninterrupted))
    assert torch.equal(averages(second), averages(uninterrupted))
    assert [path.name for path in tmp_path.iterdir()] == [trainer.STATE_FILE]


def test_without_a_state_nothing_is_restored(tmp_path: Path) -> None:
    assert not Trainer(SMOKE, tmp_path, CPU).restore()


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    Trainer(SMOKE, tmp_path, CPU).save()
    deeper = dataclasses.replace(SMOKE, model=dataclasses.replace(SMOKE.model, depth=2))
    with pytest.raises(ModelError, match="different network or vocabulary; use another --out"):
        Trainer(deeper, tmp_path, CPU).restore()


# Published weights


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A toy model that had three steps of training."""
    model = Trainer(SMOKE, tmp_path, CPU)
    train_steps(model, range(3))
    model.progress.elapsed = 6.0
    model.export()
    return tmp_path / trainer.MODEL_FILE


def test_training_starts_from_published_weights(published: Path, tmp_path: Path) -> None:
    model = Trainer(SMOKE, tmp_path, CPU)
    model.start_from(published)
    state = checkpoint.load(published).model.state_dict()
    for network in (model.model, model.average):
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert (model.progress.step, model.progress.begun, model.progress.elapsed) == (3, 3, 6.0)


def test_words_added_since_then_are_initialised(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = data.vocabulary()
    table = checkpoint.load(published).model.state_dict()[trainer.WORDS]
    new = Vocabulary(tuple(sorted({*old.words, "comet", "nebula"})))
    monkeypatch.setattr(data, "vocabulary", lambda: new)
    model = Trainer(SMOKE, tmp_path, CPU)
    model.start_from(published)
    extended = model.model.state_dict()[trainer.WORDS]
    assert len(extended) == len(table) + 2
    assert torch.equal(extended[:FIRST_WORD], table[:FIRST_WORD])
    for word in old.words:
        assert torch.equal(extended[new.encode([word])], table[old.encode([word])])
    assert 0.5 < float(extended[new.encode(["comet", "nebula"])].std()) < 1.5
    assert torch.equal(model.average.state_dict()[trainer.WORDS], extended)
    assert train_steps(model, range(3, 5))
