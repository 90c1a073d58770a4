"""A day of all cells, minute by minute: the work that comes to each cell, what it waits, and what is done.

Each region follows its own clock, each tenant has better and worse hours, and arrivals within a minute are
random. Between overloads the wait is that of M/G/c; in one it is the pile over the GPUs (`queueing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.scale.assumptions import Assumptions, Work
from benchmarks.scale.cells import Cells, Shards, place, ranking, split, zipf
from benchmarks.scale.queueing import Array, fluid, mean_wait

MINUTE, HOURS = 60.0, 24
MINUTES = HOURS * 60


@dataclass(frozen=True, eq=False)
class RegionCells:
    """A region with its tenants in cells.

    Attributes:
        name: of the region.
        gpus: GPUs of one of its cells.
        shards: the tenants after the split.
        order: the ranking of the cells by each shard.
        homes: the cell of each shard.
        rates: GPU-seconds of work a second of each shard by hour, [hours, shards].
    """

    name: str
    gpus: int
    shards: Shards
    order: Cells
    homes: Cells
    rates: Array

    @property
    def cells(self) -> int:
        """How many cells the region has."""
        return int(self.order.shape[1])

    def offered(self, homes: Cells | None = None) -> Array:
        """GPUs that the tenants of each cell keep busy on average, by hour of UTC, [hours, cells]."""
        homes = self.homes if homes is None else homes
        return np.stack([np.bincount(homes, row, minlength=self.cells) for row in self.rates])


def hourly(work: Work, offset: float) -> Array:
    """The load of each hour of UTC over the mean, of a region at so many hours from UTC.

    People are there most at 20 o'clock and least at 8, and the load changes by the same factor each hour, as
    in the trace "day and night" of `benchmarks.traces`.
    """
    hours = np.arange(HOURS) + 0.5 + offset - 8.0
    curve: Array = work.day_over_night ** ((1.0 - np.cos(2.0 * np.pi * hours / HOURS)) / 2.0)
    curve /= curve.mean()
    return curve


def assign_tenants(assumptions: Assumptions, seed: int) -> list[RegionCells]:
    """All regions with their tenants in cells. Each tenant has only one region."""
    work, tenants = assumptions.work, assumptions.tenants
    dice = np.random.default_rng(seed)
    regions: list[RegionCells] = []
    mean_load = work.clips * work.mean_seconds / 86400.0
    for region in work.regions:
        cells = round(work.gpus * region.share / work.cell_gpus)
        shares = zipf(round(tenants.count * region.share), tenants.exponent)
        shards = split(shares, tenants.split / cells)
        order = ranking(len(shards.shares), cells)
        homes = place(shards.shares, order, tenants.bound)
        # A tenant's hours differ by a factor with the mean 1; the shards of one tenant have the same.
        factors = dice.lognormal(-(tenants.burst**2) / 2.0, tenants.burst, (HOURS, len(shares)))
        base = mean_load * region.share * hourly(work, region.offset)
        rates = base[:, None] * shards.shares[None, :] * factors[:, shards.tenants]
        regions.append(RegionCells(region.name, work.cell_gpus, shards, order, homes, rates))
    return regions


def arrivals(offered: Array, work: Work, seed: int) -> Array:
    """GPU-seconds of work that come in each minute, [minutes, cells], of a random number of random clips.

    Args:
        offered: GPUs that are kept busy on average, [hours, cells].
    """
    dice = np.random.default_rng(seed)
    means = np.repeat(offered, 60, axis=0) * MINUTE / work.mean_seconds
    clips = dice.poisson(means).astype(np.float64)
    spread = np.sqrt(clips * work.variation) * work.mean_seconds
    return np.maximum(0.0, clips * work.mean_seconds + spread * dice.standard_normal(clips.shape))


def waits(work_left: Array, offered: Array, gpus: int, work: Work) -> Array:
    """Mean wait in seconds of the clips of each minute, [minutes, cells].

    Args:
        work_left: the pile after each minute.
        offered: GPUs that are kept busy on average, [hours, cells].
    """
    load = np.repeat(offered, 60, axis=0) / gpus
    calm = mean_wait(gpus, load, work.mean_seconds, work.variation)
    # The formula holds the queue of random arrivals; the pile beyond it comes on top.
    return np.maximum(work_left / gpus, calm)


def simulate_day(region: RegionCells, work: Work, seed: int) -> dict[str, Any]:
    """A day of a region: clips that came, were done and were left, their waits, and the load by hour."""
    offered = region.offered()
    arrived = arrivals(offered, work, seed)
    capacity = np.full_like(arrived, region.gpus * MINUTE)
    flow = fluid(arrived, capacity)
    wait = waits(flow.left, offered, region.gpus, work)
    clips = arrived / work.mean_seconds
    late = wait > work.wait_target
    # Of the whole region as one cell: what the same GPUs would do if every one could take every clip.
    pooled = fluid(arrived.sum(axis=1), capacity.sum(axis=1))
    pooled_wait = pooled.left / (region.gpus * region.cells)
    return {
        "region": region.name,
        "cells": region.cells,
        "gpus": region.cells * region.gpus,
        "shards": len(region.shards.shares),
        "largest_tenant_cells": float(zipf_share(region) * region.cells),
        "clips": float(clips.sum()),
        "done": float(flow.done.sum() / work.mean_seconds),
        "left": float(flow.left[-1].sum() / work.mean_seconds),
        "mean_load": float(offered.mean() / region.gpus),
        "peak_load": float(offered.mean(axis=1).max() / region.gpus),
        "peak_cell_load": float(offered.max() / region.gpus),
        "mean_wait": float((clips * wait).sum() / clips.sum()),
        "worst_wait": float(wait.max()),
        "late_share": float(clips[late].sum() / clips.sum()),
        "pooled_late_share": float(clips[pooled_wait > work.wait_target].sum() / clips.sum()),
        "load_by_hour": [float(value) for value in offered.mean(axis=1) / region.gpus],
        "highest_cell_by_hour": [float(value) for value in offered.max(axis=1) / region.gpus],
    }


def zipf_share(region: RegionCells) -> float:
    """The share of the largest tenant in its region."""
    mine = region.shards.tenants == 0
    return float(region.shards.shares[mine].sum())
