"""The actors of an installation: started by name, asked for reports, drained, and found again."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnschedulableError, GetTimeoutError, RayError

from hinode import __version__
from hinode.errors import HinodeError
from hinode.jobs.capacity.fleet import WorkerClass
from hinode.jobs.capacity.ray import cluster
from hinode.jobs.capacity.ray.actor import DRAIN_SECONDS, ActorSpec, Report, WorkerActor
from hinode.jobs.executors import HEALTHY_SECONDS, restart_delay
from hinode.jobs.store import Store

log = logging.getLogger(__name__)

THREADS = 4
"""Methods of an actor that run at once: it reports while it drains."""
END_SECONDS = DRAIN_SECONDS + 30.0


@dataclass(eq=False)
class Slot:
    """An actor. Its name, "CLASS.NUMBER", is unique in the namespace, so no slot is ever filled twice."""

    name: str
    handle: Any
    started_at: float = field(default_factory=time.monotonic)
    report: Report | None = None
    busy: bool = False
    since: float = field(default_factory=time.time)
    question: Any = None
    draining: Any = None
    draining_since: float = 0.0
    passed_on: int = 0

    @property
    def worker_class(self) -> str:
        """Name of its class."""
        return self.name.partition(".")[0]

    def drain(self) -> None:
        """Let the worker end, without waiting for it."""
        self.draining, self.draining_since = self.handle.drain.remote(), time.monotonic()

    def note_busy(self, busy: bool, now: float) -> None:
        """Enter whether it has a job, at `now` in seconds since 1970."""
        if busy != self.busy:
            self.busy, self.since = busy, now


class Slots:
    """All actors of a namespace that this process knows. Used by one thread."""

    def __init__(self, namespace: str, store: Store) -> None:
        self.namespace = namespace
        self.store = store
        self._slots: dict[str, Slot] = {}
        self._deaths: dict[str, tuple[int, float]] = {}  # by class: in a row, and when the next may start
        # A node holds a worker for its whole life, so no autoscaler may take it for idle.
        self._actor = ray.remote(max_restarts=0, max_concurrency=THREADS)(WorkerActor)

    def all(self) -> list[Slot]:
        """Every slot, also those that drain."""
        return list(self._slots.values())

    def of(self, worker_class: str) -> list[Slot]:
        """The slots of a class, without those that drain."""
        return [slot for slot in self.all() if slot.worker_class == worker_class and slot.draining is None]

    def attach(self, names: Iterable[str]) -> None:
        """Take over actors that an earlier driver has started."""
        for name in names:
            try:
                self._slots[name] = Slot(name, ray.get_actor(name))
            except ValueError:  # it has ended since it was listed
                continue
        if self._slots:
            log.info("found workers of an earlier driver", extra={"workers": len(self._slots)})

    def start(self, worker_class: WorkerClass, count: int) -> None:
        """Start actors; Ray places each as soon as a node has room for it."""
        name = worker_class.name
        if time.monotonic() < self._deaths.get(name, (0, 0.0))[1]:
            return
        need = worker_class.need
        engines = None if worker_class.engines is None else tuple(sorted(worker_class.engines))
        environment = cluster.worker_environment(os.environ, need)
        alone = need.gpus >= 1
        spec = ActorSpec(__version__, name, engines, environment, self.namespace, need.gpu_memory, alone)
        number = 0
        for _ in range(count):
            while f"{name}.{number}" in self._slots:
                number += 1
            slot = f"{name}.{number}"
            options: dict[str, Any] = {"num_cpus": need.cpus, "num_gpus": need.gpus}
            if need.memory:
                options["memory"] = need.memory
            if need.labels:
                options["label_selector"] = dict(need.labels)
            handle = self._actor.options(
                name=slot, lifetime="detached", get_if_exists=True, namespace=self.namespace, **options
            ).remote(spec)
            self._slots[slot] = Slot(slot, handle)
            log.info("a worker is started", extra={"worker": slot})

    def end(self, worker_class: str, excess: int, idle: Sequence[str]) -> None:
        """End as many workers as are too many: first those that no node has room for, then the idle ones."""
        unplaced = [slot for slot in self.of(worker_class) if slot.report is None]
        for slot in unplaced[: max(0, excess)]:
            if time.monotonic() - slot.started_at > HEALTHY_SECONDS:
                self._kill(slot)
                excess -= 1
        for name in idle[: max(0, excess)]:
            slot = self._slots[name]
            log.info("an idle worker ends", extra={"worker": name})
            slot.drain()

    def look(self) -> None:
        """Ask every actor how it is, without waiting for answers, and forget those that have died."""
        for slot in self.all():
            try:
                if slot.draining is not None:
                    self._look_at_drain(slot)
                    continue
                if slot.question is not None:
                    if not ray.wait([slot.question], timeout=0)[0]:
                        continue
                    question, slot.question = slot.question, None
                    self._enter_report(slot, ray.get(question, timeout=1))
                slot.question = slot.handle.report.remote()
            except (ActorDiedError, ActorUnschedulableError) as error:
                self._remove_dead(slot, error)
            except (RayError, GetTimeoutError) as error:  # it may be there all the same
                log.warning("worker %s does not answer: %s", slot.name, type(error).__name__)

    def drain_all(self, seconds: float) -> None:
        """Let all workers save their runs and end, within so many seconds."""
        drains = [slot.handle.drain.remote() for slot in self.all()]
        if drains:
            ray.wait(drains, num_returns=len(drains), timeout=seconds)
        for slot in self.all():
            self._kill(slot)

    def _enter_report(self, slot: Slot, report: Report) -> None:
        slot.report = report
        for worker_id in report.ended[slot.passed_on :]:
            try:
                self.store.lost(worker_id)
            except HinodeError as error:  # its lease will expire
                log.warning("%s", error, extra={"worker_id": worker_id})
            slot.passed_on += 1
        if report.draining:  # an earlier driver has begun with it
            slot.drain()
        if report.error:
            log.error("worker %s on %s: %s", slot.name, report.host, report.error)
        elif time.monotonic() - slot.started_at > HEALTHY_SECONDS:
            self._deaths.pop(slot.worker_class, None)

    def _look_at_drain(self, slot: Slot) -> None:
        over = time.monotonic() - slot.draining_since > END_SECONDS
        if over or ray.wait([slot.draining], timeout=0)[0]:
            self._kill(slot)

    def _remove_dead(self, slot: Slot, error: RayError) -> None:
        """Forget an actor that has died. Its worker saves its run by itself, or loses its lease."""
        del self._slots[slot.name]
        deaths = self._deaths.get(slot.worker_class, (0, 0.0))[0] + 1
        delay = restart_delay(deaths)
        self._deaths[slot.worker_class] = deaths, time.monotonic() + delay
        cause = " ".join(str(error).split())[:300]
        log.warning("worker %s has died; the next one starts in %g s: %s", slot.name, delay, cause)

    def _kill(self, slot: Slot) -> None:
        ray.kill(slot.handle)
        self._slots.pop(slot.name, None)
