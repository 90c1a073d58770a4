"""Everything of a project in one ZIP file: its rows as JSON, its files, and a manifest with their digests."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
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
Part = dict[str, Any]
"""What an index says of a part: its name, its size and its SHA-256."""


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
    parts: list[Part] = []
    counts: dict[str, int] = {}
    with (
        replace_file(path, durable=True) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        part.chmod(0o600)
        with database.read() as connection:
            for table, condition in reversed(conditions(project_id).items()):
                name = f"{table.name}.jsonl"
                written, counts[table.name] = add_rows(archive, connection, table, condition, name)
                parts.append(written)
            digests = set(_digests(connection, project_id))
        files, missing = add_files(archive, objects, digests)
        manifest = {
            "format": FORMAT,
            "hinode": __version__,
            "project_id": project_id,
            "created_at": int(now),
            "parts": [*parts, *files],
            "missing": missing,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
    return Exported(counts, len(files), path.stat().st_size, tuple(missing))


def add_rows(
    archive: zipfile.ZipFile,
    connection: Connection,
    table: sa.Table,
    condition: sa.ColumnElement[bool],
    name: str,
) -> tuple[Part, int]:
    """Write rows of a table as lines of JSON, without secrets; returns what the index says of them, and how
    many there are."""
    lines = [_line(row) for row in connection.execute(_query(table, condition)).mappings()]
    return _write(archive, name, iter(lines)), len(lines)


def add_files(
    archive: zipfile.ZipFile, objects: Objects, digests: Iterable[str]
) -> tuple[list[Part], list[str]]:
    """Write files of the store; returns what the index says of them, and digests of missing ones."""
    parts, missing = [], []
    for digest in sorted(digests):
        try:
            with objects.fetch(digest).open("rb") as file:
                blocks = iter(partial(file.read, BLOCK), b"")
                parts.append(_write(archive, f"files/{digest}", blocks))
        except (FileNotFoundError, StoreError):
            missing.append(digest)
    return parts, missing


def _query(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    hidden = SECRETS if table.name in WITH_SECRETS else frozenset()
    columns = [column for column in table.c if column.name not in hidden]
    return sa.select(*columns).where(condition).order_by(*table.primary_key.columns)


def _line(row: sa.RowMapping) -> bytes:
    return json.dumps(dict(row), ensure_ascii=False, default=str).encode() + b"\n"


def _write(archive: zipfile.ZipFile, name: str, blocks: Iterator[bytes]) -> Part:
    digest, size = hashlib.sha256(), 0
    with archive.open(name, "w", force_zip64=True) as target:
        for block in blocks:
            target.write(block)
            digest.update(block)
            size += len(block)
    return {"name": name, "bytes": size, "sha256": digest.hexdigest()}


def _digests(connection: Connection, project_id: str) -> Iterator[str]:
    """The files of a project."""
    mine = sa.select(jobs.c.id).where(jobs.c.project_id == project_id)
    yield from connection.scalars(sa.select(artifacts.c.digest).where(artifacts.c.job_id.in_(mine)))
    for table in (uploads, characters):
        there = table.c.project_id == project_id, table.c.deleted_at.is_(None)
        yield from connection.scalars(sa.select(table.c.digest).where(*there))
