"""The outermost middleware: each request gets an id, a line in the log, metrics, and always an answer.

It is plain ASGI, since it runs with every poll of every client.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode import logs, tracing
from hinode.api import failures
from hinode.api.middleware.metrics import OTHER, Metrics
from hinode.api.serving.connections import LAST_STATUS
from hinode.records import ids

log = logging.getLogger("hinode.api.requests")

CLIENT_CLOSED_REQUEST, TOO_MANY_REQUESTS = 499, 429
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class AccessLog:
    """Gives requests ids, and logs and counts their answers."""

    app: ASGIApp
    metrics: Metrics
    clock: Callable[[], float] = time.time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = ids.make("req_", self.clock())
        began = time.perf_counter()
        status, latency = 0, 0.0

        async def send_labelled(message: Message) -> None:
            nonlocal status, latency
            if message["type"] == "http.response.start":
                status, latency = message["status"], time.perf_counter() - began
                scope.setdefault("state", {})[LAST_STATUS] = status
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-processing-ms"] = str(round(latency * 1000))
            await send(message)

        trace = tracing.ids()
        self.metrics.in_progress.inc()
        with logs.about(request_id=request_id, **trace):
            try:
                await self.app(scope, receive, send_labelled)
            except ClientDisconnect:
                status = status or CLIENT_CLOSED_REQUEST
            except Exception as error:
                log.exception("unexpected error in a request")
                if status:
                    raise  # part of the answer is sent: only a broken connection shows that it is incomplete
                await failures.of(error).response()(scope, receive, send_labelled)
            finally:
                self.metrics.in_progress.dec()
                elapsed = time.perf_counter() - began
                status = status or CLIENT_CLOSED_REQUEST
                self._log(scope, status, latency or elapsed, elapsed, trace.get("trace_id"))

    def _log(self, scope: Scope, status: int, latency: float, elapsed: float, trace_id: str | None) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", OTHER)
        self.metrics.count(method, route, status, latency, trace_id)
        facts: dict[str, Any] = {
            "method": scope["method"][:20],
            "path": scope["path"][:200],
            "status": status,
            "milliseconds": round(elapsed * 1000, 1),
            "client": (scope.get("client") or ("", 0))[0],
        }
        if (identity := scope.get("state", {}).get("identity")) is not None:
            facts |= {"project_id": identity.project_id, "key_id": identity.key_id}
        if status == TOO_MANY_REQUESTS:  # a client that ignores this status would fill the disk with lines
            facts["repeats_as"] = ("429", facts.get("key_id") or facts["client"], method, route)
        log.info("request", extra=facts)
