"""Quotes: what a video will take and cost, and what would be quicker, before anything is submitted."""

# No `from __future__ import annotations`: see `requests.bodies`.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from fastapi import APIRouter, Depends, Response
from pydantic import Field, RootModel, create_model

from hinode.api import wire
from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import Refusal
from hinode.api.requests import admission, directing, finishing, retrying, storyboards
from hinode.api.requests.admission import Admission, Owner
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.models import (
    BlendVideos,
    CreateVideo,
    EditVideo,
    ExtendVideo,
    FinishVideo,
    Limited,
    LoopVideo,
    RecutVideo,
    ReframeVideo,
    RemixVideo,
    RetakeVideo,
    RetryVideo,
    Storyboard,
)
from hinode.api.requests.storyboards import MakeFilm, RenderShot
from hinode.api.requests.values import Video
from hinode.api.routes.documents.storyboards import find, find_shot_or_404
from hinode.errors import BadInput, join_names, quote
from hinode.jobs.job import Draft
from hinode.parsing import Input, parse

router = APIRouter(prefix="/v1/videos", tags=["Quotes"])

GENERATE = "generate"


class RemixOf(RemixVideo):
    """A remix, with the video that the address names elsewhere."""

    video: Video


class ReframeOf(ReframeVideo):
    """A video at another size, with that video."""

    video: Video


class FinishOf(FinishVideo):
    """A draft made again, better, with that draft."""

    video: Video


class RetryOf(RetryVideo):
    """A video that failed or was cancelled, made again, with that video."""

    video: Video


class ShotOf(RenderShot):
    """Takes of one shot, with the storyboard and the shot that the address names elsewhere."""

    storyboard_id: str
    shot_id: str


class FilmOf(MakeFilm):
    """A film of the shots, with the storyboard that the address names elsewhere."""

    storyboard_id: str


Drafts = Callable[[Context, Any, Owner], list[Draft]]


def _new(draft: Callable[[Admission, Any, Owner], list[Draft]]) -> Drafts:
    return lambda context, body, owner: draft(context.admission, body, owner)


def _of_video(draft: Callable[[Admission, Any, Owner, str], list[Draft]]) -> Drafts:
    """Drafts from the video that the address names elsewhere."""

    def drafts(context: Context, body: Any, owner: Owner) -> list[Draft]:
        if body.video.id is None:
            raise BadInput("video is not a video of this project", "give its id", field="video")
        return draft(context.admission, body, owner, body.video.id)

    return drafts


def _shot(context: Context, body: ShotOf, owner: Owner) -> list[Draft]:
    board = find(context, owner.project_id, body.storyboard_id)
    find_shot_or_404(board, body.shot_id)
    return storyboards.render_shot(context.admission, body, owner, board, body.shot_id)


def _film(context: Context, body: FilmOf, owner: Owner) -> list[Draft]:
    board = find(context, owner.project_id, body.storyboard_id)
    return storyboards.film(context.admission, body, owner, board)


OPERATIONS: Mapping[str, tuple[type[Limited], Drafts]] = {
    GENERATE: (CreateVideo, _new(admission.create)),
    "edit": (EditVideo, _new(admission.edit)),
    "extend": (ExtendVideo, _new(admission.extend)),
    "remix": (RemixOf, _of_video(admission.remix)),
    "reframe": (ReframeOf, _of_video(admission.reframe)),
    "finish": (FinishOf, _of_video(finishing.finish)),
    "retry": (RetryOf, _of_video(retrying.retry)),
    "loop": (LoopVideo, _new(directing.loop)),
    "blend": (BlendVideos, _new(directing.blend)),
    "retake": (RetakeVideo, _new(directing.retake)),
    "recut": (RecutVideo, _new(directing.recut)),
    "storyboard": (Storyboard, _new(directing.storyboard)),
    "shot": (ShotOf, _shot),
    "film": (FilmOf, _film),
}
"""The body of each operation, and what turns it into drafts of jobs."""


def _body(operation: str, model: type[Limited]) -> type[Limited]:
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


class StageCost(wire.Answer):
    """What a stage of all videos takes of machines; null is unknown."""

    stage: str
    seconds: float
    cost: float | None
    energy_wh: float | None


class QuoteOffer(wire.Answer):
    """What the same videos would cost at another provider."""

    name: str
    provider: str
    usd: float
    audio: bool
    ended: bool = Field(description="Whether it cannot be bought any more.")
    mark: Literal["provider", "second-hand", "reseller", "press", "own"] = Field(
        description="Who says so: the provider itself, a copy of its page, or one who sells it on."
    )
    source: str
    date: str


class QuoteAlternative(wire.Answer):
    """Another way to a similar video."""

    label: str = Field(description="What is different, in a few words.")
    model: str
    profile: str | None
    size: str
    seconds: float
    eta: SpanSeconds
    price: float | None


class VideoQuote(wire.Answer):
    """What a video, or several of one request, will take and cost.

    As `quote_id` of the same request it is an offer: until `valid_until` the videos cost `price`, or the
    request is refused.
    """

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
    price: float | None = Field(description="Of all videos; null if this server has no price for them.")
    currency: Literal["USD"] = "USD"
    cost: float | None = Field(
        description="What the machines of all videos cost whoever runs this server; null if that is not "
        "known, or for a project that pays."
    )
    energy_wh: float | None = Field(description="Watt hours of all videos; null if nobody knows.")
    energy_method: Literal["measured", "estimated", "none"] = Field(
        description="measured: from counters of the hardware, of the last clips of this model; estimated: "
        "from stated watts."
    )
    breakdown: list[StageCost] = Field(description="Seconds of machines, for all videos.")
    offers: list[QuoteOffer] = Field(description="List prices of other providers, the cheapest first.")
    price_notes: list[str] = Field(description="Sentences about prices that are missing or old.")
    valid_until: int


QuoteBody = Annotated[Any, Depends(QuoteReader())]


@router.post("/quote", response_model=VideoQuote)
async def quote_video(body: QuoteBody, context: AppContext, project_id: ProjectId) -> Response:
    """Say what a video will take and cost, and what would be quicker; nothing is submitted."""

    def answer() -> Response:
        if body.quote_id is not None:
            message = "a quote is for a request without a quote"
            raise BadInput(message, "leave quote_id out", field="quote_id")
        _, draft = OPERATIONS[body.operation]
        drafts = draft(context, body, Owner(project_id, None))
        return VideoQuote.model_validate(context.quotes.quote(drafts)).response()

    return await context.run_slow(answer)
