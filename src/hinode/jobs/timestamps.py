"""Timestamps of files that were signed while the time authority was away: it is asked again, with pauses that
grow, until it answers or a limit is reached."""

from __future__ import annotations

import logging

from hinode.background import backoff
from hinode.records.database import Database
from hinode.trust.provenance import marks, timestamps

log = logging.getLogger(__name__)

FIRST_PAUSE, MAX_PAUSE = 60.0, 6 * 3600.0
"""Seconds between two requests for a file: after the first failure, and at most."""
MAX_FAILURES = 40
"""Requests for a file after which the authority is not asked again: they take about a week."""
MAX_FILES = 200
"""Files of one round."""


def fetch_due(database: Database, time_authority: str, now: float) -> int:
    """Ask for the timestamps that are due at `now`, in seconds since 1970; returns how many were given.

    The first failure ends the round, so that an authority that is away is asked once in each.
    """
    if not time_authority:
        return 0
    with database.read() as connection:
        waiting = marks.due(connection, now, MAX_FILES)
    for count, mark in enumerate(waiting):
        try:
            token = timestamps.fetch(time_authority, mark.digest)
        except timestamps.TimestampError as error:
            failures = mark.timestamp_failures + 1
            again = now + backoff(failures, first=FIRST_PAUSE, maximum=MAX_PAUSE)
            if failures >= MAX_FAILURES:
                log.warning("the file %s stays without a timestamp: %s", mark.digest, error)
            with database.write() as connection:
                due = again if failures < MAX_FAILURES else None
                marks.postpone_timestamp(connection, mark.digest, due, failures)
            return count
        with database.write() as connection:
            marks.set_timestamp(connection, mark.digest, token)
    return len(waiting)
