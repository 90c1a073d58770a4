"""Alembic runs this to bring a database up to date; `hinode.records.upgrades` hands it a connection."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from hinode.records.tables import metadata, schema_revisions

connection: sa.Connection = context.config.attributes["connection"]


def record(ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object) -> None:
    """Write down with which older versions the tables are compatible, in the transaction of the migration."""
    assert ctx.connection is not None
    if not sa.inspect(ctx.connection).has_table(schema_revisions.name):  # before 0012
        return
    script: Any = step.up_revision
    oldest = getattr(script.module, "oldest_compatible", None)
    if oldest is None:  # the migration only adds
        previous = sa.select(schema_revisions.c.oldest_compatible).where(
            schema_revisions.c.revision == script.down_revision
        )
        oldest = ctx.connection.execute(previous).scalar_one()
    row = {"revision": script.revision, "oldest_compatible": oldest}
    ctx.connection.execute(schema_revisions.insert(), row)


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=False,
    # On PostgreSQL no lock outlives the migration that needs it; on SQLite there is one writer anyway.
    transaction_per_migration=connection.dialect.name == "postgresql",
    on_version_apply=record,
)
with context.begin_transaction():
    context.run_migrations()
