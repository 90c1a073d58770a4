"""Whether clips are as sharp, as steady and as continuous as true ones, by measures that need no judge.

    hinode evaluate --suite fidelity

Each measure is a number of one clip, at its native size. `DAMAGES` are known damages of true clips: the suite
first prints how often each measure tells a true clip from the damaged one, and then its mean over generated
clips beside its mean over true clips of the same facts.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hinode.engines.native import catalog
from hinode.evaluation.evaluate import BATCH, generate, plan_of, render_native, to_bytes, true_scene
from hinode.evaluation.flicker import STEADY_WEATHER
from hinode.evaluation.prompts import read_cases
from hinode.evaluation.results import RESAMPLES, Row, share
from hinode.progress import progress_bar
from hinode.settings import Settings

CASES = Path("benchmarks", "prompts", "one_subject.jsonl")
PERIOD = 4
"""Frames of a patch of the native network, at whose borders clips pulse."""
BANDS = {"coarse": (1 / 16, 1 / 8), "middle": (1 / 8, 1 / 4), "fine": (1 / 4, 1 / 2)}
"""Bands of the spectrum, in cycles per pixel."""
LIMIT = 100
MIN_APART = 0.95
STEADY_ONLY = ("disorder",)
"""Measures that rain and snow, whose drops are elsewhere in each frame, make meaningless."""
TARGETS = {
    **{f"sharpness, {name}": (0.85, 1.15) for name in BANDS},
    "edges of the first frame": (0.97, 1.03),
    "pulse": (0.0, 1.3),
    "disorder": (0.0, 1.3),
}
"""Smallest and largest ratio of generated to true clips that is good enough."""
STILL = 0.5  # levels of 255 below which two frames are the same picture


def luminance(clips: Tensor) -> Tensor:
    """uint8 [B, T, H, W, 3] -> float [B, T, H, W], 0..255 (BT.709)."""
    return clips.float() @ torch.tensor([0.2126, 0.7152, 0.0722])


def edges(y: Tensor) -> Tensor:
    """The mean strength of the edges of each frame, [B, T]: absolute differences of neighbours."""
    across, down = y.diff(dim=-1).abs().mean((-2, -1)), y.diff(dim=-2).abs().mean((-2, -1))
    return across + down


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
    """The edges of the first frame over those of the others, [B]."""
    strength = edges(y)
    return strength[:, 0] / strength[:, 1:].mean(1)


def pulse(y: Tensor) -> Tensor:
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


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    **{f"sharpness, {name}": lambda y, band=band: sharpness(y, band) for name, band in BANDS.items()},  # type: ignore[misc]
    "edges of the first frame": first_frame,
    "pulse": pulse,
    "disorder": disorder,
    "distinct frames": distinct,
}


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


# measure -> (damage, sign of what it does to the measure)
DAMAGES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    **{f"sharpness, {name}": (blurred, -1) for name in BANDS},
    "edges of the first frame": (first_only, 1),
    "pulse": (pulsing, 1),
    "disorder": (shuffled, 1),
    "distinct frames": (repeated, -1),
}


def measure(clips: Tensor) -> dict[str, Tensor]:
    """All measures of clips [B, T, H, W, 3], 0..255, T > 4; each [B]."""
    y = luminance(clips)
    return {name: compute(y) for name, compute in MEASURES.items()}


def evaluate_fidelity(
    path: Path = CASES, *, settings: Settings, model: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Measure the clips of a model, by default the best, beside true clips of the same facts; raises BadInput
    if the cases cannot be read."""
    cases = read_cases(path)[: LIMIT if limit is None else limit]
    plan = plan_of(catalog.find(model, settings.models))
    rng = random.Random("fidelity")
    scenes = [true_scene(case, rng) for case in cases]
    values: dict[str, dict[str, list[Tensor]]] = {
        name: {"true": [], "model": [], "damaged": []} for name in MEASURES
    }
    with progress_bar() as bar:
        task = bar.add_task("clips", total=2 * len(cases))
        for first in range(0, len(scenes), BATCH):
            clips = to_bytes(render_native(scenes[first : first + BATCH], plan))[:, : plan.frames]
            for name, result in measure(clips).items():
                values[name]["true"].append(result)
                values[name]["damaged"].append(MEASURES[name](luminance(DAMAGES[name][0](clips))))
            bar.advance(task, len(clips))
        for numbers, clips in generate(cases, plan):
            for name, result in measure(clips).items():
                values[name]["model"].append(result)
            bar.advance(task, len(numbers))
    rows = []
    for name, parts in values.items():
        steady = [name not in STEADY_ONLY or scene.weather in STEADY_WEATHER for scene in scenes]
        true, drawn, damaged = (
            torch.cat(parts[part]).numpy()[steady] for part in ("true", "model", "damaged")
        )
        damage, sign = DAMAGES[name]
        apart = (sign * (damaged - true) > 0).tolist()
        what = f"true clips told from {damage.__name__.replace('_', ' ')} ones"
        rows += [share(name, what, apart, MIN_APART), _ratio(name, drawn, true)]
    return {
        "suite": "fidelity",
        "model": plan.card.name,
        "steps": plan.sampling.steps,
        "rows": [row.as_json() for row in rows],
    }


def _ratio(name: str, drawn: NDArray[np.float32], true: NDArray[np.float32]) -> Row:
    """The mean of generated clips over that of true clips, with its bootstrap interval over the pairs."""
    pairs, rng = np.stack((drawn, true), 1), np.random.default_rng(0)
    means = [rng.choice(pairs, len(pairs)).mean(0) for _ in range(RESAMPLES)]
    low, high = np.quantile([first / second for first, second in means], (0.025, 0.975)).tolist()
    figure = float(pairs[:, 0].mean() / pairs[:, 1].mean())
    row = Row(name, "generated over true", figure, low, high, "bootstrap 95 %", len(pairs), "x")
    if name not in TARGETS:
        return row
    minimum, maximum = TARGETS[name]
    target = f"{minimum:g} to {maximum:g} x" if minimum else f"<= {maximum:g} x"
    return dataclasses.replace(row, target=target, reached=minimum <= figure <= maximum)
