"""The cookie of a session, and the token that its unsafe requests carry."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import HTTPConnection, cookie_parser
from starlette.responses import Response
from starlette.types import Scope

CSRF_HEADER = "x-csrf-token"


def cookie_name(instance: str) -> str:
    """The name of the cookie: browsers share cookies among all ports of a host."""
    return f"hinode_{instance}"


def read_cookie(scope: Scope, instance: str) -> str | None:
    """The token in the cookie of a request, or None."""
    name = cookie_name(instance)
    for key, value in scope["headers"]:
        if key == b"cookie" and (token := cookie_parser(value.decode("latin-1")).get(name)):
            return token
    return None


def csrf_token(token: str) -> str:
    """The token that unsafe requests of a session carry: a page of another site cannot read it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def has_csrf_token(scope: Scope, token: str) -> bool:
    """Whether a request carries the token of its session."""
    sent = HTTPConnection(scope).headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(sent.encode(), csrf_token(token).encode())


def set_cookie(response: Response, scope: Scope, instance: str, token: str, seconds: float) -> None:
    """Let the browser keep the token of a session; without https a Secure cookie would be dropped."""
    response.set_cookie(
        cookie_name(instance),
        token,
        max_age=int(seconds),
        path="/",
        secure=scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


def delete_cookie(response: Response, scope: Scope, instance: str) -> None:
    """Let the browser forget the token of a session."""
    secure = scope["scheme"] == "https"
    response.delete_cookie(cookie_name(instance), "/", secure=secure, httponly=True, samesite="strict")
