"""Marks of files in the database, by which a file is recognised."""

from __future__ import annotations

import pytest

from hinode.records.database import Database
from hinode.request import MediaFile
from hinode.trust.provenance import marks
from hinode.trust.provenance.signing import Mark
from hinode.trust.verification.registry import known_ids, registry_of
from hinode.trust.verification.report import Fingerprint, Registration

DIGEST, MEDIA, ID = "a" * 64, "c" * 64, "ab" * 16
LABEL = f"urn:c2pa:{'0' * 36}"


@pytest.mark.both_databases
def test_a_file_of_a_job_is_found_by_its_packed_media(database: Database) -> None:
    mark = Mark(DIGEST, 5, LABEL, ID, awaits_timestamp=True, media_digest=MEDIA)
    facts = marks.facts_of({"video": mark}) | {"watermark_id": ID}
    with database.write() as connection:
        files = {"video": MediaFile(DIGEST, "video/mp4", 5)}
        marks.record_job(connection, "video_1", files, facts, "generate", 5.0)
        marks.record(connection, marks.RecordedMark("b" * 64, LABEL, None, "of another form", 4.0))
        assert [entry.digest for entry in marks.due(connection, 5.0, 9)] == [DIGEST]
    assert known_ids(database) == [bytes.fromhex(ID)]
    [found] = registry_of(database)(Fingerprint("0" * 64, MEDIA, ()))
    assert found == Registration(LABEL, DIGEST, MEDIA, ID, 5.0, "generate")


def test_what_a_distant_worker_sends_may_be_anything(database: Database) -> None:
    for number, value in enumerate((None, 5, "short", ["a"], {"video": 5})):
        facts = {"manifests": {"video": LABEL}, "media_digests": value, "awaiting_timestamp": value}
        file = MediaFile(f"{number:064}", "video/mp4", 5)
        with database.write() as connection:
            marks.record_job(connection, "video_1", {"video": file}, facts, None, 5.0)
            found = marks.find(connection, file.digest)
        assert found is not None
        assert (found.media_digest, found.timestamp_due) == (None, None)
