"""Quotes: what a video will take, and what would be quicker, before anything is submitted."""

# No `from __future__ import annotations`: see `requests.bodies`.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from fastapi import APIRouter, Depends, Response
from pydantic import Field, RootModel, create_model

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import Refusal
from hinode.api.requests import admission, directing
from hinode.api.requests.admission import Admission, Owner
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import (
    BlendVideos,
    CreateVideo,
    EditVideo,
    ExtendVideo,
    LoopVideo,
    RecutVideo,
    RemixVideo,
    RetakeVideo,
    Storyboard,
    VideoRequest,
)
from hinode.api.requests.values import Video
from hinode.errors import BadInput, join_names, quote
from hinode.jobs.job import Draft
from hinode.parsing import Input, parse

router = APIRouter(prefix="/v1/videos", tags=["Quotes"])

GENERATE = "generate"


class RemixOf(RemixVideo):
    """A remix, with the video that the address names elsewhere."""

    video: Video


def _remix(admitted: Admission, body: RemixOf, owner: Owner) -> list[Draft]:
    if body.video.id is None:
        raise BadInput("video is not a video of this project", "give its id", field="video")
    return admission.remix(admitted, body, owner, body.video.id)


OPERATIONS: Mapping[str, tuple[type[VideoRequest], Callable[[Admission, Any, Owner], list[Draft]]]] = {
    GENERATE: (CreateVideo, admission.create),
    "edit": (EditVideo, admission.edit),
    "extend": (ExtendVideo, admission.extend),
    "remix": (RemixOf, _remix),
    "loop": (LoopVideo, directing.loop),
    "blend": (BlendVideos, directing.blend),
    "retake": (RetakeVideo, directing.retake),
    "recut": (RecutVideo, directing.recut),
    "storyboard": (Storyboard, directing.storyboard),
}
"""The body of each operation, and what turns it into drafts of jobs."""


def _body(operation: str, model: type[VideoRequest]) -> type[VideoRequest]:
    default: Any = GENERATE if operation == GENERATE else ...
    kind: Any = Literal[operation]
    field = kind, Field(default, description="What is to be made.")
    return create_model(f"Quote{model.__name__}", __base__=model, __doc__=model.__doc__, operation=field)


BODIES = {operation: _body(operation, model) for operation, (model, _) in OPERATIONS.items()}


class QuoteVideo(RootModel[Union[tuple(BODIES.values())]]):  # type: ignore[misc]  # noqa: UP007
    """The body of the operation's own route, with `operation`."""


@dataclass(eq=False)
class QuoteReader(BodyReader):
    """Reads the body of the operation that it names, so that an error speaks of that one."""

    model: type[Any] = QuoteVideo

    def read(self, values: dict[str, Any]) -> Input:
        operation = values.get("operation", GENERATE)
        if not isinstance(operation, str) or operation not in BODIES:
            name = quote(operation) if isinstance(operation, str) else "no text"
            message = f"operation is {name}; choose {join_names(tuple(BODIES), 'or')}"
            # As a fault of this field: elsewhere an operation is refused by a model that cannot do it.
            raise Refusal(400, message, code="bad_input", param="operation")
        return parse(BODIES[operation], values)


class SpanSeconds(wire.Answer):
    """Seconds that a half, and nine of ten, do not exceed."""

    p50: float
    p90: float


class Stage(wire.Answer):
    """A stage of the work."""

    name: str
    seconds: float


class QuoteAlternative(wire.Answer):
    """Another way to a similar video."""

    label: str = Field(description="What is different, in a few words.")
    model: str
    profile: str | None
    size: str
    seconds: float
    eta: SpanSeconds


class VideoQuote(wire.Answer):
    """What a video, or several of one request, will take."""

    object: Literal["video.quote"] = "video.quote"
    id: str
    operation: str
    model: str
    profile: str | None
    size: str
    seconds: float
    n: int
    eta: SpanSeconds = Field(description="From the start of the first to the last file.")
    queue_wait: SpanSeconds = Field(description="Before that start.")
    stages: list[Stage] = Field(description="Their sum is the p50 of eta.")
    basis: Literal["measured", "estimated"] = Field(
        description="measured: from at least three runs of this model and profile on this hardware."
    )
    alternatives: list[QuoteAlternative] = Field(description="The quickest first.")
    valid_until: int


QuoteBody = Annotated[Any, Depends(QuoteReader())]


@router.post("/quote", response_model=VideoQuote)
async def quote_video(body: QuoteBody, context: AppContext, project_id: ProjectId) -> Response:
    """Say what a video will take, and what would be quicker; nothing is submitted."""

    def answer() -> Response:
        _, draft = OPERATIONS[body.operation]
        drafts = draft(context.admission, body, Owner(project_id, None))
        quote_id, quoted = context.forecast.quote(drafts)
        return VideoQuote.model_validate({"id": quote_id, **quoted.as_json()}).response()

    return await context.run_slow(answer)
