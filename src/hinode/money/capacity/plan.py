"""The cheapest fleet that meets a target, and waits by the size of the fleet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hinode.errors import BadInput
from hinode.money.capacity.fleet import Fleet, Hardware, Load, Target, forecast, mix_wait

GRID = 12
"""So many counts of each class but the last are tried before the best of them is improved."""
EXHAUSTIVE = 4000
"""Fleets up to so many in number are all tried."""

Counts = tuple[int, ...]


def cheapest(
    classes: Sequence[Hardware], load: Load, target: Target, *, max_spot_share: float = 1.0
) -> Fleet | None:
    """The cheapest fleet in which clips wait no longer than the target, or None if no fleet of them does.

    Up to `EXHAUSTIVE` fleets are all compared. Of more, a grid is, and the best is improved by exchanges of
    machines of two classes until none makes it cheaper.

    Args:
        classes: with prices if there are several.
        max_spot_share: of the machines that may be spot machines.

    Raises:
        BadInput: one of several classes has no price.
    """
    if len(classes) > 1 and any(kind.usd_per_hour is None for kind in classes):
        raise BadInput("a class of hardware has no price", "give one for each", field="hardware")
    search = _Search(sorted(classes, key=lambda kind: kind.usd_per_clip), load, target, max_spot_share)
    best = search.run()
    return None if best is None else forecast(search.classes, best, load)


def sizes(kind: Hardware, load: Load, target: Target, *, around: int = 3) -> Iterator[Fleet]:
    """Fleets of one class: some smaller and larger ones than the smallest that meets the target."""
    search = _Search([kind], load, target, 1.0)
    need = search.need(0, (0,))
    middle = kind.maximum if need is None else need
    first = max(1, math.floor(load.per_hour * kind.seconds / 3600.0) + 1)
    counts = {middle + step for step in range(-around, around + 1)} | {first}
    for count in sorted(count for count in counts if first <= count <= kind.maximum):
        yield forecast([kind], [count], load)


@dataclass
class _Search:
    classes: Sequence[Hardware]
    load: Load
    target: Target
    max_spot_share: float

    def run(self) -> Counts | None:
        alone = [self.need(place, self.empty) for place in range(len(self.classes))]
        tops = [
            kind.maximum if need is None else need for kind, need in zip(self.classes, alone, strict=True)
        ]
        if math.prod(top + 1 for top in tops[:-1]) <= EXHAUSTIVE:
            return self._best(itertools.product(*(range(top + 1) for top in tops[:-1])))
        grids = [sorted({round(top * step / GRID) for step in range(GRID + 1)}) for top in tops[:-1]]
        return self._improve(self._best(itertools.product(*grids)), max(tops) // GRID + 1)

    @property
    def empty(self) -> Counts:
        return (0,) * len(self.classes)

    def cost(self, counts: Counts) -> float:
        return sum(
            count * (1.0 if kind.usd_per_hour is None else kind.usd_per_hour)
            for kind, count in zip(self.classes, counts, strict=True)
        )

    def allowed(self, counts: Counts) -> bool:
        spot = sum(count for kind, count in zip(self.classes, counts, strict=True) if kind.spot)
        return spot <= self.max_spot_share * sum(counts) + 1e-9

    def need(self, place: int, counts: Counts) -> int | None:
        """The fewest machines of a class with which the others and they meet the target; None if all of them
        are too few."""

        def enough(count: int) -> bool:
            fleet = (*counts[:place], count, *counts[place + 1 :])
            return self.target.met(mix_wait(self.classes, fleet, self.load))

        return _first(enough, self.classes[place].maximum)

    def _best(self, heads: Iterator[Counts]) -> Counts | None:
        best: Counts | None = None
        for head in heads:
            if best is not None and self.cost((*head, 0)) >= self.cost(best):
                continue
            last = len(self.classes) - 1
            need = self.need(last, (*head, 0))
            if need is not None:
                best = self._cheaper(self._allow((*head, need)), best)
        return best

    def _allow(self, counts: Counts) -> Counts | None:
        """With as many machines more of the last class as the share of spot machines asks for, if it has
        them."""
        if self.allowed(counts):
            return counts
        if self.classes[-1].spot or self.max_spot_share <= 0:
            return None
        spot = sum(count for kind, count in zip(self.classes, counts, strict=True) if kind.spot)
        more = math.ceil(spot / self.max_spot_share - 1e-9) - sum(counts)
        larger = (*counts[:-1], counts[-1] + more)
        return larger if larger[-1] <= self.classes[-1].maximum else None

    def _cheaper(self, counts: Counts | None, best: Counts | None) -> Counts | None:
        if counts is None or (best is not None and self.cost(counts) >= self.cost(best) - 1e-9):
            return best
        return counts

    def _improve(self, best: Counts | None, step: int) -> Counts | None:
        steps = sorted({1, 2, 3, 5, 8, *(max(1, step // part) for part in (1, 2, 4, 8))})
        better = best
        while better is not None:
            best = better
            for place, other in itertools.permutations(range(len(self.classes)), 2):
                for change in (sign * size for size in steps for sign in (-1, 1)):
                    count = best[place] + change
                    if not 0 <= count <= self.classes[place].maximum:
                        continue
                    moved = list(best)
                    moved[place] = count
                    need = self.need(other, tuple(moved))
                    if need is not None:
                        moved[other] = need
                        fleet = tuple(moved)
                        better = self._cheaper(fleet if self.allowed(fleet) else None, better)
            if better == best:
                return best
        return None


def _first(enough: Callable[[int], bool], maximum: int) -> int | None:
    """The smallest count up to a maximum that is enough, if one is; more is never worse."""
    if not enough(maximum):
        return None
    low, high = -1, 1
    while high < maximum and not enough(high):
        low, high = high, 2 * high
    high = min(high, maximum)
    if low < 0 and enough(0):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
