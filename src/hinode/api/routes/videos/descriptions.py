"""Descriptions: what a video shows, as a plan of the picture book."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.values import Video
from hinode.parsing import Input

router = APIRouter(prefix="/v1/videos", tags=["Directing"])


class DescribeVideo(Input):
    """A video to describe."""

    video: Video


class VideoDescription(wire.Answer):
    """What a video shows."""

    object: Literal["video.description"] = "video.description"
    description: str = Field(description="In a sentence.")
    of_this_world: bool = Field(description="Whether it shows the picture-book world.")
    motions: list[str] = Field(description="What each subject of the plan does.")
    plan: dict[str, Any] | None = Field(description="See the guide to plans; null for another world.")
    confidence: dict[str, float] = Field(description="How sure each fact is, 0 to 1.")


DescribeBody = Annotated[DescribeVideo, Depends(BodyReader(DescribeVideo))]


@router.post("/descriptions", response_model=VideoDescription)
async def describe_video(body: DescribeBody, context: AppContext, project_id: ProjectId) -> Response:
    """Describe a video of this project or an uploaded one; nothing is rendered."""

    def answer() -> Response:
        # The reader needs torch, which a server that describes nothing does not load.
        from hinode.engines.native.plans.perception import describe_file

        file = context.inputs.source(body.video, project_id, "video").file
        path = str(context.inputs.objects.fetch(file.digest))
        description = describe_file(dataclasses.replace(file, path=path).reference())
        return VideoDescription.model_validate(description.as_json()).response()

    return await context.run_slow(answer)
