"""Token buckets: requests a minute of a key."""

from __future__ import annotations

import itertools

import anyio
import pytest

from hinode.api.limits import Buckets, SharedRates
from hinode.jobs.tenants.rates import SharedBuckets
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from tests.jobs.service import Clock


def test_a_bucket_fills_up_evenly() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    assert [buckets.take("a", 60).remaining for _ in range(60)] == list(range(59, -1, -1))
    rejection = buckets.take("a", 60)
    assert rejection.wait == pytest.approx(1.0)
    assert buckets.take("b", 60).wait == 0
    now = 1.0
    assert buckets.take("a", 60).wait == 0
    assert buckets.take("a", 60).wait == pytest.approx(1.0)
    now = 1e9
    assert buckets.take("a", 60).remaining == 59


def test_a_bucket_never_lets_more_pass_than_its_rate() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    passed = 0
    for step in range(6000):
        now = step * 0.05  # five minutes
        passed += not buckets.take("a", 30).wait
    assert passed == 30 + 5 * 30 - 1 or passed == 30 + 5 * 30


@pytest.mark.both_databases
def test_servers_share_the_rate_of_a_key(database: Database) -> None:
    clock = Clock()
    tenants = Tenants(database, clock)
    busy, slow = (tenants.create_key(name, requests_per_minute=120).id for name in ("busy", "slow"))
    servers = [SharedRates(SharedBuckets(database, clock), clock) for _ in range(2)]

    async def passed(key_id: str, requests: int, seconds: float = 0.0) -> int:
        """How many of so many requests pass that come to the servers by turns, so many seconds apart."""
        count = 0
        for server, _ in zip(itertools.cycle(servers), range(requests), strict=False):
            status = await server.take(key_id, 120)
            count += not status.wait
            clock.now += seconds
        return count

    async def check() -> None:
        assert await passed(busy, 130) == 120
        clock.now += 1.0
        assert await passed(busy, 10) == 2
        # What a server has and does not use goes back.
        assert await passed(slow, 200, 0.7) == 200
        assert (await servers[0].take(slow, 120)).remaining >= 116

    anyio.run(check)


@pytest.mark.both_databases
def test_requests_at_once_share_the_rate_of_a_key(database: Database) -> None:
    clock = Clock()
    key = Tenants(database, clock).create_key("a", requests_per_minute=30).id
    servers = [SharedRates(SharedBuckets(database, clock), clock) for _ in range(2)]
    waits: list[float] = []

    async def ask(server: SharedRates) -> None:
        waits.append((await server.take(key, 30)).wait)

    async def check() -> None:
        async with anyio.create_task_group() as group:
            for server in servers * 40:
                group.start_soon(ask, server)

    anyio.run(check)
    assert sorted(waits) == [0.0] * 30 + [pytest.approx(2.0)] * 50
