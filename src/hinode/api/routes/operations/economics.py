"""What the server costs and brings in, for its operator: the books, the limit of loss, what-if, capacity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Context, Operator
from hinode.api.failures import Refusal
from hinode.api.sign_in import small_body
from hinode.errors import BadInput, quote
from hinode.jobs import ids
from hinode.money.amounts import parse_amount
from hinode.money.books.entries import MissingPrice, read_date
from hinode.money.budgets import Period
from hinode.money.capacity.question import Plan, Question, answer
from hinode.money.economics import scenario as scenarios
from hinode.money.economics.what_if import WhatIf, what_if
from hinode.parsing import Input, Integer, Number

router = APIRouter(prefix="/v1", tags=["Operation"])

DAY = 86_400.0
DEFAULT_DAYS, MAX_DAYS = 30, 366
MAX_TEXT = 1000

DateQuery = Annotated[str | None, Query(max_length=10, description="A day of UTC, such as 2026-11-29.")]
Classes = Annotated[str, Query(max_length=MAX_TEXT)]


class AskWhatIf(Input):
    """A scenario with other values, and levers that are pulled."""

    scenario: str = Field("sora-autumn-2025", max_length=100)
    values: dict[Annotated[str, Field(max_length=60)], Annotated[Number, Field(ge=0, le=1e12)]] = Field(
        default_factory=dict, max_length=40, description="Usual values by the name of the input."
    )
    levers: list[Literal["distilled", "draft_first", "prepaid", "loss_limit"]] = Field(
        default_factory=list, max_length=4
    )
    seed: Annotated[Integer, Field(ge=0, lt=1 << 31)] = 0


class SetLossLimit(Input):
    """The limit of loss of a period."""

    period: Literal["day", "month", "total"] = "day"
    hard: str | None = Field(
        None, max_length=20, description='USD, such as "50" or "12.50"; without it, the limit is removed.'
    )


class Limit(wire.Answer):
    """A limit of the whole server. Amounts are in micro-units: 1,000,000 is one dollar."""

    id: str
    object: Literal["budget"] = "budget"
    scope: Literal["installation", "free"] = Field(description="`free`: the limit of loss.")
    period: Literal["day", "month", "total"]
    amount: int = Field(description="What is charged to the present window.")
    soft: int | None
    hard: int | None


class FreeRules(wire.Answer):
    """The rules of free use."""

    profiles: tuple[str, ...]
    clips_a_day: int | None
    idle_only: bool


class LossLimits(wire.Answer):
    """What may be lost: the limits of the whole server, and the rules of free use."""

    object: Literal["economics.limits"] = "economics.limits"
    data: list[Limit]
    free_use: FreeRules


class EconomicsReport(wire.Answer):
    """What a period cost and brought in, in USD; `hinode economics --json` prints the same."""

    object: Literal["economics.report"] = "economics.report"
    since: float
    until: float
    clips: int
    delivered: int
    accepted: int
    cancelled: int
    cost: float
    revenue: float = Field(description="Of the ledger: captures and expired credit that was bought.")
    margin: float
    granted: float = Field(description="Granted credit that clips have cost; it is no revenue.")
    idle_cost: float
    utilisation: float | None
    reroll_rate: float | None
    stages: dict[str, float]
    break_even_price: float | None
    conversion: float | None
    break_even_conversion: float | None
    per: dict[str, dict[str, float] | None]
    by: dict[str, dict[str, dict[str, float]]] = Field(description="By tenant, model and hardware.")
    worst: list[dict[str, Any]] = Field(description="The clips with the lowest margins.")
    days: list[dict[str, Any]]
    cohorts: list[dict[str, Any]]
    stale: list[str] = Field(description="Sentences about prices that are old.")


class Book(wire.Answer):
    """A price or cost book."""

    version: str
    entries: list[dict[str, Any]]
    stale: list[str]


class PriceBooks(wire.Answer):
    """The operator's prices and costs, list prices of providers, and rents of hardware."""

    object: Literal["economics.books"] = "economics.books"
    prices: Book
    list_prices: Book
    costs: Book
    market_costs: Book


class WhatIfAnswer(wire.Answer):
    """What a scenario would come to."""

    object: Literal["economics.what_if"] = "economics.what_if"
    scenario: str
    title: str
    seed: int
    inputs: list[dict[str, Any]]
    levers: list[str]
    outcome: dict[str, Any]
    days: list[dict[str, Any]]


class FleetAnswer(wire.Answer):
    """Machines by class, and what clips wait for them."""

    machines: dict[str, int]
    load: float
    wait: dict[str, float | None] = Field(description="Seconds; null for no end.")
    usd_per_hour: float | None
    usd_per_clip: float | None


class CapacityPlan(wire.Answer):
    """The cheapest fleet that meets a target, and fleets of each class."""

    object: Literal["capacity.plan"] = "capacity.plan"
    measured: bool = Field(description="Whether the arrivals and the seconds are those of the last week.")
    arrivals: float
    target: float
    share: float
    variation: float
    cheapest: FleetAnswer | None
    by_class: dict[str, list[FleetAnswer]]


@router.get("/economics", response_model=EconomicsReport)
async def get_economics(
    context: AppContext, operator: Operator, since: DateQuery = None, until: DateQuery = None
) -> Response:
    """Cost, revenue and margins of a period, by default the last 30 days."""
    end = context.clock() if until is None else _moment("until", until)
    start = end - DEFAULT_DAYS * DAY if since is None else _moment("since", since)
    if not 0 < end - start <= MAX_DAYS * DAY:
        message = f"the period from since to until has not 1 to {MAX_DAYS} days"
        raise BadInput(message, "give an earlier or a later day", field="since")
    try:
        report = await context.run_slow(context.economics.report, start, end)
    except MissingPrice as error:
        raise _incomplete(error) from error
    return EconomicsReport(**report.as_json()).response()


@router.get("/economics/books", response_model=PriceBooks)
async def get_books(context: AppContext, operator: Operator) -> Response:
    """The price and cost books, and which entries are old."""
    books = await context.run_slow(context.economics.price_lists)
    return PriceBooks(**books.as_json()).response()


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


@router.get("/capacity", response_model=CapacityPlan)
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
    NAME=USD, and maxima NAME=NUMBER. Without classes and seconds those of the last week are taken.
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
        return asked, answer(asked, context.settings.home, today)

    try:
        asked, plan = await context.run_slow(work)
    except MissingPrice as error:
        raise _incomplete(error) from error
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


def _incomplete(error: MissingPrice) -> Refusal:
    """The operator has to enter the price that is missing."""
    return Refusal(409, str(error), code=error.code, headers={"x-should-retry": "false"})
