"""The application: every route, and the middleware around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

from hinode import __version__
from hinode.api import failures, openapi
from hinode.api.context import Context
from hinode.api.middleware.access_log import AccessLog
from hinode.api.middleware.addresses import Addresses
from hinode.api.middleware.authentication import Authentication
from hinode.api.middleware.body_size import BodySizeLimit
from hinode.api.middleware.metrics import Metrics
from hinode.api.middleware.retries import RetryTracker
from hinode.api.queries import check_query
from hinode.api.routes.accounts import webhook_endpoints
from hinode.api.routes.library import characters, files
from hinode.api.routes.operations import batches, health, models
from hinode.api.routes.videos import content, plans, progress, videos
from hinode.errors import HinodeError

DATABASE_THREADS = 12
"""Requests that use the database at once; fewer than its connections."""

# Characters come before videos, whose routes accept any word as an id.
ROUTERS = (
    characters.router,
    content.router,
    progress.router,
    plans.router,
    videos.directing_router,
    videos.router,
    models.router,
    files.router,
    batches.router,
    webhook_endpoints.router,
)
"""The routes under /v1: for a new one, add its router here."""

METHODS = ("GET", "HEAD", "POST", "DELETE")
PREFLIGHT_SECONDS = 600
"""For which browsers remember what a page may send."""
KEY = HTTPBearer(scheme_name="key", auto_error=False)  # for OpenAPI; `Authentication` checks the key
ERROR: dict[str, Any] = {"model": failures.Error, "description": "An error."}


def create_app(context: Context) -> FastAPI:
    """The ASGI application on a context, which the caller closes."""
    app = FastAPIOffline(
        title="Hinode",
        version=__version__,
        description=openapi.DESCRIPTION,
        redoc_url=None,
        lifespan=_lifespan,
        # An address with a slash too many or too few is an error, not a redirect.
        redirect_slashes=False,
        responses={"5XX": ERROR},
    )
    app.state.context = context
    app.state.metrics = Metrics(context.store)
    dependencies = [Depends(KEY), Depends(check_query)]
    for router in (*ROUTERS, health.router):
        _answer_head(router)
    for router in ROUTERS:
        app.include_router(router, dependencies=dependencies, responses={"4XX": ERROR})
    app.include_router(health.router)
    app.state.routes = [route for router in (*ROUTERS, health.router) for route in router.routes]
    for kind in (HTTPException, RequestValidationError, HinodeError):
        app.add_exception_handler(kind, failures.handle)
    openapi.describe(app, ROUTERS)
    # The last one is the outermost.
    app.add_middleware(Authentication, tenants=context.tenants)
    app.add_middleware(RetryTracker, rejections=context.rejections, clock=context.clock)
    app.add_middleware(BodySizeLimit)
    app.add_middleware(AccessLog, metrics=app.state.metrics, clock=context.clock)
    app.add_middleware(Addresses)
    if context.settings.allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=context.settings.allow_origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=["*"],
            max_age=PREFLIGHT_SECONDS,
        )
    return app


def _answer_head(router: APIRouter) -> None:
    """Let every address that answers GET answer HEAD too, as probes of load balancers expect; safe to call
    again."""
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
    try:
        yield
    finally:
        context.stopping.set()
