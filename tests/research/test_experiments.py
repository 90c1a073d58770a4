"""Arms: equal arithmetic, the same scenes, one result each, resumable; the autoencoder; cut pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hinode.errors import BadInput
from hinode.model.dit import DiT
from hinode.training import data
from hinode.training.recipes import Bucket
from research import arms, autoencoder, components, experiments
from research.arms import Arm, VelocityDiT, find_arms, make_recipe
from research.experiments import run_arm
from runs.experiments_page import inconsistent

PROMPTS = Path(__file__).parents[2] / "benchmarks" / "prompts"
CPU = torch.device("cpu")
XS = dataclasses.replace(arms.SIZES["xs"], vocabulary=9)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Budgets of a few steps, batches of two, four prompts; the folder of the prompts."""
    monkeypatch.setattr(arms, "BASE", 4e9)
    monkeypatch.setattr(arms, "CLIP", Bucket(5, 8, 64, 64, 2))
    monkeypatch.setattr(arms, "IMAGE", Bucket(1, 8, 64, 64, 2))
    monkeypatch.setattr(arms, "SAMPLING", dataclasses.replace(arms.SAMPLING, steps=1))
    monkeypatch.setattr(data, "VALIDATION_SCENES", 16)
    for name in ("scaling", "captions"):
        lines = (PROMPTS / f"{name}.jsonl").read_text().splitlines(keepends=True)[:4]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return tmp_path


def quiet(line: str) -> None:
    """Prints nothing."""


def test_all_arms_of_the_curve_see_the_same_scenes() -> None:
    batches = []
    for size in ("xs", "l"):
        recipe = make_recipe(find_arms([f"scaling-{size}-4x"])[0], arms.SIZES[size])
        batches.append(
            [data.training_batch(recipe, step, 0.5, data.vocabulary(), multiple=32) for step in range(3)]
        )
    for first, second in zip(*batches, strict=True):
        assert first.scenes == second.scenes
        assert torch.equal(first.ids, second.ids)


def test_names_are_unique_and_unknown_ones_refused() -> None:
    names = [arm.name for family in arms.FAMILIES.values() for arm in family]
    assert len(set(names)) == len(names)
    assert [arm.name for arm in find_arms(["spaces", "scaling-s-1x"])][-1] == "scaling-s-1x"
    with pytest.raises(BadInput, match="no experiment nothing"):
        find_arms(["nothing"])


def test_an_arm_spends_its_budget_and_is_not_run_twice(small: Path, tmp_path: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    arm = Arm("tiny", "xs", 1)
    assert run_arm(arm, results, work, small, quiet)
    result = json.loads((results / "tiny.json").read_text())
    assert arm.budget <= result["flops"] < arm.budget * 1.5
    assert result["clips"] > 0
    assert result["images"] > 0
    assert result["scores"]["scaling"]["n"] == 4
    assert (results / "tiny.png").is_file()
    before = (results / "tiny.json").read_bytes()
    assert run_arm(arm, results, work, small, quiet)
    assert (results / "tiny.json").read_bytes() == before


def test_a_stopped_arm_ends_as_an_uninterrupted_one(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = Arm("tiny", "xs", 1)
    assert run_arm(arm, tmp_path / "whole", tmp_path / "a", small, quiet)

    learn, steps = experiments.Trainer.learn, 0

    def interrupt(self: experiments.Trainer, *arguments: object) -> object:
        nonlocal steps
        steps += 1
        if steps == 3:
            self.save()
            raise KeyboardInterrupt
        return learn(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(experiments.Trainer, "learn", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_arm(arm, tmp_path / "stopped", tmp_path / "b", small, quiet)
    monkeypatch.setattr(experiments.Trainer, "learn", learn)
    assert run_arm(arm, tmp_path / "stopped", tmp_path / "b", small, quiet)
    whole, stopped = (
        json.loads((tmp_path / name / "tiny.json").read_text()) for name in ("whole", "stopped")
    )
    assert stopped["steps"] == whole["steps"]
    assert stopped["validation"] == whole["validation"]


def test_velocity_gives_the_same_clip() -> None:
    torch.manual_seed(0)
    model = DiT(XS)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    velocity_model = VelocityDiT(XS)
    velocity_model.load_state_dict(model.state_dict())
    z, t = torch.randn(1, 2, 4, 4, 768), torch.full((1, 2), 0.25)
    condition = model.encode_text(torch.tensor([[2, 3]]))
    with torch.no_grad():
        clean = velocity_model(z, t, condition, 8.0)
        assert torch.allclose((clean - z) / 0.75, model(z, t, condition, 8.0), atol=1e-5)


def nine_frames(config: Any) -> torch.Tensor:
    """Eight clips of nine frames."""
    batch = data.training_batch(
        make_recipe(Arm("x", "xs", 1), config), 0, 1.0, data.vocabulary(), multiple=32
    )
    batch = dataclasses.replace(batch, bucket=Bucket(9, 8, 64, 64, 8), scenes=batch.scenes[:8])
    return data.render_batch(batch, CPU)


def test_the_autoencoder_is_causal_and_normalised_and_counts_its_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "SAMPLE", 6)
    monkeypatch.setattr(autoencoder, "FRAMES", 5)
    path = tmp_path / "autoencoder.safetensors"
    spent = autoencoder.train(path, 2.5e10, report=quiet)
    assert 1.5e10 < spent < 5e10
    assert autoencoder.train(path, 9e10, report=quiet) == spent  # it exists
    config = autoencoder.latent_config(XS, path)
    tokenizer = config.tokenizer
    video = nine_frames(config)
    latents = tokenizer.encode(video)
    assert latents.shape == (8, 3, 8, 8, autoencoder.CHANNELS)
    assert latents.std().item() == pytest.approx(1, abs=0.5)
    changed = video.clone()
    changed[:, 5:] = 0
    assert torch.allclose(tokenizer.encode(changed)[:, :2], latents[:, :2], atol=1e-5)
    error = (tokenizer.decode(latents) - video).square().mean()
    assert error < 0.1 * video.var()
    assert DiT(config).embed.in_features == autoencoder.CHANNELS


def test_more_components_lose_less_and_all_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "CLIPS", 8)
    path = tmp_path / "components.safetensors"
    cost = components.fit(path)
    assert 1e9 < cost == components.fit(path)  # it exists
    config = components.component_config(XS, path, 32)
    video = nine_frames(config)
    latents = config.tokenizer.encode(video)
    assert latents.shape == (8, 3, 8, 8, 32)
    assert latents.square().mean().item() == pytest.approx(1, abs=0.3)
    spread = latents.flatten(0, -2).std(0)
    assert 2 * spread[-1] < spread[0]  # the largest still count most
    errors = [
        (tokenizer.decode(tokenizer.encode(video)) - video).square().mean().item()
        for tokenizer in (components.load(path, count) for count in (32, 128, 768))
    ]
    assert 0.1 * float(video.var()) > errors[0] > 2 * errors[1]
    assert errors[2] < 1e-8
    assert DiT(config).embed.in_features == 32


def test_an_arm_over_components_is_run(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "CLIPS", 8)
    arm = Arm("tiny", "xs", 1, space="components", kept=16)
    assert run_arm(arm, tmp_path / "results", tmp_path / "work", small, quiet)
    result = json.loads((tmp_path / "results" / "tiny.json").read_text())
    assert result["flops"] >= arm.budget
    assert result["flops_tokenizer"] > 0
    assert result["reconstruction"]["psnr"] > 15


def test_an_arm_of_cut_pictures_measures_framing(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WIDE", "TALL"):
        bucket = dataclasses.replace(getattr(arms, name), batch_size=2)
        monkeypatch.setattr(arms, name, bucket)
    cut = dataclasses.replace(arms.IMAGE, cut_from=(112, 64), batch_size=16)
    monkeypatch.setattr(arms, "CUT", (cut,))
    arm = Arm("tiny", "xs", 1, shapes="cut", prompts=("captions",))
    assert run_arm(arm, tmp_path / "results", tmp_path / "work", small, quiet)
    result = json.loads((tmp_path / "results" / "tiny.json").read_text())
    assert set(result["framing"]) == {"square", "wide", "tall"}
    assert len(result["training_inside"]["inside"]) == 160
    assert set(result["training_inside"]["inside"]) <= {0, 1}


def test_cut_pictures_are_the_middle_of_native_ones_and_so_is_their_emphasis() -> None:
    native, cut = Bucket(1, 8, 112, 64, 4), Bucket(1, 8, 64, 64, 4, cut_from=(112, 64))
    recipe = make_recipe(Arm("x", "xs", 1), XS)
    batch = data.training_batch(recipe, 0, 0.0, data.vocabulary(), multiple=32)
    batches = [dataclasses.replace(batch, bucket=bucket) for bucket in (native, cut)]
    whole, middle = (data.render_batch(batch, CPU) for batch in batches)
    assert torch.equal(middle, whole[..., 24:88])
    weights = [data.emphasis(batch, 6.0, recipe.model.tokenizer, CPU) for batch in batches]
    assert torch.equal(weights[1], weights[0][:, :, :, 3:11])


def test_results_of_another_judge_or_other_prompts_are_inconsistent() -> None:
    def result(judge: str, **prompts: str) -> dict[str, Any]:
        return {"judge": judge, "prompts": prompts}

    alike = {"a": result("j", scaling="p"), "b": result("j", scaling="p", captions="q")}
    assert not inconsistent(alike | {"c": result("j", captions="q")})
    assert inconsistent(alike | {"c": result("k", scaling="p")}) == ["c"]
    assert inconsistent(alike | {"c": result("j", scaling="other")}) == ["c"]
