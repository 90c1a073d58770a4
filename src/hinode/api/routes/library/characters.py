"""Characters: a name and a short video of a subject, to be named in prompts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hinode.api import failures, schema, wire
from hinode.api.context import AppContext, CurrentIdentity
from hinode.api.described import described
from hinode.api.requests import bodies
from hinode.api.requests.fields import Part
from hinode.api.wire import After, Id, Limit, Order
from hinode.errors import BadInput
from hinode.jobs.files.characters import parse_name

router = APIRouter(prefix="/v1/videos/characters", tags=["Characters"])


@router.post(
    "", response_model=wire.CharacterObject, openapi_extra=described(schema.CreateCharacter, schema.FORM)
)
async def create_character(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Add a character from an MP4 that shows it."""

    def accept() -> JSONResponse:
        given = body.fields()
        name = given.text("name")
        if name is None:
            raise BadInput("the character has no name", "give it one of 1 to 80 letters", field="name")
        parse_name(name)
        part = given.get("video")
        if not isinstance(part, Part):
            raise BadInput(
                "there is no video of the character", "send an MP4 file as multipart/form-data", field="video"
            )
        video = here.inputs.video_file(part)
        return JSONResponse(wire.character(here.characters.create(caller.project_id, name, video)))

    async with bodies.received(request, here.objects) as body:
        return await here.slowly(accept)


@router.get("", response_model=wire.CharacterList)
def list_characters(
    here: AppContext,
    caller: CurrentIdentity,
    after: After = None,
    limit: Limit = wire.DEFAULT_LIMIT,
    order: Order = "desc",
) -> JSONResponse:
    """The characters of the project that the API key belongs to."""
    found, more = here.characters.page(
        caller.project_id, after=wire.after(after), limit=limit, descending=order == "desc"
    )
    return JSONResponse(wire.page(found, more, wire.character))


@router.get("/{character_id}", response_model=wire.CharacterObject)
def get_character(character_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """A character."""
    character = here.characters.get(caller.project_id, character_id) if wire.is_id(character_id) else None
    if character is None:
        raise failures.not_found("character", character_id, "character_id")
    return JSONResponse(wire.character(character))


@router.delete("/{character_id}", response_model=wire.DeletedCharacter)
def delete_character(character_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Forget a character; videos that were made with it stay."""
    if not wire.is_id(character_id) or not here.characters.delete(caller.project_id, character_id):
        raise failures.not_found("character", character_id, "character_id")
    return JSONResponse(wire.deleted("character", character_id))
