"""The files that the servers of a database signed, as the registry that a check asks."""

from __future__ import annotations

import re

from hinode.records.database import Database
from hinode.trust.provenance import marks
from hinode.trust.verification.report import Fingerprint, Lookup, Registration

MAX_KEYS = 20
"""Labels and watermarks of one file that are looked up: a stranger chooses how many there are."""
MAX_IDS = 100_000
"""Watermarks that a file is compared with, the latest first."""
ID = re.compile(r"[0-9a-f]{32}")


def registry_of(database: Database) -> Lookup:
    """Finds the marks of files by the digest of the file, that of its packed pictures and sound, the labels
    in it, and its watermarks."""

    def look_up(fingerprint: Fingerprint) -> list[Registration]:
        with database.read() as connection:
            same = marks.find(connection, fingerprint.sha256)
            found = [same] if same else []
            if fingerprint.media_sha256 is not None:
                found += marks.find_by_media(connection, fingerprint.media_sha256)
            for label in fingerprint.labels[:MAX_KEYS]:
                found += marks.find_by_label(connection, label)
            for watermark in fingerprint.watermarks[:MAX_KEYS]:
                found += marks.find_by_watermark(connection, watermark)
        return [_registration(mark) for mark in dict.fromkeys(found)]

    return look_up


def known_ids(database: Database) -> list[bytes]:
    """What the watermarks of the files of a database carry, the latest first, `MAX_IDS` at most."""
    with database.read() as connection:
        ids = marks.watermark_ids(connection, MAX_IDS)
    return [bytes.fromhex(id) for id in ids if ID.fullmatch(id)]  # a distant worker may have sent others


def first_with(database: Database, watermark: str) -> Registration | None:
    """The first file whose watermark carries an id, or None if the database does not know the id."""
    with database.read() as connection:
        found = marks.find_by_watermark(connection, watermark)
    return _registration(min(found, key=lambda mark: mark.created_at)) if found else None


def _registration(mark: marks.RecordedMark) -> Registration:
    return Registration(
        mark.label, mark.digest, mark.media_digest, mark.watermark_id, mark.created_at, mark.operation
    )
