"""The limit on attempts to sign in, for all processes of a server together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from hinode.jobs.job import OverQuota
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.rows import count_rows
from hinode.records.tables import sign_in_attempts as table

WINDOW_SECONDS = 900.0
MAX_OF_ACCOUNT_HERE, MAX_OF_ACCOUNT, MAX_OF_ADDRESS = 10, 100, 100
"""Attempts in that time: at one account from one address, at one account, and from one address. Only the
first is low, so that a stranger cannot lock a person out."""


class Attempts:
    """Attempts to sign in, which are counted until one succeeds. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock

    def begin(self, address: str, account: str = "") -> Callable[[], None]:
        """Count an attempt before it is carried out.

        Args:
            address: of the client.
            account: what it signs in as, such as an email address; empty for a token.

        Returns: a call for when it succeeded, after which those at the account from here are forgotten.

        Raises:
            OverQuota: there were too many.
        """
        now = self.clock()
        limits = {subject_of("address", address): MAX_OF_ADDRESS}
        here = subject_of("account", account, "address", address)
        if account:
            limits |= {subject_of("account", account): MAX_OF_ACCOUNT, here: MAX_OF_ACCOUNT_HERE}
        with self.database.write() as connection:
            connection.execute(table.delete().where(table.c.at <= now - WINDOW_SECONDS))
            for subject, maximum in limits.items():
                if count_rows(connection, table.c.subject == subject) >= maximum:
                    message, remedy = "there were too many attempts to sign in", "try again in 15 minutes"
                    raise OverQuota(message, remedy, retry_after=WINDOW_SECONDS)
            rows = [{"id": ids.make("attempt_", now), "subject": subject, "at": now} for subject in limits]
            connection.execute(table.insert(), rows)

        def forget() -> None:
            with self.database.write() as connection:
                connection.execute(table.delete().where(table.c.subject == here))
                connection.execute(table.delete().where(table.c.id.in_([row["id"] for row in rows])))

        return forget


def subject_of(*parts: str) -> str:
    """What attempts are counted by; the table holds no addresses of people."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
