"""Evaluation of the upscaler beside Lanczos, on unseen renders and on clips that the model generates.

For a render the truth is known at the larger size. For a generated clip it is not, so there is measured how
sharp it is, how much it flickers where nothing moves, and whether the judge reads it as before.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from hinode.clip import Frames
from hinode.engines.native import catalog, checkpoint, upscaling
from hinode.engines.native.engine import NativeEngine
from hinode.errors import ModelError
from hinode.evaluation.evaluate import generate, plan_of, to_bytes
from hinode.evaluation.prompts import Case
from hinode.evaluation.scores import Observation, tally
from hinode.media.resize import fit
from hinode.model.layers import compute_type
from hinode.progress import progress_bar
from hinode.request import Request
from hinode.settings import Settings
from hinode.training.cost import flops
from hinode.training.upscaling import regenerate
from hinode.world.caption import caption, words
from hinode.world.judge import judge, load_judge
from hinode.world.render import render
from hinode.world.scene import Scene, sample_scene

FRAMES, FPS = 9, 8.0
SCENES, FOURFOLD, PROMPTS = 64, 16, 48  # renders at twice and at four times the size, and generated clips
BATCH = 8  # of generated clips
EDGE = 0.04  # change of brightness (0..1) from pixel to pixel from which on a place counts as an edge
STILL = 1 / 255  # a native pixel that changes by this at most from frame to frame does not move
LEVEL = 0.71  # noise level from which the model generates a render again


def evaluate_upscaling(*, model: str | None, settings: Settings, limit: int | None = None) -> dict[str, Any]:
    """Measure the upscaler that ships; returns plain JSON values.

    `limit`: only so many scenes and prompts of each kind. All PSNR are in dB of the whole clip, intervals at
    95 %. ModelError if no upscaler is installed.
    """
    if not upscaling.available():
        remedy = f"train one with `hinode train upscaler` and copy its file to {upscaling.path()}"
        raise ModelError("there is no upscaler to measure", remedy)
    card = catalog.find(model, settings.models)
    rng = random.Random("upscaler-held-out")
    scenes = [sample_scene(rng, held_out=None) for _ in range(SCENES)][:limit]
    loaded = checkpoint.load(card.path, "cpu", compute_type(torch.device("cpu")))
    renders: dict[str, Any] = {"native renders": [], "averaged renders": [], "redrawn renders": []}
    with progress_bar() as bar:
        for scene in bar.track(scenes, description="renders"):
            start = rng.uniform(0.0, 1.0)
            small, large = (_render(scene, 64 * times, start) for times in (1, 2))
            texts = [words(caption(scene, rng, "dense"))]
            generated = regenerate(small[None], texts, LEVEL, rng.getrandbits(32), card, loaded)[0]
            sources = small, F.avg_pool2d(large, 2), generated
            for rows, source in zip(renders.values(), sources, strict=True):
                rows.append(_compare(_to_levels(source), large, scene))
        fourfold = [
            _compare_fourfold(_render(scene, 64, 0.0)[:3], _render(scene, 256, 0.0, frames=3))
            for scene in bar.track(scenes[:FOURFOLD], description="four times as large")
        ]
        clips = _evaluate_clips(card, PROMPTS if limit is None else limit, bar)
    return {
        "scenes": len(scenes),
        **{name: _summarize(rows) for name, rows in renders.items()},
        "by_weather": _gains(renders["native renders"], "weather"),
        "by_place": _gains(renders["native renders"], "place"),
        "four times": {name: _mean(row[name] for row in fourfold) for name in fourfold[0]},
        "drawn": clips,
        "cost": _cost(card, settings),
        "model": card.name,
    }


def resize(frames: Tensor, times: int = 2, *, filter: Image.Resampling) -> Tensor:
    """Frames [T, 3, H, W] in 0..1, of 255 levels, enlarged by a filter of Pillow."""
    size = times * frames.shape[-1], times * frames.shape[-2]
    large = [np.asarray(Image.fromarray(frame).resize(size, filter)) for frame in as_bytes(frames)]
    return as_floats(np.stack(large))


lanczos = partial(resize, filter=Image.Resampling.LANCZOS)
bicubic = partial(resize, filter=Image.Resampling.BICUBIC)  # the filter that files are written with


def upscale(frames: Tensor) -> Tensor:
    """The same by the upscaler, twice as large."""
    large = upscaling.UpscaledFrames(as_bytes(frames), upscaling.load(upscaling.path()), {})
    return as_floats(np.stack([large[index] for index in range(len(large))]))


METHODS: dict[str, Callable[[Tensor], Tensor]] = {"lanczos": lanczos, "bicubic": bicubic, "upscaler": upscale}


def psnr(frames: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio of a clip in 0..1, in dB."""
    return -10 * math.log10(max(float((frames - truth).square().mean()), 1e-10))


def ssim(frames: Tensor, truth: Tensor) -> float:
    """Structural similarity of the brightness of clips [T, 3, H, W] in 0..1 (Wang et al. 2004)."""
    line = torch.exp(-0.5 * ((torch.arange(11.0) - 5) / 1.5) ** 2)
    window = torch.outer(line, line)[None, None] / line.sum() ** 2

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(values, window)

    x, y = _brightness(frames)[:, None], _brightness(truth)[:, None]
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    a, b = 0.01**2, 0.03**2
    return float(((2 * mx * my + a) * (2 * vxy + b) / ((mx**2 + my**2 + a) * (vx + vy + b))).mean())


def slope(frames: Tensor) -> Tensor:
    """Steepness of the brightness at each pixel: [T, 3, H, W] -> [T, H - 1, W - 1]."""
    gray = _brightness(frames)
    corner = gray[:, :-1, :-1]
    return torch.hypot(gray[:, :-1, 1:] - corner, gray[:, 1:, :-1] - corner)


def _compare(small: Tensor, truth: Tensor, scene: Scene) -> dict[str, Any]:
    """The figures of every method on one clip."""
    edges = slope(truth)
    mask = edges > EDGE
    changes = truth[1:] - truth[:-1]
    row: dict[str, Any] = {"weather": scene.weather, "place": scene.place}
    for name, method in METHODS.items():
        large = method(small)
        row[name] = {
            "psnr": psnr(large, truth),
            "ssim": ssim(large, truth),
            "edge_slope": float(slope(large)[mask].mean() / edges[mask].mean()),
            "change_error": float((large[1:] - large[:-1] - changes).abs().mean()) * 255,
        }
    return row


def _compare_fourfold(small: Tensor, truth: Tensor) -> dict[str, float]:
    small = _to_levels(small)
    once = upscale(small)
    clips = {"lanczos": lanczos(small, 4), "once": bicubic(once), "twice": upscale(once)}
    return {name: psnr(clip, truth) for name, clip in clips.items()}


def _gain(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How much more PSNR the upscaler has than Lanczos."""
    gains = [row["upscaler"]["psnr"] - row["lanczos"]["psnr"] for row in rows]
    half = round(1.96 * statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0, 3)
    mean = statistics.fmean(gains)
    figures = {"mean": mean, "low": mean - half, "high": mean + half, "least": min(gains)}
    return {name: round(value, 3) for name, value in figures.items()}


def _summarize(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over clips, and the gain over Lanczos."""
    table = {name: {key: _mean(row[name][key] for row in rows) for key in rows[0][name]} for name in METHODS}
    return {**table, "gain_db": _gain(rows)}


def _gains(rows: Sequence[dict[str, Any]], fact: str) -> dict[str, Any]:
    kinds = sorted({row[fact] for row in rows})
    return {kind: _gain([row for row in rows if row[fact] == kind]) for kind in kinds}


def _evaluate_clips(card: catalog.Card, count: int, bar: Progress) -> dict[str, Any]:
    """Clips of prompts that belong to no published set, generated as the engine does it."""
    rng = random.Random("upscaler-prompts")
    scenes = [sample_scene(rng, subjects=1, held_out=None) for _ in range(count)]
    cases = [Case(caption(scene, rng, "dense"), scene.facts()) for scene in scenes]
    plan, net = plan_of(card), load_judge()
    readings: dict[str, list[Observation]] = {"native": [], **{name: [] for name in METHODS}}
    rows: list[dict[str, dict[str, float]]] = []
    for start in bar.track(range(0, count, BATCH), description="generated clips"):
        for _, clips in generate(cases[start : start + BATCH], plan, seed=start):
            versions = {"native": clips}
            for name, method in METHODS.items():
                large = [as_bytes(method(as_floats(clip.numpy()))) for clip in clips]
                versions[name] = torch.from_numpy(np.stack(large))
            for name, frames in versions.items():
                verdicts = judge(frames, plan.shape.fps, net)
                readings[name] += [Observation(verdict.values) for verdict in verdicts]
            rows += [_sharpness(*map(Tensor.numpy, clip)) for clip in zip(*versions.values(), strict=True)]
    pairs = zip(readings["lanczos"], readings["upscaler"], strict=True)
    scores = {name: tally(values, cases)["whole_prompt"] for name, values in readings.items()}
    result: dict[str, Any] = {
        "prompts": count,
        "whole_prompt": {name: score["accuracy"] for name, score in scores.items()},
        "same_verdict_as_lanczos": _mean(float(a.values == b.values) for a, b in pairs),
    }
    for key in ("edge_slope", "flicker", "round_trip_psnr"):
        result[key] = {name: _mean(row[key][name] for row in rows) for name in METHODS}
    return result


def _sharpness(native: Frames, *versions: Frames) -> dict[str, dict[str, float]]:
    """Of each method's version of a clip: how steep it is at the edges of Lanczos, how much it changes where
    the native clip does not move, in levels, and how near the native clip a file of 720p comes back to."""
    small = as_floats(native)
    clips = dict(zip(METHODS, map(as_floats, versions), strict=True))
    edges = slope(clips["lanczos"]) > EDGE
    still = ((small[1:] - small[:-1]).abs().amax(1, keepdim=True) <= STILL).float()
    still = F.interpolate(-F.max_pool2d(-still, 3, 1, 1), scale_factor=2)
    native_size = native.shape[2], native.shape[1]
    size = native_size[0] * 720 // native_size[1], 720
    result: dict[str, dict[str, float]] = {"edge_slope": {}, "flicker": {}, "round_trip_psnr": {}}
    for name, clip in clips.items():
        changes = (clip[1:] - clip[:-1]).abs() * still
        large = np.stack(list(fit(as_bytes(clip), size, range(0, len(native), 8))))
        back = np.stack(list(fit(large, native_size, range(len(large)))))
        result["edge_slope"][name] = float(slope(clip)[edges].mean())
        result["flicker"][name] = float(changes.sum() / (3 * still.sum()).clamp(min=1)) * 255
        result["round_trip_psnr"][name] = psnr(as_floats(back), small[::8])
    return result


def _cost(card: catalog.Card, settings: Settings) -> dict[str, float]:
    """What it costs to generate and to enlarge the default clip, in operations and in seconds of one run."""
    engine, request = NativeEngine(settings), Request("a red balloon rising over the hills at noon")
    plan, cost, run = engine.plan(request), engine.estimate(request), engine.start(request)
    for _ in run:
        pass
    network = checkpoint.load(card.path).model.config
    height, width = plan.shape.height, plan.shape.width
    frames = run.clip().frames
    sizes = (2 * width, 2 * height), request.size
    twice, default = (min(_upscaling_seconds(frames, size) for _ in range(3)) for size in sizes)
    per_pixel = upscaling.flops_per_pixel(upscaling.load(upscaling.path()))
    sampling = cost.passes * flops(network, plan.drawn_frames, height, width, len(words(request.prompt)))
    seconds = run.clip().provenance.stage_seconds["sample"]
    return {
        "frames": len(frames),
        "sampling_gflop": round(sampling / 1e9, 2),
        "upscaling_gflop": round(per_pixel * len(frames) * width * height / 1e9, 2),
        "sampling_seconds": round(seconds, 3),
        "upscaling_seconds": round(twice, 3),
        "share_of_sampling": round(twice / seconds, 3),
        "share_at_the_default_size": round(default / seconds, 3),
    }


def _upscaling_seconds(frames: Frames, size: tuple[int, int]) -> float:
    start = time.perf_counter()
    large = upscaling.upscale(frames, size)
    for index in range(len(large)):
        large[index]
    return time.perf_counter() - start


def table(result: dict[str, Any]) -> str:
    """The result of `evaluate_upscaling` for a person."""
    lines = [f"{'':<18}{'method':<10}{'PSNR':>8}{'SSIM':>8}{'edges':>8}{'changes':>9}"]
    for name in ("native renders", "averaged renders", "redrawn renders"):
        for method in METHODS:
            figures = "{psnr:8.2f}{ssim:8.4f}{edge_slope:8.3f}{change_error:9.3f}"
            lines.append(f"{name:<18}{method:<10}{figures.format(**result[name][method])}")
        gain = result[name]["gain_db"]
        lines.append(f"{'':<18}gain {gain['mean']:+.2f} dB ({gain['low']:.2f} to {gain['high']:.2f})")
    for fact in ("by_weather", "by_place"):
        gains = ", ".join(f"{kind} {gain['mean']:+.2f}" for kind, gain in result[fact].items())
        lines.append(f"{fact.replace('_', ' ')}: {gains} dB")
    fourfold = ", ".join(f"{name} {db:.2f} dB" for name, db in result["four times"].items())
    lines.append(f"four times: {fourfold}")
    lines += [f"generated, {name.replace('_', ' ')}: {value}" for name, value in result["drawn"].items()]
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in result["cost"].items()]
    return "\n".join(lines)


def as_bytes(frames: Tensor) -> Frames:
    """[T, 3, H, W] in 0..1 -> uint8 [T, H, W, 3]."""
    levels: Frames = to_bytes(frames[None])[0].numpy()
    return levels


def as_floats(frames: Frames) -> Tensor:
    """The inverse of `as_bytes`."""
    return torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float() / 255


def _to_levels(frames: Tensor) -> Tensor:
    """Rounded to 255 levels, as frames reach the upscaler."""
    return as_floats(as_bytes(frames))


def _render(scene: Scene, side: int, start: float, frames: int = FRAMES) -> Tensor:
    return render([scene], frames=frames, fps=FPS, width=side, height=side, start=start)[0]


def _brightness(frames: Tensor) -> Tensor:
    return (frames * frames.new_tensor((0.2126, 0.7152, 0.0722))[:, None, None]).sum(-3)


def _mean(values: Iterable[float]) -> float:
    return round(statistics.fmean(values), 4)
