"""What a clip costs if some of the GPUs are spot GPUs, which are cheaper and can be taken away.

    GPUs      the whole fleet is paid for the whole day, spot at a part of the price on demand
    restarts  a GPU that is taken alone is replaced, and paid, for a cold start before it works; its clip goes
              on from the last saved state, so half the time between two saved states is done again
    waves     now and then a region loses a part of its spot GPUs for a while; clips that wait beyond the
              target because of that are paid back

A wave begins at any hour with the same chance. The region counts as one pool of GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.scale.assumptions import Assumptions, Spot
from benchmarks.scale.day import HOURS, MINUTE, MINUTES, RegionCells
from benchmarks.scale.queueing import Array, fluid

SHARES = tuple(float(share) for share in np.round(np.arange(0.0, 0.91, 0.1), 1))
CASES = ("favourable", "usual", "adverse")


class Price(NamedTuple):
    """Cost of a clip in USD by part, and the share of clips beyond the target because of waves."""

    share: float
    gpus: float
    restarts: float
    waves: float
    late: float

    @property
    def total(self) -> float:
        """All parts together."""
        return self.gpus + self.restarts + self.waves


def case(spot: Spot, number: int) -> dict[str, float]:
    """The figures of a case: each range at its low, usual or high end, but the usual price on demand."""
    return {
        "ratio": spot.ratio[number],
        "interruptions": spot.interruptions[number],
        "waves": spot.waves[number],
        "wave": spot.wave[number],
        "hours": spot.wave_hours[number],
    }


def prices(regions: Sequence[RegionCells], assumptions: Assumptions, number: int) -> list[Price]:
    """The cost of a clip by share of spot GPUs, in a case."""
    spot, work = assumptions.spot, assumptions.work
    figures = case(spot, number)
    hourly = work.gpus * HOURS * spot.price[1] / work.clips  # of the whole fleet on demand, for each clip
    late = sum(
        late_clips(region, figures["wave"], figures["hours"], work.mean_seconds, work.wait_target)
        for region in regions
    )
    rows = []
    for share, clips in zip(SHARES, late, strict=True):
        taken = figures["interruptions"] * (spot.restart + assumptions.service.save / 2.0) / 3600.0
        expected = figures["waves"] * float(clips) / work.clips
        rows.append(
            Price(
                share,
                hourly * (1.0 - share + share * figures["ratio"]),
                hourly * share * figures["ratio"] * taken,
                expected * spot.refund,
                expected,
            )
        )
    return rows


def late_clips(region: RegionCells, wave: float, hours: float, seconds: float, target: float) -> Array:
    """Clips beyond the target for a wave in a region, mean over its hour, for each of `SHARES`.

    Args:
        region: the region.
        wave: share of the spot GPUs that is taken.
        hours: for which they are away.
        seconds: GPU-seconds of a clip.
        target: seconds that a clip should wait at most.
    """
    gpus = region.gpus * region.cells
    # Two days, so that a wave in the last hours has its whole effect.
    work = np.tile(np.repeat(region.offered().sum(axis=1), 60) * MINUTE, 2)
    minutes = np.arange(2 * MINUTES)[:, None]
    starts = np.arange(HOURS)[None, :] * 60
    away = (minutes >= starts) & (minutes < starts + hours * 60.0)
    shares = np.array((0.0, *SHARES))  # the first is the day without a wave
    left = 1.0 - wave * shares[None, None, :] * away[:, :, None]
    capacity = gpus * MINUTE * left
    flow = fluid(np.broadcast_to(work[:, None, None], capacity.shape).copy(), capacity)
    late = flow.left / (capacity / MINUTE) > target
    clips: Array = (late * work[:, None, None]).sum(axis=0).mean(axis=0) / seconds
    more: Array = clips[1:] - clips[0]
    return more


def cheapest(rows: Sequence[Price]) -> Price:
    """The share with the lowest cost."""
    return min(rows, key=lambda row: row.total)


def cost_of_work(assumptions: Assumptions) -> float:
    """Cost of a clip in USD if GPUs on demand were paid only while they work."""
    return assumptions.work.mean_seconds / 3600.0 * assumptions.spot.price[1]
