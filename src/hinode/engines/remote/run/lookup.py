"""What became of a request for a job whose answer is not known, before another server is asked.

A server that keeps one job for one `Idempotency-Key` gets the same request again. One that lists its jobs
with their prompts is asked for the list. Of any other nobody can say.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial

from hinode.engines.remote.client import Client
from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.health import HealthFile
from hinode.engines.remote.run.steps import Steps, Waiter
from hinode.engines.remote.wire import Body, Job

PAUSE = 2.0
"""Seconds between two looks."""
MAX_SKEW = 60.0
"""Seconds by which the clock of a server may be behind."""
_REFUSALS = (Category.BUSY, Category.REFUSED, Category.UNUSABLE)


class Missing(Enum):
    """There is no job that can be followed."""

    ABSENT = "absent"
    """The server has not begun it: its list still lacks the job after `lost_seconds`."""
    UNKNOWN = "unknown"


def look_up(
    client: Client,
    body: Body,
    nonce: str,
    *,
    prompt: str,
    health: HealthFile,
    clock: Callable[[], float],
    waiter: Waiter,
) -> Steps[Job | Missing]:
    """Look for the job of a request, for `lost_seconds` of its server at most.

    Args:
        body, nonce: those of the request.
        health: of the server, with the ids of the jobs that belong to other requests.
    """
    dialect, began_at = client.upstream.dialect, clock()
    since = health.clock() - client.upstream.read_seconds - MAX_SKEW
    if not dialect.idempotent and not dialect.listing:
        return Missing.UNKNOWN
    missing = Missing.UNKNOWN
    while clock() - began_at < client.upstream.lost_seconds:
        yield from waiter.wait(PAUSE)
        try:
            if dialect.idempotent:
                job = yield from waiter.background(partial(client.create, body, nonce))
                if isinstance(job, Job):
                    return job
            jobs = yield from waiter.background(partial(client.find, prompt, since))
        except UpstreamError as error:
            if dialect.idempotent and error.category in _REFUSALS:
                return Missing.ABSENT  # it would have answered with the job
            missing = Missing.UNKNOWN
            continue
        others = health.read().jobs
        candidates = [job for job in jobs if job.id not in others] if isinstance(jobs, list) else []
        if len(candidates) == 1:
            return candidates[0]
        missing = Missing.UNKNOWN if candidates else Missing.ABSENT
    return missing
