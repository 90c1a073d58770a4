"""Evaluation of the decoder of the picture book beside a plain filter.

    hinode evaluate --suite decoding

Frames of scenes that no training drew are enlarged three times: as the world draws them at the small size,
and damaged as a diffusion network damages them. The truth is the world's own frame at the large size.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native import upscaling
from hinode.errors import ModelError
from hinode.evaluation.book.pictures import BANDS, band_power, luminance, subject_region
from hinode.evaluation.book.poses import Poses
from hinode.evaluation.clips import as_bytes, as_floats, psnr
from hinode.media.resize import fit
from hinode.progress import progress_bar
from hinode.training.decoder import FACTOR, damage
from hinode.training.drawing.recipes import FPS
from hinode.world.book.motion import camera_path, track
from hinode.world.book.picture.render import render
from hinode.world.book.scene import Scene, sample_scene

SCENES, FRAMES = 40, 3
SHAPES = ((224, 128), (128, 224), (224, 128), (160, 160))
COST_FRAMES = 49
KINDS = {"clean": False, "damaged": True}


def bicubic(frames: Frames) -> Frames:
    """Frames uint8 [T, H, W, 3] three times as large by the filter that files are written with."""
    size = FACTOR * frames.shape[2], FACTOR * frames.shape[1]
    return np.stack(list(fit(frames, size, range(len(frames)))))


def decode(frames: Frames) -> Frames:
    """The same by the decoder."""
    size = FACTOR * frames.shape[2], FACTOR * frames.shape[1]
    large = upscaling.upscale(frames, size)
    return np.stack([large[index] for index in range(len(large))])


METHODS: dict[str, Callable[[Frames], Frames]] = {
    "bicubic": bicubic,
    "decoder": decode,
}


def evaluate_decoder(*, limit: int | None = None) -> dict[str, Any]:
    """Measure the decoder that ships; returns plain JSON values.

    `limit`: only so many scenes. ModelError if no decoder is installed.
    """
    if not upscaling.available():
        remedy = f"train one with `hinode train decoder` and copy it to {upscaling.path()}"
        raise ModelError("there is no decoder to measure", remedy)
    rng = random.Random("decoder-held-out")
    count = SCENES if limit is None else min(limit, SCENES)
    clips: dict[str, dict[str, list[dict[str, float]]]]
    clips = {kind: {name: [] for name in METHODS} for kind in KINDS}
    with progress_bar() as bar:
        for number in bar.track(range(count), description="scenes"):
            scene, start = sample_scene(rng, held_out=None), rng.uniform(0.0, 3.0)
            size = SHAPES[number % len(SHAPES)]
            small, truth = (draw(scene, start, *size, factor) for factor in (1, FACTOR))
            region = _subjects(scene, start, *size)
            generator = torch.Generator().manual_seed(number)
            for kind, severe in KINDS.items():
                source = as_bytes(damage(small, rng, generator, severe=severe)) if severe else as_bytes(small)
                for name, method in METHODS.items():
                    clips[kind][name].append(_compare(as_floats(method(source)), truth, region))
    tables = {kind: {name: _mean(rows) for name, rows in table.items()} for kind, table in clips.items()}
    return {"suite": "decoding", "scenes": count, **tables, "seconds of 49 frames": _seconds()}


def draw(scene: Scene, start: float, width: int, height: int, factor: int) -> Tensor:
    """Some frames of a scene, [T, 3, factor * height, factor * width]: small ones as a clip, as the drawing
    network learns them; large ones moment by moment, which is sharpest."""
    parts = ((start, FRAMES),) if factor == 1 else [(start + k / FPS, 1) for k in range(FRAMES)]
    width, height = factor * width, factor * height
    return torch.cat(
        [
            render([scene], frames=frames, fps=FPS, width=width, height=height, start=moment)[0]
            for moment, frames in parts
        ]
    )


def _subjects(scene: Scene, start: float, width: int, height: int) -> Tensor:
    """Where subjects are in the large frames, [T or 1, H, W] bool."""
    moments = torch.arange(FRAMES) / FPS + start
    camera, aspect = camera_path(scene, moments, width / height), width / height
    tracks = [track(scene, subject, moments, camera, aspect) for subject in scene.subjects]
    poses = [Poses(t.x, t.y, t.half, t.tilt, t.facing, t.beat) for t in tracks]
    return subject_region(poses, FACTOR * height, FACTOR * width)


def _compare(large: Tensor, truth: Tensor, region: Tensor) -> dict[str, float]:
    """The figures of a clip: PSNR in dB, of the subjects too; the error of changes from frame to frame, in
    levels of 255; the power of gradients over the true one, by band, of subjects and of land."""
    error = (large - truth).square().mean(1)
    row = {"psnr": psnr(large, truth), "changes": float((large - truth).diff(dim=0).abs().mean()) * 255}
    if bool(region.any()):
        row["psnr, subject"] = -10 * math.log10(max(float(error[region.expand_as(error)].mean()), 1e-10))
    powers, true_powers = (band_power(luminance(video), region) for video in (large, truth))
    for band in BANDS:
        for place, power, true_power in zip(
            ("subject", "land"), powers[band], true_powers[band], strict=True
        ):
            if true_power > 0:
                row[f"{band}, {place}"] = power / true_power
    return row


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the clips that have it; of ratios, which have wide tails, the median."""
    result = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        average = statistics.median if key.split(",")[0] in BANDS else statistics.fmean
        result[key] = round(average(row[key] for row in rows if key in row), 4)
    return result


def _seconds() -> dict[str, float]:
    """How long each method takes for a clip of two seconds, the best of three."""
    frames = as_bytes(torch.rand(COST_FRAMES, 3, 128, 224, generator=torch.Generator().manual_seed(1)))
    seconds = {}
    for name, method in METHODS.items():
        times = []
        for _ in range(3):
            begun = time.process_time()
            method(frames)
            times.append(time.process_time() - begun)
        seconds[name] = round(min(times), 3)
    return seconds


def table(result: dict[str, Any]) -> str:
    """The result of `evaluate_decoder` for a person."""
    keys = ["psnr", "psnr, subject", "changes", *(f"{band}, {place}" for place in ("subject", "land")
                                                  for band in BANDS)]  # fmt: skip
    lines = []
    for kind in KINDS:
        lines.append(f"{kind:<24}" + "".join(f"{name:>16}" for name in METHODS))
        for key in keys:
            figures = (result[kind][name].get(key, math.nan) for name in METHODS)
            lines.append(f"  {key:<22}" + "".join(f"{figure:16.3f}" for figure in figures))
    seconds = ", ".join(f"{name} {value:.2f} s" for name, value in result["seconds of 49 frames"].items())
    return "\n".join([*lines, f"{COST_FRAMES} frames of 224x128, processor time: {seconds}",
                      f"{result['scenes']} scenes"])  # fmt: skip
