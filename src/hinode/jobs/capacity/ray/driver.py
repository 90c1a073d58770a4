"""The driver: `python -m hinode.jobs.capacity.ray.driver ADDRESS WORKERS THREADS local|joined`.

It starts and ends workers as named, detached actors, as many as the autoscaler says. It keeps nothing that
matters: when it is lost, the server starts it again, and it finds the actors by their names. An actor is gone
only when Ray says that it has died; one that does not answer, and a list that is empty or does not come,
change nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing
from types import FrameType

import ray
from ray.exceptions import RayError

from hinode import logs
from hinode.background import start_call, wait_for
from hinode.errors import HinodeError
from hinode.jobs.capacity import fleet, leader
from hinode.jobs.capacity.entered import live_workers, paid_seconds
from hinode.jobs.capacity.fleet import WorkerClass
from hinode.jobs.capacity.placement import Node, obstacle
from hinode.jobs.capacity.ray import cluster
from hinode.jobs.capacity.ray.slots import Slots
from hinode.jobs.capacity.scaling import History, Observation, Worker, plan
from hinode.jobs.files.objects import Objects
from hinode.jobs.scheduling.forecast import Backlog, Forecast
from hinode.jobs.store import Store
from hinode.money.quoting.quotes import Quotes
from hinode.records.database import Database
from hinode.settings import Settings

log = logging.getLogger(__name__)

PERIOD = 1.0
"""Seconds between two decisions."""
LOST_SECONDS = 8.0
"""A head that has not answered for so long counts as lost; the driver then starts anew."""
CONNECT_PAUSE = 1.0
DRAIN_SECONDS = 12.0
"""For all workers of a local Ray when the server stops."""


class Driver:
    """Decides and acts once in a period. Used by one thread."""

    def __init__(
        self, settings: Settings, database: Database, classes: tuple[WorkerClass, ...], namespace: str
    ) -> None:
        self.classes = classes
        self.store = Store(database, lease_seconds=settings.lease_seconds)
        self.forecast = Forecast(database, Objects(settings.store), Quotes(settings, database), time.time)
        self.slots = Slots(namespace, self.store)
        self._histories = dict.fromkeys((worker.name for worker in classes), History())
        self._targets: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Decide until `stop` is set."""
        self.slots.attach(ray.util.list_named_actors())
        while not stop.is_set():
            try:
                self.slots.look()
                self._scale(self.forecast.backlog())
            except HinodeError as error:  # the database is away: nothing is decided
                log.warning("%s", error)
            except RayError as error:
                log.warning("Ray does not answer: %s", error)
            stop.wait(PERIOD)

    def _scale(self, backlog: Backlog) -> None:
        shares, unserved = fleet.divide(backlog.waiting, self.classes)
        for model in unserved:
            log.error("no class of workers in %s runs %s; its jobs wait", fleet.FILE, model)
        for worker_class in self.classes:
            name = worker_class.name
            seen = self._observe(worker_class, backlog, shares[name])
            decision = plan(self._histories[name], seen, worker_class.limits)
            self._histories[name] = decision.history
            if decision.target != self._targets.get(name):
                self._targets[name] = decision.target
                values = {"class": name, "target": decision.target, "load": round(decision.load, 2)}
                log.info("workers: %s", decision.reason, extra=values)
            if decision.start:
                self._warn_of_obstacle(worker_class)
                self.slots.start(worker_class, decision.start)
            self.slots.end(name, len(seen.workers) - decision.target, decision.drain)

    def _observe(self, worker_class: WorkerClass, backlog: Backlog, share: fleet.Share) -> Observation:
        """What the autoscaler sees of a class."""
        now, name = time.time(), worker_class.name
        database = self.store.database
        entered = live_workers(database, name, now)
        running = [
            backlog.running[worker_id] for worker_id, _ in entered.values() if worker_id in backlog.running
        ]
        workers = []
        for slot in self.slots.of(name):
            worker_id, resident = entered.get(slot.report.host if slot.report else "", ("", ()))
            slot.note_busy(worker_id in backlog.running, now)
            workers.append(Worker(slot.name, bool(worker_id), slot.busy, slot.since, frozenset(resident)))
        return Observation(
            now,
            share.waiting,
            sum(job.left for job in running),
            sum(job.whole for job in running) / len(running) if running else 0.0,
            workers,
            paid_seconds(database, name, now),
            share.queued_models,
        )

    def _warn_of_obstacle(self, worker_class: WorkerClass) -> None:
        """Say at once what no node of the cluster can hold; one that joins later may."""
        memory = {slot.report.node: slot.report.device_memory for slot in self.slots.all() if slot.report}
        nodes = [
            Node(
                node["NodeID"],
                node["Resources"].get("CPU", 0.0),
                node["Resources"].get("GPU", 0.0),
                node["Resources"].get("memory", 0.0),
                memory.get(node["NodeID"]),
                node.get("Labels", {}),
            )
            for node in ray.nodes()
            if node["Alive"]
        ]
        reason = obstacle(worker_class.need, nodes)
        if reason is not None:
            log.error("workers of class %s wait for another node: %s", worker_class.name, reason)


def watch_head() -> None:
    """End this process when the head of Ray is lost; calls to Ray would wait for it for minutes."""

    def watch() -> None:
        heard_at = time.monotonic()
        while time.monotonic() - heard_at < LOST_SECONDS:
            listing = start_call(ray.util.list_named_actors, "listing")
            if wait_for(listing, LOST_SECONDS) and listing.exception() is None:
                heard_at = time.monotonic()
            time.sleep(PERIOD)
        log.warning("the head of Ray does not answer; the driver starts anew")
        os._exit(1)

    threading.Thread(target=watch, name="head", daemon=True).start()


def connect(address: str, namespace: str, stop: threading.Event) -> bool:
    """Attach to a cluster as soon as its head is there; False if `stop` was set first."""
    while not stop.is_set():
        try:
            ray.init(
                address, namespace=namespace, log_to_driver=False, configure_logging=False, logging_level=40
            )
        except (ConnectionError, RuntimeError, RayError) as error:
            log.warning(
                "the head of Ray at %s cannot be reached: %s", address, " ".join(str(error).split())[:300]
            )
            stop.wait(CONNECT_PAUSE)
            continue
        return True
    return False


def main(settings: Settings, address: str, workers: int, threads: float, *, local: bool) -> int:
    """Attach to Ray and keep workers until SIGTERM, or until standard input ends.

    Args:
        address: HOST:PORT of the head.
        workers: the maximum, and `threads` what each claims, if there is no `fleet.toml`.
        local: whether Ray ends with the server, so that the workers have to save their runs.

    Returns: the exit status; after 1 it should be started again.
    """
    stop = threading.Event()
    threading.Thread(target=_read_input, args=(stop,), name="parent", daemon=True).start()
    _handle_signals(stop)
    with closing(Database(settings.database_url, connections=2)) as database:
        classes = fleet.read(settings, workers, threads)
        instance = leader.instance(database)
        with leader.lead(settings, database, stop) as leads:
            namespace = cluster.namespace(instance)
            if not leads or not connect(address, namespace, stop):
                return 0
            _handle_signals(stop)  # Ray puts its own in their place
            log.info("attached to Ray", extra={"address": address, "namespace": namespace})
            watch_head()
            driver = Driver(settings, database, classes, namespace)
            driver.run(stop)
            if local:
                driver.slots.drain_all(DRAIN_SECONDS)
            return 0


def _handle_signals(stop: threading.Event) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


def _run(words: list[str]) -> int:
    logs.start()
    logging.getLogger("ray").setLevel(logging.ERROR)
    address, workers, threads, kind = words
    settings = Settings.from_environment(os.environ)
    try:
        return main(settings, address, int(workers), float(threads), local=kind == "local")
    except HinodeError as error:
        log.error("%s", error)
        return 1


if __name__ == "__main__":
    status = _run(sys.argv[1:])
    logging.shutdown()
    os._exit(status)  # Ray's own end may wait for a head that is gone
