"""The audit log: what verification names, and what is no alarm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from hinode.errors import OutputError
from hinode.jobs.audit import anchoring
from hinode.records.database import Database
from hinode.records.tables import audit_head, audit_log, audit_payloads
from hinode.trust.audit import anchor as anchors
from hinode.trust.audit import log
from hinode.trust.audit.anchor import AuditError
from hinode.trust.audit.chain import Event
from hinode.trust.audit.verification import Fault, Report, verify

pytestmark = pytest.mark.both_databases
DAY = 86_400.0


def write(database: Database, count: int, *, first: int = 0, at: float = 1e9) -> None:
    for number in range(first, first + count):
        with database.write() as connection:
            event = Event("key.created", "operator", f"key_{number}", {"name": f"ключ {number}"})
            log.record(connection, event, at + number)


def faults(report: Report) -> list[Fault]:
    return [finding.fault for finding in report.findings]


def tamper(database: Database, statement: str) -> None:
    """Change rows as somebody with full access to the database can."""
    with database.write() as connection:
        if database.sqlite:
            for event in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_log_{event}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(statement)


def test_a_whole_log_is_intact_and_an_export_verifies_alone(database: Database, tmp_path: Path) -> None:
    write(database, 3)
    write(database, 2, first=3, at=1e9 + 2 * DAY)
    path = tmp_path / "audit.jsonl"
    assert anchoring.export(database, tmp_path / "trust", path) == 5
    report = anchoring.check_export(path)
    assert (report.intact, report.entries, report.unsigned) == (True, 5, 0)
    assert anchoring.check(database, tmp_path / "trust").intact
    assert (tmp_path / "trust" / "audit.pem").stat().st_mode & 0o777 == 0o600


def test_every_changed_byte_of_an_entry_is_named(database: Database, tmp_path: Path) -> None:
    write(database, 2)
    path, changed = tmp_path / "audit.jsonl", tmp_path / "changed.jsonl"
    anchoring.export(database, tmp_path / "trust", path)
    first, *entries = path.read_text(encoding="utf-8").splitlines()
    for name, value in json.loads(entries[0]).items():
        other = value + 1 if isinstance(value, int) else value[:-1] + ("A" if value[-1] != "A" else "B")
        line = json.dumps(json.loads(entries[0]) | {name: other})
        changed.write_text("\n".join((first, line, entries[1])) + "\n", encoding="utf-8")
        if name == "salt":
            other = value.replace(value[0], "A" if value[0] != "A" else "B", 1)
            line = json.dumps(json.loads(entries[0]) | {name: other})
            changed.write_text("\n".join((first, line, entries[1])) + "\n", encoding="utf-8")
        assert not anchoring.check_export(changed).intact, name


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit_log SET actor = 'nobody' WHERE number = 2", Fault.CHANGED),
        ("DELETE FROM audit_log WHERE number = 2", Fault.REMOVED),
        ("DELETE FROM audit_log WHERE number > 3", Fault.CUT),
        ("UPDATE audit_payloads SET payload = '{}' WHERE number = 2", Fault.PAYLOAD),
    ],
)
def test_a_changed_log_is_named(database: Database, tmp_path: Path, statement: str, fault: Fault) -> None:
    write(database, 4)
    anchoring.advance(database, tmp_path)
    tamper(database, statement)
    assert fault in faults(anchoring.check(database, tmp_path))


def test_the_database_refuses_changes_of_entries(database: Database) -> None:
    write(database, 1)
    for statement in (audit_log.update().values(actor="nobody"), audit_log.delete()):
        with pytest.raises(sa.exc.DatabaseError, match="never changed"), database.write() as connection:
            connection.execute(statement)


def test_a_restored_older_copy_is_named_even_if_it_is_written_on(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    database.upgrade()
    write(database, 3)
    database.close()
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    write(database, 3, first=3)
    anchoring.advance(database, tmp_path)
    database.close()
    older = Database(f"sqlite:///{tmp_path / 'b.db'}")
    assert faults(anchoring.check(older, tmp_path)) == [Fault.OLDER_COPY]
    with pytest.raises(AuditError):
        anchoring.advance(older, tmp_path)
    assert faults(anchoring.check(older, tmp_path)) == [Fault.OLDER_COPY]
    write(older, 4, first=9)
    with pytest.raises(AuditError):
        anchoring.advance(older, tmp_path)
    assert Fault.REPLACED in faults(anchoring.check(older, tmp_path))
    older.close()


def test_two_writers_of_one_database_make_one_chain(database: Database, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=write, args=(database, 10), kwargs={"first": n * 10}) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    anchoring.advance(database, tmp_path)
    report = anchoring.check(database, tmp_path)
    assert (report.intact, report.entries) == (True, 40)


def test_entries_of_two_writers_that_did_not_wait_are_named(database: Database, tmp_path: Path) -> None:
    write(database, 2)
    with database.read() as connection:
        rows = list(log.read(connection))
    forked = replace(rows[1][0], actor="somebody else")
    forked = replace(forked, hash=forked.expected_hash())
    assert Fault.TWO_WRITERS in faults(verify([*rows, (forked, None)], None))


def test_erased_payloads_leave_the_log_intact(database: Database, tmp_path: Path) -> None:
    write(database, 3)
    anchoring.advance(database, tmp_path)
    with database.write() as connection:
        assert log.erase(connection, "key_1") == 1
        assert "ключ 1" not in str(connection.execute(sa.select(audit_payloads)).all())
    report = anchoring.check(database, tmp_path)
    assert (report.intact, report.entries, report.erased, report.unsigned) == (True, 4, 1, 1)


def test_a_full_disk_is_no_alarm(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(database, 2)
    anchoring.advance(database, tmp_path)
    write(database, 2, first=2)

    def full(path: Path, *arguments: object, **options: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError):
        anchoring.advance(database, tmp_path)
    monkeypatch.undo()
    report = anchoring.check(database, tmp_path)
    assert (report.intact, report.unsigned) == (True, 2)
    anchoring.advance(database, tmp_path)
    assert anchoring.check(database, tmp_path).unsigned == 0


WRITER = """
import sys
from pathlib import Path
from hinode.jobs.audit import anchoring
from hinode.trust.audit import log
from hinode.records.database import Database
from hinode.trust.audit.chain import Event
database = Database(sys.argv[1])
print("ready", flush=True)
while True:
    with database.write() as connection:
        log.record(connection, Event("test.written", "system", "x", {}))
    anchoring.advance(database, Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_kill_is_no_alarm(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    database = Database(url)
    database.upgrade()
    for number in range(5):
        arguments = [sys.executable, "-c", WRITER, url, str(tmp_path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
            assert process.stdout is not None
            process.stdout.readline()
            threading.Event().wait(0.3 + 0.07 * number)
            process.send_signal(signal.SIGKILL)
        report = anchoring.check(database, tmp_path)
        assert report.intact, report.findings
    assert report.entries > 5
    database.close()


def test_a_head_of_another_key_or_a_damaged_one_is_named(database: Database, tmp_path: Path) -> None:
    write(database, 2)
    anchoring.advance(database, tmp_path / "a")
    anchoring.advance(database, tmp_path / "b")
    other = anchors.read(tmp_path / "b" / anchors.HEAD_FILE)
    with database.read() as connection:
        rows = list(log.read(connection))
    own = anchors.read(tmp_path / "a" / anchors.HEAD_FILE)
    assert own is not None
    assert faults(verify(rows, other, public_key=own.public_key)) == [Fault.SIGNATURE]
    assert faults(verify(rows, replace(own, head=replace(own.head, count=1)))) != []
    assert faults(verify(rows, None)) == [Fault.UNSIGNED]


def test_a_database_that_was_cut_with_its_head_row_is_named(database: Database, tmp_path: Path) -> None:
    write(database, 4)
    anchoring.advance(database, tmp_path)
    tamper(database, "DELETE FROM audit_log WHERE number > 2")
    with database.write() as connection:
        connection.execute(audit_head.update().values(count=2))
    assert faults(anchoring.check(database, tmp_path)) == [Fault.OLDER_COPY]
