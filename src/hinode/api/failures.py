"""Everything that can go wrong, as clients of Sora's API know it: a status code and an error of four keys.

A client library decides by the status whether it asks again: on 408, 409, 429 and from 500 up it does, unless
`x-should-retry` says otherwise. So a request that has to change is never answered with one of those.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request

from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs.job import OverQuota, Unfinished
from hinode.records.database import DatabaseError

log = logging.getLogger(__name__)

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"
RATE_LIMIT = "rate_limit_error"

MAX_RETRY_AFTER = 60.0
"""Client libraries wait at most that many seconds before they ask again, whatever they are told."""

PARAMS = {
    "first_frame": "input_reference",
    "last_frame": "last_frame_reference",
    "references": "input_reference",
    "source": "video",
    "character": "characters",
    "operation": "model",
    "engine": "model",
}
"""Names on the wire of fields that are called otherwise inside."""


class NotFound(BadInput):
    """There is no such thing, or it is not this project's, which is the same to whoever asks."""

    code: ClassVar[str] = "not_found"


class Refusal(HTTPException):
    """An answer other than the one asked for; it may be raised from anywhere below a route.

    Args:
        status: HTTP status code.
        message: what is wrong, in one sentence.
        code: short name that stays the same.
        param: part of the request that is at fault, if there is one.
        type: kind of error, as Sora's API groups them.
        headers: to send with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None,
        param: str | None = None,
        type: str = INVALID_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        super().__init__(status, message, dict(headers or {}))


@dataclass(frozen=True)
class Failure:
    """An error on the wire: status code, body and headers."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, dict(self.headers))


def not_found(kind: str, name: str, field: str) -> NotFound:
    """That there is no video, character or file with this id."""
    return NotFound(f"there is no {kind} {quote(name, 80)}", "see that the id is right", field=field)


def of(error: Exception) -> Failure:
    """What to answer to a request that raised `error`; one that is a bug says nothing of the inside."""
    if isinstance(error, Refusal):
        return _failure(
            error.status_code, error.message, error.code, error.param, error.type, error.headers or {}
        )
    if isinstance(error, HinodeError):
        return _of_ours(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, StarletteHTTPException):
        return _of_routing(error)
    return _failure(
        500, "something in the server broke, and it is in its log", "internal_error", None, SERVER_ERROR
    )


async def handle(request: Request, error: Exception) -> JSONResponse:
    """Exception handler of the application."""
    failure = of(error)
    if failure.status >= 500:
        log.error("request failed: %s", error, exc_info=error)
    return failure.response()


def sentence(text: str) -> str:
    """`text` as a sentence: with a capital and a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in '.!?' else '.'}"


def retry_after(seconds: float) -> dict[str, str]:
    """Headers that tell when to ask again, or that it is no use to wait for it."""
    headers = {"retry-after": str(max(1, math.ceil(seconds)))}
    if seconds > MAX_RETRY_AFTER:
        headers["x-should-retry"] = "false"
    return headers


def _of_ours(error: HinodeError) -> Failure:
    if isinstance(error, OverQuota):
        return _failure(429, str(error), error.code, None, RATE_LIMIT, retry_after(error.retry_after))
    if isinstance(error, Unfinished):
        # A client that asks again at once would only be told the same.
        return _failure(409, str(error), error.code, None, INVALID_REQUEST, {"x-should-retry": "false"})
    if isinstance(error, BadInput):
        code = "operation_not_supported" if error.field == "operation" else error.code
        status = 404 if isinstance(error, NotFound) else 400
        return _failure(status, str(error), code, PARAMS.get(error.field, error.field), INVALID_REQUEST)
    # The sentences of the others name files and machines, which are no business of a client's.
    if isinstance(error, DatabaseError):
        busy = "the server cannot reach its records at the moment; ask again in a little while"
        return _failure(503, busy, "unavailable", None, SERVER_ERROR, {"retry-after": "2"})
    return _failure(500, "the server cannot do this at present", error.code, None, SERVER_ERROR)


def _of_validation(error: RequestValidationError) -> Failure:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"][1:]]
    param = ".".join(where) or None
    message = f"{param or 'the request'} is not right: {first['msg'].lower()}"
    return _failure(400, message, "bad_input", param, INVALID_REQUEST)


def _of_routing(error: StarletteHTTPException) -> Failure:
    message, code = {
        404: ("there is nothing at this address; see /docs for what there is", "unknown_url"),
        405: ("this address does not take that method; see /docs for those that it takes", "bad_method"),
    }.get(error.status_code, (str(error.detail), None))
    return _failure(error.status_code, message, code, None, INVALID_REQUEST, error.headers or {})


def _failure(
    status: int,
    message: str,
    code: str | None,
    param: str | None,
    type: str,
    headers: Mapping[str, str] | None = None,
) -> Failure:
    body = {"error": {"message": sentence(message), "type": type, "param": param, "code": code}}
    return Failure(status, body, headers or {})
