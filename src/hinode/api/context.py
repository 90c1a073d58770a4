"""The parts that the routes use, and the identity behind a request, which FastAPI passes to the routes."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from hinode.api.catalogue import Catalogue
from hinode.api.failures import Refusal
from hinode.api.limits import Buckets, ByteBudget, ConcurrencyLimit, SharedRates, Strangers
from hinode.api.requests.admission import Admission
from hinode.api.requests.batch_wire import BatchWire
from hinode.api.requests.inputs import Inputs
from hinode.api.serving.connections import max_connections
from hinode.api.serving.readiness import Readiness
from hinode.api.status.board import StatusBoard
from hinode.api.streams.feed import Feed
from hinode.api.verification.desk import VerificationDesk
from hinode.errors import HinodeError
from hinode.jobs.admission.idempotency import Rejections
from hinode.jobs.admission.pool_routes import PoolRoutes
from hinode.jobs.admission.quoting import QuoteDesk
from hinode.jobs.batches.batches import Batches
from hinode.jobs.billing import Credit
from hinode.jobs.changes import ChangeReader
from hinode.jobs.feed.feed import Feed as PostFeed
from hinode.jobs.files.characters import Characters
from hinode.jobs.files.conversions import Conversions
from hinode.jobs.files.stores import open_store
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.finance.books import BookEditor
from hinode.jobs.finance.budgets import BudgetEditor
from hinode.jobs.fleet.leases import Leases
from hinode.jobs.fleet.tokens import WorkerTokens
from hinode.jobs.job import Job
from hinode.jobs.library.archives import Archives
from hinode.jobs.library.collections import Collections
from hinode.jobs.library.entries import Library
from hinode.jobs.library.lineage import Lineages
from hinode.jobs.library.trash import Trash
from hinode.jobs.rights.consents import Consents
from hinode.jobs.rights.copies import Copies
from hinode.jobs.rights.takedowns import Takedowns
from hinode.jobs.rights.uploads import UploadPolicy
from hinode.jobs.scheduling.forecast import Forecast
from hinode.jobs.scheduling.project_queue import ProjectQueue
from hinode.jobs.screening.decisions import Decisions
from hinode.jobs.screening.gate import Gate
from hinode.jobs.screening.policies import Policies
from hinode.jobs.status.report import StatusRecords
from hinode.jobs.store import Store
from hinode.jobs.storyboards.storyboards import Storyboards
from hinode.jobs.tenants.attempts import Attempts
from hinode.jobs.tenants.mail import Mailer
from hinode.jobs.tenants.members import Members
from hinode.jobs.tenants.rates import SharedBuckets
from hinode.jobs.tenants.sessions import Sessions
from hinode.jobs.tenants.tenant import MANAGE, REVIEW, Identity
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.money.books.operator import OperatorBooks
from hinode.money.economics.server import Economics
from hinode.money.meters.days import DailyMeters
from hinode.money.payments.stripe import Stripe
from hinode.money.pricing import Pricing
from hinode.money.quoting.quotes import Quotes
from hinode.money.wallet import Wallet
from hinode.outbound import Outbound
from hinode.records.database import Database
from hinode.rights.people import Person
from hinode.rights.receipts import Signer
from hinode.settings import Settings
from hinode.trust.provenance.marking import Marking
from hinode.trust.screening.equipment import equip
from hinode.trust.verification.detection import detector_of
from hinode.trust.verification.registry import registry_of
from hinode.trust.watermark.laying import Watermarking

P = ParamSpec("P")
T = TypeVar("T")

CONVERSIONS = 2
"""Videos that are converted at once; others wait, since each takes a processor and some memory."""
SLOW_THREADS = 16
"""Requests that decode images, fetch them or store files at once."""
MAX_BODY_MEMORY, MAX_BODY_MEMORY_PER_PROJECT = 256 << 20, 96 << 20
"""Bytes of text of all bodies that are being read, in all and for one project."""
MAX_STREAMS, MAX_STREAMS_PER_PROJECT = 500, 100
"""Videos whose events are followed at once, in all and for one project, if there are many descriptors."""
PROJECT_SHARE = 4
"""One project gets this part of all connections for its requests, and half of that for its streams."""
MAX_TESTS, MAX_TESTS_PER_PROJECT = 4, 2
"""Webhook endpoints that are tested at once, in all and for one project."""
MAX_SIGN_INS = 4
"""Passwords that are compared at once, each in 64 MiB."""


class Context:
    """The parts that the routes use."""

    def __init__(
        self, settings: Settings, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        """`database` has been upgraded; `clock` gives seconds since 1970."""
        self.settings = settings
        self.clock = clock
        self.credit = Credit(database, clock)
        self.outbound = Outbound(allow_private=settings.allow_private_urls)
        secrets, url = settings.stripe_webhook_secrets, f"{settings.stripe_url}/v1"
        stripe = Stripe(self.outbound, settings.stripe_key, secrets, url)
        self.operator_books = OperatorBooks(database, settings.home, clock)
        sales = self.operator_books.sales
        self.wallet = Wallet(database, clock, sales, stripe if settings.stripe_key else None)
        self.codes = Buckets()  # of attempts to redeem one, by project
        self.economics = Economics(database, self.operator_books, clock)
        self.books = BookEditor(database, self.operator_books, clock)
        self.budgets = BudgetEditor(database, clock)
        self.meters = DailyMeters(database, clock)
        equipped = partial(equip, settings=settings)
        self.policies = Policies(database, settings.policy, clock)
        gate = Gate(database, clock, self.policies.current, equipped, self.meters)
        pricing = Pricing(self.operator_books.prices, self.operator_books.free_use)
        self.store = Store(database, clock, settings.lease_seconds, pricing, gate)
        self.decisions = Decisions(database, clock)
        self.tenants = Tenants(database, clock)
        self.sessions = Sessions(database, clock)
        self.members = Members(database, self.sessions, clock)
        self.attempts = Attempts(database, clock)
        self.mailer = Mailer(settings.smtp_url) if settings.smtp_url else None
        self.worker_tokens = WorkerTokens(database, clock)
        self.rejections = Rejections(database, clock)
        self.objects = open_store(settings, clock)
        self.leases = Leases(self.store, self.objects)
        self.readiness = Readiness(database, self.objects)
        self.uploads = Uploads(database, self.objects, clock)
        self.characters = Characters(database, clock)
        self.library = Library(database, clock)
        self.trash = Trash(database, clock)
        self.collections = Collections(database, clock)
        self.lineages = Lineages(database, clock)
        self.archives = Archives(database, self.objects, clock)
        self.storyboards = Storyboards(database, clock)
        self.posts = PostFeed(database, clock)
        self.status = StatusBoard(StatusRecords(database, clock), clock)
        self.endpoints = Endpoints(database, self.outbound, clock)
        self.catalogue = Catalogue(settings, clock)
        self.consents = Consents(database, self.objects, Signer(settings.home), clock)
        self.upload_policy = UploadPolicy(database, settings.likeness, self.store.gate.shows_person, clock)
        self.takedowns = Takedowns(database, self.objects, clock)
        self.copies = Copies(database, self.objects, clock)
        self.marking = Marking(settings)
        self.inputs = Inputs(
            self.store,
            self.objects,
            self.uploads,
            self.characters,
            self.outbound,
            self.upload_policy,
            self.consents,
            self.marking,
        )
        key = Watermarking.of(settings).key
        self.verification = VerificationDesk(
            settings, self.objects, self.outbound, registry_of(database), detector_of(database, key)
        )
        self.forecast = Forecast(database, self.objects, Quotes(settings, database, clock), clock)
        self.quotes = QuoteDesk(self.forecast, pricing, self.operator_books.costs, clock)
        self.admission = Admission(self.catalogue, self.inputs, PoolRoutes(settings, self.forecast))
        self.batches = Batches(self.store, self.objects, self.uploads, BatchWire(self.admission), clock)
        self.conversions = Conversions(database, self.objects, self.marking)
        self.queue = ProjectQueue(database, clock)
        self.feed = Feed(ChangeReader(database, clock), self.eta)
        self.event_seconds = 0.5  # between two looks for changes that streams of events tell
        what, remedy = "too many videos are being followed", "ask for the status of this one instead"
        share = max_connections() // PROJECT_SHARE
        streams, own_streams = min(MAX_STREAMS, 2 * share), min(MAX_STREAMS_PER_PROJECT, share // 2)
        self.streams = ConcurrencyLimit(streams, own_streams, what, remedy)
        # A SQLite file has one server, and a write for each request would wait for its disk.
        self.rates = None if database.sqlite else SharedRates(SharedBuckets(database, clock))
        self.requests = ConcurrencyLimit(
            max_connections(), share, "too many requests of this project are being answered"
        )
        self.stopping = threading.Event()  # set when the process ends, so that streams end
        self.body_memory = ByteBudget(MAX_BODY_MEMORY, MAX_BODY_MEMORY_PER_PROJECT)
        self.endpoint_tests = ConcurrencyLimit(
            MAX_TESTS, MAX_TESTS_PER_PROJECT, what="too many webhook endpoints are being tested"
        )
        self.sign_ins = ConcurrencyLimit(MAX_SIGN_INS, MAX_SIGN_INS, what="too many people are signing in")
        self.strangers = Strangers()
        self._slow = anyio.CapacityLimiter(SLOW_THREADS)
        self._conversions = anyio.CapacityLimiter(CONVERSIONS)

    def eta(self, job: Job, now: float) -> float | None:
        """Seconds until a job is finished, at `now` (since 1970), or None if that cannot be said."""
        with suppress(HinodeError):  # such as of a model that is not there any more
            return self.forecast.remaining(job, now)
        return None

    async def run_slow(self, work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Call `work` in a thread for slow work."""
        return await anyio.to_thread.run_sync(partial(work, *args, **keywords), limiter=self._slow)

    async def convert(self, work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Call `work` in a thread for conversions."""
        return await anyio.to_thread.run_sync(partial(work, *args, **keywords), limiter=self._conversions)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _project_id(request: Request) -> str:
    identity: Identity = request.state.identity  # set by `Authentication`
    return identity.project_id


async def _identity(request: Request) -> Identity:
    """Raises Refusal: the request is nobody's, on a route that serves to sign in."""
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is None:
        raise request.state.refusal
    return identity


async def _manager(request: Request) -> Identity:
    """Raises Refusal: the request may not manage the project."""
    identity = await _identity(request)
    if MANAGE in identity.scopes:
        return identity
    if identity.role is None:
        message = f"this API key may not do that; use one with the scope {MANAGE}"
        raise Refusal(403, message, code="insufficient_scope")
    message = f"the role {identity.role} may not do that; only an owner of the project may"
    raise Refusal(403, message, code="insufficient_role")


async def _owner_or_key(request: Request) -> None:
    """Raises Refusal: the request is of a person who is not an owner. A key needs no more than its scope."""
    if (await _identity(request)).role is not None:
        await _manager(request)


async def _person(request: Request) -> Person:
    """Who a request comes from, where the rights of people are concerned."""
    identity = await _identity(request)
    consents = (await _context(request)).consents
    person = await anyio.to_thread.run_sync(consents.person, identity.project_id, identity.key_id)
    return dataclasses.replace(person, manages=MANAGE in identity.scopes)


async def _reviewer(request: Request) -> Person:
    """Raises Refusal: the request is not of an owner or a reviewer of the first project, the operator's."""
    return await _of_operator(request, {MANAGE, REVIEW}, "owners and reviewers")


async def _operator(request: Request) -> Person:
    """Raises Refusal: the request is not of an owner of the first project."""
    return await _of_operator(request, {MANAGE}, "owners")


async def _of_operator(request: Request, scopes: set[str], who: str) -> Person:
    identity, context = await _identity(request), await _context(request)
    operator = await anyio.to_thread.run_sync(context.tenants.project, None)
    if identity.project_id == operator.id and identity.scopes & scopes:
        return await _person(request)
    message = f"only {who} of the operator's project may do that"
    raise Refusal(403, message, code="insufficient_role")


AppContext = Annotated[Context, Depends(_context)]
ProjectId = Annotated[str, Depends(_project_id)]
Caller = Annotated[Identity, Depends(_identity)]
Actor = Annotated[Person, Depends(_person)]
"""Who sends a request that is about the rights of people."""
Reviewer = Annotated[Person, Depends(_reviewer)]
"""Who decides about notices, uploads and what screening stopped, for the whole server."""
Operator = Annotated[Person, Depends(_operator)]
"""Who changes and sees what is of the whole server: an owner of the first project."""
Manager = Annotated[Identity, Depends(_manager)]
"""Who sends a request that changes members, keys or settings of a project."""
OWNERS = Depends(_owner_or_key)
"""For routes that a key with the scope "write" may use, and of people only owners."""
