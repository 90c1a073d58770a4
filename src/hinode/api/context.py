"""The parts that the routes use, and the identity behind a request, which FastAPI passes to the routes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from hinode.api.catalogue import Catalogue
from hinode.api.limits import ByteBudget, ConcurrencyLimit
from hinode.api.readiness import Readiness
from hinode.api.requests.admission import Admission
from hinode.api.requests.batch_wire import BatchWire
from hinode.api.requests.inputs import Inputs
from hinode.jobs.batches.batches import Batches
from hinode.jobs.files.characters import Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.idempotency import Rejections
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenant import Identity
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.outbound import Outbound
from hinode.records.database import Database
from hinode.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

SLOW_THREADS = 16
"""Requests that decode images, fetch them or store files at once."""
MAX_BODY_MEMORY, MAX_BODY_MEMORY_PER_PROJECT = 256 << 20, 96 << 20
"""Bytes of text of all bodies that are being read, in all and for one project."""
MAX_STREAMS, MAX_STREAMS_PER_PROJECT = 500, 100
"""Videos whose events are followed at once, in all and for one project."""
MAX_TESTS, MAX_TESTS_PER_PROJECT = 4, 2
"""Webhook endpoints that are tested at once, in all and for one project."""


class Context:
    """The parts that the routes use."""

    def __init__(
        self, settings: Settings, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        """`database` has been upgraded; `clock` gives seconds since 1970."""
        self.settings = settings
        self.clock = clock
        self.store = Store(database, clock, lease_seconds=settings.lease_seconds)
        self.tenants = Tenants(database, clock)
        self.rejections = Rejections(database, clock)
        self.outbound = Outbound(allow_private=settings.allow_private_urls)
        self.objects = Objects(settings.store, clock)
        self.readiness = Readiness(database, self.objects)
        self.uploads = Uploads(database, self.objects, clock)
        self.characters = Characters(database, clock)
        self.endpoints = Endpoints(database, self.outbound, clock)
        self.catalogue = Catalogue(settings, clock)
        self.inputs = Inputs(self.store, self.objects, self.uploads, self.characters, self.outbound)
        self.admission = Admission(self.catalogue, self.inputs)
        self.batches = Batches(self.store, self.objects, self.uploads, BatchWire(self.admission), clock)
        self.event_seconds = 0.5  # between two looks of a stream of events
        what, remedy = "too many videos are being followed", "ask for the status of this one instead"
        self.streams = ConcurrencyLimit(MAX_STREAMS, MAX_STREAMS_PER_PROJECT, what, remedy)
        self.stopping = threading.Event()  # set when the process ends, so that streams end
        self.body_memory = ByteBudget(MAX_BODY_MEMORY, MAX_BODY_MEMORY_PER_PROJECT)
        self.endpoint_tests = ConcurrencyLimit(
            MAX_TESTS, MAX_TESTS_PER_PROJECT, what="too many webhook endpoints are being tested"
        )
        self._slow = anyio.CapacityLimiter(SLOW_THREADS)

    async def run_slow(self, work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Call `work` in a thread for slow work."""
        return await anyio.to_thread.run_sync(partial(work, *args, **keywords), limiter=self._slow)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _project_id(request: Request) -> str:
    identity: Identity = request.state.identity  # set by `Authentication`
    return identity.project_id


AppContext = Annotated[Context, Depends(_context)]
ProjectId = Annotated[str, Depends(_project_id)]
