"""The signed head of the log, which follows it outside the database, and exports for verifying elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from hinode.output import replace_file
from hinode.records.database import Database
from hinode.trust.audit import anchor as anchors
from hinode.trust.audit import log
from hinode.trust.audit.anchor import HEAD_FILE, KEY_FILE, Anchor, AuditError
from hinode.trust.audit.chain import EMPTY, Entry, Head, follow
from hinode.trust.audit.verification import Payload, Report, verify

FORMAT = "hinode-audit-1"


def advance(database: Database, folder: Path) -> Anchor | None:
    """Bring the signed head up to the last committed entry; returns it, or None for an empty log.

    Nothing is signed that does not continue what was signed before, so a fault stays visible.

    Args:
        database: of the log.
        folder: of the key and the head, `HOME/trust`.

    Raises:
        AuditError: the key or the head is damaged, or the log does not continue the head.
        OutputError: the head cannot be written, such as on a full disk; the log is whole nevertheless.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / HEAD_FILE

    def sign_empty(sign: anchors.Sign, public_key: str) -> None:
        # Before the key is there: a key without a head tells that the head was removed, and no crash says so.
        if not path.exists():
            anchors.write(path, anchors.advance(None, EMPTY, sign, public_key))

    with FileLock(folder / f".{HEAD_FILE}.lock"):
        sign, public_key = anchors.open_key(folder, sign_empty)
        before = anchors.read(path)
        head = before.head if before else EMPTY
        with database.read() as connection:
            newest = follow(head, (entry for entry, _ in log.read(connection, head.count)))
        if newest is None:
            message = f"the audit log does not continue its signed head, which has {head.count} entries"
            raise AuditError(message, "find out why with: hinode audit verify")
        if newest == head:
            return before
        after = anchors.advance(before, newest, sign, public_key)
        anchors.write(path, after)
        return after


def check(database: Database, folder: Path) -> Report:
    """Verify the log of a database against its signed head."""
    before = anchors.read(folder / HEAD_FILE)
    with database.read() as connection:
        stored = log.stored_head(connection)
        signed_before = (folder / KEY_FILE).exists()
        return verify(log.read(connection), before, stored, expect_anchor=signed_before)


def export(database: Database, folder: Path, path: Path) -> int:
    """Write the log with its signed head as lines of JSON; returns the number of entries.

    Raises:
        OutputError: the file cannot be written.
    """
    with suppress(AuditError):  # verifying the export names the fault
        advance(database, folder)
    before, count = anchors.read(folder / HEAD_FILE), 0
    with database.read() as connection, replace_file(path) as part, part.open("w", encoding="utf-8") as file:
        head = log.stored_head(connection)
        first = {
            "format": FORMAT,
            "anchor": before.as_json() if before else None,
            "stored_head": asdict(head) if head else None,
        }
        file.write(json.dumps(first) + "\n")
        for entry, payload in log.read(connection):
            values: dict[str, Any] = asdict(entry)
            if payload is not None:
                values["salt"] = base64.b64encode(payload.salt).decode()
                values["payload"] = payload.payload.decode()
            file.write(json.dumps(values, ensure_ascii=False) + "\n")
            count += 1
    return count


def check_export(path: Path, head: Path | None = None, public_key: str | None = None) -> Report:
    """Verify an export; nothing else is needed.

    Args:
        path: the file of `export`.
        head: file of a newer signed head, from a place that whoever has the export cannot write to.
        public_key: PEM of the key that must have signed.

    Raises:
        AuditError: the file is no export.
    """
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline())
            if first["format"] != FORMAT:
                raise ValueError(first["format"])
            own = Anchor.from_json(first["anchor"]) if first["anchor"] else None
            stored = Head(**first["stored_head"]) if first["stored_head"] else None
            outside = anchors.read(head) if head else own
            return verify(_rows(file), outside, None if head else stored, public_key)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path} is not an export of the audit log"
        raise AuditError(message, "write one with: hinode audit export") from error


def _rows(lines: Iterator[str]) -> Iterator[tuple[Entry, Payload | None]]:
    for line in lines:
        values = json.loads(line)
        salt, payload = values.pop("salt", None), values.pop("payload", None)
        kept = None if salt is None else Payload(base64.b64decode(salt), payload.encode())
        yield Entry(**values), kept
