"""What a bar is: how its cases are measured, and what is printed of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hinode.clip import Frames
from hinode.evaluation.directing.cases import Case
from hinode.evaluation.directing.measures import apart, inside
from hinode.evaluation.directing.rows import Row
from hinode.evaluation.directing.stage import Stage
from hinode.world.judge import places

Record = dict[str, Any]
"""What was measured in one case, in plain values: what truth or doing nothing scores stands in it too."""

MAX_CASES = 0.95
"""The share of cases that the bar of extensions names; taken too wherever a bar has to hold for a case and
the share of such cases is not said."""


@dataclass(frozen=True)
class Metric:
    """One bar of the suite.

    Attributes:
        measure: plays some cases, the first of them with the given number, and gives a record for each.
        rows: the lines of the table, from the records of all cases.
        together: cases that are played at once.
    """

    measure: Callable[[Sequence[Case], int, Stage], list[Record]]
    rows: Callable[[Sequence[Record]], list[Row]]
    together: int = 8


def located(clips: Sequence[Frames], stage: Stage) -> torch.Tensor:
    return places(torch.from_numpy(np.stack(clips)), stage.fps, stage.net)


def strayed(clips: Sequence[Frames], real: torch.Tensor, stage: Stage) -> list[float]:
    """How far subjects are from places on average, in frame widths; moments outside the picture do not
    count."""
    far = apart(located(clips, stage), real, stage.aspect)
    there = inside(real, 0.0, stage.aspect)
    mean = (far * there).sum(1) / there.sum(1).clamp(min=1)
    return [float(value) for value in mean]


def of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    return [one for one in records if one["kind"] == kind]


def every(records: Sequence[Record], name: str) -> list[float]:
    return [one[name] for one in records]


def ratios(records: Sequence[Record], name: str, other: str) -> list[float]:
    return [one[name] / max(one[other], 1e-3) for one in records]
