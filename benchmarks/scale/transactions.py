"""The transactions of a job's life on a PostgreSQL that is full of other jobs, each by real code of Hinode.

Each transaction is repeated by one client, and the processor time of the server and of the client is read
before and after. Processor time changes little when the machine is busy with other things; answering times
change much.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

import sqlalchemy as sa

from benchmarks.postgres import PostgreSQL
from benchmarks.queue import PROVENANCE, ROLES, fill
from hinode.jobs.job import Draft, Lease
from hinode.jobs.states import Priority
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.request import MediaFile, Request

GATHER_SECONDS = 120.0
PROJECTS = 300
ROUND = 10
LONG_RUN = 20.0
"""Seconds that a job ran at a late heartbeat, which looks whether another job is due."""


class Cost(NamedTuple):
    """A transaction in a state: seconds of the server's processor and of the client's."""

    server: float
    client: float


@dataclass
class Client:
    """A client with a worker of its own that can do each transaction of the life cycle."""

    store: Store
    number: int

    def __post_init__(self) -> None:
        self.host = f"client-{self.number}"
        self.worker = self.store.register_worker(self.host, self.number)
        self.lease: Lease | None = self.claim()

    def claim(self) -> Lease | None:
        """Begin a job if any waits."""
        return self.store.claim(self.worker, host=self.host, resident=["native/book"])

    def submit(self) -> None:
        """A request of a client becomes a job, in a project by turns."""
        self.store.submit([draft(f"proj_{self.number % 10}")])

    def turn(self) -> None:
        """A worker finishes its job and claims the next one."""
        assert self.lease is not None
        files = {
            role: MediaFile(f"{self.lease.job.id[-20:]:0>64}", kind, 1000) for role, kind in ROLES.items()
        }
        self.lease = self.store.finish(self.lease, files, PROVENANCE, 3600.0, claim_next=True)

    def early_heartbeat(self) -> None:
        """A heartbeat within the time slice."""
        self._beat(0.0)

    def late_heartbeat(self) -> None:
        """A heartbeat after it, which looks for a job that is more due."""
        self._beat(LONG_RUN)

    def _beat(self, ran_for: float) -> None:
        assert self.lease is not None
        self.store.heartbeat(
            self.lease, stage="sample", progress=50, preview=0, slice_seconds=15.0, ran_for=ran_for
        )

    def save(self) -> None:
        """A worker enters a saved state."""
        assert self.lease is not None
        self.store.checkpoint(self.lease, "0" * 64, 10)

    def idle_claim(self) -> None:
        """A worker that finds no job: with waiting ones, here, because it cannot run them."""
        self.store.claim(self.worker, host=self.host, engines=["none"])

    def poll(self) -> None:
        """A client asks for its job."""
        assert self.lease is not None
        self.store.job(self.lease.job.project_id, self.lease.job.id)


KINDS = ("idle_claim", "submit", "turn", "early_heartbeat", "late_heartbeat", "save", "poll")


def draft(project: str) -> Draft:
    """A job as the API submits it."""
    return Draft(
        project_id=project,
        key_id="key_bench",
        request=Request("a red balloon rising over the mountains at noon", model="book"),
        requested_model="sora-2",
        priority=Priority.INTERACTIVE,
    )


def run_jobs(url: str, running: int) -> None:
    """Make a database in which so many jobs run, of ten projects, each on a host of its own."""
    fill(url, 0, PROJECTS)
    database = Database(url)
    store = Store(database, lease_seconds=3600.0)
    for start in range(0, running, 100):
        store.submit([draft(f"proj_{start // 100 % 10}")] * min(100, running - start))
    for number in range(running):
        host = f"host-{number}"
        assert store.claim(store.register_worker(host, number), host=host)
    database.close()


def wait_in_lanes(url: str, lanes: int) -> None:
    """Add three waiting jobs for each of so many projects."""
    database = Database(url)
    store = Store(database)
    for number in range(lanes):
        store.submit([draft(f"proj_{number}")] * 3)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    database.close()


def costs(server: PostgreSQL, template: str, lanes: int, seconds: float) -> dict[str, Cost]:
    """Each transaction by one client for so many seconds, in a copy of `template` with more lanes waiting."""
    url = server.create(template)
    wait_in_lanes(url, lanes)
    database = Database(url)
    store = Store(database, lease_seconds=3600.0)
    store.submit([draft("proj_0")])
    client = Client(store, 0)
    results = {kind: _repeat(server, client, kind, seconds) for kind in KINDS}
    database.close()
    server.drop(url)
    return results


def _repeat(server: PostgreSQL, client: Client, kind: str, seconds: float) -> Cost:
    action: Callable[[], None] = getattr(client, kind)
    count, of_server, of_client, begin = 0, 0.0, 0.0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        if kind == "turn":  # which takes a waiting job; this time is not counted
            for _ in range(ROUND):
                client.submit()
        before, own = server.cpu_seconds(), time.thread_time()
        for _ in range(ROUND):
            action()
        of_client += time.thread_time() - own
        of_server += server.cpu_seconds() - before
        count += ROUND
    return Cost(of_server / count, of_client / count)


def throughput(
    server: PostgreSQL, template: str, lanes: int, clients: int, seconds: float, shares: Mapping[str, float]
) -> dict[str, float]:
    """Transactions a second of several client processes in a mix, with the server's use of processor time."""
    url = server.create(template)
    wait_in_lanes(url, lanes)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(clients + 1), context.Queue()
    processes = [
        context.Process(target=_mix, args=(url, number, seconds, dict(shares), barrier, results), daemon=True)
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    barrier.wait(GATHER_SECONDS)
    before = server.cpu_seconds()
    done = [results.get(timeout=GATHER_SECONDS) for _ in processes]
    cpu = server.cpu_seconds() - before
    barrier.wait(GATHER_SECONDS)  # until then every process keeps its connection, whose time counts
    for process in processes:
        process.join()
    server.drop(url)
    longest = max(passed for _, passed in done)
    return {
        "clients": clients,
        "transactions_per_second": sum(count for count, _ in done) / longest,
        "server_cores": cpu / longest,
    }


def _mix(
    url: str, number: int, seconds: float, shares: Mapping[str, float], barrier: Barrier, results: Any
) -> None:
    """Transactions in their shares for so many seconds; puts how many there were, and the seconds."""
    database = Database(url)
    store = Store(database, lease_seconds=3600.0)
    store.submit([draft(f"proj_{number % 10}")])
    client = Client(store, number)
    order = itertools.cycle(_interleaved(shares))
    barrier.wait(GATHER_SECONDS)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        if client.lease is None:  # others took what was waiting
            client.submit()
            client.lease = client.claim()
            count += 2
            continue
        getattr(client, next(order))()
        count += 1
    results.put((count, time.perf_counter() - begin))
    barrier.wait(GATHER_SECONDS)
    database.close()


def _interleaved(shares: Mapping[str, float], length: int = 400) -> Sequence[str]:
    """A sequence in which each kind has its share, spread evenly."""
    credit = dict.fromkeys(shares, 0.0)
    order = []
    for _ in range(length):
        for kind, share in shares.items():
            credit[kind] += share
        kind = max(credit, key=lambda name: credit[name])
        credit[kind] -= 1
        order.append(kind)
    return order
