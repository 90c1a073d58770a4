"""The bound on the size of bodies; the rest of the body of a refused request is received too."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinode.api.requests.multipart import too_large

REQUEST_TIMEOUT = 408  # nothing more of the body arrives


@dataclass(frozen=True)
class BodySizeLimit:
    """Refuses bodies whose declared length is too large, and receives the rest of each before an answer: a
    client that is still sending would get a broken connection instead of the answer. One that waits to be
    asked for its body (`Expect: 100-continue`) sends nothing, and is not asked."""

    app: ASGIApp
    max_bytes: int = 600 << 20  # routes have lower bounds of their own
    max_unauthenticated_bytes: int = 32 << 20
    seconds: float = 30.0  # for the rest of a body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or not headers.keys() & {b"content-length", b"transfer-encoding"}:
            await self.app(scope, receive, send)
            return
        complete, waits = False, headers.get(b"expect", b"").lower() == b"100-continue"

        async def receive_noted() -> Message:
            nonlocal complete, waits
            waits = False
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                complete = True
            return message

        async def send_drained(message: Message) -> None:
            starts = message["type"] == "http.response.start"
            if starts and not complete and waits:
                MutableHeaders(scope=message)["connection"] = "close"  # the body may still come
            elif starts and not complete and message["status"] != REQUEST_TIMEOUT:
                is_authenticated = "identity" in scope.get("state", {})
                limit = self.max_bytes if is_authenticated else self.max_unauthenticated_bytes
                with anyio.move_on_after(self.seconds):
                    while not complete and limit > 0:
                        limit -= len((await receive_noted()).get("body", b""))
            await send(message)

        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) <= self.max_bytes:
            await self.app(scope, receive_noted, send_drained)
        else:
            await too_large("the body", self.max_bytes).response()(scope, receive_noted, send_drained)
