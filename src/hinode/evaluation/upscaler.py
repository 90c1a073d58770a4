"""Evaluation of the upscaler: beside Lanczos, on renders it has never seen and on clips that the model draws.

Of a render the truth is known at the larger size; of a drawn clip it is not, so there is measured how sharp
it is, how much it flickers where nothing moves, and whether the judge sees in it what it saw before.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from hinode.clip import Frames
from hinode.engines.native import catalog, upscaling
from hinode.engines.native.engine import Plan
from hinode.errors import ModelError
from hinode.evaluation.evaluate import Case, Observation, draw, tally, to_bytes
from hinode.media.resize import fit
from hinode.model import checkpoint
from hinode.model.layers import compute_type
from hinode.request import Request
from hinode.settings import Settings
from hinode.training.cost import flops
from hinode.training.pairs import redrawn
from hinode.world.caption import caption, words
from hinode.world.judge import judge, load_judge
from hinode.world.render import render
from hinode.world.scene import Scene, sample_scene

FRAMES, FPS = 9, 8.0
SCENES, FOURFOLD, PROMPTS = 64, 16, 48  # of renders at twice and at four times the size, and of drawn clips
EDGE = 0.04  # change of brightness from pixel to pixel, of 0..1, from which on a place counts as an edge
STILL = 1 / 255  # a native pixel that changes no more than that from frame to frame stands still
LEVEL = 0.71  # noise level from which the model draws a render again

Method = Callable[[Tensor], Tensor]


def evaluate_upscaling(*, model: str | None, settings: Settings, limit: int | None = None) -> dict[str, Any]:
    """Measure the upscaler that ships.

    `limit`: only so many scenes and prompts of each kind. Returns plain JSON values; all PSNR in dB of the
    whole clip, intervals at 95 %.

    Raises:
        ModelError: there are no weights of it.
    """
    if not upscaling.available():
        raise ModelError(
            "there is no upscaler to measure",
            f"train one with `hinode train upscaler` and put its file to {upscaling.path()}",
        )
    card = catalog.find(model, settings.models)
    cut = slice(limit)
    rng = random.Random("upscaler-held-out")
    scenes = [sample_scene(rng, held_out=None) for _ in range(SCENES)][cut]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:

        def told(values: Sequence[Any], what: str) -> Iterator[Any]:
            yield from bar.track(values, description=what)

        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        loaded = checkpoint.load(card.path, "cpu", compute_type(torch.device("cpu")))
        found: dict[str, Any] = {"native renders": [], "averaged renders": [], "redrawn renders": []}
        for scene in told(scenes, "renders"):
            start = rng.uniform(0.0, 1.0)
            small, large = (_render(scene, 64 * times, start) for times in (1, 2))
            texts = [words(caption(scene, rng, "dense"))]
            again = redrawn(small[None], texts, LEVEL, rng.getrandbits(32), card, loaded)[0]
            averaged = F.avg_pool2d(large, 2)
            for name, given in zip(found, (small, averaged, again), strict=True):
                found[name].append(_compared(_seen(given), large, scene))
        fourfold = [
            _fourfold(_render(scene, 64, 0.0)[:3], _render(scene, 256, 0.0, frames=3))
            for scene in told(scenes[:FOURFOLD], "four times as large")
        ]
        drawn = _drawn(card, settings, PROMPTS if limit is None else limit, told)
    return {
        "scenes": len(scenes),
        **{name: _summary(rows) for name, rows in found.items()},
        "by_weather": _grouped(found["native renders"], "weather"),
        "by_place": _grouped(found["native renders"], "place"),
        "four times": {name: _mean(row[name] for row in fourfold) for name in fourfold[0]},
        "drawn": drawn,
        "cost": _cost(card, settings),
        "model": card.name,
    }


def lanczos(frames: Tensor, times: int = 2) -> Tensor:
    """Frames [T, 3, H, W] in 0..1, of 255 levels, enlarged by Pillow's Lanczos filter."""
    return _resized(frames, times, Image.Resampling.LANCZOS)


def bicubic(frames: Tensor, times: int = 2) -> Tensor:
    """The same by the filter that files are written with."""
    return _resized(frames, times, Image.Resampling.BICUBIC)


def learned(frames: Tensor) -> Tensor:
    """The same by the upscaler, twice as large."""
    reel = upscaling.Enlarged(as_bytes(frames), upscaling.load(upscaling.path()), {})
    return as_floats(np.stack([reel[index] for index in range(len(reel))]))


METHODS: dict[str, Method] = {"lanczos": lanczos, "bicubic": bicubic, "upscaler": learned}


def psnr(made: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio of a clip in 0..1, in dB."""
    return -10 * math.log10(max(float((made - truth).square().mean()), 1e-10))


def ssim(made: Tensor, truth: Tensor) -> float:
    """Structural similarity of the brightness of clips [T, 3, H, W] in 0..1 (Wang et al. 2004)."""
    line = torch.exp(-0.5 * ((torch.arange(11.0) - 5) / 1.5) ** 2)
    window = torch.outer(line, line)[None, None] / line.sum() ** 2

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(values, window)

    x, y = _brightness(made)[:, None], _brightness(truth)[:, None]
    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    a, b = 0.01**2, 0.03**2
    return float(((2 * mx * my + a) * (2 * both + b) / ((mx**2 + my**2 + a) * (vx + vy + b))).mean())


def slope(frames: Tensor) -> Tensor:
    """How steep the brightness is at each pixel: [T, 3, H, W] -> [T, H - 1, W - 1]."""
    gray = _brightness(frames)
    across = gray[:, :-1, 1:] - gray[:, :-1, :-1]
    down = gray[:, 1:, :-1] - gray[:, :-1, :-1]
    return torch.hypot(across, down)


def _compared(given: Tensor, truth: Tensor, scene: Scene) -> dict[str, Any]:
    """The figures of every method on one clip."""
    edges = slope(truth)
    there = edges > EDGE
    changes = truth[1:] - truth[:-1]
    row: dict[str, Any] = {"weather": scene.weather, "place": scene.place}
    for name, method in METHODS.items():
        made = method(given)
        row[name] = {
            "psnr": psnr(made, truth),
            "ssim": ssim(made, truth),
            "edge_slope": float(slope(made)[there].mean() / edges[there].mean()),
            "change_error": float((made[1:] - made[:-1] - changes).abs().mean()) * 255,
        }
    return row


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over clips, and what is won over Lanczos."""
    table = {name: {key: _mean(row[name][key] for row in rows) for key in rows[0][name]} for name in METHODS}
    return {**table, "gain_db": _gain(rows)}


def _gain(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    won = [row["upscaler"]["psnr"] - row["lanczos"]["psnr"] for row in rows]
    half = 1.96 * statistics.stdev(won) / len(won) ** 0.5 if len(won) > 1 else 0.0
    mean, spread = statistics.fmean(won), round(half, 3)
    return {
        "mean": round(mean, 3),
        "low": round(mean - spread, 3),
        "high": round(mean + spread, 3),
        "least": round(min(won), 3),
    }


def _grouped(rows: Sequence[dict[str, Any]], fact: str) -> dict[str, Any]:
    kinds = sorted({row[fact] for row in rows})
    return {kind: _gain([row for row in rows if row[fact] == kind]) for kind in kinds}


def _fourfold(small: Tensor, truth: Tensor) -> dict[str, float]:
    small = _seen(small)
    once = learned(small)
    made = {"lanczos": lanczos(small, 4), "once": bicubic(once), "twice": learned(once)}
    return {name: psnr(clip, truth) for name, clip in made.items()}


def _drawn(
    card: catalog.Card, settings: Settings, count: int, told: Callable[[Sequence[Any], str], Iterator[Any]]
) -> dict[str, Any]:
    """Clips of prompts that belong to no published set, drawn as the engine draws them."""
    rng = random.Random("upscaler-prompts")
    scenes = [sample_scene(rng, subjects=1, held_out=None) for _ in range(count)]
    cases = [Case(caption(scene, rng, "dense"), scene.facts()) for scene in scenes]
    shape, net = card.shapes[0], load_judge()
    seconds = (shape.frames - 1) / shape.fps
    request = Request("a clip", width=shape.width, height=shape.height, seconds=seconds, model=card.name)
    plan = Plan.of(request, card)
    seen: dict[str, list[Observation]] = {"native": [], **{name: [] for name in METHODS}}
    rows: list[dict[str, dict[str, float]]] = []
    for start in told(range(0, count, 8), "drawn clips"):
        for _, clips in draw(cases[start : start + 8], plan, seed=start, threads=settings.threads):
            made = {"native": clips}
            for name, method in METHODS.items():
                made[name] = torch.stack([_uint8(method(as_floats(clip.numpy()))) for clip in clips])
            for name, shown in made.items():
                seen[name] += [Observation(verdict.values) for verdict in judge(shown, shape.fps, net)]
            rows += [_sharpness(*(made[name][k].numpy() for name in made)) for k in range(len(clips))]
    verdicts = zip(seen["lanczos"], seen["upscaler"], strict=True)
    alike = _mean(float(a.values == b.values) for a, b in verdicts)
    return {
        "prompts": count,
        "whole_prompt": {
            name: tally(clips, cases)["whole_prompt"]["accuracy"] for name, clips in seen.items()
        },
        "same_verdict_as_lanczos": alike,
        **{
            key: {name: _mean(row[key][name] for row in rows) for name in METHODS}
            for key in ("edge_slope", "flicker", "round_trip_psnr")
        },
    }


def _sharpness(native: Frames, *made: Frames) -> dict[str, dict[str, float]]:
    """How steep the edges of Lanczos are in each version of a clip, how much it changes where the native one
    stands still, in levels, and what is left of the native one after a file of 720p was made of it."""
    given = as_floats(native)
    clips = dict(zip(METHODS, (as_floats(frames) for frames in made), strict=True))
    there = slope(clips["lanczos"]) > EDGE
    still = ((given[1:] - given[:-1]).abs().amax(1, keepdim=True) <= STILL).float()
    still = F.interpolate(-F.max_pool2d(-still, 3, 1, 1), scale_factor=2)
    size = (native.shape[2] * 720 // native.shape[1], 720)
    back: dict[str, float] = {}
    for name, clip in clips.items():
        order = range(0, len(native), 8)
        large = np.stack(list(fit(as_bytes(clip), size, order)))
        small = np.stack(list(fit(large, (native.shape[2], native.shape[1]), range(len(large)))))
        back[name] = psnr(as_floats(small), given[::8])
    return {
        "edge_slope": {name: float(slope(clip)[there].mean()) for name, clip in clips.items()},
        "flicker": {
            name: float(((clip[1:] - clip[:-1]).abs() * still).sum() / (3 * still.sum()).clamp(min=1)) * 255
            for name, clip in clips.items()
        },
        "round_trip_psnr": back,
    }


def _cost(card: catalog.Card, settings: Settings) -> dict[str, float]:
    """What the default clip costs to draw and to enlarge, in operations and in seconds of the same run."""
    from hinode.engines.native.engine import NativeEngine

    engine, request = NativeEngine(settings), Request("a red balloon rising over the hills at noon")
    plan, work, run = engine.plan(request), engine.estimate(request), engine.start(request)
    for _ in run:
        pass
    network = checkpoint.load(card.path).model.config
    height, width = plan.shape.height, plan.shape.width
    frames = run.clip().frames
    seconds = {}
    for name, size in (("once", (2 * width, 2 * height)), ("asked_for", request.size)):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            reel = upscaling.upscaled(frames, size)
            for index in range(len(reel)):
                reel[index]
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    per_pixel = upscaling.flops_per_pixel(upscaling.load(upscaling.path()))
    sampling = work.passes * flops(network, plan.drawn_frames, height, width, len(words(request.prompt)))
    spent = run.clip().provenance.stage_seconds["sample"]
    return {
        "frames": len(frames),
        "sampling_gflop": round(sampling / 1e9, 2),
        "upscaling_gflop": round(per_pixel * len(frames) * width * height / 1e9, 2),
        "sampling_seconds": round(spent, 3),
        "upscaling_seconds": round(seconds["once"], 3),
        "share_of_sampling": round(seconds["once"] / spent, 3),
        "share_at_the_default_size": round(seconds["asked_for"] / spent, 3),
    }


def table(found: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{'':<18}{'method':<10}{'PSNR':>8}{'SSIM':>8}{'edges':>8}{'changes':>9}"]
    for name in ("native renders", "averaged renders", "redrawn renders"):
        for method in METHODS:
            row = found[name][method]
            lines.append(
                f"{name:<18}{method:<10}{row['psnr']:8.2f}{row['ssim']:8.4f}{row['edge_slope']:8.3f}"
                f"{row['change_error']:9.3f}"
            )
        gain = found[name]["gain_db"]
        lines.append(f"{'':<18}gain {gain['mean']:+.2f} dB ({gain['low']:.2f} to {gain['high']:.2f})")
    for fact in ("by_weather", "by_place"):
        said = ", ".join(f"{kind} {gain['mean']:+.2f}" for kind, gain in found[fact].items())
        lines.append(f"{fact.replace('_', ' ')}: {said} dB")
    lines.append(
        "four times: " + ", ".join(f"{name} {db:.2f} dB" for name, db in found["four times"].items())
    )
    for name, value in found["drawn"].items():
        lines.append(f"drawn, {name.replace('_', ' ')}: {value}")
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in found["cost"].items()]
    return "\n".join(lines)


def _render(scene: Scene, side: int, start: float, frames: int = FRAMES) -> Tensor:
    return render([scene], frames=frames, fps=FPS, width=side, height=side, start=start)[0]


def _resized(frames: Tensor, times: int, how: Image.Resampling) -> Tensor:
    height, width = frames.shape[-2:]
    size = times * width, times * height
    made = [np.asarray(Image.fromarray(frame).resize(size, how)) for frame in as_bytes(frames)]
    return as_floats(np.stack(made))


def as_bytes(frames: Tensor) -> Frames:
    """[T, 3, H, W] in 0..1 -> uint8 [T, H, W, 3]."""
    made: Frames = to_bytes(frames[None])[0].numpy()
    return made


def _uint8(frames: Tensor) -> Tensor:
    return to_bytes(frames[None])[0]


def as_floats(frames: Frames) -> Tensor:
    return torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float() / 255


def _seen(frames: Tensor) -> Tensor:
    """As it reaches an upscaler: in 255 levels."""
    return as_floats(as_bytes(frames))


def _brightness(frames: Tensor) -> Tensor:
    return (frames * frames.new_tensor((0.2126, 0.7152, 0.0722))[:, None, None]).sum(-3)


def _mean(values: Iterator[float] | Any) -> float:
    return round(statistics.fmean(values), 4)
