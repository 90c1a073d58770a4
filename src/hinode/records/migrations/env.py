"""Alembic runs this to bring a database up to date; `hinode.records.database` hands it a connection."""

from alembic import context

from hinode.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=False,
)
context.run_migrations()
