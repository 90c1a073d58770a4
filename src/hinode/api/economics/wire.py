"""Bodies and answers of the routes of economics and capacity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hinode.api import wire
from hinode.jobs.storyboards.document import Text
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


class MissingPrices(wire.Answer):
    """The cost book lacks prices, so there are no figures. Nothing is free unless 0 was entered for it."""

    object: Literal["economics.missing_prices"] = "economics.missing_prices"
    file: str = Field(description="Where to enter them, in HINODE_HOME.")
    missing: list[str] = Field(description='What lacks a price, such as "an hour of the host gpu-7".')
    message: str


class Book(wire.Answer):
    """A price or cost book."""

    version: str
    entries: list[dict[str, Any]]
    stale: list[str]
    fault: str = Field(description="What is wrong with the file; then there are no entries.")


class OwnBook(Book):
    """A book of the operator's, with its file."""

    text: str = Field(description="Of the file; empty without one.")
    digest: str = Field(description="Of the text, to be sent with its replacement.")


class CheckBook(Input):
    """A book to try; nothing of it is put in force."""

    text: Text = Field(description="YAML as in prices.yaml or costs.yaml.")


class ReplaceBook(Input):
    """A book to put in force."""

    text: Text = Field(description="The whole file.")
    edited: str = Field(max_length=64, description="Digest of the text that was edited.")


class BookFault(wire.Answer):
    """What is wrong with a book."""

    message: str
    field: str
    line: int | None = Field(description="In the text, from 1; null if it is in no single line.")


class BookChange(wire.Answer):
    """A price of today, in words, before and after; null where there is none."""

    name: str
    before: str | None
    after: str | None


class BookCheck(wire.Answer):
    """What a text would be as a book. Amounts are in USD."""

    object: Literal["economics.book_check"] = "economics.book_check"
    fault: BookFault | None = Field(description="With one, the rest is empty.")
    entries: int
    changes: list[BookChange]
    missing: list[str] = Field(description="What the last 30 days have no price for; of costs only.")
    usd_before: float | None = Field(description="Cost of the last 30 days; null if a price is missing.")
    usd_after: float | None
    stale: list[str]


class SetBudget(Input):
    """A budget, in the place of the one of the same scope, subject and period."""

    scope: Literal["key", "user", "project", "organisation", "model", "installation", "free"]
    subject: str = Field(
        "",
        max_length=200,
        description='Id or name of the key, person, project or organisation; "engine/model"; without one for '
        "the whole server and for free use.",
    )
    period: Literal["day", "month", "total"] = "month"
    soft: str | None = Field(
        None, max_length=20, description='USD, such as "50"; beyond it an event is sent.'
    )
    hard: str | None = Field(None, max_length=20, description="USD; beyond it no video is accepted.")


class OperatorBudget(wire.Answer):
    """A budget. Amounts are in micro-units: 1,000,000 is one dollar."""

    id: str
    object: Literal["budget"] = "budget"
    scope: Literal["key", "user", "project", "organisation", "model", "installation", "free"]
    subject: str
    name: str = Field(description="Of the subject.")
    period: Literal["day", "month", "total"]
    amount: int = Field(description="What is charged to the present window.")
    soft: int | None
    hard: int | None


class BudgetList(wire.Answer):
    """Every budget of the server, by scope and subject."""

    object: Literal["list"] = "list"
    data: list[OperatorBudget]


class PriceBooks(wire.Answer):
    """The operator's prices and costs, list prices of providers, and rents of hardware."""

    object: Literal["economics.books"] = "economics.books"
    prices: OwnBook
    list_prices: Book
    costs: OwnBook
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
