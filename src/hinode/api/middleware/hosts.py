"""The names under which the server answers.

A page of any site can let its own name lead to this machine (DNS rebinding), and then has the same origin as
the server. Such a request still carries that name as its `Host`, so a name that is not known is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from hinode.api.failures import Refusal
from hinode.api.middleware.addresses import ABSOLUTE
from hinode.errors import quote

MISDIRECTED = 421
LOCALHOST = "localhost"

_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]{1,5})?")


class Hosts:
    """Refuses requests, of every method and for every path, whose host is neither a loopback name, nor the
    address that the connection was made to, nor one of `names`."""

    def __init__(
        self,
        app: ASGIApp,
        names: Iterable[str] = (),
        around_refusal: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    ) -> None:
        """`names` are names and addresses without a port; `around_refusal` is the middleware of a refusal."""
        self.app = app
        self.refuse = around_refusal(self._refuse)
        self.names = frozenset(map(_normal, names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_allowed = scope["type"] != "http" or self.unknown(scope) is None
        await (self.app if is_allowed else self.refuse)(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = quote(self.unknown(scope) or "")
        message = f"this server does not answer to the name {name}; use localhost or its address"
        message += ", or add the name to HINODE_HOSTS"
        await Refusal(MISDIRECTED, message, code="unknown_host").response()(scope, receive, send)

    def unknown(self, scope: Scope) -> str | None:
        """The first host of a request that is not known, "" if it names none, or None if it is in order."""
        hosts: list[bytes] = [value for name, value in scope["headers"] if name == b"host"]
        if absolute := ABSOLUTE.match(scope["path"]):
            hosts.append(absolute["authority"].encode("utf-8", "replace"))
        own = _normal(str((scope.get("server") or ("",))[0]))
        for host in hosts or [b""]:
            if not self._is_allowed(host, own):
                return host.decode("latin-1")
        return None

    def _is_allowed(self, host: bytes, own: str) -> bool:
        match = _AUTHORITY.fullmatch(host)
        if match is None:
            return False
        name = _normal(match[1].decode())
        if name in (LOCALHOST, own) or name in self.names:
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def _normal(name: str) -> str:
    """A name in the form in which names are compared."""
    name = name.lower().strip("[]").removesuffix(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)
