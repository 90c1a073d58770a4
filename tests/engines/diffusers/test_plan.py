"""The memory plan: pure arithmetic over the heads of the files."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import torch

from hinode.engines.diffusers.execution.decode import TILES, WHOLE
from hinode.engines.diffusers.memory.footprint import Alive, Footprint
from hinode.engines.diffusers.memory.plan import (
    MemoryBudget,
    MemoryPlan,
    Residence,
    Sizes,
    available,
    gigabytes,
)
from hinode.engines.diffusers.task import Task
from hinode.errors import BadInput, EngineError
from tests.engines.diffusers.conftest import Shelf, drawn

GB = 10**9
FAMILY = "wan2.2-t2v-a14b"

A14B = Sizes(
    encoders=11 * GB,
    denoisers=(28 * GB, 28 * GB),
    light=(14 * GB, 14 * GB),
    rest=GB // 2,
    width=5120,
    feed_forward=13824,
    decoder=Footprint(level=28_000.0, frame=147.0),
    number=2,
    accelerated=False,
)


@pytest.fixture
def task(shelf: Shelf) -> Task:
    """Five seconds of 832x480 by the largest Wan."""
    shelf.add(FAMILY)
    return Task.of(shelf.request(FAMILY, width=832, height=480, seconds=5.0), shelf.settings)


def plan(task: Task, device: float, host: float | None = None, **changes: object) -> MemoryPlan:
    sizes = dataclasses.replace(A14B, **changes)  # type: ignore[arg-type]
    return MemoryPlan.of(
        task, sizes, MemoryBudget(int(device * GB), int((device if host is None else host) * GB))
    )


def test_the_more_memory_the_quicker_the_plan(task: Task) -> None:
    places = [plan(task, memory).place for memory in (200, 74, 45)]
    assert places == [Residence.RESIDENT, Residence.STAGED, Residence.TURNS]
    assert not plan(task, 45).light
    tight = plan(task, 24)
    assert (tight.place, tight.light) == (Residence.TURNS, True)


def test_an_accelerator_with_little_memory_streams_the_denoiser(task: Task) -> None:
    assert plan(task, 16, host=128, accelerated=True).place is Residence.GROUPS
    with pytest.raises((BadInput, EngineError)):
        plan(task, 16, host=8, accelerated=True)


def test_the_clip_is_decoded_in_tiles_where_only_that_fits(task: Task) -> None:
    whole = A14B.needs(task, light=True)
    decoding = dataclasses.replace(A14B, encoders=0, denoisers=(0,), light=(0,))
    assert whole.tiled < whole.decoding
    fits = MemoryPlan.of(task, decoding, MemoryBudget(10**12, 10**12))
    assert fits.decode == WHOLE
    between = int((decoding.rest + (whole.tiled + whole.decoding) / 2) / 0.95)
    if between > decoding.rest + whole.sampling:
        assert MemoryPlan.of(task, decoding, MemoryBudget(between, between)).decode == TILES


def test_the_plan_is_said_in_words(task: Task) -> None:
    words = plan(task, 45).words
    assert words.startswith(Residence.TURNS.value)
    assert "while sampling" in words
    assert "of 45.0 GB that are free" in words


def test_what_does_not_fit_is_refused_with_what_would(task: Task) -> None:
    large = dataclasses.replace(task, size=(1280, 720))
    needs = A14B.needs(large, light=True)
    memory = (A14B.rest + 14 * GB + 0.6 * needs.sampling) / GB / 0.95
    with pytest.raises(BadInput, match=r"ask for [0-9.]+ s or less or for [0-9]+x[0-9]+") as caught:
        plan(large, memory)
    assert caught.value.field == "seconds"
    words = caught.value.remedy.split()
    shorter = dataclasses.replace(large, drawn=large.family.frames(float(words[2]))[1])
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
def test_what_is_made_from_a_video_is_refused_with_what_can_be_changed(
    shelf: Shelf, name: str, operation: str, remedy: str, field: str
) -> None:
    shelf.add(name)
    given = {"width": 832, "height": 480, "seconds": 5.0}
    task = Task.of(shelf.request(name, operation, **given), shelf.settings)
    needs = A14B.needs(task, light=True)
    memory = (A14B.rest + 14 * GB + 0.8 * needs.sampling) / GB / 0.95
    with pytest.raises(BadInput) as caught:
        plan(task, memory)
    assert re.fullmatch(remedy, caught.value.remedy)
    assert caught.value.field == field
    if operation == "extend":
        given["seconds"] = 1 + float(caught.value.remedy.split()[1])
        shorter = Task.of(shelf.request(name, operation, **given), shelf.settings)
        assert plan(shorter, memory).peak <= memory * GB


def test_the_hints_of_vace_are_counted(shelf: Shelf) -> None:
    import diffusers

    width, layers = 128, [0, 1, 2, 3, 4, 5]
    settings = {"num_attention_heads": 2, "attention_head_dim": width // 2, "ffn_dim": width * 2}
    settings |= {"num_layers": len(layers), "text_dim": 32}
    video = torch.zeros(1, 16, 5, 60, 104, device="meta")
    tokens = 5 * 30 * 52
    given = {
        "timestep": torch.zeros(1, device="meta"),
        "encoder_hidden_states": torch.zeros(1, 8, 32, device="meta"),
        "return_dict": False,
    }
    with torch.device("meta"):
        plain = diffusers.WanTransformer3DModel(**settings).eval()
        vace = diffusers.WanVACETransformer3DModel(**settings, vace_layers=layers, vace_in_channels=96).eval()
    with torch.no_grad(), Alive() as without:
        plain(video, **given)
    control = torch.zeros(1, 96, 5, 60, 104, device="meta")
    with torch.no_grad(), Alive() as beside:
        vace(video, control_hidden_states=control, control_hidden_states_scale=torch.ones(6), **given)
    more = (beside.most - without.most) / (tokens * width * 4)

    shelf.add("wan2.1-vace")
    run = shelf.run("wan2.1-vace")
    sizes = run.model.sizes()
    assert sizes.hints == 2
    needs = [dataclasses.replace(A14B, hints=count).needs(run.task, light=False).sampling for count in (0, 6)]
    foretold = (needs[1] - needs[0]) / (
        (run.task.tokens + run.task.family.shape.text_tokens) * A14B.width * 2
    )
    assert more == pytest.approx(foretold, abs=1)


def test_weights_are_counted_from_heads_alone(shelf: Shelf) -> None:
    shelf.add("wan2.1-t2v")
    run = shelf.run("wan2.1-t2v")
    sizes = run.model.sizes()
    assert run.model.parts == {}
    drawn(run)
    denoiser = run.model.parts["transformer"]
    held = sum(tensor.numel() * tensor.element_size() for tensor in denoiser.parameters())
    # Norms and tables stay in float32 whatever is computed with.
    assert sizes.denoisers[0] <= held <= 1.15 * sizes.denoisers[0]


def test_every_plan_draws_the_same_frames(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    request = shelf.request(FAMILY)
    clips = {}
    for place in (Residence.RESIDENT, Residence.STAGED, Residence.TURNS):
        run = shelf.engine().start(request)
        run.plan = dataclasses.replace(run.plan, place=place)
        clips[place] = drawn(run).frames.tobytes()
        left = set(run.model.parts) & {"transformer", "transformer_2"}
        assert left == (set() if place is Residence.TURNS else {"transformer", "transformer_2"})
        assert "text_encoder" not in run.model.parts or place is Residence.RESIDENT
    assert len(set(clips.values())) == 1


def test_what_is_free_is_what_the_container_allows(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 2000 kB\nMemAvailable:    1000 kB\n")
    assert available(meminfo, tmp_path) == 1000 * 1024
    (tmp_path / "memory.max").write_text("600000\n")
    (tmp_path / "memory.current").write_text("100000\n")
    assert available(meminfo, tmp_path) == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available(meminfo, tmp_path) == 1000 * 1024
    assert available(tmp_path / "none", tmp_path) > 10**15


def test_bytes_are_said_as_people_say_them() -> None:
    assert [gigabytes(count) for count in (31_200_000_000, 1e9, 4_000_000)] == ["31.2 GB", "1.0 GB", "4 MB"]
