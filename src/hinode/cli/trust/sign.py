"""`hinode trust sign`: signed copies of what was made before files were signed."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.tenants import open_database
from hinode.errors import BadInput
from hinode.settings import Settings

MAX_NAMES = 5


def sign(
    everything: Annotated[bool, typer.Option("--all", help="Every file of every finished video.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many files there are.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Sign copies of the videos and their pictures that were made before files were signed.

    A copy takes the place of its file; the original stays in the store. The manifest says what was done and
    when the file was made. An interrupted run goes on with the same command. The status is 1 if a file could
    not be signed.
    """
    from hinode.jobs.files.signed_copies import SignedCopies
    from hinode.jobs.files.stores import open_store
    from hinode.progress import progress_bar
    from hinode.trust.provenance.marking import Marking
    from hinode.trust.provenance.sharing import share

    if not everything:
        raise BadInput("this signs all files that are not signed", "confirm it with --all", field="all")
    settings = Settings.from_environment(os.environ)
    with open_database() as database:
        objects = open_store(settings)
        objects.check_mounted()
        copies = SignedCopies(database, objects, Marking(settings))
        count = copies.count()
        if dry_run:
            if as_json:
                print(json.dumps(dataclasses.asdict(count)))
            else:
                print(
                    f"{count.files:,} files of {count.videos:,} videos would be signed: {count.bytes:,} bytes"
                )
            return
        if not database.sqlite:
            share(database, settings)
        with progress_bar(keep=True, show=not as_json) as bar:
            task = bar.add_task("signing", total=count.files)
            summary = copies.sign_all(lambda file: bar.advance(task))
    if as_json:
        print(json.dumps(dataclasses.asdict(summary)))
    else:
        print(f"signed {summary.signed:,} files", end="")
        print(f"; {summary.entered:,} were signed already" if summary.entered else "")
    _report("files are not in the store", summary.missing)
    _report("files could not be signed", [f"{name}: {text}" for name, text in summary.failed.items()])
    if summary.missing or summary.failed:
        raise typer.Exit(1)


def _report(what: str, names: list[str]) -> None:
    if names:
        print(f"error: {len(names):,} {what}:", *names[:MAX_NAMES], sep="\n  ", file=sys.stderr)
