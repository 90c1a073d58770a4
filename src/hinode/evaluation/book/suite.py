"""Clips drawn from plans, measured beside true clips of the same plans.

    hinode evaluate --suite book --damages

`score` takes clips that anything drew from plans. `try_damages` says how well the measures themselves work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.evaluation.book import continuity, damages, land, pictures
from hinode.evaluation.book.fit import Fit, fit_subject
from hinode.evaluation.book.poses import FPS, Poses, all_poses, cutout
from hinode.evaluation.book.search import match
from hinode.evaluation.results import Row, mean, ratio, share
from hinode.world.book.plan import ScenePlan

STILL = 0.5 / 255
"""Change of luminance below which the truth stands still."""
CLIPS, SECONDS, WIDTH, HEIGHT = 100, 2.0, 160, 96
"""Of the true clips on which the measures are tried."""
MIN_APART = 0.95
"""Share of clips in which a measure has to put the truth above its damage."""
LAND_RESAMPLES = 200
MIN_FRAMES = 2 * max(pictures.PERIODS)


@dataclass(frozen=True)
class DrawnClip:
    """A clip float32 [T, 3, H, W], 0..1, at 24 frames a second; the plan it was drawn from; and a true clip
    of that plan, as long and as large, if there is one, perhaps in another land of the same place."""

    video: Tensor
    plan: ScenePlan
    truth: Tensor | None = None

    def check(self) -> None:
        """Raise ValueError if the measures have no meaning for this clip."""
        shape = tuple(self.video.shape)
        if len(shape) != 4 or shape[1] != 3 or shape[0] < MIN_FRAMES:
            raise ValueError(
                f"video: a clip is [T, 3, H, W] with {MIN_FRAMES} frames at least, not {list(shape)}; "
                "draw a longer clip"
            )
        if self.truth is not None and self.truth.shape != self.video.shape:
            raise ValueError(
                f"truth: it is {list(self.truth.shape)} and the video {list(shape)}; render it as large"
            )
        if shape[0] / FPS > self.plan.seconds + 1 / FPS:
            raise ValueError(
                f"plan: it covers {self.plan.seconds:g} seconds and the video has {shape[0]} frames; "
                "draw the clip from a longer plan"
            )


@dataclass(frozen=True)
class Measure:
    """What a good clip is like. `unit`: of its figures. `ratio`: smallest and largest drawn over true that
    are good enough. `bound`: largest figure that is good enough, or smallest share of clips if `whole`."""

    unit: str
    ratio: tuple[float, float] | None = None
    bound: float | None = None
    whole: bool = False


REGIONS = ("subject", "land", "city")
MEASURES = {
    "shape": Measure("", (0.8, math.inf)),
    "shape, worst frame": Measure("", (0.65, math.inf)),
    "distance from the plan": Measure("widths", bound=0.02),
    "distance from the plan, worst frame": Measure("widths", bound=0.06),
    "change of the fit": Measure("", (0.0, 1.3)),
    "pulse at 4 frames": Measure("", (0.0, 1.3)),
    "pulse at 8 frames": Measure("", (0.0, 1.3)),
    "edges of the first frame": Measure("", (0.97, 1.03)),
    **{
        f"sharpness, {region}, {band}": Measure("levels²", (0.85, 1.15))
        for region in REGIONS
        for band in pictures.BANDS
    },
    "no fault of count or path": Measure("%", whole=True, bound=0.95),
    "faults": Measure("frames"),
    "disorder": Measure("", (0.0, 1.3)),
    "distinct frames": Measure("", (0.8, math.inf)),
    "change where the truth stands still": Measure("levels", bound=0.5),
}


def measure(clip: DrawnClip, truths: Sequence[Fit] | None = None) -> tuple[dict[str, float], list[Fit]]:
    """The measures of one clip by name, nan where one has no meaning for it, and the fits of its subjects.
    `truths`: the fits of the true clip, by default its own if the clip is the true one."""
    values, fits = measure_subjects(clip, truths)
    values |= measure_pictures(clip)
    return {name: values[name] for name in MEASURES}, fits


def measure_subjects(
    clip: DrawnClip, truths: Sequence[Fit] | None = None
) -> tuple[dict[str, float], list[Fit]]:
    """The same without the measures that look at pixels alone."""
    video, plan = clip.video, clip.plan
    poses = all_poses(plan, len(video), video.shape[-1] / video.shape[-2])
    maps = [
        match(video, plan, cutout(plan, subject), pose)
        for subject, pose in zip(plan.subjects, poses, strict=True)
    ]
    fits = [fit_subject(video, plan, number, poses, values) for number, values in enumerate(maps)]
    truths = fits if truths is None and clip.truth is video else truths
    faults = continuity.find_faults(video, plan, poses, maps, fits, truths)
    clear = [fit.visible & (fit.agreement >= continuity.CLEAR) for fit in truths or ()]
    values = {
        **_of_subjects(fits, poses, clear),
        "no fault of count or path": float(faults.total == 0) if fits else math.nan,
        "faults": float(faults.total) if fits else math.nan,
    }
    return values, fits


def _of_subjects(fits: Sequence[Fit], poses: Sequence[Poses], clear: Sequence[Tensor]) -> dict[str, float]:
    """The measures of shape and of distance: means over the subjects in view, and their worst frames.
    `clear`: the frames in which nothing covers a subject in the truth, if that is known."""
    rows: list[tuple[float, ...]] = []
    for number, (fit, pose) in enumerate(zip(fits, poses, strict=True)):
        frames = fit.visible & clear[number] if clear else fit.visible
        if frames.sum() < 3:
            continue
        agreement, distance = fit.agreement[frames], fit.distance[frames]
        size = 2 * pose.half / (2 * pose.half).mean()
        parts = (fit.right / size, fit.down / size, fit.size.log(), fit.turn, fit.agreement)
        steps = torch.stack([part.diff() for part in parts]).square().sum(0).sqrt()
        rows.append((float(agreement.mean()), float(agreement.amin()), float(distance.median()),
                     float(distance.amax()), float(steps[frames[1:] & frames[:-1]].mean())))  # fmt: skip
    names = ("shape", "shape, worst frame", "distance from the plan", "distance from the plan, worst frame",
             "change of the fit")  # fmt: skip
    if not rows:
        return dict.fromkeys(names, math.nan)
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    means[1], means[3] = min(row[1] for row in rows), max(row[3] for row in rows)
    return dict(zip(names, means, strict=True))


def measure_pictures(clip: DrawnClip) -> dict[str, float]:
    """The measures that look at pixels alone."""
    height, width = clip.video.shape[-2:]
    poses = all_poses(clip.plan, len(clip.video), width / height)
    region, y = pictures.subject_region(poses, height, width), pictures.luminance(clip.video)
    values: dict[str, float] = {}
    around = "city" if clip.plan.place == "city" else "land"
    for band, (inside, outside) in pictures.band_power(y, region).items():
        powers = {"subject": inside, around: outside}
        values |= {f"sharpness, {name}, {band}": powers.get(name, math.nan) for name in REGIONS}
    series = y.mean((-2, -1)), pictures.edges(y)
    for period in pictures.PERIODS:
        values[f"pulse at {period} frames"] = max(pictures.pulse(part, period) for part in series)
    values["edges of the first frame"] = pictures.first_frame(y)
    values["disorder"] = pictures.disorder(y)
    values["distinct frames"] = values["change where the truth stands still"] = math.nan
    if clip.truth is not None and poses:
        candidate = pictures.change(y, region)
        true = pictures.change(pictures.luminance(clip.truth), region)
        moving = true > STILL
        if moving.any():
            values["distinct frames"] = float((candidate / true)[moving].clamp(max=1.0).mean())
        if not moving.all():
            values["change where the truth stands still"] = float(candidate[~moving].mean()) * 255
    return values


@dataclass(frozen=True)
class Report:
    """The measures of many clips: rows of figures, each beside the truth's where there is one.

    `drawn`, `true`: the measures of each clip, and of each true one if every clip has one.
    """

    rows: tuple[Row, ...]
    clips: int
    drawn: tuple[dict[str, float], ...]
    true: tuple[dict[str, float], ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"suite": "book", "clips": self.clips, "rows": [row.as_json() for row in self.rows]}


def score(clips: Sequence[DrawnClip], report: Callable[[], object] = lambda: None) -> Report:
    """Measure clips beside their true clips.

    `report` is called after each clip. Raises ValueError for a clip that cannot be measured, and if there is
    none.
    """
    if not clips:
        raise ValueError("clips: there is nothing to measure; give at least one clip")
    for clip in clips:
        clip.check()
    candidate: list[dict[str, float]] = []
    true: list[dict[str, float]] = []
    for clip in clips:
        fits = None
        if clip.truth is not None:
            values, fits = measure(DrawnClip(clip.truth, clip.plan, clip.truth))
            true.append(values)
        candidate.append(measure(clip, fits)[0])
        report()
    paired = len(true) == len(clips)
    beside = true if paired else []
    rows = [row for name, what in MEASURES.items() for row in _rows(name, what, candidate, beside)]
    if paired and len(clips) >= 8:
        rows += _land_rows(clips)
    return Report(tuple(rows), len(clips), tuple(candidate), tuple(beside))


def _rows(
    name: str, what: Measure, candidate: Sequence[dict[str, float]], true: Sequence[dict[str, float]]
) -> list[Row]:
    """The rows of one measure, over the clips for which it has a meaning."""
    usable = [k for k, values in enumerate(candidate) if not math.isnan(values[name])]
    if true:
        usable = [k for k in usable if not math.isnan(true[k][name])]
    if not usable:
        return []
    figures = [candidate[k][name] for k in usable]
    if what.whole:
        rows = [share(name, "drawn", [value > 0 for value in figures], what.bound)]
        return rows + ([share(name, "true", [true[k][name] > 0 for k in usable])] if true else [])
    rows = [mean(name, "drawn", figures, what.unit, maximum=what.bound)]
    if true:
        beside = [true[k][name] for k in usable]
        rows.append(mean(name, "true", beside, what.unit))
        if what.ratio is not None:
            rows.append(ratio(name, "drawn over true", figures, beside, what.ratio))
    return rows


def land_row(what: str, candidate: Tensor, true: Tensor) -> Row:
    """The distance of features of drawn frames from those of true ones, two frames [2 N, D] of each clip in
    the order of the clips, with its bootstrap interval over the clips."""
    pairs = torch.stack((candidate, true)).view(2, -1, 2, candidate.shape[1])
    rng, values = np.random.default_rng(0), []
    for _ in range(LAND_RESAMPLES):
        pick = np.unique(rng.integers(0, pairs.shape[1], pairs.shape[1]))  # a clip twice would count as alike
        values.append(land.distance(*pairs[:, pick].flatten(1, 2)))
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    figure = land.distance(candidate, true)
    return Row("land and weather", what, figure, low, high, "bootstrap 95 %", pairs.shape[1], "")


def _land_rows(clips: Sequence[DrawnClip]) -> list[Row]:
    """Distances of features between sets of frames, and what the frames are read as."""
    candidate = land.sample_frames([clip.video for clip in clips])
    true = land.sample_frames([clip.truth for clip in clips if clip.truth is not None])
    reference, rows = land.features(true), []
    for what, frames in (
        ("drawn", candidate),
        ("true, blurred", damages.blurred(true)),
        ("true, patches shuffled", land.shuffled_patches(true)),
    ):
        rows.append(land_row(f"distance from true frames: {what}", land.features(frames), reference))
    for label, frames in (("drawn", candidate), ("true", true)):
        hits = reads_as_planned(frames[::2], [clip.plan for clip in clips])
        rows.append(share("place, time and weather as planned", label, hits))
    return rows


def reads_as_planned(frames: Tensor, plans: Sequence[ScenePlan]) -> list[bool]:
    """Whether place, time and weather are read from a frame [N, 3, H, W] of each plan as planned."""
    return [
        all(reading[fact] == getattr(plan, fact) for fact in land.FACTS)
        for reading, plan in zip(land.read_land(frames), plans, strict=True)
    ]
