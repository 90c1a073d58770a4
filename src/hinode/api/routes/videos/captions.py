"""What is heard in a video, as captions."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id
from hinode.engines.native.captions import captions_of

router = APIRouter(prefix="/v1/videos", tags=["Videos"])

MEDIA_TYPE = "text/vtt"
_EXAMPLE = "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n[Waves]\n"


@router.get(
    "/{video_id}/captions",
    response_class=Response,
    responses={200: {"description": "WebVTT.", "content": {MEDIA_TYPE: {"example": _EXAMPLE}}}},
)
def get_captions(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """The sounds of a video in words, with their times; a video without sound has none."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    headers = {"cache-control": "private, no-cache", "x-content-type-options": "nosniff"}
    return Response(captions_of(job.provenance or {}), media_type=MEDIA_TYPE, headers=headers)
