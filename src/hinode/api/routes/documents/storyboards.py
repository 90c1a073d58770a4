"""Storyboards as documents: written, read, restored, and exchanged with other programs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import get_or_404, not_found
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.forms import UploadedFile
from hinode.errors import BadInput
from hinode.errors import quote as quoted
from hinode.jobs.storyboards import files
from hinode.jobs.storyboards.document import Document, Title
from hinode.jobs.storyboards.storyboards import Storyboard, Version
from hinode.parsing import INTEGER, Input

router = APIRouter(prefix="/v1/storyboards", tags=["Storyboards"])

MAX_BODY_BYTES = 1 << 20
MAX_STILLS = 3
REVISION = re.compile(r'(?:W/)?"?([0-9]{1,9})(?:[-;][a-z]+)?"?')
"""A revision in If-Match: proxies that compress weaken what they were given, or add their name to it."""

Revision = Annotated[int, Field(ge=1, le=2**31 - 1), INTEGER]
IfMatch = Annotated[str | None, Header(description="The ETag that was read, in place of `revision`.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
MEDIA_TYPES = {files.YAML: "application/yaml", files.OTIO: "application/json"}


class CreateStoryboard(Input):
    """A new storyboard."""

    title: Title = "Untitled"
    document: Document = Document.model_validate({})


class SaveStoryboard(Input):
    """A storyboard as it is to be, made from a revision of it."""

    title: Title | None = Field(None, description="By default it stays.")
    document: Document
    revision: Revision | None = Field(
        None, description="The revision that was read; the header If-Match may say it instead."
    )


class ImportStoryboard(Input):
    """A storyboard file (YAML or JSON), or an OpenTimelineIO timeline: as text or as a file."""

    text: str | None = None
    file: UploadedFile | None = None
    title: Title | None = Field(None, description="Instead of that of the file.")


class StoryboardEntry(wire.Answer):
    """A storyboard without its shots."""

    id: str
    object: Literal["storyboard"] = "storyboard"
    title: str
    revision: int
    created_at: int
    updated_at: int
    fps: str
    size: str
    shots: int
    frames: int = Field(description="Of the whole film.")
    cover_video_id: str | None = Field(description="The video of the first shot that has one.")
    video_ids: list[str] = Field(description="The videos of its shots, the first three.")

    @classmethod
    def of_board(cls, board: Storyboard) -> StoryboardEntry:
        """The entry of a storyboard."""
        document = board.document
        videos = list(dict.fromkeys(shot.video_id for shot in document.shots if shot.video_id))
        return cls.of(
            board,
            fps=document.fps,
            size=document.size,
            shots=len(document.shots),
            frames=document.frames,
            cover_video_id=next(iter(videos), None),
            video_ids=videos[:MAX_STILLS],
        )


class StoryboardList(wire.Page[StoryboardEntry]):
    """A page of storyboards."""


class StoryboardObject(wire.Answer):
    """A storyboard."""

    id: str
    object: Literal["storyboard"] = "storyboard"
    title: str
    revision: int = Field(description="It grows with every change; a change says which it was made to.")
    created_at: int
    updated_at: int
    document: Document


class ImportedStoryboard(StoryboardObject):
    """A storyboard that was read from a file."""

    notes: list[str] = Field(description="What of the file could not be taken over, in sentences.")


class VersionObject(wire.Answer):
    """A storyboard as it was at a revision."""

    id: str
    object: Literal["storyboard.version"] = "storyboard.version"
    number: int
    title: str
    created_at: int
    shots: int
    frames: int

    @classmethod
    def of_version(cls, version: Version) -> VersionObject:
        """The object of a version."""
        document = version.document
        return cls.of(version, id=str(version.number), shots=len(document.shots), frames=document.frames)


class VersionList(wire.Page[VersionObject]):
    """The versions of a storyboard, the newest first."""


CreateBody = Annotated[CreateStoryboard, Depends(BodyReader(CreateStoryboard, max_text_bytes=MAX_BODY_BYTES))]
SaveBody = Annotated[SaveStoryboard, Depends(BodyReader(SaveStoryboard, max_text_bytes=MAX_BODY_BYTES))]
IMPORT = BodyReader(ImportStoryboard, max_file_bytes=2 * MAX_BODY_BYTES, max_text_bytes=4 * MAX_BODY_BYTES)
ImportBody = Annotated[ImportStoryboard, Depends(IMPORT)]


def answer(board: Storyboard) -> Response:
    """The answer with a storyboard; its ETag is the revision."""
    headers = {"etag": f'"{board.revision}"', "cache-control": "no-cache"}
    return StoryboardObject.of(board).response(headers)


@router.post("", response_model=StoryboardObject)
def create_storyboard(body: CreateBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add a storyboard."""
    return answer(context.storyboards.create(project_id, body.title, body.document))


@router.get("", response_model=StoryboardList)
def list_storyboards(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The storyboards of the project."""
    boards = context.storyboards.page(project_id, **page)
    return StoryboardList.from_entries(StoryboardEntry.of_board, boards).response()


@router.post("/import", response_model=ImportedStoryboard)
async def import_storyboard(body: ImportBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add a storyboard from a storyboard file or from a timeline of an editing program."""
    if (body.text is None) == (body.file is None):
        raise BadInput("there is no text", "give text or file, one of them", field="text")

    def read() -> Response:
        text = body.file.path.read_bytes() if body.file else (body.text or "").encode("utf-8", "replace")
        imported = files.read(text, "file" if body.file else "text")
        document, notes = _own_videos(context, project_id, imported.document)
        title = (body.title or imported.title).strip()[:200] or "Untitled"
        board = context.storyboards.create(project_id, title, document)
        return ImportedStoryboard.of(board, notes=[*imported.notes, *notes]).response()

    return await context.run_slow(read)


def _own_videos(context: Context, project_id: str, document: Document) -> tuple[Document, list[str]]:
    """A document without videos that the project does not have, and sentences about those."""
    ownership: dict[str, bool] = {}
    notes, shots = [], []
    for shot in document.shots:
        video = shot.video_id
        if video and video not in ownership:
            ownership[video] = context.store.job(project_id, video) is not None
        if video and not ownership[video]:
            notes.append(f"The shot {shot.id} shows the video {video}, which this project does not have.")
            shot = shot.model_copy(update={"video_id": None, "start": 0})
        shots.append(shot)
    return document.model_copy(update={"shots": tuple(shots)}), notes


@router.get("/{storyboard_id}", response_model=StoryboardObject)
def get_storyboard(storyboard_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A storyboard; its ETag is the revision."""
    return answer(find(context, project_id, storyboard_id))


@router.put(
    "/{storyboard_id}",
    response_model=StoryboardObject,
    responses={409: {"description": "It has changed since that revision."}},
)
def save_storyboard(
    storyboard_id: Id,
    body: SaveBody,
    context: AppContext,
    project_id: ProjectId,
    if_match: IfMatch = None,
) -> Response:
    """Save a storyboard, unless it has changed since the revision that was read."""
    revision = body.revision or _revision(if_match)

    def change(board: Storyboard) -> Storyboard:
        return replace(board, title=body.title or board.title, document=body.document)

    def save(project: str, name: str) -> Storyboard | None:
        return context.storyboards.change(project, name, revision, change)

    return answer(get_or_404(save, project_id, storyboard_id, "storyboard"))


def _revision(if_match: str | None) -> int:
    match = REVISION.fullmatch(if_match.strip()) if if_match else None
    if match is None:
        if if_match:
            message = f"the header If-Match has {quoted(if_match)}, which is no revision"
            raise BadInput(message, "send the ETag that was read", field="revision")
        raise BadInput("revision is missing", "send the one that was read", field="revision")
    return int(match[1])


@router.delete("/{storyboard_id}", response_model=wire.Deleted)
def delete_storyboard(storyboard_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete a storyboard; the videos of its shots stay. For a day it can be restored."""
    get_or_404(context.storyboards.delete, project_id, storyboard_id, "storyboard")
    return wire.Deleted(id=storyboard_id, object="storyboard.deleted").response()


@router.post("/{storyboard_id}/restore", response_model=StoryboardObject)
def restore_storyboard(storyboard_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Bring back a storyboard that was deleted less than a day ago."""
    return answer(get_or_404(context.storyboards.undelete, project_id, storyboard_id, "storyboard"))


@router.get("/{storyboard_id}/versions", response_model=VersionList)
def list_versions(storyboard_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """What a storyboard was, the newest first; the last 200 changes are kept."""
    versions = get_or_404(context.storyboards.versions, project_id, storyboard_id, "storyboard")
    return VersionList.from_entries(VersionObject.of_version, (versions, False)).response()


@router.post("/{storyboard_id}/versions/{number}/restore", response_model=StoryboardObject)
def restore_version(
    storyboard_id: Id, number: Number, context: AppContext, project_id: ProjectId
) -> Response:
    """Make a storyboard what it was; that is a new revision, so that nothing is lost."""

    def restore(project: str, name: str) -> Storyboard | None:
        return context.storyboards.restore(project, name, number)

    return answer(get_or_404(restore, project_id, storyboard_id, "storyboard"))


@router.get(
    "/{storyboard_id}/export",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
        }
    },
)
def export_storyboard(
    storyboard_id: Id,
    context: AppContext,
    project_id: ProjectId,
    format: Annotated[Literal["yaml", "otio"], Query(description="A storyboard file, or OpenTimelineIO.")],
) -> Response:
    """A storyboard as a file of the command `hinode storyboard`, or for editing programs."""
    board = find(context, project_id, storyboard_id)
    if format == files.OTIO:
        text = files.to_otio(board.document, board.title)
    else:
        text = files.to_yaml(board.document, board.title, _cast(context, project_id, board.document))
    name = quote(board.title.replace("/", "-").strip() or "storyboard", safe="")
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{name}.{format}",
        "x-content-type-options": "nosniff",
    }
    return Response(text, media_type=MEDIA_TYPES[format], headers=headers)


def _cast(context: Context, project_id: str, document: Document) -> dict[str, str]:
    """Descriptions of the characters that shots have, by name."""
    names = dict.fromkeys(name for shot in document.shots for name in shot.characters)
    characters = (context.characters.get(project_id, name) for name in names)
    return {character.name: character.description or character.name for character in characters if character}


def find(context: Context, project_id: str, storyboard_id: str) -> Storyboard:
    """A storyboard; NotFound if there is none."""
    return get_or_404(context.storyboards.get, project_id, storyboard_id, "storyboard")


def find_shot_or_404(board: Storyboard, shot_id: str) -> None:
    """See that a storyboard has a shot; NotFound if it has none."""
    if board.document.index(shot_id) is None:
        raise not_found("shot", shot_id, "shot_id")
