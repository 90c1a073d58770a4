"""When incidents open and close, for any course of samples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hinode.jobs.status.incidents import (
    CLOSING_SUCCESSES,
    OPENING_FAILURES,
    OUTAGE_SECONDS,
    REOPENING_SECONDS,
    Action,
    Impact,
    LastIncident,
    Streak,
    decide,
)

Event = tuple[float, Action]


def live(samples: list[tuple[bool, float]], *, explained: bool = False) -> list[Event]:
    """What happens during samples, each with the seconds after the one before."""
    streak, last, now, events = Streak(), None, 0.0, list[Event]()
    for ok, pause in samples:
        now += pause
        streak = streak.after(ok, now)
        action = decide(streak, last, explained=explained)
        if action is Action.OPEN:
            last = LastIncident(f"incident_{now}", Impact.DEGRADED, None)
        elif last is not None and action is not Action.NONE:
            impact = Impact.OUTAGE if action is Action.ESCALATE else last.impact
            closed_at = now if action is Action.CLOSE else None
            last = LastIncident(last.id, impact, closed_at)
        if action is not Action.NONE:
            events.append((now, action))
    return events


def every(seconds: float, *oks: bool) -> list[tuple[bool, float]]:
    return [(ok, seconds) for ok in oks]


samples = st.lists(st.tuples(st.booleans(), st.floats(1, 400)), max_size=60)


@given(samples)
def test_incidents_open_and_close_in_turn(course: list[tuple[bool, float]]) -> None:
    is_open = False
    for _, action in live(course):
        if action in (Action.OPEN, Action.REOPEN):
            assert not is_open
            is_open = True
        else:
            assert is_open
            is_open = action is not Action.CLOSE


@given(samples)
def test_whatever_happened_good_samples_close_an_incident_and_bad_ones_open_it(
    course: list[tuple[bool, float]],
) -> None:
    well = live(course + every(15, *[True] * CLOSING_SUCCESSES))
    assert not well or well[-1][1] is Action.CLOSE
    ill = live(course + every(15, *[False] * OPENING_FAILURES))
    assert ill
    assert ill[-1][1] is not Action.CLOSE


@given(samples)
def test_an_explained_failure_opens_nothing(course: list[tuple[bool, float]]) -> None:
    assert live(course, explained=True) == []


def test_one_failure_opens_nothing_and_a_single_success_closes_nothing() -> None:
    assert live(every(15, True, False, True, False, True)) == []
    assert live(every(15, False, False, True, True, False)) == [(30.0, Action.OPEN)]


def test_a_degradation_without_any_success_becomes_an_outage() -> None:
    events = live(every(30, *[False] * 20))
    assert [action for _, action in events] == [Action.OPEN, Action.ESCALATE]
    assert events[1][0] == 30 + OUTAGE_SECONDS


def test_new_failures_soon_after_an_incident_continue_it() -> None:
    spell = every(15, False, False, True, True, True)
    soon = live([*spell, (False, REOPENING_SECONDS / 2), (False, 15)])
    assert [action for _, action in soon] == [Action.OPEN, Action.CLOSE, Action.REOPEN]
    later = live([*spell, (False, REOPENING_SECONDS), (False, 15)])
    assert [action for _, action in later] == [Action.OPEN, Action.CLOSE, Action.OPEN]
