"""The shots of a storyboard as videos: one rendered alone, one of its takes chosen, the film of all."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id
from hinode.api.requests import storyboards as drafts
from hinode.api.requests.bodies import BodyReader
from hinode.api.routes.documents.storyboards import (
    Revision,
    StoryboardObject,
    answer,
    find,
    find_shot_or_404,
)
from hinode.api.routes.videos.videos import submit
from hinode.jobs.storyboards.storyboards import FILM, Storyboard, Take
from hinode.parsing import Input

router = APIRouter(prefix="/v1/storyboards", tags=["Storyboards"])


class ChooseTake(Input):
    """The video that is to show a shot."""

    video_id: str | None = Field(None, description="A finished video; null for none.")
    revision: Revision | None = Field(None, description="Refused if the storyboard has another by now.")


class TakeObject(wire.Answer):
    """A video that was rendered for a shot, or a film of the storyboard."""

    id: str
    object: Literal["storyboard.take"] = "storyboard.take"
    shot_id: str | None = Field(description="null for a film.")
    video: wire.Video

    @classmethod
    def of_take(cls, take: Take) -> TakeObject:
        """The object of a take."""
        video = wire.Video.of_job(take.job)
        return cls.model_construct(id=take.job.id, shot_id=take.shot_id or None, video=video)


class TakeList(wire.Page[TakeObject]):
    """The newest takes of a storyboard."""


RenderBody = Annotated[drafts.RenderShot, Depends(BodyReader(drafts.RenderShot, required=False))]
FilmBody = Annotated[drafts.MakeFilm, Depends(BodyReader(drafts.MakeFilm, required=False))]
TakeBody = Annotated[ChooseTake, Depends(BodyReader(ChooseTake))]


@router.post("/{storyboard_id}/shots/{shot_id}/render", response_model=wire.Video | wire.VideoGroup)
async def render_shot(
    storyboard_id: Id,
    shot_id: Id,
    body: RenderBody,
    request: Request,
    context: AppContext,
    project_id: ProjectId,
) -> Response:
    """Render takes of one shot; the storyboard stays as it is until one of them is chosen."""
    board = await context.run_slow(find, context, project_id, storyboard_id)
    find_shot_or_404(board, shot_id)
    draft = partial(drafts.render_shot, board=board, shot_id=shot_id)
    also = partial(context.storyboards.add_takes, storyboard_id, shot_id)
    return await submit(request, draft, body, also)


@router.post("/{storyboard_id}/film", response_model=wire.Video)
async def make_film(
    storyboard_id: Id, body: FilmBody, request: Request, context: AppContext, project_id: ProjectId
) -> Response:
    """Make a film of the videos of all shots, whose frames stay what they are."""
    board = await context.run_slow(find, context, project_id, storyboard_id)
    also = partial(context.storyboards.add_takes, storyboard_id, FILM)
    return await submit(request, partial(drafts.film, board=board), body, also)


@router.post("/{storyboard_id}/shots/{shot_id}/take", response_model=StoryboardObject)
def choose_take(
    storyboard_id: Id, shot_id: Id, body: TakeBody, context: AppContext, project_id: ProjectId
) -> Response:
    """Let a finished video show a shot; that is a new revision of the storyboard."""
    find_shot_or_404(find(context, project_id, storyboard_id), shot_id)
    if body.video_id is not None:
        context.inputs.finished_video(body.video_id, project_id, "video_id")

    def choose(project: str, name: str) -> Storyboard | None:
        return context.storyboards.choose_take(project, name, shot_id, body.video_id, body.revision)

    return answer(get_or_404(choose, project_id, storyboard_id, "storyboard"))


@router.get("/{storyboard_id}/takes", response_model=TakeList)
def list_takes(storyboard_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """The videos that were rendered for shots, and the films; the newest first."""
    find(context, project_id, storyboard_id)
    takes = context.storyboards.takes(project_id, storyboard_id)
    return TakeList.from_entries(TakeObject.of_take, (takes, False)).response()
