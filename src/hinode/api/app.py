"""The application: every route, and the middleware around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from hinode import __version__
from hinode.api import failures, openapi
from hinode.api.context import Context
from hinode.api.middleware.access_log import AccessLog
from hinode.api.middleware.addresses import Addresses
from hinode.api.middleware.authentication import Authentication
from hinode.api.middleware.body_size import BodySizeLimit
from hinode.api.middleware.docs_policy import DocsPolicy
from hinode.api.middleware.hosts import Hosts
from hinode.api.middleware.metrics import Metrics
from hinode.api.middleware.retries import RetryTracker
from hinode.api.queries import check_query
from hinode.api.routes.accounts import (
    credits,
    invoices,
    members,
    passwords,
    payments,
    project,
    session,
    webhook_endpoints,
)
from hinode.api.routes.documents import feed, shots, storyboards
from hinode.api.routes.library import archives, characters, collections, entries, files, trash
from hinode.api.routes.operations import (
    batches,
    books,
    budgets,
    economics,
    events,
    health,
    models,
    queue,
    status,
    verify,
    worker_files,
    workers,
)
from hinode.api.routes.rights import consents, takedowns, uploads
from hinode.api.routes.rights import page as takedown_page
from hinode.api.routes.trust import audit, policy, review
from hinode.api.routes.trust import consents as all_consents
from hinode.api.routes.videos import (
    captions,
    content,
    descriptions,
    plans,
    progress,
    provenance,
    quotes,
    requests,
    videos,
)
from hinode.errors import HinodeError
from hinode.studio import files as studio

DATABASE_THREADS = 12
"""Requests that use the database at once; fewer than its connections."""

# Characters come before videos, whose routes accept any word as an id.
ROUTERS = (
    characters.router,
    characters.library_router,
    content.router,
    captions.router,
    progress.router,
    provenance.router,
    events.router,
    queue.router,
    plans.router,
    requests.router,
    quotes.router,
    descriptions.router,
    videos.directing_router,
    videos.router,
    models.router,
    files.router,
    # Names come before entries, whose routes accept any word as an id.
    trash.router,
    archives.router,
    entries.router,
    collections.router,
    batches.router,
    webhook_endpoints.router,
    session.router,
    passwords.router,
    members.router,
    project.router,
    credits.router,
    invoices.router,
    economics.router,
    books.router,
    budgets.router,
    storyboards.router,
    shots.router,
    feed.router,
    feed.syndication_router,
    all_consents.router,
    consents.router,
    uploads.router,
    takedowns.router,
    review.router,
    policy.router,
    audit.router,
    verify.router,
    workers.router,
    worker_files.router,
)
"""The routes under /v1: for a new one, add its router here."""

OPEN_ROUTERS = (
    health.router,
    status.router,
    takedowns.open_router,
    takedown_page.router,
    payments.router,
    studio.router,
)
"""The routes beside /v1, which need no key."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PROBES = ("/healthz", "/readyz", "/metrics")
PREFLIGHT_SECONDS = 600
"""For which browsers remember what a page may send."""
KEY = HTTPBearer(scheme_name="key", auto_error=False)  # for OpenAPI; `Authentication` checks the key
ERROR: dict[str, Any] = {"model": failures.Error, "description": "An error."}


def create_app(context: Context, hosts: Iterable[str] = ()) -> FastAPI:
    """The ASGI application on a context, which the caller closes.

    It answers under the loopback names, the address that a connection was made to, the names of the settings,
    and `hosts`.
    """
    app = FastAPIOffline(
        title="Hinode",
        version=__version__,
        description=openapi.DESCRIPTION,
        redoc_url=None,
        lifespan=_lifespan,
        # An address with a slash too many or too few is an error, not a redirect.
        redirect_slashes=False,
        routes=_routes(),
        # FastAPI makes the span of a request while `hinode.tracing` sends spans; `Metrics` counts.
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": _is_probe},
    )
    app.state.context = context
    app.state.metrics = Metrics(context.store, context.status, context.settings.home)
    app.state.routes = [route for router in (*ROUTERS, *OPEN_ROUTERS) for route in router.routes]
    for kind in (HTTPException, RequestValidationError, HinodeError):
        app.add_exception_handler(kind, failures.handle)
    openapi.describe(app, (*ROUTERS, *OPEN_ROUTERS))
    # The last one is the outermost.
    app.add_middleware(
        Authentication,
        tenants=context.tenants,
        sessions=context.sessions,
        worker_tokens=context.worker_tokens,
        requests=context.requests,
        rates=context.rates,
    )
    app.add_middleware(RetryTracker, rejections=context.rejections, clock=context.clock)
    app.add_middleware(BodySizeLimit)
    app.add_middleware(DocsPolicy)
    log_access = partial(AccessLog, metrics=app.state.metrics, clock=context.clock)
    app.add_middleware(log_access)
    app.add_middleware(Addresses)
    if context.settings.allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=context.settings.allow_origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            allow_private_network=True,  # a page of the internet that may call a server at home
            expose_headers=["*"],
            max_age=PREFLIGHT_SECONDS,
        )
    # Outside of that, which answers some requests itself.
    app.add_middleware(
        Hosts,
        names=[*context.settings.hosts, *hosts],
        around_refusal=lambda refuse: log_access(BodySizeLimit(refuse)),
    )
    return app


@cache
def _routes() -> list[BaseRoute]:
    """The routes of every application; FastAPI takes half a second to prepare them."""
    api = APIRouter(responses={"5XX": ERROR})
    dependencies = [Depends(KEY), Depends(check_query)]
    for router in (*ROUTERS, *OPEN_ROUTERS):
        _answer_head(router)
    for router in ROUTERS:
        api.include_router(router, dependencies=dependencies, responses={"4XX": ERROR})
    for router in OPEN_ROUTERS:
        api.include_router(router)
    return api.routes


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in PROBES


def _answer_head(router: APIRouter) -> None:
    """Let every address that answers GET answer HEAD too, as probes of load balancers expect."""
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    heads = {route.path for route in routes if "HEAD" in (route.methods or ())}
    for route in routes:
        if "GET" in (route.methods or ()) and route.path not in heads:
            path = route.path.removeprefix(router.prefix)
            router.add_api_route(
                path, route.endpoint, methods=["HEAD"], response_class=Response, include_in_schema=False
            )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = DATABASE_THREADS
    context: Context = app.state.context
    loop = asyncio.get_running_loop()

    def receive(project_id: str) -> None:
        loop.call_soon_threadsafe(context.feed.hint, project_id)

    listener = context.store.database.listener(receive)
    app.state.metrics.hints = listener
    if listener is not None:
        listener.start()
    try:
        yield
    finally:
        context.stopping.set()
        if listener is not None:
            await anyio.to_thread.run_sync(listener.stop)
