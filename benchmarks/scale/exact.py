"""One cell, clip by clip, on a virtual clock: the scheduler of Hinode decides each start.

This is what the formulas of `queueing` are compared with, hour by hour. The farm is that of
`benchmarks.fairness`, here without preemption, as the formulas have none. With preemption, previews wait
less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.fairness import Farm, Job, Load, attained
from benchmarks.scale.assumptions import Work
from benchmarks.scale.queueing import Array, class_waits, fluid, mean_wait
from hinode.jobs.scheduling.schedule import Policy
from hinode.jobs.states import Priority

HOUR, MINUTE = 3600.0, 60.0


@dataclass(frozen=True)
class Hour:
    """The clips that came in an hour: simulated, and by formula.

    Attributes:
        load: share of the GPUs that the clips of the hour need, as drawn.
        clips: how many came.
        wait: their mean wait in seconds, weighted by their work, simulated.
        formula: the same by the formulas.
        late: share of the clips that waited beyond the target, simulated.
        late_formula: the same by the formulas.
        previews: mean wait of previews, simulated.
        finals: mean wait of finals, simulated.
    """

    hour: int
    load: float
    clips: int
    wait: float
    formula: float
    late: float
    late_formula: float
    previews: float
    finals: float


def draw(rates: Array, work: Work, seed: int) -> list[Job]:
    """The clips of a cell in the order of time. `rates`: GPU-seconds a second, [hours, shards]."""
    dice = np.random.default_rng(seed)
    jobs = []
    for hour, row in enumerate(rates):
        total = float(row.sum())
        count = int(dice.poisson(total * HOUR / work.mean_seconds))
        times = np.sort(dice.random(count) + hour) * HOUR
        owners = dice.choice(len(row), count, p=row / total)
        previews = dice.random(count) < work.previews
        factors = dice.lognormal(-(work.spread**2) / 2.0, work.spread, count)
        seconds = np.where(previews, work.preview_seconds, work.final_seconds) * factors
        for at, owner, preview, length in zip(times, owners, previews, seconds, strict=True):
            kind = Priority.PREVIEW if preview else Priority.INTERACTIVE
            jobs.append(Job(str(owner), kind, float(at), float(length)))
    return jobs


def simulate(jobs: Sequence[Job], gpus: int) -> float:
    """Run all clips by the scheduler; returns when the last one is finished, in seconds."""
    return Farm(Load(slots=gpus), attained, Policy(), preemptive=False).run(jobs)


def compare(jobs: Sequence[Job], gpus: int, hours: int, work: Work) -> list[Hour]:
    """The simulated waits of each hour beside those by formula from the same clips.

    The load of the formula is that of the drawn clips of the hour; the pile follows them minute by minute.
    """
    minutes = np.zeros((hours * 60, 1))
    for job in jobs:
        minutes[int(job.sent_at // MINUTE)] += job.seconds
    by_hour = minutes.reshape(hours, 60).sum(axis=1)
    pile = fluid(minutes, np.full_like(minutes, gpus * MINUTE)).left[:, 0] / gpus
    calm = mean_wait(gpus, by_hour / (gpus * HOUR), work.mean_seconds, work.variation)
    expected = np.maximum(pile, np.repeat(calm, 60))
    weights = minutes[:, 0]
    rows = []
    for hour in range(hours):
        mine = [job for job in jobs if int(job.sent_at // HOUR) == hour]
        part = slice(hour * 60, hour * 60 + 60)
        rows.append(
            Hour(
                hour,
                float(by_hour[hour] / (gpus * HOUR)),
                len(mine),
                _weighted([job.extra for job in mine], [job.seconds for job in mine]),
                _weighted(expected[part], weights[part]),
                _mean([float(job.extra > work.wait_target) for job in mine]),
                _weighted((expected[part] > work.wait_target).astype(float), weights[part]),
                _mean([job.extra for job in mine if job.priority is Priority.PREVIEW]),
                _mean([job.extra for job in mine if job.priority is not Priority.PREVIEW]),
            )
        )
    return rows


def summary(hours: Sequence[Hour]) -> dict[str, Any]:
    """The day of a cell: means over the hours, weighted by their clips, and those of its overload."""
    clips = [hour.clips for hour in hours]

    def mean(name: str) -> float:
        return _weighted([getattr(hour, name) for hour in hours], clips)

    names = ("wait", "formula", "late", "late_formula", "previews", "finals")
    return {
        "clips": sum(clips),
        "peak_load": max(hour.load for hour in hours),
        **{name: mean(name) for name in names},
        "worst_previews": max(hour.previews for hour in hours),
    }


def steady(gpus: int, load: float, hours: int, work: Work, seed: int) -> dict[str, Any]:
    """A small cell at a constant load: mean waits, simulated and by formula, without the first hour.

    One tenant has all clips, so that the order within a class is first in, first out.
    """
    jobs = draw(np.full((hours, 1), load * gpus), work, seed)
    simulate(jobs, gpus)
    later = [job for job in jobs if job.sent_at >= HOUR]
    wait = mean_wait(gpus, np.array(load), work.mean_seconds, work.variation)
    share = work.previews * work.preview_seconds / work.mean_seconds
    by_class = class_waits(wait, np.array(load), (share, 1.0 - share))
    return {
        "gpus": gpus,
        "load": load,
        "clips": len(later),
        "simulated": _weighted([job.extra for job in later], [job.seconds for job in later]),
        "formula": float(wait),
        "previews": _mean([job.extra for job in later if job.priority is Priority.PREVIEW]),
        "previews_formula": float(by_class[0]),
        "finals": _mean([job.extra for job in later if job.priority is not Priority.PREVIEW]),
        "finals_formula": float(by_class[1]),
    }


def _weighted(values: Sequence[float] | Array, weights: Sequence[float] | Array) -> float:
    total = float(np.sum(weights))
    return float(np.dot(values, weights)) / total if total > 0 else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
