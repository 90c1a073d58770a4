"""The prober: it runs every probe of a server again and again, and enters what they measure.

Of several probers on one database one has the turn; the others wait. While the database is away, samples
wait in memory and are entered later, so that its failure is in the history too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from hinode import engines
from hinode.engines.remote import upstreams
from hinode.engines.remote.engine import RemoteEngine
from hinode.errors import HinodeError
from hinode.jobs.periodic import PeriodicTask, PeriodicTasks
from hinode.jobs.states import Status
from hinode.jobs.status import history, notices
from hinode.jobs.status.deliveries import webhook_probe
from hinode.jobs.status.history import Sample
from hinode.jobs.status.probes import ApiProbe, Client, ClipProbe, Probe, ProviderProbe
from hinode.jobs.status.turn import Turn
from hinode.jobs.status.upkeep import tidy
from hinode.jobs.store import Store
from hinode.jobs.tenants.mail import Mailer
from hinode.outbound import Outbound
from hinode.records.database import Database, DatabaseError
from hinode.settings import Settings

log = logging.getLogger(__name__)

LOCAL_ENGINES = ("testcard", "native")
"""Whose clips are probed unless the settings name models: they cost no money and load in moments."""
TURN_SECONDS = 5.0
UPKEEP_SECONDS = 60.0
START_SECONDS = 60.0
"""For a worker to be there, so that the start of a service is not its first incident."""
STOP_SECONDS = 2.0
"""For probes in progress when the prober stops; they end with their process."""
MAX_WAITING = 10_000
"""Samples that wait in memory for the database, most of a day."""


class Stopped(Exception):
    """The prober stops in the middle of a probe, which then says nothing."""


class Prober:
    """Probes one server between `start` and `stop`. Safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        url: str,
        clock: Callable[[], float] = time.time,
        probes: Sequence[Probe] | None = None,
    ) -> None:
        """
        Args:
            settings: of this process, or of the server in it.
            database: of the probed server; it is up to date.
            url: address of the server, without /v1.
            clock: seconds since 1970.
            probes: by default those of the settings.

        Raises:
            ModelError: `upstreams.toml` is wrong.
        """
        self.database = database
        self.clock = clock
        self.turn = Turn(database, clock, url, settings.status_seconds)
        self._interval = settings.status_seconds
        self._mailer = Mailer(settings.smtp_url) if settings.smtp_url else None
        self._recipients = settings.status_mail
        self._stopping = threading.Event()
        self._client = Client(url, lambda: self.turn.key, self._pause)
        self._store = Store(database, clock)
        self.probes = list(self._configured(settings, url) if probes is None else probes)
        self._lock = threading.Lock()
        self._waiting: list[Sample] = []
        self._has_turn = False
        self._started_at = clock()
        self._ready = False
        self._tasks = PeriodicTasks(
            [
                PeriodicTask("taking the turn to probe", TURN_SECONDS, self.take_turn),
                PeriodicTask("deleting what probes left", UPKEEP_SECONDS, self.tidy),
                *(
                    PeriodicTask(f"probing {probe.name}", self._interval, self._run_of(probe))
                    for probe in self.probes
                ),
            ]
        )

    def start(self) -> None:
        """Take the turn if no other prober has it, and begin."""
        with suppress(DatabaseError):
            self.take_turn()
        self._tasks.start()

    def stop(self) -> None:
        """Begin no probe any more, wait a moment for those in progress, and give up the turn."""
        self._stopping.set()
        self._tasks.stop(STOP_SECONDS)
        self._client.close()
        with suppress(DatabaseError):
            self.turn.give_up()

    def take_turn(self) -> None:
        """Take or renew the turn; with a new one, components that are not probed now are forgotten."""
        had_turn = self._has_turn
        self._has_turn = self.turn.take()
        if self._has_turn and not had_turn:
            names = [name for probe in self.probes for name in probe.components]
            log.info("probing", extra={"url": self.turn.url, "components": names})
            with self.database.write() as connection:
                closed = history.retire(connection, names, self.clock())
            notices.send_mails(self._mailer, self._recipients, closed)

    def probe(self, probe: Probe) -> None:
        """Run a probe once and enter what it measured, if it is our turn and the service has started."""
        if not (self._has_turn and self._is_ready()):
            return
        try:
            outcomes = probe.run()
        except Stopped:
            return
        if self._stopping.is_set():
            return  # it may have failed because the server stops too
        at, span = self.clock(), probe.max_seconds + 2 * self._interval
        samples = [
            Sample(outcome.component, at, outcome.ok, outcome.seconds, outcome.message, span)
            for outcome in outcomes
        ]
        with self._lock:
            self._waiting = (self._waiting + samples)[-MAX_WAITING:]
        self.flush()

    def flush(self) -> None:
        """Enter the samples that wait.

        Raises:
            DatabaseError: the database cannot be reached; they still wait.
        """
        with self._lock:
            samples, now = list(self._waiting), self.clock()
            with self.database.write() as connection:
                entered = []
                if self.turn.hold(connection, now):
                    entered = history.enter(connection, samples)
            self._waiting.clear()
        for notice in entered:
            log.warning(notice.subject, extra={"incident": notice.incident_id, "cause": notice.text})
        notices.send_mails(self._mailer, self._recipients, entered)

    def tidy(self) -> None:
        """Delete the clips and events of probes, and tallies that are too old."""
        if self._has_turn and self.turn.project_id:
            now = self.clock()
            with self.database.write() as connection:
                tidy(connection, self.turn.project_id, now)
                history.prune(connection, now)

    def _is_ready(self) -> bool:
        """Whether a worker lives, or none has come for a while."""
        late = self.clock() - self._started_at >= START_SECONDS
        self._ready = self._ready or late or self._store.counts().workers > 0
        return self._ready

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    def _run_of(self, probe: Probe) -> Callable[[], None]:
        return lambda: self.probe(probe)

    def _configured(self, settings: Settings, url: str) -> list[Probe]:
        models = settings.status_models or _local_models(settings)
        probes: list[Probe] = [ApiProbe(self._client)]
        for number, model in enumerate(models):
            probes.append(ClipProbe(self._client, model, self._workers_are_busy, queue=number == 0))
        outbound = Outbound(allow_private=settings.allow_private_urls)
        webhooks = webhook_probe(
            self.database, outbound, url, lambda: self.turn.project_id, self.clock, self._client
        )
        probes += [] if webhooks is None else [webhooks]
        if (settings.home / upstreams.FILE).exists():
            engine = RemoteEngine(settings)
            probes += [ProviderProbe(engine, server) for server in upstreams.read(settings.home).servers]
        return probes

    def _workers_are_busy(self) -> bool:
        """Whether live workers have jobs of others, so that a clip of a probe waits for them."""
        with suppress(DatabaseError):
            counts = self._store.counts()
            running = sum(count for (status, _), count in counts.jobs.items() if status is Status.RUNNING)
            return 0 < counts.workers <= running
        return False


def _local_models(settings: Settings) -> list[str]:
    models = []
    for engine in LOCAL_ENGINES:
        with suppress(HinodeError):
            models.append(f"{engine}/{engines.models(engine, settings)[0]}")
    return models
