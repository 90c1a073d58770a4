"""A short life of the job service with faults of its own, against the invariants of docs/jobs.md.

A history is one thread with a virtual clock and a seeded source of chance. Clients submit, repeat (with a key
or as client libraries do, by counting their tries), cancel and delete; workers, some of which run only one
engine, claim, beat, save, give back, finish, fail, crash, and fall asleep past their lease and go on as if
nothing had been; the clock jumps; transactions fail before they commit, and commit without an answer.
The store and the database under it are the real ones. After every action all jobs are read and compared with
what had been seen before; at the end the faults stop, healthy workers finish what is left, and the books are
gone through once more. `python -m benchmarks histories` lives through many.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from benchmarks.unreliable_database import Fault, UnreliableDatabase
from hinode.errors import BadInput
from hinode.jobs import ids
from hinode.jobs.admit import Draft
from hinode.jobs.job import (
    Artifact,
    Idempotency,
    Job,
    Lease,
    LeaseLost,
    OverQuota,
    Submitted,
    Unfinished,
)
from hinode.jobs.states import STEPS, Outcome, Priority, Status
from hinode.jobs.store import Store
from hinode.records.tables import (
    attempts,
    deliveries,
    events,
    jobs,
    organisations,
    projects,
    webhook_endpoints,
)
from hinode.request import Request

STEPS_OF_A_RUN = 6
ACTIONS = 90
MAX_JUMP = 600.0
KEPT = 5_000.0
ENGINES = ("testcard", "native")


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Worker:
    """A simulated worker process, and what it believes."""

    id: str
    host: str
    engines: tuple[str, ...] | None
    lease: Lease | None = None
    step: int = 0
    asleep_until: float = 0.0


@dataclass
class History:
    """One life of the service, from its seed."""

    seed: int
    store: Store
    database: UnreliableDatabase
    chance: random.Random = field(init=False)
    now: float = 1_800_000_000.0
    files: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    by_key: dict[str, list[str]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    seen: dict[str, Job] = field(default_factory=dict)
    final_files: dict[str, frozenset[str]] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = self.database.chance = random.Random(self.seed)
        self.store.clock = lambda: self.now
        # Histories share a database, each with its own projects: making one takes longer than living through.
        self.now += self.seed * 1e6
        self.caps = {
            ids.make("proj_", self.now): self.chance.choice((None, 1, 2))
            for _ in range(self.chance.randint(1, 3))
        }
        with self.database.write() as connection:
            owner = ids.make("org_", self.now)
            connection.execute(organisations.insert(), {"id": owner, "name": "o", "created_at": self.now})
            for project, cap in self.caps.items():
                connection.execute(
                    projects.insert(),
                    {
                        "id": project,
                        "organisation_id": owner,
                        "name": "p",
                        "created_at": self.now,
                        "most_running": cap,
                        "most_queued": 8,
                    },
                )
                connection.execute(
                    webhook_endpoints.insert(),
                    {
                        "id": ids.make("whe_", self.now),
                        "project_id": project,
                        "name": "e",
                        "url": "https://example.com/",
                        "event_types": ["video.completed"],
                        "secret": "whsec_",
                        "created_at": self.now,
                        "updated_at": self.now,
                    },
                )
        engine_sets = [self.chance.choice((None, None, *((engine,) for engine in ENGINES))) for _ in range(2)]
        engine_sets += (
            [None] if all(engine_sets) and len({*engine_sets}) == 1 else []
        )  # each engine has somebody who can run it
        engine_sets += [(self.chance.choice(ENGINES),) for _ in range(self.chance.randint(0, 2))]
        for number, engines in enumerate(engine_sets):
            self.workers.append(self.recruit(f"host-{number}", engines))

    # The history

    def run(self) -> None:
        """Live through it.

        Raises:
            Broken: an invariant does not hold.
        """
        self.database.fault_rate = 0.03
        for _ in range(ACTIONS):
            self.now += self.chance.expovariate(1 / 2.0)
            action = self.chance.choices(
                (
                    self.submit,
                    self.cancel,
                    self.delete,
                    self.work,
                    self.crash,
                    self.sleep,
                    self.jump,
                    self.keep_house,
                ),
                (14, 3, 2, 60, 4, 4, 1, 12),
            )[0]
            try:
                action()
            except Fault:
                self.counts["failed transactions"] += 1
            self.check()
        self.settle()
        self.audit()

    def settle(self) -> None:
        """No more faults: healthy workers finish what is there."""
        self.database.fault_rate = 0.0
        for _ in range(2_000):
            self.now += 5.0
            self.store.reap()
            self.store.give_up()
            for worker in self.workers:
                worker.asleep_until = 0.0
                self.progress(worker, healthy=True)
            self.check()
            if all(job.final for job in self.seen.values()):
                return
        raise Broken(f"not settled: {[job for job in self.seen.values() if not job.final]}")

    # What clients do

    def submit(self) -> None:
        project = self.chance.choice(list(self.caps))
        engine = self.chance.choice(ENGINES)
        request = Request("a kite", engine=engine, model=engine, seed=self.chance.randrange(3))
        count = self.chance.choice((1, 1, 1, 3))
        fingerprint = hashlib.sha256(json.dumps([request.identity(), count]).encode()).hexdigest()
        drafts = [
            Draft(
                project,
                "key",
                request,
                "sora-2",
                self.chance.choice(list(Priority)),
                request_hash=fingerprint,
            )
            for _ in range(count)
        ]
        promise = None
        if self.chance.random() < 0.5:
            key = f"{project}-{self.chance.randrange(4)}"
            promise = Idempotency("POST /v1/videos", key, fingerprint)
        before, since = set(self.names()), 0.0
        for tries in range(4):  # a client that gets no answer, or is told to wait, asks again
            try:
                answer = self.store.submit(
                    drafts, idempotency=promise, retry_count=0 if promise else tries, since=since
                )
            except Fault as fault:
                if tries == 0 and not fault.committed and not promise:
                    return  # a try that never arrived cannot be told from one whose answer was lost
                continue
            except BadInput as error:
                self.counts[type(error).__name__] += 1
                return
            except OverQuota as error:
                self.counts[type(error).__name__] += 1
                since = self.now if tries == 0 else since
                self.now += self.chance.uniform(0.0, 8.0)
                continue
            self.answered(answer, promise, before, since)
            self.expect(len(set(self.names()) - before) in (0, count), "a request was accepted twice")
            return

    def answered(
        self, answer: Submitted, promise: Idempotency | None, before: set[str], since: float
    ) -> None:
        names = [job.id for job in answer.jobs]
        self.accepted.update(names)
        if promise:
            made = self.by_key.setdefault(promise.key, names)
            left = [name for name in made if name not in self.deleted]
            self.expect(names == left, "the same key, another job")
        else:
            self.expect(bool(names), "an answer without a job")
            self.expect(not self.deleted & set(names), "a deleted job as an answer")
            self.expect(all(job.created_at >= since for job in answer.jobs), "an older job as an answer")
        self.counts["replayed"] += answer.replayed
        self.counts["accepted"] += 0 if answer.replayed else len(names)

    def cancel(self) -> None:
        if job := self.any_job():
            self.store.cancel(job.project_id, job.id)

    def delete(self) -> None:
        if job := self.any_job():
            try:
                self.store.delete(job.project_id, job.id)
                self.deleted.add(job.id)
            except Fault as fault:
                self.deleted |= {job.id} if fault.committed else set()
                raise
            except Unfinished:
                self.expect(not self.seen[job.id].final, "an ended job could not be deleted")

    # What workers do

    def work(self) -> None:
        worker = self.chance.choice(self.workers)
        if worker.asleep_until <= self.now:
            self.progress(worker, healthy=False)

    def progress(self, worker: Worker, *, healthy: bool) -> None:
        if worker.lease is None:
            worker.lease = self.store.claim(worker.id, host=worker.host, engines=worker.engines)
            worker.step = worker.lease.job.checkpoint_step if worker.lease else 0
            if worker.lease is None:
                self.store.seen(worker.id)
            elif worker.lease.job.checkpoint is not None:
                self.expect(worker.lease.job.checkpoint in self.files, "the saved state is not in the store")
            return
        lease = worker.lease
        held = self.holds(lease)
        try:
            self.step(worker, lease, healthy)
        except LeaseLost:
            self.expect(not held, "a valid lease was refused")
            self.counts["stale writes refused"] += 1
            worker.lease = None
        else:
            self.expect(held, "a stale lease was accepted")

    def step(self, worker: Worker, lease: Lease, healthy: bool) -> None:
        worker.step += 1
        roll = 1.0 if healthy else self.chance.random()
        if roll < 0.06:
            self.store.fail(lease, "processing_error", "the engine broke", final=roll < 0.01)
            worker.lease = None
        elif roll < 0.16:
            self.store.checkpoint(lease, self.file(f"state-{lease.job.id}-{worker.step}"), worker.step)
        elif roll < 0.22:
            digest = self.file(f"state-{lease.job.id}-{worker.step}") if self.chance.random() < 0.7 else None
            self.store.give_back(lease, digest=digest, step=worker.step)
            worker.lease = None
        elif worker.step < STEPS_OF_A_RUN:
            done = 100 * worker.step // STEPS_OF_A_RUN
            ran_for = max(0.0, self.now - lease.claimed_at)
            orders = self.store.heartbeat(
                lease, stage="sample", progress=done, preview=0, slice_seconds=15, ran_for=ran_for
            )
            if orders.cancel:
                self.store.cancelled(lease)
                worker.lease = None
            elif orders.give_way:
                self.store.give_back(lease, digest=None, step=0)
                worker.lease = None
        else:
            made = [
                Artifact(role, self.file(f"{role}-{lease.job.id}-{lease.epoch}"), "video/mp4", 1)
                for role in ("video", "thumbnail", "spritesheet")
            ]
            self.store.finish(lease, made, {"seed": 0}, KEPT)
            # A worker that is told nothing by a failing connection says it twice.
            try:
                self.store.finish(lease, made, {"seed": 0}, KEPT)
            except LeaseLost:
                worker.lease = None
            else:
                raise Broken("a job was finished twice")

    def crash(self) -> None:
        worker = self.chance.choice(self.workers)
        self.counts["crashes"] += 1
        if self.chance.random() < 0.5:  # its parent has seen it die
            self.store.lost(worker.id)
        self.workers[self.workers.index(worker)] = self.recruit(worker.host, worker.engines)

    def sleep(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.asleep_until = self.now + self.chance.uniform(1, 4 * self.store.lease_seconds)
        self.counts["pauses"] += 1

    def jump(self) -> None:
        self.now += self.chance.uniform(-MAX_JUMP / 10, MAX_JUMP)
        self.counts["clock jumps"] += 1

    def keep_house(self) -> None:
        self.counts["leases taken"] += self.store.reap()
        self.counts["given up"] += self.store.give_up()
        if self.chance.random() < 0.2:
            for name in self.store.expire():
                self.final_files[name] = frozenset()
            kept = self.store.digests()
            # Files that nothing refers to yet may belong to a job that is about to end, so only what belongs
            # to ended ones goes; the real store waits for an hour.
            over = {name for name, job in self.seen.items() if job.final}
            self.files = {
                file for file in self.files if file in kept or not any(name in file for name in over)
            }

    # What must hold

    def check(self) -> None:
        """Compare all jobs with what they were before."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(jobs).where(jobs.c.project_id.in_(self.caps))).mappings()
            now = {row["id"]: Job.of(row) for row in rows}
        self.expect(self.accepted <= set(now), "an accepted job is gone")
        for name, job in now.items():
            before = self.seen.get(name)
            if before and before.status is not job.status:
                self.expect((before.status, job.status) in STEPS, f"{before.status} became {job.status}")
            if before:
                self.expect(job.epoch >= before.epoch, "an epoch fell")
                self.expect(job.progress >= before.progress, "progress fell")
                if before.final:
                    self.expect(job.completed_at == before.completed_at, "an ended job ended again")
            held = job.worker_id is not None and job.lease_until is not None
            self.expect(
                held == (job.status is Status.RUNNING), "a lease without a running job, or none with one"
            )
        self.seen = now
        for project, cap in self.caps.items():
            running = sum(j.project_id == project and j.status is Status.RUNNING for j in now.values())
            self.expect(cap is None or running <= cap, f"{running} jobs run of at most {cap}")
            waiting = sum(j.project_id == project and not j.final for j in now.values())
            self.expect(waiting <= 8, "more jobs than the quota allows")
        for name, job in now.items():
            if job.status is Status.COMPLETED and name not in self.final_files:
                kept = self.store.artifacts(name)
                self.final_files[name] = frozenset(a.digest for a in kept.values())
                self.expect(len(kept) in (0, 3), "a job is complete without its files")
                self.expect(self.final_files[name] <= self.files, "a file is not there")

    def audit(self) -> None:
        """Go through the books of jobs that have all ended."""
        with self.database.read() as connection:
            tried = connection.execute(
                sa.select(attempts)
                .join(jobs)
                .where(jobs.c.project_id.in_(self.caps))
                .order_by(attempts.c.epoch)
            ).all()
            told = connection.execute(sa.select(events).where(events.c.project_id.in_(self.caps))).all()
            due = Counter(
                connection.scalars(
                    sa.select(deliveries.c.event_id).join(events).where(events.c.project_id.in_(self.caps))
                )
            )
        for name, job in self.seen.items():
            mine = [attempt for attempt in tried if attempt.job_id == name]
            self.expect([a.epoch for a in mine] == list(range(1, job.epoch + 1)), "an attempt is missing")
            self.expect(all(a.outcome is not None for a in mine), "an attempt has not ended")
            wins = sum(a.outcome == Outcome.COMPLETED for a in mine)
            self.expect(wins == (job.status is Status.COMPLETED), f"completed {wins} times")
            spent = sum(max(0.0, a.ended_at - a.started_at) for a in mine)
            self.expect(abs(spent - job.compute_seconds) < 1e-3, "the account of compute is wrong")
            failed = [a.host for a in mine if a.outcome == Outcome.FAILED]
            self.expect(len(set(failed)) == len(failed), "a host failed at a job twice")
            mine_told = [event for event in told if event.data["id"] == name]
            kind = "video.completed" if job.status is Status.COMPLETED else "video.failed"
            self.expect([event.type for event in mine_told] == [kind], "not told exactly once")
            wanted = int(job.status is Status.COMPLETED)
            self.expect(due[mine_told[0].id] == wanted, "not delivered to exactly those who asked")
            self.counts[job.status.value] += 1

    def expect(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise Broken(f"seed {self.seed}: {sentence}")

    # Parts

    def recruit(self, host: str, engines: tuple[str, ...] | None) -> Worker:
        while True:
            try:
                return Worker(self.store.enrol(host, 1, engines), host, engines)
            except Fault:
                continue

    def file(self, name: str) -> str:
        self.files.add(name[:64])
        return name[:64]

    def holds(self, lease: Lease) -> bool:
        with self.database.read() as connection:
            row: Any = connection.execute(
                sa.select(jobs.c.epoch, jobs.c.status).where(jobs.c.id == lease.job.id)
            ).one()
        return bool(row.epoch == lease.epoch and row.status == Status.RUNNING)

    def names(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(jobs.c.id).where(jobs.c.project_id.in_(self.caps))))

    def any_job(self) -> Job | None:
        return self.chance.choice(list(self.seen.values())) if self.seen else None


def live_through(url: str, seeds: Iterator[int] | range) -> Counter[str]:
    """Run one history for each seed in the database at `url`; what happened in them, counted.

    Raises:
        Broken: an invariant does not hold; its message names the seed.
    """
    database = UnreliableDatabase(url)
    database.upgrade()
    store = Store(database)
    total: Counter[str] = Counter()
    try:
        for seed in seeds:
            history = History(seed, store, database)
            history.run()
            total += history.counts
    finally:
        database.close()
    return total
