"""`hinode verify`: who signed a file, whether it was changed, and what it was made from."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.trust.registry import existing_database
from hinode.errors import BadInput
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.records.database import Database
    from hinode.trust.verification.detection import Detect
    from hinode.trust.verification.report import Report
    from hinode.trust.verification.values import Ingredient, Manifest

MAX_URL_BYTES = 4 << 30
URL_SECONDS = 600.0
EXIT_CODES = {"trusted": 0, "unknown_signer": 3, "tampered": 4, "damaged": 5, "none": 6, "unreadable": 7}
"""By verdict; 1 and 2 are errors of the command itself."""


def verify(
    file: Annotated[str, typer.Argument(metavar="FILE|URL", help="Video, picture or sound; or its address.")],
    anchors: Annotated[
        Path | None,
        typer.Option(
            "--trust",
            metavar="FILE",
            help="PEM file of authorities to trust besides those of this machine.",
            show_default="HINODE_VERIFY_ANCHORS",
        ),
    ] = None,
    watermark: Annotated[
        bool,
        typer.Option(
            "--watermark",
            help="Look for the watermarks of this home too, which takes seconds. Found by itself: a file"
            " whose record was removed or replaced, and whose pictures and sound are as they were made.",
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Tell who signed a file, whether it was changed since, and what it was made from.

    A record beside the file, FILE.c2pa, is used too. If this home has a database, it is asked whether the
    file was made here. Nothing is sent anywhere, and addresses in the file are not fetched. The exit status
    is 0 for a trusted signature, 3 for an unknown signer, 4 for a file that was changed, 5 for a damaged
    record, 6 for a file without one, and 7 for a file that cannot be read.
    """
    from hinode.trust.verification.anchors import read_anchors
    from hinode.trust.verification.check import check_file, sidecar_of
    from hinode.trust.verification.registry import registry_of

    settings = Settings.from_environment(os.environ)
    if anchors is not None:
        settings = replace(settings, verify_anchors=anchors)
    trusted = read_anchors(settings)
    with _local(file, settings) as path, _registry(settings) as database:
        sidecar = sidecar_of(path)
        # A person may name a file by a link.
        report = check_file(
            path.resolve(),
            anchors=trusted,
            sidecar=sidecar and sidecar.resolve(),
            lookup=registry_of(database) if database else None,
            detect=_detector(database, settings) if watermark else None,
        )
    if as_json:
        from hinode.api.verification.wire import Verification

        print(Verification.of_report(report).model_dump_json())
    else:
        _print(file, report)
    if code := EXIT_CODES[report.verdict.value]:
        raise typer.Exit(code)


@contextmanager
def _registry(settings: Settings) -> Iterator[Database | None]:
    """The database of this home, or None if there is none that this version can ask."""
    from hinode.records.database import DatabaseError
    from hinode.records.upgrades import is_usable

    with existing_database(settings) as database:
        usable = False
        if database is not None:
            try:
                with database.read() as connection:
                    usable = is_usable(connection)
                reason = "it is of an older version; a server that starts brings it up to date"
            except DatabaseError as error:
                reason = str(error)
            if not usable:
                print(f"warning: the database is not asked for files of this home: {reason}", file=sys.stderr)
        yield database if usable else None


def _detector(database: Database | None, settings: Settings) -> Detect:
    """Looks for the watermarks that a database knows.

    Raises:
        BadInput: there is none.
    """
    from hinode.trust.verification.detection import detector_of
    from hinode.trust.watermark.laying import Watermarking

    if database is None:
        message = "no watermark is known here, for there is no database"
        remedy = "use `hinode detect FILE --id ID` to look for one that you know"
        raise BadInput(message, remedy, field="watermark")
    return detector_of(database, Watermarking.of(settings).key)


@contextmanager
def _local(file: str, settings: Settings) -> Iterator[Path]:
    """The file on this machine: itself, or a copy of what is at an address."""
    if not file.lower().startswith(("http://", "https://")):
        yield Path(file)
        return
    from hinode.outbound import Outbound

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        with path.open("wb") as target:
            outbound = Outbound(allow_private=settings.allow_private_urls)
            outbound.fetch(file, target.write, max_bytes=MAX_URL_BYTES, seconds=URL_SECONDS, field="url")
        yield path


def _print(name: str, report: Report) -> None:
    from hinode.trust.verification.report import on_day

    print(f"{name}: {report.verdict.value.replace('_', ' ')}")
    print(report.text)
    for finding in report.findings:
        print(f"  {'!' if finding.is_fault else '-'} {finding.text}")
    for mark in report.watermarks or ():
        print(f"  - it has the watermark {mark.id} of a clip that was made here{on_day(mark.made_at)}")
    if report.watermarks == ():
        print("  - it has no watermark of this home that can be found, which proves nothing")
    if report.manifest is not None:
        print()
        _print_manifest(report.manifest, "")
    if report.sha256:
        print(f"\nSHA-256 {report.sha256}, {report.size:,} bytes")


def _print_manifest(manifest: Manifest, indent: str) -> None:
    """The record as lines, and those of what it was made from further to the right."""
    signer = manifest.signer
    rows = [
        ("signed by", ", ".join(filter(None, (signer.name, signer.organization))) if signer else ""),
        ("signed at", manifest.signed_at),
        ("made with", manifest.generator),
        ("model", manifest.model),
        ("says", "; ".join(manifest.sources)),
        ("done", "; ".join(action.text for action in manifest.actions)),
        ("watermark", ", ".join(manifest.soft_bindings)),
        ("training", ", ".join(f"{use}: {value}" for use, value in manifest.training)),
        ("record", manifest.label),
    ]
    for title, value in rows:
        if value:
            print(f"{indent}{title:<10} {value}")
    for finding in manifest.findings:
        print(f"{indent}! {finding.text}")
    for ingredient in manifest.ingredients:
        _print_ingredient(ingredient, indent)


def _print_ingredient(ingredient: Ingredient, indent: str) -> None:
    title = ingredient.title or "without a name"
    state = ingredient.state.value.replace("_", " ")
    print(f"{indent}└ {ingredient.relationship}: {title} ({state})")
    if ingredient.manifest is not None:
        _print_manifest(ingredient.manifest, f"{indent}  ")
