"""Everything of a project in one ZIP file: its rows as JSON, its files, and a manifest with their digests."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode import __version__
from hinode.jobs.files.objects import BLOCK, Objects, StoreError
from hinode.jobs.tenants.ownership import SECRETS, WITH_SECRETS, conditions
from hinode.output import check_writable, replace_file
from hinode.records.database import Database
from hinode.records.tables import artifacts, characters, jobs, uploads

FORMAT = 1


@dataclass(frozen=True)
class Exported:
    """What an export has: numbers of rows by table, files, and digests of which the store has no file."""

    rows: dict[str, int]
    files: int
    bytes: int
    missing: tuple[str, ...]


def export(database: Database, objects: Objects, project_id: str, path: Path, now: float) -> Exported:
    """Write everything of a project into a new ZIP file.

    `manifest.json` lists each part with its size and SHA-256. Keys, passwords and secrets are left out.

    Args:
        path: the file; it appears once it is whole.
        now: seconds since 1970.

    Raises:
        BadInput: the file cannot be written.
        OutputError: the disk is full.
    """
    check_writable(path)
    parts: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    missing, files = [], 0
    with (
        replace_file(path, durable=True) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        part.chmod(0o600)
        with database.read() as connection:
            for table, condition in reversed(conditions(project_id).items()):
                lines = [_line(table, row) for row in connection.execute(_query(table, condition)).mappings()]
                counts[table.name] = len(lines)
                name = f"{table.name}.jsonl"
                parts.append(_write(archive, name, iter(lines)))
            digests = _digests(connection, project_id)
        for digest, name in sorted(digests.items()):
            try:
                with objects.fetch(digest).open("rb") as file:
                    parts.append(_write(archive, name, iter(partial(file.read, BLOCK), b"")))
                    files += 1
            except (FileNotFoundError, StoreError):
                missing.append(digest)
        manifest = {
            "format": FORMAT,
            "hinode": __version__,
            "project_id": project_id,
            "created_at": int(now),
            "parts": parts,
            "missing": missing,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
    return Exported(counts, files, path.stat().st_size, tuple(missing))


def _query(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    hidden = SECRETS if table.name in WITH_SECRETS else frozenset()
    columns = [column for column in table.c if column.name not in hidden]
    return sa.select(*columns).where(condition).order_by(*table.primary_key.columns)


def _line(table: sa.Table, row: sa.RowMapping) -> bytes:
    return json.dumps(dict(row), ensure_ascii=False, default=str).encode() + b"\n"


def _write(archive: zipfile.ZipFile, name: str, blocks: Iterator[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with archive.open(name, "w", force_zip64=True) as target:
        for block in blocks:
            target.write(block)
            digest.update(block)
            size += len(block)
    return {"name": name, "bytes": size, "sha256": digest.hexdigest()}


def _digests(connection: Connection, project_id: str) -> dict[str, str]:
    """The files of a project with their names in the archive."""
    mine = sa.select(jobs.c.id).where(jobs.c.project_id == project_id)
    queries = (
        sa.select(artifacts.c.digest).where(artifacts.c.job_id.in_(mine)),
        *(
            sa.select(table.c.digest).where(table.c.project_id == project_id, table.c.deleted_at.is_(None))
            for table in (uploads, characters)
        ),
    )
    return {digest: f"files/{digest}" for query in queries for digest in connection.scalars(query)}
