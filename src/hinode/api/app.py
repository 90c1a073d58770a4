"""The application: every route, and what stands before all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from hinode.api import failures, schema
from hinode.api.context import Context
from hinode.api.limits import ByteBudget
from hinode.api.middleware.access_log import AccessLog, BodySizeLimit
from hinode.api.middleware.authentication import Authentication
from hinode.api.middleware.metrics import Metrics
from hinode.api.middleware.retries import RejectedRequests, RetryTracker
from hinode.api.requests import bodies
from hinode.api.routes.accounts import webhook_endpoints
from hinode.api.routes.library import characters, files
from hinode.api.routes.operations import batches, health, models
from hinode.api.routes.videos import content, directing, progress, videos
from hinode.errors import HinodeError

LOOKING_THREADS = 12
"""How many requests at once may look into the database; fewer than it keeps connections for."""
MAX_BODY_BYTES = 600 << 20
MAX_UNAUTHENTICATED_BYTES = 32 << 20
DRAIN_SECONDS = 30.0

# Characters come before videos, whose routes take any word for an id.
ROUTERS = (
    characters.router,
    content.router,
    progress.router,
    directing.router,
    videos.router,
    models.router,
    files.router,
    batches.router,
    webhook_endpoints.router,
    health.router,
)


def create_app(context: Context) -> FastAPI:
    """The ASGI application.

    Args:
        context: what its routes work with; it stays the caller's, who closes it.
    """
    app = FastAPIOffline(
        title="Hinode",
        redoc_url=None,
        lifespan=_lifespan,
        # A path that is nearly right is told so, and not sent around.
        redirect_slashes=False,
    )
    app.state.context = context
    app.state.metrics = Metrics(context.store)
    app.state.refused = RejectedRequests()
    app.state.room = ByteBudget(bodies.MAX_CONCURRENT)
    for router in ROUTERS:
        app.include_router(router)
    for kind in (HTTPException, RequestValidationError, HinodeError):
        app.add_exception_handler(kind, failures.handle)
    schema.describe(app)
    # The one that is added last is the outermost.
    app.add_middleware(Authentication, tenants=context.tenants)
    app.add_middleware(RetryTracker, refused=app.state.refused, clock=context.clock)
    app.add_middleware(
        BodySizeLimit, most=MAX_BODY_BYTES, most_of_strangers=MAX_UNAUTHENTICATED_BYTES, seconds=DRAIN_SECONDS
    )
    app.add_middleware(AccessLog, metrics=app.state.metrics, clock=context.clock)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = LOOKING_THREADS
    context: Context = app.state.context
    try:
        yield
    finally:
        context.stopping.set()
