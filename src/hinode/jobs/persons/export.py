"""Everything that there is of a person in one ZIP file: rows as JSON, files, and an index of both."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from hinode import __version__
from hinode.jobs.files.objects import Objects
from hinode.jobs.persons.records import Account, consents_that_name, jobs_of, records_of
from hinode.jobs.tenants.export import FORMAT, Exported, Part, add_files, add_rows
from hinode.output import check_writable, replace_file
from hinode.records.database import Database
from hinode.records.tables import artifacts, characters, consents

INDEX = "index.json"


def export(
    database: Database, objects: Objects, accounts: Sequence[Account], path: Path, now: float
) -> Exported:
    """Write everything of a person into a new ZIP file.

    Each account has a folder with its id. In it `own` has what a deletion deletes, `named` what it leaves
    without the name, and `remains` what stays as it is. `index.json` lists each part with its size and
    SHA-256. Passwords and secrets are left out.

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
    digests: set[str] = set()
    with (
        replace_file(path, durable=True) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        part.chmod(0o600)
        with database.read() as connection:
            for account in accounts:
                records = records_of(connection, account)
                others = list(consents_that_name(connection, account))
                named: dict[sa.Table, list[sa.ColumnElement[bool]]] = {}
                for blank in records.blanks:
                    named.setdefault(blank.table, []).append(blank.condition)
                named[consents].append(consents.c.id.in_(others))
                folders = {
                    "own": records.rows,
                    "named": {table: sa.or_(*conditions) for table, conditions in named.items()},
                    "remains": records.remains,
                }
                for folder, rows in folders.items():
                    for table, condition in rows.items():
                        name = f"{account.id}/{folder}/{table.name}.jsonl"
                        written, count = add_rows(archive, connection, table, condition, name)
                        parts.append(written)
                        counts[table.name] = counts.get(table.name, 0) + count
                mine = sa.select(artifacts.c.digest).where(artifacts.c.job_id.in_(jobs_of(account)))
                faces = sa.select(characters.c.digest).where(sa.or_(*named[characters]))
                digests |= set(connection.scalars(mine)) | set(connection.scalars(faces))
        files, missing = add_files(archive, objects, digests)
        index = {
            "format": FORMAT,
            "hinode": __version__,
            "accounts": [vars(account) for account in accounts],
            "created_at": int(now),
            "rows": counts,
            "parts": [*parts, *files],
            "missing": missing,
        }
        archive.writestr(INDEX, json.dumps(index, indent=1, ensure_ascii=False))
    return Exported(counts, len(files), path.stat().st_size, tuple(missing))
