"""Characters: subjects with a name, known by a short video, a picture or words, for use in prompts."""

from __future__ import annotations

import dataclasses
import io
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, model_validator

from hinode.api import wire
from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import Refusal, get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import FORM, BodyReader
from hinode.api.requests.forms import UploadedFile
from hinode.api.requests.values import Image
from hinode.api.routes.videos.content import is_current
from hinode.errors import BadInput
from hinode.jobs.files.characters import (
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
    MAX_NOTES_LENGTH,
    MAX_USES,
    WORDS,
    Character,
)
from hinode.jobs.storyboards.document import Text
from hinode.media.writing.stills import PNG_LEVEL
from hinode.parsing import INTEGER, Boolean, Input
from hinode.records.ids import parse_name
from hinode.request import MediaFile
from hinode.trust.provenance.statement import state_portrait

router = APIRouter(prefix="/v1/videos/characters", tags=["Characters"])
"""Sora's own routes, with a video of the character."""
PERSON = "Whether it is a person, who has to consent before it can be used."
library_router = APIRouter(prefix="/v1/characters", tags=["Characters"])
"""The routes for characters from pictures, clips and words."""


class CreateCharacter(Input):
    """A character, with an MP4 of it."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="The name in prompts.")
    video: UploadedFile
    person: Boolean = Field(False, description=PERSON)


class NewCharacter(Input):
    """A character from a picture, from a finished video or a frame of it, or from words."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="The name in prompts.")
    image: Image | None = None
    video_id: str | None = None
    frame: Annotated[int, Field(ge=0, lt=2**31), INTEGER] | None = Field(
        None, description="Frame of the video that shows it; by default the video itself."
    )
    description: Annotated[Text, Field(max_length=MAX_DESCRIPTION_LENGTH)] = Field(
        "", description="What it is in words; prompts have it in place of the name if there is nothing else."
    )
    notes: Annotated[Text, Field(max_length=MAX_NOTES_LENGTH)] = ""
    person: Boolean = Field(False, description=PERSON)


class ChangeCharacter(Input):
    """What is to be another."""

    name: str | None = Field(None, max_length=MAX_NAME_LENGTH)
    notes: Annotated[Text, Field(max_length=MAX_NOTES_LENGTH)] | None = None
    person: Boolean | None = Field(None, description=PERSON)

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, value: Any) -> Any:
        """Empty notes are a change too; only null is absent."""
        if not isinstance(value, Mapping):
            return value
        return {name: item for name, item in value.items() if item is not None}


class CharacterObject(wire.Answer):
    """A subject that prompts can name."""

    id: str | None
    object: Literal["character"] = "character"
    name: str | None
    created_at: int
    kind: Literal["clip", "picture", "words"] = Field(description="What it is known by.")
    description: str
    notes: str
    person: bool = Field(description=PERSON)


class NamedStoryboard(wire.Answer):
    """A storyboard whose shots have a character."""

    id: str
    title: str


class CharacterUses(wire.Answer):
    """Where a character is: the newest hundred videos and storyboards."""

    object: Literal["character.uses"] = "character.uses"
    id: str
    videos: list[wire.Video]
    storyboards: list[NamedStoryboard]


class CharacterList(wire.Page[CharacterObject]):
    """A page of characters."""


NewBody = Annotated[NewCharacter, Depends(BodyReader(NewCharacter))]
ChangeBody = Annotated[ChangeCharacter, Depends(BodyReader(ChangeCharacter))]
CharacterBody = Annotated[CreateCharacter, Depends(BodyReader(CreateCharacter, (FORM,)))]


@router.post("", response_model=CharacterObject)
async def create_character(body: CharacterBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add a character."""

    def create() -> Response:
        name = parse_name(body.name, MAX_NAME_LENGTH)
        video = context.inputs.video_file(body.video.path, project_id, "video", of_person=body.person)
        character = context.characters.create(project_id, name, video, person=body.person)
        return CharacterObject.of(character).response()

    return await context.run_slow(create)


@library_router.get("", response_model=CharacterList)
@router.get("", response_model=CharacterList)
def list_characters(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The characters of the project that the API key belongs to."""
    return CharacterList.from_entries(
        CharacterObject.of, context.characters.page(project_id, **page)
    ).response()


@library_router.get("/{character_id}", response_model=CharacterObject)
@router.get("/{character_id}", response_model=CharacterObject)
def get_character(character_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A character."""
    character = get_or_404(context.characters.get, project_id, character_id, "character")
    return CharacterObject.of(character).response()


@library_router.delete("/{character_id}", response_model=wire.Deleted)
@router.delete("/{character_id}", response_model=wire.Deleted)
def delete_character(character_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete a character; videos that were made with it stay."""
    get_or_404(context.characters.delete, project_id, character_id, "character")
    return wire.Deleted(id=character_id, object="character.deleted").response()


@library_router.post("", response_model=CharacterObject)
async def add_character(body: NewBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add a character from a picture, a video, a frame of it, or a description."""
    if body.image is not None and body.video_id is not None:
        message = "there are an image and a video"
        raise BadInput(message, "give one of them", field="video_id")
    if body.frame is not None and body.video_id is None:
        raise BadInput("frame: there is no video", "give the video_id too", field="frame")

    def create() -> Response:
        name = parse_name(body.name, MAX_NAME_LENGTH)
        file = _file(body, context, project_id)
        character = context.characters.create(
            project_id, name, file, body.description.strip(), body.notes, person=body.person
        )
        return CharacterObject.of(character).response()

    return await context.run_slow(create)


def _file(body: NewCharacter, context: Context, project_id: str) -> MediaFile:
    """What the character is known by, in the store."""
    if body.image is not None:
        return context.inputs.picture(body.image, "image", project_id, of_person=body.person)
    if body.video_id is not None:
        video = context.inputs.finished_video(body.video_id, project_id, "video_id").file
        return video if body.frame is None else context.inputs.frame(video, body.frame, "frame")
    if not body.description.strip():
        message = "nothing says what the character is"
        raise BadInput(message, "give image, video_id or description", field="description")
    # Its own file for each, so that the uses of two with the same words are told apart.
    text = f"{body.description.strip()}\n{secrets.token_hex(16)}\n"
    digest, count = context.objects.put(text.encode())
    return MediaFile(digest, WORDS, count)


@library_router.patch("/{character_id}", response_model=CharacterObject)
def change_character(
    character_id: Id, body: ChangeBody, context: AppContext, project_id: ProjectId
) -> Response:
    """Change the name or the notes of a character."""
    values = body.model_dump(exclude_none=True)

    def change(project: str, name: str) -> Character | None:
        return context.characters.change(project, name, **values)

    return CharacterObject.of(get_or_404(change, project_id, character_id, "character")).response()


@library_router.get(
    "/{character_id}/picture",
    response_class=Response,
    responses={200: {"description": "The picture.", "content": {"image/png": {}}}},
)
async def get_picture(
    character_id: Id, request: Request, context: AppContext, project_id: ProjectId
) -> Response:
    """The picture of a character as a PNG: the first frame of its clip."""

    def draw() -> Response:
        character = get_or_404(context.characters.get, project_id, character_id, "character")
        if character.in_words:
            message = "this character is known by words and has no picture"
            raise Refusal(404, message, code="not_found", param="character_id")
        headers = wire.file_headers(f"{character.digest}-portrait")
        if is_current(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        target = io.BytesIO()
        context.inputs.portrait(character).save(target, "PNG", compress_level=PNG_LEVEL)
        path = str(context.objects.fetch(character.digest))
        reference = dataclasses.replace(character.reference()[0], path=path)
        signed = context.marking.sign_bytes(target.getvalue(), state_portrait(reference))
        return Response(signed, media_type="image/png", headers=headers)

    return await context.run_slow(draw)


@library_router.get("/{character_id}/uses", response_model=CharacterUses)
def get_uses(character_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """The videos that were made with a character, and the storyboards that have it."""
    character = get_or_404(context.characters.get, project_id, character_id, "character")
    boards = context.storyboards.naming(project_id, character.id, MAX_USES)
    return CharacterUses.of(
        character,
        videos=[wire.Video.of_job(job) for job in context.characters.videos(character)],
        storyboards=[NamedStoryboard.of(board) for board in boards],
    ).response()
