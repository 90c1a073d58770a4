"""`hinode audit`: verify and export the audit log."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.tenants import open_database
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.trust.audit.verification import Report

audit = typer.Typer(help="Verify and export the audit log.", no_args_is_help=True)


@audit.command("verify", cls=Command)
def verify_log(
    export: Annotated[
        Path | None,
        typer.Argument(help="File of `hinode audit export`.", show_default="the log of the database"),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Newer signed head, copied from trust/audit-head.json of the home folder.",
            show_default="the one in the export",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="PEM of the public key to expect.",
            show_default="that of the head",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Verify that no entry was changed, removed or cut off; the status is 1 if one was.

    An export needs neither the database nor the network.
    """
    from hinode.jobs.audit import anchoring

    if export is None:
        with open_database() as database:
            report = anchoring.check(database, Settings.from_environment(os.environ).trust)
    else:
        report = anchoring.check_export(export, head, key.read_text() if key else None)
    _print(report, as_json)
    if not report.intact:
        raise typer.Exit(1)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(report) | {"intact": report.intact}))
        return
    for finding in report.findings:
        print(f"{finding.fault.value}: {finding.message}")
    state = "intact" if report.intact else "NOT intact"
    print(f"{state}: {report.entries} entries, {report.erased} of them with an erased payload")
    if report.intact and report.unsigned:
        print(f"the last {report.unsigned} are not covered by the signed head yet")


@audit.command("export", cls=Command)
def export_log(file: Annotated[Path, typer.Argument(help="File to write, such as audit.jsonl.")]) -> None:
    """Write the log, its signed head and the public key to a file for verification elsewhere."""
    from hinode.jobs.audit import anchoring

    with open_database() as database:
        count = anchoring.export(database, Settings.from_environment(os.environ).trust, file)
    print(f"{count} entries are in {file}")
