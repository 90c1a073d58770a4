"""Authentication: every request under /v1/ needs a valid API key.

It comes before routing, so that no route is open by mistake. A key is looked up in the database at most every
quarter of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.api import failures
from hinode.api.failures import RATE_LIMIT, Refusal
from hinode.api.limits import Buckets, RateLimitStatus
from hinode.errors import HinodeError
from hinode.jobs.tenants.tenant import Identity
from hinode.jobs.tenants.tenants import Tenants

PREFIX = "/v1/"
CACHE_SECONDS = 0.25
MAX_CACHED_KEYS = 10_000
AZURE_HEADER = "api-key"
OTHER_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Authentication:
    """Passes requests with a valid key within its rate, and notes their identity."""

    def __init__(self, app: ASGIApp, tenants: Tenants, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.tenants = tenants
        self.clock = clock
        self.buckets = Buckets(clock)
        self._cache: dict[str, tuple[float, Identity]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        rate: RateLimitStatus | None = None
        try:
            identity = await self._identity(scope)
            if identity.requests_per_minute is not None:
                rate = self.buckets.take(identity.key_id, identity.requests_per_minute)
                if rate.wait:
                    raise _too_many_requests(rate)
            scope_name = "read" if scope["method"] in READING else "write"
            if scope_name not in identity.scopes:
                message = f"this API key may not do that; use one with the scope {scope_name}"
                raise Refusal(403, message, code="insufficient_scope")
        except (Refusal, HinodeError) as error:
            await failures.of(error).response()(scope, receive, send)
            return

        async def key_is_valid() -> bool:
            """For responses that take long."""
            with suppress(Refusal):
                return bool(await self._identity(scope))
            return False

        scope.setdefault("state", {}).update(identity=identity, key_is_valid=key_is_valid)
        await self.app(scope, receive, send if rate is None else _with_headers(rate.headers(), send))

    async def _identity(self, scope: Scope) -> Identity:
        key = read_key(Headers(scope=scope))
        now = self.clock()
        cached_at, identity = self._cache.get(key, (0.0, None))
        if identity is None or now - cached_at >= CACHE_SECONDS:
            identity = await anyio.to_thread.run_sync(self.tenants.authenticate, key)
            if identity is None:
                self._cache.pop(key, None)
                raise _invalid_key("the API key does not exist or was revoked; check that it is complete")
            if len(self._cache) >= MAX_CACHED_KEYS:
                self._cache.clear()
            self._cache[key] = now, identity
        return identity


def read_key(headers: Headers) -> str:
    """The API key of a request, from the header of OpenAI's clients or of Azure's.

    Raises:
        Refusal: there is none.
    """
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    if key := headers.get(AZURE_HEADER, "").strip():
        return key
    other = next((name for name in OTHER_HEADERS if headers.get(name)), None)
    message = f"the header {other} has no key in this form" if other else "there is no API key in the request"
    raise _invalid_key(f"{message}; send it as Authorization: Bearer KEY")


def _invalid_key(message: str) -> Refusal:
    return Refusal(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _too_many_requests(rate: RateLimitStatus) -> Refusal:
    message = f"this API key may send {rate.limit} requests a minute, and they are used up; ask again later"
    headers = {**failures.retry_after(rate.wait), **rate.headers()}
    return Refusal(429, message, code="rate_limit_exceeded", type=RATE_LIMIT, headers=headers)


def _with_headers(headers: dict[str, str], send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers
