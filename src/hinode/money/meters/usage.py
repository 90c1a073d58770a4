"""What a job used, as a worker measured it and as the database keeps it. None is unknown, and never 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Connection

from hinode.parsing import Input, Number
from hinode.records.prepared import Prepared
from hinode.records.tables import usage as table
from hinode.records.tables import usage_days

HOUR = 3600.0
LATEST = 20
"""So many last clips of a model say what the next draws."""

Method = Literal["measured", "estimated", "none"]
"""Where a figure of energy comes from: counters of the hardware, stated watts, or nowhere."""
METHODS: tuple[Method, ...] = ("none", "estimated", "measured")

Seconds = Annotated[Number, Field(ge=0, le=1e8)]


@dataclass(frozen=True)
class Power:
    """What a machine draws while it works; `watts` is None where nobody knows."""

    watts: float | None = None
    method: Method = "none"


class StageUsage(Input):
    """What a stage used: seconds that passed, of processors and of GPUs, and watt hours by a method."""

    seconds: Seconds
    cpu_seconds: Seconds | None = None
    gpu_seconds: Seconds | None = None
    energy_wh: Annotated[Number, Field(ge=0, le=1e9)] | None = None
    energy_method: Method = "none"


class Usage(Input):
    """What the attempt that delivered a clip used."""

    hardware: Annotated[str, Field(max_length=200)]
    stages: Annotated[dict[Annotated[str, Field(max_length=64)], StageUsage], Field(max_length=100)]

    def total(self, of: Callable[[StageUsage], float | None]) -> float | None:
        """A sum over all stages; None if one is unknown."""
        return add(of(stage) for stage in self.stages.values())

    @property
    def energy_method(self) -> Method:
        """Where the energy of all stages comes from: the least of the methods of its parts."""
        methods = {stage.energy_method for stage in self.stages.values()}
        return next((method for method in METHODS if method in methods), "none")

    def as_json(self) -> dict[str, Any]:
        """It in plain JSON values."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class Record:
    """A row of `records.tables.usage`, which says what each column means."""

    job_id: str
    project_id: str
    model: str
    operation: str
    status: str
    began_at: float
    ended_at: float
    seconds: float
    hardware: str | None
    gpu_seconds: float | None
    cpu_seconds: float | None
    work_seconds: float | None
    energy_wh: float | None
    energy_method: Method
    stored_bytes: int | None
    stages: Mapping[str, Mapping[str, Any]]
    charged: int | None
    currency: str

    @classmethod
    def of(cls, used: Usage | None, **values: Any) -> Record:
        """The record of a job; `values` are the other fields."""
        if used is None:
            unknown: dict[str, Any] = dict.fromkeys(("hardware", *_TOTALS))
            return cls(**unknown, energy_method="none", stages={}, **values)
        totals: dict[str, Any] = {
            "gpu_seconds": used.total(lambda stage: stage.gpu_seconds),
            "cpu_seconds": used.total(lambda stage: stage.cpu_seconds),
            "work_seconds": used.total(lambda stage: stage.seconds),
            "energy_wh": used.total(lambda stage: stage.energy_wh),
        }
        stages = used.as_json()["stages"]
        return cls(
            hardware=used.hardware, energy_method=used.energy_method, stages=stages, **totals, **values
        )


@dataclass(frozen=True)
class Totals:
    """Sums over everything that was recorded, for metrics; `energy_wh` by method."""

    gpu_seconds: float = 0.0
    cpu_seconds: float = 0.0
    stored_bytes: int = 0
    energy_wh: Mapping[str, float] = field(default_factory=dict)
    days: Mapping[str, int] = field(default_factory=dict)


def add(values: Iterable[float | None]) -> float | None:
    """A sum; None if a part is unknown, or if there are none."""
    total: float | None = None
    for value in values:
        if value is None:
            return None
        total = (total or 0.0) + value
    return total


def enter(connection: Connection, record: Record) -> None:
    """Enter what a job used, once."""
    _INSERT.run(connection, **vars(record))


def records(connection: Connection, since: float, until: float) -> Iterator[Record]:
    """What was used by jobs that ended from `since` until before `until`, seconds since 1970, by time."""
    query = sa.select(table).where(table.c.ended_at >= since, table.c.ended_at < until)
    for row in connection.execute(query.order_by(table.c.ended_at, table.c.job_id)).mappings():
        yield Record(**row)


def power(connection: Connection, model: str) -> Power | None:
    """What the last clips of "engine/model" drew, or None if that is not known."""
    query = sa.select(table.c.energy_wh, table.c.work_seconds, table.c.energy_method).where(
        table.c.model == model, table.c.energy_wh.is_not(None), table.c.work_seconds > 0
    )
    rows = connection.execute(query.order_by(table.c.ended_at.desc()).limit(LATEST)).all()
    if not rows:
        return None
    watts = sum(row.energy_wh for row in rows) * HOUR / sum(row.work_seconds for row in rows)
    measured = all(row.energy_method == "measured" for row in rows)
    return Power(watts, "measured" if measured else "estimated")


def totals(connection: Connection) -> Totals:
    """The sums of all records."""
    names = "gpu_seconds", "cpu_seconds", "stored_bytes", "energy_wh"
    sums = [sa.func.sum(table.c[name]).label(name) for name in names]
    query = sa.select(table.c.energy_method, *sums).group_by(table.c.energy_method)
    rows = connection.execute(query).all()
    kinds = sa.select(usage_days.c.kind, sa.func.sum(usage_days.c.quantity)).group_by(usage_days.c.kind)
    return Totals(
        gpu_seconds=sum(row.gpu_seconds or 0.0 for row in rows),
        cpu_seconds=sum(row.cpu_seconds or 0.0 for row in rows),
        stored_bytes=sum(int(row.stored_bytes or 0) for row in rows),
        energy_wh={row.energy_method: row.energy_wh for row in rows if row.energy_wh is not None},
        days={kind: int(quantity) for kind, quantity in connection.execute(kinds)},
    )


_TOTALS = ("gpu_seconds", "cpu_seconds", "work_seconds", "energy_wh")
_NAMES = [column.name for column in table.c]
_INSERT = Prepared(
    f"INSERT INTO usage ({', '.join(_NAMES)}) VALUES ({', '.join(f':{name}' for name in _NAMES)}) "
    "ON CONFLICT (job_id) DO NOTHING",
    json_values=("stages",),
)
