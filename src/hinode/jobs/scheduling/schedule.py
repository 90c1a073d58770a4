"""Which job is next: a pure function of the waiting jobs, the running jobs and the compute of each project.

Waiting jobs form lanes, one for each class, project and model. A lane is first in, first out, so the decision
looks at the first job of each lane and never at the whole queue. Lanes are ordered by

1. **class**: previews and rush jobs before interactive jobs before batches. For every `ageing` seconds of
   waiting a job moves up one class, so that no job waits for ever behind a class above its own. Only the
   first lane of a class moves up, in the order of the rules below, and the others follow behind it: a long
   queue does not overtake its neighbours of the same class by growing old;
2. **entitlement**: projects that hold fewer slots than they are entitled to, then those at a fraction of a
   slot, then those that hold more. A slot is a worker that runs one job. Slots are divided by weight among
   the projects that want more, and no project is entitled to more than its cap (max-min fairness);
3. **attained compute**, divided by the weight: the project that has had the least is first. It fades with
   `half_life`. Entitlement comes before it, so that a new project without a past cannot take every slot;
4. time of queueing, and the lane's key: there are no ties.

Two bonuses change rule 3 and no other. A lane whose model is already in the worker's memory counts as having
had `residency_bonus` seconds less, as long as no other job of its class has waited `residency_patience`
seconds longer. A running job counts as having had `preemption_margin` seconds less when it may be preempted:
two equal projects swap slots only now and then, and a preempted job is not resumed at once.

Nothing here reads a clock, a table or a random number. The rules are those of weighted max-min fair
allocation (Bertsekas and Gallager, Data Networks, 6.5), with least attained service in the place of virtual
time, because the cost of a job is only known once it has been spent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from hinode.jobs.states import Priority

EPSILON = 1e-9
"""Numbers of slots closer together than this are equal: fractions of weights do not add up exactly."""


@dataclass(frozen=True)
class Policy:
    """The parameters of the schedule, in seconds.

    Attributes:
        half_life: time in which attained compute fades to a half.
        ageing: waiting time that moves a job up one class.
        residency_bonus: compute that a lane is forgiven if its model is in the worker's memory; about what
            loading a model takes.
        residency_patience: the bonus counts only for jobs queued at most so long after the oldest job of
            their class.
        time_slice: time that a job may run before it can be preempted.
        preemption_margin: compute by which the project of a running job has to be ahead before an equal
            preempts it.
        preemption_delay: time that a job has to wait before it preempts another; an idle worker takes it
            sooner.
    """

    half_life: float = 3600.0
    ageing: float = 600.0
    residency_bonus: float = 10.0
    residency_patience: float = 30.0
    time_slice: float = 10.0
    preemption_margin: float = 60.0
    preemption_delay: float = 1.0

    def __post_init__(self) -> None:
        if not (self.half_life > 0 and self.ageing > 0):
            raise ValueError("half_life and ageing have to be more than 0")


POLICY = Policy()
"""The parameters of the service."""


# Lanes and tenants are named tuples because every claim builds one for each lane and project of the queue
# while it holds the database's write lock; a frozen dataclass takes three times as long to build.


class Lane(NamedTuple):
    """Waiting jobs of one class, project and model, described by the first of them.

    Attributes:
        key: name of the lane, unique; see `lane_key`.
        priority: the class.
        model: "engine/model" that the jobs need.
        queued_at: when the first job was queued, in seconds since 1970; a job that was preempted or retried
            keeps its time.
        served: compute in seconds that the first job has had in earlier attempts, which was no waiting.
    """

    key: str
    project_id: str
    priority: Priority
    model: str
    queued_at: float
    served: float = 0.0

    @classmethod
    def of(cls, key: str, queued_at: float, served: float) -> Lane:
        """The lane with a key that `lane_key` wrote."""
        project, priority, model = _parse_lane_key(key)
        return cls(key, project, priority, model, queued_at, served)

    @property
    def engine(self) -> str:
        """Name of the engine that the jobs need."""
        return self.model.partition("/")[0]


@lru_cache(10_000)
def _parse_lane_key(key: str) -> tuple[str, Priority, str]:
    priority, project, model = key.split(":", 2)
    return project, Priority(int(priority)), model


def lane_key(project_id: str, priority: Priority, engine: str, model: str) -> str:
    """The lane that a job waits in; the jobs of a lane start in the order in which they were queued."""
    return f"{int(priority.queue)}:{project_id}:{engine}/{model}"


class Tenant(NamedTuple):
    """The compute and the limits of a project.

    Attributes:
        attained: compute in seconds that it had had at `attained_at`, its running jobs included.
        weight: its share when there are more jobs than slots: 2 gets twice as much as 1, and 0 gets only what
            no other project wants.
        running: number of its running jobs.
        max_running: how many may run, or None for no cap.
    """

    project_id: str
    attained: float
    attained_at: float
    weight: float
    running: int
    max_running: int | None


def attained(tenant: Tenant, now: float, policy: Policy) -> float:
    """Compute in seconds that `tenant` has had, as far as it still counts at `now`."""
    if now <= tenant.attained_at:  # the clock may have been set back
        return tenant.attained
    return tenant.attained * math.exp2((tenant.attained_at - now) / policy.half_life)


def level(lane: Lane, now: float, policy: Policy) -> int:
    """The class of the lane's first job, from 0: its own, or a better one after waiting."""
    waited = max(0.0, now - lane.queued_at - lane.served)
    return max(0, lane.priority - int(waited / policy.ageing))


def choose(
    lanes: Sequence[Lane],
    tenants: Mapping[str, Tenant],
    *,
    now: float,
    policy: Policy,
    resident: Collection[str] = (),
) -> Lane | None:
    """The lane whose first job should start on a free slot, or None if none may; see `order`."""
    return next(order(lanes, tenants, now=now, policy=policy, resident=resident), None)


def should_preempt(
    running: Lane,
    lanes: Sequence[Lane],
    tenants: Mapping[str, Tenant],
    *,
    now: float,
    policy: Policy,
    ran_for: float,
    yielding: int = 0,
) -> bool:
    """Whether a running job should be saved and queued again in favour of a waiting one.

    True only if `choose` would then give the slot to another job, and would not give it back at once. See
    `order` for the other arguments.

    Args:
        running: the lane of the running job, with that job's own `queued_at`.
        ran_for: seconds since the first step of this attempt. Loading a model or a checkpoint does not
            count: a job that had no time to do anything must not be preempted.
        yielding: running jobs that were already told to stop for others; each frees a slot for one.
    """
    if ran_for < policy.time_slice:
        return False
    waiting = [
        lane for lane in lanes if lane.key != running.key and now - lane.queued_at >= policy.preemption_delay
    ]
    if len(waiting) <= yielding:
        return False
    tenant = tenants[running.project_id]
    others = {**tenants, running.project_id: tenant._replace(running=max(0, tenant.running - 1))}
    stopped = running._replace(served=running.served + ran_for)
    ahead = 0
    for lane in order(
        [*waiting, stopped], others, now=now, policy=policy, resident=(running.model,), preempted=stopped
    ):
        if lane is stopped:
            break
        ahead += 1
    return ahead > yielding


def entitlements(lanes: Sequence[Lane], tenants: Mapping[str, Tenant]) -> dict[str, float]:
    """How many slots each project with a waiting job is entitled to.

    The slots that these projects hold, and one more, are divided among them by weight. A project whose cap is
    below its share is entitled to its cap, and the others divide the rest.
    """
    waiting = {lane.project_id: tenants[lane.project_id] for lane in lanes}
    caps = {project: _cap(tenant) for project, tenant in waiting.items()}
    entitled = dict.fromkeys(waiting, 0.0)
    weights = {project: tenant.weight for project, tenant in waiting.items() if tenant.weight > 0}
    left, weight = 1.0 + sum(tenant.running for tenant in waiting.values()), sum(weights.values())
    for project in sorted(weights, key=lambda project: (caps[project] / weights[project], project)):
        entitled[project] = min(caps[project], left * weights[project] / weight)
        left -= entitled[project]
        # Rounding may leave a weight of 0 or less while a project is still to be served.
        weight = max(weight - weights[project], weights[project] * EPSILON)
    return entitled


def order(
    lanes: Sequence[Lane],
    tenants: Mapping[str, Tenant],
    *,
    now: float,
    policy: Policy,
    resident: Collection[str] = (),
    preempted: Lane | None = None,
) -> Iterator[Lane]:
    """The lanes that may start a job now in the order of the schedule, without projects at their cap.

    Args:
        lanes: the lanes with a job that may start, in any order.
        tenants: by project, at least those of `lanes`.
        now: seconds since 1970.
        policy: the parameters.
        resident: models ("engine/model") in the memory of the worker.
        preempted: that one of `lanes` whose job may be preempted.
    """
    lanes = [lane for lane in lanes if tenants[lane.project_id].running < _cap(tenants[lane.project_id])]
    accounts: dict[str, tuple[int, float, float]] = {}  # rank, share of compute, and what a second adds to it
    for project, entitled in entitlements(lanes, tenants).items():
        tenant = tenants[project]
        per_second = 1.0 / tenant.weight if tenant.weight > 0 else 0.0
        share = attained(tenant, now, policy) * per_second if per_second else math.inf
        accounts[project] = (_entitlement_rank(tenant.running, entitled), share, per_second)
    classes: dict[Priority, list[Lane]] = {}
    for lane in lanes:
        classes.setdefault(lane.priority, []).append(lane)
    queues: list[list[tuple[tuple[int, float, float, str], Lane]]] = []
    for members in classes.values():
        patient = min(lane.queued_at for lane in members) + policy.residency_patience
        queue = []
        for lane in members:
            rank, share, per_second = accounts[lane.project_id]
            if lane is preempted:
                share -= policy.preemption_margin * per_second
            if lane.model in resident and lane.queued_at <= patient:
                share -= policy.residency_bonus * per_second
            queue.append(((rank, share, lane.queued_at, lane.key), lane))
        queue.sort(reverse=True)
        queues.append(queue)
    while queues:
        queue = min(queues, key=lambda queue: (level(queue[-1][1], now, policy), queue[-1][0]))
        yield queue.pop()[1]
        if not queue:
            queues.remove(queue)


def _cap(tenant: Tenant) -> float:
    return math.inf if tenant.max_running is None else tenant.max_running


def _entitlement_rank(running: int, entitled: float) -> int:
    """0: a whole slot is owed; 1: a fraction of one; 2: none."""
    if running < math.floor(entitled + EPSILON):
        return 0
    return 1 if running < math.ceil(entitled - EPSILON) else 2
