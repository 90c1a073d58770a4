"""What a video was made from: its request, and the files that the request refers to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.downloads import RangeResponse
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id

router = APIRouter(prefix="/v1/videos", tags=["Videos"])


class RequestReference(wire.Answer):
    """A file of a request."""

    role: str = Field(description="Such as first_frame, last_frame, keyframe, mask, character or source.")
    media_type: str
    name: str | None = Field(description="Of a character.")
    at: float = Field(description="Seconds into the video, of a keyframe.")
    url: str = Field(description="Where its content is; the address holds as long as the file is kept.")


class MadeRequest(wire.Answer):
    """The request of a video, as it was understood: what was left out has its default."""

    object: Literal["video.request"] = "video.request"
    id: str = Field(description="Of the video.")
    operation: str
    model: str
    prompt: str
    size: str
    seconds: float = Field(description="Of the whole video, with the source of an extended one.")
    backward: bool = Field(description="Whether the new part comes before its source.")
    seed: int
    fps: float | None
    steps: int | None
    profile: str | None
    negative_prompt: str | None
    sound: bool | None
    strength: float | None
    path: list[tuple[float, float, float]]
    camera: list[tuple[float, float, float]]
    plan: dict[str, Any] | None = Field(description="Only one that was part of the request.")
    source_video_id: str | None
    references: list[RequestReference]


@router.get("/{video_id}/request", response_model=MadeRequest)
def get_request(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """The request that a video was made from, to make another one like it."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    values = job.request
    references = [
        {
            "role": reference["role"],
            "media_type": reference["media_type"],
            "name": reference.get("name") or None,
            "at": reference.get("at", 0.0),
            "url": f"{router.prefix}/{job.id}/references/{number}",
        }
        for number, reference in enumerate(values.get("references", ()))
    ]
    parts: Sequence[Mapping[str, Any]] = values.get("segments", ()) if job.operation == "extend" else ()
    names = ("fps", "steps", "profile", "sound", "strength")
    return MadeRequest.model_validate(
        {
            "id": job.id,
            "operation": job.operation,
            "model": job.requested_model,
            "prompt": values["prompt"],
            "size": f"{values['width']}x{values['height']}",
            "seconds": job.seconds,
            "backward": bool(parts) and not parts[0].get("keep"),
            "seed": values["seed"],
            **{name: values.get(name) for name in names},
            "negative_prompt": values.get("negative_prompt") or None,
            "path": values.get("path", ()),
            "camera": values.get("camera", ()),
            "plan": json.loads(values["plan"]) if values.get("plan") else None,
            "source_video_id": job.source_id,
            "references": references,
        }
    ).response()


@router.get(
    "/{video_id}/references/{number}",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The range of the Range header."},
        416: {"description": "The range is outside the file."},
    },
)
def get_reference(video_id: Id, number: int, context: AppContext, project_id: ProjectId) -> Response:
    """Download a file that the request of a video refers to."""
    job = get_or_404(context.store.job, project_id, video_id, "video")
    references = job.request.get("references", ())
    if not 0 <= number < len(references):
        message = f"the request of this video refers to {len(references)} files; there is no number {number}"
        raise Refusal(404, message, code="not_found", param="number")
    digest = references[number]["digest"]
    if not context.objects.has(digest):
        message = "this file is no longer kept; upload it again"
        raise Refusal(404, message, code="not_found", param="number")
    path = context.objects.fetch(digest)
    # Whatever its type: a browser must not run it.
    return RangeResponse(
        path, media_type="application/octet-stream", headers=wire.file_headers(digest),
        filename=f"{job.id}-{number}", stat_result=path.stat(),
    )  # fmt: skip
