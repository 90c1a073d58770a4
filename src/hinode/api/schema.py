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
_Moment = Annotated[float, Field(ge=0, le=120)] | _Decimal
_Point = Annotated[list[float], Field(min_length=3, max_length=3)]
_N = Annotated[int, Field(ge=1, le=10)] | Annotated[str, Field(pattern="^([1-9]|10)$")]

_File = Annotated[str, Field(json_schema_extra={"format": "binary"}, description="A file, in a form.")]
JSON, FORM = "application/json", "multipart/form-data"
BOTH = (JSON, FORM)


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


class _Steered(_Prompted):
    strength: Annotated[float, Field(ge=0, le=1)] | _Decimal | None = Field(
        None, description="How far to go from the video; by default as the operation usually does."
    )
    path: list[_Point] | None = Field(
        None, max_length=256, description="Where the subject is: seconds, x and y as shares of the frame."
    )
    camera: list[_Point] | None = Field(
        None, max_length=256, description="Where the camera is: seconds, pan in short sides, zoom."
    )
    expand: bool | Literal["true", "false"] = Field(
        True, description="Whether the model says what the prompt leaves open."
    )


class Keyframe(ImageReference):
    """An image that is shown at a moment."""

    at: Annotated[float, Field(ge=0, le=120)] | _Decimal


class CreateVideo(_Steered):
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
    keyframes: list[Keyframe] | None = Field(None, max_length=16)
    characters: list[CharacterReference] | None = Field(None, max_length=2)


class RemixVideo(_Steered):
    """A video made again with another prompt."""

    model: str | None = Field(None, description="By default that of the video.")


class _FromVideo(_Steered):
    video: VideoReference | _File
    model: str | None = Field(None, description="By default that of the video.")


class EditVideo(_FromVideo):
    """A change to a video."""

    mask: ImageReference | _File | None = Field(
        None, description="Where it is white the video is drawn anew; the rest stays as it is."
    )


class ExtendVideo(_FromVideo):
    """A continuation of a video."""

    seconds: _Seconds = Field(description="Length of the new part.")
    backward: bool | Literal["true", "false"] = Field(False, description="Before the video, not after it.")


class LoopVideo(_Steered):
    """A video that can be shown over and over."""

    video: VideoReference | _File | None = Field(None, description="The one to close; by default a new one.")
    model: str | None = None
    size: str | None = Field(None, pattern="^[0-9]{2,4}x[0-9]{2,4}$")
    seconds: _Seconds | None = Field(None, description="Length of the loop, 4 or that of the video and 1.")


class _Span(_FromVideo):
    from_: _Moment | None = Field(None, alias="from", description="Seconds into the video.")
    to: _Moment | None = Field(None, description="Seconds into the video.")


class BlendVideos(_Steered):
    """Two videos, one going over into the other."""

    prompt: str | None = Field(None, max_length=32_000)  # type: ignore[assignment]
    videos: list[VideoReference] = Field(min_length=2, max_length=2)
    model: str | None = None
    seconds: _Seconds | None = Field(None, description="Length of the transition, 1 by default.")
    from_: _Moment | None = Field(
        None, alias="from", description="Seconds into the first at which the transition begins."
    )
    to: _Moment | None = Field(None, description="Seconds into the second at which it is over.")
    curve: Literal["linear", "smooth", "early", "late"] | list[list[float]] | None = None


class RetakeVideo(_Span):
    """A span of a video drawn anew."""


class RecutVideo(_Span):
    """The best span of a video, with something new before and after."""

    before: _Moment | None = None
    after: _Moment | None = None


class Shot(_Body):
    """A shot of a storyboard: drawn from words, or kept from a video."""

    prompt: str | None = Field(None, max_length=32_000)
    seconds: _Seconds
    cut: bool = Field(True, description="Whether it begins anew, instead of going on from the one before.")
    video: VideoReference | None = None
    from_: _Moment | None = Field(None, alias="from", description="Seconds into the video.")


class Storyboard(_Steered):
    """A film of several shots."""

    prompt: str | None = Field(None, max_length=32_000)  # type: ignore[assignment]
    shots: list[Shot] = Field(min_length=1, max_length=64)
    model: str | None = None
    size: str | None = Field(None, pattern="^[0-9]{2,4}x[0-9]{2,4}$")


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
