from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hinode.jobs.scheduling.schedule import (
    Lane,
    Policy,
    Tenant,
    attained,
    choose,
    entitlements,
    level,
    order,
    should_preempt,
)
from hinode.jobs.states import Priority

NOW = 1_800_000_000.0
POLICY = Policy()
CLASSES = PREVIEW, INTERACTIVE, BATCH = Priority.PREVIEW, Priority.INTERACTIVE, Priority.BATCH


def lane(
    project: str,
    priority: Priority = INTERACTIVE,
    *,
    waited: float = 60.0,
    model: str = "native/book",
    served: float = 0.0,
) -> Lane:
    key = f"{priority.value}:{project}:{model}"
    return Lane(key, project, priority, model, NOW - waited, served)


def tenant(
    project: str, had: float = 0.0, *, weight: float = 1.0, running: int = 0, cap: int | None = None
) -> Tenant:
    return Tenant(project, had, NOW, weight, running, cap)


def book(*tenants: Tenant) -> dict[str, Tenant]:
    return {tenant.project_id: tenant for tenant in tenants}


def chosen(lanes: Sequence[Lane], *tenants: Tenant, resident: Sequence[str] = ()) -> str | None:
    first = choose(lanes, book(*tenants), now=NOW, policy=POLICY, resident=resident)
    return first and first.project_id


# Any queue: a handful of projects with any past, some of them with work in any class and of either model.
@st.composite
def queues(draw: st.DrawFn, minimum: int = 0) -> tuple[list[Lane], dict[str, Tenant]]:
    names = [f"proj_{number}" for number in range(draw(st.integers(1, 6)))]
    tenants = book(
        *(
            tenant(
                name,
                draw(st.floats(0, 50_000)),
                weight=draw(st.sampled_from([0.0, 0.1, 1.0, 1.0, 1.0, 2.0, 7.0])),
                running=draw(st.integers(0, 4)),
                cap=draw(st.sampled_from([None, None, 0, 1, 3])),
            )
            for name in names
        )
    )
    lanes = draw(
        st.lists(
            st.builds(
                lane,
                st.sampled_from(names),
                st.sampled_from(CLASSES),
                waited=st.floats(-10, 5_000),
                model=st.sampled_from(["native/book", "native/mini"]),
                served=st.sampled_from([0.0, 0.0, 30.0]),
            ),
            min_size=minimum,
            max_size=10,
            unique_by=lambda lane: lane.key,
        )
    )
    return lanes, tenants


resident_models = st.sets(st.sampled_from(["native/book", "native/mini"]))


@given(queues(), resident_models)
def test_the_order_holds_every_lane_below_its_cap_once(
    queue: tuple[list[Lane], dict[str, Tenant]], resident: set[str]
) -> None:
    lanes, tenants = queue
    ordered = list(order(lanes, tenants, now=NOW, policy=POLICY, resident=resident))
    may = [
        lane
        for lane in lanes
        if (cap := tenants[lane.project_id].max_running) is None or tenants[lane.project_id].running < cap
    ]
    assert Counter(lane.key for lane in ordered) == Counter(lane.key for lane in may)
    assert choose(lanes, tenants, now=NOW, policy=POLICY, resident=resident) == (
        ordered[0] if ordered else None
    )


@given(queues(minimum=2), resident_models, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_queue_was_read(
    queue: tuple[list[Lane], dict[str, Tenant]], resident: set[str], dice: object
) -> None:
    lanes, tenants = queue
    ordered = list(order(lanes, tenants, now=NOW, policy=POLICY, resident=resident))
    shuffled, names = lanes[:], list(tenants)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    dice.shuffle(names)  # type: ignore[attr-defined]
    again = {name: tenants[name] for name in names}
    assert list(order(shuffled, again, now=NOW, policy=POLICY, resident=resident)) == ordered


@given(queues(minimum=1), st.floats(0, 1_000_000))
def test_only_differences_of_time_matter(queue: tuple[list[Lane], dict[str, Tenant]], later: float) -> None:
    later = round(later)  # seconds since 1970 and fractions of them do not add up exactly
    lanes = [lane._replace(queued_at=round(lane.queued_at)) for lane in queue[0]]
    moved = [lane._replace(queued_at=lane.queued_at + later) for lane in lanes]
    tenants = {name: tenant._replace(attained_at=NOW + later) for name, tenant in queue[1].items()}
    before = list(order(lanes, queue[1], now=NOW, policy=POLICY))
    after = list(order(moved, tenants, now=NOW + later, policy=POLICY))
    assert [lane.key for lane in after] == [lane.key for lane in before]


@given(queues())
def test_places_are_divided_without_rest_and_by_weight(
    queue: tuple[list[Lane], dict[str, Tenant]],
) -> None:
    lanes, tenants = queue
    entitled = entitlements(lanes, tenants)
    assert set(entitled) == {lane.project_id for lane in lanes}
    total = 1 + sum(tenants[project].running for project in entitled)
    hungry = []
    for project, share in entitled.items():
        account = tenants[project]
        assert share >= 0
        assert account.max_running is None or share <= account.max_running + 1e-6
        if account.weight and (account.max_running is None or share < account.max_running - 1e-6):
            hungry.append(share / account.weight)
    assert sum(entitled.values()) <= total + 1e-6
    if hungry:  # whoever could use more than they are entitled to gets as much per weight as any other
        assert sum(entitled.values()) == pytest.approx(total)
        assert hungry == pytest.approx([hungry[0]] * len(hungry))
        largest_share = max(share / tenants[project].weight for project, share in entitled.items() if share)
        assert hungry[0] == pytest.approx(largest_share)


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.floats(0, 1e5))
def test_what_was_attained_fades_by_half_in_a_half_life(had: float, first: float, second: float) -> None:
    account = tenant("a", had)
    assert attained(account, NOW, POLICY) == had
    assert attained(account, NOW + POLICY.half_life, POLICY) == pytest.approx(had / 2)
    assert attained(account, NOW - 100, POLICY) == had, "a clock that is set back adds nothing"
    there = account._replace(attained=attained(account, NOW + first, POLICY), attained_at=NOW + first)
    whole = attained(account, NOW + first + second, POLICY)
    assert attained(there, NOW + first + second, POLICY) == pytest.approx(whole, abs=1e-3)


def test_classes_go_in_their_order_whatever_their_projects_have_had() -> None:
    lanes = [lane("a", BATCH, waited=99), lane("b", INTERACTIVE, waited=50), lane("c", PREVIEW, waited=1)]
    tenants = book(tenant("a"), tenant("b", 100), tenant("c", 9_000, running=5))
    ordered = list(order(lanes, tenants, now=NOW, policy=POLICY))
    assert [lane.priority for lane in ordered] == [PREVIEW, INTERACTIVE, BATCH]


@pytest.mark.parametrize(
    ("waited", "expected"), [(0, 2), (599, 2), (600, 1), (1_199, 1), (1_200, 0), (9_999, 0), (-5, 2)]
)
def test_waiting_moves_a_job_up(waited: float, expected: int) -> None:
    assert level(lane("a", BATCH, waited=waited), NOW, POLICY) == expected
    assert level(lane("a", PREVIEW, waited=waited), NOW, POLICY) == 0


def test_time_of_being_worked_on_is_no_waiting() -> None:
    assert level(lane("a", BATCH, waited=1_300, served=701), NOW, POLICY) == 2


def test_a_queue_that_grew_old_does_not_pass_a_neighbour_of_its_class() -> None:
    lanes = [lane("heavy", waited=5_000), lane("light", waited=1)]
    assert chosen(lanes, tenant("heavy", 20_000, running=1), tenant("light")) == "light"
    # But it passes previews of one that has had more.
    lanes = [lane("heavy", waited=5_000), lane("other", PREVIEW, waited=1)]
    assert chosen(lanes, tenant("heavy", 300), tenant("other", 900)) == "heavy"
    assert chosen(lanes, tenant("heavy", 900), tenant("other", 300)) == "other"


def test_the_project_with_the_least_compute_for_its_weight_goes_first() -> None:
    lanes = [lane("a", waited=90), lane("b", waited=10)]
    assert chosen(lanes, tenant("a", 300), tenant("b", 200)) == "b"
    assert chosen(lanes, tenant("a", 300, weight=2), tenant("b", 200)) == "a"
    assert chosen(lanes, tenant("a", 200), tenant("b", 200)) == "a", "first come"
    assert chosen([lane("b"), lane("a")], tenant("a"), tenant("b")) == "a", "the key decides at last"
    assert chosen(lanes, tenant("a", 10, weight=0), tenant("b", 900)) == "b"
    assert chosen(lanes[:1], tenant("a", 10, weight=0)) == "a", "nobody else wants it"


def test_a_newcomer_gets_half_of_the_places_and_not_all() -> None:
    lanes = [lane("old", waited=3_000), lane("new", waited=5)]
    running = {"old": 8, "new": 0}
    for _ in range(50):  # one slot after another becomes free, always of the project with more of them
        running[max(running, key=running.__getitem__)] -= 1
        project = chosen(
            lanes, tenant("old", 40_000, running=running["old"]), tenant("new", running=running["new"])
        )
        assert project is not None
        running[project] += 1
    assert running == {"old": 4, "new": 4}


def test_a_model_in_memory_is_preferred_while_nobody_waits_too_long_for_it() -> None:
    there, other = lane("a", waited=20, model="native/book"), lane("b", waited=40, model="native/mini")
    assert chosen([there, other], tenant("a"), tenant("b"), resident=["native/book"]) == "a"
    assert chosen([there, other], tenant("a", 11), tenant("b"), resident=["native/book"]) == "b"
    late = lane("b", waited=51, model="native/mini")
    assert chosen([there, late], tenant("a"), tenant("b"), resident=["native/book"]) == "b"
    mine = lane("a", waited=40, model="native/mini")
    assert chosen([there, mine], tenant("a"), resident=["native/book"]) == "a"
    chosen_lane = choose([there, mine], book(tenant("a")), now=NOW, policy=POLICY, resident=["native/book"])
    assert chosen_lane == there


# Giving way


def asks(
    running: Lane, lanes: Sequence[Lane], *tenants: Tenant, ran_for: float = 30.0, yielding: int = 0
) -> bool:
    return should_preempt(
        running, lanes, book(*tenants), now=NOW, policy=POLICY, ran_for=ran_for, yielding=yielding
    )


def test_a_long_job_gives_way_to_a_preview_and_to_a_lighter_project_after_its_slice() -> None:
    heavy = tenant("heavy", 900, running=1)
    job = lane("heavy", waited=100)
    assert asks(job, [lane("heavy", PREVIEW)], heavy)
    assert asks(job, [lane("light")], heavy, tenant("light"))
    assert not asks(job, [lane("light")], heavy, tenant("light"), ran_for=POLICY.time_slice - 0.1)
    assert not asks(job, [lane("light", waited=0.5)], heavy, tenant("light")), "an idle worker may take it"
    assert not asks(job, [lane("light")], heavy, tenant("light"), yielding=1), "another makes room"
    assert not asks(job, [lane("light", BATCH)], heavy, tenant("light"))
    assert not asks(job, [lane("heavy")], heavy), "its own lane is behind it"
    assert not asks(job, [], heavy)
    assert not asks(job, [lane("light")], heavy, tenant("light", running=1, cap=1)), "it could not start"


def test_equals_do_not_swap_places() -> None:
    job = lane("a", waited=100)
    assert not asks(job, [lane("b")], tenant("a", 59, running=1), tenant("b"))
    assert asks(job, [lane("b")], tenant("a", 80, running=1), tenant("b"))
    assert not asks(job, [lane("b", model="native/mini")], tenant("a", 69, running=1), tenant("b"))


def test_a_long_final_keeps_giving_way_to_previews_however_long_it_has_been_worked_on() -> None:
    job = lane("a", waited=3_000, served=2_900)
    assert asks(job, [lane("a", PREVIEW)], tenant("a", 3_000, running=1))


def test_a_project_above_its_cap_makes_room() -> None:
    job = lane("a", PREVIEW, waited=100)
    assert asks(job, [lane("b", BATCH)], tenant("a", 0, running=3, cap=2), tenant("b", 900))
    assert not asks(job, [lane("b", BATCH)], tenant("a", 0, running=2, cap=2), tenant("b", 900))


@given(queues(minimum=2), st.floats(0, 300))
def test_a_preempted_job_is_not_resumed_at_once_and_the_other_keeps_the_slot(
    queue: tuple[list[Lane], dict[str, Tenant]], ran_for: float
) -> None:
    (job, *waiting), tenants = queue
    mine = tenants[job.project_id]
    tenants = {**tenants, job.project_id: mine._replace(running=mine.running + 1)}
    waiting = [lane for lane in waiting if NOW - lane.queued_at >= POLICY.preemption_delay]
    if not should_preempt(job, waiting, tenants, now=NOW, policy=POLICY, ran_for=ran_for):
        return
    assert ran_for >= POLICY.time_slice
    stopped = job._replace(served=job.served + ran_for)
    tenants[job.project_id] = mine
    chosen_lane = choose([stopped, *waiting], tenants, now=NOW, policy=POLICY, resident=[job.model])
    assert chosen_lane is not None
    assert chosen_lane.key != job.key
    # And now that it has the place, all who wait cannot move it away from there.
    owner = tenants[chosen_lane.project_id]
    tenants[chosen_lane.project_id] = owner._replace(running=owner.running + 1)
    assume(NOW - stopped.queued_at >= POLICY.preemption_delay)
    others = [stopped, *(lane for lane in waiting if lane.key != chosen_lane.key)]
    impatient = replace(POLICY, time_slice=0.0)
    assert not should_preempt(chosen_lane, others, tenants, now=NOW, policy=impatient, ran_for=0.0)


# In the long run: every project always has work waiting, in jobs of one length.


def farm(
    machines: int, tenants: dict[str, Tenant], seconds: float, until: float
) -> tuple[Counter[str], dict[str, float]]:
    """Let it run: jobs done by project, and the maximum time of each between two jobs of its own."""
    now, done = NOW, Counter[str]()
    last, max_wait = dict.fromkeys(tenants, NOW), dict.fromkeys(tenants, 0.0)
    ends: list[tuple[float, int, str]] = []
    for number in range(math.ceil(until / seconds * machines) + machines):
        if len(ends) == machines:
            now, _, project = heapq.heappop(ends)
            account = tenants[project]
            had = attained(account, now, POLICY) + seconds
            tenants[project] = account._replace(attained=had, attained_at=now, running=account.running - 1)
            done[project] += 1
        waiting = [Lane(f"1:{name}:m", name, INTERACTIVE, "m", last[name]) for name in tenants]
        chosen_lane = choose(waiting, tenants, now=now, policy=POLICY)
        assert chosen_lane is not None
        name = chosen_lane.project_id
        if not tenants[name].running:
            max_wait[name] = max(max_wait[name], now - last[name])
        tenants[name] = tenants[name]._replace(running=tenants[name].running + 1)
        last[name] = now
        # Not all start at the same moment.
        first = seconds * (number + 1) / machines if number < machines else seconds
        heapq.heappush(ends, (now + first, number, name))
    return done, max_wait


@pytest.mark.parametrize("machines", [1, 2, 3, 8])
@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (2, 1, 1), (1, 2, 3, 4), (5, 1, 1, 1, 1, 1, 1, 1, 1, 1)])
def test_weights_are_honoured_in_the_long_run(machines: int, weights: tuple[int, ...]) -> None:
    tenants = book(*(tenant(f"proj_{number}", weight=weight) for number, weight in enumerate(weights)))
    done, _ = farm(machines, tenants, 60.0, 8 * 3600)
    total = done.total()
    for number, weight in enumerate(weights):
        assert done[f"proj_{number}"] / total == pytest.approx(weight / sum(weights), rel=0.12, abs=0.01)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.integers(1, 4))
def test_nobody_waits_without_bound(past: list[float], machines: int) -> None:
    # The maximum that can have been attained: all machines, for ever.
    maximum = machines * POLICY.half_life / math.log(2)
    tenants = book(*(tenant(f"proj_{number}", part * maximum) for number, part in enumerate(past)))
    seconds = 120.0
    _, max_wait = farm(machines, tenants, seconds, 4 * 3600)
    # The others catch up with whoever has had the most in log2 of their number half-lives.
    bound = POLICY.half_life * math.log2(len(past)) + seconds * (len(past) + 1)
    if machines >= len(past):  # then everybody is owed a place
        bound = 2 * seconds
    assert max(max_wait.values()) <= bound


def test_a_batch_gets_through_a_stream_of_previews() -> None:
    now, tenants = NOW, book(tenant("busy"), tenant("patient", 5_000))
    batch = Lane("2:patient:m", "patient", BATCH, "m", NOW)
    for _ in range(10_000):
        stream = Lane("0:busy:m", "busy", PREVIEW, "m", now)  # there is always a fresh one
        if choose([batch, stream], tenants, now=now, policy=POLICY) == batch:
            break
        now += 10
        tenants["busy"] = Tenant("busy", attained(tenants["busy"], now, POLICY) + 10, now, 1.0, 0, None)
    assert 2 * POLICY.ageing <= now - NOW <= 2 * POLICY.ageing + POLICY.half_life


def test_a_policy_that_divides_by_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Policy(half_life=0)
