"""changes of jobs: numbered by a trigger, for streams of events; and a pause of a project's queue

A trigger, and not the statements of the service, because a process of the previous version may write to the
same tables, and because no statement can forget it. On SQLite, which has one writer at a time, the number is
one more than the highest; on PostgreSQL it is that of the transaction. `jobs.changes` reads both in the order
of commits.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

VISIBLE_COLUMNS = ("status", "stage", "progress", "preview", "queued_at", "cancel_requested_at", "deleted_at")
"""Columns whose change is one that people see. The renewal of a lease is none."""

_NEXT = "UPDATE jobs SET changed = (SELECT max(changed) + 1 FROM jobs) WHERE id = NEW.id;"


def upgrade() -> None:
    op.add_column("projects", sa.Column("paused_at", sa.Float(53)))
    op.add_column("jobs", sa.Column("changed", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_jobs_changed", "jobs", ["changed", "project_id", "id"])
    waiting = sa.text("status = 'queued'")
    columns = ["project_id", "queued_at", "id"]
    op.create_index("ix_jobs_waiting", "jobs", columns, sqlite_where=waiting, postgresql_where=waiting)
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for statement in _sqlite() if sqlite else _postgresql():
        connection.exec_driver_sql(statement)


def _sqlite() -> list[str]:
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in VISIBLE_COLUMNS)
    return [
        f"CREATE TRIGGER jobs_made AFTER INSERT ON jobs BEGIN {_NEXT} END",
        f"CREATE TRIGGER jobs_changed AFTER UPDATE ON jobs WHEN {differs} BEGIN {_NEXT} END",
    ]


def _postgresql() -> list[str]:
    differs = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in VISIBLE_COLUMNS)
    call = "FOR EACH ROW {} EXECUTE FUNCTION number_change()"
    body = "BEGIN NEW.changed = txid_current(); RETURN NEW; END"
    return [
        f"CREATE FUNCTION number_change() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        f"CREATE TRIGGER jobs_made BEFORE INSERT ON jobs {call.format('')}",
        f"CREATE TRIGGER jobs_changed BEFORE UPDATE ON jobs {call.format(f'WHEN ({differs})')}",
    ]
