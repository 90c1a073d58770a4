"""A short history of the job service with random faults, checked against the invariants of
docs/explanation/jobs.md.

A history is one thread with a virtual clock and a seeded source of random numbers. Clients submit, repeat
(with a key, or as client libraries do, by counting their tries), cancel and delete. Workers claim, send
heartbeats, save, give back, finish, finish and claim at once, fail, crash, and sleep past their lease and go
on as if nothing had happened. Some workers run only one engine, and some are of a version that cannot read
every request. The clock jumps. Transactions fail before they commit, and commit without an answer.

The store and its database are the real ones. After every action all jobs are read and compared with what they
were before. At the end the faults stop, healthy workers finish what is left, and the records of all jobs are
audited. `python -m benchmarks histories` runs many histories.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from benchmarks.faulty_database import Fault, FaultyDatabase
from hinode.errors import BadInput
from hinode.jobs.job import (
    Draft,
    Idempotency,
    Job,
    Lease,
    LeaseLost,
    OverQuota,
    Submitted,
    Unfinished,
)
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling.queue import UNSUPPORTED_SECONDS
from hinode.jobs.states import TRANSITIONS, Outcome, Priority, Status
from hinode.jobs.store import Store
from hinode.records import ids
from hinode.records.tables import (
    attempts,
    deliveries,
    events,
    jobs,
    organisations,
    projects,
    webhook_endpoints,
)
from hinode.request import MediaFile, Request

RUN_STEPS = 6
ACTIONS = 90
MAX_JUMP = 600.0
RETENTION = 5_000.0
ENGINES = ("testcard", "native")
LATER_SEED = 2
"""Requests with this seed stand for those that use a field of a later version."""


class InvariantBroken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Worker:
    """A simulated worker process, with the lease that it believes to have.

    Attributes:
        old: whether it is of a version that cannot read some requests.
    """

    id: str
    host: str
    engines: tuple[str, ...] | None
    old: bool = False
    lease: Lease | None = None
    step: int = 0
    asleep_until: float = 0.0


@dataclass
class History:
    """One history of the service, from its seed."""

    seed: int
    store: Store
    database: FaultyDatabase
    chance: random.Random = field(init=False)
    now: float = 1_800_000_000.0
    files: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    by_key: dict[str, list[str]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)
    final_files: dict[str, frozenset[str]] = field(default_factory=dict)
    unsupported_at: dict[tuple[str, str], float] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = self.database.chance = random.Random(self.seed)
        self.store.clock = lambda: self.now
        # Histories share a database, each with its own projects: making one takes longer than a history.
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
                        "max_running": cap,
                        "max_queued": 8,
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
        if all(engine_sets) and len({*engine_sets}) == 1:
            engine_sets.append(None)  # each engine has a worker that can run it
        for number, engines in enumerate(engine_sets):
            self.workers.append(self.start_worker(f"host-{number}", engines))
        for number in range(self.chance.randint(0, 2)):
            engines = (self.chance.choice(ENGINES),)
            self.workers.append(self.start_worker(f"extra-{number}", engines, old=self.chance.random() < 0.5))

    # The history

    def run(self) -> None:
        """Run it.

        Raises:
            InvariantBroken: an invariant does not hold.
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
                    self.maintain,
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
            if all(job.final for job in self.jobs.values()):
                return
        raise InvariantBroken(
            f"seed {self.seed}: not settled: {[job for job in self.jobs.values() if not job.final]}"
        )

    # What clients do

    def submit(self) -> None:
        project = self.chance.choice(list(self.caps))
        engine = self.chance.choice(ENGINES)
        request = Request("a kite", engine=engine, model=engine, seed=self.chance.randrange(LATER_SEED + 1))
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
        before, since = set(self.job_ids()), 0.0
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
            self.expect(len(set(self.job_ids()) - before) in (0, count), "a request was accepted twice")
            return

    def answered(
        self, answer: Submitted, promise: Idempotency | None, before: set[str], since: float
    ) -> None:
        job_ids = [job.id for job in answer.jobs]
        self.accepted.update(job_ids)
        if promise:
            first = self.by_key.setdefault(promise.key, job_ids)
            left = [job_id for job_id in first if job_id not in self.deleted]
            self.expect(job_ids == left, "the same key, another job")
        else:
            self.expect(bool(job_ids), "an answer without a job")
            self.expect(not self.deleted & set(job_ids), "a deleted job as an answer")
            self.expect(all(job.created_at >= since for job in answer.jobs), "an older job as an answer")
        self.counts["replayed"] += answer.replayed
        self.counts["accepted"] += 0 if answer.replayed else len(job_ids)

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
                self.expect(not self.jobs[job.id].final, "an ended job could not be deleted")

    # What workers do

    def work(self) -> None:
        worker = self.chance.choice(self.workers)
        if worker.asleep_until <= self.now:
            self.progress(worker, healthy=False)

    def progress(self, worker: Worker, *, healthy: bool) -> None:
        if worker.lease is None:
            self.take(worker, self.store.claim(worker.id, host=worker.host, engines=worker.engines))
            if worker.lease is None:
                self.store.touch_worker(worker.id)
            return
        lease = worker.lease
        valid = self.is_valid(lease)
        try:
            self.step(worker, lease, healthy)
        except LeaseLost:
            self.expect(not valid, "a valid lease was refused")
            self.counts["stale writes refused"] += 1
            worker.lease = None
        else:
            self.expect(valid, "a stale lease was accepted")

    def take(self, worker: Worker, lease: Lease | None) -> None:
        """Let a worker begin with a job that it has claimed."""
        worker.lease = lease
        if lease is None:
            return
        worker.step = lease.job.checkpoint_step
        if lease.job.checkpoint is not None:
            self.expect(lease.job.checkpoint in self.files, "the saved state is not in the store")
        if self.is_unsupported(worker, lease):
            again = self.unsupported_at.get((worker.host, lease.job.id), -UNSUPPORTED_SECONDS)
            self.expect(self.now - again >= UNSUPPORTED_SECONDS, "a host got a job that it cannot read again")

    def is_unsupported(self, worker: Worker, lease: Lease) -> bool:
        return worker.old and lease.job.request["seed"] == LATER_SEED

    def step(self, worker: Worker, lease: Lease, healthy: bool) -> None:
        worker.step += 1
        roll = 1.0 if healthy else self.chance.random()
        if self.is_unsupported(worker, lease):
            self.store.give_back(lease, Outcome.UNSUPPORTED)
            self.unsupported_at[worker.host, lease.job.id] = self.now
            self.counts["unsupported requests"] += 1
            worker.lease = None
        elif roll < 0.06:
            self.store.fail(lease, "processing_error", "the engine broke", final=roll < 0.01)
            worker.lease = None
        elif roll < 0.16:
            self.store.checkpoint(lease, self.file(f"state-{lease.job.id}-{worker.step}"), worker.step)
        elif roll < 0.22:
            if self.chance.random() < 0.7:
                self.store.checkpoint(lease, self.file(f"state-{lease.job.id}-{worker.step}"), worker.step)
            self.store.give_back(lease)
            worker.lease = None
        elif worker.step < RUN_STEPS:
            done = 100 * worker.step // RUN_STEPS
            ran_for = max(0.0, self.now - lease.claimed_at)
            reply = self.store.heartbeat(
                lease, stage="sample", progress=done, preview=0, slice_seconds=15, ran_for=ran_for
            )
            if reply.cancel:
                self.store.acknowledge_cancel(lease)
                worker.lease = None
            elif reply.preempt:
                self.store.give_back(lease)
                worker.lease = None
        else:
            self.finish(worker, lease)

    def finish(self, worker: Worker, lease: Lease) -> None:
        """Finish a job, and claim the next one in the same transaction or later."""
        files = {
            role: MediaFile(self.file(f"{role}-{lease.job.id}-{lease.epoch}"), "video/mp4", 1)
            for role in ("video", "thumbnail", "spritesheet")
        }
        claim_next = self.chance.random() < 0.7
        following = self.store.finish(lease, files, {"seed": 0}, RETENTION, claim_next=claim_next)
        self.expect(claim_next or following is None, "a job was claimed that nobody asked for")
        self.counts["claimed with a finish"] += following is not None
        self.take(worker, following)
        # A worker that gets no answer from a failing connection finishes twice.
        running = self.running()
        try:
            self.store.finish(lease, files, {"seed": 0}, RETENTION, claim_next=True)
        except LeaseLost:
            self.expect(self.running() == running, "a stale lease claimed a job")
        else:
            raise InvariantBroken(f"seed {self.seed}: a job was finished twice")

    def running(self) -> set[str]:
        query = sa.select(jobs.c.id).where(jobs.c.project_id.in_(self.caps), jobs.c.status == Status.RUNNING)
        with self.database.read() as connection:
            return set(connection.scalars(query))

    def crash(self) -> None:
        worker = self.chance.choice(self.workers)
        self.counts["crashes"] += 1
        if self.chance.random() < 0.5:  # its parent notices
            self.store.lost(worker.id)
        self.workers[self.workers.index(worker)] = self.start_worker(
            worker.host, worker.engines, old=worker.old
        )

    def sleep(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.asleep_until = self.now + self.chance.uniform(1, 4 * self.store.lease_seconds)
        self.counts["pauses"] += 1

    def jump(self) -> None:
        self.now += self.chance.uniform(-MAX_JUMP / 10, MAX_JUMP)
        self.counts["clock jumps"] += 1

    def maintain(self) -> None:
        self.counts["leases taken"] += self.store.reap()
        self.counts["failed on every worker"] += self.store.give_up()
        if self.chance.random() < 0.2:
            for name in self.store.expire():
                self.final_files[name] = frozenset()
            referenced = self.store.digests()
            # Files that nothing refers to yet may belong to a job that is about to end, so only files of
            # ended jobs are removed; the real store waits for an hour.
            over = {name for name, job in self.jobs.items() if job.final}
            self.files = {
                file for file in self.files if file in referenced or not any(name in file for name in over)
            }

    # What must hold

    def check(self) -> None:
        """Compare all jobs with what they were before."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(jobs).where(jobs.c.project_id.in_(self.caps))).mappings()
            now = {row["id"]: read_job(row) for row in rows}
        self.expect(self.accepted <= set(now), "an accepted job is gone")
        for name, job in now.items():
            before = self.jobs.get(name)
            if before and before.status is not job.status:
                self.expect(
                    (before.status, job.status) in TRANSITIONS, f"{before.status} became {job.status}"
                )
            if before:
                self.expect(job.epoch >= before.epoch, "an epoch fell")
                self.expect(job.progress >= before.progress, "progress fell")
                if before.final:
                    self.expect(job.completed_at == before.completed_at, "an ended job ended again")
            leased = job.worker_id is not None and job.lease_until is not None
            self.expect(
                leased == (job.status is Status.RUNNING), "a lease without a running job, or none with one"
            )
        self.jobs = now
        for project, cap in self.caps.items():
            running = sum(j.project_id == project and j.status is Status.RUNNING for j in now.values())
            self.expect(cap is None or running <= cap, f"{running} jobs run of at most {cap}")
            waiting = sum(j.project_id == project and not j.final for j in now.values())
            self.expect(waiting <= 8, "more jobs than the quota allows")
        for name, job in now.items():
            if job.status is Status.COMPLETED and name not in self.final_files:
                files = self.store.artifacts(name)
                self.final_files[name] = frozenset(file.digest for file in files.values())
                self.expect(len(files) in (0, 3), "a job is complete without its files")
                self.expect(self.final_files[name] <= self.files, "a file is not there")

    def audit(self) -> None:
        """Check the records of jobs that have all ended."""
        with self.database.read() as connection:
            all_attempts = connection.execute(
                sa.select(attempts)
                .join(jobs)
                .where(jobs.c.project_id.in_(self.caps))
                .order_by(attempts.c.epoch)
            ).all()
            emitted = connection.execute(sa.select(events).where(events.c.project_id.in_(self.caps))).all()
            due = Counter(
                connection.scalars(
                    sa.select(deliveries.c.event_id).join(events).where(events.c.project_id.in_(self.caps))
                )
            )
        for name, job in self.jobs.items():
            tries = [attempt for attempt in all_attempts if attempt.job_id == name]
            self.expect([a.epoch for a in tries] == list(range(1, job.epoch + 1)), "an attempt is missing")
            self.expect(all(a.outcome is not None for a in tries), "an attempt has not ended")
            completed = sum(a.outcome == Outcome.COMPLETED for a in tries)
            self.expect(completed == (job.status is Status.COMPLETED), f"completed {completed} times")
            spent = sum(max(0.0, a.ended_at - a.started_at) for a in tries)
            self.expect(abs(spent - job.compute_seconds) < 1e-3, "the account of compute is wrong")
            failed = [a.host for a in tries if a.outcome == Outcome.FAILED]
            self.expect(len(set(failed)) == len(failed), "a host failed at a job twice")
            ends = [event for event in emitted if event.data["id"] == name]
            kind = "video.completed" if job.status is Status.COMPLETED else "video.failed"
            self.expect([event.type for event in ends] == [kind], "not exactly one event")
            subscribers = int(job.status is Status.COMPLETED)
            self.expect(due[ends[0].id] == subscribers, "not one delivery for each subscriber")
            self.counts[job.status.value] += 1

    def expect(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise InvariantBroken(f"seed {self.seed}: {sentence}")

    # Parts

    def start_worker(self, host: str, engines: tuple[str, ...] | None, *, old: bool = False) -> Worker:
        while True:
            try:
                return Worker(self.store.register_worker(host, 1, engines), host, engines, old)
            except Fault:
                continue

    def file(self, name: str) -> str:
        self.files.add(name[:64])
        return name[:64]

    def is_valid(self, lease: Lease) -> bool:
        with self.database.read() as connection:
            row: Any = connection.execute(
                sa.select(jobs.c.epoch, jobs.c.status).where(jobs.c.id == lease.job.id)
            ).one()
        return bool(row.epoch == lease.epoch and row.status == Status.RUNNING)

    def job_ids(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(jobs.c.id).where(jobs.c.project_id.in_(self.caps))))

    def any_job(self) -> Job | None:
        return self.chance.choice(list(self.jobs.values())) if self.jobs else None


def run_histories(url: str, seeds: Iterable[int]) -> Counter[str]:
    """Run one history for each seed in the database at `url`; returns how often each thing happened.

    Raises:
        InvariantBroken: an invariant does not hold; its message names the seed.
    """
    database = FaultyDatabase(url)
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
