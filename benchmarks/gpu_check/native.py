"""The native model on the GPU and on the processor."""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import torch

from benchmarks.diffusers_speed import synchronise
from benchmarks.gpu_check.clips import Check, difference
from hinode.engines.native import engine as native_engine
from hinode.engines.native import upscaling
from hinode.engines.native.engine import NativeEngine
from hinode.request import Request
from hinode.settings import Settings


def native(check: Check) -> None:
    """Seconds of a clip, and how far the frames of both devices and of both types are from each other."""
    prompt = "a red balloon rising over the mountains at noon"
    short = Request(prompt, 160, 96, 0.2, seed=7, steps=1)  # for a processor
    request = Request(prompt, seed=7) if check.cuda else short
    frames: dict[str, Any] = {}
    results: dict[str, Any] = {}

    def generate(label: str, device: str, *, clips: int = 1, float32: bool = False) -> None:
        dtype = torch.float32 if float32 else native_engine.compute_type(torch.device(device))
        with mock.patch.object(native_engine, "compute_type", return_value=dtype):
            engine = NativeEngine(Settings(home=check.folder / "native-home", device=device))
            seconds = []
            for _ in range(clips):
                synchronise()
                start = time.perf_counter()
                run = engine.start(request)
                for _ in run:
                    pass
                clip = run.clip()
                synchronise()
                seconds.append(round(time.perf_counter() - start, 3))
        frames[label] = clip.frames
        results[label] = {"seconds": seconds, "stages": dict(clip.provenance.stage_seconds)}
        results[label] |= {"model": clip.provenance.model, "steps": clip.provenance.steps}

    generate("device", check.device, clips=3)
    generate("device again", check.device)
    generate("processor", "cpu")
    generate("device, float32", check.device, float32=True)
    generate("processor, float32", "cpu", float32=True)
    distances = {
        f"{label} beside {other}": difference(frames[label], frames[other])
        for label, other in (
            ("device", "device again"),
            ("device", "processor"),
            ("device, float32", "processor, float32"),
            ("device", "device, float32"),
            ("processor", "processor, float32"),
        )
    }
    start = time.perf_counter()
    enlarged = upscaling.upscale(frames["device"], (request.width, request.height))
    for index in range(len(enlarged)):
        enlarged[index]
    upscaling_seconds = time.perf_counter() - start
    check.report.note("native", {**results, "distances": distances, "upscaling": upscaling_seconds})
    check.report.row(
        f"native ({results['device']['model']}, {results['device']['steps']} steps): device "
        f"{results['device']['seconds']} s, processor {results['processor']['seconds']} s, upscaling on the "
        f"processor {upscaling_seconds:.2f} s"
    )
    check.report.row("  levels apart: " + "; ".join(f"{pair}: {text}" for pair, text in distances.items()))
