"""What every route works with: the rooms below, and whom the request comes from.

@router.get("/v1/things/{thing_id}")
def get_thing(thing_id: str, here: Here, caller: Caller) -> Response: ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from hinode.api.catalogue import Catalogue
from hinode.api.limits import ConcurrencyLimit
from hinode.api.requests.admission import Admission
from hinode.api.requests.inputs import Inputs
from hinode.api.requests.lines import BatchWire
from hinode.jobs.batches.batches import Batches
from hinode.jobs.files.characters import Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Identity, Tenants
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.outbound import Outbound
from hinode.records.database import Database
from hinode.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

SLOW_THREADS = 16
"""How many requests at once may decode images, fetch them or keep files, beside those that only look."""
MAX_TESTS, MAX_TESTS_PER_PROJECT = 4, 2
"""Webhook endpoints that are being tried out at once, in all and for one project."""


class Streams:
    """How many streams of events are open; for the thread of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts while the block lasts."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


@dataclass(frozen=True)
class Context:
    """The rooms that the routes use; `Context.of` furnishes them.

    Attributes:
        settings: of this process.
        store: transactions on jobs.
        tenants: keys and projects.
        objects: files.
        outbound: guarded requests to the internet.
        uploads: files that clients put in.
        characters: subjects that clients put in.
        endpoints: webhook endpoints.
        batches: batches.
        catalogue: models, and what they can do.
        inputs: images, videos and characters that requests refer to.
        admission: how requests become drafts of jobs.
        clock: seconds since 1970.
        event_seconds: how often a stream of events looks for something new.
        stopping: set when the process is about to end, so that open streams end too.
        streams: streams of events that are open.
        slow: places for work that may take long.
        tests: places for trying out webhook endpoints.
    """

    settings: Settings
    store: Store
    tenants: Tenants
    objects: Objects
    outbound: Outbound
    uploads: Uploads
    characters: Characters
    endpoints: Endpoints
    batches: Batches
    catalogue: Catalogue
    inputs: Inputs
    admission: Admission
    clock: Callable[[], float] = time.time
    event_seconds: float = 0.5
    stopping: threading.Event = field(default_factory=threading.Event)
    streams: Streams = field(default_factory=Streams)
    slow: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(SLOW_THREADS))
    tests: ConcurrencyLimit = field(
        default_factory=lambda: ConcurrencyLimit(
            MAX_TESTS, MAX_TESTS_PER_PROJECT, what="too many webhook endpoints are being tried out"
        )
    )

    @classmethod
    def of(
        cls,
        settings: Settings,
        database: Database,
        clock: Callable[[], float] = time.time,
        *,
        store: Store | None = None,
        outbound: Outbound | None = None,
        event_seconds: float = 0.5,
    ) -> Context:
        """Everything that the routes need on top of a database that is up to date.

        Args:
            settings: of this process.
            database: after `Database.upgrade`.
            clock: seconds since 1970.
            store: if there is one already.
            outbound: if there is one already.
            event_seconds: how often a stream of events looks for something new.
        """
        store = store or Store(database, clock, lease_seconds=settings.lease_seconds)
        outbound = outbound or Outbound(allow_private=settings.allow_private_urls)
        objects = Objects(settings.store, clock)
        uploads = Uploads(database, objects, clock)
        characters = Characters(database, clock)
        catalogue = Catalogue(settings, clock)
        inputs = Inputs(store, objects, uploads, characters, outbound)
        admission = Admission(catalogue, inputs)
        return cls(
            settings=settings,
            store=store,
            tenants=Tenants(database, clock),
            objects=objects,
            outbound=outbound,
            uploads=uploads,
            characters=characters,
            endpoints=Endpoints(database, outbound, clock),
            batches=Batches(store, objects, uploads, BatchWire(admission), clock),
            catalogue=catalogue,
            inputs=inputs,
            admission=admission,
            clock=clock,
            event_seconds=event_seconds,
        )

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Context]:
        """The same on the database that the settings name, which is brought up to date first and closed last.

        Raises:
            BadInput: the URL of the database cannot be used.
            DatabaseError: it cannot be reached, or is of a newer version.
        """
        database = Database(settings.database_url)
        try:
            database.upgrade()
            context = cls.of(settings, database, clock)
            try:
                yield context
            finally:
                context.stopping.set()
        finally:
            database.close()

    async def slowly(self, work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Do `work` in one of the threads that are set aside for what may take long."""
        return await anyio.to_thread.run_sync(partial(work, *args, **keywords), limiter=self.slow)


async def _here(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _caller(request: Request) -> Identity:
    identity: Identity = request.state.identity  # put there by `auth.Authentication`, or there is no request
    return identity


AppContext = Annotated[Context, Depends(_here)]
CurrentIdentity = Annotated[Identity, Depends(_caller)]
