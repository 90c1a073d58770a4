"""The bound on the size of bodies; the rest of the body of a refused request is received too."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.api.requests.multipart import too_large


class BodySizeLimit:
    """Refuses bodies whose declared length is too large, and receives the rest of each before an answer: a
    client that is still sending would get a broken connection instead of the answer."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, max_unauthenticated_bytes: int, seconds: float
    ) -> None:
        """Routes have lower bounds of their own than `max_bytes`; `seconds` are for the rest of a body."""
        self.app = app
        self.max_bytes = max_bytes
        self.max_unauthenticated_bytes = max_unauthenticated_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        complete = False

        async def receive_noted() -> Message:
            nonlocal complete
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                complete = True
            return message

        async def send_drained(message: Message) -> None:
            if message["type"] == "http.response.start" and not complete:
                is_authenticated = "identity" in scope.get("state", {})
                limit = self.max_bytes if is_authenticated else self.max_unauthenticated_bytes
                await self._drain(receive_noted, lambda: complete, limit)
            await send(message)

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) <= self.max_bytes:
            await self.app(scope, receive_noted, send_drained)
        else:
            await too_large("the body", self.max_bytes).response()(scope, receive_noted, send_drained)

    async def _drain(self, receive: Receive, is_complete: Callable[[], bool], limit: int) -> None:
        with anyio.move_on_after(self.seconds):
            while not is_complete() and limit > 0:
                message = await receive()
                limit -= len(message.get("body", b""))


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
