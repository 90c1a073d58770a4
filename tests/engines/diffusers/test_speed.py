"""What profiles change: steps, LoRAs that distil, blocks that are reused, 8 bits; and `best`, none of it."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from pathlib import Path

import numpy as np
import pytest

from hinode.engines.diffusers.execution import acceleration
from hinode.engines.diffusers.execution.acceleration import NATIVE, UNACCELERATED, Execution, Hardware
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.diffusers.task import UNCACHED
from hinode.engines.protocol import State
from hinode.errors import BadInput
from hinode.registry.entries import Lora
from hinode.registry.families import FAMILIES
from hinode.registry.family import PROFILES
from hinode.request import Request
from tests.engines.diffusers import twins
from tests.engines.diffusers.conftest import Shelf, drawn

FAMILY = "wan2.1-t2v"
STEPS = 8
ALL = frozenset(acceleration.PACKAGES)
WAN, MASKED = FAMILIES[FAMILY], FAMILIES["ltx-video"]
REUSING = [name for name in twins.TWINS if FAMILIES[name].profiles["standard"].reuse]
MACHINES = [
    Hardware("cpu", packages=ALL),
    Hardware("mps", packages=ALL),
    *(Hardware("cuda", capability, ALL) for capability in ((7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0))),
]


@pytest.mark.parametrize(
    ("hardware", "attention", "masked", "bits"),
    [
        (Hardware("cpu", packages=ALL), NATIVE, NATIVE, ""),
        (Hardware("mps", packages=ALL), NATIVE, NATIVE, ""),
        (Hardware("cuda", (7, 5), ALL), NATIVE, NATIVE, ""),
        (Hardware("cuda", (8, 0), ALL), "sage", NATIVE, "int8"),
        (Hardware("cuda", (8, 9), ALL), "sage", NATIVE, "float8"),
        (Hardware("cuda", (8, 9)), NATIVE, NATIVE, ""),
        (Hardware("cuda", (9, 0), ALL), "_flash_3", "_native_cudnn", "float8"),
        (Hardware("cuda", (9, 0), frozenset({"torchao"})), "_native_cudnn", "_native_cudnn", "float8"),
        (Hardware("cuda", (12, 0), ALL), "sage", "_native_cudnn", "float8"),
    ],
)
def test_the_machine_decides(hardware: Hardware, attention: str, masked: str, bits: str) -> None:
    standard = WAN.profiles["standard"]
    ways = acceleration.choose_execution(standard, WAN, hardware)
    assert ways == Execution(bits, hardware.kind == "cuda", attention, reusing=True)
    assert acceleration.choose_execution(MASKED.profiles["standard"], MASKED, hardware).attention == masked
    short = acceleration.choose_execution(standard, WAN, hardware, streamed=True)
    assert (short.bits, short.compiled, short.attention) == ("", False, attention)
    for known in ({"light": True}, {"packed": True}):
        assert acceleration.choose_execution(standard, WAN, hardware, asked=True, **known).bits == ""


def test_a_processor_computes_in_8_bits_only_if_asked() -> None:
    hardware = Hardware("cpu", packages=ALL)
    for profile, bits in (("draft", "int8 weights"), ("standard", "int8 weights"), ("best", "")):
        assert acceleration.choose_execution(WAN.profiles[profile], WAN, hardware, asked=True).bits == bits


@pytest.mark.parametrize("hardware", MACHINES, ids=lambda machine: f"{machine.kind}-{machine.capability}")
@pytest.mark.parametrize("name", FAMILIES)
def test_the_best_is_what_the_makers_do(name: str, hardware: Hardware) -> None:
    family = FAMILIES[name]
    assert (
        acceleration.choose_execution(family.profiles["best"], family, hardware, asked=True) == UNACCELERATED
    )


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.endswith("-distilled")])
def test_what_is_distilled_takes_one_pass_and_reuses_nothing(name: str) -> None:
    for profile in FAMILIES[name].profiles.values():
        assert (profile.guidance, profile.reuse) == (1.0, 0.0)
        assert profile.steps <= 8
        assert FAMILIES[name].shift((832, 480), profile) in (5.0, 8.0)


def test_a_profile_can_be_asked_for(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    capabilities = shelf.engine().capabilities(FAMILY)
    assert capabilities.profiles == PROFILES
    requests = {name: shelf.request(FAMILY, steps=None, profile=name) for name in (None, *PROFILES)}
    steps = {name: shelf.engine().estimate(request).steps for name, request in requests.items()}
    assert steps == {None: 50, "draft": 20, "standard": 30, "best": 50}
    assert requests["draft"].identity() != requests["best"].identity()
    with pytest.raises(BadInput, match="no profile 'worst'; choose draft, standard or best") as caught:
        shelf.engine().start(shelf.request(FAMILY, profile="worst"))
    assert caught.value.field == "profile"


def test_a_lora_that_distils_counts_in_its_profiles_alone(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add(FAMILY)
    file = twins.write_lora(shelf.twin(FAMILY), tmp_path / "fast.safetensors")
    lora = Lora(str(file), 0.05, ("draft", "standard"), steps=4)
    shelf.add(FAMILY, "fast", loras=(lora,), profile="standard")
    engine = shelf.engine()
    runs = {
        name: engine.start(shelf.request("fast", steps=None, profile=name))
        for name in (None, "draft", "best")
    }
    facts = {
        name: (run.task.profile.steps, run.task.passes, run.task.profile.shift, len(run.task.entry.loras))
        for name, run in runs.items()
    }
    assert facts == {None: (4, 4, 8.0, 1), "draft": (4, 4, 8.0, 1), "best": (50, 100, None, 0)}
    clip = drawn(runs[None])
    assert clip.provenance.steps == 4
    scheduler = runs[None]._call._scheduler() if runs[None]._call else None
    assert scheduler.config.flow_shift == 8.0
    # The best is drawn as if there were no such LoRA, though the same engine drew with it before.
    best = drawn(engine.start(shelf.request("fast", profile="best")))
    assert np.array_equal(best.frames, drawn(shelf.run(FAMILY)).frames)
    assert not np.array_equal(best.frames, clip.frames)
    with pytest.raises(BadInput, match="no negative prompt under the profile standard") as caught:
        engine.start(shelf.request("fast", negative_prompt="rain"))
    assert caught.value.field == "negative_prompt"


def generous(shelf: Shelf, family: str, state: State | None = None, **options: object) -> DiffusersRun:
    """A run that reuses blocks of a twin: the first block of so small a network changes much."""
    engine = options.pop("engine", None) or shelf.engine()
    role = next(iter(FAMILIES[family].pipelines))
    request: Request = shelf.request(family, role, steps=STEPS, profile="standard", **options)
    run = engine.start(request, state)  # type: ignore[attr-defined]
    run.task = dataclasses.replace(run.task, profile=dataclasses.replace(run.task.profile, reuse=0.5))
    return run  # type: ignore[no-any-return]


@pytest.mark.parametrize("family", REUSING)
def test_a_run_that_reuses_blocks_goes_on_to_the_same_bits(shelf: Shelf, family: str) -> None:
    shelf.add(family)
    run, states = generous(shelf, family), {}
    for progress in run:
        if progress.stage == "sample":
            states[progress.done] = run.state()
    frames = run.clip().frames
    assert run._call is not None
    assert run._call.reuse is not None
    assert 2 <= run._call.reuse.reused < run._call.reuse.passes
    assert "blocks are reused between steps" in run.clip().provenance.read_as
    assert len(states[STEPS - 1].body) < 3 * len(states[0].body) + 2_000_000  # not what the blocks gave
    for step in (1, 2, 3, 4, STEPS - 1):
        resumed = generous(shelf, family, states[step])
        if step == 2:  # saved once more before it has begun to draw
            resumed = generous(shelf, family, resumed.state())
        assert np.array_equal(drawn(resumed).frames, frames), step


def test_runs_see_nothing_of_each_others_blocks(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    alone = [drawn(generous(shelf, FAMILY, seed=seed)).frames for seed in (1, 2)]
    engine = shelf.engine()
    after = [drawn(generous(shelf, FAMILY, seed=seed, engine=engine)).frames for seed in (1, 2)]
    runs = [generous(shelf, FAMILY, seed=seed, engine=engine) for seed in (1, 2)]
    left = [iter(run) for run in runs]
    while left:
        left = [steps for steps in left if next(steps, None) is not None]
    for place in (0, 1):
        assert np.array_equal(after[place], alone[place])
        assert np.array_equal(runs[place].clip().frames, alone[place])
    # And the best, on the same engine, nothing of any.
    best = drawn(engine.start(shelf.request(FAMILY, profile="best")))
    assert np.array_equal(best.frames, drawn(shelf.run(FAMILY)).frames)
    assert engine._resident is not None
    assert not engine._resident.parts["transformer"].is_cache_enabled


def test_8_bits_on_a_processor_draw_nearly_the_same_and_hold_the_loras(shelf: Shelf, tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    file = twins.write_lora(shelf.twin(FAMILY), tmp_path / "style.safetensors")
    loras = (Lora(str(file), 0.05),)
    shelf.add(FAMILY, "whole", profile="best", loras=loras)
    shelf.add(FAMILY, "light", profile="standard", loras=loras, eight_bits=True)
    run = shelf.run("light")
    run.task = dataclasses.replace(run.task, profile=dataclasses.replace(run.task.profile, reuse=1e-9))
    clip, whole = drawn(run), drawn(shelf.run("whole"))
    assert run.model.ways.bits == "int8 weights"
    assert "in int8 weights" in clip.provenance.read_as
    block = run.model.parts["transformer"].blocks[0]
    assert type(block.ffn.net[2].weight).__name__ == "Int8Tensor"
    assert not getattr(run.model.parts["transformer"], "peft_config", None)
    assert 0 < np.abs(clip.frames.astype(int) - whole.frames).mean() < 2


def test_what_cannot_be_set_up_is_left_out(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.add(FAMILY)
    run = shelf.run(FAMILY)
    run.model.ways = run.model.wanted = Execution(bits="float8", attention="sage", reusing=True)
    with caplog.at_level(logging.WARNING, "hinode"):
        clip = drawn(run)
    said = [record.message for record in caplog.records if record.name.startswith("hinode")]
    assert any("computing in float8 is left out" in line for line in said)
    assert any("a pass failed and is made again, not" in line for line in said)
    assert run.model.ways == UNACCELERATED
    assert np.array_equal(clip.frames, drawn(shelf.run(FAMILY)).frames)
    assert clip.provenance.read_as.endswith("profile best")


def test_a_pass_that_failed_concerns_its_own_run_alone(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    engine = shelf.engine()
    run = engine.start(shelf.request(FAMILY, profile="standard", steps=STEPS))
    run.model.ways = dataclasses.replace(run.model.ways, attention="sage")
    states = {progress.done: run.state() for progress in run if progress.stage == "sample"}
    frames = run.clip().frames
    assert run.model.ways == UNACCELERATED
    resumed = shelf.engine().start(shelf.request(FAMILY, profile="standard", steps=STEPS), states[2])
    assert np.array_equal(drawn(resumed).frames, frames)
    assert resumed.model.ways == UNACCELERATED
    after = engine.start(shelf.request(FAMILY, profile="standard", steps=STEPS))
    assert "blocks are reused" in drawn(after).provenance.read_as


@pytest.mark.parametrize(
    "name", sorted({road for one in FAMILIES.values() for road in one.pipelines.values()})
)
def test_blocks_are_reused_only_where_a_pipeline_tells_its_passes_apart(name: str) -> None:
    import diffusers

    source = inspect.getsource(inspect.unwrap(getattr(diffusers, name).__call__))
    assert ("cache_context" in source) == (name not in UNCACHED)


@pytest.mark.parametrize("operation", ["remix", "edit"])
def test_a_video_is_changed_quickly_without_reuse(
    shelf: Shelf, caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    shelf.add(FAMILY)
    engine = shelf.engine()
    run = engine.start(shelf.request(FAMILY, operation, profile="standard"))
    with caplog.at_level(logging.WARNING, "hinode"):
        drawn(run)
    assert not [record for record in caplog.records if record.name.startswith("hinode")]
    assert not run.model.ways.reusing
    after = drawn(engine.start(shelf.request(FAMILY, profile="standard", steps=STEPS)))
    assert "blocks are reused" in after.provenance.read_as


def test_an_edit_that_begins_with_noise_takes_all_its_steps(shelf: Shelf) -> None:
    shelf.add("wan2.1-vace")
    work = shelf.engine().estimate(shelf.request("wan2.1-vace", "edit", steps=None, profile="best"))
    assert work.steps == 50
