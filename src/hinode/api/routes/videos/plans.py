"""Plans: where everything will be in a clip, before it is generated."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext
from hinode.api.requests.bodies import BodyReader
from hinode.api.requests.values import Prompt, Seconds, Size
from hinode.parsing import INTEGER, Input
from hinode.request import MAX_SEED

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
    plan: dict[str, Any] = Field(description="Seconds, and fractions of the frame; see the guide to plans.")


PlanBody = Annotated[PlanVideo, Depends(BodyReader(PlanVideo))]


@router.post("/plan", response_model=Plan)
async def plan_video(body: PlanBody, context: AppContext) -> Response:
    """Plan a clip in milliseconds: nothing is rendered and nothing is stored."""

    def answer() -> Response:
        # The parser and the plan need torch, which a server that plans nothing does not load.
        from hinode.engines.native.plans.planning import plan_prompt

        seed = secrets.randbelow(RANDOM_SEEDS) if body.seed is None else body.seed
        planned = plan_prompt(body.prompt, seconds=body.seconds, size=body.size, seed=seed)
        size = "x".join(map(str, body.size))
        return Plan.model_validate({"prompt": body.prompt, "size": size, **planned.as_json()}).response()

    return await context.run_slow(answer)
