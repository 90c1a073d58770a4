"""Who is next: a pure function of what waits, what runs and what everybody has had.

Waiting jobs come in lanes (one per class, project and model; first in, first out), so that the decision looks
at a handful of heads and never at the whole queue. Lanes are ordered by

1. **class**: previews before interactive work before batches. Every `ageing` seconds of waiting move a job up
   one class, so that none waits for ever behind a class above its own. It is the first lane of a class that
   moves up, as the rules below have it, and the others follow behind it: a queue of hundreds does not pass
   its neighbours of the same class by growing old;
2. **standing**: projects that hold fewer places than they are entitled to right now, then those at a fraction
   of a place, then those that hold more. The places of those who want more are divided by weight, and as
   water finds its level: nobody is entitled to more than their cap (max-min fairness);
3. **attained compute**, weighted: whoever has had the least goes first. It fades with `half_life`, so a past
   of plenty is forgiven; standing comes before it, so that a newcomer without a past cannot take every place;
4. time of queueing, and the lane's key: there are no ties.

Two bonuses bend rule 3 and nothing else. A lane whose model is already in the worker's memory counts as
having had `residency_bonus` seconds less, as long as no other job of its class has waited
`residency_patience` seconds longer. And a job that runs counts as having had `reluctance` seconds less when
it is asked to give way: two equals swap places only every so often, and one that gave way is not called back
at once.

Nothing here reads a clock, a table or a random number. The rules are those of weighted max-min fair
allocation (Bertsekas and Gallager, Data Networks, 6.5), with least attained service in the place of virtual
time, because what a job costs is only known once it has been spent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hinode.jobs.states import Priority

EPSILON = 1e-9
"""Places closer together than this are the same: fractions of weights do not add up exactly."""


@dataclass(frozen=True)
class Policy:
    """What the schedule weighs, in seconds.

    Attributes:
        half_life: in which attained compute fades to a half.
        ageing: waiting so long moves a job up one class.
        residency_bonus: compute that a lane is forgiven if the worker has its model in memory; about what it
            takes to load one.
        residency_patience: a job is overtaken thanks to that bonus only by jobs queued at most so much later.
        slice: that a job may run before it can be asked to give way.
        reluctance: compute that a running job's project has to be ahead before it gives way to an equal.
        notice: that a job has to wait before another gives way to it; an idle worker takes it sooner.
    """

    half_life: float = 3600.0
    ageing: float = 600.0
    residency_bonus: float = 10.0
    residency_patience: float = 30.0
    slice: float = 15.0
    reluctance: float = 60.0
    notice: float = 1.0

    def __post_init__(self) -> None:
        if not (self.half_life > 0 and self.ageing > 0):
            raise ValueError("half_life and ageing have to be more than 0")


@dataclass(frozen=True)
class Lane:
    """Jobs of one class, project and model, of which the first one is looked at.

    Attributes:
        key: names the lane; no two lanes have the same.
        project_id: whose jobs they are.
        priority: their class.
        model: "engine/model" that they need.
        queued_at: when the first one was queued, in seconds since 1970; a job that gave way or was retried
            keeps the time that it had.
        served: compute in seconds that the first one has had in earlier attempts: that was no waiting.
    """

    key: str
    project_id: str
    priority: Priority
    model: str
    queued_at: float
    served: float = 0.0


@dataclass(frozen=True)
class Tenant:
    """What a project has had and may have.

    Attributes:
        project_id: which project.
        attained: compute in seconds that it had had at `attained_at`, jobs that still run included.
        attained_at: seconds since 1970.
        weight: its share when there is more work than places: 2 gets twice as much as 1, and 0 only what
            nobody else wants.
        running: its jobs that run now.
        most_running: how many may, or None for no cap.
    """

    project_id: str
    attained: float
    attained_at: float
    weight: float
    running: int
    most_running: int | None


def attained(tenant: Tenant, now: float, policy: Policy) -> float:
    """Compute in seconds that `tenant` has had, as far as it still counts at `now`."""
    # A clock that was set back makes nobody's past grow.
    return tenant.attained * math.exp2(-max(0.0, now - tenant.attained_at) / policy.half_life)


def level(lane: Lane, now: float, policy: Policy) -> int:
    """The class of the lane's first job, from 0: its own, or a better one for having waited."""
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
    """The lane whose first job should start on a place that has become free, or None if none may.

    Args:
        lanes: those with a job waiting, in any order.
        tenants: by project; those of `lanes` are looked at.
        now: seconds since 1970.
        policy: what to weigh.
        resident: models ("engine/model") that the place has in its memory.
    """
    return next(_in_order(lanes, tenants, now=now, policy=policy, resident=resident), None)


def order(
    lanes: Sequence[Lane],
    tenants: Mapping[str, Tenant],
    *,
    now: float,
    policy: Policy,
    resident: Collection[str] = (),
) -> list[Lane]:
    """All lanes that may start a job now, the one that `choose` gives first, without those at their cap."""
    return list(_in_order(lanes, tenants, now=now, policy=policy, resident=resident))


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
    """Whether a running job should be saved and queued again for the sake of one that waits.

    True only if `choose` would then give the place to another, and would not take it back at once.

    Args:
        running: the lane of the running job, with that job's own `queued_at`.
        lanes: those with a job waiting.
        tenants: by project, the running job counted; those of `lanes` and its own are looked at.
        now: seconds since 1970.
        policy: what to weigh.
        ran_for: seconds since its first step in this attempt (loading a model or a checkpoint does not
            count: a job that had no time to do anything must not give way).
        yielding: running jobs that were told to give way and still run; each will make room for one.
    """
    if ran_for < policy.slice:
        return False
    waiting = [lane for lane in lanes if lane.key != running.key and now - lane.queued_at >= policy.notice]
    if len(waiting) <= yielding:
        return False
    tenant = tenants[running.project_id]
    without = {**tenants, running.project_id: replace(tenant, running=max(0, tenant.running - 1))}
    stopped = replace(running, served=running.served + ran_for)
    ahead = 0
    for lane in _in_order(
        [*waiting, stopped], without, now=now, policy=policy, resident=(running.model,), staying=stopped
    ):
        if lane is stopped:
            break
        ahead += 1
    return ahead > yielding


def places(lanes: Sequence[Lane], tenants: Mapping[str, Tenant]) -> dict[str, float]:
    """How many places each project with a job waiting is entitled to.

    What these projects hold now, and one place more, is divided among them by weight. Who may hold fewer than
    that because of a cap is entitled to as many as they may, and the others divide the rest.
    """
    waiting = {lane.project_id: tenants[lane.project_id] for lane in lanes}
    most = {
        project: math.inf if tenant.most_running is None else tenant.most_running
        for project, tenant in waiting.items()
    }
    entitled = dict.fromkeys(waiting, 0.0)
    weights = {project: tenant.weight for project, tenant in waiting.items() if tenant.weight > 0}
    left, weight = 1.0 + sum(tenant.running for tenant in waiting.values()), sum(weights.values())
    for project in sorted(weights, key=lambda project: (most[project] / weights[project], project)):
        entitled[project] = min(most[project], left * weights[project] / weight)
        left -= entitled[project]
        # Differences of fractions may come out as 0 or less while somebody is still to be served.
        weight = max(weight - weights[project], weights[project] * EPSILON)
    return entitled


def _in_order(
    lanes: Sequence[Lane],
    tenants: Mapping[str, Tenant],
    *,
    now: float,
    policy: Policy,
    resident: Collection[str],
    staying: Lane | None = None,
) -> Iterator[Lane]:
    """The lanes that may start a job, the first one first."""
    classes: dict[Priority, list[Lane]] = {}
    for lane in lanes:
        if _below_cap(tenants[lane.project_id]):
            classes.setdefault(lane.priority, []).append(lane)
    entitled = places([lane for members in classes.values() for lane in members], tenants)
    keys: dict[str, tuple[int, float, float, str]] = {}
    for members in classes.values():
        patient = min(lane.queued_at for lane in members) + policy.residency_patience
        for lane in members:
            tenant = tenants[lane.project_id]
            had = attained(tenant, now, policy)
            if lane is staying:
                had -= policy.reluctance
            if lane.model in resident and lane.queued_at <= patient:
                had -= policy.residency_bonus
            share = had / tenant.weight if tenant.weight > 0 else math.inf
            standing = _standing(tenant.running, entitled[lane.project_id])
            keys[lane.key] = (standing, share, lane.queued_at, lane.key)
        members.sort(key=lambda lane: keys[lane.key], reverse=True)
    while classes:
        first = min(
            classes.values(), key=lambda members: (level(members[-1], now, policy), keys[members[-1].key])
        )
        lane = first.pop()
        if not first:
            del classes[lane.priority]
        yield lane


def _below_cap(tenant: Tenant) -> bool:
    return tenant.most_running is None or tenant.running < tenant.most_running


def _standing(running: int, entitled: float) -> int:
    """0: a whole place is owed; 1: a fraction of one; 2: none."""
    if running < math.floor(entitled + EPSILON):
        return 0
    return 1 if running < math.ceil(entitled - EPSILON) else 2
