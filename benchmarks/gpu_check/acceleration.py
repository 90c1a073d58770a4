"""The accelerated profiles; `children` runs them in processes of their own."""

from __future__ import annotations

from typing import Any

import diffusers
import torch

from benchmarks.diffusers_speed import disable_reuse, load_baseline
from benchmarks.gpu_check.clips import Check, engine_clip, facts, memory, reset_memory
from benchmarks.gpu_check.parts import denoiser_inputs, timed_pass
from hinode.engines.diffusers import engine as engine_module
from hinode.engines.diffusers.loading import acceleration
from hinode.engines.diffusers.loading.acceleration import FLOAT8, Execution, quantize
from hinode.model.layers import compute_type


def simulate() -> None:
    """Compile on a processor, without generating code, as a GPU would be asked to."""

    def choose(profile: Any, *_: Any, **__: Any) -> Execution:
        return Execution(compiled=profile.accelerated, reusing=profile.reuse > 0)

    def compile_eagerly(denoiser: Any) -> None:
        denoiser.compile_repeated_blocks(backend="eager")

    engine_module.choose_execution = choose
    acceleration.compile_blocks = compile_eagerly


def _clip(check: Check, title: str, profile: str, *, steps: int, seed: int, reuse: bool = True) -> None:
    reset_memory(empty=False)
    run = check.engine.start(check.request("full", steps, profile, seed))
    if not reuse:
        disable_reuse(run)
    clip = engine_clip(run)
    graphs = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    check.report.note(title, {**facts(clip), "peak": memory(check.device)["peak"], "graphs": graphs})


def cold(check: Check) -> None:
    _clip(check, "standard cold, every pass in full", "standard", steps=2, seed=0, reuse=False)


def warm(check: Check) -> None:
    _clip(check, "standard warm, every pass in full", "standard", steps=4, seed=1, reuse=False)


def reusing(check: Check) -> None:
    _clip(check, "standard warm, blocks reused", "standard", steps=6, seed=2)


def draft(check: Check) -> None:
    _clip(check, "draft cold", "draft", steps=4, seed=3)
    _clip(check, "draft warm", "draft", steps=4, seed=4)


def regional(check: Check) -> None:
    """A denoiser compiled block by block without the hooks of the cache: what compiling alone gives."""
    inputs = denoiser_inputs(check)
    for title in ("compiled", "compiled, float8"):
        if title == "compiled":
            denoiser = load_baseline(check.folder / "full", check.device).transformer
        elif check.cuda:
            folder, dtype = check.folder / "full" / "transformer", compute_type(torch.device(check.device))
            denoiser = diffusers.WanTransformer3DModel.from_pretrained(folder, dtype=dtype).to(check.device)
            quantize(denoiser, FLOAT8)
        else:
            return
        acceleration.compile_blocks(denoiser)
        passes = [round(timed_pass(denoiser, inputs)[1], 3) for _ in range(3)]
        check.report.note(f"pass without hooks, {title}", passes)


PARTS = {
    "standard": {"cold": cold, "warm": warm, "reusing": reusing, "draft": draft},
    "regional": {"regional": regional},
}
