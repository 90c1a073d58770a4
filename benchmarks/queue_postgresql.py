"""How many jobs per second go through a queue on PostgreSQL? Beside it a bare psycopg loop of the statements.

Eight processes do to the database what a worker does for a job that takes no time: they finish it with its
files, its event and its account, and claim the next one in the same transaction. Then each records the
statements of one such transaction and sends them in a loop with psycopg alone: without the scheduler, which
chooses among the jobs that the statements read, and without SQLAlchemy. Both take turns, so that another
program on the machine slows both down.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any
from unittest.mock import patch

import psycopg

from benchmarks.postgres import PostgreSQL
from benchmarks.queue import GATHER_SECONDS, PROVENANCE, ROLES, fill
from hinode.jobs.job import Lease
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.request import MediaFile

BAR = 0.7
TURNS = 3
HEADS = "WITH RECURSIVE lanes"


@dataclass
class Job:
    """A job of the bare loop, and the one that is claimed after it."""

    id: str
    project: str
    epoch: int = 1
    next_id: str = ""


Value = Callable[[Job], Any]
Statement = tuple[str, Mapping[str, Value]]


def finish(store: Store, lease: Lease) -> Lease:
    """What a worker does."""
    files = {role: MediaFile(digest(lease.job.id), kind, 1000) for role, kind in ROLES.items()}
    following = store.finish(lease, files, PROVENANCE, 3600.0, claim_next=True)
    if following is None:
        raise RuntimeError("no job is left; give more with --jobs")
    return following


def digest(job_id: str) -> str:
    """That of the files of a job."""
    return f"{job_id[-20:]:0>64}"


def record(store: Store, lease: Lease) -> tuple[list[Statement], Lease]:
    """The statements of one transaction, with a function for each of their values."""
    sent: list[tuple[str, Mapping[str, Any]]] = []
    execute = psycopg.Cursor.execute

    def note(cursor: psycopg.Cursor[Any], statement: str, values: Any = None, **options: Any) -> Any:
        sent.append((statement, values or {}))
        return execute(cursor, statement, values, **options)

    with patch.object(psycopg.Cursor, "execute", note):
        following = finish(store, lease)

    def value(name: str, content: Any) -> Value:
        if name == "token":
            return lambda job: job.epoch
        if content == lease.job.id:
            return lambda job: job.id
        if content == following.job.id:
            return lambda job: job.next_id
        if content == lease.job.project_id:
            return lambda job: job.project
        if content == digest(lease.job.id):
            return lambda job: digest(job.id)
        if content == f"{lease.job.id}:ended":
            return lambda job: f"{job.id}:ended"
        if isinstance(content, str) and content.startswith("evt_"):
            return lambda job: f"evt_{secrets.token_hex(16)}"
        return lambda job: content

    statements: list[Statement] = [
        (text, {name: value(name, content) for name, content in values.items()}) for text, values in sent
    ]
    return statements, following


def send(connection: psycopg.Connection[Any], statements: list[Statement], job: Job) -> Job:
    """What a worker does, with psycopg alone; returns the job that was claimed."""
    project = ""
    with connection.cursor() as cursor:
        for text, values in statements:
            cursor.execute(text, {name: value(job) for name, value in values.items()})
            rows = cursor.fetchall() if cursor.description else []
            if text.lstrip().startswith(HEADS):
                head = random.choice(rows)
                job.next_id, project = head[3], head[4]
    connection.commit()
    return Job(job.next_id, project)


def work(url: str, number: int, seconds: float, start: Barrier, results: Any) -> None:
    """Take turns between the store and the bare loop; put the number of jobs and the seconds of each turn."""
    database = Database(url)
    store = Store(database)
    worker = store.register_worker(f"host-{number}", number)
    lease = store.claim(worker, host=f"host-{number}", resident=["native/book"])
    assert lease is not None
    statements, lease = record(store, lease)
    bare_lease = store.claim(worker, host=f"host-{number}", resident=["native/book"])
    assert bare_lease is not None
    job = Job(bare_lease.job.id, bare_lease.job.project_id)
    plain = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    turns: dict[str, list[tuple[int, float]]] = {"store": [], "bare": []}
    with psycopg.connect(plain) as connection:
        for _ in range(TURNS):
            for kind in turns:
                start.wait(GATHER_SECONDS)
                count, begin = 0, time.perf_counter()
                while (now := time.perf_counter()) < begin + seconds:
                    if kind == "store":
                        lease = finish(store, lease)
                    else:
                        job = send(connection, statements, job)
                    count += 1
                turns[kind].append((count, now - begin))
    database.close()
    results.put(turns)


def measure(processes: int, seconds: float, jobs: int, tenants: int) -> dict[str, Any]:
    """Jobs per second over all processes, through the store and in the bare loop, and their ratio."""
    context = multiprocessing.get_context("spawn")
    with PostgreSQL() as server:
        url = server.create()
        fill(url, jobs, tenants)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        start, results = context.Barrier(processes), context.Queue()
        workers = [
            context.Process(target=work, args=(url, number, seconds, start, results), daemon=True)
            for number in range(processes)
        ]
        for worker in workers:
            worker.start()
        patience = 2 * TURNS * seconds + GATHER_SECONDS
        done = [results.get(timeout=patience) for _ in workers]
        for worker in workers:
            worker.join()
    rates = {
        kind: [sum(turns[kind][turn][0] / turns[kind][turn][1] for turns in done) for turn in range(TURNS)]
        for kind in ("store", "bare")
    }
    store, bare = sorted(rates["store"])[TURNS // 2], sorted(rates["bare"])[TURNS // 2]
    return {
        "processes": processes,
        "waiting": jobs,
        "projects": tenants,
        "turns": rates,
        "jobs_per_second": store,
        "bare_jobs_per_second": bare,
        "ratio": store / bare,
    }


def main(words: list[str]) -> None:
    """Measure and print; the exit status is 0 if the bar was met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks queue-postgresql", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--processes", type=int, default=8, help="default 8")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn (default 4)")
    parser.add_argument("--jobs", type=int, default=30_000, help="jobs that wait (default 30000)")
    parser.add_argument("--projects", type=int, default=20, help="projects that they belong to (default 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    result = measure(options.processes, options.seconds, options.jobs, options.projects)
    if options.json:
        print(json.dumps({**result, "bar": BAR}))
    else:
        waiting = f"{result['waiting']:,} jobs of {result['projects']} projects waiting"
        print(f"{result['processes']} processes on PostgreSQL, {waiting}; the median of {TURNS} turns")
        print(f"  bare psycopg loop {result['bare_jobs_per_second']:8,.0f} jobs per second")
        print(f"  store             {result['jobs_per_second']:8,.0f} jobs per second")
        print(f"ratio {result['ratio']:.2f} (bar: {BAR:g})")
    sys.exit(result["ratio"] < BAR)


if __name__ == "__main__":
    main(sys.argv[1:])
