"""Clips of the check: networks, clips by plain diffusers and by the engine with the seconds of every step,
and how far frames are from each other."""

from __future__ import annotations

import functools
import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from benchmarks.diffusers_speed import Geometry, make_request, run_baseline, synchronise
from benchmarks.gpu_check.report import Report
from hinode.engines.diffusers.engine import DiffusersEngine
from hinode.request import Request
from hinode.settings import Settings

log = logging.getLogger("gpu-check")

STEPS = 4


@dataclass
class Check:
    """What the parts of the check share.

    Attributes:
        report: the results.
        folder: with the networks "full" and "small", and the home of the engine.
        device: "cuda", or "cpu" with --tiny.
        full: geometry of the network of real size.
        small: geometry of the network for parts that make many clips.
        baseline_frames: the clip of plain diffusers.
    """

    report: Report
    folder: Path
    device: str
    full: Geometry
    small: Geometry
    baseline_frames: Any = None

    @property
    def cuda(self) -> bool:
        return self.device == "cuda"

    @functools.cached_property
    def engine(self) -> DiffusersEngine:
        """The engine that parts use one after the other."""
        return self.new_engine()

    def new_engine(self) -> DiffusersEngine:
        """An engine with no model loaded."""
        return DiffusersEngine(Settings(home=self.folder / "home", device=self.device))

    def request(self, name: str, steps: int, profile: str = "best", seed: int = 0) -> Request:
        """A request for a clip of one of the networks."""
        geometry = self.full if name == "full" else self.small
        request: Request = make_request(geometry, name, profile=profile, steps=steps, seed=seed)
        return request


@dataclass
class DecodeTimer:
    """Seconds of every decoding by Wan's autoencoder, and failures on request.

    Attributes:
        seconds: of each decoding.
        failures: how many of the next decodings fail for lack of memory.
    """

    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Measure every decoding within the block."""
        decode = diffusers.AutoencoderKLWan.decode

        @functools.wraps(decode)
        def timed(vae: Any, latents: Any, *args: Any, **kwargs: Any) -> Any:
            if latents.is_meta:
                return decode(vae, latents, *args, **kwargs)
            if self.failures:
                self.failures -= 1
                raise torch.OutOfMemoryError("CUDA out of memory (forced by the check)")
            synchronise()
            start = time.perf_counter()
            output = decode(vae, latents, *args, **kwargs)
            synchronise()
            self.seconds.append(time.perf_counter() - start)
            return output

        diffusers.AutoencoderKLWan.decode = timed
        try:
            yield
        finally:
            diffusers.AutoencoderKLWan.decode = decode


def baseline_clip(pipe: Any, geometry: Geometry, steps: int, seed: int = 0) -> dict[str, Any]:
    """A clip by plain diffusers."""
    moments: list[float] = []

    def mark(*_: object) -> None:
        synchronise()
        moments.append(time.perf_counter())

    timer = DecodeTimer()
    synchronise()
    start = time.perf_counter()
    with timer.installed():
        frames = run_baseline(pipe, geometry, steps, seed=seed, on_start=mark, on_step=mark)
    synchronise()
    return {
        "e2e": time.perf_counter() - start,
        "steps": [end - start for start, end in pairwise(moments)],
        "decode": sum(timer.seconds),
        "frames": frames,
    }


def engine_clip(run: Any, decode_failures: int = 0) -> dict[str, Any]:
    """A run of the engine, driven to its end.

    Args:
        decode_failures: how many of its attempts to decode fail for lack of memory.
    """
    moments, stages, timer = [], [], DecodeTimer(failures=decode_failures)
    synchronise()
    start = time.perf_counter()
    with timer.installed():
        for progress in run:
            synchronise()
            moment = time.perf_counter()
            stages.append((progress.stage, progress.done, round(moment - start, 3)))
            log.info("progress %s", stages[-1])
            if progress.stage == "sample":
                moments.append(moment)
    clip = run.clip()
    synchronise()
    cache = run._call.cache if run._call else None
    return {
        "e2e": time.perf_counter() - start,
        "steps": [end - start for start, end in pairwise(moments)],
        "decode": sum(timer.seconds),
        "frames": clip.frames,
        "read_as": clip.provenance.read_as,
        "stages": stages,
        "plan": run.plan.description,
        "plan_peak": run.plan.peak,
        "execution": run.model.execution.description,
        "degraded": run.model.degraded,
        "reused": cache.reused if cache else 0,
        "size": run.task.size,
    }


def facts(clip: dict[str, Any]) -> dict[str, Any]:
    """A clip without its frames, for the report."""
    return {name: value for name, value in clip.items() if name != "frames"}


def difference(frames: Any, other: Any) -> str:
    """How far two clips are from each other, in levels of 0..255."""
    if frames is None or other is None:
        return "-"
    if frames.shape != other.shape:
        return f"shapes {frames.shape} and {other.shape}"
    maximum, mean = 0, 0.0
    for frame, other_frame in zip(frames, other, strict=True):
        levels = np.abs(frame.astype(np.int16) - other_frame.astype(np.int16))
        maximum, mean = max(maximum, int(levels.max())), mean + float(levels.mean()) / len(frames)
    return f"max {maximum} mean {mean:.3f}"


def memory(device: str) -> dict[str, int]:
    """Bytes of the GPU's memory; zeros without one."""
    if device != "cuda":
        return dict.fromkeys(("free", "allocated", "reserved", "peak"), 0)
    free, _ = torch.cuda.mem_get_info()
    return {
        "free": free,
        "allocated": torch.cuda.memory_allocated(),
        "reserved": torch.cuda.memory_reserved(),
        "peak": torch.cuda.max_memory_allocated(),
    }


def reset_memory(*, empty: bool = True) -> None:
    """Start a new measurement of the peak.

    Args:
        empty: whether to free what is cached first.
    """
    if empty:
        gc.collect()
    if torch.cuda.is_available():
        if empty:
            torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
