"""Whether clips are as sharp, as steady and as continuous as true ones, by measures that need no judge.

    hinode evaluate --suite fidelity

Each measure is a number of one clip, at its native size. The suite first prints how often it tells a true
clip from one with a known damage, and then its mean over generated clips beside its mean over true clips of
the same facts.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hinode.engines.native import catalog
from hinode.evaluation.evaluate import BATCH, generate, plan_of, render_native, to_bytes, true_scene
from hinode.evaluation.flicker import STEADY_WEATHER
from hinode.evaluation.prompts import read_cases
from hinode.evaluation.results import ratio, share
from hinode.evaluation.shape import shapes
from hinode.progress import progress_bar
from hinode.settings import Settings
from hinode.world.motion import MARGIN
from hinode.world.scene import Scene

CASES = Path("benchmarks", "prompts", "one_subject.jsonl")
PERIOD = 4
"""Frames of a patch of the native network, at whose borders clips pulse."""
BANDS = {"coarse": (1 / 16, 1 / 8), "middle": (1 / 8, 1 / 4), "fine": (1 / 4, 1 / 2)}
"""Bands of the spectrum, in cycles per pixel."""
LIMIT = 100
MIN_APART = 0.95
SHAPE_FRAMES = 4
SUBJECT_SIZE = 0.32  # of a usual subject, in short sides
STILL = 0.5  # levels of 255 below which two frames are the same picture


def luminance(clips: Tensor) -> Tensor:
    """uint8 [B, T, H, W, 3] -> float [B, T, H, W], 0..255 (BT.709)."""
    return clips.float() @ torch.tensor([0.2126, 0.7152, 0.0722])


def sharpness(y: Tensor, band: tuple[float, float]) -> Tensor:
    """The power of gradients in a band of spatial frequencies, [B]: the mean over frames of |f|² |Y(f)|²."""
    height, width = y.shape[-2:]
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
    inside = (frequency >= band[0]) & (frequency < band[1])
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)  # no false edge at the borders
    power = torch.fft.rfft2((y - y.mean((-2, -1), keepdim=True)) * window).abs().square() * frequency.square()
    mean: Tensor = power[..., inside].mean((1, 2))
    return mean


def first_frame(y: Tensor) -> Tensor:
    """The strength of edges in the first frame over that in the others, [B]."""
    strength = y.diff(dim=-1).abs().mean((-2, -1)) + y.diff(dim=-2).abs().mean((-2, -1))
    return strength[:, 0] / strength[:, 1:].mean(1)


def periodic_change(y: Tensor) -> Tensor:
    """How much more a clip changes at every fourth step than at the others, [B]: the largest ratio of any
    phase. It is 1 for even motion."""
    change = y.diff(dim=1).abs().mean((-2, -1)) + 1e-3
    steps = torch.arange(change.shape[1])
    ratios = [
        change[:, steps % PERIOD == phase].mean(1) / change[:, steps % PERIOD != phase].mean(1)
        for phase in range(PERIOD)
    ]
    return torch.stack(ratios).amax(0)


def disorder(y: Tensor) -> Tensor:
    """The change from frame to frame over the change across four frames, [B]: small for motion."""
    near = y.diff(dim=1).abs().mean((1, 2, 3))
    far = (y[:, PERIOD:] - y[:, :-PERIOD]).abs().mean((1, 2, 3))
    return (near + 1e-3) / (far + 1e-3)


def distinct(y: Tensor) -> Tensor:
    """The share of frames that differ from the frame before, [B]."""
    change = y.diff(dim=1).abs().flatten(2).amax(-1)
    return (change > STILL).float().mean(1)


def shape(clips: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """How well the first subject agrees with its cut-out in some frames of each clip, [B, frames]; see
    `evaluation.shape`."""
    moments = torch.linspace(0, clips.shape[1] - 1, SHAPE_FRAMES).long()
    subjects = [(scene.subjects[0].kind, scene.subjects[0].color, scene.time) for scene in scenes]
    return torch.tensor([shapes(clip[moments], *facts) for clip, facts in zip(clips, subjects, strict=True)])


def blurred(clips: Tensor) -> Tensor:
    """Each frame blurred by a Gaussian of one pixel."""
    kernel = torch.tensor([0.0545, 0.2442, 0.4026, 0.2442, 0.0545])
    kernels = torch.outer(kernel, kernel).expand(3, 1, 5, 5)
    frames = F.pad(clips.flatten(0, 1).permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="replicate")
    return F.conv2d(frames, kernels, groups=3).permute(0, 2, 3, 1).reshape(clips.shape)


def pulsing(clips: Tensor) -> Tensor:
    """Every fourth frame 5 % darker."""
    gain = torch.where(torch.arange(clips.shape[1]) % PERIOD == PERIOD - 1, 0.95, 1.0)
    return clips.float() * gain[:, None, None, None]


def shuffled(clips: Tensor) -> Tensor:
    """The frames in another order."""
    order = np.random.default_rng(0).permutation(clips.shape[1])
    return clips[:, order].float()


def first_only(clips: Tensor) -> Tensor:
    """The first frame as it is, the others blurred."""
    return torch.cat((clips[:, :1].float(), blurred(clips)[:, 1:]), 1)


def repeated(clips: Tensor) -> Tensor:
    """Every second frame twice."""
    return clips[:, torch.arange(clips.shape[1]) // 2 * 2].float()


def warped(clips: Tensor) -> Tensor:
    """Each frame bent by other waves, a tenth of a subject's size high."""
    _, frames, height, width, _ = clips.shape
    waves = torch.randn(frames, 2, 5, 9, generator=torch.Generator().manual_seed(0))
    waves = F.interpolate(waves, (height, width), mode="bicubic")
    waves *= 0.1 * SUBJECT_SIZE * min(height, width) / waves.square().mean().sqrt()
    down, across = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    grid = torch.stack((across + waves[:, 0] * 2 / width, down + waves[:, 1] * 2 / height), -1)
    warps = [F.grid_sample(clip.permute(0, 3, 1, 2).float(), grid, align_corners=True) for clip in clips]
    return torch.stack(warps).permute(0, 1, 3, 4, 2)


@dataclass(frozen=True)
class Measure:
    """A number of each clip, and how it is tried.

    Attributes:
        compute: from clips [B, T, H, W, 3], 0..255, T > 4, and their scenes: [B].
        damage: what the measure must find in true clips; None for clips without their subjects.
        sign: 1 if the damage makes the measure larger, -1 if smaller.
        target: smallest and largest ratio of generated to true clips that is good enough.
        steady_only: whether rain and snow, whose drops are elsewhere in each frame, make it meaningless.
    """

    compute: Callable[[Tensor, Sequence[Scene]], Tensor]
    damage: Callable[[Tensor], Tensor] | None
    sign: int
    target: tuple[float, float] | None = None
    steady_only: bool = False

    def values(self, clips: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """The measure of each clip that it has a meaning for."""
        steady = [not self.steady_only or scene.weather in STEADY_WEATHER for scene in scenes]
        return self.compute(clips, scenes)[steady]


def _on_luminance(compute: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Sequence[Scene]], Tensor]:
    return lambda clips, scenes: compute(luminance(clips))


MEASURES = {
    "shape": Measure(lambda clips, scenes: shape(clips, scenes).mean(1), warped, -1, (0.8, math.inf)),
    "shape, worst frame": Measure(
        lambda clips, scenes: shape(clips, scenes).amin(1), None, -1, (0.65, math.inf)
    ),
    **{
        f"sharpness, {name}": Measure(_on_luminance(partial(sharpness, band=band)), blurred, -1, (0.85, 1.15))
        for name, band in BANDS.items()
    },
    "edges of the first frame": Measure(_on_luminance(first_frame), first_only, 1, (0.97, 1.03)),
    "pulse": Measure(_on_luminance(periodic_change), pulsing, 1, (0.0, 1.3)),
    "disorder": Measure(_on_luminance(disorder), shuffled, 1, (0.0, 1.3), steady_only=True),
    "distinct frames": Measure(_on_luminance(distinct), repeated, -1),
}


def without_subjects(scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes with their subjects outside the frame."""
    away = partial(dataclasses.replace, x=-MARGIN, y=-MARGIN, motion="still")
    casts = [tuple(away(subject) for subject in scene.subjects) for scene in scenes]
    return [dataclasses.replace(scene, subjects=cast) for scene, cast in zip(scenes, casts, strict=True)]


def evaluate_fidelity(
    path: Path = CASES, *, settings: Settings, model: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Measure the clips of a model, by default the best, beside true clips of the same facts; raises BadInput
    if the cases cannot be read."""
    cases = read_cases(path)[: LIMIT if limit is None else limit]
    plan = plan_of(catalog.find(model, settings.models))
    rng = random.Random("fidelity")
    scenes = [true_scene(case, rng) for case in cases]
    values: dict[str, dict[str, list[Tensor]]] = {name: defaultdict(list) for name in MEASURES}
    with progress_bar() as bar:
        task = bar.add_task("clips", total=2 * len(cases))
        for first in range(0, len(scenes), BATCH):
            part = scenes[first : first + BATCH]
            clips = to_bytes(render_native(part, plan))[:, : plan.frames]
            empty = to_bytes(render_native(without_subjects(part), plan))[:, : plan.frames]
            for name, measure in MEASURES.items():
                damaged = measure.damage(clips) if measure.damage else empty
                values[name]["true"].append(measure.values(clips, part))
                values[name]["damaged"].append(measure.values(damaged, part))
            bar.advance(task, len(clips))
        for numbers, clips in generate(cases, plan):
            for name, measure in MEASURES.items():
                values[name]["generated"].append(measure.values(clips, [scenes[i] for i in numbers]))
            bar.advance(task, len(numbers))
    rows = []
    for name, measure in MEASURES.items():
        true, damaged, generated = (torch.cat(values[name][key]) for key in ("true", "damaged", "generated"))
        damage = measure.damage.__name__.replace("_", " ") if measure.damage else "empty"
        apart = (measure.sign * (damaged - true) > 0).tolist()
        rows.append(share(name, f"true clips told from {damage} ones", apart, MIN_APART))
        rows.append(ratio(name, "generated over true", generated.tolist(), true.tolist(), measure.target))
    return {
        "suite": "fidelity",
        "model": plan.card.name,
        "steps": plan.sampling.steps,
        "rows": [row.as_json() for row in rows],
    }
