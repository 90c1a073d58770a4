"""A cell is lost for an hour at the peak of its region: what waits, what is lost, and what room it takes.

Three answers are compared, over the same clips:

    wait      the tenants stay; their clips come when the cell is back
    move      the tenants are sent to the other cells of the region; the GPUs of the cell stand still
    move both the GPUs work for the other cells too, after a cold start

Clips that the lost cell has accepted stay in its database, which survives, and go on when it is back; the
tenants return with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchmarks.scale.assumptions import Assumptions, Work
from benchmarks.scale.cells import Cells, place
from benchmarks.scale.day import MINUTE, MINUTES, RegionCells, arrivals, waits
from benchmarks.scale.queueing import Array, fluid

ANSWERS = ("wait", "move", "move both")
FACTORS = tuple(1.0 + 0.05 * step for step in range(21))
MAX_LATE_SHARE = 0.001
"""Share of clips that may wait beyond the target in a region with room enough."""


class Outcome(NamedTuple):
    """What an answer comes to, beside the same day without a loss.

    Attributes:
        answer: one of `ANSWERS`.
        moves: tenants or shards that lived elsewhere for the hour.
        pending: clips in the lost cell's database, which wait until it is back.
        late: more clips of the region beyond the wait target, without those.
        max_wait: the longest wait of a clip that came to another cell, in seconds.
        minutes: from the loss until the piles are those of a day without it.
    """

    answer: str
    moves: int
    pending: float
    late: float
    max_wait: float
    minutes: int


def simulate_loss(region: RegionCells, assumptions: Assumptions, seed: int) -> list[Outcome]:
    """Lose the cell with the load nearest to the mean at the peak, in each way."""
    work, loss = assumptions.work, assumptions.loss
    offered = region.offered()
    peak = int(offered.mean(axis=1).argmax())
    lost = int(np.abs(offered[peak] - offered[peak].mean()).argmin())
    others = np.arange(region.cells) != lost
    start, end = peak * 60, min(MINUTES, peak * 60 + round(loss.hours * 60))
    base = arrivals(offered, work, seed)
    calm = np.full_like(base, region.gpus * MINUTE)
    usual = _flow(base, calm, offered, region.gpus, work)
    open_clips = (
        min(float(offered[peak, lost]), region.gpus) + float(usual.left[start, lost]) / work.mean_seconds
    )
    outcomes = []
    for answer in ANSWERS:
        homes, work_in, capacity, sent = region.homes, base, calm.copy(), start
        capacity[start:end, lost] = 0.0
        if answer != "wait":
            bound = assumptions.tenants.bound
            gone = frozenset({lost})
            homes = place(region.shards.shares, region.order, bound, lost=gone, pins=region.homes)
            sent = start + round(loss.detection / 60)
            work_in = _redirected(region, base, homes, lost, sent, end)
        if answer == "move both":
            cold = round(loss.rejoin / 60)
            capacity[sent + cold : end, others] += region.gpus * MINUTE / others.sum()
            capacity[end : end + cold, lost] = 0.0
        after = _flow(work_in, capacity, offered, region.gpus, work)
        piles = np.any(after.left > usual.left + region.gpus, axis=1)[start:]
        outcomes.append(
            Outcome(
                answer,
                int((homes != region.homes).sum()),
                open_clips + float(base[start:sent, lost].sum()) / work.mean_seconds,
                float((after.late - usual.late).sum()) / work.mean_seconds,
                float(after.wait[start:, others].max()),
                int(np.flatnonzero(piles)[-1]) + 1 if piles.any() else 0,
            )
        )
    return outcomes


@dataclass(frozen=True, eq=False)
class _Flow:
    left: Array
    wait: Array
    late: Array  # work of clips beyond the target, by cell


def _flow(base: Array, capacity: Array, offered: Array, gpus: int, work: Work) -> _Flow:
    """Let the work flow, with the waits of each minute: until the pile before a clip is done."""
    flow = fluid(base, capacity)
    piled = _pile_waits(flow.left, capacity)
    wait = np.maximum(piled, waits(np.zeros_like(base), offered, gpus, work))
    return _Flow(flow.left, wait, np.where(wait > work.wait_target, base, 0.0).sum(axis=0))


def _pile_waits(left: Array, capacity: Array) -> Array:
    """Seconds until the pile that is left after each minute is done, as the capacity will be."""
    before = np.cumsum(capacity, axis=0)
    result = np.empty_like(left)
    minutes = np.arange(1, len(left) + 1, dtype=np.float64)
    for cell in range(left.shape[1]):
        # Work at the end of the day is done by the capacity of the last minute, going on.
        needed = before[:, cell] + left[:, cell]
        times = np.interp(needed, before[:, cell], minutes)
        beyond = np.maximum(0.0, needed - before[-1, cell]) / max(1.0, capacity[-1, cell])
        result[:, cell] = np.where(left[:, cell] > 0, (times + beyond - minutes) * MINUTE, 0.0)
    return result


def _redirected(region: RegionCells, base: Array, homes: Cells, lost: int, begin: int, end: int) -> Array:
    """The work by minute if that of the lost cell goes, from `begin` to `end`, to the cells in `homes`."""
    result = base.copy()
    mine = region.homes == lost
    for minute in range(begin, end):
        rates = region.rates[minute // 60][mine]
        target = np.bincount(homes[mine], rates, minlength=region.cells)
        result[minute, lost] = 0.0
        result[minute] += base[minute, lost] * target / target.sum()
    return result


def lost_commits(region: RegionCells, work: Work, lag: float) -> float:
    """Clips that are lost with the database itself, if its replica lacks so many seconds of commits.

    So many accepted clips are gone until their clients send them again, and as many finished ones run again.
    """
    busy = min(float(region.offered().mean(axis=1).max()), region.gpus)
    return busy / work.mean_seconds * lag


class Fleet(NamedTuple):
    """GPUs with which at most `MAX_LATE_SHARE` of the clips are beyond the target; factor over the fleet."""

    factor: float
    gpus: int


def enlarge(regions: Sequence[RegionCells], factor: float) -> list[RegionCells]:
    """The regions with so many times the GPUs in every cell; the tenants stay where they are."""
    return [replace(region, gpus=round(region.gpus * factor)) for region in regions]


def smallest_fleet(
    regions: Sequence[RegionCells], assumptions: Assumptions, seed: int, answer: str | None = None
) -> Fleet | None:
    """The least fleet that keeps nearly all clips within the target, or None if none of `FACTORS` does.

    Args:
        answer: to the loss of a cell in every region; None for a day without a loss.
    """
    clips = sum(float(region.offered().sum()) * 3600.0 for region in regions) / assumptions.work.mean_seconds
    for factor in FACTORS:
        larger = enlarge(regions, factor)
        late = sum(_late_clips(region, assumptions, seed) for region in larger)
        if late <= MAX_LATE_SHARE * clips and answer is not None:
            late += sum(
                simulate_loss(region, assumptions, seed)[ANSWERS.index(answer)].late for region in larger
            )
        if late <= MAX_LATE_SHARE * clips:
            return Fleet(factor, sum(region.cells * region.gpus for region in larger))
    return None


def _late_clips(region: RegionCells, assumptions: Assumptions, seed: int) -> float:
    """Clips beyond the target on a day without a loss."""
    offered = region.offered()
    base = arrivals(offered, assumptions.work, seed)
    capacity = np.full_like(base, region.gpus * MINUTE)
    late = _flow(base, capacity, offered, region.gpus, assumptions.work).late
    return float(late.sum()) / assumptions.work.mean_seconds
