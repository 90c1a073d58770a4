"""Scores: how many of the expected facts the judge finds, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hinode.evaluation.prompts import JUDGED, Case, Facts, attribute_of
from hinode.world.detector import Cast
from hinode.world.detector import facts as cast_facts


@dataclass(frozen=True)
class Observation:
    """The judge's reading of one clip."""

    values: Facts  # read as a clip with a single subject
    cast: Cast | None = None  # its subjects, where several are expected
    flicker: float = math.nan  # of its background

    def facts(self, case: Case) -> Facts:
        """The values of all facts that a case may expect."""
        return self.values if self.cast is None else {**self.values, **cast_facts(self.cast, case.kinds)}


@dataclass(frozen=True)
class Score:
    """`right` of `n`, with the Wilson score interval at 95 % (Wilson 1927)."""

    right: int
    n: int

    def as_json(self) -> dict[str, float | int]:
        """{"accuracy", "low", "high", "n"}; all zero when nothing was judged."""
        if not self.n:
            return {"accuracy": 0.0, "low": 0.0, "high": 0.0, "n": 0}
        z, p, n = 1.959964, self.right / self.n, self.n
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
        return {"accuracy": round(p, 4), "low": round(low, 4), "high": round(high, 4), "n": n}


def tally(observations: Sequence[Observation], cases: Sequence[Case]) -> dict[str, Any]:
    """Scores of observations against their cases: of whole prompts, and of each attribute, for which the
    facts of several subjects are counted together."""
    whole, right, total = 0, dict.fromkeys(JUDGED, 0), dict.fromkeys(JUDGED, 0)
    for observation, case in zip(observations, cases, strict=True):
        facts = observation.facts(case)
        hits = {name: facts.get(name) == value for name, value in case.expect.items()}
        whole += all(hits.values())
        for name, hit in hits.items():
            total[attribute_of(name)] += 1
            right[attribute_of(name)] += hit
    return {
        "n": len(cases),
        "whole_prompt": Score(whole, len(cases)).as_json(),
        "attributes": {name: Score(right[name], total[name]).as_json() for name in JUDGED if total[name]},
    }
