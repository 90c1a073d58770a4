"""What a client says about a request that it may have made before, and which of its tries were refused.

A client library that is told 429 or 503, or is told nothing, asks again and says how often it has. If its
first try was refused here, then nothing that was made before that try is what the retry asks for: without
this, a program that makes many equal videos would be given an older one whenever it was told to slow down.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.errors import BadInput
from hinode.jobs.job import Idempotency

IDEMPOTENCY_KEY = "Idempotency-Key"
RETRY_COUNT = "x-stainless-retry-count"
REPLAYED = {"idempotent-replayed": "true"}
MAX_KEY_LENGTH = 255
MAX_RETRY_COUNT = 1000
MAX_ENTRIES = 10_000

RequestFingerprint = tuple[str, str, str]
"""What tells one request from another before its body has been read: key, address, and length of the body."""


@dataclass(frozen=True)
class RetryInfo:
    """What a client says about a request that it may have made before.

    Attributes:
        route: method and path.
        key: its idempotency key, or None.
        tries: how often its library has tried before.
        since: nothing made before this time, in seconds since 1970, is what the first try made.
    """

    route: str
    key: str | None
    tries: int
    since: float

    @classmethod
    def of(cls, request: Request) -> RetryInfo:
        """Read it from the headers.

        Raises:
            BadInput: the key is empty, too long, or not in plain letters.
        """
        key = request.headers.get(IDEMPOTENCY_KEY)
        if key is not None and not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
            raise BadInput(
                "the idempotency key cannot be used",
                f"send 1 to {MAX_KEY_LENGTH} plain letters",
                field=IDEMPOTENCY_KEY,
            )
        refused: RejectedRequests = request.app.state.refused
        return cls(_route(request.scope), key, _tries(request.headers), refused.since(_mark(request.scope)))

    def promise(self, request_hash: str) -> Idempotency | None:
        """The client's promise for a request with this digest, if it made one."""
        return None if self.key is None else Idempotency(self.route, self.key, request_hash)


class RejectedRequests:
    """When first tries began that were refused, as far as this process remembers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: OrderedDict[RequestFingerprint, float] = OrderedDict()

    def note(self, mark: RequestFingerprint, began: float) -> None:
        """Remember a refused try that began at this time, in seconds since 1970."""
        with self._lock:
            self._began[mark] = began
            self._began.move_to_end(mark)
            if len(self._began) > MAX_ENTRIES:
                self._began.popitem(last=False)

    def since(self, mark: RequestFingerprint) -> float:
        """When the last first try like this that was refused began, or 0."""
        with self._lock:
            return self._began.get(mark, 0.0)


class RetryTracker:
    """Notes first tries that are answered in a way after which client libraries try again.

    It stands before the door, so that it sees what is refused there.
    """

    def __init__(self, app: ASGIApp, refused: RejectedRequests, clock: Callable[[], float]) -> None:
        """
        Args:
            app: what is behind it.
            refused: where to note them.
            clock: seconds since 1970.
        """
        self.app = app
        self.refused = refused
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not _is_first(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        began = self.clock()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and _asks_again(message["status"]):
                self.refused.note(_mark(scope), began)
            await send(message)

        await self.app(scope, receive, sending)


def _asks_again(status: int) -> bool:
    return status in (408, 409, 429) or status >= 500


def _is_first(headers: Headers) -> bool:
    """Whether a library that counts its tries has made this one for the first time."""
    return RETRY_COUNT in headers and _tries(headers) == 0


def _tries(headers: Headers) -> int:
    tries = headers.get(RETRY_COUNT, "0")
    return min(int(tries), MAX_RETRY_COUNT) if tries.isascii() and tries.isdigit() and len(tries) < 5 else 0


def _route(scope: Scope) -> str:
    return f"{scope['method']} {scope['path']}"[:200]


def _mark(scope: Scope) -> RequestFingerprint:
    headers = Headers(scope=scope)
    key = hashlib.sha256(headers.get("authorization", "").encode()).hexdigest()
    return key, _route(scope), headers.get("content-length", "")[:20]
