"""Metrics for Prometheus: answered requests, and the jobs by state."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hinode import __version__
from hinode.jobs.job import Counts
from hinode.jobs.states import Priority, Status
from hinode.jobs.store import Store
from hinode.records.hints import HintListener

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHER = "other"
MAX_AGE_SECONDS = 5.0
"""How old counts of jobs may be: /metrics is open to all, and counting reads every job."""


class Metrics(Collector):
    """The metrics of one application. Those of jobs are from the database, so that every process reports the
    same."""

    hints: HintListener | None = None
    """The listener of this process, once there is one."""

    def __init__(self, store: Store) -> None:
        self.job_counts = JobCounts(store)
        self.registry = registry = CollectorRegistry()
        name, labels = "hinode_http_requests", ("method", "route")
        self.requests = Counter(name, "Requests that were answered.", (*labels, "status"), registry=registry)
        name, text = "hinode_http_request_seconds", "Seconds until an answer began."
        self.seconds = Histogram(name, text, labels, buckets=BUCKETS, registry=registry)
        name = "hinode_http_requests_under_way"
        self.in_progress = Gauge(name, "Requests in progress.", registry=registry)
        version = Gauge("hinode_version", "The version that runs.", ("version",), registry=registry)
        version.labels(__version__).set(1)
        registry.register(self)

    def count(
        self, method: str, route: str, status: int, seconds: float, trace_id: str | None = None
    ) -> None:
        """Count an answer.

        Args:
            route: the pattern, since there are too many addresses.
            seconds: until it began.
            trace_id: of its trace, as an example of so long a time.
        """
        exemplar = {"trace_id": trace_id} if trace_id else None
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds, exemplar)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        counts = self.job_counts.latest()
        jobs = GaugeMetricFamily("hinode_jobs", "Jobs by status and priority.", labels=("status", "priority"))
        zeros = {(status, priority): 0 for status in Status for priority in Priority}
        for (status, priority), count in {**zeros, **counts.jobs}.items():
            jobs.add_metric((status.value, priority.name.lower()), count)
        yield jobs
        yield GaugeMetricFamily("hinode_workers", "Live workers.", counts.workers)
        text = "Webhook deliveries that are pending."
        yield GaugeMetricFamily("hinode_deliveries_pending", text, counts.deliveries)
        if self.hints is not None:
            text = "Whether hints of changes arrive from other processes: 1, or 0 if changes are polled for."
            yield GaugeMetricFamily("hinode_hints_arrive", text, float(self.hints.is_proven))
        now = self.job_counts.store.clock()
        wait = max(0.0, now - (now if counts.oldest_queued is None else counts.oldest_queued))
        text = "Time in the queue of the job that has waited longest."
        yield GaugeMetricFamily("hinode_oldest_queued_seconds", text, wait)


class JobCounts:
    """Counts of jobs, read from the database every few seconds at most. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._counting = threading.Lock()
        self._last: tuple[float, Counts] | None = None

    def latest(self) -> Counts:
        """The latest counts.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        last = self._last
        fresh = last is not None and 0 <= self.store.clock() - last[0] < MAX_AGE_SECONDS
        # While one thread counts, the others use the last counts, if there are any.
        if not fresh and self._counting.acquire(blocking=last is None):
            try:
                if self._last is last:
                    self._last = self.store.clock(), self.store.counts()
            finally:
                self._counting.release()
        assert self._last is not None
        return self._last[1]
