"""Authentication: every request under /v1/ needs a valid API key, or the cookie of a session.

It comes before routing, so that no route is open by mistake; those that serve to sign in are listed here. A
key or a session is looked up in the database at most every quarter of a second.

Under /v1/workers the token of a worker is needed, which is good for nothing else. It is looked up every time,
so that one that was removed takes no job any more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.api import failures
from hinode.api.cookies import has_csrf_token, read_cookie
from hinode.api.failures import RATE_LIMIT, Refusal
from hinode.api.limits import Buckets, ConcurrencyLimit, RateLimitStatus, SharedRates, check_address
from hinode.errors import HinodeError
from hinode.jobs.fleet.tokens import PREFIX as TOKEN_PREFIX
from hinode.jobs.fleet.tokens import WorkerTokens
from hinode.jobs.tenants.sessions import Sessions
from hinode.jobs.tenants.tenant import REVIEW, Identity
from hinode.jobs.tenants.tenants import Tenants

PREFIX = "/v1/"
WORKERS = "/v1/workers"
WORK = "work"
"""The scope of a worker's token."""
CACHE_SECONDS = 0.25
MAX_CACHED_KEYS = 10_000
AZURE_HEADER = "api-key"
OTHER_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
AROUND_KEYS = " \"'"
SINGLE = ("authorization", "content-type", "idempotency-key")
"""Headers of which a second one would be passed over."""
READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = {
    "/v1/session": frozenset({"GET", "HEAD", "POST", "DELETE"}),
    "/v1/password": frozenset({"POST"}),
    "/v1/password/reset": frozenset({"POST"}),
    "/v1/verify": frozenset({"GET", "HEAD", "POST"}),
    "/v1/detect": frozenset({"GET", "HEAD", "POST"}),
}
"""What needs neither key nor session, and what every role may do."""
HARMLESS = frozenset({"/v1/verify", "/v1/detect"})
"""Of these, what a form of another site may send too, since it changes nothing."""
OWN = "/v1/sessions/"
"""Sessions of one's own, which every role may end."""
REVIEWS = re.compile(r"/v1/(takedowns/[^/]+/decision|rights/reviews/[^/]+|review/[^/]+)")
"""What reviewers decide about; the routes check whose reviewers they are."""
OPEN_PER_MINUTE = 600
"""Requests from one address that are nobody's."""

Credentials = tuple[str, str]
"""Their kind, "key" or "cookie", and the secret."""


class Authentication:
    """Passes requests with a valid key or session, within its rate and the share of its project, and notes
    their identity. The routes of `OPEN` get the refusal instead, as `request.state.refusal`."""

    def __init__(
        self,
        app: ASGIApp,
        tenants: Tenants,
        sessions: Sessions,
        worker_tokens: WorkerTokens,
        requests: ConcurrencyLimit,
        rates: SharedRates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            requests: counts those that are being answered: a client that sends a body or takes a file slowly,
                or not at all, holds a connection.
            rates: of keys over all servers; None if there is one server.
        """
        self.app = app
        self.tenants = tenants
        self.sessions = sessions
        self.worker_tokens = worker_tokens
        self.requests = requests
        self.clock = clock
        self.buckets = Buckets(clock)
        self.rates = rates
        self._cache: dict[Credentials, tuple[float, Identity]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        with ExitStack() as stack:
            await self._admit(stack, scope, receive, send)

    async def _admit(self, stack: ExitStack, scope: Scope, receive: Receive, send: Send) -> None:
        rate: RateLimitStatus | None = None
        is_open = scope["method"] in OPEN.get(scope["path"], ())
        state = scope.setdefault("state", {})
        try:
            _check_single(Headers(scope=scope))
            try:
                identity = await self._identity(scope)
            except Refusal as refusal:
                if not is_open:
                    raise
                state["refusal"] = refusal
                self._check_anonymous(scope)
                await self.app(scope, receive, send)
                return
            rate = await self._rate(identity)
            if rate is not None and rate.wait:
                raise _too_many_requests(rate)
            is_worker = WORK in identity.scopes
            if not is_open and not is_worker and not scope["path"].startswith(OWN):
                _check_scope(identity, scope["method"], scope["path"])
            stack.enter_context(self.requests.acquire(identity.project_id))
        except (Refusal, HinodeError) as error:
            await failures.of(error).response()(scope, receive, send)
            return

        async def key_is_valid() -> bool:
            """For responses that take long: whether the key or the session is still good."""
            with suppress(Refusal):
                return bool(await self._identity(scope))
            return False

        state.update(identity=identity, key_is_valid=key_is_valid)
        await self.app(scope, receive, send if rate is None else _with_headers(rate.headers(), send))

    async def _rate(self, identity: Identity) -> RateLimitStatus | None:
        if identity.requests_per_minute is None:
            return None
        if self.rates is None:
            return self.buckets.take(identity.key_id, identity.requests_per_minute)
        return await self.rates.take(identity.key_id, identity.requests_per_minute)

    def _check_anonymous(self, scope: Scope) -> None:
        """Check a request that is nobody's."""
        check_address(self.buckets, scope, OPEN_PER_MINUTE)
        media_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        # A form of another site could sign a person in as somebody else; browsers ask before they send JSON.
        is_form = scope["method"] == "POST" and media_type != "application/json"
        if is_form and scope["path"] not in HARMLESS:
            message = "the content type is not application/json; send JSON"
            raise Refusal(415, message, code="unsupported_media_type")

    async def _identity(self, scope: Scope) -> Identity:
        if _is_for_workers(scope["path"]):
            return await self._worker(scope)
        credentials = await self._credentials(scope)
        now = self.clock()
        cached_at, identity = self._cache.get(credentials, (0.0, None))
        if identity is None or now - cached_at >= CACHE_SECONDS:
            identity = await anyio.to_thread.run_sync(self._look_up, credentials)
            if identity is None:
                self._cache.pop(credentials, None)
                raise _unknown(credentials)
            if len(self._cache) >= MAX_CACHED_KEYS:
                self._cache.clear()
            self._cache[credentials] = now, identity
        kind, token = credentials
        if kind == "cookie" and scope["method"] not in READING and not has_csrf_token(scope, token):
            message = "the header X-CSRF-Token is not that of the session; reload the page"
            raise Refusal(403, message, code="csrf")
        return identity

    async def _worker(self, scope: Scope) -> Identity:
        """The identity of a worker, which has no project: its token stands in place of one."""
        secret = read_key(Headers(scope=scope))
        if not secret.startswith(TOKEN_PREFIX):
            message = "an API key cannot act as a worker; make a token with `hinode workers add`"
            raise Refusal(403, message, code="invalid_worker_token")
        token = await anyio.to_thread.run_sync(self.worker_tokens.authenticate, secret)
        if token is None:
            message = (
                "the token of the worker does not exist or was removed; make one with `hinode workers add`"
            )
            headers = {"www-authenticate": "Bearer"}
            raise Refusal(401, message, code="invalid_worker_token", headers=headers)
        scope["state"]["worker_token"] = token
        return Identity(token.id, token.id, frozenset({WORK}), None)

    async def _credentials(self, scope: Scope) -> Credentials:
        headers = Headers(scope=scope)
        try:
            return "key", read_key(headers)
        except Refusal:
            # What a proxy asks for, such as a password of its own, is in the header of keys too.
            if "cookie" in headers:
                instance = await anyio.to_thread.run_sync(lambda: self.sessions.instance)
                if token := read_cookie(scope, instance):
                    return "cookie", token
            raise

    def _look_up(self, credentials: Credentials) -> Identity | None:
        kind, secret = credentials
        if kind == "key":
            return self.tenants.authenticate(secret)
        login = self.sessions.authenticate(secret)
        return login[0] if login else None


def read_key(headers: Headers) -> str:
    """The API key of a request, from the header of OpenAI's clients or of Azure's.

    Raises:
        Refusal: there is none.
    """
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    # The quotes of a file of variables get into a variable with some programs.
    if scheme.lower() == "bearer" and (key := key.strip(AROUND_KEYS)):
        return key
    if key := headers.get(AZURE_HEADER, "").strip(AROUND_KEYS):
        return key
    other = next((name for name in OTHER_HEADERS if headers.get(name)), None)
    message = f"the header {other} has no key in this form" if other else "there is no API key in the request"
    raise _invalid_key(f"{message}; send it as Authorization: Bearer KEY")


def _check_single(headers: Headers) -> None:
    for name in SINGLE:
        if len(set(headers.getlist(name))) > 1:
            message = f"the header {name} is there twice, with two values; send it once"
            raise Refusal(400, message, code="bad_input")


def _check_scope(identity: Identity, method: str, path: str) -> None:
    name = "read" if method in READING else "write"
    if name in identity.scopes or (REVIEW in identity.scopes and REVIEWS.fullmatch(path)):
        return
    if identity.role is not None:
        message = f"the role {identity.role} may not do that; ask an owner of the project for another"
        raise Refusal(403, message, code="insufficient_role")
    message = f"this API key may not do that; use one with the scope {name}"
    raise Refusal(403, message, code="insufficient_scope")


def _is_for_workers(path: str) -> bool:
    return path == WORKERS or path.startswith(f"{WORKERS}/")


def _unknown(credentials: Credentials) -> Refusal:
    if credentials[0] == "cookie":
        return Refusal(401, "the session has ended; sign in again", code="session_ended")
    if credentials[1].startswith(TOKEN_PREFIX):
        message = "this is the token of a worker, which is good for nothing else; use an API key"
        return Refusal(403, message, code="insufficient_scope")
    return _invalid_key("the API key does not exist or was revoked; check that it is complete")


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
