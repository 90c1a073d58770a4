"""What do light projects wait when another dumps 400 clips? Real servers, real workers, real time.

Two API servers on one PostgreSQL, and an executor of each kind: a worker of the first server, a `hinode
worker` with the same database, and one that reaches the second server over HTTP. At time 0 a heavy project
requests 400 clips of a minute each, through both servers. Light projects request short clips at random
times. The clips of the test card wait more than they compute, so that three workers fit on a small machine.

    extra wait   from the request to the end of a light clip, less what such a clip takes on an idle fleet

`python -m benchmarks fairness` has the rules on a virtual clock, with other schedulers beside them.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import sqlalchemy as sa

from benchmarks.distant import DistantWorkers
from benchmarks.fairness import p95
from benchmarks.postgres import PostgreSQL
from benchmarks.serving import ServerHarness
from hinode.jobs.states import Outcome, Status
from hinode.records.database import Database
from hinode.records.tables import attempts, jobs

BAR_SECONDS = 10.0
STEP_SECONDS = 0.3  # a clip has at most 200 steps


@dataclass(frozen=True)
class Load:
    """The work; times in seconds.

    Attributes:
        bulk: clips that the heavy project requests at time 0.
        heavy: what one of them takes.
        light: how many light projects there are.
        clips: what their clips take, each as often as the others.
        rate: clips that they request per second, all together.
        window: for which they do.
        time_slice: HINODE_SLICE_SECONDS, for which a clip runs before it can be preempted.
    """

    bulk: int = 400
    heavy: float = 60.0
    light: int = 8
    clips: tuple[float, ...] = (2.0, 2.0, 8.0)
    rate: float = 0.2
    window: float = 200.0
    time_slice: float = 10.0


@dataclass
class Report:
    """What came of it; times in seconds.

    Attributes:
        alone: what a light clip takes on an idle fleet, by what it is requested to take.
        waits: extra waits of the light clips, in the order of their requests.
        accepted: clips of the heavy project.
        executors: number of attempts by worker.
        preempted: attempts at heavy clips that were preempted.
        busy: part of the window in which an executor had a job, the mean of all.
        problems: sentences; empty if nothing is wrong.
    """

    alone: dict[float, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    accepted: int = 0
    executors: dict[str, int] = field(default_factory=dict)
    preempted: int = 0
    busy: float = 0.0
    problems: list[str] = field(default_factory=list)


class Fleet:
    """Two API servers, three executors, and their database."""

    def __init__(self, folder: Path, url: str, time_slice: float) -> None:
        common = {
            "HINODE_TESTCARD_STEP_SECONDS": f"{STEP_SECONDS:g}",
            "HINODE_SLICE_SECONDS": f"{time_slice:g}",
        }
        environment = {
            "HINODE_DATABASE_URL": url,
            "HINODE_STORE": str(folder / "store"),
            **common,
        }
        self.servers = [
            ServerHarness(folder / f"api-{number}", workers=workers, environment=environment)
            for number, workers in ((1, 1), (2, 0))
        ]
        self.worker = ServerHarness(folder / "worker", environment=environment)
        self.worker.words = ["worker"]
        self.distant = DistantWorkers(self.servers[1], folder / "distant", 1, common)
        self.database = Database(url, connections=2)

    def __enter__(self) -> Fleet:
        for server in self.servers:
            server.start()
        self.worker.start(wait=False)
        self.distant.start()
        return self

    def __exit__(self, *error: object) -> None:
        for process in (self.worker, *self.servers):
            process.kill()  # most of the heavy project's clips still wait
        self.distant.stop()
        self.database.close()

    def request(self, number: int, key: str, seconds: float) -> str:
        """Request a clip that takes so long, at one of the servers in turn."""
        steps = max(1, round(seconds / STEP_SECONDS))
        return self.servers[number % len(self.servers)].submit(key, steps=steps, seed=number)

    def job(self, job_id: str) -> sa.RowMapping:
        """The row of a job."""
        with self.database.read() as connection:
            return connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().one()

    def wait(self, job_ids: list[str], patience: float) -> None:
        """Wait until jobs have ended; raises RuntimeError if they do not in `patience` seconds."""
        self.servers[0].wait_for(
            lambda: all(self.job(job)["completed_at"] is not None for job in job_ids), patience
        )


def measure(load: Load, seed: int = 1) -> Report:
    """Let the light projects request clips beside the dump."""
    report = Report()
    dice = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hinode-fairness-")))
        url = stack.enter_context(PostgreSQL()).create()
        fleet = stack.enter_context(Fleet(folder, url, load.time_slice))
        keys = {}
        for name in ("warm", "heavy", *(f"light-{number}" for number in range(load.light))):
            fleet.servers[0].command("projects", "create", "--name", name)
            keys[name] = fleet.servers[0].key(name, "--project", name)
        _warm(fleet, keys["warm"])
        for seconds in sorted(set(load.clips)):
            job = fleet.request(0, keys["warm"], seconds)
            fleet.wait([job], 60.0 + seconds)
            report.alone[seconds] = _duration(fleet.job(job))

        start = time.time()
        with ThreadPoolExecutor(4) as pool:
            heavy = list(
                pool.map(lambda number: fleet.request(number, keys["heavy"], load.heavy), range(load.bulk))
            )
        report.accepted = len(set(heavy))
        light: list[tuple[str, float]] = []
        begin = now = time.monotonic()
        while True:
            now += dice.expovariate(load.rate)
            if now > begin + load.window:
                break
            time.sleep(max(0.0, now - time.monotonic()))
            key = keys[f"light-{dice.randrange(load.light)}"]
            seconds = dice.choice(load.clips)
            light.append((fleet.request(len(light), key, seconds), seconds))
        fleet.wait([job for job, _ in light], 120.0)
        end = time.time()
        for job, seconds in light:
            row = fleet.job(job)
            if row["status"] != Status.COMPLETED:
                report.problems.append(f"{job} ended as {row['status']}")
            report.waits.append(_duration(row) - report.alone[seconds])
        _count(fleet, report, set(heavy), start, end)
    return report


def _warm(fleet: Fleet, key: str) -> None:
    """Wait until every executor has run a clip, so that none is still starting."""
    number = 0
    end = time.monotonic() + 120.0
    while len(_attempts_by_worker(fleet)) < 3:
        if time.monotonic() > end:
            raise RuntimeError(f"an executor runs nothing: {_attempts_by_worker(fleet)}")
        fleet.wait([fleet.request(number + more, key, 0.5) for more in range(3)], 60.0)
        number += 3


def _attempts_by_worker(fleet: Fleet) -> Counter[str]:
    with fleet.database.read() as connection:
        return Counter(connection.scalars(sa.select(attempts.c.worker_id)))


def _count(fleet: Fleet, report: Report, heavy: set[str], start: float, end: float) -> None:
    """Enter what the executors did between two moments."""
    used = 0.0
    with fleet.database.read() as connection:
        rows = list(connection.execute(sa.select(attempts)).mappings())
    for row in rows:
        report.executors[row["worker_id"]] = report.executors.get(row["worker_id"], 0) + 1
        report.preempted += row["job_id"] in heavy and row["outcome"] == Outcome.YIELDED
        used += max(0.0, min(row["ended_at"] or end, end) - max(row["started_at"], start))
    completed = Counter(row["job_id"] for row in rows if row["outcome"] == Outcome.COMPLETED)
    report.problems += [f"{job} was completed {count} times" for job, count in completed.items() if count > 1]
    report.busy = used / (end - start) / len(report.executors)


def _duration(row: sa.RowMapping) -> float:
    return float(row["completed_at"] - row["created_at"])


def summary(report: Report, load: Load) -> list[str]:
    """The report in lines for a person."""
    alone = ", ".join(f"{took:.1f} s for {asked:g} s" for asked, took in report.alone.items())
    return [
        "2 API servers on PostgreSQL; executors: 1 local, 1 with the database, 1 over HTTP",
        f"  heavy         {report.accepted} clips of {load.heavy:g} s; {report.preempted} preemptions"
        f" after {load.time_slice:g} s or more",
        f"  light         {len(report.waits)} clips of {load.light} projects; alone {alone}",
        f"  extra wait    mean {fmean(report.waits):.1f} s, p95 {p95(report.waits):.1f} s, longest"
        f" {max(report.waits):.1f} s (bar: p95 {BAR_SECONDS:g} s)",
        f"  executors     {sorted(report.executors.values())} attempts, busy {report.busy:.0%} of the time",
        f"  problems      {len(report.problems)}",
        *(f"    {line}" for line in report.problems),
    ]


def main(words: list[str]) -> None:
    """Measure and print; the exit status is 0 if the bar was met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fleet-fairness", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument(
        "--window", type=float, default=Load.window, help=f"seconds (default {Load.window:g})"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the light projects' requests (default 1)")
    parser.add_argument(
        "--slice", type=float, default=Load.time_slice, help="HINODE_SLICE_SECONDS (default 10)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    load = Load(window=options.window, time_slice=options.slice)
    report = measure(load, options.seed)
    print(json.dumps(asdict(report)) if options.json else "\n".join(summary(report, load)))
    sys.exit(bool(report.problems) or p95(report.waits) > BAR_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
