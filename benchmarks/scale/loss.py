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
from benchmarks.scale.day import MINUTE, MINUTES, Settled, arrivals, waits
from benchmarks.scale.queueing import Array, fluid

ANSWERS = ("wait", "move", "move both")
FACTORS = tuple(1.0 + 0.05 * step for step in range(21))
ALLOWED = 0.001
"""Share of clips that may wait beyond the target in a region with room enough."""


class Outcome(NamedTuple):
    """What an answer comes to, beside the same day without a loss.

    Attributes:
        answer: one of `ANSWERS`.
        moved: tenants or shards that lived elsewhere for the hour.
        held: clips in the lost cell's database, which wait until it is back.
        late: more clips of the region beyond the wait target, without those.
        worst: the longest wait of a clip that came to another cell, in seconds.
        minutes: from the loss until the piles are those of a day without it.
    """

    answer: str
    moved: int
    held: float
    late: float
    worst: float
    minutes: int


def lose(settled: Settled, assumptions: Assumptions, seed: int) -> list[Outcome]:
    """Lose the cell with the load nearest to the mean at the peak, in each way."""
    work, loss = assumptions.work, assumptions.loss
    offered = settled.offered()
    peak = int(offered.mean(axis=1).argmax())
    lost = int(np.abs(offered[peak] - offered[peak].mean()).argmin())
    others = np.arange(settled.cells) != lost
    start, end = peak * 60, min(MINUTES, peak * 60 + round(loss.hours * 60))
    came = arrivals(offered, work, seed)
    calm = np.full_like(came, settled.gpus * MINUTE)
    usual = _flow(came, calm, offered, settled.gpus, work)
    there = min(float(offered[peak, lost]), settled.gpus) + float(usual.left[start, lost]) / work.mean_seconds
    outcomes = []
    for answer in ANSWERS:
        homes, work_in, capacity, sent = settled.homes, came, calm.copy(), start
        capacity[start:end, lost] = 0.0
        if answer != "wait":
            bound = assumptions.tenants.bound
            gone = frozenset({lost})
            homes = place(settled.shards.shares, settled.order, bound, lost=gone, pins=settled.homes)
            sent = start + round(loss.detection / 60)
            work_in = _redirected(settled, came, homes, lost, sent, end)
        if answer == "move both":
            cold = round(loss.rejoin / 60)
            capacity[sent + cold : end, others] += settled.gpus * MINUTE / others.sum()
            capacity[end : end + cold, lost] = 0.0
        after = _flow(work_in, capacity, offered, settled.gpus, work)
        piles = np.any(after.left > usual.left + settled.gpus, axis=1)[start:]
        outcomes.append(
            Outcome(
                answer,
                int((homes != settled.homes).sum()),
                there + float(came[start:sent, lost].sum()) / work.mean_seconds,
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


def _flow(came: Array, capacity: Array, offered: Array, gpus: int, work: Work) -> _Flow:
    """Let the work flow, with the waits of each minute: until the pile before a clip is done."""
    flow = fluid(came, capacity)
    piled = _pile_waits(flow.left, capacity)
    wait = np.maximum(piled, waits(np.zeros_like(came), offered, gpus, work))
    return _Flow(flow.left, wait, np.where(wait > work.wait_target, came, 0.0).sum(axis=0))


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


def _redirected(settled: Settled, came: Array, homes: Cells, lost: int, begin: int, end: int) -> Array:
    """The work by minute if that of the lost cell goes, from `begin` to `end`, to the cells in `homes`."""
    result = came.copy()
    mine = settled.homes == lost
    for minute in range(begin, end):
        rates = settled.rates[minute // 60][mine]
        target = np.bincount(homes[mine], rates, minlength=settled.cells)
        result[minute, lost] = 0.0
        result[minute] += came[minute, lost] * target / target.sum()
    return result


def forgotten(settled: Settled, work: Work, lag: float) -> float:
    """Clips that are lost with the database itself, if its replica lacks so many seconds of commits.

    So many accepted clips are gone until their clients send them again, and as many finished ones run again.
    """
    busy = min(float(settled.offered().mean(axis=1).max()), settled.gpus)
    return busy / work.mean_seconds * lag


class Room(NamedTuple):
    """GPUs with which at most `ALLOWED` of the clips are beyond the target; factor over the given fleet."""

    factor: float
    gpus: int


def enlarged(regions: Sequence[Settled], factor: float) -> list[Settled]:
    """The regions with so many times the GPUs in every cell; the tenants stay where they are."""
    return [replace(settled, gpus=round(settled.gpus * factor)) for settled in regions]


def room(
    regions: Sequence[Settled], assumptions: Assumptions, seed: int, answer: str | None = None
) -> Room | None:
    """The least fleet that keeps nearly all clips within the target, or None if none of `FACTORS` does.

    Args:
        answer: to the loss of a cell in every region; None for a day without a loss.
    """
    clips = (
        sum(float(settled.offered().sum()) * 3600.0 for settled in regions) / assumptions.work.mean_seconds
    )
    for factor in FACTORS:
        larger = enlarged(regions, factor)
        late = sum(_late(settled, assumptions, seed) for settled in larger)
        if late <= ALLOWED * clips and answer is not None:
            late += sum(lose(settled, assumptions, seed)[ANSWERS.index(answer)].late for settled in larger)
        if late <= ALLOWED * clips:
            return Room(factor, sum(settled.cells * settled.gpus for settled in larger))
    return None


def _late(settled: Settled, assumptions: Assumptions, seed: int) -> float:
    """Clips beyond the target on a day without a loss."""
    offered = settled.offered()
    came = arrivals(offered, assumptions.work, seed)
    capacity = np.full_like(came, settled.gpus * MINUTE)
    late = _flow(came, capacity, offered, settled.gpus, assumptions.work).late
    return float(late.sum()) / assumptions.work.mean_seconds
