"""The files that the servers of a database signed, as the registry that a check asks."""

from __future__ import annotations

from hinode.records.database import Database
from hinode.trust.provenance import marks
from hinode.trust.verification.report import Fingerprint, Lookup, Registration

MAX_KEYS = 20
"""Labels and watermarks of one file that are looked up: a stranger chooses how many there are."""


def registry_of(database: Database) -> Lookup:
    """Finds the marks of files by the digest of the file, the labels in it, and its watermarks."""

    def look_up(fingerprint: Fingerprint) -> list[Registration]:
        with database.read() as connection:
            same = marks.find(connection, fingerprint.sha256)
            found = [same] if same else []
            for label in fingerprint.labels[:MAX_KEYS]:
                found += marks.find_by_label(connection, label)
            for watermark in fingerprint.watermarks[:MAX_KEYS]:
                found += marks.find_by_watermark(connection, watermark)
        return [Registration(mark.label, mark.digest) for mark in found]

    return look_up
