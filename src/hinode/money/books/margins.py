"""Margins: revenue less cost, by clip, tenant, model and hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Margin:
    """What something cost and brought in, in USD, and how many clips it was."""

    cost: float = 0.0
    revenue: float = 0.0
    clips: int = 0

    def __add__(self, other: Margin) -> Margin:
        return Margin(self.cost + other.cost, self.revenue + other.revenue, self.clips + other.clips)

    @property
    def usd(self) -> float:
        """Revenue less cost."""
        return self.revenue - self.cost

    @property
    def share(self) -> float | None:
        """The margin over the revenue; None without revenue."""
        return self.usd / self.revenue if self.revenue else None


def margins(items: Iterable[T], key: Callable[[T], str], margin: Callable[[T], Margin]) -> dict[str, Margin]:
    """The margins of groups, the largest cost first."""
    groups: dict[str, Margin] = {}
    for item in items:
        groups[key(item)] = groups.get(key(item), Margin()) + margin(item)
    return dict(sorted(groups.items(), key=lambda entry: (-entry[1].cost, entry[0])))


def spread(total: float, weights: Mapping[str, float]) -> dict[str, float]:
    """Divide an amount by weights; by equal shares if they are all 0."""
    whole = sum(weights.values())
    if whole <= 0:
        return {name: total / len(weights) for name in weights}
    return {name: total * weight / whole for name, weight in weights.items()}
