"""`hinode probe` and `hinode status`: what measures the service, and what it measured."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command, exit_on_error
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.status.report import StatusRecords

status = typer.Typer(help="Print the status of the service, and write about incidents.")


def probe(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the server to probe.",
            show_default="HINODE_STATUS_URL, or where the server was started last",
        ),
    ] = None,
) -> None:
    """Probe a server for its status page until Ctrl-C, from this machine. It needs the server's database."""
    from hinode import logs
    from hinode.jobs.capacity.leader import instance
    from hinode.jobs.status.prober import Prober
    from hinode.jobs.tenants.sessions import Sessions

    settings = Settings.from_environment(os.environ)
    logs.start()
    with open_database() as database:
        instance(database)  # raises if no server was ever started
        url = server or settings.status_url or Sessions(database, time.time).url or "http://localhost:8000"
        prober = Prober(settings, database, url.rstrip("/").removesuffix("/v1"))
        prober.start()
        print(f"Probing {url}; stop it with Ctrl-C.", flush=True)
        try:
            threading.Event().wait()
        finally:
            prober.stop()


@status.callback(invoke_without_command=True)
def show_status(context: typer.Context, as_json: options.AsJson = False) -> None:
    """Print the state of every component, and what is left of its error budget."""
    if context.invoked_subcommand is None:
        with exit_on_error():
            _print_status(as_json)


def _print_status(as_json: bool) -> None:
    with _open_records() as records:
        report = records.report()
    if as_json:
        from hinode.api.status.wire import Status

        print(Status.of_report(report).model_dump_json())
        return
    rows = [
        (
            component.title,
            component.state,
            moment(component.at),
            f"{component.seconds:.2f} s",
            "-" if component.tally.availability is None else f"{component.tally.availability:.3%}",
            f"{component.objective.target:.1%}",
            f"{component.budget.left:.1%}",
            component.message or "-",
        )
        for component in report.components
    ]
    head = ("COMPONENT", "STATE", "PROBED", "TOOK", "90 DAYS", "TARGET", "BUDGET LEFT", "PROBLEM")
    print_table(head, rows)
    if not report.prober_runs:
        last = moment(report.reported_at)
        print(f"no prober runs (last probe: {last}); start one with: hinode probe")


@status.command("incidents", cls=Command)
def list_incidents(as_json: options.AsJson = False) -> None:
    """Print the open incidents and those of the last 90 days."""
    with _open_records() as records:
        incidents = records.report().incidents
    if as_json:
        from hinode.api.status.wire import StatusIncident

        print(json.dumps([StatusIncident.of_incident(entry).model_dump() for entry in incidents]))
        return
    rows = [
        (
            entry.id,
            entry.title,
            entry.impact.value,
            moment(entry.opened_at),
            moment(entry.closed_at),
            str(len(entry.notes)),
            entry.cause,
        )
        for entry in incidents
    ]
    print_table(("ID", "COMPONENT", "IMPACT", "OPENED", "CLOSED", "NOTES", "CAUSE"), rows)


@status.command("note", cls=Command)
def add_note(
    incident: Annotated[str, typer.Argument(help="Id of the incident, incident_….")],
    text: Annotated[str, typer.Argument(help="What everybody may read about it.")],
) -> None:
    """Write about an incident on the status page."""
    with _open_records() as records:
        records.add_note(incident, text)
    print(f"the note is on the page of {incident}")


@contextmanager
def _open_records() -> Iterator[StatusRecords]:
    from hinode.jobs.status.report import StatusRecords

    with open_database() as database:
        yield StatusRecords(database, time.time)
