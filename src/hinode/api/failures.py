"""Errors as clients of Sora's API know them: a status code and an object with four keys.

A client library decides by the status whether it retries: on 408, 409, 429 and from 500 up, unless
`x-should-retry` is false. So the answer to a request that has to change never has one of those.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request

from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs.files.objects import StoreError
from hinode.jobs.fleet.leases import UnknownWorker
from hinode.jobs.job import LeaseLost, OverQuota, WrongState
from hinode.jobs.rights.enforcement import CODES, Withheld
from hinode.jobs.screening.gate import PolicyError
from hinode.jobs.storyboards.storyboards import Stale
from hinode.jobs.tenants.tokens import SignInError
from hinode.jobs.worker.remote.protocol import VersionSkew
from hinode.money.books.entries import MissingPrice
from hinode.money.budgets import OverBudget
from hinode.money.free_use import UnreadableRules
from hinode.money.ledger.holds import InsufficientCredit
from hinode.money.payments.provider import ProviderError
from hinode.money.pricing import PriceBookError
from hinode.money.quoting.offers import AboveMaximum, OfferRefused, UnknownQuote
from hinode.money.sales import NotForSale
from hinode.records.database import DatabaseError
from hinode.records.ids import is_id as is_id
from hinode.rights.notices import WrongStatus
from hinode.rights.refusals import RightsRefusal
from hinode.trust.audit.texts import StaleText

log = logging.getLogger(__name__)

T = TypeVar("T")

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"
RATE_LIMIT = "rate_limit_error"

MAX_ADDRESS_LENGTH = 200
RETRY_SECONDS = 2.0
"""After which clients should ask a busy server again."""
STORE_RETRY_SECONDS = 30.0
MAX_RETRY_AFTER = 60.0
"""Client libraries wait at most that many seconds before they retry, whatever the header says."""

PARAMS = {
    "first_frame": "input_reference",
    "last_frame": "last_frame_reference",
    "references": "input_reference",
    "source": "video",
    "character": "characters",
    "keyframe": "keyframes",
    "operation": "model",
    "engine": "model",
}
"""Names in the API of fields that are named differently inside."""


class NotFound(BadInput):
    """There is no such entry, or it belongs to another project; the answer does not differ."""

    code: ClassVar[str] = "not_found"


class ErrorBody(BaseModel):
    """The error in one sentence, and the part of the request that caused it."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """The answer to a request that failed."""

    error: ErrorBody


class Refusal(HTTPException):
    """An error answer; it may be raised anywhere below a route.

    `message` is the cause and the remedy in one sentence, `code` a short name that clients can rely on,
    `param` the part of the request that caused it, and `type` the kind of error, as Sora's API groups them.
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
        # A sentence begins with a capital, unless it begins with the name of the field.
        text = message if param and message.startswith(param) else message[:1].upper() + message[1:]
        text += "" if text.endswith((".", "!", "?")) else "."
        body = ErrorBody(message=text, type=type, param=param, code=code)
        self.error = Error(error=body)
        super().__init__(status, message, dict(headers or {}))

    def response(self) -> Response:
        """The HTTP response."""
        return JSONResponse(self.error.model_dump(), self.status_code, dict(self.headers or {}))


def get_or_404(
    find: Callable[[str, str], T | None], project_id: str, name: str, kind: str, field: str = ""
) -> T:
    """The entry of a project with the id `name`.

    Args:
        find: takes the project and the id; a false result counts as none.
        kind: what the entry is, such as "video".
        field: named in the error; by default such as "video_id".

    Raises:
        NotFound: there is none.
    """
    entry = find(project_id, name) if is_id(name) else None
    if not entry:
        raise not_found(kind, name, field or f"{kind.replace(' ', '_')}_id")
    return entry


def not_found(kind: str, name: str, field: str) -> NotFound:
    """The error that nothing of this kind has this id."""
    return NotFound(f"there is no {kind} {quote(name, 80)}", "check the id", field=field)


def of(error: Exception) -> Refusal:
    """The answer to a request that raised `error`; the answer to a bug has no internals."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HinodeError):
        return _of_ours(error)
    if isinstance(error, RequestValidationError):
        return _of_parameter(error)
    message = "internal server error; the server's log has it"
    return Refusal(500, message, code="internal_error", type=SERVER_ERROR)


async def handle(request: Request, error: Exception) -> Response:
    """Exception handler of the application."""
    if isinstance(error, StarletteHTTPException) and not isinstance(error, Refusal):
        return _of_routing(error, request).response()
    refusal = of(error)
    if refusal.status_code >= 500:
        # What is away or full is away for every request: one line of each.
        log.error("request failed: %s", error, exc_info=None if refusal.status_code == 503 else error)
    return refusal.response()


def unavailable(message: str, seconds: float | None = None) -> Refusal:
    """The answer when the server cannot serve a request at the moment, but perhaps in some seconds."""
    headers = None if seconds is None else retry_after(seconds)
    return Refusal(503, message, code="unavailable", type=SERVER_ERROR, headers=headers)


def retry_after(seconds: float) -> dict[str, str]:
    """Headers that say when to retry, or that a retry is no use."""
    headers = {"retry-after": str(max(1, math.ceil(seconds)))}
    if seconds > MAX_RETRY_AFTER:
        headers["x-should-retry"] = "false"
    return headers


def _of_ours(error: HinodeError) -> Refusal:
    if isinstance(error, OverQuota):
        headers = retry_after(error.retry_after)
        return Refusal(429, str(error), code=error.code, type=RATE_LIMIT, headers=headers)
    if isinstance(error, InsufficientCredit | OverBudget):
        return Refusal(402, str(error), code=error.code, headers={"x-should-retry": "false"})
    if isinstance(error, OfferRefused):
        status = 404 if isinstance(error, UnknownQuote) else 402 if isinstance(error, AboveMaximum) else 409
        headers = {"x-should-retry": "false"}
        return Refusal(status, str(error), code=error.code, param=error.field, headers=headers)
    if isinstance(error, PriceBookError):
        return unavailable("the price book of this server cannot be read; whoever runs it can mend it")
    if isinstance(error, MissingPrice):
        log.error("a job was refused: %s", error)
        message = "this server has no price for the model and the size; whoever runs it can enter one"
        return Refusal(503, message, code=error.code, type=SERVER_ERROR, headers={"x-should-retry": "false"})
    if isinstance(error, UnreadableRules):
        log.error("a job was refused: %s", error)
        message = "the rules of free use of this server cannot be read; whoever runs it can correct them"
        return Refusal(503, message, code=error.code, type=SERVER_ERROR, headers={"x-should-retry": "false"})
    if isinstance(error, PolicyError):
        return unavailable("requests cannot be screened at the moment, so none is accepted; try again later")
    if isinstance(error, RightsRefusal):
        return Refusal(403, str(error), code=error.code, param=PARAMS.get(error.field, error.field))
    if isinstance(error, Withheld):
        return Refusal(451, str(error), code=CODES[error.cause_id.partition("_")[0]])
    if isinstance(error, SignInError):
        return Refusal(401, str(error), code=error.code)
    if isinstance(error, VersionSkew):
        return Refusal(400, str(error), code=error.code)
    if isinstance(error, WrongState | WrongStatus | LeaseLost | UnknownWorker | StaleText):
        # A retry at once would get the same answer.
        return Refusal(409, str(error), code=error.code, headers={"x-should-retry": "false"})
    if isinstance(error, Stale):
        headers = {"x-should-retry": "false"}
        return Refusal(409, str(error), code=error.code, param="revision", headers=headers)
    if isinstance(error, BadInput):
        status = 404 if error.code == NotFound.code else 400
        code = "operation_not_supported" if error.field == "operation" else error.code
        return Refusal(status, str(error), code=code, param=PARAMS.get(error.field, error.field))
    # The messages of the others name files and machines, which clients need not know.
    if isinstance(error, ProviderError):
        log.error("a payment was not looked up or begun: %s", error)
        return unavailable(
            "the payment provider cannot be reached at present; try again later", STORE_RETRY_SECONDS
        )
    if isinstance(error, NotForSale):
        return Refusal(404, str(error), code=error.code)
    if isinstance(error, DatabaseError):
        return unavailable("the database cannot be reached at the moment; ask again later", RETRY_SECONDS)
    if isinstance(error, StoreError):
        message = "the disk of the server is full" if error.full else "the files of the server are away"
        return unavailable(f"{message} at the moment; ask again later", STORE_RETRY_SECONDS)
    return Refusal(500, "the server cannot do this at present", code=error.code, type=SERVER_ERROR)


def _of_parameter(error: RequestValidationError) -> Refusal:
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:])
    return Refusal(400, f"{param} is wrong: {first['msg'].lower()}", code="bad_input", param=param)


def _of_routing(error: StarletteHTTPException, request: Request) -> Refusal:
    match error.status_code:
        case 404:
            near = _near_address(request)
            remedy = f"did you mean {near}?" if near else "see /docs for what there is"
            return Refusal(404, f"there is nothing at this address; {remedy}", code="unknown_url")
        case 405:
            # Starlette names the methods of the first route only.
            methods = ", ".join(sorted(_methods(request, request.url.path)))
            message = f"this address does not support that method; use {methods}"
            return Refusal(405, message, code="bad_method", headers={"allow": methods})
    return Refusal(error.status_code, str(error.detail), code=None, headers=error.headers)


def _near_address(request: Request) -> str | None:
    """The address that differs from that of a request only in /v1 or in slashes, if there is one."""
    names = [name for name in request.url.path.split("/") if name]
    while names[:1] == ["v1"]:
        del names[0]
    for address in ("/".join(["/v1", *names]), "/".join(["", *names])):
        if len(address) <= MAX_ADDRESS_LENGTH and _methods(request, address):
            return address
    return None


def _methods(request: Request, path: str) -> set[str]:
    """The methods that an address supports, of the routes that the application has listed."""
    routes: list[APIRoute] = request.app.state.routes
    return {name for route in routes if route.path_regex.match(path) for name in route.methods or ()}
