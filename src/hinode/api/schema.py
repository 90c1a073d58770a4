"""What OpenAPI tells of the bodies that are taken, of errors and of keys.

People and tools read it; the server itself does not, and is more lenient (`fields`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

from hinode import __version__
from hinode.api import wire
from hinode.api.described import inlined

DESCRIPTION = """The API that clients of Sora speak, with additions that they pass over.

Bodies may be JSON or multipart/form-data; in the latter, paths of values are written into brackets:
`video[id]`, `input_reference[image_url]`, `characters[][id]`. Fields that are not known are passed over."""

# Forms have only texts, so what is a number may be written as one.
_Whole = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
_Decimal = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,6})?$")]
_Seconds = Annotated[float, Field(gt=0, le=120)] | _Decimal
_N = Annotated[int, Field(ge=1, le=10)] | Annotated[str, Field(pattern="^([1-9]|10)$")]

_File = Annotated[str, Field(json_schema_extra={"format": "binary"}, description="A file, in a form.")]
JSON, FORM = "application/json", "multipart/form-data"


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")


class ImageReference(_Body):
    """An image by exactly one of the two."""

    file_id: str | None = None
    image_url: str | None = Field(None, description="A link, or a data URL.", max_length=20_971_520)


class VideoReference(_Body):
    """A video of this project, or a file that was uploaded."""

    id: str


class CharacterReference(_Body):
    """A character of this project."""

    id: str


class _Prompted(_Body):
    prompt: str = Field(min_length=1, max_length=32_000, description="What to show, in words.")
    n: _N = Field(1, description="How many videos; from a given seed they take it and those after it.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] | _Whole | None = Field(
        None, description="The same seed gives the same video; by default a new one."
    )
    fps: Annotated[float, Field(ge=1, le=60)] | _Decimal | None = Field(
        None, description="Frames per second; by default the model's own."
    )
    steps: Annotated[int, Field(ge=1, le=200)] | _Whole | None = Field(
        None, description="Sampling steps; by default the model's own number."
    )
    profile: Literal["draft", "standard", "best"] | None = Field(
        None, description="How quick and how fine, for models that have profiles; by default the model's own."
    )
    negative_prompt: str | None = Field(None, max_length=32_000, description="What not to show.")
    sound: bool | Literal["true", "false"] | None = Field(
        None, description="With sound, or without; by default as the model does."
    )
    priority: Literal["preview", "interactive", "batch"] | None = Field(
        None, description="Who goes first; a preview has 5 seconds and 640 x 360 pixels at most."
    )


class CreateVideo(_Prompted):
    """A new video."""

    model: str = Field("sora-2", description="GET /v1/models lists them.", examples=["sora-2", "native/nano"])
    seconds: _Seconds = Field(
        "4", description="Length of the video; how long it may be depends on the model."
    )
    size: str = Field(
        "720x1280",
        pattern="^[0-9]{2,4}x[0-9]{2,4}$",
        description="Width x height in pixels, both even.",
        examples=["1280x720"],
    )
    input_reference: ImageReference | _File | None = Field(None, description="The first frame.")
    last_frame_reference: ImageReference | _File | None = Field(
        None, description="The last frame, for models that can."
    )
    input_reference_fit: Literal["crop", "pad", "stretch"] | None = Field(
        None, description="Bring the images to the size; otherwise they have to have it."
    )
    characters: list[CharacterReference] | None = Field(None, max_length=2)


class RemixVideo(_Prompted):
    """A video made again with another prompt."""

    model: str | None = Field(None, description="By default that of the video.")


class EditVideo(_Prompted):
    """A change to a video."""

    video: VideoReference | _File
    model: str | None = Field(None, description="By default that of the video.")


class ExtendVideo(EditVideo):
    """A continuation of a video."""

    seconds: _Seconds = Field(description="Length of the new part.")


class CreateCharacter(_Body):
    """A character; the video is an MP4 file, so it comes as multipart/form-data."""

    name: str = Field(min_length=1, max_length=80)
    video: _File


def describe(app: FastAPI) -> None:
    """Make the application tell of the bodies, errors and keys that FastAPI does not see by itself."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _openapi(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _openapi(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="Hinode", version=__version__, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
    )
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Error"] = inlined(wire.Error.model_json_schema())
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    error = {
        "description": "What is wrong.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for path, operations in made.get("paths", {}).items():
        for operation in operations.values():
            answers = operation["responses"]
            answers.pop("422", None)
            if path.startswith("/v1/"):
                operation["security"] = [{"key": []}]
                answers["4XX"] = error
            answers["5XX"] = error
    return made
