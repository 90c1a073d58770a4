from __future__ import annotations

import dataclasses
import random
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hinode.errors import ModelError
from hinode.world.judge import ATTRIBUTES, MOMENTS, SIDE, JudgeNet, judge, load_judge, sample_moments
from hinode.world.render import render
from hinode.world.scene import Scene, Subject, sample_scene


@pytest.fixture(scope="module")
def shipped() -> JudgeNet:
    return load_judge()


@pytest.fixture(scope="module")
def untrained() -> JudgeNet:
    torch.manual_seed(5)
    return JudgeNet().eval()


def clips(scenes: list[Scene], frames: int, fps: float, width: int, height: int) -> Tensor:
    """uint8 [B, T, H, W, 3], as the judge gets them."""
    video = render(scenes, frames=frames, fps=fps, width=width, height=height)
    return (video * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2)


FORMATS = ((17, 8.0, 64, 64), (17, 8.0, 112, 64), (25, 12.0, 64, 64), (17, 8.0, 64, 112))


def errors(judge_net: JudgeNet, clips_per_format: int, rounds: int = 1) -> Counter[str]:
    """How often the judge misreads each attribute of ground truth that no training has seen."""
    rng = random.Random("judging the judge")
    wrong: Counter[str] = Counter()
    for frames, fps, width, height in FORMATS * rounds:
        scenes = [sample_scene(rng, subjects=1, held_out=None) for _ in range(clips_per_format)]
        verdicts = judge(clips(scenes, frames, fps, width, height), fps, judge_net)
        for verdict, scene in zip(verdicts, scenes, strict=True):
            wrong.update(name for name, value in scene.facts().items() if verdict.values[name] != value)
    return wrong


@pytest.mark.slow
def test_the_shipped_judge_reads_ground_truth(shipped: JudgeNet) -> None:
    """At least 98 in 100 of every attribute, over pairs and formats."""
    wrong = errors(shipped, 32, rounds=2)
    maximum = int(0.02 * 32 * 2 * len(FORMATS))
    assert {name: count for name, count in wrong.items() if count > maximum} == {}


def test_the_shipped_judge_reads_a_few_clips(shipped: JudgeNet) -> None:
    wrong = errors(shipped, 8)
    assert all(count <= 1 for count in wrong.values()), wrong


def test_the_shipped_judge_needs_movement_to_tell_motion_and_camera(shipped: JudgeNet) -> None:
    """What a single frame cannot show, the judge does not read from one either."""
    rng = random.Random("frozen")
    scenes = [sample_scene(rng, subjects=1) for _ in range(24)]
    stills = clips(scenes, 1, 8.0, 64, 64)
    right: Counter[str] = Counter()
    for verdict, scene in zip(judge(stills, 8.0, shipped), scenes, strict=True):
        right.update(name for name, value in scene.facts().items() if verdict.values[name] == value)
    assert right["motion"] < 12
    assert right["camera"] < 20
    assert right["place"] > 22


def test_a_verdict_names_a_value_and_a_confidence_for_every_attribute(untrained: JudgeNet) -> None:
    rng = random.Random("verdicts")
    frames = clips([sample_scene(rng) for _ in range(3)], 5, 8.0, 48, 64)
    verdicts = judge(frames, 8.0, untrained)
    assert len(verdicts) == 3
    for verdict in verdicts:
        assert list(verdict.values) == list(verdict.confidence)
        assert set(verdict.values) == set(ATTRIBUTES)
        for name, value in verdict.values.items():
            assert value in ATTRIBUTES[name]
            assert 1 / len(ATTRIBUTES[name]) - 1e-6 <= verdict.confidence[name] <= 1


def test_a_clip_is_judged_independently_of_its_batch(untrained: JudgeNet) -> None:
    rng = random.Random("beside")
    frames = clips([sample_scene(rng) for _ in range(3)], 17, 8.0, 64, 64)
    batch = judge(frames, 8.0, untrained)
    for clip, expected in zip(frames, batch, strict=True):
        (single,) = judge(clip, 8.0, untrained)
        assert single.values == expected.values
        assert single.confidence == pytest.approx(expected.confidence, abs=1e-4)


def test_the_attributes_are_the_facts_of_a_scene() -> None:
    facts = Scene((Subject("kite", "red", "rise"),)).facts()
    assert list(ATTRIBUTES) == list(facts)
    assert all(value in ATTRIBUTES[name] for name, value in facts.items())


def test_the_heat_map_is_a_distribution(untrained: JudgeNet) -> None:
    _, heat = untrained(torch.rand(2, MOMENTS, 3, SIDE, SIDE))
    assert heat.shape == (2, 8, 256)
    assert torch.allclose(heat.exp().sum(-1), torch.ones(2, 8), atol=1e-4)


def numbered(frames: int, width: int = SIDE, height: int = SIDE) -> Tensor:
    """A video whose frame k is the number k."""
    return torch.arange(frames, dtype=torch.float32).view(1, -1, 1, 1, 1).expand(1, frames, 3, height, width)


@pytest.mark.parametrize(
    ("frames", "fps", "expected"),
    [
        (17, 8.0, list(range(16))),
        (33, 16.0, list(range(0, 32, 2))),
        (49, 24.0, list(range(0, 48, 3))),
        (25, 12.0, [0, 2, 3, 4, 6, 8, 9, 10, 12, 14, 15, 16, 18, 20, 21, 22]),
        (5, 8.0, [0, 1, 2, 3, *[4] * 12]),
        (1, 8.0, [0] * 16),
        (81, 8.0, list(range(16))),
    ],
)
def test_the_judge_sees_sixteen_moments_of_two_seconds(frames: int, fps: float, expected: list[int]) -> None:
    view = sample_moments(numbered(frames), fps)
    assert view.shape == (1, MOMENTS, 3, SIDE, SIDE)
    assert view[0, :, 0, 0, 0].tolist() == expected


@pytest.mark.parametrize(("width", "height"), [(128, 128), (112, 64), (64, 112), (640, 360), (32, 32)])
def test_the_judge_sees_a_square_of_64_pixels(width: int, height: int) -> None:
    ramp = torch.linspace(0, 1, width).expand(1, 1, 3, height, width)
    view = sample_moments(ramp, 8.0)
    assert view.shape == (1, MOMENTS, 3, SIDE, SIDE)
    centres = (torch.arange(SIDE) + 0.5) / SIDE
    assert (view[0, 0, 0, 5] - centres).abs().max() < 0.03


def test_missing_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.safetensors cannot be read"):
        load_judge(tmp_path / "nowhere.safetensors")
    shipped = files("hinode").joinpath("weights", "judge.safetensors").read_bytes()
    damaged = tmp_path / "judge.safetensors"
    for content in (b"", b"no weights at all", shipped[: len(shipped) // 2]):
        damaged.write_bytes(content)
        with pytest.raises(ModelError, match="cannot be read") as caught:
            load_judge(damaged)
        assert caught.value.remedy == "reinstall hinode"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"stem.0.0.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_judge(path)


def test_loaded_weights_are_the_ones_in_the_file(tmp_path: Path, untrained: JudgeNet) -> None:
    path = tmp_path / "judge.safetensors"
    save_file({name: value.contiguous() for name, value in untrained.state_dict().items()}, path)
    loaded = load_judge(path)
    assert not loaded.training
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), untrained.parameters(), strict=True))
    frames = torch.randint(0, 256, (5, 64, 64, 3), dtype=torch.uint8)
    assert judge(frames, 8.0, loaded) == judge(frames, 8.0, untrained)


def test_noise_lowers_the_confidence(shipped: JudgeNet) -> None:
    rng = random.Random("noise")
    clean = clips([sample_scene(rng, subjects=1) for _ in range(8)], 17, 8.0, 64, 64)
    noise = torch.randint(0, 256, clean.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))

    def confidence(frames: Tensor) -> float:
        verdicts = judge(frames, 8.0, shipped)
        return sum(sum(v.confidence.values()) for v in verdicts) / len(verdicts) / len(ATTRIBUTES)

    assert confidence(clean) > 0.95
    assert confidence(noise) < confidence(clean) - 0.05


def test_a_verdict_is_a_value(untrained: JudgeNet) -> None:
    (verdict,) = judge(torch.zeros(1, 16, 16, 3, dtype=torch.uint8), 8.0, untrained)
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.values = {}  # type: ignore[misc]
