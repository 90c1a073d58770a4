"""What the simulation assumes: every figure with its unit, its source, and a range where it is not known.

A source in quotation marks is a choice of this study. The rest is the code of Hinode or published elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_type_hints

CHOICE = "choice of this study"
QUESTION = "the question: 10 million clips a day on 20,000 GPUs"


Span = tuple[float, float, float]
"""A range of what is not known: the lowest, the usual and the highest value."""


class Region(NamedTuple):
    """Where people live: their share of all clips, and their time of day less UTC, in hours."""

    name: str
    share: float
    offset: float


@dataclass(frozen=True)
class Work:
    """What is asked for, and of how many GPUs."""

    clips: Annotated[int, "clips a day", QUESTION] = 10_000_000
    gpus: Annotated[int, "GPUs", QUESTION] = 20_000
    cell_gpus: Annotated[int, "GPUs of a cell", CHOICE + ", below what one database bears"] = 500
    previews: Annotated[float, "share of clips", "benchmarks/traces.py"] = 0.6
    preview_seconds: Annotated[float, "GPU-seconds", "benchmarks/traces.py"] = 20.0
    final_seconds: Annotated[
        float, "GPU-seconds", CHOICE + ": with previews 92 on average, as 10 s of LTX-2.5 in 1080p take 90"
    ] = 200.0
    spread: Annotated[float, "standard deviation of the logarithm of the seconds", "benchmarks/traces.py"] = (
        0.25
    )
    day_over_night: Annotated[float, "load by day over load by night", "benchmarks/traces.py"] = 4.0
    regions: Annotated[tuple[Region, ...], "share of clips, hours from UTC", CHOICE] = (
        Region("Americas", 0.35, -6.0),
        Region("Europe and Africa", 0.30, 1.0),
        Region("Asia", 0.35, 8.0),
    )
    wait_target: Annotated[float, "s", "benchmarks/autoscale.py"] = 120.0

    @property
    def mean_seconds(self) -> float:
        """GPU-seconds of a clip on average."""
        return self.previews * self.preview_seconds + (1 - self.previews) * self.final_seconds

    @property
    def variation(self) -> float:
        """Squared coefficient of variation of the GPU-seconds of a clip; each kind is lognormal."""
        square = self.previews * self.preview_seconds**2 + (1 - self.previews) * self.final_seconds**2
        return square * math.exp(self.spread**2) / self.mean_seconds**2 - 1


@dataclass(frozen=True)
class Tenants:
    """Who sends the clips."""

    count: Annotated[int, "tenants", CHOICE] = 200_000
    exponent: Annotated[
        float, "exponent of Zipf's law", "Newman 2005, Power laws, Pareto distributions and Zipf's law"
    ] = 1.0
    burst: Annotated[float, "standard deviation of the logarithm of a tenant's rate in an hour", CHOICE] = 0.5
    split: Annotated[float, "load of a cell above which a tenant is split into shards", CHOICE] = 0.1
    bound: Annotated[float, "load of a cell above the mean at most", CHOICE] = 0.05


@dataclass(frozen=True)
class Service:
    """What Hinode asks of its database."""

    renewal: Annotated[float, "s between renewals of a lease", "jobs/worker/heartbeat.py, lease of 15 s"] = (
        3.75
    )
    step: Annotated[float, "s of a sampling step, each with a heartbeat", CHOICE + ": 50 steps in 200 s"] = (
        4.0
    )
    save: Annotated[float, "s between saved states", "docs/explanation/jobs.md"] = 10.0
    time_slice: Annotated[
        float, "s before a heartbeat looks for preemption", "jobs/scheduling/schedule.py"
    ] = 10.0
    idle: Annotated[float, "s between claims of an idle worker", "jobs/worker/worker.py"] = 0.5
    poll: Annotated[float, "s between status requests of a client", "api/routes/videos: 1,000 ms"] = 1.0
    polling: Annotated[float, "share of open clips whose client polls; others wait for webhooks", CHOICE] = (
        0.5
    )
    round_trip: Annotated[float, "s from a worker to the database and back", CHOICE] = 0.0002
    statements: Annotated[int, "round trips while the lock on claims is held", "jobs/store.py"] = 4
    cores: Annotated[int, "cores of a database server, each as fast as the one measured", CHOICE] = 32
    core_share: Annotated[float, "share of the cores that is planned for", CHOICE] = 0.5
    lock_share: Annotated[float, "share of the time that the lock on claims is planned for", CHOICE] = 0.5


@dataclass(frozen=True)
class Loss:
    """How a cell is lost."""

    hours: Annotated[
        float,
        "h without the cell, from the region's peak",
        "the question: a cell is lost for an hour at the peak",
    ] = 1.0
    detection: Annotated[float, "s until its tenants are sent elsewhere", CHOICE] = 60.0
    rejoin: Annotated[
        float, "s until its GPUs work for other cells", "benchmarks/autoscale.py, cold start"
    ] = 300.0
    lag: Annotated[Span, "s of commits that the replica lacks", CHOICE + ", not measured"] = (0.0, 1.0, 10.0)


@dataclass(frozen=True)
class Spot:
    """What GPUs cost and how they are taken away."""

    price: Annotated[Span, "USD for an hour on demand", "RTX PRO 6000, public offers of autumn 2026"] = (
        0.89,
        1.45,
        2.99,
    )
    ratio: Annotated[Span, "price of spot over on demand", "discounts of 40 to 70 %"] = (0.3, 0.45, 0.6)
    interruptions: Annotated[
        Span,
        "single interruptions of a GPU in an hour",
        "low: at most 20 % a month (AWS Spot Instance Advisor); mid and high: " + CHOICE,
    ] = (0.0003, 0.02, 0.2)
    restart: Annotated[float, "s paid until a new GPU works", "benchmarks/autoscale.py, cold start"] = 300.0
    waves: Annotated[Span, "waves a day in a region", CHOICE + ", not measured"] = (0.02, 0.1, 0.5)
    wave: Annotated[Span, "share of a region's spot GPUs in a wave", CHOICE + ", likewise"] = (0.2, 0.4, 0.8)
    wave_hours: Annotated[Span, "h of a wave", CHOICE + ", likewise"] = (0.5, 1.0, 4.0)
    refund: Annotated[
        float, "USD for a clip that waited beyond the target", CHOICE + ": 10 s at a price of 0.02"
    ] = 0.2


@dataclass(frozen=True)
class Assumptions:
    """All of them."""

    work: Work = Work()
    tenants: Tenants = Tenants()
    service: Service = Service()
    loss: Loss = Loss()
    spot: Spot = Spot()


class Row(NamedTuple):
    """One assumption as it is printed."""

    name: str
    value: Any
    unit: str
    source: str


def rows(assumptions: Assumptions) -> Iterator[Row]:
    """Every assumption with its unit and source."""
    for name, values in vars(assumptions).items():
        for entry, hint in get_type_hints(type(values), include_extras=True).items():
            yield Row(f"{name}.{entry}", getattr(values, entry), *hint.__metadata__)
