"""A scenario file: inputs with their ranges, sources and dates, and published figures to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from hinode import yamlfile
from hinode.errors import BadInput, join_names, quote
from hinode.money.books.entries import DateText, read_date
from hinode.money.capacity.queueing import Array
from hinode.parsing import Input, Integer, Number, parse

SUFFIX = ".yaml"
MAX_DAYS = 1000
TOLERANCE = 0.25
"""By such a share a result may differ from a published figure."""

Source = Annotated[str, Field(min_length=3, max_length=500)]


class Quantity(Input):
    """An input: its usual value, and its range where it is not known."""

    value: Annotated[Number, Field(ge=0, le=1e12)]
    low: Annotated[Number, Field(ge=0, le=1e12)] | None = None
    high: Annotated[Number, Field(ge=0, le=1e12)] | None = None
    unit: Annotated[str, Field(min_length=1, max_length=200)]
    source: Source
    date: DateText

    @property
    def range(self) -> tuple[float, float]:
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )

    @model_validator(mode="after")
    def _check_range(self) -> Quantity:
        low, high = self.range
        if not low <= self.value <= high:
            raise ValueError("give a value between low and high")
        return self


class Downloads(Input):
    """People who download it between two days, both included, as many each day."""

    first: Annotated[DateText, Field(alias="from")]
    last: Annotated[DateText, Field(alias="to")]
    people: Annotated[Integer, Field(ge=0, le=10**10)]
    source: Source
    date: DateText


class Inputs(Input):
    """What the simulation takes. Shares are of those who downloaded it; amounts are in USD.

    Attributes:
        downloads_factor: times the people of every period.
        retention_day_1: share that is there on the day after; likewise for days 7 and 30.
        clips_per_user: clips that a user asks for on a day on which it is there.
        usd_per_clip: cost of one.
        paying_share: share that ever buys packs of clips.
        packs_per_payer: packs that such a user buys in its first 30 days; on each day in proportion to the
            users who are still there, and so on after that.
    """

    downloads_factor: Quantity
    retention_day_1: Quantity
    retention_day_7: Quantity
    retention_day_30: Quantity
    clips_per_user: Quantity
    usd_per_clip: Quantity
    paying_share: Quantity
    packs_per_payer: Quantity
    usd_per_pack: Quantity
    clips_per_pack: Quantity


class Levers(Input):
    """What the levers do.

    Attributes:
        engine_speedup: a clip of the distilled engine is so many times cheaper.
        finals: share of the drafts that are then made in full.
        draft_cost: of a draft over that of a full clip.
        loss_limit: USD for free clips in a day.
    """

    engine_speedup: Quantity
    finals: Quantity
    draft_cost: Quantity
    loss_limit: Quantity


class Published(Input):
    """A published figure that is no input: a value, or what a result must be below."""

    output: Annotated[str, Field(pattern="^[a-z0-9_]{1,60}$")]
    value: Annotated[Number, Field(gt=0, le=1e12)] | None = None
    at_most: Annotated[Number, Field(gt=0, le=1e12)] | None = None
    source: Source
    date: DateText

    @model_validator(mode="after")
    def _check_figure(self) -> Published:
        if (self.value is None) == (self.at_most is None):
            raise ValueError("give either value or at_most")
        return self


class PublishedLoss(Input):
    """A published loss in a day."""

    usd_per_day: Annotated[Number, Field(ge=0, le=1e12)]
    source: Source
    date: DateText


class Scenario(Input):
    """A scenario: demand over days, what a clip costs, who pays what.

    Attributes:
        start: the first day; `end` is the last one.
        packs_from: the day from which packs are sold; the first one if it is not there.
    """

    title: Annotated[str, Field(min_length=1, max_length=200)]
    start: DateText
    end: DateText
    packs_from: DateText | None = None
    downloads: Annotated[list[Downloads], Field(min_length=1, max_length=500)]
    inputs: Inputs
    levers: Levers
    published: Annotated[list[Published], Field(max_length=100)] = Field(default_factory=list)
    losses: Annotated[list[PublishedLoss], Field(max_length=20)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_days(self) -> Scenario:
        if not 1 <= (read_date(self.end) - read_date(self.start)).days < MAX_DAYS:
            raise ValueError(f"give an end that is 1 to {MAX_DAYS} days after the start")
        for period in self.downloads:
            if not self.start <= period.first <= period.last <= self.end:
                raise ValueError(f"the downloads from {period.first} are not between start and end")
        days = (self.inputs.retention_day_1, self.inputs.retention_day_7, self.inputs.retention_day_30)
        if not 1 >= days[0].value >= days[1].value >= days[2].value > 0:
            raise ValueError("give shares of kept users that fall from day 1 to day 30 and are above 0")
        return self

    @cached_property
    def days(self) -> list[date]:
        """Every day of the scenario."""
        first = read_date(self.start)
        return [first + timedelta(days=n) for n in range((read_date(self.end) - first).days + 1)]

    @cached_property
    def installs(self) -> Array:
        """People who download it, [days]."""
        people = np.zeros(len(self.days))
        for period in self.downloads:
            first = (read_date(period.first) - self.days[0]).days
            last = (read_date(period.last) - self.days[0]).days
            people[first : last + 1] += period.people / (last - first + 1)
        return people

    @cached_property
    def selling(self) -> Array:
        """1 for a day on which packs are sold, else 0, [days]."""
        first = read_date(self.packs_from or self.start)
        return np.array([float(day >= first) for day in self.days])

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """The inputs and what the levers do, by name."""
        return {**dict(self.inputs), **dict(self.levers)}

    def month(self, text: str) -> Array:
        """Which days are in a month, "2025-12", as truth values [days]."""
        return np.array([day.isoformat().startswith(text) for day in self.days])


def names() -> tuple[str, ...]:
    """Names of the scenarios that the package has."""
    folder = files("hinode.money.economics") / "scenarios"
    return tuple(
        sorted(entry.name.removesuffix(SUFFIX) for entry in folder.iterdir() if entry.name.endswith(SUFFIX))
    )


def load(name: str) -> Scenario:
    """A scenario of the package, or of a file.

    Args:
        name: of the scenario, or path of a file that ends in .yaml, .yml or .json.

    Raises:
        BadInput: there is none, or something in it is wrong.
    """
    what = f"the scenario {quote(name, 200)}"
    if name in names():
        resource = files("hinode.money.economics") / "scenarios" / f"{name}{SUFFIX}"
        return _parse(yamlfile.read_text(resource.read_bytes(), what, "scenario"), what)
    if Path(name).suffix.lower() not in (".yaml", ".yml", ".json"):
        remedy = f"choose {join_names(names(), 'or')}, or name a YAML file"
        raise BadInput(f"there is no scenario {quote(name)}", remedy, field="scenario")
    return _parse(yamlfile.read(Path(name), what, "scenario"), what)


def _parse(value: Any, what: str) -> Scenario:
    return parse(Scenario, value, what=what, field="scenario")
