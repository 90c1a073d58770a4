"""How many jobs per second go through the queue? Real processes, the real store, one SQLite file.

Each process does what a worker does to the database for a job that takes no time: it claims the job that is
most due, and finishes it with its three files, its event and its account. Every commit is on the disk before
it counts (`synchronous=FULL`). The jobs belong to several projects and wait before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hinode.jobs.admit import Draft
from hinode.jobs.schedule import Policy
from hinode.jobs.states import Priority
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import organisations, projects
from hinode.request import MediaFile, Request

BAR = 2000.0
CHUNK = 500
GATHER_SECONDS = 120.0
FLUSHES = 300
ROLES = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
MAKING = {"seed": 1, "native_size": [320, 180], "stage_seconds": {"sample": 1.5, "decode": 0.2}}


@dataclass(frozen=True)
class Told:
    """What one process did: seconds of each of its calls."""

    claims: list[float]
    finishes: list[float]
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
            request=Request("a red balloon rising over the mountains at noon", model="nano"),
            asked_model="sora-2",
            priority=Priority.PREVIEW if start // CHUNK % 3 == 0 else Priority.INTERACTIVE,
        )
        store.submit([draft] * min(CHUNK, jobs - start))
    database.close()


def work(url: str, number: int, seconds: float, start: Barrier, told: Any) -> None:
    """Claim and finish for so many seconds, or until nothing is left."""
    database = Database(url)
    store = Store(database, policy=Policy())
    host = f"host-{number}"
    worker = store.enrol(host, number)
    claims, finishes = [], []
    start.wait(GATHER_SECONDS)
    begin = time.perf_counter()
    now = begin
    while now - begin < seconds:
        lease = store.claim(worker, host=host, resident=["native/nano"])
        if lease is None:
            break
        claimed = time.perf_counter()
        files = {role: MediaFile(f"{lease.job.id[-20:]:0>64}", kind, 1000) for role, kind in ROLES.items()}
        store.finish(lease, files, MAKING, 3600.0)
        done = time.perf_counter()
        claims.append(claimed - now)
        finishes.append(done - claimed)
        now = done
    database.close()
    told.put(Told(claims, finishes, now - begin))


def measure(processes: int, seconds: float, jobs: int, tenants: int) -> dict[str, Any]:
    """Jobs per second over all processes, and how long one claim and one finish take, in seconds."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'queue.db'}"
        flush = flushing(Path(folder))
        fill(url, jobs, tenants)
        start, told = context.Barrier(processes), context.Queue()
        workers = [
            context.Process(target=work, args=(url, number, seconds, start, told), daemon=True)
            for number in range(processes)
        ]
        for worker in workers:
            worker.start()
        found: list[Told] = [told.get(timeout=seconds + GATHER_SECONDS) for _ in workers]
        for worker in workers:
            worker.join()
    done = sum(len(one.finishes) for one in found)
    took = max(one.seconds for one in found)
    return {
        "processes": processes,
        "waiting": jobs,
        "projects": tenants,
        "jobs": done,
        "seconds": took,
        "jobs_per_second": done / took,
        "transactions_per_second": 2 * done / took,
        "flush": flush,
        "claim": spread([call for one in found for call in one.claims]),
        "finish": spread([call for one in found for call in one.finishes]),
    }


def flushing(folder: Path) -> float:
    """Median seconds that the disk takes to keep 8 KiB for good, as every commit has to wait for."""
    took = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(FLUSHES):
            file.write(bytes(8192))
            start = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - start)
    return sorted(took)[FLUSHES // 2]


def spread(calls: list[float]) -> dict[str, float]:
    """Median and 99th percentile in seconds."""
    ordered = sorted(calls)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)]}


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks queue", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", type=int, default=4, help="default 4")
    parser.add_argument("--seconds", type=float, default=5.0, help="default 5")
    parser.add_argument("--jobs", type=int, default=30_000, help="jobs that wait (default 30000)")
    parser.add_argument("--projects", type=int, default=20, help="whose they are (default 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args(words)
    found = measure(asked.processes, asked.seconds, asked.jobs, asked.projects)
    if asked.json:
        print(json.dumps(found))
        return
    print(
        f"{found['processes']} processes, {found['waiting']:,} jobs of {found['projects']} projects waiting"
    )
    for name in ("claim", "finish"):
        times = found[name]
        print(f"  {name:<22}{times['p50'] * 1e3:8.2f} ms median, {times['p99'] * 1e3:.2f} ms p99")
    print(f"  {'jobs':<22}{found['jobs_per_second']:8,.0f} claimed and finished per second")
    flush = found["flush"]
    print(f"  {'one flush of the disk':<22}{flush * 1e3:8.2f} ms median: {1 / flush:,.0f} per second at most")
    print(f"claims + finishes per second {found['transactions_per_second']:,.0f} (bar: {BAR:,.0f})")


if __name__ == "__main__":
    main(sys.argv[1:])
