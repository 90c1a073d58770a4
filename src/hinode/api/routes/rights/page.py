"""The page for notices of takedown, which needs no key and no script."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from hinode.api.context import AppContext
from hinode.api.requests.bodies import WEB_FORM, BodyReader
from hinode.api.routes.rights.takedowns import MAX_BODY_BYTES, RATE, SendNotice
from hinode.api.takedown import page
from hinode.errors import BadInput
from hinode.jobs.rights.takedowns import Received, UnknownNotice
from hinode.parsing import Input
from hinode.rights.notices import Claim

router = APIRouter(include_in_schema=False)

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": page.POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
FIELDS = tuple(SendNotice.model_fields)


class _FormReader(BodyReader):
    """The fields of a form as they were written, so that the page can show them again."""

    def read(self, values: dict[str, object]) -> Input:
        """Keep texts of known fields."""
        texts = {name: value for name, value in values.items() if name in FIELDS and isinstance(value, str)}
        return Written.model_construct(values=texts)


class Written(Input):
    """What was written into the form, by field."""

    values: dict[str, str]


READER = _FormReader(Written, (WEB_FORM,), max_file_bytes=1, max_text_bytes=MAX_BODY_BYTES)


@router.get("/takedown", dependencies=RATE)
async def get_page(
    context: AppContext,
    id: Annotated[str, Query(max_length=100)] = "",
    token: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The form, or the status of a notice."""
    if not id:
        return _html(page.form({}))
    try:
        notice = await context.strangers.run(lambda: context.takedowns.status(id, token))
    except UnknownNotice:
        return _html(page.missing(), 404)
    return _html(page.status(notice))


@router.post("/takedown", dependencies=RATE)
async def send_page(request: Request, context: AppContext) -> Response:
    """Enter the notice of the form; if something is wrong, the form is shown again as it was."""
    body = await anext(READER(request))
    values = body.values if isinstance(body, Written) else {}
    address = request.client.host if request.client else ""
    claim = Claim(
        **{name: values.get(name, "") for name in FIELDS if name != "good_faith"},
        good_faith=values.get("good_faith") == "true",
    )
    try:
        entered: Received = await context.strangers.run(partial(context.takedowns.receive, claim, address))
    except BadInput as error:
        return _html(page.form(values, str(error)[:1].upper() + str(error)[1:] + ".", error.field), 400)
    return _html(page.received(entered))


def _html(text: bytes, status: int = 200) -> Response:
    return Response(text, status, HEADERS, media_type="text/html; charset=utf-8")
