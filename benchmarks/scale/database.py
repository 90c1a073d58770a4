"""What one PostgreSQL bears: the measured transactions of the job life cycle, and the GPUs that they feed.

A claim and a heartbeat read the running jobs and the head of every lane, so they cost more in a larger cell:
the cost is fitted as a + b x (running jobs) + c x (lanes).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.postgres import DURABLE, PostgreSQL
from benchmarks.queue import flush_limit
from benchmarks.scale.assumptions import Service, Work
from benchmarks.scale.transactions import KINDS, Cost, costs, run_jobs, throughput


class State(NamedTuple):
    """Running jobs, and projects with a waiting job, in a database."""

    running: int
    lanes: int


STATES = (State(100, 0), State(100, 100), State(800, 0), State(800, 100), State(800, 300))


class Load(NamedTuple):
    """A time of the day: the share of the GPUs that is busy, and how many projects have a waiting job."""

    utilisation: float
    lanes: int


PEAK = Load(1.0, 100)
"""Every GPU is busy, and a hundred projects wait."""
NIGHT = Load(0.25, 0)


class Fit(NamedTuple):
    """Seconds of a transaction: base + running x (running jobs) + lanes x (lanes)."""

    base: float
    running: float
    lanes: float

    def at(self, state: State) -> float:
        """Seconds in a state."""
        return self.base + self.running * state.running + self.lanes * state.lanes


def fit(seconds: Mapping[State, float]) -> Fit:
    """The plane through the measured seconds, by least squares; no coefficient is below 0."""
    table = np.array([[1.0, *state] for state in seconds])
    values = np.array(list(seconds.values()))
    weights = 1 / values  # a relative error counts the same everywhere
    solution = np.linalg.lstsq(table * weights[:, None], values * weights, rcond=None)[0]
    return Fit(*(max(0.0, float(value)) for value in solution))


@dataclass(frozen=True)
class Measured:
    """What this machine gave.

    Attributes:
        costs: of each transaction in each state.
        server: processor time of the server, by transaction.
        client: likewise of the client.
        flush: seconds that the disk takes for a commit.
        mixes: transactions a second of the whole mix, by number of clients.
    """

    costs: Mapping[State, Mapping[str, Cost]]
    server: Mapping[str, Fit]
    client: Mapping[str, Fit]
    flush: float
    mixes: Sequence[Mapping[str, float]]


def rates(gpus: int, utilisation: float, work: Work, service: Service) -> dict[str, float]:
    """Transactions a second of each kind that a cell asks for."""
    busy = gpus * utilisation
    clips = busy / work.mean_seconds
    beats = busy * (1 / service.renewal + 1 / service.step)
    # A clip is past its time slice for what is left of its seconds.
    late = (
        sum(
            share * max(0.0, seconds - service.time_slice)
            for share, seconds in (
                (work.previews, work.preview_seconds),
                (1 - work.previews, work.final_seconds),
            )
        )
        / work.mean_seconds
    )
    return {
        "submit": clips,
        "turn": clips,
        "early_heartbeat": beats * (1 - late),
        "late_heartbeat": beats * late,
        "save": busy / service.save,
        "idle_claim": (gpus - busy) / service.idle,
        "poll": busy * service.polling / service.poll,
    }


class Use(NamedTuple):
    """What a cell asks of its database.

    Attributes:
        gpus: of the cell.
        transactions: a second.
        cores: that the server is busy with.
        lock: share of the time for which the lock on claims is held.
    """

    gpus: int
    transactions: float
    cores: float
    lock: float


def use(gpus: int, state: Load, measured: Measured, work: Work, service: Service) -> Use:
    """The use of a database by a cell at some time of the day."""
    size = State(round(gpus * state.utilisation), state.lanes)
    by_kind = rates(gpus, state.utilisation, work, service)
    cores = sum(rate * measured.server[kind].at(size) for kind, rate in by_kind.items())
    # The lock is held from the reading of the queue to the commit; the whole transaction is an upper bound.
    # A worker that finds nothing waiting takes no lock, and with something waiting no worker is idle.
    lock_seconds = (
        measured.server["turn"].at(size)
        + measured.client["turn"].at(size)
        + measured.flush
        + service.round_trip * service.statements
    )
    return Use(gpus, sum(by_kind.values()), cores, by_kind["turn"] * lock_seconds)


def max_cell(state: Load, measured: Measured, work: Work, service: Service) -> Use:
    """The largest cell within the planned shares of the cores and of the lock."""
    accepted = use(10, state, measured, work, service)
    for gpus in range(20, work.gpus + 1, 10):
        usage = use(gpus, state, measured, work, service)
        if usage.cores > service.cores * service.core_share or usage.lock > service.lock_share:
            break
        accepted = usage
    return accepted


def measure(seconds: float, work: Work, service: Service) -> Measured:
    """The costs of the transactions in each state, their fits, and the throughput of the mix at the peak.

    Args:
        seconds: for each transaction in each state.
    """
    by_kind = rates(work.cell_gpus, PEAK.utilisation, work, service)
    shares = {kind: rate / sum(by_kind.values()) for kind, rate in by_kind.items()}
    with PostgreSQL(DURABLE) as server, tempfile.TemporaryDirectory() as folder:
        flush = 1 / flush_limit(Path(folder))
        templates = {running: server.create() for running in sorted({state.running for state in STATES})}
        for running, url in templates.items():
            run_jobs(url, running)
        measured = {state: costs(server, templates[state.running], state.lanes, seconds) for state in STATES}
        last = templates[STATES[-1].running]
        mixes = [throughput(server, last, PEAK.lanes, clients, 8 * seconds, shares) for clients in (1, 4)]
    return Measured(
        costs=measured,
        server={kind: fit({state: row[kind].server for state, row in measured.items()}) for kind in KINDS},
        client={kind: fit({state: row[kind].client for state, row in measured.items()}) for kind in KINDS},
        flush=flush,
        mixes=mixes,
    )
