"""What the server costs and brings in, for its operator: the books, the limit of loss, what-if, capacity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from hinode.api.context import AppContext, Context, Operator
from hinode.api.economics.wire import (
    AskWhatIf,
    CapacityPlan,
    EconomicsReport,
    FreeRules,
    Limit,
    LossLimits,
    MissingPrices,
    SetLossLimit,
    WhatIfAnswer,
)
from hinode.api.sign_in import small_body
from hinode.errors import BadInput, quote
from hinode.money.amounts import parse_amount
from hinode.money.books import costs
from hinode.money.books.entries import MissingPrice, read_date
from hinode.money.budgets import Period
from hinode.money.capacity.question import Plan, Question, answer
from hinode.money.economics import scenario as scenarios
from hinode.money.economics.what_if import WhatIf, what_if
from hinode.records import ids

router = APIRouter(prefix="/v1", tags=["Operation"])

DAY = 86_400.0
DEFAULT_DAYS, MAX_DAYS = 30, 366
MAX_TEXT = 1000

DateQuery = Annotated[str | None, Query(max_length=10, description="A day of UTC, such as 2026-11-29.")]
Classes = Annotated[str, Query(max_length=MAX_TEXT)]


@router.get("/economics", response_model=EconomicsReport | MissingPrices)
async def get_economics(
    context: AppContext, operator: Operator, since: DateQuery = None, until: DateQuery = None
) -> Response:
    """Cost, revenue and margins of a period, by default the last 30 days; or the prices that are missing."""
    end = context.clock() if until is None else _moment("until", until)
    start = end - DEFAULT_DAYS * DAY if since is None else _moment("since", since)
    if not 0 < end - start <= MAX_DAYS * DAY:
        message = f"the period from since to until has not 1 to {MAX_DAYS} days"
        raise BadInput(message, "give an earlier or a later day", field="since")
    try:
        report = await context.run_slow(context.economics.report, start, end)
    except MissingPrice as error:
        return _missing(error, await context.run_slow(context.economics.gaps, start, end))
    return EconomicsReport(**report.as_json()).response()


@router.get("/economics/limits", response_model=LossLimits)
def get_limits(context: AppContext, operator: Operator) -> Response:
    """The limit of loss, the budget of the whole server, and the rules of free use."""
    return _limits(context)


@router.put("/economics/limits", response_model=LossLimits)
def put_loss_limit(
    body: Annotated[SetLossLimit, small_body(SetLossLimit)], context: AppContext, operator: Operator
) -> Response:
    """Set the limit of loss of a period, or remove it. Beyond it, projects that do not pay get no clips."""
    hard = None if body.hard is None else parse_amount(body.hard, "hard")
    context.economics.set_loss_limit(ids.make("budget_", context.clock()), Period(body.period), hard)
    return _limits(context)


@router.post("/economics/what-if", response_model=WhatIfAnswer)
async def ask_what_if(
    body: Annotated[AskWhatIf, small_body(AskWhatIf)], context: AppContext, operator: Operator
) -> Response:
    """What a scenario would come to with other values; the same question has the same answer."""

    def work() -> WhatIf:
        if body.scenario not in scenarios.names():
            names = ", ".join(scenarios.names())
            message = f"there is no scenario {quote(body.scenario)}"
            raise BadInput(message, f"choose one of {names}", field="scenario")
        found = scenarios.load(body.scenario)
        return what_if(body.scenario, found, body.values, body.levers, body.seed)

    result = await context.run_slow(work)
    return WhatIfAnswer(**result.as_json()).response()


@router.get("/capacity", response_model=CapacityPlan | MissingPrices)
async def get_capacity(
    context: AppContext,
    operator: Operator,
    arrivals: Annotated[
        float | None, Query(gt=0, description="Clips in an hour; by default those of the last week.")
    ] = None,
    target: Annotated[float, Query(ge=0, description="Seconds that clips may wait at most.")] = 60.0,
    share: Annotated[float, Query(description="Of the clips that the target is for.")] = 0.95,
    seconds: Annotated[float | None, Query(gt=0, description="A clip takes on a machine.")] = None,
    variation: Annotated[float | None, Query(ge=0, description="Of these seconds, squared.")] = None,
    hardware: Classes = "",
    spot: Classes = "",
    maximum: Classes = "",
    max_spot_share: float = 0.5,
    interruptions: float = 0.02,
) -> Response:
    """Waits by the size of a fleet, and the cheapest fleet that meets a target.

    Classes of hardware are NAME=SECONDS or NAME=SECONDS@USD with commas between them; spot machines are
    NAME=USD, and maxima NAME=NUMBER. Without classes and seconds those of the last week are taken. Where a
    price is missing, the answer names it instead.
    """
    question = Question(
        arrivals=arrivals or 1.0,
        target=target,
        share=share,
        seconds=seconds,
        variation=1.0 if variation is None else variation,
        hardware=_words(hardware),
        spot=_words(spot),
        maximum=_words(maximum),
        max_spot_share=max_spot_share,
        interruptions=interruptions,
    )
    today = datetime.fromtimestamp(context.clock(), UTC).date()
    measured = arrivals is None or not (hardware or seconds)

    def work() -> tuple[Question, Plan]:
        asked = _measured(context, question, arrivals, variation) if measured else question
        return asked, answer(asked, context.operator_books.costs.current, today)

    try:
        asked, plan = await context.run_slow(work)
    except MissingPrice as error:
        return _missing(error, [error.name])
    return CapacityPlan(
        measured=measured,
        arrivals=asked.arrivals,
        target=asked.target,
        share=asked.share,
        variation=asked.variation,
        **plan.as_json(),
    ).response()


def _measured(
    context: Context, question: Question, arrivals: float | None, variation: float | None
) -> Question:
    """The question with what it leaves out, from the load of the last week."""
    load = context.economics.load()
    if arrivals is None:
        if not load.arrivals:
            message = "no clip came in the last week"
            raise BadInput(message, "say how many come in an hour", field="arrivals")
        question = replace(question, arrivals=load.arrivals)
    if variation is None:
        question = replace(question, variation=load.variation)
    if question.hardware or question.seconds is not None:
        return question
    if not load.seconds:
        raise BadInput("no clip was made in the last week", "give seconds or hardware", field="seconds")
    return replace(question, hardware=[f"{name}={mean:.3f}" for name, mean in load.seconds.items()])


def _limits(context: Context) -> Response:
    limits = [Limit.of(budget) for budget in context.economics.limits()]
    return LossLimits(data=limits, free_use=FreeRules.of(context.economics.free_use())).response()


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _moment(field: str, text: str) -> float:
    try:
        day: date = read_date(text)
    except ValueError:
        raise BadInput(f"{field} is {quote(text)}", "give a date as 2026-11-29", field=field) from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _missing(error: MissingPrice, names: list[str]) -> Response:
    """What the operator has to enter. It is no error: a new server has no cost book."""
    return MissingPrices(file=costs.FILE, missing=names, message=str(error)).response()
