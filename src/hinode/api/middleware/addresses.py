"""Addresses as clients of other services write them, and as a proxy changes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

AZURE = "/openai"
"""What Azure's clients write before /v1/."""
VERSION = b"api-version"
"""A parameter of theirs that changes nothing."""
PAGES = ("/docs", "/openapi.json")
"""What contains addresses of this server."""

_PREFIX = re.compile(r"(?:/[\w.~-]{1,64}){1,8}", re.ASCII)


@dataclass(frozen=True)
class Addresses:
    """Reads the addresses of Azure's clients too, leaves out parameters without a value, and puts the prefix
    of a proxy, from its header `X-Forwarded-Prefix`, before the addresses on pages."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"].startswith(f"{AZURE}/v1/"):
                scope["path"] = scope["path"].removeprefix(AZURE)
            pairs = (pair for pair in scope["query_string"].split(b"&") if not pair.endswith(b"="))
            scope["query_string"] = b"&".join(pair for pair in pairs if pair.partition(b"=")[0] != VERSION)
            prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
            if scope["path"] in PAGES and _PREFIX.fullmatch(prefix):
                scope["root_path"] = prefix
        await self.app(scope, receive, send)
