"""The library: the videos of a project with titles, tags and collections, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, model_validator

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404, is_id, not_found
from hinode.api.queries import Id
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.api.routes.library.values import EntryPage, LibraryEntry, LibraryPage
from hinode.errors import BadInput
from hinode.jobs.library.entry import MAX_NOTES_LENGTH, MAX_TAGS, MAX_TITLE_LENGTH, Change, Entry, Filter
from hinode.jobs.library.lineage import Node
from hinode.parsing import Boolean, Input, Integer

router = APIRouter(prefix="/v1/library", tags=["Library"])

LAST_SECOND = 200_000_000_000
"""Times behind it do not fit into an id."""
MAX_SKIP = 10_000_000

Text = Annotated[str | None, Query(max_length=200)]
Second = Annotated[int | None, Query(ge=0, le=LAST_SECOND, description="Seconds since 1970.")]


class ChangeEntry(Input):
    """What people say about a video. What is left out stays; an empty title or empty notes are removed."""

    title: str | None = Field(None, max_length=MAX_TITLE_LENGTH)
    favourite: Boolean | None = None
    tags: list[str] | None = Field(None, max_length=2 * MAX_TAGS)
    notes: str | None = Field(None, max_length=MAX_NOTES_LENGTH)
    collections: list[str] | None = Field(None, max_length=100, description="Ids; it leaves all others.")
    revision: Integer | None = Field(None, description="The one that was read; another one is an error.")

    @model_validator(mode="before")
    @classmethod
    def _keep_empty(cls, value: Any) -> Any:
        """An empty text is a value here; as a space it is not dropped."""
        if not isinstance(value, Mapping):
            return value
        texts = {name: " " for name in ("title", "notes") if value.get(name) == ""}
        return {**value, **texts}


class TagObject(wire.Answer):
    """A tag, and how many videos have it."""

    tag: str
    clips: int


class TagList(wire.Answer):
    """All tags of a project, in alphabetical order."""

    object: Literal["list"] = "list"
    data: list[TagObject]


class LineageNode(wire.Answer):
    """A video of a lineage."""

    id: str
    title: str | None
    prompt: str
    operation: str
    status: Literal["queued", "in_progress", "completed", "failed", "expired"]
    seconds: float
    created_at: int
    profile: str | None
    seed: int
    expired: bool = Field(description="Whether its video file is gone; its thumbnail stays.")

    @classmethod
    def of_node(cls, node: Node) -> LineageNode:
        """The object of a node."""
        return cls.of(node, status=wire.STATUS[node.status])


class LineageEdge(wire.Answer):
    """A video that was made from another one, and the words in which their prompts differ."""

    parent: str
    child: str
    operation: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


class LineageObject(wire.Answer):
    """All videos that a video was made from, and all that were made from it."""

    object: Literal["lineage"] = "lineage"
    id: str
    nodes: list[LineageNode]
    edges: list[LineageEdge]
    truncated: bool = Field(description="Whether there are more videos than the answer has.")


ChangeBody = Annotated[ChangeEntry, Depends(BodyReader(ChangeEntry, (JSON,)))]


async def _filter(
    q: Annotated[str, Query(max_length=500, description="Words in title, prompt or tags.")] = "",
    status: Literal["completed", "expired", "queued", "in_progress", "failed", "all"] = "completed",
    operation: Text = None,
    engine: Text = None,
    model: Text = None,
    favourite: bool | None = None,
    tag: Text = None,
    collection: Text = None,
    since: Second = None,
    until: Second = None,
    parent: Annotated[str | None, Query(max_length=200, description="A video that it was made from.")] = None,
) -> Filter:
    names = {"operation": operation, "engine": engine, "model": model, "tag": tag}
    for field, name in names.items():
        if name is not None and not name.isprintable():
            raise BadInput(f"{field} has characters that no name has", "leave them out", field=field)
    for field, name in (("collection", collection), ("parent", parent)):
        if name is not None and not is_id(name):
            raise not_found("video" if field == "parent" else field, name, field)
    return Filter(
        q,
        status,
        **names,
        favourite=favourite,
        collection=collection,
        since=since,
        until=until,
        parent=parent,
    )


Filtered = Annotated[Filter, Depends(_filter)]


@router.get("", response_model=LibraryPage)
def list_entries(
    context: AppContext,
    project_id: ProjectId,
    which: Filtered,
    page: EntryPage,
    order: Literal["newest", "oldest", "longest"] = "newest",
    skip: Annotated[int, Query(ge=0, le=MAX_SKIP, description="Leave out this many entries first.")] = 0,
) -> Response:
    """The videos of the project that meet all conditions."""
    entries = context.library.page(project_id, which, order=order, skip=skip, **page)
    return LibraryPage.of_entries(entries).response()


@router.get("/tags", response_model=TagList)
def list_tags(context: AppContext, project_id: ProjectId) -> Response:
    """The tags of the project."""
    tags = context.library.tags(project_id)
    return TagList(data=[TagObject(tag=tag, clips=clips) for tag, clips in tags]).response()


@router.get("/{video_id}", response_model=LibraryEntry)
def get_entry(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A video with what people say about it."""
    entry = get_or_404(context.library.get, project_id, video_id, "video")
    return LibraryEntry.of_entry(entry).response()


@router.patch("/{video_id}", response_model=LibraryEntry)
def change_entry(video_id: Id, body: ChangeBody, context: AppContext, project_id: ProjectId) -> Response:
    """Change what people say about a video."""
    values = body.model_dump()
    lists = {name: tuple(values[name]) for name in ("tags", "collections") if values[name] is not None}
    change = Change(**{**values, **lists})

    def apply(owner: str, name: str) -> Entry | None:
        return context.library.change(owner, name, change)

    return LibraryEntry.of_entry(get_or_404(apply, project_id, video_id, "video")).response()


@router.get("/{video_id}/lineage", response_model=LineageObject)
def get_lineage(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """What a video was made from, through all generations, and what was made from it."""
    lineage = get_or_404(context.lineages.of, project_id, video_id, "video")
    return LineageObject.of(
        lineage,
        nodes=[LineageNode.of_node(node) for node in lineage.nodes],
        edges=[LineageEdge.of(edge) for edge in lineage.edges],
    ).response()
