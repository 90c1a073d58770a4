"""What is done around every request: an id, a line in the log, a number in the metrics, and no loose ends.

This is plain ASGI and nothing else, for it runs with every poll of every client.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import anyio
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode import logs
from hinode.api import failures
from hinode.api.middleware.metrics import OTHER, Metrics
from hinode.api.requests import bodies
from hinode.jobs import ids

log = logging.getLogger("hinode.api.requests")

CLIENT_GONE = 499
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """The outermost layer: what comes out of it is an answer, whatever happened inside."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            app: all the rest.
            metrics: where answers are counted.
            clock: seconds since 1970.
        """
        self.app = app
        self.metrics = metrics
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = ids.make("req_", self.clock())
        begun = time.perf_counter()
        status, waited = 0, 0.0

        async def sending(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = message["status"], time.perf_counter() - begun
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-processing-ms"] = str(round(waited * 1000))
            await send(message)

        self.metrics.under_way.inc()
        with logs.about(request_id=request_id):
            try:
                await self.app(scope, receive, sending)
            except ClientDisconnect:
                status = status or CLIENT_GONE
            except Exception as error:
                log.exception("a request met a fault")
                if not status:
                    await failures.of(error).response()(scope, receive, sending)
                else:
                    raise  # half an answer is out: only a broken connection tells that it is not whole
            finally:
                self.metrics.under_way.dec()
                self._note(scope, status or CLIENT_GONE, waited or time.perf_counter() - begun, begun)

    def _note(self, scope: Scope, status: int, waited: float, begun: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", OTHER)
        self.metrics.answered(method, route, status, waited)
        facts: dict[str, Any] = {
            "method": scope["method"][:20],
            "path": scope["path"][:200],
            "status": status,
            "milliseconds": round((time.perf_counter() - begun) * 1000, 1),
            "client": (scope.get("client") or ("", 0))[0],
        }
        identity = scope.get("state", {}).get("identity")
        if identity is not None:
            facts["project_id"] = identity.project_id
            facts["key_id"] = identity.key_id
        log.info("request", extra=facts)


class BodySizeLimit:
    """Refuses bodies that are too large by their own word, and takes in the rest of those that are refused
    later: a client that is still sending would not see the answer otherwise, but a broken connection."""

    def __init__(self, app: ASGIApp, *, most: int, most_of_strangers: int, seconds: float) -> None:
        """
        Args:
            app: what is inside.
            most: bytes of a body; routes set lower bounds of their own. As many are taken in of one that was
                refused.
            most_of_strangers: bytes that are taken in of the body of a request without a good key.
            seconds: for taking in what is refused.
        """
        self.app = app
        self.most = most
        self.most_of_strangers = most_of_strangers
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        finished = False

        async def receiving() -> Message:
            nonlocal finished
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                finished = True
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not finished:
                known = "identity" in scope.get("state", {})
                await self._drain(receiving, lambda: finished, self.most if known else self.most_of_strangers)
            await send(message)

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:20]) > self.most:
            refusal = failures.of(bodies.too_large("the body", self.most)).response()
            await refusal(scope, receiving, sending)
            return
        await self.app(scope, receiving, sending)

    async def _drain(self, receive: Receive, finished: Callable[[], bool], left: int) -> None:
        with anyio.move_on_after(self.seconds):
            while not finished() and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
