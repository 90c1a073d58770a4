"""What profiles change: steps, distilling LoRAs, reused blocks, 8 bits; and `best`, none of it."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.engines.diffusers.engine import DiffusersEngine
from hinode.engines.diffusers.loading.acceleration import (
    NATIVE,
    PACKAGES,
    UNACCELERATED,
    Execution,
    Hardware,
    choose_execution,
)
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.diffusers.task import WITHOUT_CACHE_CONTEXT
from hinode.engines.protocol import State
from hinode.errors import BadInput
from hinode.registry.entry import Lora
from hinode.registry.families import FAMILIES
from hinode.registry.profiles import PROFILES
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.conftest import CASES, ModelHome, each_case, finish
from tests.engines.diffusers.tiny_models import TINY_MODELS

FAMILY = "wan2.1-t2v"
STEPS = 8
ALL = frozenset(PACKAGES)
WAN, MASKED = FAMILIES[FAMILY], FAMILIES["ltx-video"]
REUSING = [
    (family, mode)
    for family, mode in CASES
    if FAMILIES[family].profiles["standard"].reuse and mode == next(iter(FAMILIES[family].pipelines))
]
MACHINES = [
    Hardware("cpu", packages=ALL),
    Hardware("mps", packages=ALL),
    *(Hardware("cuda", capability, ALL) for capability in ((7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0))),
]


@pytest.mark.parametrize(
    ("hardware", "attention", "masked_attention", "bits"),
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
def test_the_hardware_decides(hardware: Hardware, attention: str, masked_attention: str, bits: str) -> None:
    standard = WAN.profiles["standard"]
    execution = choose_execution(standard, WAN, hardware)
    assert execution == Execution(bits, hardware.kind == "cuda", attention, reusing=True)
    masked = choose_execution(MASKED.profiles["standard"], MASKED, hardware)
    assert masked.attention == masked_attention
    streamed = choose_execution(standard, WAN, hardware, streamed=True)
    assert (streamed.bits, streamed.compiled, streamed.attention) == ("", False, attention)
    for option in ("float8_storage", "quantized"):
        execution = choose_execution(standard, WAN, hardware, eight_bits_on_cpu=True, **{option: True})
        assert execution.bits == ""


def test_a_processor_computes_in_8_bits_only_on_request() -> None:
    hardware = Hardware("cpu", packages=ALL)
    for profile, bits in (("draft", "int8 weights"), ("standard", "int8 weights"), ("best", "")):
        execution = choose_execution(WAN.profiles[profile], WAN, hardware, eight_bits_on_cpu=True)
        assert execution.bits == bits


@pytest.mark.parametrize("hardware", MACHINES, ids=lambda machine: f"{machine.kind}-{machine.capability}")
def test_the_best_is_what_the_makers_do(hardware: Hardware) -> None:
    for family in FAMILIES.values():
        execution = choose_execution(family.profiles["best"], family, hardware, eight_bits_on_cpu=True)
        assert execution == UNACCELERATED


def test_a_request_names_a_profile(models: ModelHome) -> None:
    models.add(FAMILY)
    capabilities = models.engine().capabilities(FAMILY)
    assert capabilities.profiles == PROFILES
    requests = {name: models.request(FAMILY, steps=None, profile=name) for name in (None, *PROFILES)}
    steps = {name: models.engine().estimate(request).steps for name, request in requests.items()}
    assert steps == {None: 50, "draft": 20, "standard": 30, "best": 50}
    assert requests["draft"].identity() != requests["best"].identity()
    with pytest.raises(BadInput, match="no profile 'worst'; choose draft, standard or best") as caught:
        models.engine().start(models.request(FAMILY, profile="worst"))
    assert caught.value.field == "profile"


def test_a_distilling_lora_counts_in_its_profiles_alone(models: ModelHome, tmp_path: Path) -> None:
    models.add(FAMILY)
    file = tiny_models.write_lora(models.checkpoint(FAMILY), tmp_path / "fast.safetensors")
    lora = Lora(str(file), 0.05, ("draft", "standard"), steps=4)
    models.add(FAMILY, "fast", loras=(lora,), profile="standard")
    engine = models.engine()
    runs = {
        name: engine.start(models.request("fast", steps=None, profile=name))
        for name in (None, "draft", "best")
    }
    facts = {
        name: (run.task.profile.steps, run.task.passes, run.task.profile.shift, len(run.task.entry.loras))
        for name, run in runs.items()
    }
    assert facts == {None: (4, 4, 8.0, 1), "draft": (4, 4, 8.0, 1), "best": (50, 100, None, 0)}
    clip = finish(runs[None])
    assert clip.provenance.steps == 4
    scheduler = runs[None]._call._scheduler() if runs[None]._call else None
    assert scheduler.config.flow_shift == 8.0
    # The best is as if there were no such LoRA, though the same engine used it before.
    best = finish(engine.start(models.request("fast", profile="best")))
    assert np.array_equal(best.frames, models.clip(FAMILY).frames)
    assert not np.array_equal(best.frames, clip.frames)
    with pytest.raises(BadInput, match="no negative prompt under the profile standard") as caught:
        engine.start(models.request("fast", negative_prompt="rain"))
    assert caught.value.field == "negative_prompt"


def reusing_run(
    models: ModelHome,
    family: str,
    mode: str = "",
    state: State | None = None,
    engine: DiffusersEngine | None = None,
    **options: Any,
) -> DiffusersRun:
    """A run that reuses blocks of a tiny model. Its threshold is high, because the first block of so small a
    network changes much."""
    request = models.request(family, mode, steps=STEPS, profile="standard", **options)
    run = (engine or models.engine()).start(request, state)
    run.task = dataclasses.replace(run.task, profile=dataclasses.replace(run.task.profile, reuse=0.5))
    return run


@pytest.mark.parametrize(
    ("family", "mode"),
    each_case(by=lambda family, mode: TINY_MODELS[family].build.__module__, cases=REUSING),
)
def test_a_run_that_reuses_blocks_continues_to_the_same_bits(
    models: ModelHome, family: str, mode: str
) -> None:
    models.add(family)
    run, states = reusing_run(models, family, mode), {}
    for progress in run:
        if progress.stage == "sample":
            states[progress.done] = run.state()
    frames = run.clip().frames
    assert run._call is not None
    assert run._call.cache is not None
    assert 2 <= run._call.cache.reused < run._call.cache.passes
    assert "blocks are reused between steps" in run.clip().provenance.read_as
    # A state does not contain the outputs of the blocks.
    assert len(states[STEPS - 1].body) < 3 * len(states[0].body) + 2_000_000
    for step in (1, 2, 3, 4, STEPS - 1):
        resumed = reusing_run(models, family, mode, states[step])
        if step == 2:  # saved again before it has continued
            resumed = reusing_run(models, family, mode, resumed.state())
        assert np.array_equal(finish(resumed).frames, frames), step


def test_runs_do_not_share_reused_blocks(models: ModelHome) -> None:
    models.add(FAMILY)
    alone = [finish(reusing_run(models, FAMILY, seed=seed)).frames for seed in (1, 2)]
    engine = models.engine()
    in_turn = [finish(reusing_run(models, FAMILY, seed=seed, engine=engine)).frames for seed in (1, 2)]
    interleaved = [reusing_run(models, FAMILY, seed=seed, engine=engine) for seed in (1, 2)]
    running = [iter(run) for run in interleaved]
    while running:
        running = [steps for steps in running if next(steps, None) is not None]
    for index in (0, 1):
        assert np.array_equal(in_turn[index], alone[index])
        assert np.array_equal(interleaved[index].clip().frames, alone[index])
    # Nor does a run of the profile best on the same engine.
    best = finish(engine.start(models.request(FAMILY, profile="best")))
    assert np.array_equal(best.frames, models.clip(FAMILY).frames)
    assert engine._resident is not None
    assert not engine._resident.parts["transformer"].is_cache_enabled


def test_8_bits_on_a_processor_give_nearly_the_same_clip_with_its_loras(
    models: ModelHome, tmp_path: Path
) -> None:
    pytest.importorskip("torchao")
    file = tiny_models.write_lora(models.checkpoint(FAMILY), tmp_path / "style.safetensors")
    loras = (Lora(str(file), 0.05),)
    models.add(FAMILY, "full", profile="best", loras=loras)
    models.add(FAMILY, "eight-bits", profile="standard", loras=loras, eight_bits=True)
    run = models.run("eight-bits")
    run.task = dataclasses.replace(run.task, profile=dataclasses.replace(run.task.profile, reuse=1e-9))
    clip, full = finish(run), models.clip("full")
    assert run.model.execution.bits == "int8 weights"
    assert "in int8 weights" in clip.provenance.read_as
    denoiser = run.model.parts["transformer"]
    assert type(denoiser.blocks[0].ffn.net[2].weight).__name__ == "Int8Tensor"
    assert not getattr(denoiser, "peft_config", None)
    assert 0 < np.abs(clip.frames.astype(int) - full.frames).mean() < 2


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings alone: another test may have set the level of the root logger to INFO."""
    records = (record for record in caplog.records if record.levelno >= logging.WARNING)
    return [record.message for record in records if record.name.startswith("hinode")]


def test_what_cannot_be_set_up_is_left_out(models: ModelHome, caplog: pytest.LogCaptureFixture) -> None:
    models.add(FAMILY)
    run = models.run(FAMILY)
    run.model.configure(False, Execution(bits="float8", attention="sage", reusing=True))
    with caplog.at_level(logging.WARNING, "hinode"):
        clip = finish(run)
    warnings = warnings_in(caplog)
    assert any("computing in float8 is left out" in line for line in warnings)
    assert any("a pass failed and is repeated, not" in line for line in warnings)
    assert run.model.execution == UNACCELERATED
    assert np.array_equal(clip.frames, models.clip(FAMILY).frames)
    assert clip.provenance.read_as.endswith("profile best")


def test_a_failed_pass_concerns_its_own_run_alone(models: ModelHome) -> None:
    models.add(FAMILY)
    engine = models.engine()
    request = models.request(FAMILY, profile="standard", steps=STEPS)
    run = engine.start(request)
    run.model.execution = dataclasses.replace(run.model.execution, attention="sage")
    states = {progress.done: run.state() for progress in run if progress.stage == "sample"}
    frames = run.clip().frames
    assert run.model.execution == UNACCELERATED
    resumed = models.engine().start(request, states[2])
    assert np.array_equal(finish(resumed).frames, frames)
    assert resumed.model.execution == UNACCELERATED
    assert "blocks are reused" in finish(engine.start(request)).provenance.read_as


@pytest.mark.parametrize(
    "name", sorted({name for family in FAMILIES.values() for name in family.pipelines.values()})
)
def test_blocks_are_reused_only_where_a_pipeline_tells_its_passes_apart(name: str) -> None:
    import diffusers

    source = inspect.getsource(inspect.unwrap(getattr(diffusers, name).__call__))
    assert ("cache_context" in source) == (name not in WITHOUT_CACHE_CONTEXT)


def test_a_video_is_changed_without_reuse(models: ModelHome, caplog: pytest.LogCaptureFixture) -> None:
    models.add(FAMILY)
    engine = models.engine()
    run = engine.start(models.request(FAMILY, "remix", profile="standard"))
    with caplog.at_level(logging.WARNING, "hinode"):
        finish(run)
    assert not warnings_in(caplog)
    assert not run.model.execution.reusing
    clip = finish(engine.start(models.request(FAMILY, profile="standard", steps=STEPS)))
    assert "blocks are reused" in clip.provenance.read_as


def test_an_edit_that_starts_from_noise_takes_all_its_steps(models: ModelHome) -> None:
    models.add("wan2.1-vace")
    request = models.request("wan2.1-vace", "edit", steps=None, profile="best")
    assert models.engine().estimate(request).steps == 50
