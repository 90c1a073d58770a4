"""What do light users wait when somebody submits a day's work at once? The real scheduler, a virtual clock.

Eight slots. At time 0 one project queues 400 finals of 180 s each; twenty others send work at random times
for about seven hours, 70 % previews of 10 s and 30 % finals of 180 s. Extra wait is the time from sending a
job to its end, less the time that it takes. Policies:

    fifo        first in, first out
    priority    previews first, then first in, first out
    attained    `choose` of hinode.jobs.scheduling.schedule: classes, then the least attained compute; no job
                is preempted
    preemptive  with its `should_preempt`, as Hinode does it: after its time slice a job may be preempted at
                every heartbeat, and saving and loading it costs its slot 0.5 s
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import sys
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hinode.jobs.scheduling import schedule
from hinode.jobs.scheduling.schedule import Lane, Policy, Tenant
from hinode.jobs.states import Priority

BAR = 20.0
HEAVY = "heavy"
MODEL = "native/book"

Choose = Callable[[Sequence[Lane], dict[str, Tenant], float], Lane | None]


@dataclass(frozen=True)
class Load:
    """The work and the number of slots; times in seconds.

    Attributes:
        slots: jobs that run at once.
        bulk: finals that the heavy project queues at time 0.
        sent: jobs of the light projects.
        light: how many light projects there are.
        rate: jobs that they send per second, all together.
        previews: which part of these are previews.
        preview: what a preview takes.
        final: what a final takes.
        overhead: what preempting a job costs its slot.
        beat: time between two heartbeats of a running job.
    """

    slots: int = 8
    bulk: int = 400
    sent: int = 600
    light: int = 20
    rate: float = 0.025
    previews: float = 0.7
    preview: float = 10.0
    final: float = 180.0
    overhead: float = 0.5
    beat: float = 3.75


@dataclass(eq=False)
class Job:
    """One piece of work and what became of it."""

    project: str
    priority: Priority
    sent_at: float
    seconds: float
    left: float = field(init=False)
    started_at: float = 0.0
    finished_at: float = math.nan
    preemptions: int = 0

    def __post_init__(self) -> None:
        self.left = self.seconds

    @property
    def group(self) -> str:
        if self.project == HEAVY:
            return HEAVY
        return "light previews" if self.priority is Priority.PREVIEW else "light finals"

    @property
    def extra(self) -> float:
        return self.finished_at - self.sent_at - self.seconds

    def lane(self) -> Lane:
        key = f"{self.priority.value}:{self.project}:{MODEL}"
        return Lane(key, self.project, self.priority, MODEL, self.sent_at)


def jobs(load: Load, seed: int) -> list[Job]:
    """Everything that is sent, in the order of time."""
    dice = random.Random(seed)
    all_jobs = [Job(HEAVY, Priority.INTERACTIVE, 0.0, load.final) for _ in range(load.bulk)]
    now = 0.0
    for _ in range(load.sent):
        now += dice.expovariate(load.rate)
        project = f"light-{dice.randrange(load.light):02d}"
        if dice.random() < load.previews:
            all_jobs.append(Job(project, Priority.PREVIEW, now, load.preview))
        else:
            all_jobs.append(Job(project, Priority.INTERACTIVE, now, load.final))
    return all_jobs


class Farm:
    """Places, lanes and projects in a virtual time. Asks the policy whenever a slot is free."""

    def __init__(self, load: Load, choose: Choose, policy: Policy, preemptive: bool) -> None:
        self.load, self.choose, self.policy, self.preemptive = load, choose, policy, preemptive
        self.lanes: dict[str, list[tuple[float, int, Job]]] = {}
        self.tenants: dict[str, Tenant] = {}
        self.begun: dict[str, float] = {}  # of each project, the sum of the starts of its running jobs
        self.running: dict[Job, int] = {}
        self.stopping: set[Job] = set()
        self.free = load.slots
        self.now = 0.0
        self.number = count()
        self.events: list[tuple[float, int, Callable[[Job], None], Job]] = []
        self.order: dict[Job, int] = {}

    def run(self, sent: Sequence[Job]) -> float:
        """Work until everything is finished; the time at which it is."""
        for job in sent:
            self.order[job] = len(self.order)
            self.tenants.setdefault(job.project, Tenant(job.project, 0.0, 0.0, 1.0, 0, None))
            self.begun.setdefault(job.project, 0.0)
            self.at(job.sent_at, self.queue, job)
        while self.events:
            self.now, _, happen, job = heapq.heappop(self.events)
            happen(job)
            # Everything of one moment happens before slots are assigned.
            if not self.events or self.events[0][0] > self.now:
                self.assign()
        return max(job.finished_at for job in sent)

    def at(self, time: float, happen: Callable[[Job], None], job: Job) -> None:
        heapq.heappush(self.events, (time, next(self.number), happen, job))

    def queue(self, job: Job) -> None:
        insort(self.lanes.setdefault(job.lane().key, []), (job.sent_at, self.order[job], job))

    def heads(self) -> list[Lane]:
        return [waiting[0][2].lane() for waiting in self.lanes.values()]

    def accounts(self, projects: Iterable[str]) -> dict[str, Tenant]:
        """The projects, with what their running jobs have used so far."""
        accounts = {}
        for project in projects:
            tenant = self.tenants[project]
            had = schedule.attained(tenant, self.now, self.policy)
            had += tenant.running * self.now - self.begun[project]
            accounts[project] = tenant._replace(attained=had, attained_at=self.now)
        return accounts

    def assign(self) -> None:
        while self.free and (heads := self.heads()):
            lane = self.choose(heads, self.accounts(head.project_id for head in heads), self.now)
            if lane is None:
                return
            waiting = self.lanes[lane.key]
            self.start(waiting.pop(0)[2])
            if not waiting:
                del self.lanes[lane.key]

    def start(self, job: Job) -> None:
        self.free -= 1
        self.tenants[job.project] = self.tenants[job.project]._replace(
            running=self.tenants[job.project].running + 1
        )
        job.started_at = self.now
        self.begun[job.project] += self.now
        self.running[job] = job.preemptions
        self.at(self.now + job.left, self.finish, job)
        if self.preemptive and job.left > self.policy.time_slice:
            self.at(self.now + self.policy.time_slice, self.beat, job)

    def beat(self, job: Job) -> None:
        if job not in self.running or job in self.stopping:
            return
        ran_for = self.now - job.started_at
        if ran_for < self.policy.time_slice:  # a heartbeat of an earlier attempt
            return
        heads = self.heads()
        if schedule.should_preempt(
            job.lane(),
            heads,
            self.accounts({job.project, *(head.project_id for head in heads)}),
            now=self.now,
            policy=self.policy,
            ran_for=ran_for,
            yielding=len(self.stopping),
        ):
            job.left -= ran_for
            job.preemptions += 1
            self.stopping.add(job)
            self.at(self.now + self.load.overhead, self.stop, job)
        else:
            self.at(self.now + self.load.beat, self.beat, job)

    def stop(self, job: Job) -> None:
        self.stopping.remove(job)
        self.release(job)
        self.queue(job)

    def finish(self, job: Job) -> None:
        if self.running.get(job) != job.preemptions:  # it gave way before it got there
            return
        self.release(job)
        job.finished_at = self.now

    def release(self, job: Job) -> None:
        self.free += 1
        del self.running[job]
        self.begun[job.project] -= job.started_at
        tenant = self.tenants[job.project]
        had = schedule.attained(tenant, self.now, self.policy) + self.now - job.started_at
        self.tenants[job.project] = tenant._replace(
            attained=had, attained_at=self.now, running=tenant.running - 1
        )


def fifo(lanes: Sequence[Lane], tenants: dict[str, Tenant], now: float) -> Lane | None:
    """First in, first out."""
    return min(lanes, key=lambda lane: (lane.queued_at, lane.key))


def priority(lanes: Sequence[Lane], tenants: dict[str, Tenant], now: float) -> Lane | None:
    """Classes, and within one first in, first out."""
    return min(lanes, key=lambda lane: (lane.priority, lane.queued_at, lane.key))


def attained(lanes: Sequence[Lane], tenants: dict[str, Tenant], now: float) -> Lane | None:
    """What Hinode does."""
    return schedule.choose(lanes, tenants, now=now, policy=Policy(), resident=(MODEL,))


POLICIES: dict[str, tuple[Choose, bool]] = {
    "fifo": (fifo, False),
    "priority": (priority, False),
    "attained": (attained, False),
    "preemptive": (attained, True),
}
GROUPS = ("light previews", "light finals", HEAVY)


def simulate(name: str, load: Load, seed: int) -> dict[str, Any]:
    """The jobs, their extra waits by group, the makespan, and how often a job gave way."""
    choose, preemptive = POLICIES[name]
    sent = jobs(load, seed)
    makespan = Farm(load, choose, Policy(), preemptive).run(sent)
    return {
        "jobs": sent,
        "waits": {group: [job.extra for job in sent if job.group == group] for group in GROUPS},
        "makespan": makespan,
        "heavy_done": max(job.finished_at for job in sent if job.project == HEAVY),
        "preemptions": sum(job.preemptions for job in sent),
    }


def p95(waits: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(waits)[math.ceil(0.95 * len(waits)) - 1]


def measure(seeds: int) -> dict[str, Any]:
    """The table: seconds of extra wait, mean and p95 over all seeds, and light work's p95 of the worst."""
    table = {}
    for name in POLICIES:
        runs = [simulate(name, Load(), seed) for seed in range(seeds)]
        row: dict[str, Any] = {}
        for group in GROUPS:
            waits = [wait for run in runs for wait in run["waits"][group]]
            row[group] = {"mean": sum(waits) / len(waits), "p95": p95(waits)}
        row["light_p95_worst_seed"] = max(
            p95(run["waits"]["light previews"] + run["waits"]["light finals"]) for run in runs
        )
        for key in ("makespan", "heavy_done", "preemptions"):
            row[key] = sum(run[key] for run in runs) / seeds
        table[name] = row
    return {"seeds": seeds, "bar_seconds": BAR, "policies": table}


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fairness", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--seeds", type=int, default=5, help="different arrivals to average over (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    results = measure(options.seeds)
    if options.json:
        print(json.dumps(results))
        return
    print(f"extra wait in seconds, mean / p95, over {results['seeds']} seeds")
    print(f"{'':<12}{'light previews':>18}{'light finals':>18}{'heavy':>18}{'makespan':>10}{'preempted':>10}")
    for name, row in results["policies"].items():
        cells = (f"{row[group]['mean']:,.0f} / {row[group]['p95']:,.0f}" for group in GROUPS)
        print(f"{name:<12}" + "".join(f"{cell:>18}" for cell in cells), end="")
        print(f"{row['makespan']:>10,.0f}{row['preemptions']:>10,.0f}")
    worst = results["policies"]["preemptive"]["light_p95_worst_seed"]
    print(f"light work, p95 of the worst seed: {worst:.1f} s (bar: {BAR:g})")


if __name__ == "__main__":
    main(sys.argv[1:])
