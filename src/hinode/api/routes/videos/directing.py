"""Videos made from videos, beyond what Sora's API had: loops, blends, retakes, re-cuts and storyboards."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hinode.api import wire
from hinode.api.context import AppContext
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import BlendVideos, LoopVideo, RecutVideo, RetakeVideo, Storyboard
from hinode.api.routes.videos.submission import Submit

router = APIRouter(prefix="/v1/videos", tags=["Directing"])


@router.post("/loops", response_model=wire.Video)
async def loop_video(
    body: Annotated[LoopVideo, Depends(BodyReader(LoopVideo))], submit: Submit, context: AppContext
) -> Response:
    """Make a video that can be played over and over: from words, or by closing a video."""
    return await submit(context.director.loop, body)


@router.post("/blends", response_model=wire.Video)
async def blend_videos(
    body: Annotated[BlendVideos, Depends(BodyReader(BlendVideos))], submit: Submit, context: AppContext
) -> Response:
    """Connect two videos by a transition that is drawn."""
    return await submit(context.director.blend, body)


@router.post("/retakes", response_model=wire.Video)
async def retake_video(
    body: Annotated[RetakeVideo, Depends(BodyReader(RetakeVideo))], submit: Submit, context: AppContext
) -> Response:
    """Draw a span of a video again."""
    return await submit(context.director.retake, body)


@router.post("/recuts", response_model=wire.Video)
async def recut_video(
    body: Annotated[RecutVideo, Depends(BodyReader(RecutVideo))], submit: Submit, context: AppContext
) -> Response:
    """Keep a span of a video, and draw new parts before and after it."""
    return await submit(context.director.recut, body)


@router.post("/storyboards", response_model=wire.Video)
async def make_storyboard(
    body: Annotated[Storyboard, Depends(BodyReader(Storyboard))], submit: Submit, context: AppContext
) -> Response:
    """Make a film of several shots."""
    return await submit(context.director.storyboard, body)
