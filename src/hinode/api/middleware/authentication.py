"""The door: whatever is under /v1/ is for those with a key, whichever route it may be.

It stands before routing, so that a route cannot be left open by mistake, and so that looking a key up costs
no more than it must: an answer from the database holds for a quarter of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio.to_thread
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.api import failures
from hinode.api.failures import RATE_LIMIT, Refusal
from hinode.api.limits import Buckets, RateLimitStatus
from hinode.errors import HinodeError
from hinode.jobs.tenants.tenants import Identity, Tenants

PREFIX = "/v1/"
CACHE_SECONDS = 0.25
MAX_CACHED_KEYS = 10_000
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Authentication:
    """Lets requests with a good key pass, within the key's rate, and says whose they are."""

    def __init__(self, app: ASGIApp, tenants: Tenants, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            app: what is behind the door.
            tenants: who knows the keys.
            clock: seconds from any beginning.
        """
        self.app = app
        self.tenants = tenants
        self.clock = clock
        self.buckets = Buckets(clock)
        self._known: dict[str, tuple[float, Identity]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        standing: RateLimitStatus | None = None
        try:
            identity = await self._identity(scope)
            if identity.requests_per_minute is not None:
                standing = self.buckets.take(identity.key_id, identity.requests_per_minute)
                if standing.wait:
                    raise _too_fast(standing)
            needed = "read" if scope["method"] in READING else "write"
            if needed not in identity.scopes:
                raise Refusal(
                    403,
                    f"this API key may not do that; use one with the scope {needed}",
                    code="insufficient_scope",
                )
        except (Refusal, HinodeError) as error:
            await failures.of(error).response()(scope, receive, send)
            return

        async def still_known() -> bool:
            """Whether the key is still good, for what goes on for long."""
            try:
                await self._identity(scope)
            except Refusal:
                return False
            return True

        scope.setdefault("state", {}).update(identity=identity, still_known=still_known)
        await self.app(scope, receive, send if standing is None else _with(standing, send))

    async def _identity(self, scope: Scope) -> Identity:
        key = _key(scope)
        if not key:
            raise _unknown("there is no API key in the request; send it as Authorization: Bearer KEY")
        now = self.clock()
        seen_at, identity = self._known.get(key, (0.0, None))
        if identity is None or now - seen_at >= CACHE_SECONDS:
            identity = await anyio.to_thread.run_sync(self.tenants.authenticate, key)
            if identity is None:
                self._known.pop(key, None)
                raise _unknown("the API key is not known here, or was revoked; see that it is whole")
            if len(self._known) >= MAX_CACHED_KEYS:
                self._known.clear()
            self._known[key] = now, identity
        return identity


def _key(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, key = value.decode("latin-1").strip().partition(" ")
            return key.strip() if kind.lower() == "bearer" else ""
    return ""


def _unknown(message: str) -> Refusal:
    return Refusal(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _too_fast(standing: RateLimitStatus) -> Refusal:
    return Refusal(
        429,
        f"this API key may make {standing.limit} requests a minute, and they are used up; ask again later",
        code="rate_limit_exceeded",
        type=RATE_LIMIT,
        headers={**failures.retry_after(standing.wait), **standing.headers()},
    )


def _with(standing: RateLimitStatus, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in standing.headers().items():
                headers[name] = value
        await send(message)

    return sending
