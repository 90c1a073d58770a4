"""The headers of requests that may be retries, and the record of rejected first tries (see
`hinode.jobs.admission.idempotency`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.api.middleware.authentication import AZURE_HEADER
from hinode.errors import BadInput
from hinode.jobs.admission.idempotency import Rejections
from hinode.jobs.job import Idempotency

IDEMPOTENCY_KEY = "Idempotency-Key"
RETRY_COUNT = "x-stainless-retry-count"
REPLAYED = {"idempotent-replayed": "true"}
MAX_KEY_LENGTH = 255
MAX_RETRY_COUNT = 1000


@dataclass(frozen=True)
class RetryInfo:
    """The headers of a request that may have been sent before; `count` is how often its library did that, and
    `fingerprint` identifies the request without its body."""

    route: str
    key: str | None
    count: int
    fingerprint: str

    @classmethod
    def of(cls, scope: Scope) -> RetryInfo:
        """Read it from the headers.

        Raises:
            BadInput: the key is empty, too long, or not in ASCII.
        """
        headers = Headers(scope=scope)
        key = headers.get(IDEMPOTENCY_KEY)
        if key is not None and not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
            message = "the idempotency key cannot be used"
            remedy = f"send 1 to {MAX_KEY_LENGTH} printable ASCII characters"
            raise BadInput(message, remedy, field=IDEMPOTENCY_KEY)
        return cls(_route(scope), key, _count(headers), _fingerprint(scope))

    def idempotency(self, request_hash: str) -> Idempotency | None:
        """The client's key for a request with this digest, if it sent one."""
        return None if self.key is None else Idempotency(self.route, self.key, request_hash)

    def since(self, rejections: Rejections) -> float:
        """The result of the first try is not older than this time, in seconds since 1970."""
        return rejections.last(self.fingerprint) if self.count else 0.0


@dataclass(frozen=True)
class RetryTracker:
    """Records first tries with an answer after which client libraries try again.

    It is outside `Authentication`, to see what that rejects.
    """

    app: ASGIApp
    rejections: Rejections
    clock: Callable[[], float]
    _flushing: anyio.Lock = field(default_factory=anyio.Lock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" and scope["method"] == "POST" else {}
        if RETRY_COUNT not in headers or _count(headers) > 0:  # not the first try of a library that counts
            await self.app(scope, receive, send)
            return
        began = self.clock()

        async def send_recorded(message: Message) -> None:
            status = message.get("status", 200)
            if status in (408, 409, 429) or status >= 500:
                self.rejections.add(_fingerprint(scope), began)
                # Rejections that arrive during a write are written together afterwards.
                async with self._flushing:
                    await anyio.to_thread.run_sync(self.rejections.flush)
            await send(message)

        await self.app(scope, receive, send_recorded)


def _count(headers: Mapping[str, str]) -> int:
    count = headers.get(RETRY_COUNT, "0")
    return min(int(count), MAX_RETRY_COUNT) if count.isascii() and count.isdigit() and len(count) < 5 else 0


def _route(scope: Scope) -> str:
    return f"{scope['method']} {scope['path']}"[:200]


def _fingerprint(scope: Scope) -> str:
    headers = Headers(scope=scope)
    parts = (
        headers.get("authorization") or headers.get(AZURE_HEADER, ""),
        _route(scope),
        headers.get("content-length", ""),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
