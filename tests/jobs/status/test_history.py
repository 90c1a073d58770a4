"""Samples in a real database: tallies, incidents, events, and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs.status import history
from hinode.jobs.status.budget import Tally
from hinode.jobs.status.history import Sample
from hinode.jobs.status.prober import Prober
from hinode.jobs.status.probes import Outcome
from hinode.jobs.status.report import SILENT_PROBER_SECONDS, StatusRecords
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.outbound import Outbound
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import events, status_buckets
from hinode.settings import Settings
from tests.jobs.service import DAY, START, Clock

SPAN = 60.0


class Switch:
    """A probe that says what a test wants."""

    name = "webhooks"
    components: tuple[str, ...] = ("webhooks",)
    max_seconds = 10.0
    ok = True

    def run(self) -> Sequence[Outcome]:
        return [Outcome("webhooks", self.ok, 0.5, "" if self.ok else "An event did not arrive.")]


def enter(database: Database, *samples: Sample) -> None:
    with database.write() as connection:
        history.enter(connection, samples)


def sample(at: float, ok: bool = True, component: str = "webhooks") -> Sample:
    return Sample(component, at, ok, 0.5, "" if ok else "An event did not arrive.", SPAN)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(database: Database, clock: Clock) -> StatusRecords:
    return StatusRecords(database, clock)


def prober(database: Database, clock: Clock, home: Path, probe: Switch | None = None) -> Prober:
    """A prober of a service that has started."""
    Tenants(database, clock).first_start()
    settings = Settings(home, status_seconds=15.0)
    result = Prober(settings, database, "http://localhost:8000", clock, [probe or Switch()])
    clock.now += 60.0  # for which it waits for a worker
    result.take_turn()
    return result


@pytest.mark.both_databases
def test_a_sample_stands_for_the_time_since_the_last_one_and_gaps_are_unknown(
    database: Database, records: StatusRecords, clock: Clock
) -> None:
    moments = [START + 30 * number for number in range(10)]
    gap = START + 3600
    enter(database, *(sample(at, ok=number != 5) for number, at in enumerate(moments)), sample(gap))
    clock.now = gap
    (component,) = records.report().components
    today = component.days[-1]
    assert today.tally == Tally(0.5 + 8 * 30 + SPAN, 30)
    assert component.tally == today.tally
    assert today.unknown == pytest.approx(gap % DAY - 330.5)
    assert [day.tally for day in component.days[:-1]] == [Tally()] * 89
    assert component.budget.spent == 30
    with database.read() as connection:
        resolutions = connection.execute(
            sa.select(status_buckets.c.resolution, sa.func.sum(status_buckets.c.samples))
            .group_by(status_buckets.c.resolution)
            .order_by(status_buckets.c.resolution)
        ).all()
    assert [tuple(row) for row in resolutions] == [(60, 11), (3600, 11), (86400, 11)]


@pytest.mark.both_databases
def test_an_incident_opens_and_closes_by_itself_and_endpoints_hear_of_both(
    database: Database, records: StatusRecords, clock: Clock
) -> None:
    tenants = Tenants(database, clock)
    tenants.first_start()
    project = tenants.project(None).id
    types = ["status.incident.opened", "status.incident.closed"]
    endpoints = Endpoints(database, Outbound(), clock)
    endpoints.create(project, name="operator", url="https://example.com/hook", event_types=types)
    for number, ok in enumerate([True, False, False, True, True, True]):
        clock.now = START + 15 * number
        enter(database, sample(clock.now, ok))
        if number == 2:
            (incident,) = records.report().incidents
            assert (incident.opened_at, incident.closed_at) == (START + 15, None)
            assert records.report().components[0].state == "degraded"
            records.add_note(incident.id, "We look into it.")
    (incident,) = records.report().incidents
    assert incident.closed_at == START + 75
    assert [note.text for note in incident.notes] == ["We look into it."]
    assert records.report().components[0].state == "operational"
    with database.read() as connection:
        sent = connection.execute(sa.select(events.c.type, events.c.data).order_by(events.c.created_at)).all()
    assert [tuple(row) for row in sent] == [(name, {"id": incident.id}) for name in types]


def test_one_cause_opens_one_incident(database: Database, records: StatusRecords) -> None:
    def fail(start: float, *components: str) -> set[str]:
        for number in range(4):
            enter(database, *(sample(start + 15 * number, False, name) for name in components))
        return {incident.component for incident in records.report().incidents}

    assert fail(START, "clips/native", "queue") == {"clips/native"}
    later = START + 3600
    enter(database, *(sample(later + 15 * number, True, "clips/native") for number in range(3)))
    assert fail(later + 60, "queue") == {"clips/native", "queue"}
    expected = {"clips/native", "queue", "api", "providers/other"}
    assert fail(later + 600, "api", "clips/native", "webhooks", "providers/other") == expected


def test_a_component_that_is_not_probed_any_more_leaves_the_page_and_keeps_its_history(
    database: Database, records: StatusRecords
) -> None:
    enter(database, *(sample(START + 15 * number, False) for number in range(3)))
    with database.write() as connection:
        history.retire(connection, ["api"], START + 60)
    report = records.report()
    assert report.components == []
    assert [incident.closed_at for incident in report.incidents] == [START + 60]
    enter(database, sample(START + 100))
    assert records.report().components[0].tally.bad > 0


def test_old_tallies_are_deleted(database: Database) -> None:
    enter(database, sample(START), sample(START + 3 * DAY), sample(START + 120 * DAY))
    with database.write() as connection:
        history.prune(connection, START + 120 * DAY)
        assert connection.scalar(sa.select(sa.func.count()).select_from(status_buckets)) == 3


def test_a_note_needs_an_incident_and_a_text(records: StatusRecords) -> None:
    for incident, text in (("incident_x", "We look into it."), ("incident_x", " ")):
        with pytest.raises(BadInput):
            records.add_note(incident, text)


@pytest.mark.both_databases
def test_one_prober_has_the_turn_and_another_takes_over(
    database: Database, records: StatusRecords, clock: Clock, tmp_path: Path
) -> None:
    first = prober(database, clock, tmp_path)
    second = prober(database, clock, tmp_path)
    assert Tenants(database, clock).authenticate(first.turn.key) is not None
    assert second.turn.key == ""
    first.probe(first.probes[0])
    second.probe(second.probes[0])
    assert records.report().reported_at == clock.now
    clock.now += 200.0
    second.take_turn()
    assert Tenants(database, clock).authenticate(first.turn.key) is None
    first.probe(first.probes[0])  # it has not noticed yet
    assert records.report().reported_at == clock.now - 200.0
    second.probe(second.probes[0])
    assert records.report().reported_at == clock.now
    assert len([project for project in Tenants(database, clock).projects() if "probes" in project.name]) == 1


def test_without_a_prober_nothing_is_known(
    database: Database, records: StatusRecords, clock: Clock, tmp_path: Path
) -> None:
    assert records.report().state == "unknown"
    running = prober(database, clock, tmp_path)
    running.probe(running.probes[0])
    assert (records.report().state, records.report().prober_runs) == ("operational", True)
    clock.now += SILENT_PROBER_SECONDS + 1
    assert (records.report().state, records.report().prober_runs) == ("unknown", False)
    clock.now += 3600.0
    assert records.report().components[0].state == "unknown"


def test_samples_wait_while_the_database_is_away(
    database: Database, records: StatusRecords, clock: Clock, tmp_path: Path
) -> None:
    probe = Switch()
    running = prober(database, clock, tmp_path, probe)
    running.probe(probe)
    probe.ok = False
    path = Path(str(database.url.database))
    database.close()
    aside = path.rename(path.with_suffix(".away"))
    path.mkdir()
    for _ in range(2):
        clock.now += 15.0
        with pytest.raises(DatabaseError):
            running.probe(probe)
    database.close()
    path.rmdir()
    aside.rename(path)
    clock.now += 15.0
    running.flush()
    report = records.report()
    assert [incident.opened_at for incident in report.incidents] == [clock.now - 30.0]
    assert report.components[0].tally.bad == 30.0


def test_samples_that_are_older_than_the_last_are_passed_over(
    database: Database, records: StatusRecords
) -> None:
    late = sample(START + 30)
    enter(database, late, replace(late, at=START, ok=False))
    enter(database, replace(late, at=START + 10, ok=False))
    assert records.report().components[0].tally.bad == 0.5
