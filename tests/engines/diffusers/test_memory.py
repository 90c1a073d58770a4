"""Memory over several clips, and what happens when a move, a pass or a quick way to compute fails."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hinode.engines.diffusers.engine import DiffusersEngine
from hinode.engines.diffusers.loading import acceleration, self_test
from hinode.engines.diffusers.loading.acceleration import UNACCELERATED, Execution
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.memory.budget import MemoryBudget, available
from hinode.engines.diffusers.memory.ledger import Ledger, byte_count
from hinode.engines.diffusers.memory.plan import Residence
from hinode.errors import DeviceError, HinodeError
from hinode.registry.families import FAMILIES
from tests.engines.diffusers.conftest import ModelHome, finish

FAMILY = "wan2.1-t2v"
DEVICE = torch.device("meta")
"""Stands for an accelerator: tensors can be moved there, and take no memory of the machine."""


def on_accelerator(models: ModelHome, budget: MemoryBudget) -> DiffusersEngine:
    """An engine on a stated accelerator with that much memory free."""
    return DiffusersEngine(dataclasses.replace(models.settings, device="meta"), budget)


def test_the_next_clip_is_planned_with_the_memory_that_the_accelerator_has(models: ModelHome) -> None:
    models.add(FAMILY)
    request = models.request(FAMILY)
    engine = on_accelerator(models, MemoryBudget(10**12, 10**12))
    first = engine.start(request)
    sizes = first.model.sizes()
    needs = sizes.needs(first.task, float8_storage=False)
    # All parts together do not fit; the encoders have to leave.
    device = int((needs.weights + needs.decoding - needs.encoders / 2) / 0.95)
    engine.budget = MemoryBudget(device, int(1.2 * needs.weights))
    plan = engine.start(request).plan
    assert plan.residence is not Residence.RESIDENT
    model = engine._resident
    assert model is not None
    for name in ("text_encoder", "transformer"):
        model.load(name)  # into the memory of the machine, where `offload` takes them too
    assert not model.ledger.device
    assert sum(model.ledger.host.values()) > needs.encoders
    # What is on the machine is no memory of the accelerator, and needs no second place there.
    engine.budget = MemoryBudget(device, int(1.2 * needs.weights) - sum(model.ledger.host.values()))
    again = engine.start(request)
    assert (again.model, again.plan) == (model, plan)


def test_weights_count_where_they_are(models: ModelHome) -> None:
    part = torch.nn.Linear(8, 8, bias=False)
    half = torch.nn.ModuleList(
        [torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False).to(DEVICE)]
    )
    ledger = Ledger.of({"a": part, "b": half, "tokenizer": object(), "none": None}, DEVICE)
    assert (ledger.host, ledger.device) == ({"a": 256, "b": 256}, {"b": 256})
    assert MemoryBudget(1000, 100).with_loaded(ledger) == MemoryBudget(1256, 612)


def test_a_quantised_weight_counts_the_bytes_that_it_holds() -> None:
    quantization = pytest.importorskip("torchao.quantization")
    linear = torch.nn.Linear(64, 64, bias=False, dtype=torch.bfloat16)
    quantization.quantize_(linear, quantization.Int8WeightOnlyConfig())
    assert 64 * 64 <= byte_count(linear.weight) < 1.2 * 64 * 64


def test_a_part_that_does_not_arrive_is_let_go(models: ModelHome, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = models.add(FAMILY)
    model = Model(entry, FAMILIES[FAMILY], models.home, DEVICE, torch.bfloat16)
    encoder: Any = model.load("text_encoder")

    def to(device: torch.device) -> None:
        next(encoder.encoder.children()).to(device)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder, "to", to)
    with pytest.raises(torch.OutOfMemoryError):
        model.place("text_encoder")
    assert "text_encoder" not in model.parts
    model.load("text_encoder")
    assert {tensor.device for tensor in model.place("text_encoder").parameters()} == {DEVICE}


def test_too_little_memory_is_a_sentence_and_the_next_clip_works(
    models: ModelHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.add(FAMILY)
    engine = models.engine()
    run = engine.start(models.request(FAMILY, steps=1))

    def fail(*args: Any, **kwargs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    run.model.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(type(run.model.load("transformer")), "forward", fail)
        with pytest.raises(HinodeError, match=f"the model {FAMILY} needs more memory than is free"):
            finish(run)
    finish(engine.start(models.request(FAMILY, steps=1)))


def test_an_accelerator_that_failed_is_a_device_error(
    models: ModelHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.add(FAMILY)
    run = models.run(FAMILY, steps=1)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might")

    run.model.prepare()
    monkeypatch.setattr(type(run.model.load("transformer")), "forward", fail)
    with pytest.raises(DeviceError, match="the accelerator failed: CUDA error: an illegal memory access"):
        finish(run)


def test_a_pipeline_that_the_library_cannot_run_is_a_sentence(
    models: ModelHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.add(FAMILY)
    run = models.run(FAMILY, steps=1)
    run.model.prepare()
    monkeypatch.delattr(type(run.model.parts["scheduler"]), "set_timesteps")
    with pytest.raises(HinodeError, match=f"the library cannot run the model {FAMILY}: .*set_timesteps"):
        finish(run)


def test_a_streamed_part_that_may_stay_is_read_again(models: ModelHome) -> None:
    entry = models.add(FAMILY)
    model = Model(entry, FAMILIES[FAMILY], models.home, DEVICE, torch.bfloat16)
    first = model.load("transformer")
    model._streamed.add("transformer")
    assert model.place("transformer") is not first
    assert "transformer" not in model._streamed


def test_an_encoder_that_does_not_fit_is_streamed(models: ModelHome, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(
        diffusers.hooks, "apply_group_offloading", lambda part, **options: calls.append((part, options))
    )
    entry = models.add(FAMILY)
    model = Model(entry, FAMILIES[FAMILY], models.home, DEVICE, torch.bfloat16)
    for name, kind in (("text_encoder", "leaf_level"), ("transformer", "block_level")):
        model.load(name)
        for _ in range(2):
            part = model.place(name, streamed=True)
        model.offload(name)
        (call,) = calls
        calls.clear()
        assert call[0] is part
        assert (call[1]["offload_type"], call[1]["onload_device"]) == (kind, DEVICE)
    assert not model.ledger.device
    other = Model(entry, FAMILIES[FAMILY], models.home, DEVICE, torch.bfloat16)
    other.adopt_parts(model)
    other.place("text_encoder", streamed=True)
    assert not calls


def test_a_cache_in_a_container_counts_as_free(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable: 1000 kB\n")
    (tmp_path / "memory.max").write_text("600000\n")
    (tmp_path / "memory.current").write_text("590000\n")
    (tmp_path / "memory.stat").write_text("anon 90000\nfile 500000\ninactive_file 400000\n")
    assert available(meminfo, tmp_path) == 410_000
    older = tmp_path / "older" / "memory"
    older.mkdir(parents=True)
    for name, text in (("limit_in_bytes", "600000"), ("usage_in_bytes", "590000")):
        (older / f"memory.{name}").write_text(text)
    (older / "memory.stat").write_text("total_inactive_file 300000\n")
    assert available(meminfo, older.parent) == 310_000


def test_the_cache_of_prompts_has_a_size(tmp_path: Path) -> None:
    cache = Embeddings(tmp_path, max_files=3, max_bytes=10_000)
    prompt = {"read": torch.zeros(1000)}  # 4 kB
    for key in ("a", "b", "c"):
        cache.put(key, prompt)
    assert [cache.get(key, "cpu") is not None for key in ("a", "b", "c")] == [False, True, True]
    cache.put("large", {"read": torch.zeros(5000)})
    assert len(list(tmp_path.iterdir())) == 2
    for key in "defg":
        cache.put(key, {"read": torch.zeros(1)})
    assert len(list(tmp_path.iterdir())) == 3


# Quick ways


@pytest.fixture
def quick(models: ModelHome, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has denoisers compute in "float8", which here is nothing but a line in this list."""
    models.add(FAMILY)
    quantized: list[str] = []
    monkeypatch.setattr(acceleration, "quantize", lambda denoiser, bits: quantized.append(bits))
    monkeypatch.setattr(
        "hinode.engines.diffusers.engine.choose_execution",
        lambda profile, *rest, **options: Execution(bits="float8") if profile.accelerated else UNACCELERATED,
    )
    return quantized


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the parts that are read, as they are."""
    names: list[str] = []
    read = Model._read

    def note(self: Model, name: str) -> Any:
        names.append(name)
        return read(self, name)

    monkeypatch.setattr(Model, "_read", note)
    return names


def test_a_quick_way_is_compared_with_the_plain_one_once_on_a_machine(
    models: ModelHome, quick: list[str], tmp_path: Path
) -> None:
    engine = models.engine()
    engine._self_tests.folder = tmp_path
    request = models.request(FAMILY, steps=2, profile="standard")
    clip = finish(engine.start(request))
    assert "in float8" in clip.provenance.read_as
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["error"] == 0
    file.write_text(file.read_text().replace('"error": 0.0', '"error": 0.01'))
    finish(engine.start(request))
    assert json.loads(file.read_text())["error"] == 0.01


@pytest.mark.parametrize(
    "fault",
    [
        "wrong numbers",
        pytest.param("no numbers", marks=pytest.mark.slow),
        pytest.param("an error", marks=pytest.mark.slow),
    ],
)
def test_a_quick_way_that_fails_is_used_for_no_clip(
    models: ModelHome,
    quick: list[str],
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = models.clip(FAMILY, steps=2, profile="best").frames

    def damage(denoiser: Any, bits: str) -> None:
        quick.append(bits)
        if fault == "an error":
            denoiser.__dict__["forward"] = None
        else:
            denoiser.proj_out.weight.mul_(1.5 if fault == "wrong numbers" else float("nan"))

    monkeypatch.setattr(acceleration, "quantize", damage)
    engine, names = models.engine(), reads(monkeypatch)
    engine._self_tests.folder = tmp_path
    request = models.request(FAMILY, steps=2, profile="standard")
    with caplog.at_level(logging.WARNING, "hinode"):
        clips = [finish(engine.start(request)) for _ in range(3)]
    assert all(np.array_equal(clip.frames, expected) for clip in clips)
    assert all(clip.provenance.read_as.endswith("profile standard") for clip in clips)
    assert quick == ["float8"]
    assert names.count("transformer") <= 3
    assert "a pass failed and is repeated, not in float8" in caplog.text
    if fault != "an error":  # the numbers of this device and version are known to the next process too
        other = models.engine()
        other._self_tests.folder = tmp_path
        assert np.array_equal(finish(other.start(request)).frames, expected)
        assert quick == ["float8"]


def test_the_relative_error_of_numbers_that_are_none_is_too_large() -> None:
    plain = torch.ones(4)
    assert self_test.relative_error(1.05 * plain, plain) == pytest.approx(0.05)
    assert not self_test.relative_error(plain * float("nan"), plain) <= self_test.MAX_ERROR
