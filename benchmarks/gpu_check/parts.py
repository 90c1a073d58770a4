"""The parts of the check that run in its own process."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
import transformers

from benchmarks.diffusers_speed import load_baseline, register, synchronise, write_checkpoint
from benchmarks.gpu_check.clips import (
    STEPS,
    Check,
    DecodeTimer,
    baseline_clip,
    difference,
    engine_clip,
    facts,
    memory,
    reset_memory,
)
from benchmarks.gpu_check.report import OutOfTime, gigabytes, median_step
from hinode.engines.diffusers.loading.acceleration import Hardware, first_line
from hinode.engines.diffusers.memory import plan as planning
from hinode.engines.diffusers.memory.plan import SPARE_SHARE, Residence
from hinode.model.layers import compute_type

log = logging.getLogger("gpu-check")

ATTENTION_BACKENDS = ("native", "_native_cudnn", "_native_flash")
MATRIX_SIDE = 8192


def environment(check: Check) -> None:
    """Versions, memory, and the rate of large matrix products."""
    import torchao

    values: dict[str, Any] = {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "torchao": torchao.__version__,
        "hardware": str(Hardware.of(torch.device(check.device))),
        "dtype": str(compute_type(torch.device(check.device))),
        "threads": torch.get_num_threads(),
        "compiler": shutil.which("gcc") or shutil.which("cc") or "",
    }
    if check.cuda:
        gpu = torch.cuda.get_device_properties(0)
        values |= {"gpu": gpu.name, "capability": f"{gpu.major}.{gpu.minor}", "total": gpu.total_memory}
        values |= {"cudnn": torch.backends.cudnn.version(), **memory(check.device)}
        values["matrix_rate"] = matrix_rate(check.device, MATRIX_SIDE)
    check.report.note("environment", values)
    check.report.row(
        f"environment: torch {values['torch']}, {values.get('gpu', 'processor')} "
        f"{values.get('capability', '')}, {gigabytes(values.get('free', 0))} free, torchao "
        f"{values['torchao']}, {values.get('matrix_rate', 0) / 1e12:.0f} T operations a second in bfloat16"
    )


def matrix_rate(device: str, side: int) -> float:
    """Operations in a second in large products of random matrices in bfloat16."""
    matrix, other = (torch.randn(side, side, device=device).to(torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(10):
        start = time.perf_counter()
        product = matrix @ other
        product[0, 0].item()  # waits for the device
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def build(check: Check) -> None:
    """Both networks, and the registry that knows them."""
    start = time.time()
    for name, geometry in (("full", check.full), ("small", check.small)):
        write_checkpoint(geometry, check.folder / name, check.device)
        register(name, check.folder / name, check.folder / "home")
        reset_memory()
    check.report.row(f"build: {time.time() - start:.1f} s")


def baseline(check: Check) -> None:
    """Plain diffusers: a clip, decoding in the type of the denoiser, and one pass by attention backend."""
    reset_memory()
    start = time.time()
    pipe = load_baseline(check.folder / "full", check.device)
    synchronise()
    load = time.time() - start
    clip = baseline_clip(pipe, check.full, STEPS)
    check.baseline_frames = clip["frames"]
    peak, step = memory(check.device)["peak"], median_step(clip["steps"])
    rate = 2 * check.full.operations() / step
    spread = float(clip["frames"].std())
    check.report.note("baseline", {**facts(clip), "load": load, "peak": peak, "rate": rate, "spread": spread})
    check.report.row(
        f"baseline: {step:.3f} s a step (first {clip['steps'][0]:.2f}), decoding {clip['decode']:.2f} s in "
        f"float32, end to end {clip['e2e']:.2f} s, loading {load:.1f} s, peak {gigabytes(peak)}, "
        f"{rate / 1e12:.0f} T operations a second"
    )
    dtype = compute_type(torch.device(check.device))
    geometry = check.full
    latents = torch.randn(
        1, 16, geometry.latent_frames, geometry.height // 8, geometry.width // 8, device=check.device
    ).to(dtype)
    reset_memory()
    timer = DecodeTimer()
    with torch.no_grad(), timer.installed():
        pipe.vae.to(dtype).decode(latents, return_dict=False)
    peak = memory(check.device)["peak"]
    check.report.note("baseline.decode", {"dtype": str(dtype), "seconds": timer.seconds[0], "peak": peak})
    check.report.row(f"  decoding in {dtype}: {timer.seconds[0]:.2f} s, peak {gigabytes(peak)}")
    pipe.vae.to("cpu")
    reset_memory()
    passes = _attention_passes(pipe.transformer, denoiser_inputs(check))
    check.report.note("baseline.attention", passes)
    check.report.row(f"  one pass by attention: {passes}")


def denoiser_inputs(check: Check) -> dict[str, Any]:
    """Random inputs of the full network's denoiser."""
    dtype, geometry = compute_type(torch.device(check.device)), check.full
    shape = (1, 16, geometry.latent_frames, geometry.height // 8, geometry.width // 8)
    return {
        "hidden_states": torch.randn(shape, device=check.device, dtype=dtype),
        "timestep": torch.tensor([900], device=check.device),
        "encoder_hidden_states": torch.randn(1, 512, geometry.text, device=check.device, dtype=dtype),
        "return_dict": False,
    }


def timed_pass(denoiser: Any, inputs: dict[str, Any]) -> tuple[Any, float]:
    """The output of one pass, and its seconds."""
    synchronise()
    start = time.perf_counter()
    with torch.no_grad():
        output = denoiser(**inputs)[0]
    synchronise()
    return output, time.perf_counter() - start


def _attention_passes(denoiser: Any, inputs: dict[str, Any]) -> dict[str, str]:
    from diffusers.models.attention_dispatch import attention_backend

    reference, results = None, {}
    for name in ATTENTION_BACKENDS:
        try:
            with attention_backend(name):
                passes = [timed_pass(denoiser, inputs) for _ in range(2)]
        except Exception as error:
            results[name] = f"failed: {first_line(error)[:90]}"
            continue
        output = passes[-1][0].float()
        reference = output if reference is None else reference
        relative = float((output - reference).norm() / reference.norm())
        results[name] = f"{min(seconds for _, seconds in passes):.3f} s (difference {relative:.1e})"
    return results


def best(check: Check) -> None:
    """The profile `best`: a clip beside the baseline's, and a shorter one for its plan and memory."""
    engine = check.new_engine()
    for number, steps in ((1, STEPS), (2, 2)):
        reset_memory(empty=number == 1)
        before = memory(check.device)
        run = engine.start(check.request("full", steps, seed=number - 1))
        if number == 2 and check.report.remaining < 25:
            check.report.row(f"best, clip 2: plan only: {run.plan.description}")
            return
        clip = engine_clip(run)
        peak = memory(check.device)["peak"]
        distance = difference(check.baseline_frames, clip["frames"]) if number == 1 else "-"
        check.report.note(
            f"best{number}", {**facts(clip), "before": before, "peak": peak, "difference": distance}
        )
        check.report.row(
            f"best, clip {number}: {median_step(clip['steps']):.3f} s a step, decoding "
            f"{clip['decode']:.2f} s, end to end {clip['e2e']:.2f} s, peak {gigabytes(peak)} "
            f"(planned {gigabytes(clip['plan_peak'])}), frames beside the baseline's: {distance}"
        )
        check.report.row(f"  plan: {clip['plan'][:200]}")
        del run, clip


def second_plan(check: Check) -> None:
    """Whether a second clip gets the plan of the first when there is little more memory than it needs: what
    the first has left in caches must count as free."""
    requests = [check.request("small", 2, seed=seed) for seed in (0, 1)]
    first = check.new_engine().start(requests[0])
    needed = int(first.plan.peak / (1 - SPARE_SHARE) * 1.02)
    first.abandon()
    del first
    ballast = None
    if check.cuda:
        engine_clip(check.new_engine().start(requests[0]))  # libraries allocate their workspaces
        reset_memory()
        ballast = torch.empty(
            max(0, torch.cuda.mem_get_info()[0] - needed), dtype=torch.uint8, device=check.device
        )
    engine, plans = check.new_engine(), []
    for request in requests:
        before = memory(check.device)
        try:
            plan = engine_clip(engine.start(request))["plan"]
        except Exception as error:
            plan = f"failed: {first_line(error)}"
        plans.append(
            {"plan": plan, "free": before["free"], "cached": before["reserved"] - before["allocated"]}
        )
    del ballast
    check.report.note("second-plan", {"needed": needed, "plans": plans})
    for number, plan in enumerate(plans, 1):
        check.report.row(
            f"second-plan, clip {number}: {plan['plan'][:200]}; {gigabytes(plan['cached'])} in caches"
        )
    reset_memory()


@contextmanager
def _forced_plan(residence: Residence, float8_storage: bool, tiles: bool) -> Iterator[None]:
    choices = planning._choices
    planning._choices = lambda sizes: iter([(residence, float8_storage, tiles)])
    try:
        yield
    finally:
        planning._choices = choices


def residences(check: Check) -> None:
    """Clips of the small network under every plan, beside the clip of plain diffusers."""
    pipe = load_baseline(check.folder / "small", check.device)
    reference = baseline_clip(pipe, check.small, 3)["frames"]
    del pipe
    reset_memory()
    engine, request = check.new_engine(), check.request("small", 3)

    def clip_under(
        residence: Residence, *, float8_storage: bool = False, tiles: bool = False, failures: int = 0
    ) -> Callable[[], dict[str, Any]]:
        def act() -> dict[str, Any]:
            with _forced_plan(residence, float8_storage, tiles):
                run = engine.start(request)
            return engine_clip(run, failures)

        return act

    def resumed() -> dict[str, Any]:
        run = engine.start(request)
        next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
        state = run.state()
        run.abandon()
        return engine_clip(engine.start(request, state))

    resident, groups = Residence.RESIDENT, Residence.GROUPS
    cases: dict[str, Callable[[], dict[str, Any]]] = {
        "resident": clip_under(resident),
        "resumed after step 2": resumed,
        "staged": clip_under(Residence.STAGED),
        "turns": clip_under(Residence.TURNS),
        "decoded in tiles": clip_under(resident, tiles=True),
        "groups (streamed)": clip_under(groups),
        "resident after that": clip_under(resident),
        "float8 storage": clip_under(resident, float8_storage=True),
        "groups, float8 storage": clip_under(groups, float8_storage=True),
        "resident again": clip_under(resident),
        "decoding out of memory once": clip_under(resident, failures=1),
        "decoding out of memory 3 times": clip_under(resident, failures=3),
    }
    check.report.row("residences, frames beside those of the baseline:")
    for title, act in cases.items():
        if title.startswith("groups") and not check.cuda:
            continue
        if check.report.remaining < 6:
            check.report.row(f"  {title}: no time")
            continue
        reset_memory(empty=False)
        try:
            clip = act()
        except OutOfTime:
            raise
        except Exception as error:
            log.exception("residence %s", title)
            check.report.row(f"  {title}: FAILED, {first_line(error)[:150]}")
            continue
        peak, distance = memory(check.device)["peak"], difference(reference, clip["frames"])
        check.report.note(f"residences.{title}", {**facts(clip), "peak": peak, "difference": distance})
        remark = clip["read_as"].split("best", 1)[-1].strip("; ")
        check.report.row(
            f"  {title}: {distance}; {median_step(clip['steps']):.3f} s a step, peak {gigabytes(peak)} "
            f"(planned {gigabytes(clip['plan_peak'])}) {remark}"
        )
