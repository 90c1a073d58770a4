"""The status of the service, for everybody: a page, JSON and Atom. None of them needs a key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from hinode.api import failures
from hinode.api.context import AppContext
from hinode.api.limits import check_address
from hinode.api.status import page
from hinode.api.status.board import MAX_AGE_SECONDS, REQUESTS_PER_MINUTE
from hinode.api.status.wire import Status
from hinode.jobs.markup import ATOM_TYPE
from hinode.jobs.status import atom
from hinode.jobs.status.deliveries import PATH

router = APIRouter(tags=["Operation"])

HEADERS = {"cache-control": f"public, max-age={MAX_AGE_SECONDS:.0f}", "x-content-type-options": "nosniff"}
PAGE_HEADERS = {**HEADERS, "content-security-policy": page.POLICY, "referrer-policy": "no-referrer"}
_ATOM: dict[int | str, dict[str, Any]] = {
    200: {"description": "The incidents.", "content": {ATOM_TYPE: {"schema": {"type": "string"}}}}
}
_LIMIT: dict[int | str, dict[str, Any]] = {
    429: {"model": failures.Error, "description": "Too many requests from one address."}
}


async def _check_rate(request: Request, context: AppContext) -> None:
    check_address(context.status.buckets, request.scope, REQUESTS_PER_MINUTE)


RATE = [Depends(_check_rate)]


@router.get("/status", dependencies=RATE, include_in_schema=False)
async def get_page(request: Request, context: AppContext) -> Response:
    """The status page."""
    file = await context.status.read(lambda publication: publication.page)
    return file.response(request, PAGE_HEADERS)


@router.get("/status.json", dependencies=RATE, response_model=Status, responses=_LIMIT)
async def get_status(context: AppContext) -> Response:
    """The status of each component, its last 90 days, and the incidents; it needs no key."""
    text = await context.status.read(lambda publication: publication.json)
    headers = {**HEADERS, "access-control-allow-origin": "*"}
    return Response(text, media_type="application/json", headers=headers)


@router.get("/status.atom", dependencies=RATE, response_class=Response, responses={**_ATOM, **_LIMIT})
async def get_atom(request: Request, context: AppContext) -> Response:
    """The incidents as Atom; it needs no key."""
    base = str(request.base_url)
    text = await context.status.read(lambda publication: atom.atom(publication.report, base))
    return Response(text, media_type=ATOM_TYPE, headers=HEADERS)


@router.post(PATH, status_code=204, include_in_schema=False)
async def take_probe() -> Response:
    """Where the probe of webhooks delivers to; what it says does not matter."""
    return Response(status_code=204)
