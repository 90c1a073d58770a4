"""Whose turn it is to probe: one process of an installation, by a lease in the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.records.rows import insert_into, only_row
from hinode.records.tables import api_keys, projects, status_probers

LEASE_SECONDS = 90.0
"""Longer than the longest probe and the pause after it."""
NAME = "status probes"
"""Of the project of the probes and of its key."""

_ROW = status_probers.c.number == 1


class Turn:
    """The lease of one process, and the project and API key of its probes. Safe to use from several threads.

    A key is made with each turn, because only its digest is stored; the keys of earlier turns are deleted.
    """

    def __init__(self, database: Database, clock: Callable[[], float], url: str, interval: float) -> None:
        """`url` is that of the probed server, and `interval` the seconds between two probes."""
        self.database = database
        self.clock = clock
        self.url = url
        self.interval = interval
        self.holder = f"prober_{secrets.token_hex(10)}"
        self.project_id = ""
        self.key = ""

    def take(self) -> bool:
        """Take or renew the turn; returns whether this process has it.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        now = self.clock()
        values = {"holder": self.holder, "url": self.url, "interval": self.interval}
        with self.database.write() as connection:
            first = insert_into(connection, status_probers).values(number=1, **values, lease_until=0.0)
            connection.execute(first.on_conflict_do_nothing())
            row = only_row(connection, sa.select(status_probers).where(_ROW).with_for_update())
            is_new = row["holder"] != self.holder
            if is_new and row["lease_until"] > now:
                self.key = ""
                return False
            lease = now + LEASE_SECONDS
            connection.execute(status_probers.update().where(_ROW).values(**values, lease_until=lease))
        if is_new or not self.key:
            self._make_key(row["project_id"])
        return True

    def hold(self, connection: Connection, at: float) -> bool:
        """Keep others from entering samples until the end of a transaction, and enter when this process has
        last reported; returns whether it still has the turn."""
        update = status_probers.update().where(_ROW, status_probers.c.holder == self.holder)
        return connection.execute(update.values(reported_at=at)).rowcount == 1

    def give_up(self) -> None:
        """Let another process have the turn at once, and delete the key."""
        with self.database.write() as connection:
            mine = status_probers.update().where(_ROW, status_probers.c.holder == self.holder)
            if connection.execute(mine.values(lease_until=self.clock())).rowcount:
                _delete_keys(connection, self.project_id)
        self.key = ""

    def _make_key(self, project_id: str | None) -> None:
        tenants = Tenants(self.database, self.clock)
        if project_id is None:
            project_id = self._make_project(tenants)
            with self.database.write() as connection:
                connection.execute(status_probers.update().where(_ROW).values(project_id=project_id))
        with self.database.write() as connection:
            _delete_keys(connection, project_id)
        self.project_id = project_id
        self.key = tenants.create_key(NAME, project=project_id).key

    def _make_project(self, tenants: Tenants) -> str:
        """A project with a name that no other one has."""
        for number in range(1, 100):
            name = NAME if number == 1 else f"{NAME} {number}"
            try:
                return tenants.create_project(name).id
            except BadInput:
                continue
        raise BadInput(f"there are too many projects called {NAME}", "rename them", field="name")


def own_project(connection: Connection) -> str | None:
    """The project of the probes, or None before the first turn."""
    project: str | None = connection.scalar(sa.select(status_probers.c.project_id).join(projects).where(_ROW))
    return project


def _delete_keys(connection: Connection, project_id: str) -> None:
    """Delete the keys of earlier turns: there is one for each start of a prober."""
    connection.execute(api_keys.delete().where(api_keys.c.project_id == project_id))
