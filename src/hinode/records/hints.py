"""Hints that something has changed in a project, from process to process: LISTEN and NOTIFY of PostgreSQL.

A hint is an id and nothing else, and may be lost: changes are read from the database, at a regular interval
too. SQLite has no hints.

A transaction that notifies waits for a lock of the whole server when it commits. So hints are sent after the
commit of what they report, those of a process together, in a transaction of their own.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hinode.background import backoff

log = logging.getLogger(__name__)

CHANNEL = "hinode_changes"
GATHER_SECONDS = 0.02
"""For which hints wait for others that are sent with them."""
MAX_WAITING = 1000
"""Ids that wait to be sent; more are dropped."""
PROOF_SECONDS = 5.0
"""In which a hint to oneself arrives."""
PROOF_INTERVAL_SECONDS = 60.0
MAX_BACKOFF_SECONDS = 60.0
STOP_SECONDS = 5.0
WAIT_SECONDS = 0.5

ERRORS = (DBAPIError, sa.exc.TimeoutError)

_NOTIFY = sa.text("SELECT pg_notify(:channel, id) FROM unnest(cast(:ids AS text[])) AS ids (id)")
_NOTES = "hinode.hints"


def note(connection: Connection, project_id: str) -> None:
    """Send a hint of a project once the transaction of `connection` has committed."""
    connection.info.setdefault(_NOTES, set()).add(project_id)


def take_notes(connection: Connection) -> set[str]:
    """The projects noted in the transaction of `connection`, which are noted no more."""
    notes: set[str] = connection.info.pop(_NOTES, set())
    return notes


class HintSender:
    """Sends the hints of a process, in a thread that starts with the first.

    Safe to use from several threads.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def send(self, ids: Collection[str]) -> None:
        """Send these ids soon."""
        with self._changed:
            if self._stopped or not ids or len(self._waiting) >= MAX_WAITING:
                return
            self._waiting.update(ids)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Send no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
            time.sleep(GATHER_SECONDS)
            with self._changed:
                ids, self._waiting = self._waiting, set()
            if ids:
                self._notify(sorted(ids))

    def _notify(self, ids: list[str]) -> None:
        try:
            with self._engine.connect() as connection, connection.begin():
                connection.execute(_NOTIFY, {"channel": CHANNEL, "ids": ids})
        except ERRORS as error:
            log.debug("hints were not sent: %s", error)


class HintListener:
    """Receives the hints of all processes, in a thread with a connection of its own.

    It sends hints to itself and listens again if one does not arrive: a connection may be dead without an
    error, and a pooler in transaction mode delivers nothing.
    """

    def __init__(
        self,
        engine: Engine,
        sender: HintSender,
        receive: Callable[[str], None],
        *,
        attempts: int | None = None,
    ) -> None:
        """
        Args:
            receive: called with the id of a project, in the thread.
            attempts: connections that are tried before it gives up; None for no end.
        """
        self._engine = engine
        self._sender = sender
        self._receive = receive
        self._attempts = attempts
        self._stopping = threading.Event()
        self._proven = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hints received", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    @property
    def is_proven(self) -> bool:
        """Whether its last hint to itself arrived."""
        return self._proven.is_set()

    def wait_until_proven(self, seconds: float) -> bool:
        """Wait until a hint to itself has arrived; False if none has in so many seconds."""
        return self._proven.wait(seconds)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._listen()
            except (*ERRORS, self._engine.dialect.loaded_dbapi.Error, TimeoutError) as error:
                failures = 1 if self.is_proven else failures + 1
                if failures == 1 and self._attempts is None:
                    log.warning("hints of changes do not arrive, so changes are only polled for: %s", error)
            self._proven.clear()
            if failures == self._attempts:
                return
            self._stopping.wait(backoff(max(1, failures), first=1.0, maximum=MAX_BACKOFF_SECONDS))

    def _listen(self) -> None:
        """
        Raises:
            TimeoutError: a hint to itself did not arrive.
        """
        with self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            connection.detach()  # it is closed at the end, and listens for nobody else
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            proof, due = "", time.monotonic()
            while not self._stopping.is_set():
                if time.monotonic() >= due:
                    if proof:
                        raise TimeoutError("a hint to this process did not arrive")
                    proof, due = secrets.token_hex(8), time.monotonic() + PROOF_SECONDS
                    self._sender.send({proof})
                for notice in driver.notifies(timeout=WAIT_SECONDS):
                    if notice.payload != proof:
                        self._receive(notice.payload)
                        continue
                    proof, due = "", time.monotonic() + PROOF_INTERVAL_SECONDS
                    self._proven.set()
