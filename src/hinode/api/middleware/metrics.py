"""Numbers for Prometheus: requests as they are answered, and how the jobs stand when somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hinode import __version__
from hinode.jobs.job import Counts
from hinode.jobs.states import Priority, Status
from hinode.jobs.store import Store

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHER = "other"
COUNT_SECONDS = 5.0
"""How old the numbers of jobs may be: anybody may ask for them, and to count takes a look at every job."""


class Metrics:
    """The numbers of one application."""

    def __init__(self, store: Store) -> None:
        self.tally = Tally(store)
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hinode_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "hinode_http_request_seconds",
            "Seconds until an answer began.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.under_way = Gauge(
            "hinode_http_requests_under_way", "Requests at present.", registry=self.registry
        )
        version = Gauge("hinode_version", "The version that runs.", ("version",), registry=self.registry)
        version.labels(__version__).set(1)
        self.registry.register(_Jobs(self.tally))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the pattern and not the path, of which there are too many."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def page(self) -> bytes:
        """All of it in Prometheus' text format.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        return generate_latest(self.registry)


class Tally:
    """How the jobs stand, counted in the database when somebody asks, but not more often than every few
    seconds. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._counting = threading.Lock()
        self._last: tuple[float, Counts] | None = None

    def now(self) -> Counts:
        """The numbers.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        last = self._last
        if last is not None and 0 <= self.store.clock() - last[0] < COUNT_SECONDS:
            return last[1]
        # While one counts, the others make do with the numbers that there are.
        if not self._counting.acquire(blocking=last is None):
            assert last is not None
            return last[1]
        try:
            if self._last is last:
                self._last = self.store.clock(), self.store.counts()
            assert self._last is not None
            return self._last[1]
        finally:
            self._counting.release()


class _Jobs(Collector):
    """The numbers of jobs; they come out of the database, so that every process tells the same."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        counts = self.tally.now()
        jobs = GaugeMetricFamily("hinode_jobs", "Jobs by status and priority.", labels=("status", "priority"))
        known = {(status, priority): 0 for status in Status for priority in Priority}
        for (status, priority), count in {**known, **counts.jobs}.items():
            jobs.add_metric((status.value, priority.name.lower()), count)
        yield jobs
        yield GaugeMetricFamily("hinode_workers", "Workers that were heard of lately.", counts.workers)
        yield GaugeMetricFamily(
            "hinode_deliveries_pending", "Webhook deliveries that are still to be made.", counts.deliveries
        )
        waited = 0.0 if counts.oldest_queued is None else self.tally.store.clock() - counts.oldest_queued
        yield GaugeMetricFamily(
            "hinode_oldest_queued_seconds",
            "How long the job that waits longest has waited.",
            max(0.0, waited),
        )
