"""The moves of a job along the members of its pool."""

from __future__ import annotations

from typing import Any

from hinode.routing import record
from hinode.routing.decision import Candidate, Policy, decide

NOW = 1_800_000_000.0


def routing() -> dict[str, Any]:
    members = [Candidate("native", "book"), Candidate("remote", "wan@fal", "fal", price=1)]
    members += [
        Candidate("remote", "wan@rack", "rack", price=2),
        Candidate("testcard", "x", obstacle="small"),
    ]
    return record.begin("films", decide(members, Policy()))


def names(values: dict[str, Any]) -> str:
    return str(record.current(values)["model"])


def test_a_job_moves_in_order_and_begins_again_later() -> None:
    values, pauses = routing(), []
    visited = [names(values)]
    for step in range(7):
        result = record.move(values, "busy", NOW + step, created_at=NOW)
        assert result is not None
        values, pause = result
        visited.append(names(values))
        pauses.append(pause)
    assert visited == ["book", "wan@fal", "wan@rack"] * 2 + ["book", "wan@fal"]
    assert pauses == [0, 0, 2, 0, 0, 4, 0]
    assert values["moves"][0] == {
        "at": NOW, "from": "native/book", "to": "remote/wan@fal", "reason": "busy"
    }  # fmt: skip
    assert values["rejected"] == [{"engine": "testcard", "model": "x", "provider": "", "reason": "small"}]


def test_a_member_that_refuses_the_request_is_not_asked_again() -> None:
    values = routing()
    for target in ("wan@fal", "wan@rack"):
        result = record.move(values, "no", NOW, created_at=NOW, refused=True)
        assert result is not None
        values = result[0]
        assert names(values) == target
    assert record.move(values, "no", NOW, created_at=NOW, refused=True) is None
    again = record.restart(values)
    assert (names(again), again["moves"]) == ("book", [])


def test_patience_ends_after_the_last_member() -> None:
    values, _ = record.move(routing(), "busy", NOW + 1e6, created_at=NOW) or ({}, 0)
    values, _ = record.move(values, "busy", NOW + 1e6, created_at=NOW) or ({}, 0)
    assert names(values) == "wan@rack"
    assert record.move(values, "busy", NOW + 1e6, created_at=NOW) is None


def test_a_job_waits_for_a_place_as_long_as_it_was_worth_it() -> None:
    members = [Candidate("remote", "wan@fal", "fal", wait=40), Candidate("native", "book", price=1)]
    values = record.begin("films", decide(members, Policy()))
    step = record.move(values, "full", NOW + 79, created_at=NOW, full=True)
    assert step == (values, 10)
    step = record.move(values, "full", NOW + 80, created_at=NOW, full=True)
    assert step is not None
    assert names(step[0]) == "book"


def test_a_member_that_is_not_allowed_is_left_out() -> None:
    step = record.move(routing(), "local", NOW, created_at=NOW, allowed=lambda route: not route["provider"])
    assert step is not None
    assert names(step[0]) == "book"
    step = record.move(
        routing(), "local", NOW, created_at=NOW, refused=True, allowed=lambda route: not route["provider"]
    )
    assert step is None
