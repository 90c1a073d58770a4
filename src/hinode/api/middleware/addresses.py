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

ABSOLUTE = re.compile(r"https?://(?P<authority>[^/]*)(?P<path>/.*)?", re.IGNORECASE)
"""What a client writes that takes this server for its proxy; servers have to read it (RFC 9112, 3.2.2)."""
_PREFIX = re.compile(r"(?:/[\w.~-]{1,64}){1,8}", re.ASCII)


def external_prefix(scope: Scope) -> str:
    """The prefix under which a proxy serves this server, such as "/studio", from its header; else ""."""
    prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) else ""


@dataclass(frozen=True)
class Addresses:
    """Reads whole addresses and those of Azure's clients too, leaves out parameters without a value, and puts
    the prefix of a proxy, from its header `X-Forwarded-Prefix`, before the addresses on pages."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if absolute := ABSOLUTE.match(scope["path"]):
                scope["path"] = absolute["path"] or "/"
            if scope["path"].startswith(f"{AZURE}/v1/"):
                scope["path"] = scope["path"].removeprefix(AZURE)
            pairs = (pair for pair in scope["query_string"].split(b"&") if not pair.endswith(b"="))
            scope["query_string"] = b"&".join(pair for pair in pairs if pair.partition(b"=")[0] != VERSION)
            if scope["path"] in PAGES and (prefix := external_prefix(scope)):
                scope["root_path"] = prefix
        await self.app(scope, receive, send)
