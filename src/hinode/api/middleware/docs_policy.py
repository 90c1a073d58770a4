"""The policy of the reference page of the API, whose script and styles are not those of the studio."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
POLICY = (
    "default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class DocsPolicy:
    """Lets the reference page run its own scripts and no other."""

    def __init__(self, app: ASGIApp, path: str = "/docs") -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def add_policy(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                headers = MutableHeaders(scope=start)
                headers["content-security-policy"] = POLICY.format(hashes=_hashes(message.get("body", b"")))
                headers["x-content-type-options"] = "nosniff"
                await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, add_policy)


def _hashes(page: bytes) -> str:
    """The inline scripts of a page, as a policy names them."""
    digests = (hashlib.sha256(script).digest() for script in SCRIPT.findall(page))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
