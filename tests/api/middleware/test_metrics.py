"""What /metrics counts."""

from __future__ import annotations

import pytest

from hinode.api.middleware.metrics import MAX_AGE_SECONDS, JobCounts
from hinode.jobs.job import Counts
from hinode.money.meters.usage import Totals
from tests.api.conftest import Clock, Server


def test_metrics(fresh_server: Server) -> None:
    server = fresh_server
    server.create()
    server.client.get("/v1/videos/video_0")
    server.client.get("/somewhere/else")
    text = server.client.get("/metrics").text
    assert 'hinode_http_requests_total{method="POST",route="/v1/videos",status="200"} 1.0' in text
    assert 'route="/v1/videos/{video_id}",status="404"} 1.0' in text
    assert 'route="other",status="404"} 1.0' in text
    assert 'hinode_jobs{priority="interactive",status="queued"} 1.0' in text
    assert "hinode_http_requests_under_way 1.0" in text
    assert "/somewhere" not in text


def test_jobs_are_counted_every_few_seconds_at_most(
    fresh_server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fresh_server
    store, counted = server.context.store, 0

    def counts() -> Counts:
        nonlocal counted
        counted += 1
        return Counts({}, counted, 0, None, Totals())

    monkeypatch.setattr(store, "counts", counts)
    for _ in range(5):
        server.client.get("/readyz")
        server.client.get("/metrics")
    assert counted == 1
    clock.now += MAX_AGE_SECONDS
    assert "hinode_workers 2.0" in server.client.get("/metrics").text
    clock.now -= 3600  # a clock that was put back does not keep the old numbers for an hour
    assert "hinode_workers 3.0" in server.client.get("/metrics").text


def test_while_one_thread_counts_the_others_use_the_last_counts(fresh_server: Server, clock: Clock) -> None:
    counts = JobCounts(fresh_server.context.store)
    assert counts.latest().jobs == {}
    fresh_server.create()
    clock.now += MAX_AGE_SECONDS
    with counts._counting:
        assert counts.latest().jobs == {}
    assert sum(counts.latest().jobs.values()) == 1
