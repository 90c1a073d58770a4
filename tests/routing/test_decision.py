"""The order of a pool's members, checked on random pools."""

from __future__ import annotations

import dataclasses
import random

from hypothesis import given
from hypothesis import strategies as st

from hinode.routing.decision import Candidate, Condition, Policy, decide

amounts = st.one_of(st.just(0.0), st.floats(0, 1e4, allow_subnormal=False))
candidates = st.builds(
    Candidate,
    engine=st.sampled_from(["native", "remote"]),
    model=st.text("abc@", min_size=1, max_size=3),
    provider=st.sampled_from(["", "fal", "rack"]),
    price=amounts,
    wait=amounts,
    seconds=amounts,
    condition=st.sampled_from(Condition),
    obstacle=st.sampled_from(["", "too long"]),
)
pools = st.lists(candidates, max_size=8, unique_by=lambda candidate: candidate.name)
policies = st.builds(Policy, local_only=st.booleans(), second_price=st.floats(0, 10))


@given(pools, policies, st.randoms(use_true_random=False))
def test_the_order_is_total_and_independent_of_the_input(
    pool: list[Candidate], policy: Policy, chance: random.Random
) -> None:
    decision = decide(pool, policy)
    everyone = [route.candidate for route in (*decision.routes, *decision.rejected)]
    assert sorted(everyone, key=pool.index) == pool
    assert all(route.reason for route in (*decision.routes, *decision.rejected))
    assert decide(chance.sample(pool, len(pool)), policy) == decision


@given(pools, st.floats(0, 10))
def test_a_job_of_a_local_only_project_never_goes_to_a_provider(
    pool: list[Candidate], second_price: float
) -> None:
    decision = decide(pool, Policy(local_only=True, second_price=second_price))
    assert not any(route.candidate.provider for route in decision.routes)
    able = [candidate for candidate in pool if not candidate.provider and not candidate.obstacle]
    assert len(decision.routes) == len(able)


@given(pools, policies)
def test_a_candidate_in_worse_condition_is_never_before_a_better_one(
    pool: list[Candidate], policy: Policy
) -> None:
    conditions = [route.candidate.condition for route in decide(pool, policy).routes]
    assert conditions == sorted(conditions)


@given(candidates, st.floats(0.01, 100), st.floats(0, 10))
def test_a_cheaper_equal_is_never_behind(candidate: Candidate, saving: float, second_price: float) -> None:
    candidate = dataclasses.replace(candidate, obstacle="", model="a")
    dearer = dataclasses.replace(candidate, price=candidate.price + saving, model="A")
    decision = decide([dearer, candidate], Policy(second_price=second_price))
    assert [route.candidate.model for route in decision.routes] == ["a", "A"]


@given(candidates, st.floats(1, 1e4))
def test_a_quicker_equal_is_first_if_time_is_worth_something(candidate: Candidate, seconds: float) -> None:
    candidate = dataclasses.replace(candidate, obstacle="", model="a")
    slower = dataclasses.replace(candidate, wait=candidate.wait + seconds, model="A")
    decision = decide([slower, candidate], Policy(second_price=0.1))
    assert decision.routes[0].candidate == candidate


def test_a_reason_states_the_amounts() -> None:
    own = Candidate("native", "book", price=0.004, wait=50, seconds=10)
    hosted = Candidate("remote", "wan@fal", "fal", price=0.4, seconds=30, condition=Condition.DRAINED)
    decision = decide([hosted, own], Policy(second_price=0.001))
    assert [route.reason for route in decision.routes] == [
        "costs 0.0640 USD: price 0.0040, and 60 s at 0.001 each",
        "costs 0.4300 USD: price 0.4000, and 30 s at 0.001 each; drained after failures",
    ]
