"""The bodies of requests for videos: models that read them and that OpenAPI shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from hinode.api.requests.forms import FilePart, Unpacked, unpack
from hinode.api.requests.values import (
    Camera,
    Character,
    Curve,
    Image,
    Keyframe,
    Listed,
    Moment,
    Path,
    Prompt,
    Seconds,
    Size,
    Video,
    VideoReference,
)
from hinode.directing.films.storyboard import Script
from hinode.errors import BadInput
from hinode.parsing import INTEGER, NUMBER, Boolean, Input, Integer, Number
from hinode.request import KEYFRAME, MAX_CHARACTERS, MAX_PER_ROLE, MAX_SEED, PROMPT_CHARACTERS

MAX_VIDEOS = 10

Priority = Literal["rush", "preview", "interactive", "batch"]

IGNORED_FIELDS = {"user": "LiteLLM sends it when its caller names a user"}
"""Fields of `CreateVideo` that change nothing in the result and are accepted because a client sends them."""


def _from_json(value: Any) -> Any:
    """The value of JSON text, which forms hold; everything else as it is."""
    try:
        return json.loads(value) if isinstance(value, str) and value else value or {}
    except ValueError:
        return value


class Limited(Input):
    """A request that may say what it costs."""

    quote_id: Annotated[str, Field(max_length=64)] | None = Field(
        None,
        description="A quote of POST /v1/videos/quote for this request. It is refused if the quote has "
        "expired, is for another request, or if the price has changed.",
    )
    max_cost: Annotated[float, Field(ge=0, le=1e9), NUMBER] | None = Field(
        None,
        description="The most that all videos of the request may cost, in US dollars; above it the request "
        "is refused.",
    )

    @property
    def limits(self) -> dict[str, Any]:
        """These fields by name, for another body in its place."""
        return {"quote_id": self.quote_id, "max_cost": self.max_cost}


class VideoRequest(Limited):
    """The fields of every request for videos."""

    model: str | None = Field(
        None,
        description="GET /v1/models lists them; by default that of the source video, else sora-2.",
        examples=["sora-2", "native/book"],
    )
    n: Annotated[int, Field(ge=1, le=MAX_VIDEOS), INTEGER] = Field(
        1, description="How many videos; the second has the next seed, and so on."
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), INTEGER] | None = Field(
        None, description="The same seed gives the same video; by default a new one."
    )
    fps: Number | None = Field(
        None, description="Frames per second of the file; by default those of the model."
    )
    steps: Integer | None = Field(None, description="Sampling steps; by default those of the model.")
    profile: str | None = Field(
        None,
        description="Trades speed for quality, for models with profiles; by default that of the model.",
        examples=["draft", "standard", "best"],
    )
    negative_prompt: str = Field("", max_length=PROMPT_CHARACTERS, description="What not to show.")
    sound: Boolean | None = Field(
        None, description="Whether the video has sound; the default depends on the model."
    )
    priority: Priority = Field(
        "interactive",
        description="Order in the queue: rush and preview, interactive, batch. A rush has a price of its "
        "own; a preview has at most 5 seconds and 640 x 360 pixels.",
    )
    path: Path = Field((), description="Where the subject is: seconds, x and y as fractions of the frame.")
    camera: Camera = Field((), description="Where the camera is: seconds, pan in short sides, zoom.")
    plan: Annotated[dict[str, Any], BeforeValidator(_from_json)] = Field(
        {},
        description="Where everything is at every moment, for models that draw from plans: the `plan` of "
        "POST /v1/videos/plan, edited or not. It needs the length of the video. In a form it is JSON text.",
    )


class WithStrength(VideoRequest):
    """A request for a video from another one, or from an image."""

    strength: Annotated[float, Field(ge=0, le=1), NUMBER] | None = Field(
        None,
        description="How far the result may depart from the source; the default depends on the operation.",
    )


class CreateVideo(WithStrength):
    """A new video."""

    prompt: Prompt
    seconds: Seconds = Field(4.0, description="Length of the video; the model bounds it.")
    size: Size = Field(
        (720, 1280),
        description="Width x height in pixels, both even.",
        json_schema_extra={"default": "720x1280"},
    )
    input_reference: Image | None = Field(None, description="The first frame.")
    last_frame_reference: Image | None = Field(
        None, description="The last frame, for models that support it."
    )
    input_reference_fit: Literal["crop", "pad", "stretch"] | None = Field(
        None, description="How images of another size are fitted to the video; by default they are refused."
    )
    keyframes: Annotated[tuple[Keyframe, ...], Listed] = Field((), max_length=MAX_PER_ROLE[KEYFRAME])
    characters: Annotated[tuple[Character, ...], Listed] = Field((), max_length=MAX_CHARACTERS)

    @model_validator(mode="before")
    @classmethod
    def _drop_ignored(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: item for name, item in value.items() if name not in IGNORED_FIELDS}


class RemixVideo(WithStrength):
    """A video rendered again with another prompt."""

    prompt: Prompt


class ReframeVideo(VideoRequest):
    """A video at another size: composed anew from the plan that it was drawn from, or cropped."""

    size: Size = Field(description="Width x height in pixels, both even.")
    fit: Literal["compose", "crop"] | None = Field(
        None,
        description="Whether the scene is composed anew, which needs a plan, or the frames are cropped at "
        "their middle and resized; by default it is composed where there is a plan.",
    )


class EditVideo(WithStrength):
    """A change to a video."""

    prompt: Prompt
    video: Video
    mask: Image | None = Field(
        None, description="The video is rendered again where this image is white; the rest stays."
    )
    mask_path: Path = Field(
        (),
        description="Where a mask that moves is: seconds, and by how much of width and height it lies to the "
        "right of and below its place in the image; between two moments it moves evenly.",
    )
    input_reference_fit: Literal["crop", "pad", "stretch"] | None = Field(
        None, description="How a mask of another size is fitted to the video; by default it is refused."
    )

    @model_validator(mode="after")
    def _check_mask_path(self) -> Self:
        if self.mask_path and self.mask is None:
            raise BadInput("mask_path moves no mask", "send a mask too", field="mask_path")
        moments = [point.seconds for point in self.mask_path]
        if any(after <= before for before, after in pairwise((-1e-9, *moments))):
            remedy = "give seconds from 0 on, each later than the one before"
            raise BadInput("the moments of mask_path do not follow each other", remedy, field="mask_path")
        return self


class ExtendVideo(WithStrength):
    """A continuation of a video."""

    prompt: Prompt
    video: Video
    seconds: Seconds = Field(description="Length of the new part.")
    backward: Boolean = Field(False, description="Whether the new part comes before the video.")


class LoopVideo(VideoRequest):
    """A video whose end leads to its beginning."""

    prompt: Prompt | None = None
    video: Video | None = Field(
        None, description="The video to close; by default all of the loop is rendered."
    )
    size: Size | None = Field(None, description="Of a loop without a video; else it is that of the video.")
    seconds: Seconds | None = Field(
        None, description="Length of the loop; by default 4, or that of the video and one more."
    )


class BlendVideos(WithStrength):
    """Two videos with a transition."""

    prompt: Prompt | None = None
    videos: Annotated[tuple[Video, ...], Unpacked] = Field(min_length=2, max_length=2)
    seconds: Seconds = Field(1.0, description="Length of the transition.")
    start: Moment | None = Field(
        None, alias="from", description="Seconds into the first video at which the transition begins."
    )
    end: Moment | None = Field(
        None, alias="to", description="Seconds into the second video at which the transition is over."
    )
    curve: Curve = Field((), description="Weight of the second video over the transition; by default linear.")


class _Span(VideoRequest):
    prompt: Prompt | None = None
    video: Video
    start: Moment = Field(0.0, alias="from", description="Seconds into the video.")
    end: Moment | None = Field(None, alias="to", description="Seconds into the video; by default its end.")


class RetakeVideo(_Span):
    """A span of a video rendered again."""


class RecutVideo(_Span):
    """A span of a video, with new parts before and after it."""

    before: Moment = Field(0.0, description="Seconds to render before the span.")
    after: Moment = Field(0.0, description="Seconds to render after it.")


class FinishVideo(Limited):
    """A draft made again, better."""

    profile: str = Field(
        "best", description="One of the profiles of its model.", examples=["standard", "best"]
    )


class RetryVideo(Limited):
    """A video that failed or was cancelled, made again from the same request."""


class Storyboard(VideoRequest, Script):
    """A film of several shots, in the language of storyboard files."""

    prompt: Prompt | None = Field(None, description="Of the whole film, for its list entry.")
    size: Size | None = Field(None, description="Of a film without videos; else it is that of the first.")
    engine: str | None = Field(None, description="Engine of the model, unless model names it.")
    _files: dict[str, FilePart] = PrivateAttr({})

    @model_validator(mode="wrap")
    @classmethod
    def _read_form(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Unpack what a form has as texts; files become names, as all videos of a storyboard are."""
        if not isinstance(value, Mapping):
            return handler(value)
        fields = {**value, **{name: unpack(value[name]) for name in ("shots", "characters") if name in value}}
        files: dict[str, FilePart] = {}
        if isinstance(fields.get("shots"), list):
            fields["shots"] = [_name_file(shot, files) for shot in fields["shots"]]
        board = handler(fields)
        board._files = files
        return board

    def video(self, name: str) -> VideoReference:
        """The video that a shot names."""
        file = self._files.get(name)
        return VideoReference(file=file, id=None if file else name, file_id=None)


def _name_file(shot: Any, files: dict[str, FilePart]) -> Any:
    """A shot with a name in place of a file, which goes into `files`."""
    if not isinstance(shot, Mapping) or "video" not in shot:
        return shot
    video = unpack(shot["video"])
    file = video["file"] if isinstance(video, Mapping) and video.keys() == {"file"} else video
    if isinstance(file, FilePart):
        video = f"file {len(files) + 1}"
        files[video] = file
    return {**shot, "video": video}
