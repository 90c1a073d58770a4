"""How many workers there should be: a pure function of predicted work, of what was paid and of limits.

The offered load is the work that arrives in a second, in seconds of one worker, so it is also the number of
workers that are busy on average. Nobody counts arrivals: over a minute, the work that came is the change of
the backlog plus the work that was done. The backlog is the sum of the seconds that `money` predicts for the
waiting jobs and for the rest of the running ones.

- **Load.** The mean of the longest window whose load agrees with that of the shorter ones. If a shorter
  window differs by more than chance would explain, the load has changed and the shorter one counts. A single
  minute far above its neighbours is a lump, such as one project's hundreds of clips: it is backlog to work
  off, and no rate that goes on.
- **Trend.** If the load has grown by more than chance over the last minutes, it is taken to grow on for a
  cold start, less and less: workers that are started now are there only then.
- **Headroom.** Waits have an exponential tail; the spare workers keep it below the target.
- **Backlog** beyond what may wait is worked off within a cold start, a lump within several, so that a worker
  that is started for it earns its start.
- **Hysteresis.** The largest target of the last cold start counts, so that no worker ends which would have to
  be started again at once. Only idle workers end.
- **Limits**: minimum, maximum, worker-hours and money of the last 24 hours. The last two are caps: near them
  the fleet shrinks so far that the rest lasts for `GLIDE_SECONDS`, below the minimum if need be.

The tail of the wait is that of M/G/k in heavy traffic (Kingman; Whitt, The queueing map).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hinode.jobs.capacity.load import (
    BIN_SECONDS,
    Sample,
    extend,
    growth,
    loads,
    offered_load,
    without_lumps,
)

MISSES = 0.03
"""Share of jobs that may wait longer than the target by the formula of the headroom."""
BLIND = 0.25
"""The headroom grows by this share for each wait target in a cold start, in which no help can arrive."""
QUIET_SHARE = 0.1
"""A queue of this share of the wait target is no excess."""
COLD_STARTS, LUMP_COLD_STARTS = 1.0, 4.0
"""A backlog is worked off in so many cold starts, or in the wait target if that is longer; a lump, which no
fleet could start in time, in more."""
SETTLE_SECONDS = 300.0
"""For so long after the first observation the load is not known: it counts as no less than the busy workers,
and no worker ends."""
GLIDE_SECONDS = 900.0
MEMORY_SECONDS = 1800.0
"""Time in which the typical length of jobs is forgotten to a third."""
HOUR = 3600.0
CAP_SECONDS = 24 * HOUR
CAPS = ("cap in worker-hours", "cap in money")
"""Reasons of a plan that go before everything else."""


@dataclass(frozen=True)
class Limits:
    """What the operator allows for a class of workers.

    Attributes:
        minimum: workers that are there without any work.
        maximum: workers at once.
        wait_target: seconds that a job should wait at most.
        cold_start: seconds from the start of a worker until it can claim a job.
        max_worker_hours: in any 24 hours; None for no cap.
        max_cost: money in any 24 hours, in the unit of `hourly_price`; None for no cap.
        hourly_price: of one worker; it must be there if `max_cost` is.
    """

    minimum: int = 0
    maximum: int = 1
    wait_target: float = 120.0
    cold_start: float = 60.0
    max_worker_hours: float | None = None
    max_cost: float | None = None
    hourly_price: float | None = None


class Worker(NamedTuple):
    """A worker that is paid for.

    Attributes:
        id: unique.
        ready: whether it can claim jobs; else it is being started.
        busy: whether it has a job.
        since: when that was last so or not so, in seconds of the caller's clock.
        resident: models ("engine/model") in its memory.
    """

    id: str
    ready: bool
    busy: bool
    since: float
    resident: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Observation:
    """What is known at one moment.

    Attributes:
        at: seconds of the caller's clock.
        waiting: predicted seconds of the waiting jobs, their p50 summed.
        left: predicted seconds that are left of the running jobs, likewise.
        job_seconds: mean of what the running jobs take as a whole; 0 without any. Long jobs are met more
            often while they run, so it is the mean square of the seconds of all jobs over their mean.
        workers: all that are paid for.
        paid_seconds: of workers, in the last 24 hours.
        queued_models: models of the waiting jobs.
    """

    at: float
    waiting: float
    left: float
    job_seconds: float
    workers: Sequence[Worker] = ()
    paid_seconds: float = 0.0
    queued_models: Collection[str] = ()


@dataclass(frozen=True)
class History:
    """What the next decision needs to know of the earlier ones; the first one begins with an empty one."""

    samples: tuple[Sample, ...] = ()
    targets: tuple[tuple[float, int], ...] = ()
    began_at: float = 0.0
    done: float = 0.0
    job_seconds: float = 0.0
    last: tuple[float, int] | None = None  # when the last observation was, and how many workers were busy


@dataclass(frozen=True)
class Plan:
    """A decision.

    Attributes:
        target: workers that there should be.
        start: how many to start now.
        drain: ids of idle workers that should end.
        load: offered load, in workers.
        reason: why it is not more, or not less, in a few words for the log.
        history: for the next decision.
    """

    target: int
    start: int
    drain: tuple[str, ...]
    load: float
    reason: str
    history: History = field(repr=False)


def plan(history: History, observation: Observation, limits: Limits) -> Plan:
    """Decide how many workers to start and which to end."""
    history = _remember(history, observation)
    bins = loads(history.samples)
    load = offered_load(bins, history.job_seconds)
    settled = observation.at - history.began_at >= SETTLE_SECONDS
    if not settled:
        load = max(load, sum(worker.busy for worker in observation.workers))
    lump = _lump(bins, history, observation)
    load += growth(bins, history.job_seconds, limits.cold_start)
    demand = _demand(load, lump, history.job_seconds, observation, limits)
    hold = max(limits.cold_start, BIN_SECONDS)
    targets = tuple(entry for entry in history.targets if observation.at - entry[0] < hold)
    targets = (*targets, (observation.at, demand))
    target, reason = _limit(max(number for _, number in targets), observation, limits)
    alive = len(observation.workers)
    return Plan(
        target,
        start=max(0, target - alive),
        drain=_superfluous(observation, alive - target if settled or reason in CAPS else 0),
        load=load,
        reason=reason,
        history=replace(history, targets=targets),
    )


def _remember(history: History, observation: Observation) -> History:
    done, job_seconds, began_at = history.done, history.job_seconds, history.began_at
    if history.last is None:
        began_at = observation.at
    else:
        elapsed = max(0.0, observation.at - history.last[0])
        done += elapsed * history.last[1]
        if observation.job_seconds > 0 and job_seconds > 0:
            job_seconds += (observation.job_seconds - job_seconds) * -math.expm1(-elapsed / MEMORY_SECONDS)
    sample = Sample(observation.at, observation.waiting + observation.left, done)
    busy = sum(worker.busy for worker in observation.workers)
    job_seconds = job_seconds or observation.job_seconds
    return replace(
        history,
        samples=extend(history.samples, sample),
        began_at=began_at,
        done=done,
        job_seconds=job_seconds,
        last=(observation.at, busy),
    )


def _lump(bins: Sequence[float], history: History, observation: Observation) -> float:
    """Seconds of work that came in lumps, in the minutes of the bins and in the present one."""
    last = history.samples[-1]
    present = (observation.waiting + observation.left - last.backlog + history.done - last.done) / BIN_SECONDS
    loads = [*bins, present]
    steady = without_lumps(loads, history.job_seconds)
    return sum(load - calm for load, calm in zip(loads, steady, strict=True)) * BIN_SECONDS


def _demand(load: float, lump: float, job_seconds: float, observation: Observation, limits: Limits) -> int:
    """Workers for the load and the backlog, without limits."""
    work = observation.waiting + observation.left
    if work <= 0 and load < 0.01:
        return 0
    target, start = limits.wait_target, limits.cold_start
    headroom = job_seconds * math.log(1 / MISSES) / (2 * target) * (1 + BLIND * start / target)
    steady = load + min(headroom, max(1.0, load))
    ready = sum(worker.ready for worker in observation.workers)
    excess = max(0.0, observation.waiting - ready * target * QUIET_SHARE)
    lump = min(lump, excess)
    clearing = (excess - lump) / max(target, COLD_STARTS * start)
    clearing += lump / max(target, LUMP_COLD_STARTS * start)
    return max(1, round(steady + clearing))


def _limit(demand: int, observation: Observation, limits: Limits) -> tuple[int, str]:
    """The target within the limits, and which of them decided."""
    target, reason = demand, "load and backlog"
    if target < limits.minimum:
        target, reason = limits.minimum, "minimum"
    if target > limits.maximum:
        target, reason = limits.maximum, "maximum"
    for hours, name in zip((limits.max_worker_hours, _hours(limits)), CAPS, strict=True):
        if hours is not None:
            affordable = max(0.0, hours * HOUR - observation.paid_seconds) / GLIDE_SECONDS
            if target > affordable:
                target, reason = math.floor(affordable), name
    return target, reason


def _hours(limits: Limits) -> float | None:
    if limits.max_cost is None:
        return None
    if limits.hourly_price is None:
        raise ValueError("a cap in money needs an hourly price")
    return limits.max_cost / limits.hourly_price if limits.hourly_price > 0 else None


def _superfluous(observation: Observation, count: int) -> tuple[str, ...]:
    """The idle workers to end: first those whose models nobody waits for, then those idle for longest."""
    if count <= 0:
        return ()
    queued = frozenset(observation.queued_models)
    idle = [worker for worker in observation.workers if worker.ready and not worker.busy]
    idle.sort(key=lambda worker: (bool(worker.resident & queued), worker.since, worker.id))
    return tuple(worker.id for worker in idle[:count])
