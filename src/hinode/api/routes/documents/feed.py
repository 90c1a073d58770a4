"""The feed of a project: videos published in it, liked, reported, remixed, and read by other programs.

It is off until the project turns it on; until then nothing is at these addresses.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Manager, ProjectId
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests import admission
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import RemixVideo
from hinode.api.routes.videos.videos import submit
from hinode.jobs.feed import syndication
from hinode.jobs.feed.feed import MAX_CAPTION_LENGTH, MAX_REASON_LENGTH, Post
from hinode.jobs.markup import ATOM_TYPE
from hinode.jobs.storyboards.document import Text
from hinode.parsing import Input

MAX_SYNDICATED = 50


def _check_on(context: AppContext, project_id: ProjectId) -> None:
    """
    Raises:
        Refusal: the feed of the project is off.
    """
    if not context.posts.enabled(project_id):
        message = "the feed of this project is off; its owner can turn it on in the settings of the project"
        raise Refusal(404, message, code="feed_off", param="feed")


ON = [Depends(_check_on)]
router = APIRouter(prefix="/v1/feed", tags=["Feed"], dependencies=ON)
syndication_router = APIRouter(prefix="/v1", tags=["Feed"], dependencies=ON)


def _person(request: Request) -> str:
    """Who asks: the user of a session, or else the API key."""
    identity: Any = request.state.identity
    return str(getattr(identity, "user_id", None) or identity.key_id or identity.project_id)


Person = Annotated[str, Depends(_person)]


class PublishVideo(Input):
    """A video for the feed."""

    video_id: str
    caption: Annotated[Text, Field(max_length=MAX_CAPTION_LENGTH)] = ""


class ReportPost(Input):
    """Why a post should not be there."""

    reason: Annotated[Text, Field(min_length=1, max_length=MAX_REASON_LENGTH)]


class CreditObject(wire.Answer):
    """A post that a video came from, as it was called when that was published."""

    post_id: str
    title: str
    author: str
    operation: str = Field(description="What was done to it, such as remix.")


class PostObject(wire.Answer):
    """A published video."""

    id: str
    object: Literal["post"] = "post"
    video_id: str
    title: str = Field(description="The first line of the caption, or of the prompt.")
    caption: str
    author: str
    created_at: int
    likes: int
    liked: bool = Field(description="Whether you like it.")
    reports: int
    credits: list[CreditObject] = Field(description="The posts that the video came from, nearest first.")
    video: wire.Video | None = Field(description="null if it was deleted.")

    @classmethod
    def of_post(cls, post: Post) -> PostObject:
        """The object of a post."""
        video = None if post.video is None else wire.Video.of_job(post.video)
        return cls.of(post, credits=[CreditObject.of(credit) for credit in post.credits], video=video)


class ReportObject(wire.Answer):
    """Why somebody objects to a post."""

    reason: str
    created_at: int


class ReportList(wire.Answer):
    """The reports of a post."""

    object: Literal["list"] = "list"
    data: list[ReportObject]


class PostList(wire.Page[PostObject]):
    """A page of posts."""


PublishBody = Annotated[PublishVideo, Depends(BodyReader(PublishVideo))]
ReportBody = Annotated[ReportPost, Depends(BodyReader(ReportPost))]
RemixBody = Annotated[RemixVideo, Depends(BodyReader(RemixVideo))]


@router.post("", response_model=PostObject)
def publish_video(
    body: PublishBody, request: Request, context: AppContext, project_id: ProjectId, person: Person
) -> Response:
    """Publish a finished video, with credit to the posts that it came from."""
    video = context.inputs.finished_video(body.video_id, project_id, "video_id").job
    assert video is not None, "it was found by its id"
    author = getattr(request.state.identity, "user_name", None)
    return PostObject.of_post(context.posts.publish(video, body.caption, author, person)).response()


@router.get("", response_model=PostList)
def list_posts(context: AppContext, project_id: ProjectId, page: PageQuery, person: Person) -> Response:
    """The feed of the project."""
    posts = context.posts.page(project_id, person, **page)
    return PostList.from_entries(PostObject.of_post, posts).response()


@router.get("/{post_id}", response_model=PostObject)
def get_post(post_id: Id, context: AppContext, project_id: ProjectId, person: Person) -> Response:
    """A post."""
    find = partial(context.posts.get, person=person)
    return PostObject.of_post(get_or_404(find, project_id, post_id, "post")).response()


@router.delete("/{post_id}", response_model=wire.Deleted)
def unpublish(post_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Remove a post; its video stays, and posts that came from it keep the credit."""
    get_or_404(context.posts.unpublish, project_id, post_id, "post")
    return wire.Deleted(id=post_id, object="post.deleted").response()


@router.post("/{post_id}/like", response_model=PostObject)
def like_post(post_id: Id, context: AppContext, project_id: ProjectId, person: Person) -> Response:
    """Like a post; twice is once."""
    like = partial(context.posts.like, person=person, liked=True)
    return PostObject.of_post(get_or_404(like, project_id, post_id, "post")).response()


@router.delete("/{post_id}/like", response_model=PostObject)
def unlike_post(post_id: Id, context: AppContext, project_id: ProjectId, person: Person) -> Response:
    """Like a post no longer."""
    like = partial(context.posts.like, person=person, liked=False)
    return PostObject.of_post(get_or_404(like, project_id, post_id, "post")).response()


@router.post("/{post_id}/report", response_model=PostObject)
def report_post(
    post_id: Id, body: ReportBody, context: AppContext, project_id: ProjectId, person: Person
) -> Response:
    """Say why a post should not be there; a second report of yours replaces the first."""
    report = partial(context.posts.report, person=person, reason=body.reason)
    return PostObject.of_post(get_or_404(report, project_id, post_id, "post")).response()


@router.get("/{post_id}/reports", response_model=ReportList)
def list_reports(post_id: Id, context: AppContext, caller: Manager) -> Response:
    """Why people object to a post, newest first; for those who manage the project."""
    reports = get_or_404(context.posts.reports, caller.project_id, post_id, "post")
    data = [ReportObject(reason=reason, created_at=int(at)) for reason, at in reports]
    return ReportList.model_construct(data=data).response()


@router.post("/{post_id}/remix", response_model=wire.Video | wire.VideoGroup)
async def remix_post(
    post_id: Id,
    body: RemixBody,
    request: Request,
    context: AppContext,
    project_id: ProjectId,
    person: Person,
) -> Response:
    """Render the video of a post again with another prompt; published, it gives credit to the post."""
    find = partial(context.posts.get, person=person)
    post = await context.run_slow(get_or_404, find, project_id, post_id, "post")
    return await submit(request, partial(admission.remix, video_id=post.video_id), body)


def _xml(description: str, media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


@syndication_router.get("/feed.atom", response_class=Response, responses=_xml("The feed.", ATOM_TYPE))
def get_atom(request: Request, context: AppContext, project_id: ProjectId, person: Person) -> Response:
    """The newest posts as Atom; the videos need the same credentials as this address."""
    posts, title = _newest(context, project_id, person)
    text = syndication.atom(posts, title, project_id, str(request.base_url), context.clock())
    return Response(text, media_type=ATOM_TYPE)


@syndication_router.get(
    "/feed.mrss", response_class=Response, responses=_xml("The feed.", syndication.MRSS_TYPE)
)
def get_mrss(request: Request, context: AppContext, project_id: ProjectId, person: Person) -> Response:
    """The newest posts as Media RSS; the videos need the same credentials as this address."""
    posts, title = _newest(context, project_id, person)
    return Response(syndication.mrss(posts, title, str(request.base_url)), media_type=syndication.MRSS_TYPE)


def _newest(context: AppContext, project_id: str, person: str) -> tuple[list[Post], str]:
    posts, _ = context.posts.page(project_id, person, after=None, limit=MAX_SYNDICATED)
    return posts, context.posts.title(project_id)
