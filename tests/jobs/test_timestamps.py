"""Timestamps that the time authority did not give when a file was signed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hinode.jobs import timestamps
from hinode.jobs.timestamps import fetch_due
from hinode.records.database import Database
from hinode.trust.provenance import marks
from tests.trust.verification.time_authority import time_authority

NOW = 1.8e9
NOBODY = "http://127.0.0.1:9/tsr"
DIGESTS = ("0" * 64, "1" * 64)


@pytest.mark.both_databases
def test_a_missing_timestamp_is_asked_for_again_and_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as connection:
        for due, digest in enumerate(DIGESTS):
            marks.record(
                connection, marks.RecordedMark(digest, "urn:c2pa:x", None, None, NOW, timestamp_due=NOW + due)
            )
    assert fetch_due(database, "", NOW + 9) == 0
    assert fetch_due(database, NOBODY, NOW + 9) == 0
    with database.read() as connection:
        first, second = (marks.find(connection, digest) for digest in DIGESTS)
    assert first is not None
    assert second is not None
    # An authority that is away is asked once in a round.
    assert (first.timestamp_due, first.timestamp_failures) == (NOW + 9 + timestamps.FIRST_PAUSE, 1)
    assert (second.timestamp_due, second.timestamp_failures) == (NOW + 1, 0)
    with time_authority(tmp_path) as (address, _):
        assert fetch_due(database, address, NOW + 9) == 1
    with database.read() as connection:
        found = marks.find(connection, DIGESTS[1])
        assert marks.count_timestamps(connection) == marks.TimestampCounts(1, 1, 0)
    assert found is not None
    assert found.timestamp is not None
    (tmp_path / "token").write_bytes(found.timestamp)
    words = ["ts", "-verify", "-digest", DIGESTS[1], "-in", "token", "-token_in"]
    words += ["-CAfile", "certificate.pem", "-partial_chain"]  # its root has the same name
    done = subprocess.run([str(shutil.which("openssl")), *words], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(timestamps, "MAX_FAILURES", 2)
    assert fetch_due(database, NOBODY, NOW + 1e6) == 0
    with database.read() as connection:
        assert marks.count_timestamps(connection) == marks.TimestampCounts(0, 1, 1)
