"""What the autoscaler costs and how long jobs wait, against fixed fleets and one that knows the future.

The autoscaler of `hinode.jobs.capacity.scaling` decides every ten seconds of a virtual clock; the jobs are
handed out by `hinode.jobs.scheduling.schedule`. A minute meets the target if every job that was queued in it
started within `WAIT_TARGET` seconds. A worker is paid from its start, so a cold start is paid, until it has
ended.

    fixed       the fewest workers that meet the target in 95 % of the minutes; they are there from the start
    foresight   knows every job: it starts workers just in time, keeps an idle one only if that is cheaper
                than another start, leaves the 5 % of the minutes with most work out of the target, and pays
                nothing beyond the work itself for those
    work        the seconds of the jobs alone: no fleet can cost less
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import sys
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.traces import TRACES, Job, Trace, draw
from hinode.jobs.capacity.scaling import History, Limits, Observation, Worker, plan
from hinode.jobs.scheduling.schedule import POLICY, Lane, Tenant, attained, choose
from hinode.jobs.states import Priority

WAIT_TARGET = 120.0
COLD_STARTS = (60.0, 300.0)
MET = 0.95
TICK = 10.0
MAXIMUM = 400
SPARE = 3
"""Workers beyond the load that the autoscaled fleet begins with; a fixed one begins with all it has."""
BARS = {"day and night": 0.7, "flat": 1.1}
"""Of the cost of the cheapest fixed fleet that meets the same target."""
FORESIGHT_BAR = 1.3
MODEL = "native/book"

Decide = Callable[[Observation], tuple[int, Sequence[str]]]
"""How many workers to start, and which idle ones to end."""


@dataclass(eq=False)
class Slot:
    """A worker in the simulation."""

    id: str
    started_at: float
    ready_at: float
    since: float
    job: Job | None = None
    end: float = 0.0


@dataclass
class Fleet:
    """Workers that run the jobs of a trace; `decide` is asked every `TICK` seconds."""

    jobs: Sequence[Job]
    cold_start: float
    decide: Decide
    slots: dict[str, Slot] = field(default_factory=dict)
    paid: float = 0.0
    waits: list[tuple[float, float]] = field(default_factory=list)  # when a job came, and how long it waited

    def __post_init__(self) -> None:
        self.queues: dict[str, deque[Job]] = {}
        self.waiting = 0.0
        self.number = 0
        names = {job.project for job in self.jobs}
        self.tenants = {name: Tenant(name, 0.0, 0.0, 1.0, 0, None) for name in names}

    def run(self) -> float:
        """Work until all jobs are finished; returns the worker-seconds that were paid."""
        now, index, ends = 0.0, 0, list[tuple[float, str]]()
        tick = 0.0
        while index < len(self.jobs) or any(self.queues.values()) or ends:
            now = min(
                self.jobs[index].at if index < len(self.jobs) else tick, ends[0][0] if ends else tick, tick
            )
            while ends and ends[0][0] <= now:
                self.finish(self.slots[heapq.heappop(ends)[1]], now)
            while index < len(self.jobs) and self.jobs[index].at <= now:
                job = self.jobs[index]
                self.queues.setdefault(job.project, deque()).append(job)
                self.waiting += job.predicted
                index += 1
            if now >= tick:
                self.scale(now)
                tick += TICK
            self.assign(now, ends)
        return self.paid + sum(now - slot.started_at for slot in self.slots.values())

    def scale(self, now: float) -> None:
        start, drain = self.decide(self.observe(now))
        for worker_id in drain:
            self.paid += now - self.slots.pop(worker_id).started_at
        for _ in range(start):
            self.add(now, now + self.cold_start)

    def add(self, now: float, ready_at: float) -> None:
        self.number += 1
        self.slots[str(self.number)] = Slot(str(self.number), now, ready_at, ready_at)

    def observe(self, now: float) -> Observation:
        busy = [slot for slot in self.slots.values() if slot.job is not None]
        left = sum((slot.end - now) * slot.job.predicted / slot.job.seconds for slot in busy if slot.job)
        whole = sum(slot.job.predicted for slot in busy if slot.job)
        workers = [
            Worker(slot.id, slot.ready_at <= now, slot.job is not None, slot.since)
            for slot in self.slots.values()
        ]
        return Observation(now, max(0.0, self.waiting), left, whole / len(busy) if busy else 0.0, workers)

    def assign(self, now: float, ends: list[tuple[float, str]]) -> None:
        free = [slot for slot in self.slots.values() if slot.job is None and slot.ready_at <= now]
        while free:
            lanes = [
                Lane(name, name, Priority.INTERACTIVE, MODEL, queue[0].at)
                for name, queue in self.queues.items()
                if queue
            ]
            lane = choose(lanes, self.tenants, now=now, policy=POLICY) if lanes else None
            if lane is None:
                return
            slot, job = free.pop(), self.queues[lane.key].popleft()
            slot.job, slot.end = job, now + job.seconds
            self.waiting -= job.predicted
            self.waits.append((job.at, now - job.at))
            tenant = self.tenants[job.project]
            self.tenants[job.project] = tenant._replace(running=tenant.running + 1)
            heapq.heappush(ends, (slot.end, slot.id))

    def finish(self, slot: Slot, now: float) -> None:
        job, slot.job, slot.since = slot.job, None, now
        assert job is not None
        tenant = self.tenants[job.project]
        compute = attained(tenant, now, POLICY) + job.seconds
        self.tenants[job.project] = tenant._replace(
            attained=compute, attained_at=now, running=tenant.running - 1
        )

    def met(self) -> float:
        """The share of the minutes with jobs in which each of them started in time."""
        minutes: dict[int, bool] = {}
        for at, wait in self.waits:
            minutes[int(at // 60)] = minutes.get(int(at // 60), True) and wait <= WAIT_TARGET
        return sum(minutes.values()) / len(minutes)


def autoscaled(jobs: Sequence[Job], cold_start: float, first: int) -> tuple[float, float]:
    """Worker-seconds, and the share of minutes that met the target, of a fleet that begins with `first`."""
    limits = Limits(0, MAXIMUM, WAIT_TARGET, cold_start)
    history = History()

    def decide(seen: Observation) -> tuple[int, Sequence[str]]:
        nonlocal history
        decision = plan(history, seen, limits)
        history = decision.history
        return decision.start, decision.drain

    fleet = Fleet(jobs, cold_start, decide)
    for _ in range(first):
        fleet.add(0.0, 0.0)
    return fleet.run(), fleet.met()


def fixed(jobs: Sequence[Job], count: int) -> tuple[float, float]:
    """The same of a fleet that never changes."""
    fleet = Fleet(jobs, 0.0, lambda seen: (0, ()))
    for _ in range(count):
        fleet.add(0.0, 0.0)
    return fleet.run(), fleet.met()


def cheapest_fixed(jobs: Sequence[Job]) -> tuple[int, float]:
    """The fewest workers of a fixed fleet that meet the target, and their worker-seconds."""
    low, high = 0, 1
    while fixed(jobs, high)[1] < MET:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fixed(jobs, middle)[1] >= MET else (middle, high)
    return high, fixed(jobs, high)[0]


def foresight(jobs: Sequence[Job], cold_start: float) -> float:
    """Worker-seconds of a fleet that knows the jobs; see the head of this file."""
    minutes: dict[int, float] = {}
    for job in jobs:
        minutes[int(job.at // 60)] = minutes.get(int(job.at // 60), 0.0) + job.seconds
    count = int((1 - MET) * len(minutes))
    exempt = set(sorted(minutes, key=lambda minute: minutes[minute])[len(minutes) - count :])
    bound = [job for job in jobs if int(job.at // 60) not in exempt]
    extra = min(_starts_and_gaps(bound, cold_start, latest) for latest in (False, True))
    return sum(job.seconds for job in jobs) + extra


def _starts_and_gaps(jobs: Sequence[Job], cold_start: float, latest: bool) -> float:
    """What workers cost beside their work, if each job takes the worker that is free next before its time is
    over, the `latest` of these or the first."""
    free: list[float] = []
    extra = 0.0
    for job in jobs:
        before, until = bisect_right(free, job.at), bisect_right(free, job.at + WAIT_TARGET)
        if until > before:
            start = free.pop(until - 1 if latest else before)
        elif before:
            extra += min(job.at - free.pop(before - 1), cold_start)
            start = job.at
        else:
            extra += cold_start
            start = job.at
        insort(free, start + job.seconds)
    return extra


def measure(seeds: int, traces: Sequence[Trace] = TRACES) -> Iterator[dict[str, Any]]:
    """A row for each trace, seed and cold start; costs are in worker-hours."""
    for trace in traces:
        for seed in range(seeds):
            jobs = draw(trace, seed)
            count, fixed_cost = cheapest_fixed(jobs)
            first = math.ceil(trace.load(0.0)) + SPARE
            work = sum(job.seconds for job in jobs)
            for cold_start in COLD_STARTS:
                cost, met = autoscaled(jobs, cold_start, first)
                yield {
                    "trace": trace.name,
                    "seed": seed,
                    "cold_start": cold_start,
                    "jobs": len(jobs),
                    "met": met,
                    "hours": cost / 3600,
                    "fixed_workers": count,
                    "over_fixed": cost / fixed_cost,
                    "over_foresight": cost / foresight(jobs, cold_start),
                    "over_work": cost / work,
                }


def misses(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The bars that were missed, a sentence each."""
    sentences = []
    for row in rows:
        name = f"{row['trace']}, cold start {row['cold_start']:g} s, seed {row['seed']}"
        if row["met"] < MET:
            sentences.append(f"{name}: the target was met in {row['met']:.1%} of the minutes")
        if row["over_fixed"] > BARS.get(row["trace"], float("inf")):
            sentences.append(f"{name}: {row['over_fixed']:.2f} of the cheapest fixed fleet")
        if row["over_foresight"] > FORESIGHT_BAR:
            sentences.append(f"{name}: {row['over_foresight']:.2f} of the fleet with foresight")
    return sentences


def main(words: list[str]) -> None:
    """Measure and print; the exit status is 0 if every bar was met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks autoscale", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--seeds", type=int, default=3, help="different jobs of each trace (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    rows = []
    if not options.json:
        print(f"{'trace':<15}{'cold':>5}{'seed':>5}{'jobs':>8}{'met':>8}{'hours':>8}", end="")
        print(f"{'fixed fleet':>13}{'/ fixed':>9}{'/ foresight':>13}{'/ work':>8}", flush=True)
    for row in measure(options.seeds):
        rows.append(row)
        if not options.json:
            print(f"{row['trace']:<15}{row['cold_start']:>5g}{row['seed']:>5}{row['jobs']:>8,}", end="")
            print(f"{row['met']:>8.1%}{row['hours']:>8.1f}{row['fixed_workers']:>13}", end="")
            print(
                f"{row['over_fixed']:>9.2f}{row['over_foresight']:>13.2f}{row['over_work']:>8.2f}", flush=True
            )
    missed = misses(rows)
    if options.json:
        print(json.dumps({"rows": rows, "missed": missed}))
    else:
        print(f"bars: met 95 %; / fixed {BARS}; / foresight {FORESIGHT_BAR}")
        print("\n".join(missed) or "every bar is met")
    sys.exit(1 if missed else 0)
