"""`hinode doctor`: what is wrong with this installation."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.table import print_table
from hinode.settings import Settings


def doctor(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address of the server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 8000,
    as_json: options.AsJson = False,
) -> None:
    """Check database, store, disk, codecs, device, models and port. The exit status is 1 if one is wrong."""
    from hinode.doctor import examine
    from hinode.doctor.installation import Installation

    findings = list(examine(Installation(Settings.from_environment(os.environ), host, port)))
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        print_table(
            ("CHECK", "STATE", "FOUND"),
            [
                (
                    finding.check,
                    "ok" if finding.ok else "WRONG",
                    f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message,
                )
                for finding in findings
            ],
        )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
