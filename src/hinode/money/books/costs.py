"""What hardware and providers cost the operator: hours by class, and seconds at a provider.

`market_costs.yaml` of the package holds prices at which classes of hardware are rented. They are for plans.
What recorded clips have cost is computed from the operator's own file, `costs.yaml` in HINODE_HOME.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field

from hinode import yamlfile
from hinode.money.books.entries import DateText, Mark, MissingPrice, Stale, Usd, latest, stale
from hinode.parsing import Input, parse

FILE = "costs.yaml"

Tier = Literal["own", "marketplace", "secure", "hyperscaler", "spot"]
"""Where an hour is bought: own machines, sellers of spare time, data centres, large clouds, or a price for
machines that may be taken away."""


class HourlyPrice(Input):
    """What an hour of a machine, or of a GPU that is rented alone, costs from a date on.

    Attributes:
        hardware: name of the class, such as "h200".
        usd_per_hour: the price, or the lowest of several.
        usd_per_hour_to: the highest of several.
        hosts: host names of its workers; `*` stands for any letters.
    """

    hardware: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
    usd_per_hour: Usd
    usd_per_hour_to: Usd | None = None
    tier: Tier = "own"
    hosts: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    source: Annotated[str, Field(min_length=3, max_length=500)]
    mark: Mark = "own"
    date: DateText

    @property
    def usual(self) -> float:
        """The middle of the lowest and the highest price."""
        high = self.usd_per_hour if self.usd_per_hour_to is None else self.usd_per_hour_to
        return (self.usd_per_hour + high) / 2


class ProviderPrice(Input):
    """What a second of video at a provider costs the operator from a date on."""

    provider: Annotated[str, Field(min_length=1, max_length=100)]
    usd_per_second: Usd
    source: Annotated[str, Field(min_length=3, max_length=500)]
    mark: Mark = "own"
    date: DateText


class _File(Input):
    version: DateText
    hardware: Annotated[list[HourlyPrice], Field(max_length=2000)] = Field(default_factory=list)
    providers: Annotated[list[ProviderPrice], Field(max_length=2000)] = Field(default_factory=list)


@dataclass(frozen=True)
class CostBook:
    """Costs, with those that held before; `where` is the file that a missing one belongs into."""

    version: str
    hardware: Sequence[HourlyPrice] = ()
    providers: Sequence[ProviderPrice] = ()
    where: str = FILE

    def hour(self, name: str, on: date, tier: Tier | None = None) -> HourlyPrice:
        """The price of an hour of a class on a day; without a tier the cheapest one.

        Raises:
            MissingPrice: there is none.
        """
        tiers = dict.fromkeys(
            entry.tier
            for entry in self.hardware
            if entry.hardware == name and tier in (None, entry.tier) and (tier or entry.tier != "spot")
        )
        prices = [self._latest(name, each, on) for each in tiers]
        valid = [price for price in prices if price is not None]
        if not valid:
            raise MissingPrice(f"an hour of {name}" + (f", {tier}" if tier else ""), self.where)
        return min(valid, key=lambda price: price.usual)

    def host(self, host: str, on: date) -> HourlyPrice:
        """The price of an hour of a host's class on a day; the first pattern that fits counts.

        Args:
            host: as a worker is recorded: the name, and after a slash what tells two machines with the same
                name apart. A pattern may leave the slash and what follows out.

        Raises:
            MissingPrice: no class of the book has this host.
        """
        names = host, host.partition("/")[0]
        for entry in self.hardware:
            if any(fnmatchcase(name, pattern) for pattern in entry.hosts for name in names):
                price = self._latest(entry.hardware, entry.tier, on)
                if price is not None:
                    return price
        raise MissingPrice(f"an hour of the host {host}", self.where)

    def provider(self, name: str, on: date) -> ProviderPrice:
        """The price of a second at a provider on a day.

        Raises:
            MissingPrice: there is none.
        """
        price = latest((entry for entry in self.providers if entry.provider == name), on)
        if price is None:
            raise MissingPrice(f"a second at the provider {name}", self.where)
        return price

    def stale(self, on: date) -> list[Stale]:
        """Prices that hold and are old."""
        keys = dict.fromkeys((entry.hardware, entry.tier) for entry in self.hardware)
        hours = [self._latest(name, tier, on) for name, tier in keys]
        names = [(f"an hour of {price.hardware}, {price.tier}", price.date) for price in hours if price]
        for name in dict.fromkeys(entry.provider for entry in self.providers):
            price = latest((entry for entry in self.providers if entry.provider == name), on)
            names += [(f"a second at {name}", price.date)] if price else []
        return stale(names, on)

    def _latest(self, name: str, tier: Tier, on: date) -> HourlyPrice | None:
        entries = (entry for entry in self.hardware if (entry.hardware, entry.tier) == (name, tier))
        return latest(entries, on)


def read_text(text: str, where: str = FILE) -> CostBook:
    """A cost book from the text of the operator's file, which is at `where`.

    Raises:
        BadInput: it cannot be read, or an entry is wrong; the sentence names it, the field is its place.
    """
    return _parse(yamlfile.read_text(text.encode(), f"the cost book {where}", "costs"), where)


def own(text: str | None, where: str) -> CostBook:
    """The operator's costs; none without a text. Raises as `read_text` does."""
    return CostBook("2000-01-01", where=where) if text is None else read_text(text, where)


@lru_cache(maxsize=1)
def market() -> CostBook:
    """The rents of hardware that the package has."""
    text = (files("hinode.money.books") / "market_costs.yaml").read_bytes()
    return _parse(yamlfile.read_text(text, "the market costs", "costs"), "market_costs.yaml")


def _parse(value: object, where: str) -> CostBook:
    content = parse(_File, value, what="the cost book", field="costs")
    return CostBook(content.version, tuple(content.hardware), tuple(content.providers), where)
