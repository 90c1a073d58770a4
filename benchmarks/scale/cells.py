"""Which cell a tenant lives in: pins by rendezvous hashing with bounded loads.

A cell is one database, one object store and one Ray cluster. A tenant lives in one cell of its region, so
that its quota, its fair share and its ledger stay in one database. Each tenant ranks the cells by a hash of
both names (Thaler and Ravishankar 1998) and lives in the first one that still has room: at most `bound` more
load than the mean (Mirrokni, Thorup and Zadimoghaddam 2018). Large tenants choose first. A tenant that would
fill more than a part of a cell is split into shards, and each shard lives in a cell of its own choice.

Pins stay. When a cell is lost, its tenants go to the next cell of their ranking with room, and no other
tenant moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale.queueing import Array

Cells = NDArray[np.int64]
NOWHERE = -1
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Shards(NamedTuple):
    """Tenants after the split: the tenant of each shard, and its share of the load of its region."""

    tenants: NDArray[np.int64]
    shares: Array


def zipf(count: int, exponent: float) -> Array:
    """Shares of so many tenants, the largest first; their sum is 1."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    shares: Array = weights / weights.sum()
    return shares


def split(shares: Array, most: float) -> Shards:
    """Divide each tenant with a share above `most` into the fewest equal shards that are not above it."""
    parts = np.maximum(1, np.ceil(shares / most - 1e-9)).astype(np.int64)
    tenants = np.repeat(np.arange(len(shares)), parts)
    return Shards(tenants, np.repeat(shares / parts, parts))


def ranking(shards: int, cells: int) -> Cells:
    """The cells in the order in which each shard prefers them, [shards, cells]."""
    with np.errstate(over="ignore"):
        names = np.arange(1, shards + 1, dtype=np.uint64)[:, None] * GOLDEN
        scores = _mix(names ^ _mix(np.arange(1, cells + 1, dtype=np.uint64) * GOLDEN)[None, :])
    return np.argsort(scores, axis=1).astype(np.int64)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed


def place(
    shares: Array,
    order: Cells,
    bound: float,
    *,
    lost: frozenset[int] = frozenset(),
    pins: Cells | None = None,
) -> Cells:
    """The cell of each shard.

    Args:
        shares: load of each shard.
        order: its ranking of the cells.
        bound: load of a cell above the mean of those that are left, at most. A shard for which no cell has
            room goes to the one with the least load.
        lost: cells that are not there.
        pins: where the shards lived before; they stay unless their cell is lost.
    """
    cells = order.shape[1]
    max_load = (1.0 + bound) * float(shares.sum()) / (cells - len(lost))
    loads = np.zeros(cells)
    loads[list(lost)] = np.inf
    homes = np.full(len(shares), NOWHERE, np.int64) if pins is None else pins.copy()
    homes[np.isin(homes, list(lost))] = NOWHERE
    pinned = homes != NOWHERE
    np.add.at(loads, homes[pinned], shares[pinned])
    for shard in np.argsort(-shares, kind="stable"):
        if homes[shard] == NOWHERE:
            share = shares[shard]
            home = next((cell for cell in order[shard] if loads[cell] + share <= max_load), None)
            homes[shard] = int(loads.argmin()) if home is None else home
            loads[homes[shard]] += share
    return homes
