"""What the operator writes about money, for commands."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hinode.cli.tenants import open_database
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.money.books.operator import OperatorBooks


@contextmanager
def open_books(settings: Settings | None = None) -> Iterator[OperatorBooks]:
    """The operator's books: those of the database, or the files of the home as long as no server has made a
    database there. The settings are by default those of the environment."""
    from hinode.money.books.operator import OperatorBooks
    from hinode.records.database import parse

    settings = settings or Settings.from_environment(os.environ)
    url = parse(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        yield OperatorBooks(None, settings.home, time.time)
        return
    with open_database(settings) as database:
        yield OperatorBooks(database, settings.home, time.time)
