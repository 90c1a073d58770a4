"""How many jobs per second go through the queue? Real processes, the real store, one SQLite file.

Each process does to the database what a worker does for a job that takes no time: it finishes the job with
its three files, its event and its account, and claims the next one in the same transaction. Every commit is
on the disk before it counts (`synchronous=FULL`). The jobs belong to several projects and wait before the
clock starts. Beside the result stands the flush limit: how many transactions of one row the same disk commits
per second, before and after the run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hinode.jobs.job import Draft
from hinode.jobs.states import Priority
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import organisations, projects
from hinode.request import MediaFile, Request

BAR = 1800.0
FLUSH_SHARE = 0.9  # of the flush limit, the bar on a disk that is too slow for the other one
CHUNK = 500
GATHER_SECONDS = 120.0
FLUSH_SECONDS = 0.5
ROLES = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
PROVENANCE = {"seed": 1, "native_size": [320, 180], "stage_seconds": {"sample": 1.5, "decode": 0.2}}


@dataclass(frozen=True)
class ProcessResult:
    """What one process did: the seconds of each of its transactions, and of all of them."""

    transactions: list[float]
    seconds: float


def fill(url: str, jobs: int, tenants: int) -> None:
    """Make a database with `tenants` projects and `jobs` jobs waiting, a third of them previews."""
    database = Database(url)
    database.upgrade()
    with database.write() as connection:
        connection.execute(
            sa.insert(organisations), {"id": "org_bench", "name": "bench", "created_at": time.time()}
        )
        connection.execute(
            sa.insert(projects),
            [
                {"id": f"proj_{n}", "organisation_id": "org_bench", "name": str(n), "created_at": time.time()}
                for n in range(tenants)
            ],
        )
    store = Store(database)
    for start in range(0, jobs, CHUNK):
        draft = Draft(
            project_id=f"proj_{start // CHUNK % tenants}",
            key_id="key_bench",
            request=Request("a red balloon rising over the mountains at noon", model="book"),
            requested_model="sora-2",
            priority=Priority.PREVIEW if start // CHUNK % 3 == 0 else Priority.INTERACTIVE,
        )
        store.submit([draft] * min(CHUNK, jobs - start))
    database.close()


def work(url: str, number: int, seconds: float, start: Barrier, results: Any) -> None:
    """Finish and claim for so many seconds, or until no job is left."""
    database = Database(url)
    store = Store(database)
    host = f"host-{number}"
    worker = store.register_worker(host, number)
    transactions: list[float] = []
    start.wait(GATHER_SECONDS)
    lease = store.claim(worker, host=host, resident=["native/book"])
    begin = now = time.perf_counter()
    while lease and now - begin < seconds:
        files = {role: MediaFile(f"{lease.job.id[-20:]:0>64}", kind, 1000) for role, kind in ROLES.items()}
        lease = store.finish(lease, files, PROVENANCE, 3600.0, claim_next=True)
        before, now = now, time.perf_counter()
        transactions.append(now - before)
    database.close()
    results.put(ProcessResult(transactions, now - begin))


def measure(processes: int, seconds: float, jobs: int, tenants: int) -> dict[str, Any]:
    """Jobs per second over all processes, and how long a transaction takes, in seconds."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'queue.db'}"
        fill(url, jobs, tenants)
        start, results = context.Barrier(processes), context.Queue()
        workers = [
            context.Process(target=work, args=(url, number, seconds, start, results), daemon=True)
            for number in range(processes)
        ]
        flushes = [flush_limit(Path(folder))]
        for worker in workers:
            worker.start()
        done: list[ProcessResult] = [results.get(timeout=seconds + GATHER_SECONDS) for _ in workers]
        for worker in workers:
            worker.join()
        flushes.append(flush_limit(Path(folder)))
    transactions = sorted(call for result in done for call in result.transactions)
    longest = max(result.seconds for result in done)
    return {
        "processes": processes,
        "waiting": jobs,
        "projects": tenants,
        "jobs": len(transactions),
        "seconds": longest,
        "jobs_per_second": len(transactions) / longest,
        "flush_limit": sum(flushes) / len(flushes),
        "transaction_p50": transactions[len(transactions) // 2],
        "transaction_p99": transactions[int(len(transactions) * 0.99)],
    }


def flush_limit(folder: Path) -> float:
    """How many transactions of one row, each flushed to the disk, one process commits per second."""
    database = Database(f"sqlite:///{folder / 'flush.db'}")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS flushes (at REAL)")
    driver = database.engine.raw_connection()  # without the time that SQLAlchemy takes for a transaction
    cursor = driver.cursor()
    count, begin = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begin) < FLUSH_SECONDS:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("INSERT INTO flushes VALUES (?)", (seconds,))
        cursor.execute("COMMIT")
        count += 1
    driver.close()
    database.close()
    return count / seconds


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks queue", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", type=int, default=4, help="default 4")
    parser.add_argument("--seconds", type=float, default=5.0, help="default 5")
    parser.add_argument("--jobs", type=int, default=30_000, help="jobs that wait (default 30000)")
    parser.add_argument("--projects", type=int, default=20, help="projects that they belong to (default 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    result = measure(options.processes, options.seconds, options.jobs, options.projects)
    bar = min(BAR, FLUSH_SHARE * result["flush_limit"])
    if options.json:
        print(json.dumps({**result, "bar": bar}))
        return
    waiting = f"{result['waiting']:,} jobs of {result['projects']} projects waiting"
    print(f"{result['processes']} processes, {waiting}")
    print(
        f"  {'finish and claim':<18}{result['transaction_p50'] * 1e3:8.2f} ms median, "
        f"{result['transaction_p99'] * 1e3:.2f} ms p99"
    )
    print(f"  {'flush_limit':<18}{result['flush_limit']:8,.0f} transactions of one row per second")
    print(f"jobs_per_second {result['jobs_per_second']:,.0f} (bar: {bar:,.0f})")


if __name__ == "__main__":
    main(sys.argv[1:])
