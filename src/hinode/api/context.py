"""What the routes work with: the parts of the layers below, and whom a request comes from.

A route names what it uses, and FastAPI passes it:

@router.get("/things/{thing_id}")
def get_thing(thing_id: Id, store: JobStore, identity: CurrentIdentity) -> Response: ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from hinode.api.catalogue import Catalogue
from hinode.api.limits import ByteBudget, ConcurrencyLimit
from hinode.api.requests.admission import Admission
from hinode.api.requests.batch_wire import BatchWire
from hinode.api.requests.inputs import Inputs
from hinode.jobs.batches.batches import Batches
from hinode.jobs.files.characters import Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.idempotency import Rejections
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Identity, Tenants
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.outbound import Outbound
from hinode.records.database import Database
from hinode.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

SLOW_THREADS = 16
"""How many requests at once may decode images, fetch them or store files, beside those that only read."""
MAX_BODY_MEMORY = 256 << 20
"""Bytes of text of all bodies that are being read at one time."""
MAX_TESTS, MAX_TESTS_PER_PROJECT = 4, 2
"""Webhook endpoints that are tested at once, in all and for one project."""


class Streams:
    """Counts the open streams of events; for the thread of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Count a stream while the block lasts."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


class Context:
    """The parts that the routes use, on top of a database that is up to date."""

    def __init__(
        self, settings: Settings, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        """
        Args:
            settings: of this process.
            database: after `Database.upgrade`.
            clock: seconds since 1970.
        """
        self.settings = settings
        self.clock = clock
        self.store = Store(database, clock, lease_seconds=settings.lease_seconds)
        self.tenants = Tenants(database, clock)
        self.rejections = Rejections(database, clock)
        self.outbound = Outbound(allow_private=settings.allow_private_urls)
        self.objects = Objects(settings.store, clock)
        self.uploads = Uploads(database, self.objects, clock)
        self.characters = Characters(database, clock)
        self.endpoints = Endpoints(database, self.outbound, clock)
        self.catalogue = Catalogue(settings, clock)
        self.inputs = Inputs(self.store, self.objects, self.uploads, self.characters, self.outbound)
        self.admission = Admission(self.catalogue, self.inputs)
        wire = BatchWire(self.admission)
        self.batches = Batches(self.store, self.objects, self.uploads, wire, clock)
        self.event_seconds = 0.5  # how often a stream of events looks for something new
        self.streams = Streams()
        self.stopping = threading.Event()  # set when the process is about to end, so that streams end too
        self.body_memory = ByteBudget(MAX_BODY_MEMORY)
        self.endpoint_tests = ConcurrencyLimit(
            MAX_TESTS, MAX_TESTS_PER_PROJECT, what="too many webhook endpoints are being tested"
        )
        self._slow = anyio.CapacityLimiter(SLOW_THREADS)

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Context]:
        """The same on the database that the settings name, which is brought up to date first and closed last.

        Raises:
            BadInput: the URL of the database cannot be used.
            DatabaseError: it cannot be reached, or is of a newer version.
        """
        with closing(Database(settings.database_url)) as database:
            database.upgrade()
            context = cls(settings, database, clock)
            try:
                yield context
            finally:
                context.stopping.set()

    async def run_slow(self, work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Call `work` in one of the threads for what may take long."""
        return await anyio.to_thread.run_sync(partial(work, *args, **keywords), limiter=self._slow)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _identity(request: Request) -> Identity:
    identity: Identity = request.state.identity  # set by `Authentication`, or there is no request
    return identity


def _part(name: str) -> Any:
    """Passes one part of the context to a route."""

    async def part(request: Request) -> Any:
        return getattr(request.app.state.context, name)

    return Depends(part)


AppContext = Annotated[Context, Depends(_context)]
CurrentIdentity = Annotated[Identity, Depends(_identity)]
JobStore = Annotated[Store, _part("store")]
FileObjects = Annotated[Objects, _part("objects")]
UploadedFiles = Annotated[Uploads, _part("uploads")]
ProjectCharacters = Annotated[Characters, _part("characters")]
WebhookEndpoints = Annotated[Endpoints, _part("endpoints")]
ProjectBatches = Annotated[Batches, _part("batches")]
Models = Annotated[Catalogue, _part("catalogue")]
