"""The status as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from hinode.api import wire
from hinode.jobs.status.objectives import WINDOW_DAYS
from hinode.jobs.status.report import Component, Incident, Report

State = Literal["operational", "unknown", "failing", "degraded", "outage"]
Impact = Literal["degraded", "outage"]


class StatusDay(wire.Answer):
    """A day of a component, in UTC."""

    date: str
    good_seconds: float
    bad_seconds: float
    unknown_seconds: float = Field(
        description="For which nothing was measured; they are never counted as up."
    )


class StatusBudget(wire.Answer):
    """The error budget of the window: seconds that may be bad, and those that were."""

    allowed_seconds: float
    spent_seconds: float
    left: float = Field(description="Share that is left; negative once it is overspent.")


class StatusAlert(wire.Answer):
    """A rule of burn rates that is met: over both windows the budget is spent faster than `burn_rate`."""

    severity: Literal["page", "ticket"]
    burn_rate: float
    long_window: str
    short_window: str


class StatusComponent(wire.Answer):
    """A part of the service."""

    name: str = Field(description="Such as clips/native.")
    title: str
    state: State
    probed_at: int
    seconds: float = Field(description="What the last probe took.")
    message: str = Field(description="Why the last probe failed; empty if it did not.")
    promise: str = Field(description="What a good probe is.")
    target: float = Field(description="Share of the time that is to be good.")
    availability: float | None = Field(description="Share of the measured time that was good.")
    budget: StatusBudget
    burn_rates: dict[str, float] = Field(description="By window: 5m, 30m, 1h, 6h, 3d.")
    alerts: list[StatusAlert]
    days: list[StatusDay] = Field(description="The oldest first, today last.")

    @classmethod
    def of_component(cls, component: Component) -> StatusComponent:
        """The object of a component."""
        return cls.model_construct(
            name=component.name,
            title=component.title,
            state=component.state,
            probed_at=int(component.at),
            seconds=round(component.seconds, 3),
            message=component.message,
            promise=component.objective.promise,
            target=component.objective.target,
            availability=component.tally.availability,
            budget=StatusBudget.model_construct(
                allowed_seconds=round(component.budget.allowed, 1),
                spent_seconds=round(component.budget.spent, 1),
                left=component.budget.left,
            ),
            burn_rates={name: round(rate, 3) for name, rate in component.burn_rates.items()},
            alerts=[
                StatusAlert.model_construct(
                    severity=rule.severity,
                    burn_rate=rule.burn_rate,
                    long_window=rule.long,
                    short_window=rule.short,
                )
                for rule in component.alerts
            ],
            days=[
                StatusDay.model_construct(
                    date=datetime.fromtimestamp(day.start, UTC).date().isoformat(),
                    good_seconds=round(day.tally.good, 1),
                    bad_seconds=round(day.tally.bad, 1),
                    unknown_seconds=round(day.unknown, 1),
                )
                for day in component.days
            ],
        )


class StatusNote(wire.Answer):
    """What the operator says about an incident."""

    text: str
    created_at: int


class StatusIncident(wire.Answer):
    """An incident, which opens and closes by itself."""

    id: str
    component: str
    title: str
    impact: Impact
    cause: str
    opened_at: int
    escalated_at: int | None = Field(description="When it became an outage, or null.")
    closed_at: int | None = Field(description="null while it is open.")
    notes: list[StatusNote]

    @classmethod
    def of_incident(cls, incident: Incident) -> StatusIncident:
        """The object of an incident."""
        return cls.of(incident, notes=[StatusNote.of(note) for note in incident.notes])


class StatusProber(wire.Answer):
    """What measures: without it, nothing is known."""

    running: bool
    reported_at: int | None = Field(description="The last probe, or null if there was none.")
    interval_seconds: float = Field(description="Between two probes of a component.")


class Status(wire.Answer):
    """The status of the service."""

    object: Literal["status"] = "status"
    state: State = Field(description="The worst of the components; unknown if nothing was probed lately.")
    at: int = Field(description="When it was read; an older moment while the database is away.")
    window_days: int
    prober: StatusProber
    components: list[StatusComponent]
    incidents: list[StatusIncident] = Field(description="The open ones first, then the newest.")

    @classmethod
    def of_report(cls, report: Report) -> Status:
        """The object of a report."""
        return cls.model_construct(
            state=report.state,
            at=int(report.at),
            window_days=WINDOW_DAYS,
            prober=StatusProber.model_construct(
                running=report.prober_runs,
                reported_at=None if report.reported_at is None else int(report.reported_at),
                interval_seconds=report.interval,
            ),
            components=[StatusComponent.of_component(component) for component in report.components],
            incidents=[StatusIncident.of_incident(incident) for incident in report.incidents],
        )
