"""The order of a pool's members for one request: what the decision has to know is read here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from hinode.engines.remote.health import HealthFile, State
from hinode.engines.remote.pool import FOLDER
from hinode.errors import BadInput, HinodeError
from hinode.request import Capabilities, Request
from hinode.routing.decision import Candidate, Condition, Decision, Policy, decide
from hinode.routing.pools import Member, Pool
from hinode.settings import Settings

_CONDITIONS = {
    State.READY: Condition.READY,
    State.TRIAL: Condition.TRIAL,
    State.DRAINED: Condition.DRAINED,
}


@dataclass(frozen=True)
class Expectation:
    """Expected seconds before the work on a request begins, and of the work itself; whether a live worker can
    run it."""

    wait: float = 0.0
    seconds: float = 0.0
    live: bool = True


def route(
    pool: Pool,
    request: Request,
    settings: Settings,
    *,
    clock: Callable[[], float],
    check: Callable[[Request, Capabilities], None],
    expect: Callable[[Request, int], Expectation],
    local_only: bool = False,
) -> Decision:
    """The members of a pool in the order in which they are tried for a request.

    Args:
        clock: seconds since 1970.
        check: raises HinodeError if a model with these capabilities cannot carry out the request.
        expect: of a request and the places of its server, 0 for own workers; raises HinodeError if nothing is
            known.
        local_only: whether the job stays with own workers.

    Raises:
        BadInput: none of them can carry it out.
    """

    def candidate(member: Member) -> Candidate:
        member_request = dataclasses.replace(request, engine=member.engine, model=member.model)
        expectation, obstacle = Expectation(), ""
        try:
            check(member_request, member.capabilities(settings))
        except HinodeError as error:
            obstacle = error.message
        else:
            try:
                expectation = expect(member_request, member.places)
            except HinodeError:
                expectation = Expectation()
        return Candidate(
            member.engine,
            member.model,
            member.provider,
            price=member.price * request.seconds,
            wait=expectation.wait,
            seconds=expectation.seconds,
            condition=_condition(member, expectation.live, settings, clock),
            obstacle=obstacle,
        )

    policy = Policy(local_only=local_only, second_price=pool.second_price)
    decision = decide(list(map(candidate, pool.members)), policy)
    if not decision.routes:
        first = decision.rejected[0]
        message = (
            f"no model of the pool {pool.name} can make this video: {first.candidate.name}: {first.reason}"
        )
        raise BadInput(message, "change the request, or choose another model", field="model")
    return decision


def _condition(member: Member, live: bool, settings: Settings, clock: Callable[[], float]) -> Condition:
    if not live:
        return Condition.ABSENT
    if not member.provider:
        return Condition.READY
    health = HealthFile(settings.home / FOLDER, member.provider, clock).read()
    return _CONDITIONS[health.state(clock(), member.cool_seconds)]
