"""The shapes that go over the wire: Sora's objects, with fields of ours added that old clients pass over.

The models describe; answers are written by the functions below and are not checked against the models again
on their way out, which would take longer than making them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from hinode.api.catalogue import Model
from hinode.errors import BadInput, quote
from hinode.jobs.files.characters import Character
from hinode.jobs.job import Job
from hinode.jobs.states import Status
from hinode.request import CONTEXT_VIDEO, GUIDE_VIDEO

T = TypeVar("T")

INNER = (CONTEXT_VIDEO, GUIDE_VIDEO)
"""Roles of references that only the house itself gives."""

STATUS = {
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",  # with the error "cancelled": Sora's clients know no other end
    Status.EXPIRED: "expired",
}
DEFAULT_LIMIT, MAX_LIMIT = 20, 100
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class ErrorBody(_Shape):
    """What is wrong, in one sentence, and which part of the request is at fault."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(_Shape):
    """The answer to a request that failed."""

    error: ErrorBody


class VideoError(_Shape):
    """Why a video failed."""

    code: str
    message: str


class Making(_Shape):
    """How a finished video came to be."""

    engine: str | None = None
    model: str | None = None
    steps: int | None = None
    native_size: str | None = None
    read_as: str | None = Field(None, description="What the model took the prompt to mean.")
    understood: list[str] = []
    not_understood: list[str] = []
    stage_seconds: dict[str, float] = {}
    sound: str | None = Field(None, description='What can be heard, such as "stereo, 48000 Hz".')


class Video(_Shape):
    """A video that is being made, or is finished."""

    id: str
    object: Literal["video"]
    model: str = Field(description="As it was asked for.")
    status: Literal["queued", "in_progress", "completed", "failed", "expired"]
    progress: int = Field(ge=0, le=100)
    created_at: int
    completed_at: int | None
    expires_at: int | None = Field(description="When its files are removed.")
    prompt: str | None
    size: str
    seconds: str
    remixed_from_video_id: str | None
    error: VideoError | None
    seed: int = Field(description="The same seed gives the same video.")
    fps: float | None
    steps: int | None
    profile: str | None
    negative_prompt: str | None
    operation: Literal[
        "generate", "remix", "edit", "extend", "loop", "blend", "retake", "recut", "storyboard"
    ]
    source_video_id: str | None
    stage: str | None = Field(description="What is being done at present.")
    priority: Literal["preview", "interactive", "batch"]
    cancel_requested: bool
    batch_id: str | None
    making: Making | None
    videos: list[Video] | None = Field(
        None, description="All of them, if more than one was asked for; only in the answer to that request."
    )


class _List(_Shape):
    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoList(_List):
    """A page of videos."""

    data: list[Video]


class DeletedVideo(_Shape):
    """That a video is gone."""

    id: str
    object: Literal["video.deleted"]
    deleted: Literal[True]


class CharacterObject(_Shape):
    """A subject that prompts can name."""

    id: str | None
    object: Literal["character"]
    name: str | None
    created_at: int


class CharacterList(_List):
    """A page of characters."""

    data: list[CharacterObject]


class DeletedCharacter(_Shape):
    """That a character is gone."""

    id: str
    object: Literal["character.deleted"]
    deleted: Literal[True]


class ModelObject(_Shape):
    """A model, and what it can do."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    shutdown_date: str | None


class ModelList(_Shape):
    """All models."""

    object: Literal["list"]
    data: list[ModelObject]


Limit = Annotated[int, Query(ge=0, le=MAX_LIMIT, description="Most entries of a page.")]
After = Annotated[str | None, Query(description="Go on behind the entry with this id.")]
Order = Annotated[Literal["asc", "desc"], Query(description="By time of creation; newest first by default.")]
Id = Annotated[str, Path(max_length=100)]


def video(job: Job) -> dict[str, Any]:
    """A job as a Video."""
    request = job.request
    error = None
    if job.status in (Status.FAILED, Status.CANCELLED, Status.EXPIRED):
        error = {
            "code": job.error_code or "processing_error",
            "message": job.error_message or "the video could not be made",
        }
    return {
        "id": job.id,
        "object": "video",
        "model": job.asked_model,
        "status": STATUS[job.status],
        "progress": job.progress,
        "created_at": int(job.created_at),
        "completed_at": _moment(job.completed_at),
        "expires_at": _moment(job.expires_at),
        "prompt": request["prompt"],
        "size": f"{request['width']}x{request['height']}",
        "seconds": plain(job.seconds),
        "remixed_from_video_id": job.source_id if job.operation in ("remix", "edit") else None,
        "error": error,
        "seed": request["seed"],
        "fps": request.get("fps"),
        "steps": request.get("steps"),
        "profile": request.get("profile"),
        "negative_prompt": request.get("negative_prompt") or None,
        "operation": job.operation,
        "source_video_id": job.source_id,
        "stage": job.stage,
        "priority": job.priority.name.lower(),
        "cancel_requested": job.cancel_requested_at is not None,
        "batch_id": job.batch_id,
        "making": _making(job.making),
    }


def videos(jobs: Sequence[Job]) -> dict[str, Any]:
    """The first of several jobs as a Video, with all of them under `videos` if there is more than one."""
    shapes = [video(job) for job in jobs]
    return shapes[0] if len(shapes) == 1 else {**shapes[0], "videos": shapes}


def character(of: Character) -> dict[str, Any]:
    """A character as an object."""
    return {"id": of.id, "object": "character", "name": of.name, "created_at": int(of.created_at)}


def model(of: Model) -> dict[str, Any]:
    """A model as an object, with what it can do."""
    capabilities = of.capabilities
    return {
        "id": of.name,
        "object": "model",
        "created": int(of.created_at),
        "owned_by": "hinode",
        "shutdown_date": None,
        "engine": capabilities.engine,
        "model": capabilities.model,
        "operations": list(capabilities.operations),
        "references": [role for role in capabilities.references if role not in INNER],
        "required_references": list(capabilities.required_references),
        "seconds": list(capabilities.seconds),
        "extension_seconds": capabilities.extension_seconds or None,
        "fps": list(capabilities.fps),
        "native_sizes": ["{}x{}".format(*size) for size in capabilities.native_sizes],
        "native_fps": list(capabilities.native_fps),
        "negative_prompt": capabilities.negative_prompt,
        "sound": capabilities.sound,
        "profiles": list(capabilities.profiles),
        "licence": capabilities.licence,
    }


def page(entries: Sequence[T], has_more: bool, shape: Callable[[T], Mapping[str, Any]]) -> dict[str, Any]:
    """A page of a list; clients go on behind `last_id` as long as there is more."""
    data = [shape(entry) for entry in entries]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def deleted(kind: str, name: str) -> dict[str, Any]:
    """That something is gone; `kind` is such as "video"."""
    return {"id": name, "object": f"{kind}.deleted", "deleted": True}


def is_id(name: str) -> bool:
    """Whether this could be the id of anything; if not it is not looked up, for not every text suits every
    database."""
    return _ID.fullmatch(name) is not None


def after(name: str | None) -> str | None:
    """The `after` of a list, as it was given.

    Raises:
        BadInput: no entry can have such an id.
    """
    if name is not None and not is_id(name):
        raise BadInput(
            f"there is nothing with the id {quote(name)}",
            "give the last_id of the page before",
            field="after",
        )
    return name


def plain(number: float) -> str:
    """A number of seconds as Sora writes it: "4", "4.125"."""
    return f"{number:.6g}"


def _moment(at: float | None) -> int | None:
    return None if at is None else int(at)


def _making(making: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if making is None:
        return None
    shape = dict(making)
    size = shape.get("native_size")
    if isinstance(size, (list, tuple)):
        shape["native_size"] = "x".join(map(str, size))
    return shape
