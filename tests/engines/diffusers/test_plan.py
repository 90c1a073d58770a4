"""The memory plan: arithmetic over the headers of the files."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from hinode.engines.diffusers.memory.budget import MemoryBudget, available
from hinode.engines.diffusers.memory.decoding import TILES, WHOLE
from hinode.engines.diffusers.memory.footprint import Footprint, LiveBytes
from hinode.engines.diffusers.memory.needs import Sizes
from hinode.engines.diffusers.memory.plan import MemoryPlan, Residence
from hinode.engines.diffusers.task import Task
from hinode.errors import BadInput, EngineError
from tests.engines.diffusers.conftest import ModelHome, finish

GB = 10**9
FAMILY = "wan2.2-t2v-a14b"

A14B = Sizes(
    encoders=11 * GB,
    denoisers=(28 * GB, 28 * GB),
    float8_denoisers=(14 * GB, 14 * GB),
    rest=GB // 2,
    width=5120,
    feed_forward=13824,
    decoder=Footprint(constant=28_000.0, per_frame=147.0),
    element_bytes=2,
    accelerated=False,
)


@pytest.fixture
def task(models: ModelHome) -> Task:
    """Five seconds of 832x480 by the largest Wan."""
    models.add(FAMILY)
    return Task.of(models.request(FAMILY, width=832, height=480, seconds=5.0), models.settings)


def plan(task: Task, device: float, host: float | None = None, **changes: Any) -> MemoryPlan:
    """The plan with so many GB of memory."""
    budget = MemoryBudget(int(device * GB), int((device if host is None else host) * GB))
    return MemoryPlan.of(task, dataclasses.replace(A14B, **changes), budget)


def test_more_memory_gives_a_faster_plan(task: Task) -> None:
    residences = [plan(task, memory).residence for memory in (200, 74, 45)]
    assert residences == [Residence.RESIDENT, Residence.STAGED, Residence.TURNS]
    assert not plan(task, 45).float8_storage
    tight = plan(task, 24)
    assert (tight.residence, tight.float8_storage) == (Residence.TURNS, True)


def test_an_accelerator_with_little_memory_streams_the_denoiser(task: Task) -> None:
    assert plan(task, 16, host=128, accelerated=True).residence is Residence.GROUPS
    # A text encoder of 24 GB does not fit as a whole.
    large = plan(task, 16, host=200, accelerated=True, encoders=24 * GB)
    assert (large.residence, large.float8_storage) == (Residence.STREAMED, False)
    assert plan(task, 200, host=60, accelerated=True).residence is Residence.RESIDENT
    with pytest.raises(EngineError):
        plan(task, 200, host=8, accelerated=True)  # a part is read into the memory of the machine first
    with pytest.raises((BadInput, EngineError)):
        plan(task, 16, host=8, accelerated=True)


def test_the_clip_is_decoded_in_tiles_where_only_that_fits(task: Task) -> None:
    needs = A14B.needs(task, float8_storage=True)
    decoding = dataclasses.replace(A14B, encoders=0, denoisers=(0,), float8_denoisers=(0,))
    assert needs.tiled < needs.decoding
    fits = MemoryPlan.of(task, decoding, MemoryBudget(10**12, 10**12))
    assert fits.decode == WHOLE
    between = int((decoding.rest + (needs.tiled + needs.decoding) / 2) / 0.95)
    if between > decoding.rest + needs.sampling:
        assert MemoryPlan.of(task, decoding, MemoryBudget(between, between)).decode == TILES


def test_the_plan_describes_itself(task: Task) -> None:
    description = plan(task, 45).description
    assert description.startswith(Residence.TURNS.value)
    assert "while sampling" in description
    assert "of 45.0 GB that are free" in description


def test_a_refusal_says_what_would_fit(task: Task) -> None:
    large = dataclasses.replace(task, size=(1280, 720))
    needs = A14B.needs(large, float8_storage=True)
    memory = (A14B.rest + 14 * GB + 0.6 * needs.sampling) / GB / 0.95
    with pytest.raises(BadInput, match=r"ask for [0-9.]+ s or less or for [0-9]+x[0-9]+") as caught:
        plan(large, memory)
    assert caught.value.field == "seconds"
    words = caught.value.remedy.split()
    shorter = dataclasses.replace(large, network_frames=large.family.frame_counts(float(words[2]))[1])
    assert plan(shorter, memory).peak <= memory * GB
    width, height = (int(side) for side in words[-1].split("x"))
    assert plan(dataclasses.replace(large, size=(width, height)), memory).peak <= memory * GB
    with pytest.raises(EngineError, match="a smaller model"):
        plan(large, 4)


@pytest.mark.parametrize(
    ("name", "operation", "remedy", "field"),
    [
        ("wan2.1-t2v", "remix", r"give a video of [0-9.]+ s or less or of \d+x\d+", "source"),
        ("wan2.1-vace", "edit", r"give a video of [0-9.]+ s or less or of \d+x\d+", "source"),
        ("wan2.1-vace", "extend", r"add [0-9.]+ s or less or give a video of \d+x\d+", "seconds"),
    ],
)
def test_a_refusal_of_a_video_says_what_can_be_changed(
    models: ModelHome, name: str, operation: str, remedy: str, field: str
) -> None:
    models.add(name)
    options = {"width": 832, "height": 480, "seconds": 5.0}
    task = Task.of(models.request(name, operation, **options), models.settings)
    needs = A14B.needs(task, float8_storage=True)
    memory = (A14B.rest + 14 * GB + 0.8 * needs.sampling) / GB / 0.95
    with pytest.raises(BadInput) as caught:
        plan(task, memory)
    assert re.fullmatch(remedy, caught.value.remedy)
    assert caught.value.field == field
    if operation == "extend":
        options["seconds"] = 1 + float(caught.value.remedy.split()[1])
        shorter = Task.of(models.request(name, operation, **options), models.settings)
        assert plan(shorter, memory).peak <= memory * GB


def test_the_hints_of_vace_are_counted(models: ModelHome) -> None:
    import diffusers

    width, layers = 128, [0, 1, 2, 3, 4, 5]
    config = {"num_attention_heads": 2, "attention_head_dim": width // 2, "ffn_dim": width * 2}
    config |= {"num_layers": len(layers), "text_dim": 32}
    video = torch.zeros(1, 16, 5, 60, 104, device="meta")
    tokens = 5 * 30 * 52
    inputs = {
        "timestep": torch.zeros(1, device="meta"),
        "encoder_hidden_states": torch.zeros(1, 8, 32, device="meta"),
        "return_dict": False,
    }
    with torch.device("meta"):
        wan = diffusers.WanTransformer3DModel(**config).eval()
        vace = diffusers.WanVACETransformer3DModel(**config, vace_layers=layers, vace_in_channels=96).eval()
    with torch.no_grad(), LiveBytes() as without:
        wan(video, **inputs)
    control = torch.zeros(1, 96, 5, 60, 104, device="meta")
    scale = torch.ones(6)
    with torch.no_grad(), LiveBytes() as with_hints:
        vace(video, control_hidden_states=control, control_hidden_states_scale=scale, **inputs)
    counted = (with_hints.peak - without.peak) / (tokens * width * 4)

    models.add("wan2.1-vace")
    run = models.run("wan2.1-vace")
    assert run.model.sizes().hints == 2
    none, six = (
        dataclasses.replace(A14B, hints=hints).needs(run.task, float8_storage=False).sampling
        for hints in (0, 6)
    )
    all_tokens = run.task.tokens + run.task.family.shape.text_tokens
    predicted = (six - none) / (all_tokens * A14B.width * 2)
    assert counted == pytest.approx(predicted, abs=1)


def test_weights_are_counted_from_headers_alone(models: ModelHome) -> None:
    models.add("wan2.1-t2v")
    run = models.run("wan2.1-t2v")
    sizes = run.model.sizes()
    assert run.model.parts == {}
    finish(run)
    parameters = run.model.parts["transformer"].parameters()
    loaded = sum(tensor.numel() * tensor.element_size() for tensor in parameters)
    # Norms and tables stay in float32 whatever type is computed in.
    assert sizes.denoisers[0] <= loaded <= 1.15 * sizes.denoisers[0]


def test_every_plan_gives_the_same_frames(models: ModelHome) -> None:
    models.add(FAMILY)
    clips = set()
    denoisers = {"transformer", "transformer_2"}
    for residence in (Residence.RESIDENT, Residence.STAGED, Residence.TURNS):
        shutil.rmtree(models.home / "embeddings", ignore_errors=True)  # so that encoders are loaded
        run = models.run(FAMILY)
        run.plan = dataclasses.replace(run.plan, residence=residence)
        clips.add(finish(run).frames.tobytes())
        assert set(run.model.parts) & denoisers == (set() if residence is Residence.TURNS else denoisers)
        assert "text_encoder" not in run.model.parts or residence is Residence.RESIDENT
    assert len(clips) == 1


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 2000 kB\nMemAvailable:    1000 kB\n")
    assert available(meminfo, tmp_path) == 1000 * 1024
    (tmp_path / "memory.max").write_text("600000\n")
    (tmp_path / "memory.current").write_text("100000\n")
    assert available(meminfo, tmp_path) == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available(meminfo, tmp_path) == 1000 * 1024
    assert available(tmp_path / "none", tmp_path) > 10**15
