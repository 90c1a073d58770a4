"""How much of the server one client may use.

`Buckets` and `SharedRates` bound the rate of requests of each key, `ConcurrencyLimit` calls that wait for
other servers, and `ByteBudget` the memory of request bodies.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.types import Scope

from hinode.api.failures import RATE_LIMIT, RETRY_SECONDS, Refusal, retry_after, unavailable
from hinode.jobs.job import OverQuota
from hinode.jobs.tenants.rates import Bucket, SharedBuckets

SMALL_BYTES = 1 << 20
"""A body with less text than this is always read, whatever the budget."""
MAX_BUCKETS = 100_000
LEASE_SECONDS = 1.0
T = TypeVar("T")
Reserve = Callable[[int], None]
"""Reserves memory for so many more bytes of a body; raises Refusal if the budget is used up."""


@dataclass(frozen=True)
class RateLimitStatus:
    """The rate of a key after a request: `limit` requests per minute, of which `remaining` may follow at
    once. The bucket is full again in `reset` seconds; a refused request may be made in `wait` seconds."""

    limit: int
    remaining: int
    reset: float
    wait: float

    def headers(self) -> dict[str, str]:
        """The headers of Sora's API that report it."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{max(0.0, self.reset):.3f}s",
        }


@dataclass
class Buckets:
    """The token buckets of keys and strangers, in the memory of this process; for one thread."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, key_id: str, per_minute: int) -> RateLimitStatus:
        """Take a token from the bucket of a key, if there is one. A bucket holds the tokens of a minute,
        1 or more."""
        now = self.clock()
        bucket = self._buckets.get(key_id, Bucket(float(per_minute), now)).fill(now, per_minute)
        count = min(1, bucket.available)
        bucket = bucket.take(count)
        if len(self._buckets) >= MAX_BUCKETS:
            self._buckets.clear()
        self._buckets[key_id] = bucket
        return _status(bucket, count, per_minute)


@dataclass
class _Lease:
    """Tokens of a key that this process has and did not use yet, and the bucket as they were taken."""

    bucket: Bucket = field(default_factory=lambda: Bucket(0.0, 0.0))
    count: int = 0
    until: float = 0.0
    refused_until: float = 0.0
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class SharedRates:
    """The rates of keys over all servers of a database; for one event loop.

    A process takes the tokens of one second from the database at once, and returns with its next request what
    it has not used of them after that second.
    """

    def __init__(self, buckets: SharedBuckets, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self.buckets = buckets
        self.clock = clock
        self._leases: dict[str, _Lease] = {}

    async def take(self, key_id: str, per_minute: int) -> RateLimitStatus:
        """Take a token of a key, if there is one.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        if len(self._leases) >= MAX_BUCKETS:
            self._leases.clear()
        lease = self._leases.setdefault(key_id, _Lease())
        async with lease.lock:
            now = self.clock()
            if lease.count == 0 or now >= lease.until:
                if now < lease.refused_until:
                    return replace(_status(lease.bucket, 0, per_minute), wait=lease.refused_until - now)
                take = partial(self.buckets.take, key_id, per_minute, max(1, per_minute // 60), lease.count)
                lease.count, lease.bucket = await anyio.to_thread.run_sync(take)
                lease.until = now + LEASE_SECONDS
            status = _status(lease.bucket, lease.count, per_minute)
            lease.refused_until = now + status.wait
            lease.count = max(0, lease.count - 1)
        return status


def _status(bucket: Bucket, count: int, per_minute: int) -> RateLimitStatus:
    """The status after a request, for which `count` tokens are there besides those in the bucket."""
    rate = per_minute / 60.0
    wait = 0.0 if count else max(0.0, 1.0 - bucket.tokens) / rate
    remaining = bucket.available + max(0, count - 1)
    return RateLimitStatus(per_minute, remaining, (per_minute - bucket.tokens) / rate, wait)


def check_address(buckets: Buckets, scope: Scope, per_minute: int) -> None:
    """Count a request without a key for the address that it came from.

    Raises:
        Refusal: there were more than `per_minute`.
    """
    rate = buckets.take(f"address {(scope.get('client') or ('',))[0]}", per_minute)
    if rate.wait:
        message = "there were too many requests from this address; ask again later"
        headers = retry_after(rate.wait)
        raise Refusal(429, message, code="rate_limit_exceeded", type=RATE_LIMIT, headers=headers)


class Strangers:
    """Requests of people without a key that write: each address has a rate, and all of them together wait for
    one thread, so that they take nothing from anybody else."""

    PER_MINUTE = 10

    def __init__(self) -> None:
        self.buckets = Buckets()
        self._queue = anyio.CapacityLimiter(1)

    def check(self, scope: Scope) -> None:
        """Raise Refusal if there were too many requests from the address of this one."""
        check_address(self.buckets, scope, self.PER_MINUTE)

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` in the thread of strangers, when its turn comes."""
        return await anyio.to_thread.run_sync(work, limiter=self._queue)


@dataclass
class ConcurrencyLimit:
    """How many calls to other servers may run at once, in all and for one project, so that slow servers delay
    only the project that named them. Safe to use from several threads.

    A refusal says `what` happened, such as "too many images are being fetched", and the `remedy`.
    """

    maximum: int
    max_per_project: int
    what: str
    remedy: str = "ask again later"
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def acquire(self, project_id: str) -> Iterator[None]:
        """Count a call while the block lasts.

        Raises:
            OverQuota: too many are running.
        """
        with self._lock:
            if self._running[project_id] >= self.max_per_project or self._running.total() >= self.maximum:
                raise OverQuota(f"{self.what} at the moment", self.remedy, retry_after=RETRY_SECONDS)
            self._running[project_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= Counter((project_id,))  # it keeps no zeros


class ByteBudget:
    """Memory for the bodies of all requests together, of which one project gets a part. Safe to use from
    several threads."""

    def __init__(self, max_bytes: int, max_bytes_per_project: int) -> None:
        self.max_bytes = max_bytes
        self.max_bytes_per_project = max_bytes_per_project
        self._used: Counter[str] = Counter()  # by project
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes of all projects."""
        return self._used.total()

    @contextmanager
    def reserve(self, project_id: str) -> Iterator[Reserve]:
        """The memory of one body, which is released after the block."""
        count = reserved = 0

        def add(more: int) -> None:
            nonlocal count, reserved
            count += more
            if count < SMALL_BYTES:
                return
            with self._lock:
                extra = count - reserved
                own, all_used = self._used[project_id] + extra, self.used + extra
                if own > self.max_bytes_per_project or all_used > self.max_bytes:
                    message = "the server is reading too many large bodies"
                    if own > self.max_bytes_per_project:
                        message = f"{message} of this project at the moment; ask again later"
                        headers = retry_after(RETRY_SECONDS)
                        raise Refusal(
                            429, message, code="rate_limit_exceeded", type=RATE_LIMIT, headers=headers
                        )
                    raise unavailable(f"{message} at the moment; ask again later", RETRY_SECONDS)
                self._used[project_id] += extra
                reserved = count

        try:
            yield add
        finally:
            with self._lock:
                self._used -= Counter({project_id: reserved})  # it keeps no zeros
