"""Checks of files, for everybody: who signed a file, whether it was changed, and which watermarks of this
server it carries. They need no key."""

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
from hinode.api.verification.wire import DetectionAnswer, Verification
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


class DetectFile(Input):
    """A file, or the URL of one."""

    file: UploadedFile | None = None
    url: str | None = Field(None, max_length=MAX_URL_LENGTH, description="On the public internet.")

    @model_validator(mode="after")
    def _has_one(self) -> DetectFile:
        if (self.file is None) == (self.url is None):
            raise no_file()
        return self


async def _take_place(request: Request, context: AppContext) -> AsyncIterator[None]:
    with context.verification.place(request.scope):
        yield


async def _take_detection_place(request: Request, context: AppContext) -> AsyncIterator[None]:
    with context.verification.detection_place(request.scope):
        yield


router = APIRouter(prefix="/v1", tags=["Verification"])
# The place comes before the body is received.
PLACE, DETECTION_PLACE = [Depends(_take_place)], [Depends(_take_detection_place)]

VERIFY_BODY = BodyReader(VerifyFile, max_file_bytes=MAX_FILE_BYTES, max_text_bytes=1 << 16)
VerifyBody = Annotated[VerifyFile, Depends(VERIFY_BODY)]
DETECT_BODY = BodyReader(DetectFile, max_file_bytes=MAX_FILE_BYTES, max_text_bytes=1 << 16)
DetectBody = Annotated[DetectFile, Depends(DETECT_BODY)]
Url = Annotated[str | None, Query(max_length=MAX_URL_LENGTH, description="Of a file on the public internet.")]


def _is_member(request: Request) -> bool:
    return getattr(request.state, "identity", None) is not None


@router.get("/verify", response_model=Verification, dependencies=PLACE)
async def verify_url(request: Request, context: AppContext, url: Url = None) -> Response:
    """Check the file at a URL; it needs no key."""
    if not url:
        raise no_file("url")
    desk = context.verification
    report = await desk.fetch(url, desk.check, is_member=_is_member(request))
    return Verification.of_report(report).response(NO_STORE)


@router.post("/verify", response_model=Verification, dependencies=PLACE)
async def verify_file(body: VerifyBody, request: Request, context: AppContext) -> Response:
    """Check a file of up to 256 MiB, or the one at a URL; it needs no key. The file is not kept."""
    desk = context.verification
    if body.url is not None:
        report = await desk.fetch(body.url, desk.check, is_member=_is_member(request))
    else:
        assert body.file is not None
        report = await desk.check(body.file.path, body.sidecar.path if body.sidecar else None)
    return Verification.of_report(report).response(NO_STORE)


@router.get("/detect", response_model=DetectionAnswer, dependencies=DETECTION_PLACE)
async def detect_url(request: Request, context: AppContext, url: Url = None) -> Response:
    """Look for the watermarks of this server in the file at a URL; it needs no key."""
    if not url:
        raise no_file("url")
    desk = context.verification
    found = await desk.fetch(url, desk.detect, is_member=_is_member(request))
    return DetectionAnswer.of_detection(found).response(NO_STORE)


@router.post("/detect", response_model=DetectionAnswer, dependencies=DETECTION_PLACE)
async def detect_file(body: DetectBody, request: Request, context: AppContext) -> Response:
    """Look for the watermarks of this server in a file of up to 256 MiB, or in the one at a URL; it needs no
    key. The file is not kept."""
    desk = context.verification
    if body.url is not None:
        found = await desk.fetch(body.url, desk.detect, is_member=_is_member(request))
    else:
        assert body.file is not None
        found = await desk.detect(body.file.path)
    return DetectionAnswer.of_detection(found).response(NO_STORE)
