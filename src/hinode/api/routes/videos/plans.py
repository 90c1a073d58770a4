"""Plans: where everything will be in a clip, before it is generated."""

from __future__ import annotations

import gzip
import secrets
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.values import Prompt, Seconds, Size
from hinode.parsing import INTEGER, Input
from hinode.request import MAX_SEED, parse_size

router = APIRouter(prefix="/v1/videos", tags=["Directing"])

RANDOM_SEEDS = 2**31


class PlanVideo(Input):
    """A clip to plan."""

    prompt: Prompt
    seconds: Seconds = Field(4.0, description="Length of the clip, 60 at most.")
    size: Size = Field(
        (720, 1280),
        description="Width x height in pixels; their ratio shapes the plan.",
        json_schema_extra={"default": "720x1280"},
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), INTEGER] | None = Field(
        None, description="The same seed gives the same plan; by default a new one."
    )


class Substitution(wire.Answer):
    """What the words say, and what the plan has in place of it."""

    words: str
    drawn: str


class Plan(wire.Answer):
    """A plan, and what became of the words."""

    object: Literal["video.plan"] = "video.plan"
    prompt: str
    size: str
    seed: int
    planner: str = Field(description="What made the plan.")
    understood: list[str] = Field(description="Words that state a fact.")
    substituted: list[Substitution]
    not_understood: list[str]
    excluded: list[str] = Field(description="Values that the words exclude.")
    chosen: list[str] = Field(description="Facts that the words leave open; the seed chose them.")
    sentence: str = Field(description="The plan in words.")
    motions: list[str] = Field(description="What each subject of the plan does, such as left or bounce.")
    plan: dict[str, Any] = Field(description="Seconds, and fractions of the frame; see the guide to plans.")


PlanBody = Annotated[PlanVideo, Depends(BodyReader(PlanVideo))]


@router.post("/plan", response_model=Plan)
async def plan_video(body: PlanBody, context: AppContext) -> Response:
    """Plan a clip in milliseconds: nothing is rendered and nothing is stored."""

    def answer() -> Response:
        # The parser and the plan need torch, which a server that plans nothing does not load.
        from hinode.engines.native.plans import sketch
        from hinode.engines.native.plans.planning import plan_prompt

        seed = secrets.randbelow(RANDOM_SEEDS) if body.seed is None else body.seed
        planned = plan_prompt(body.prompt, seconds=body.seconds, size=body.size, seed=seed)
        facts = {"size": "x".join(map(str, body.size)), **sketch.words(planned.plan, body.size)}
        return Plan.model_validate({"prompt": body.prompt, **facts, **planned.as_json()}).response()

    return await context.run_slow(answer)


class ShapeDrawing(wire.Answer):
    """A cut-out as SVG in a square of 256 units around its middle."""

    svg: str = Field(description="Painted in roles and fixed colours; `$NAME` stands for a wave.")
    phases: int = Field(description="Pictures of one beat of its wings or steps.")
    rim: float = Field(description="Width of its rim of paper, in units.")
    waves: dict[str, tuple[float, float, float]] = Field(
        description="Bias, amplitude and offset: bias + amplitude * sin(2 pi (beat + offset))."
    )


class Shapes(wire.Answer):
    """The cut-outs of the picture book."""

    object: Literal["video.plan.shapes"] = "video.plan.shapes"
    roles: dict[str, str] = Field(description="The colour in the drawings that stands for each role.")
    rim: str = Field(description="Colour of the rims.")
    shapes: dict[str, ShapeDrawing]


@cache
def _shapes() -> Shapes:
    from hinode.engines.native.plans import sketch

    return Shapes.model_validate(sketch.shapes())


@router.get("/plan/shapes", response_model=Shapes)
def plan_shapes(request: Request, project_id: ProjectId) -> Response:
    """The cut-outs that plans name, to sketch them with."""
    return _cacheable_response(request, _shapes())


class Land(wire.Answer):
    """The land of a plan in outlines. Lengths are in short sides from the frame's middle."""

    object: Literal["video.plan.land"] = "video.plan.land"
    start: float = Field(description="x of the first point of every skyline.")
    step: float = Field(description="From point to point of a skyline.")
    sky: list[str] = Field(description="Three colours from the zenith down.")
    papers: dict[str, Any] = Field(description="What each colour of a subject looks like in this light.")
    covers: dict[str, int] = Field(
        description="How many of the nearest layers cover a subject, by what it is in or on."
    )
    layers: list[dict[str, Any]] = Field(description="From far to near.")


@router.get("/plan/land", response_model=Land)
async def plan_land(
    request: Request,
    project_id: ProjectId,
    context: AppContext,
    place: Annotated[str, Query(description="Of the plan, as its time, weather and number of the land.")],
    time: str,
    weather: str,
    number: Annotated[int, Query(ge=0, lt=2**63)],
    size: Annotated[str, Query(description="Width x height; their ratio shapes the land.")] = "640x360",
) -> Response:
    """The land of a plan: the same facts give the same hills, houses and clouds as in the clip."""
    frame = parse_size(size)

    def answer() -> Response:
        from hinode.engines.native.plans import sketch

        return _cacheable_response(
            request, Land.model_validate(sketch.land(place, time, weather, number, frame))
        )

    return await context.run_slow(answer)


def _cacheable_response(request: Request, answer: wire.Answer) -> Response:
    """An answer of constants that a browser may keep for a day, compressed if it reads that."""
    body = answer.model_dump_json().encode()
    headers = {"cache-control": "private, max-age=86400", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 6, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)
