"""`hinode backup` and `hinode restore`: everything that a server needs in one file, and the way back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.errors import join_names
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.backup.backup import Summary

SHOWN = 5
"""Names that are listed before the rest is only counted."""


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, outside of HINODE_HOME.")],
    models: Annotated[bool, typer.Option("--models", help="Include the weights under HINODE_HOME.")] = False,
) -> None:
    """Write the database, the store and the settings of a server to one file, while it runs."""
    from hinode.jobs.backup import backup

    summary = backup.create(Settings.from_environment(os.environ), file, models=models)
    if summary.left_out:
        print(f"left out: {_names(summary.left_out)}; --models includes them", file=sys.stderr)
    print(f"{file}: {_content(summary)}, {summary.bytes:,} bytes")
    _report_missing(summary)


def restore(
    file: Annotated[Path, typer.Argument(help="File that `hinode backup` wrote.")],
) -> None:
    """Restore a backup into an empty database and home, while no server runs."""
    from hinode.jobs.backup import backup

    summary = backup.restore(Settings.from_environment(os.environ), file)
    print(f"restored {_content(summary)}; start the server")
    _report_missing(summary)


def _content(summary: Summary) -> str:
    home = f"{len(summary.home)} files of the home"
    return f"the database, {home}, {summary.objects:,} files of the store"


def _report_missing(summary: Summary) -> None:
    """Fail if the database names files that are not there: everything else was done."""
    if summary.missing:
        names = _names(summary.missing)
        print(f"error: the store has no sound file of {names}; the rest is complete", file=sys.stderr)
        raise typer.Exit(1)


def _names(names: tuple[str, ...]) -> str:
    more = (f"{len(names) - SHOWN} more",) if len(names) > SHOWN else ()
    return join_names((*names[:SHOWN], *more))
