"""The trash of a library, and what its files take."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.api.routes.library.values import EntryPage, LibraryEntry, LibraryPage, Videos

router = APIRouter(prefix="/v1/library", tags=["Library"])

VideosBody = Annotated[Videos, Depends(BodyReader(Videos, (JSON,)))]


class Moved(wire.Answer):
    """Videos that went into the trash, or came out of it."""

    object: Literal["library.trash"] = "library.trash"
    ids: list[str]
    trashed: bool = Field(description="Whether they are in the trash now.")


class KindOfFile(wire.Answer):
    """The files of one kind; a file that several things share counts once, as the first kind."""

    kind: Literal["clips", "stills", "files", "characters", "inputs"]
    bytes: int
    files: int


class LibraryUsage(wire.Answer):
    """What the files of a project take."""

    object: Literal["library.usage"] = "library.usage"
    bytes: int = Field(description="Of all files, without those of videos in the trash.")
    limit_bytes: int | None = Field(description="From which on no new video is accepted.")
    trash_bytes: int = Field(description="Of videos in the trash, which go within a day.")
    clips: int
    by_kind: list[KindOfFile]
    largest: list[LibraryEntry]


@router.post("/trash", response_model=Moved)
def move_to_trash(body: VideosBody, context: AppContext, project_id: ProjectId) -> Response:
    """Move videos into the trash: they leave every list, and are deleted a day later."""
    context.trash.move(project_id, body.ids)
    return Moved(ids=body.ids, trashed=True).response()


@router.get("/trash", response_model=LibraryPage)
def list_trash(context: AppContext, project_id: ProjectId, page: EntryPage) -> Response:
    """The videos in the trash, the last one first."""
    return LibraryPage.of_entries(context.library.trash(project_id, **page)).response()


@router.post("/restore", response_model=Moved)
def restore(body: VideosBody, context: AppContext, project_id: ProjectId) -> Response:
    """Take videos out of the trash."""
    context.trash.restore(project_id, body.ids)
    return Moved(ids=body.ids, trashed=False).response()


@router.get("/usage", response_model=LibraryUsage)
def get_usage(context: AppContext, project_id: ProjectId) -> Response:
    """What takes space, and the limit of the project."""
    usage, entries = context.library.usage(project_id)
    return LibraryUsage.of(
        usage,
        by_kind=[KindOfFile.of(share) for share in usage.by_kind],
        largest=[LibraryEntry.of_entry(entry) for entry in entries],
    ).response()
