"""A rolling upgrade on one PostgreSQL: an old and a new version together, while requests come in.

An old server and its worker make clips. `pg_dump` reads the database and does not come to its end, and
another transaction has read the jobs and stays open. Three servers of the new version start at once and
have to migrate the tables. After a while the dump and the transaction end, the tables are migrated, a
worker of the old server is killed and started again on the new tables, and the old server ends. All the
while clips are requested and lists of them read from every server that is ready. In the end `audit` looks
for jobs that were lost or made twice.

By default the old version is this one, and the new one a copy of it with more migrations, since a checkout
may be without history. With `--old COMMIT` that commit is the old one, and this version the new one.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.audit import FINALS, Promise, audit
from benchmarks.frames import worktree
from benchmarks.migrations import PATIENCE, endless_dump, next_version, open_transaction, wait_until
from benchmarks.postgres import PostgreSQL
from benchmarks.receiver import Receiver
from benchmarks.serving import ROOT, ServerHarness
from hinode.records.database import Database
from hinode.records.tables import jobs, workers

BAR_SECONDS = 5.0
NEW_SERVERS = 3
REQUEST_PAUSE, READ_PAUSE = 0.2, 0.05


@dataclass
class Report:
    """What came of it; times in seconds.

    Attributes:
        jobs: that were accepted.
        ended: number of these by final state.
        before, during, after: jobs accepted before the new servers started, until the tables were new, and
            afterwards.
        longest_post: longest wait for the answer to a request for a clip, tries again included.
        longest_read: longest wait for a list of clips.
        reads: number of lists.
        longest_lock: longest that a session waited for the lock of a table, whatever else the machine did.
        blocked: from the start of the dump to its end and that of the open transaction.
        migrated: from there until the tables were new.
        restarted: whether a worker of the old version started on the new tables.
        problems: sentences; empty if nothing is wrong.
    """

    jobs: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    before: int = 0
    during: int = 0
    after: int = 0
    longest_post: float = 0.0
    longest_read: float = 0.0
    reads: int = 0
    longest_lock: float = 0.0
    blocked: float = 0.0
    migrated: float = 0.0
    restarted: bool = False
    problems: list[str] = field(default_factory=list)


class Traffic:
    """Requests for clips and for lists of them, each kind in a thread, to each server in turn; and a thread
    that sees for how long sessions wait for locks."""

    def __init__(self, key: str, servers: list[ServerHarness], report: Report, database: Database) -> None:
        self.key, self.servers, self.report, self.database = key, servers, report, database
        self.accepted: list[str] = []
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(self._request, REQUEST_PAUSE)),
            threading.Thread(target=self._repeat, args=(self._read, READ_PAUSE)),
            threading.Thread(target=self._repeat, args=(self._look_at_locks, READ_PAUSE)),
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, action: Callable[[], None], pause: float) -> None:
        try:
            while not self._over.wait(pause):
                action()
        except Exception as error:
            self.report.problems.append(f"a client gave up: {error!r}")

    def _request(self) -> None:
        body = {"prompt": "a kite", "model": "sora-2", "seconds": "1", "size": "64x64"}
        answer, seconds = self._answer("POST", "/v1/videos", body)
        self.accepted.append(answer["id"])
        self.report.longest_post = max(self.report.longest_post, seconds)

    def _read(self) -> None:
        _, seconds = self._answer("GET", "/v1/videos?limit=20", None)
        self.report.reads += 1
        self.report.longest_read = max(self.report.longest_read, seconds)

    def _look_at_locks(self) -> None:
        with self.database.read() as connection:
            seconds = connection.exec_driver_sql(
                "SELECT max(extract(epoch FROM clock_timestamp() - waitstart)) FROM pg_locks"
                " WHERE NOT granted AND locktype = 'relation'"
            ).scalar_one()
        self.report.longest_lock = max(self.report.longest_lock, float(seconds or 0.0))

    def _answer(self, method: str, path: str, body: Any) -> tuple[Any, float]:
        """An answer and the seconds until it came. A server that has ended does not answer; the next one is
        asked, with the same Idempotency-Key, as a proxy and a careful client do."""
        number = next(self._numbers)
        headers = {"Idempotency-Key": f"upgrade-{number}"} if body else {}
        start = time.monotonic()
        for choice in itertools.count(number):
            server = self.servers[choice % len(self.servers)]
            try:
                status, content = server.request(method, path, key=self.key, body=body, headers=headers)
            except (OSError, http.client.HTTPException) as error:
                status, content = 503, repr(error).encode()
            if status == 200:
                break
            if status != 503 or time.monotonic() - start > PATIENCE:
                raise RuntimeError(f"{method} {path} was answered with {status}: {content[:300]!r}")
            time.sleep(0.05)
        return json.loads(content), time.monotonic() - start


def measure(old: Path, new: Path, count: int, blocked_seconds: float) -> Report:
    """Upgrade while at least `count` clips are made.

    Args:
        old, new: folders of the sources of both versions.
        count: clips.
        blocked_seconds: from the first lock that is not available to the end of the dump.
    """
    report = Report()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hinode-upgrade-")))
        url = stack.enter_context(PostgreSQL()).create()
        shared = {
            "HINODE_DATABASE_URL": url,
            "HINODE_STORE": str(folder / "store"),
            "HINODE_TESTCARD_STEP_SECONDS": "0.01",
        }

        def server(name: str, source: Path, workers: int) -> ServerHarness:
            environment = {**shared, "PYTHONPATH": str(source)}
            harness = ServerHarness(folder / name, workers=workers, environment=environment)
            stack.callback(harness.stop)
            return harness

        first = server("old", old, 1)
        first.start()
        database = Database(url, connections=3)
        stack.callback(database.close)
        receiver = stack.enter_context(Receiver())
        key = first.key("upgrade")
        endpoint = {"name": "u", "url": receiver.url, "event_types": ["video.completed", "video.failed"]}
        first.request("POST", "/v1/webhook_endpoints", key=key, body=endpoint)
        servers = [first]
        with Traffic(key, servers, report, database) as traffic:
            wait_until(lambda: len(traffic.accepted) >= count // 4 or bool(report.problems))
            report.before = len(traffic.accepted)
            revision = _revision(database)
            later = [server(f"new-{number}", new, int(number == 1)) for number in range(1, NEW_SERVERS + 1)]
            began = time.monotonic()
            with endless_dump(url), open_transaction(url):
                for harness in later:
                    harness.start(wait=False)
                wait_until(lambda: _is_blocked(later) or all(harness.ready() for harness in later))
                if _is_blocked(later):  # tables that are only added need no lock of others
                    time.sleep(blocked_seconds)
                    if _revision(database) != revision:
                        report.problems.append("the tables were migrated beside an open transaction")
            report.blocked = time.monotonic() - began
            for harness in later:
                harness.wait_until_ready()
            report.migrated = time.monotonic() - began - report.blocked
            report.during = len(traffic.accepted) - report.before
            if _revision(database) == revision:
                report.problems.append("the tables were not migrated")
            servers.extend(later)
            report.restarted = _restart_worker(first, database)
            if not report.restarted and (old / "hinode/records/upgrades.py").exists():
                report.problems.append("a worker of the old version does not start on the new tables")
            wait_until(lambda: len(traffic.accepted) >= count * 9 // 10 or bool(report.problems))
            if status := first.stop():
                report.problems.append(f"the old server ended with {status}")
            servers.remove(first)
            wait_until(lambda: len(traffic.accepted) >= count or bool(report.problems))
        promises = {job: Promise(None) for job in traffic.accepted}
        report.jobs = len(promises)
        report.after = report.jobs - report.before - report.during
        wait_until(lambda: _ended(database) >= set(promises))
        wait_until(lambda: set(receiver.events()) >= set(promises))
        for harness in later:
            if status := harness.stop():
                report.problems.append(f"a new server ended with {status}")
        result = audit(database, folder / "store", promises, [], receiver.events())
    report.ended = dict(result.ended)
    report.problems += result.problems
    return report


def _revision(database: Database) -> str:
    with database.read() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def _is_blocked(servers: list[ServerHarness]) -> bool:
    return any("waits for a lock" in server.last_words() for server in servers)


def _ended(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(sa.select(jobs.c.id).where(jobs.c.status.in_(FINALS))))


def _restart_worker(server: ServerHarness, database: Database) -> bool:
    """Kill the worker of a server; whether the one after it has entered itself in the database."""
    (worker,) = server.workers_running()
    worker.kill()

    def is_back() -> bool:
        pids = [process.pid for process in server.workers_running() if process.pid != worker.pid]
        with database.read() as connection:
            rows = connection.execute(sa.select(workers.c.id).where(workers.c.pid.in_(pids)))
            return rows.first() is not None

    try:
        wait_until(is_back)
    except TimeoutError:
        return False
    return True


def summary(report: Report) -> list[str]:
    """The report in lines for a person."""
    ended = ", ".join(f"{count} {status}" for status, count in sorted(report.ended.items()))
    waits = max(report.longest_post, report.longest_read)
    phases = f"{report.before} before, {report.during} during and {report.after} after the migration"
    return [
        f"jobs            {report.jobs}: {phases}; {ended}",
        f"dump            ends after {report.blocked:.1f} s; {report.migrated:.1f} s later the tables are new"
        f" and {NEW_SERVERS} servers ready",
        f"longest wait    {report.longest_post:.2f} s to request a clip, {report.longest_read:.2f} s to read"
        f" one of {report.reads} lists; {waits:.2f} s (bar: {BAR_SECONDS:g} s)",
        f"longest lock    {report.longest_lock:.2f} s for a table",
        f"old worker      {'starts' if report.restarted else 'does not start'} on the new tables",
        f"problems        {len(report.problems)} (bar: 0)",
        *(f"  {line}" for line in report.problems),
    ]


def main(words: list[str]) -> None:
    """Upgrade and print; the exit status is 0 if the bars were met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks upgrade", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--jobs", type=int, default=100, help="default 100")
    parser.add_argument("--blocked", type=float, default=12.0, help="seconds without the lock (default 12)")
    parser.add_argument("--old", metavar="COMMIT", help="the old version (default: this one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    with ExitStack() as stack:
        if options.old:
            old, new = stack.enter_context(worktree(options.old)) / "src", ROOT / "src"
        else:
            old, new = ROOT / "src", stack.enter_context(next_version())
        report = measure(old, new, options.jobs, options.blocked)
    print(json.dumps(asdict(report)) if options.json else "\n".join(summary(report)))
    sys.exit(bool(report.problems) or max(report.longest_post, report.longest_read) > BAR_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
