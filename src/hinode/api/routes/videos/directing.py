"""Loops, blends, retakes, recuts and storyboards, which Sora's API does not have."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hinode.api import wire
from hinode.api.requests import directing
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import BlendVideos, LoopVideo, RecutVideo, RetakeVideo, Storyboard
from hinode.api.routes.videos.submission import Submit

router = APIRouter(prefix="/v1/videos", tags=["Directing"])

LoopBody = Annotated[LoopVideo, Depends(BodyReader(LoopVideo))]
BlendBody = Annotated[BlendVideos, Depends(BodyReader(BlendVideos))]
RetakeBody = Annotated[RetakeVideo, Depends(BodyReader(RetakeVideo))]
RecutBody = Annotated[RecutVideo, Depends(BodyReader(RecutVideo))]
StoryboardBody = Annotated[Storyboard, Depends(BodyReader(Storyboard))]


@router.post("/loops", response_model=wire.Video)
async def loop_video(body: LoopBody, submit: Submit) -> Response:
    """Make a video that can be played in a loop, from a prompt or a video."""
    return await submit(directing.loop, body)


@router.post("/blends", response_model=wire.Video)
async def blend_videos(body: BlendBody, submit: Submit) -> Response:
    """Connect two videos by a rendered transition."""
    return await submit(directing.blend, body)


@router.post("/retakes", response_model=wire.Video)
async def retake_video(body: RetakeBody, submit: Submit) -> Response:
    """Render a span of a video again."""
    return await submit(directing.retake, body)


@router.post("/recuts", response_model=wire.Video)
async def recut_video(body: RecutBody, submit: Submit) -> Response:
    """Keep a span of a video, and render new parts before and after it."""
    return await submit(directing.recut, body)


@router.post("/storyboards", response_model=wire.Video)
async def make_storyboard(body: StoryboardBody, submit: Submit) -> Response:
    """Make a film of several shots."""
    return await submit(directing.storyboard, body)
