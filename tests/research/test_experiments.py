"""Arms: equal arithmetic, the same scenes, results once, resumable; the autoencoder; cut pictures."""

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
from research import autoencoder, components, experiments
from research.experiments import Arm, VelocityDiT, arms, recipe, run_arm
from runs.experiments_page import strangers

PROMPTS = Path(__file__).parents[2] / "benchmarks" / "prompts"
CPU = torch.device("cpu")
XS = dataclasses.replace(experiments.SIZES["xs"], vocabulary=9)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Budgets of a few steps, batches of two, three prompts; the folder of the prompts."""
    monkeypatch.setattr(experiments, "BASE", 4e9)
    monkeypatch.setattr(experiments, "CLIP", Bucket(5, 8, 64, 64, 2))
    monkeypatch.setattr(experiments, "IMAGE", Bucket(1, 8, 64, 64, 2))
    monkeypatch.setattr(experiments, "SAMPLING", dataclasses.replace(experiments.SAMPLING, steps=1))
    monkeypatch.setattr(data, "VALIDATION_SCENES", 16)
    for name in ("scaling", "captions"):
        lines = (PROMPTS / f"{name}.jsonl").read_text().splitlines(keepends=True)[:4]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return tmp_path


def quiet(line: str) -> None:
    """Says nothing."""


def test_all_arms_of_the_curve_see_the_same_scenes() -> None:
    scripts = []
    for size in ("xs", "l"):
        arm = arms([f"scaling-{size}-4x"])[0]
        plan = recipe(arm, experiments.SIZES[size])
        scripts.append(
            [data.step_script(plan, step, 0.5, data.vocabulary(), multiple=32) for step in range(3)]
        )
    for one, other in zip(*scripts, strict=True):
        assert one.scenes == other.scenes
        assert torch.equal(one.ids, other.ids)


def test_names_are_unique_and_unknown_ones_refused() -> None:
    names = [arm.name for family in experiments.FAMILIES.values() for arm in family]
    assert len(set(names)) == len(names)
    assert [arm.name for arm in arms(["spaces", "scaling-s-1x"])][-1] == "scaling-s-1x"
    with pytest.raises(BadInput, match="no experiment nothing"):
        arms(["nothing"])


def test_an_arm_spends_its_budget_and_is_not_run_twice(small: Path, tmp_path: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    arm = Arm("tiny", "xs", 1)
    assert run_arm(arm, results, work, small, quiet)
    found = json.loads((results / "tiny.json").read_text())
    assert arm.budget <= found["flops"] < arm.budget * 1.5
    assert found["clips"] > 0
    assert found["images"] > 0
    assert found["scores"]["scaling"]["n"] == 4
    assert (results / "tiny.png").is_file()
    before = (results / "tiny.json").read_bytes()
    assert run_arm(arm, results, work, small, quiet)
    assert (results / "tiny.json").read_bytes() == before


def test_a_stopped_arm_ends_as_an_unbroken_one(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = Arm("tiny", "xs", 1)
    assert run_arm(arm, tmp_path / "whole", tmp_path / "a", small, quiet)

    learn, steps = experiments.Trainer.learn, 0

    def interrupted(self: experiments.Trainer, *given: object) -> object:
        nonlocal steps
        steps += 1
        if steps == 3:
            self.save()
            raise KeyboardInterrupt
        return learn(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(experiments.Trainer, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_arm(arm, tmp_path / "broken", tmp_path / "b", small, quiet)
    monkeypatch.setattr(experiments.Trainer, "learn", learn)
    assert run_arm(arm, tmp_path / "broken", tmp_path / "b", small, quiet)
    whole, broken = (json.loads((tmp_path / name / "tiny.json").read_text()) for name in ("whole", "broken"))
    assert broken["steps"] == whole["steps"]
    assert broken["validation"] == whole["validation"]


def test_what_velocity_says_is_the_same_clip() -> None:
    config = XS
    torch.manual_seed(0)
    plain = DiT(config)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    other = VelocityDiT(config)
    other.load_state_dict(plain.state_dict())
    z, t = torch.randn(1, 2, 4, 4, 768), torch.full((1, 2), 0.25)
    condition = plain.encode_text(torch.tensor([[2, 3]]))
    with torch.no_grad():
        clean = other(z, t, condition, 8.0)
        assert torch.allclose((clean - z) / 0.75, plain(z, t, condition, 8.0), atol=1e-5)


def test_the_autoencoder_is_causal_normalised_and_counts_what_it_spends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "SAMPLE", 6)
    monkeypatch.setattr(autoencoder, "FRAMES", 5)
    path = tmp_path / "autoencoder.safetensors"
    spent = autoencoder.train(path, 3e10, tell=quiet)
    assert 2e10 < spent < 6e10
    assert autoencoder.train(path, 9e10, tell=quiet) == spent  # it is there
    config = autoencoder.latent_config(XS, path)
    tokenizer = config.tokenizer
    arm = recipe(Arm("x", "xs", 1), config)
    script = data.step_script(arm, 0, 1.0, data.vocabulary(), multiple=32)
    script = dataclasses.replace(script, bucket=Bucket(9, 8, 64, 64, 8), scenes=script.scenes[:8])
    video = data.draw(script, CPU)
    latents = tokenizer.encode(video)
    assert latents.shape == (8, 3, 8, 8, autoencoder.CHANNELS)
    assert latents.std().item() == pytest.approx(1, abs=0.5)
    changed = video.clone()
    changed[:, 5:] = 0
    assert torch.allclose(tokenizer.encode(changed)[:, :2], latents[:, :2], atol=1e-5)
    error = (tokenizer.decode(latents) - video).square().mean()
    assert error < 0.1 * video.var()
    assert DiT(config).embed.in_features == autoencoder.CHANNELS


def test_components_keep_most_and_all_of_them_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "CLIPS", 8)
    path = tmp_path / "components.safetensors"
    cost = components.fit(path)
    assert 1e9 < cost == components.fit(path)  # it is there
    config = components.component_config(XS, path, 32)
    tokenizer, arm = config.tokenizer, recipe(Arm("x", "xs", 1), config)
    script = data.step_script(arm, 0, 1.0, data.vocabulary(), multiple=32)
    script = dataclasses.replace(script, bucket=Bucket(9, 8, 64, 64, 8), scenes=script.scenes[:8])
    video = data.draw(script, CPU)
    latents = tokenizer.encode(video)
    assert latents.shape == (8, 3, 8, 8, 32)
    assert latents.square().mean().item() == pytest.approx(1, abs=0.3)
    spread = latents.flatten(0, -2).std(0)
    assert 2 * spread[-1] < spread[0]  # the largest still count most
    errors = [
        (one.decode(one.encode(video)) - video).square().mean().item()
        for one in (components.load(path, kept) for kept in (32, 128, 768))
    ]
    assert 0.1 * float(video.var()) > errors[0] > 2 * errors[1]
    assert errors[2] < 1e-8
    assert DiT(config).embed.in_features == 32


def test_an_arm_over_components_is_run(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "CLIPS", 8)
    arm = Arm("tiny", "xs", 1, space="components", kept=16)
    assert run_arm(arm, tmp_path / "results", tmp_path / "work", small, quiet)
    found = json.loads((tmp_path / "results" / "tiny.json").read_text())
    assert found["flops"] >= arm.budget
    assert found["flops_tokenizer"] > 0
    assert found["reconstruction"]["psnr"] > 15


def test_cut_pictures_are_the_middle_of_native_ones_and_so_is_their_emphasis() -> None:
    native, cut = Bucket(1, 8, 112, 64, 4), Bucket(1, 8, 64, 64, 4, cut_from=(112, 64))
    plan = recipe(Arm("x", "xs", 1), XS)
    scripts = [
        dataclasses.replace(data.step_script(plan, 0, 0.0, data.vocabulary(), multiple=32), bucket=bucket)
        for bucket in (native, cut)
    ]
    whole, middle = (data.draw(script, CPU) for script in scripts)
    assert torch.equal(middle, whole[..., 24:88])
    weights = [data.emphasis(script, 6.0, plan.model.tokenizer, CPU) for script in scripts]
    assert torch.equal(weights[1], weights[0][:, :, :, 3:11])


def test_what_another_judge_read_cannot_stand_beside_the_rest() -> None:
    def result(judge: str, **prompts: str) -> dict[str, Any]:
        return {"judge": judge, "prompts": prompts}

    alike = {"a": result("j", scaling="p"), "b": result("j", scaling="p", captions="q")}
    assert not strangers(alike | {"c": result("j", captions="q")})
    assert strangers(alike | {"c": result("k", scaling="p")}) == ["c"]
    assert strangers(alike | {"c": result("j", scaling="other")}) == ["c"]
