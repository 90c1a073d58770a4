"""Waits of many servers with one queue, by formula, and of an overload, as a fluid.

- **One class**: Erlang's C with the approximation of Allen and Cunneen, `hinode.money.capacity.queueing`.
- **Classes** without preemption: the ratio of the wait of a class to the wait without classes is that of one
  server with the same load, (1 - r) / ((1 - r_before) (1 - r_up_to)) (Cobham 1954; Bondi and Buzen 1984).
  The load-weighted mean over the classes is the wait without them (Kleinrock's conservation law).
- **Overload**: work that comes faster than the servers do it piles up, and a new clip waits for the pile.

A formula of the steady state holds if the load changes slowly beside the relaxation time of the queue, which
grows without limit near a load of 1. So the formula is used up to the load at which that time is an hour;
what is above it is a pile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hinode.money.capacity.queueing import Array, allen_cunneen

RELAXATION = 3600.0


def mean_wait(servers: int, load: Array, seconds: float, variation: float) -> Array:
    """Mean wait of a job in seconds.

    Args:
        servers: that share one queue.
        load: share of them that is busy, below 1; above `steady_load` it counts as that.
        seconds: mean service time.
        variation: its squared coefficient of variation.
    """
    load = np.minimum(load, steady_load(servers, seconds, variation))
    return allen_cunneen(servers, load, seconds, variation)


def steady_load(servers: int, seconds: float, variation: float) -> float:
    """The load at which the relaxation time is `RELAXATION`.

    It is about (1 + variation) x seconds / (servers x (1 - load)^2), as of a diffusion.
    """
    return 1.0 - float(np.sqrt((1.0 + variation) * seconds / (servers * RELAXATION)))


def class_waits(wait: Array, load: Array, shares: tuple[float, ...]) -> list[Array]:
    """Mean waits by class, the first class first.

    Args:
        wait: without classes.
        load: of all classes together, below 1.
        shares: of the load, by class; their sum is 1.
    """
    waits, before = [], 0.0
    for share in shares:
        upto = before + share
        waits.append(wait * (1.0 - load) / ((1.0 - before * load) * (1.0 - upto * load)))
        before = upto
    return waits


class Fluid(NamedTuple):
    """Work over slots of time, in GPU-seconds: what is done in a slot, and what is left after it."""

    done: Array
    left: Array


def fluid(work: Array, capacity: Array, before: Array | float = 0.0) -> Fluid:
    """Let work that comes in slots flow through.

    Args:
        work: that comes in each slot, GPU-seconds, [slots, ...].
        capacity: GPU-seconds that the GPUs can do in each slot, of the same shape.
        before: work that is there at the beginning.
    """
    done, left = np.empty_like(work), np.empty_like(work)
    pile = np.zeros(work.shape[1:]) + before
    for slot in range(len(work)):
        open_clips = pile + work[slot]
        done[slot] = np.minimum(open_clips, capacity[slot])
        pile = open_clips - done[slot]
        left[slot] = pile
    return Fluid(done, left)
