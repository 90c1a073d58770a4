"""A next version with more migrations, and what keeps a migration from its locks."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.postgres import programs
from benchmarks.serving import ROOT

PATIENCE = 120.0
BALLAST_BYTES = 32 << 20
"""More than a pipe holds, so that a dump that nobody reads does not end."""
NEXT = (
    'op.add_column("jobs", sa.Column("urgency", sa.Integer(), nullable=False, server_default="0"))',
    'create_index_concurrently("ix_jobs_urgency", "jobs", ["urgency", "queued_at"])',
    'op.create_table("boosts", sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id")))',
)
"""Migrations of the new version: a column, an index, and a table with a foreign key."""


def add_migrations(folder: Path, statements: Sequence[str], *, oldest: str = "") -> None:
    """Add a migration for each statement to a copy of the folder of migrations; they get numbers from 9001.

    Args:
        folder: with `versions` in it.
        statements: in Python; `op`, `sa` and `create_index_concurrently` are imported.
        oldest: what each states as `oldest_compatible`; nothing if empty.
    """
    versions = folder / "versions"
    down = max(path.name[:4] for path in versions.glob("[0-8]*.py"))
    for number, statement in enumerate(statements, 9001):
        lines = (
            "import sqlalchemy as sa",
            "from alembic import op",
            "from hinode.records.upgrades import create_index_concurrently",
            f'revision, down_revision = "{number}", "{down}"',
            *([f'oldest_compatible = "{oldest}"'] if oldest else []),
            f"def upgrade() -> None:\n    {statement}",
        )
        (versions / f"{number}_next.py").write_text("\n".join(lines) + "\n")
        down = str(number)


@contextmanager
def next_version() -> Iterator[Path]:
    """A copy of the sources of this version with the migrations of `NEXT`."""
    with tempfile.TemporaryDirectory(prefix="hinode-next-") as name:
        source = Path(name) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        add_migrations(source / "hinode" / "records" / "migrations", NEXT)
        yield source


@contextmanager
def endless_dump(url: str) -> Iterator[None]:
    """`pg_dump` in the middle of its work, until the block ends; then it is read to its end.

    Raises:
        RuntimeError: it fails.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE ballast (content text)")
        rows = "SELECT repeat(md5(random()::text), 1024) FROM generate_series(1, %s)"
        connection.execute(f"INSERT INTO ballast {rows}", (BALLAST_BYTES // (32 * 1024),))
        dump = subprocess.Popen(
            [str(programs() / "pg_dump"), f"--dbname={url}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            locks = (
                "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE application_name = 'pg_dump' AND relation = 'jobs'::regclass"
            )
            wait_until(lambda: connection.execute(locks).fetchone() is not None)
            yield
            _, errors = dump.communicate(timeout=PATIENCE)
        finally:
            dump.kill()
            dump.communicate()
    if dump.returncode:
        raise RuntimeError(f"pg_dump failed: {errors.decode(errors='replace')}")


@contextmanager
def open_transaction(url: str, name: str = "") -> Iterator[None]:
    """A transaction that has read the jobs and does nothing, until the block ends."""
    with psycopg.connect(url, application_name=name) as connection:
        connection.execute("SELECT count(*) FROM jobs")
        yield


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not in `PATIENCE` seconds.
    """
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{holds} does not hold after {PATIENCE:g} s")
        time.sleep(0.05)
