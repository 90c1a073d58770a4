"""Types of values in bodies: images, videos, characters, points, seconds.

Numbers may be texts, and objects and lists JSON texts, because forms have only texts. Short forms of some
clients, such as a bare id, are read too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from hinode.api.requests.forms import Binary, FilePart, Unpacked, UploadedFile, unpack
from hinode.api.requests.pictures import MAX_URL_LENGTH
from hinode.directing import operations
from hinode.errors import join_names
from hinode.jobs.files.uploads import EXPIRY
from hinode.parsing import NUMBER, Input, Number
from hinode.request import PROMPT_CHARACTERS, parse_size

MAX_POINTS = 256

Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_CHARACTERS, description="What to show.")]
Seconds = Annotated[float, Field(gt=0), NUMBER]
Moment = Annotated[float, Field(ge=0), NUMBER]


def _read_size(value: Any) -> tuple[int, int]:
    if not isinstance(value, str):
        raise ValueError("write it as text, like 640x360")
    return parse_size(value)


SizeText = Annotated[str, Field(pattern="^[0-9]{2,4}x[0-9]{2,4}$")]
Size = Annotated[tuple[int, int], PlainValidator(_read_size, json_schema_input_type=SizeText)]


def _short_form(field: str) -> Callable[[Any], Any]:
    """Reads a bare file, id or link too, as some clients send them; the link is the `field`."""

    def read(value: Any) -> Any:
        value = unpack(value)
        if isinstance(value, FilePart):
            return {"file": value}
        if isinstance(value, str):
            return {"file_id" if value.startswith("file-") else field: value}
        return value

    return read


class _Alternatives(Input):
    """An object with exactly one of several fields."""

    alternatives: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in self.alternatives) != 1:
            raise ValueError(f"give {join_names(self.alternatives, 'or')}, exactly one of them")
        return self


class ImageReference(_Alternatives):
    """An image: a file, an uploaded file, or a link."""

    alternatives: ClassVar[tuple[str, ...]] = ("file", "file_id", "image_url")

    file: UploadedFile | None = None
    file_id: str | None = Field(None, description="An image of /v1/files.")
    image_url: str | None = Field(None, max_length=MAX_URL_LENGTH, description="A link, or a data URL.")


Image = Annotated[
    ImageReference, BeforeValidator(_short_form("image_url"), json_schema_input_type=ImageReference | Binary)
]


class Keyframe(ImageReference):
    """An image at a time of the video."""

    alternatives = ("image", "file", "file_id", "image_url")

    at: Moment = Field(description="Seconds into the video.")
    image: Image | None = None

    @property
    def picture(self) -> ImageReference:
        """The image, in whichever field."""
        return self.image or self


class VideoReference(_Alternatives):
    """A video of this project, a file, or an uploaded file."""

    alternatives = ("id", "file", "file_id")

    id: str | None = None
    file: UploadedFile | None = None
    file_id: str | None = Field(None, description="An MP4 of /v1/files.")


Video = Annotated[
    VideoReference, BeforeValidator(_short_form("id"), json_schema_input_type=VideoReference | Binary)
]


class CharacterReference(Input):
    """A character of this project."""

    id: str


Character = Annotated[
    CharacterReference, BeforeValidator(_short_form("id"), json_schema_input_type=CharacterReference | str)
]


class _Point(Input):
    """An object of three numbers."""

    @property
    def values(self) -> tuple[float, float, float]:
        """The point in a `Request`."""
        first, second, third = (getattr(self, name) for name in type(self).model_fields)
        return first, second, third


class PathPoint(_Point):
    """The centre of the subject at a time, as fractions of width and height from the top left."""

    seconds: Number
    x: Number
    y: Number


class CameraPoint(_Point):
    """The camera at a time: pan to the right in short sides of the frame, zoom as a factor."""

    seconds: Number
    pan: Number
    zoom: Number


def _point_reader(model: type[Input]) -> BeforeValidator:
    """Reads a list of three numbers too."""
    names = tuple(model.model_fields)

    def read(value: Any) -> Any:
        if isinstance(value, list) and len(value) == len(names):
            return dict(zip(names, value, strict=True))
        if not isinstance(value, Mapping):
            raise ValueError(f"give {join_names(names)}, such as [0, 0.2, 0.5]")
        return value

    return BeforeValidator(read, json_schema_input_type=model | tuple[float, float, float])


Path = Annotated[
    tuple[Annotated[PathPoint, _point_reader(PathPoint)], ...], Field(max_length=MAX_POINTS), Unpacked
]
Camera = Annotated[
    tuple[Annotated[CameraPoint, _point_reader(CameraPoint)], ...], Field(max_length=MAX_POINTS), Unpacked
]


def _check_curve(points: operations.Curve) -> operations.Curve:
    operations.check_curve(points)
    return points


def _read_curve(value: Any) -> Any:
    value = unpack(value)
    return operations.parse_curve(value) if isinstance(value, str) else value


Curve = Annotated[
    tuple[tuple[Number, Number], ...],
    Field(min_length=2, max_length=MAX_POINTS),
    AfterValidator(_check_curve),
    BeforeValidator(
        _read_curve,
        json_schema_input_type=Literal["linear", "smooth", "early", "late"] | list[tuple[float, float]],
    ),
]


def _listed(value: Any) -> Any:
    value = unpack(value)
    return value if isinstance(value, list) else [value]


Listed = BeforeValidator(_listed)
"""Annotates a list whose single entry may be written without brackets."""


class ExpiresAfter(Input):
    """When a file is deleted automatically."""

    anchor: Literal["created_at"]
    seconds: Annotated[float, Field(ge=EXPIRY[0], le=EXPIRY[1]), NUMBER]
