"""Bodies and answers of the routes of economics and capacity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hinode.api import wire
from hinode.parsing import Input, Integer, Number


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
    visible_mark: bool = Field(description="Whether free clips show that they were generated.")


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
