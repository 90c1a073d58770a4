"""Checks of files, for everybody: who signed a file, and whether it was changed. They need no key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field, model_validator

from hinode.api.context import AppContext
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.forms import UploadedFile
from hinode.api.verification.desk import MAX_FILE_BYTES, no_file
from hinode.api.verification.wire import Verification
from hinode.outbound import MAX_URL_LENGTH
from hinode.parsing import Input

NO_STORE = {"cache-control": "no-store"}


class VerifyFile(Input):
    """A file, with the record that came beside it if there is one; or the URL of a file."""

    file: UploadedFile | None = None
    sidecar: UploadedFile | None = Field(None, description="The file with the ending .c2pa.")
    url: str | None = Field(None, max_length=MAX_URL_LENGTH, description="On the public internet.")

    @model_validator(mode="after")
    def _has_one(self) -> VerifyFile:
        if (self.file is None) == (self.url is None):
            raise no_file()
        return self


async def _take_place(request: Request, context: AppContext) -> AsyncIterator[None]:
    with context.verification.place(request.scope):
        yield


# The place comes before the body is received.
router = APIRouter(prefix="/v1", tags=["Verification"], dependencies=[Depends(_take_place)])

VERIFY_BODY = BodyReader(VerifyFile, max_file_bytes=MAX_FILE_BYTES, max_text_bytes=1 << 16)
VerifyBody = Annotated[VerifyFile, Depends(VERIFY_BODY)]
Url = Annotated[str | None, Query(max_length=MAX_URL_LENGTH, description="Of a file on the public internet.")]


def _is_member(request: Request) -> bool:
    return getattr(request.state, "identity", None) is not None


@router.get("/verify", response_model=Verification)
async def verify_url(request: Request, context: AppContext, url: Url = None) -> Response:
    """Check the file at a URL; it needs no key."""
    if not url:
        raise no_file("url")
    report = await context.verification.check_url(url, is_member=_is_member(request))
    return Verification.of_report(report).response(NO_STORE)


@router.post("/verify", response_model=Verification)
async def verify_file(body: VerifyBody, request: Request, context: AppContext) -> Response:
    """Check a file of up to 256 MiB, or the one at a URL; it needs no key. The file is not kept."""
    if body.url is not None:
        report = await context.verification.check_url(body.url, is_member=_is_member(request))
    else:
        assert body.file is not None
        sidecar = body.sidecar.path if body.sidecar else None
        report = await context.verification.check(body.file.path, sidecar)
    return Verification.of_report(report).response(NO_STORE)
