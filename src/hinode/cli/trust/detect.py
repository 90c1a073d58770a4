"""`hinode detect`: whether a file carries an invisible mark of this installation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.trust.registry import existing_database
from hinode.errors import BadInput, quote
from hinode.settings import Settings

ID_DIGITS = 32


def detect(
    file: Annotated[Path, typer.Argument(help="Video or picture to examine.")],
    id: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Identity to look for, 32 hexadecimal digits. Repeatable."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Look for the invisible mark in a video, even if it was re-encoded, resized or mirrored.

    The key is that of the settings. The identities are those that the database of this home knows, and those
    that --id names, as `hinode generate --json` prints them.
    """
    from hinode.media.reading.container import DecodeError
    from hinode.trust.watermark.detect import detect_file
    from hinode.trust.watermark.laying import Watermarking

    settings = Settings.from_environment(os.environ)
    candidates = [_read_id(text) for text in dict.fromkeys([*(id or ()), *_known_ids(settings)])]
    try:
        found = detect_file(file, candidates, Watermarking.of(settings).key)
    except DecodeError as error:
        message = f"{quote(str(file), 200)} {error}"
        raise BadInput(message, "name a video or a picture", field="file") from error
    if as_json:
        print(json.dumps(found.as_json()))
        return
    for match in found.matches:
        print(f"{match.id.hex()} in the {match.carrier}, score {match.score:.1f}")
    if not found.matches:
        unknown = "a mark of this installation, of an identity that it does not know"
        unknown = unknown if found.present else "no mark"
        print(unknown)


def _known_ids(settings: Settings) -> list[str]:
    """The identities in the database of the settings; none if there is no database yet."""
    from hinode.trust.provenance import marks
    from hinode.trust.verification.registry import MAX_IDS

    with existing_database(settings) as database:
        if database is None:
            return []
        with database.read() as connection:
            return marks.watermark_ids(connection, MAX_IDS)


def _read_id(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != ID_DIGITS // 2:
        message = f"{quote(text)} is no identity"
        raise BadInput(message, f"give {ID_DIGITS} hexadecimal digits", field="id")
    return value
