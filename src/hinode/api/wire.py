"""The objects in answers: those of Sora's API, with more fields, which its clients ignore.

An object is built from a value of a lower layer without validation, since that value is valid. OpenAPI shows
the same models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, Self, TypeVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from hinode.api.catalogue import Model
from hinode.jobs import metering
from hinode.jobs.job import Job
from hinode.jobs.states import Status
from hinode.licensing import licences
from hinode.money.amounts import MICRO
from hinode.request import CONTEXT_VIDEO, GUIDE_VIDEO

T = TypeVar("T")
E = TypeVar("E")

INTERNAL_ROLES = (CONTEXT_VIDEO, GUIDE_VIDEO)
"""Roles of references that only the server itself creates."""

STATUS = {
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",  # with the error "cancelled"; Sora has no such status
    Status.EXPIRED: "expired",
}


def file_headers(digest: str) -> dict[str, str]:
    """Headers of an answer that is a file: it runs nothing, whatever is in it."""
    return {
        "etag": f'"{digest}"',
        "cache-control": "private, no-cache",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }


FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {"description": "The range of the Range header."},
    416: {"description": "The range is outside the file."},
}
"""Answers of routes that send a file."""


class Answer(BaseModel):
    """Base of the objects in answers."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    @classmethod
    def of(cls, source: object, **values: Any) -> Self:
        """The object of a value of a lower layer, which has an attribute for each required field that is not
        in `values`; times become whole seconds."""
        for name, field in cls.model_fields.items():
            if name not in values and field.is_required():
                value = getattr(source, name)
                values[name] = int(value) if name.endswith("_at") and value is not None else value
        return cls.model_construct(**values)

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The HTTP response with this object as its body."""
        return Response(self.model_dump_json(), media_type="application/json", headers=headers)


class Page(Answer, Generic[E]):
    """A page of a list; `last_id` as `after` gives the next page, while `has_more` is true."""

    object: Literal["list"] = "list"
    data: list[E]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def from_entries(cls, convert: Callable[[T], Any], page: tuple[Iterable[T], bool]) -> Self:
        """A page of entries, each converted to an object; the second part of `page` says whether there are
        more."""
        data = [convert(entry) for entry in page[0]]
        ids = [entry.id for entry in data] or [None]
        return cls.model_construct(data=data, first_id=ids[0], last_id=ids[-1], has_more=page[1])


class VideoError(Answer):
    """Why a video failed."""

    code: str
    message: str


class Loss(Answer):
    """A clip that a server may have made after its job was left."""

    provider: str
    job: str = Field(description="Its id there; empty if only the server knows it.")
    reason: str
    price: float | None = Field(description="In US dollars, if it is known.")
    delivered: bool = Field(description="Whether it is known to have been finished.")


class RenderDetails(Answer):
    """How a finished video was rendered."""

    model_config = ConfigDict(extra="allow")

    engine: str | None = None
    model: str | None = None
    steps: int | None = None
    native_size: str | None = None
    read_as: str | None = Field(None, description="The prompt as the model interpreted it.")
    understood: list[str] = []
    not_understood: list[str] = []
    stage_seconds: dict[str, float] = {}
    sound: str | None = Field(None, description='The soundtrack, such as "stereo, 48000 Hz".')
    provider: str | None = Field(None, description="The server that made it, if it was not an own worker.")
    losses: list[Loss] = Field([], description="Clips that other servers may have made in vain.")


class StageUsage(Answer):
    """What a stage used; null is unknown."""

    seconds: float
    cpu_seconds: float | None
    gpu_seconds: float | None
    energy_wh: float | None
    energy_method: Literal["measured", "estimated", "none"]


class VideoUsage(Answer):
    """What a video used and what its project pays for it; null is unknown."""

    price: float | None = Field(description="Agreed when it was accepted, in US dollars; null if it is free.")
    charged: float | None = Field(description="Taken at its end, in US dollars.")
    currency: Literal["USD"] = "USD"
    gpu_seconds: float | None
    cpu_seconds: float | None
    energy_wh: float | None
    energy_method: Literal["measured", "estimated", "none"] = Field(
        description="measured: from counters of the hardware; estimated: from stated watts."
    )
    stages: dict[str, StageUsage]

    @classmethod
    def of_job(cls, job: Job) -> Self | None:
        """The usage of a job; None if nothing is known."""
        used = metering.read(job.provenance or {})
        if used is None and job.price is None:
            return None
        stages = {} if used is None else used.stages
        return cls(
            price=_usd(job.price),
            charged=_usd(job.charged),
            gpu_seconds=None if used is None else used.total(lambda stage: stage.gpu_seconds),
            cpu_seconds=None if used is None else used.total(lambda stage: stage.cpu_seconds),
            energy_wh=None if used is None else used.total(lambda stage: stage.energy_wh),
            energy_method="none" if used is None else used.energy_method,
            stages={name: StageUsage(**dict(stage)) for name, stage in stages.items()},
        )


def _usd(amount: int | None) -> float | None:
    return None if amount is None else amount / MICRO


class Route(Answer):
    """A model that may make a video of a pool, and why it is at its position."""

    engine: str
    model: str
    provider: str = Field(description="Name of the server that makes the video; empty for own workers.")
    price: float = Field(description="Of the video, in US dollars.")
    wait: float = Field(description="Expected seconds before the work begins.")
    seconds: float = Field(description="Expected seconds of work.")
    condition: Literal["ready", "trial", "drained", "absent"]
    reason: str
    refused: bool = Field(description="Whether it refused the request.")


class RejectedRoute(Answer):
    """A model of the pool that cannot make the video, or may not."""

    engine: str
    model: str
    provider: str
    reason: str


class Move(Answer):
    """A move of a video to another model, before which nobody had begun it."""

    model_config = ConfigDict(serialize_by_alias=True)

    at: float
    from_: str = Field(alias="from")
    to: str
    reason: str


class Routing(Answer):
    """Which models of a pool may make a video; `position` is the index of the present one in `routes`."""

    pool: str
    routes: list[Route]
    rejected: list[RejectedRoute]
    position: int
    round: int
    moves: list[Move]


class Video(Answer):
    """A video: queued, in progress or final."""

    id: str
    object: Literal["video"] = "video"
    model: str = Field(description="As the request named it.")
    status: Literal["queued", "in_progress", "completed", "failed", "expired"]
    progress: int = Field(ge=0, le=100)
    created_at: int
    completed_at: int | None
    expires_at: int | None = Field(description="When its files are removed; null if they are kept.")
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
    stage: str | None = Field(description="Of the work in progress, such as sample or decode.")
    priority: Literal["rush", "preview", "interactive", "batch"]
    cancel_requested: bool
    batch_id: str | None
    routing: Routing | None = Field(description="Of a video whose model is a pool.")
    making: RenderDetails | None
    usage: VideoUsage | None = Field(description="Of machines and money; null if nothing is known.")

    @classmethod
    def of_job(cls, job: Job, **values: Any) -> Self:
        """The video of a job."""
        request, error = job.request, None
        if job.status in (Status.FAILED, Status.CANCELLED, Status.EXPIRED):
            error = VideoError.model_construct(
                code=job.error_code or "processing_error",
                message=job.error_message or "the video could not be made",
            )
        return cls.of(
            job,
            model=job.requested_model,
            status=STATUS[job.status],
            prompt=request["prompt"],
            size=f"{request['width']}x{request['height']}",
            seconds=f"{job.seconds:.6g}",  # as Sora writes it: "4", "4.125"
            remixed_from_video_id=job.source_id if job.operation in ("remix", "edit") else None,
            error=error,
            seed=request["seed"],
            **{name: request.get(name) for name in ("fps", "steps", "profile")},
            negative_prompt=request.get("negative_prompt") or None,
            source_video_id=job.source_id,
            priority=job.priority.name.lower(),
            cancel_requested=job.cancel_requested_at is not None,
            routing=None if job.routing is None else Routing.model_validate(job.routing),
            making=None if job.provenance is None else _details(job.provenance),
            usage=VideoUsage.of_job(job),
            **values,
        )


def _details(values: Mapping[str, Any]) -> RenderDetails:
    size = values.get("native_size")
    text = "x".join(map(str, size)) if isinstance(size, list | tuple) else size
    losses = [Loss.model_validate(loss) for loss in values.get("losses", ())]
    values = {name: value for name, value in values.items() if name != metering.FIELD}
    return RenderDetails.model_construct(**{**values, "native_size": text, "losses": losses})


class VideoGroup(Video):
    """The first of several videos of one request, with all of them."""

    videos: list[Video]

    @classmethod
    def of_jobs(cls, jobs: Sequence[Job]) -> Video:
        """The video of a single job, or the group of several."""
        if len(jobs) == 1:
            return Video.of_job(jobs[0])
        return cls.of_job(jobs[0], videos=[Video.of_job(job) for job in jobs])


class VideoList(Page[Video]):
    """A page of videos."""


class Deleted(Answer):
    """The answer to a deletion."""

    id: str
    object: str
    deleted: Literal[True] = True


class ModelObject(Answer):
    """A model and its capabilities."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "hinode"
    shutdown_date: str | None = None
    engine: str
    model: str = Field(description="Its name within the engine.")
    operations: tuple[str, ...]
    references: tuple[str, ...] = Field(description="What a video can be made from.")
    required_references: tuple[str, ...] = Field(description="Those that a new video requires.")
    seconds: tuple[float, ...] = Field(description="The shortest and the longest video.")
    extension_seconds: float | None = Field(description="The most that an extension adds, if bounded.")
    fps: tuple[float, ...] = Field(description="The lowest and the highest frame rate.")
    native_sizes: list[str] = Field(description="Sizes that the model renders; others are resized.")
    native_fps: tuple[float, ...]
    negative_prompt: bool
    sound: bool
    profiles: tuple[str, ...]
    licence: str
    licence_terms: list[str] = Field(description="What the licence asks for, in plain sentences.")

    @classmethod
    def of_model(cls, model: Model) -> Self:
        """The object of a model."""
        capabilities = model.capabilities
        return cls.of(
            capabilities,
            id=model.name,
            created=int(model.created_at),
            references=tuple(role for role in capabilities.references if role not in INTERNAL_ROLES),
            extension_seconds=capabilities.extension_seconds or None,
            native_sizes=["{}x{}".format(*size) for size in capabilities.native_sizes],
            licence_terms=licences.terms(capabilities.licence),
        )


class ModelList(Answer):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelObject]
