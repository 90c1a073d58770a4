"""Kill workers and servers with SIGKILL at random points while they make videos, and audit what is left.

Every kind of request is carried out once undisturbed. Then a client keeps sending the same requests while,
again and again, a worker, the server alone, or the server with all its workers is killed and started again,
or PostgreSQL crashes. A request without an answer is sent again under its Idempotency-Key, as careful clients
do. At the end `audit` compares the database and the files with what was promised.

    recovery    from the kill until every job that it interrupted runs again, or has ended
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa

from benchmarks.audit import FINALS, Promise, audit
from benchmarks.careful_client import REQUESTS, SOURCE, WAIT_SECONDS, Client
from benchmarks.distant import DistantWorkers
from benchmarks.postgres import RECOVERABLE, PostgreSQL
from benchmarks.receiver import Receiver
from benchmarks.serving import ServerHarness
from hinode.jobs.states import Status
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import artifacts, jobs, workers

BAR_SECONDS = 30.0
EXECUTORS = ("local", "http", "ray")
"""Workers that are children of the server, processes of their own that reach it over HTTP, or on Ray."""
VICTIMS = {"worker": 6, "server": 1, "everything": 3}
"""How often each is killed in ten cycles. A server ends with its workers; `everything` goes at one moment."""
RAY_VICTIMS = {"worker": 3, "actor": 3, "node": 2, "head": 2, "driver": 2, "server": 1, "everything": 1}
"""The same with the executor ray, in fifteen."""
DATABASE_VICTIMS = {"database": 1}
"""Beside these with a PostgreSQL that may crash; jobs then go on as soon as it is back."""
RAY_PARTS = {"node": "/raylet", "head": "/gcs_server", "driver": "hinode.jobs.capacity.ray.driver"}
"""How the command lines of these parts end."""


@dataclass
class Report:
    """The result of a run; times in seconds.

    Attributes:
        database: "sqlite" or "postgresql".
        executor: of `EXECUTORS`.
        seed: of everything that was random.
        cycles: how many kills there were.
        killed: number of kills by kind of victim.
        interrupted: jobs that ran when they were killed.
        accepted: jobs that the server has accepted.
        ended: number of these by final state.
        attempts: number of attempts at them.
        recovery: for each kill that interrupted a job.
        problems: sentences; empty if nothing is wrong.
    """

    database: str
    executor: str
    seed: int
    cycles: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    interrupted: int = 0
    accepted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    recovery: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """The longest recovery."""
        return max(self.recovery, default=0.0)


class Observer:
    """Reads the database beside the server, and notices when an ended job changes."""

    def __init__(self, url: str, lease_seconds: float) -> None:
        self.database = Database(url, connections=2)
        self.lease_seconds = lease_seconds
        self.final: dict[str, tuple[str, float, int]] = {}
        self.problems: list[str] = []

    def read(self) -> list[sa.RowMapping]:
        """Every job as it is now."""
        columns = (
            jobs.c.id,
            jobs.c.status,
            jobs.c.epoch,
            jobs.c.completed_at,
            jobs.c.lease_until,
            workers.c.pid,
        )
        query = sa.select(*columns).outerjoin_from(jobs, workers, jobs.c.worker_id == workers.c.id)
        with self.database.read() as connection:
            rows = list(connection.execute(query).mappings())
        for row in rows:
            now = row["status"], row["completed_at"], row["epoch"]
            if self.final.get(row["id"], now) != now:
                self.problems.append(f"{row['id']} was {self.final[row['id']]} and is now {now}")
            if row["status"] in FINALS:
                self.final[row["id"]] = now
        return rows

    def ended(self) -> set[str]:
        """The jobs that have ended."""
        self.read()
        return set(self.final)

    def running(self, pid: int | None = None) -> dict[str, int]:
        """The epochs of the running jobs, all of them or those of one worker's process."""
        return {
            row["id"]: row["epoch"]
            for row in self.read()
            if row["status"] == Status.RUNNING and pid in (None, row["pid"])
        }

    def busy(self) -> set[int]:
        """The processes of the workers that have a job."""
        return {row["pid"] for row in self.read() if row["status"] == Status.RUNNING}

    def resumed(self, interrupted: Mapping[str, int]) -> bool:
        """Whether each of these jobs was claimed again since, or has ended."""
        now = {row["id"]: row for row in self.read()}
        return all(
            now[job]["status"] in FINALS or now[job]["epoch"] > epoch for job, epoch in interrupted.items()
        )

    def continued(self, interrupted: Mapping[str, int], since: float) -> bool:
        """Whether each of these jobs was also renewed by its worker after `since`, in seconds since 1970."""
        try:
            now = {row["id"]: row for row in self.read()}
        except DatabaseError:  # a connection of before the crash
            return False
        return all(
            now[job]["status"] in FINALS
            or now[job]["epoch"] > epoch
            or (now[job]["lease_until"] or 0.0) > since + self.lease_seconds
            for job, epoch in interrupted.items()
        )

    def files(self, job: str) -> dict[str, str]:
        """The digests of a job's files by role."""
        query = sa.select(artifacts.c.role, artifacts.c.digest).where(artifacts.c.job_id == job)
        with self.database.read() as connection:
            return {row.role: row.digest for row in connection.execute(query)}


def torture(
    home: Path,
    *,
    database_url: str = "",
    cycles: int = 10,
    faults: Sequence[str] = (),
    workers: int = 2,
    seed: int = 1,
    lease_seconds: float = 15.0,
    executor: str = "local",
    postgres: PostgreSQL | None = None,
    report_kill: Callable[[str], None] = lambda line: None,
) -> Report:
    """Kill, start again, and audit.

    Args:
        home: an empty folder, for the server.
        database_url: of an empty database; by default SQLite in `home`.
        cycles: how many kills.
        faults: the victims in their order, instead of `cycles` random ones.
        workers: processes that the server keeps.
        seed: of the choice of victims, times and requests. The processes depend on the machine, so a run
            cannot be repeated exactly.
        lease_seconds: HINODE_LEASE_SECONDS.
        executor: of `EXECUTORS`.
        postgres: the server of the database, if it is to crash too; with `RECOVERABLE`.
        report_kill: called with a line about every kill.
    """
    chance = random.Random(seed)
    environment = {
        "HINODE_DATABASE_URL": database_url,
        "HINODE_TESTCARD_STEP_SECONDS": "0.03",
        "HINODE_CHECKPOINT_SECONDS": "0.2",
        "HINODE_LEASE_SECONDS": f"{lease_seconds:g}",
        "HINODE_SLICE_SECONDS": "0.5",  # so that jobs also give way to each other
    }
    is_http = executor == "http"
    server = ServerHarness(
        home,
        workers=0 if is_http else workers,
        environment=environment,
        options=() if is_http else ("--executor", executor),
    )
    distant = DistantWorkers(server, home.with_name(f"{home.name}-worker"), workers, environment)
    victims = dict(RAY_VICTIMS if executor == "ray" else VICTIMS)
    if postgres is not None:
        victims |= DATABASE_VICTIMS
    url = database_url or f"sqlite:///{home / 'hinode.db'}"
    report = Report(url.split(":")[0], executor, seed)
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start()
        if is_http:
            distant.start()
            stack.callback(distant.stop)
        client = Client(server, server.key("torture"), random.Random(seed + 1))
        receiver = stack.enter_context(Receiver())
        events = ["video.completed", "video.failed"]
        client.request(
            "POST", "/v1/webhook_endpoints", {"name": "t", "url": receiver.url, "event_types": events}
        )
        observer = Observer(url, lease_seconds)
        stack.callback(observer.database.close)

        source = client.request("POST", "/v1/videos", SOURCE)["id"]
        client.wait(source)
        undisturbed = [client.submit(kind, source) for kind in range(len(REQUESTS))]
        for job in undisturbed:
            client.wait(job)
        expected = [observer.files(job) for job in undisturbed]
        client.accepted[source] = Promise(None)

        client.start(source)
        stack.callback(client.stop)
        chosen = iter(faults) if faults else _shuffled(victims, chance)
        for cycle in range(1, (len(faults) or cycles) + 1):
            if not _until(lambda: bool(observer.running())):
                report.problems.append(f"no job was claimed before kill {cycle}")
                break
            time.sleep(chance.uniform(0.0, 0.6))
            victim = next(chosen)
            if victim == "database":
                assert postgres is not None
                interrupted, seconds = crash(postgres, observer)
            else:
                interrupted, seconds = kill(server, observer, victim, chance, distant if is_http else None)
            report.cycles += 1
            report.killed[victim] += 1
            report.interrupted += len(interrupted)
            if seconds is None:
                report.problems.append(
                    f"after kill {cycle}, of {victim}, {interrupted} was not claimed again"
                )
                break
            if interrupted:
                report.recovery.append(seconds)
            report_kill(
                f"{cycle:4}  {victim:10}  {len(interrupted)} interrupted, back after {seconds:5.2f} s"
            )
        client.stop()
        promises = client.accepted
        if not _until(lambda: observer.ended() >= set(promises)):
            report.problems.append("two minutes after the last kill some jobs have not ended")
        if not _until(lambda: set(receiver.events()) >= set(promises)):
            report.problems.append("two minutes after the last job the endpoint did not get every event")
        report.problems += client.problems + observer.problems
        if is_http and any(statuses := [*distant.statuses, *distant.stop()]):
            report.problems.append(f"the workers ended with {statuses}")
        if status := server.stop():
            report.problems.append(f"the server ended with {status}")
        result = audit(observer.database, home / "store", promises, expected, receiver.events())
    report.accepted = len(promises)
    report.ended, report.attempts = result.ended, result.attempts
    report.problems += result.problems
    return report


def _shuffled(victims: Mapping[str, int], chance: random.Random) -> Iterator[str]:
    """Victims without end: each as often as it should be in every round, in a random order."""
    deck = [victim for victim, count in victims.items() for _ in range(count)]
    while True:
        chance.shuffle(deck)
        yield from deck


def crash(postgres: PostgreSQL, observer: Observer) -> tuple[dict[str, int], float | None]:
    """Let the database crash; returns as `kill` does. The processes of Hinode live on."""
    interrupted = observer.running()
    start = time.monotonic()
    postgres.crash()
    since = time.time()
    back = _until(lambda: observer.continued(interrupted, since), pause=0.02)
    return interrupted, time.monotonic() - start if back else None


def kill(
    server: ServerHarness,
    observer: Observer,
    victim: str,
    chance: random.Random,
    distant: DistantWorkers | None = None,
) -> tuple[dict[str, int], float | None]:
    """Kill once, and wait until the interrupted jobs run again.

    Args:
        server: running.
        observer: of its database.
        victim: one of `VICTIMS` or `RAY_VICTIMS`.
        chance: chooses the worker.
        distant: its workers, if they are no children of it.

    Returns:
        The epochs of the jobs that ran, and the seconds until all of them ran again; None if that takes
        more than two minutes.
    """
    if distant is not None:
        return _kill_distant(server, observer, victim, chance, distant)
    workers = server.workers_running()
    if victim in ("worker", "actor") and workers:
        busy = observer.busy()
        worker = chance.choice([worker for worker in workers if worker.pid in busy] or workers)
        interrupted = observer.running(worker.pid)
        start = time.monotonic()
        (worker if victim == "worker" else worker.parent()).kill()
        killed = [worker]
    elif victim in RAY_PARTS:
        _until(lambda: bool(server.parts_running(RAY_PARTS[victim])))  # it may be starting again
        parts = server.parts_running(RAY_PARTS[victim])
        # The workers outlive the driver; without a node or a head they end.
        interrupted = {} if victim == "driver" else observer.running()
        start = time.monotonic()
        chance.choice(parts).kill()
        killed = [] if victim == "driver" else workers
    else:
        interrupted = observer.running()
        start = time.monotonic()
        if victim == "server":
            server.kill_parent()
        else:
            server.kill()
        killed = workers
        server.start()
    back = _until(lambda: observer.resumed(interrupted), pause=0.02)
    seconds = time.monotonic() - start
    _, left = psutil.wait_procs(killed, timeout=WAIT_SECONDS)
    if left:
        observer.problems.append(f"workers outlive their server: {[process.pid for process in left]}")
    return interrupted, seconds if back else None


def _kill_distant(
    server: ServerHarness,
    observer: Observer,
    victim: str,
    chance: random.Random,
    distant: DistantWorkers,
) -> tuple[dict[str, int], float | None]:
    """The same, of workers that survive their server."""
    running = distant.pids()
    start = time.monotonic()
    if victim == "worker" and running:
        busy = observer.busy()
        worker = chance.choice([pid for pid in running if pid in busy] or running)
        interrupted = observer.running(worker)
        distant.kill(worker)
    else:
        interrupted = observer.running()
        if victim == "everything":
            distant.kill()
        server.kill()
        server.start()
    back = _until(lambda: observer.resumed(interrupted), pause=0.02)
    return interrupted, time.monotonic() - start if back else None


def _until(holds: Callable[[], bool], pause: float = 0.05) -> bool:
    """Wait until a condition holds, at most `WAIT_SECONDS`; returns whether it does."""
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def summary(report: Report) -> list[str]:
    """The report in lines for a person."""
    recovery = sorted(report.recovery)
    ended = ", ".join(f"{count} {status}" for status, count in sorted(report.ended.items()))
    killed = ", ".join(f"{count} of {victim}" for victim, count in sorted(report.killed.items()))
    lines = [
        f"{report.database}, {report.executor} workers, seed {report.seed}",
        f"  kills          {report.cycles}: {killed}; {report.interrupted} jobs interrupted",
        f"  accepted       {report.accepted} jobs, {report.attempts} attempts",
        f"  ended          {ended}",
    ]
    if recovery:
        median, p95 = statistics.median(recovery), recovery[int(0.95 * (len(recovery) - 1))]
        lines.append(
            f"  recovery       median {median:.2f} s, p95 {p95:.2f} s, longest {report.worst:.2f} s"
            f" (bar: {BAR_SECONDS:g} s beyond the lease)"
        )
    return [*lines, f"  problems       {len(report.problems)}", *(f"    {line}" for line in report.problems)]


def main(words: list[str]) -> None:
    """Run each pair of executor and database, and print; the exit status is 0 if the bar was met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks torture", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--cycles", type=int, default=200, help="kills for each pair")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument(
        "--executor",
        choices=(*EXECUTORS, "both"),
        default="local",
        help="of the workers; both: local and http",
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--lease", type=float, default=15.0, help="HINODE_LEASE_SECONDS; 15 is what people have"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    backends = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    executors = EXECUTORS[:2] if options.executor == "both" else (options.executor,)
    reports = []
    for executor, backend in itertools.product(executors, backends):
        with ExitStack() as stack:
            home = Path(tempfile.mkdtemp(prefix="hinode-torture-"))
            postgres = None
            if backend == "postgresql":
                postgres = stack.enter_context(PostgreSQL(RECOVERABLE))
            report = torture(
                home / "home",
                database_url=postgres.create() if postgres else "",
                postgres=postgres,
                cycles=options.cycles,
                workers=options.workers,
                seed=options.seed,
                lease_seconds=options.lease,
                executor=executor,
                report_kill=log,
            )
        reports.append(report)
        if report.problems:
            log(f"the server's files are left in {home}")
        else:
            shutil.rmtree(home)
        if not options.json:
            print("\n".join(summary(report)), flush=True)
    if options.json:
        print(
            json.dumps(
                {f"{report.executor} {report.database}": dataclasses.asdict(report) for report in reports}
            )
        )
    sys.exit(any(report.problems or report.worst > BAR_SECONDS + options.lease for report in reports))


if __name__ == "__main__":
    main(sys.argv[1:])
