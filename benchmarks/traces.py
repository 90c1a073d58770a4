"""Four days and hours of work for the autoscaler: the load over time, from which jobs are drawn by seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

HOUR = 3600.0
PREVIEWS, PREVIEW, FINAL = 0.6, 20.0, 120.0
MEAN = PREVIEWS * PREVIEW + (1 - PREVIEWS) * FINAL
SPREAD = 0.25  # of the logarithm of the seconds of jobs of one kind
MISS = 0.15  # of the logarithm of what is predicted over what is true
PROJECTS = 10
HEAVY = "heavy"


class Job(NamedTuple):
    """A job: when it comes, whose it is, its true seconds and those that were predicted."""

    at: float
    project: str
    seconds: float
    predicted: float


@dataclass(frozen=True)
class Trace:
    """Work over time.

    Attributes:
        seconds: how long jobs come.
        load: the mean number of busy workers at a time, in seconds from the start.
        dump: when one project queues how many clips at once, if one does.
    """

    name: str
    seconds: float
    load: Callable[[float], float]
    dump: tuple[float, int] | None = None


def _day(at: float) -> float:
    """From 5 workers at night to 20 by day, and by the same factor in each hour."""
    return 5.0 * 4.0 ** ((1 - math.cos(2 * math.pi * at / (24 * HOUR))) / 2)


def _crowd(at: float) -> float:
    """Ten times the load within five minutes, for forty minutes, and back within twenty."""
    return 6.0 * (1 + 9 * max(0.0, min(1.0, (at - 2 * HOUR) / 300, (2 * HOUR + 3900 - at) / 1200)))


TRACES = (
    Trace("day and night", 24 * HOUR, _day),
    Trace("flash crowd", 8 * HOUR, _crowd),
    Trace("dump", 8 * HOUR, lambda at: 8.0, dump=(2 * HOUR, 400)),
    Trace("flat", 8 * HOUR, lambda at: 8.0),
)


def draw(trace: Trace, seed: int) -> list[Job]:
    """The jobs of a trace, in the order of time."""
    dice = random.Random(f"{trace.name} {seed}")
    highest = max(trace.load(minute * 60.0) for minute in range(int(trace.seconds / 60)))
    jobs, at = [], 0.0
    while True:
        at += dice.expovariate(highest / MEAN)
        if at >= trace.seconds:
            break
        if dice.random() < trace.load(at) / highest:
            jobs.append(_job(dice, at, f"light-{dice.randrange(PROJECTS)}"))
    if trace.dump is not None:
        at, count = trace.dump
        jobs += [_job(dice, at, HEAVY) for _ in range(count)]
    return sorted(jobs)


def _job(dice: random.Random, at: float, project: str) -> Job:
    kind = PREVIEW if dice.random() < PREVIEWS else FINAL
    seconds = kind * dice.lognormvariate(-(SPREAD**2) / 2, SPREAD)
    return Job(at, project, seconds, seconds * dice.lognormvariate(0.0, MISS))
