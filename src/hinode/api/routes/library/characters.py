"""Characters: subjects with a name and a short video, for use in prompts."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import FORM, BodyReader
from hinode.api.requests.forms import UploadedFile
from hinode.jobs.files.characters import MAX_NAME_LENGTH
from hinode.jobs.ids import parse_name
from hinode.parsing import Input

router = APIRouter(prefix="/v1/videos/characters", tags=["Characters"])


class CreateCharacter(Input):
    """A character, with an MP4 of it."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="The name in prompts.")
    video: UploadedFile


class CharacterObject(wire.Answer):
    """A subject that prompts can name."""

    id: str | None
    object: Literal["character"] = "character"
    name: str | None
    created_at: int


class CharacterList(wire.Page[CharacterObject]):
    """A page of characters."""


CharacterBody = Annotated[CreateCharacter, Depends(BodyReader(CreateCharacter, (FORM,)))]


@router.post("", response_model=CharacterObject)
async def create_character(body: CharacterBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add a character."""

    def create() -> Response:
        name = parse_name(body.name, MAX_NAME_LENGTH)
        video = context.inputs.video_file(body.video.path)
        character = context.characters.create(project_id, name, video)
        return CharacterObject.of(character).response()

    return await context.run_slow(create)


@router.get("", response_model=CharacterList)
def list_characters(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The characters of the project that the API key belongs to."""
    return CharacterList.from_entries(
        CharacterObject.of, context.characters.page(project_id, **page)
    ).response()


@router.get("/{character_id}", response_model=CharacterObject)
def get_character(character_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A character."""
    character = get_or_404(context.characters.get, project_id, character_id, "character")
    return CharacterObject.of(character).response()


@router.delete("/{character_id}", response_model=wire.Deleted)
def delete_character(character_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete a character; videos that were made with it stay."""
    get_or_404(context.characters.delete, project_id, character_id, "character")
    return wire.Deleted(id=character_id, object="character.deleted").response()
