"""Metrics for Prometheus: answered requests, and the jobs by state."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hinode import __version__
from hinode.api.status.board import StatusBoard
from hinode.engines.remote.report import report
from hinode.errors import ModelError
from hinode.jobs.job import Counts
from hinode.jobs.states import Priority, Status
from hinode.jobs.store import Store
from hinode.money.meters.days import Kind
from hinode.money.meters.usage import Totals
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

    def __init__(self, store: Store, status: StatusBoard, home: Path) -> None:
        """`home` has the file of the upstreams."""
        self.job_counts = JobCounts(store)
        self.status = status
        self.home = home
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
        yield from _of_usage(counts.usage)
        now = self.job_counts.store.clock()
        wait = max(0.0, now - (now if counts.oldest_queued is None else counts.oldest_queued))
        text = "Time in the queue of the job that has waited longest."
        yield GaugeMetricFamily("hinode_oldest_queued_seconds", text, wait)
        yield from self._of_status()
        yield from self._upstreams()

    def _of_status(self) -> Iterable[Metric]:
        report = self.status.latest().report
        age = 0.0 if report.reported_at is None else max(0.0, report.at - report.reported_at)
        text = "Time since the last probe of the service; 0 if there was never one."
        yield GaugeMetricFamily("hinode_status_probe_age_seconds", text, age)
        text = "Whether the last probe of a component met its promise."
        up = GaugeMetricFamily("hinode_status_up", text, labels=("component",))
        text = "How fast the error budget of a component is spent; at 1, all of it in 90 days."
        burn = GaugeMetricFamily("hinode_status_burn_rate", text, labels=("component", "window"))
        text = "Share of the error budget of a component that is left."
        budget = GaugeMetricFamily("hinode_status_error_budget", text, labels=("component",))
        for component in report.components:
            up.add_metric((component.name,), 0.0 if component.message else 1.0)
            budget.add_metric((component.name,), component.budget.left)
            for window, rate in component.burn_rates.items():
                burn.add_metric((component.name, window), rate)
        yield from (up, burn, budget)

    def _upstreams(self) -> Iterable[Metric]:
        text = "Share of bad outcomes of an upstream, in multiples of the allowed share."
        burns = GaugeMetricFamily("hinode_upstream_burn_rate", text, labels=("upstream", "window"))
        text = "Whether an upstream gets no jobs because too many requests failed."
        drained = GaugeMetricFamily("hinode_upstream_drained", text, labels=("upstream",))
        with suppress(ModelError):  # a file that is being edited
            for server in report(self.home, self.job_counts.store.clock):
                burns.add_metric((server.name, "5m"), server.short_burn)
                burns.add_metric((server.name, "30m"), server.long_burn)
                drained.add_metric((server.name,), server.drained_at is not None)
        yield burns
        yield drained


def _of_usage(totals: Totals) -> Iterable[Metric]:
    for name, text, value in (
        ("hinode_usage_gpu_seconds", "Seconds of GPUs that delivered clips took.", totals.gpu_seconds),
        ("hinode_usage_cpu_seconds", "Seconds of processors that delivered clips took.", totals.cpu_seconds),
        ("hinode_usage_stored_bytes", "Bytes of the files of clips, as written.", totals.stored_bytes),
        ("hinode_usage_served_bytes", "Bytes of files sent to projects.", totals.days.get(Kind.SERVED, 0)),
        ("hinode_usage_screening_calls", "Requests that were screened.", totals.days.get(Kind.SCREENED, 0)),
    ):
        yield CounterMetricFamily(name, text, value)
    text = "Watt hours that clips took, as far as they are known, by where the figure comes from."
    energy = CounterMetricFamily("hinode_usage_energy_watt_hours", text, labels=("method",))
    for method, watt_hours in totals.energy_wh.items():
        energy.add_metric((method,), watt_hours)
    yield energy


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
