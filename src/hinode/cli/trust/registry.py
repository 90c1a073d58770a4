"""The database of this home, as the registry of the files that were signed here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.records.database import Database


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database | None]:
    """The database of the settings, or None if there is none yet; none is made for this."""
    from hinode.records.database import Database

    database = Database(settings.database_url)
    path = database.url.database if database.sqlite else None
    try:
        yield None if path is not None and not Path(path).exists() else database
    finally:
        database.close()
