"""Runs that were measured, in the database: the last of each model, engine, hardware and profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.engines.protocol import Cost
from hinode.money.quoting.predict import MIN_RUNS, Run, Work
from hinode.records.prepared import Prepared
from hinode.records.tables import runs

MAX_RUNS = 100
"""Kept for each model, engine, hardware and profile."""
LATEST = 20
"""The hardware that most of so many last runs of a model had is that of the next."""

_KEY = "engine = :engine AND model = :model AND hardware = :hardware AND profile = :profile"
_INSERT = Prepared(
    """
    INSERT INTO runs (engine, model, hardware, profile, tokens, steps, passes, pixels,
        file_pixels, stage_seconds, recorded_at)
    VALUES (:engine, :model, :hardware, :profile, :tokens, :steps, :passes, :pixels,
        :file_pixels, :stage_seconds, :now)
    """,
    json_values=("stage_seconds",),
)
# Rows that another worker is removing are left to it, so that no two wait for each other.
_TRIM = Prepared(
    f"""
    DELETE FROM runs WHERE id IN (
        SELECT id FROM runs WHERE {_KEY} AND id <= (
            SELECT id FROM runs WHERE {_KEY} ORDER BY id DESC LIMIT 1 OFFSET {MAX_RUNS}
        ) FOR UPDATE SKIP LOCKED
    )
    """
)


@dataclass(frozen=True)
class Kind:
    """Runs that are alike; `profile` is "" for a model without profiles."""

    engine: str
    model: str
    hardware: str
    profile: str


Measured = tuple[Kind, Run]
"""A run, and which others are like it."""


def record(connection: Connection, measured: Measured, now: float) -> None:
    """Enter a run that was finished at `now`, in seconds since 1970, and forget the oldest of its kind."""
    kind, run = measured
    cost = run.work.cost
    key = {"engine": kind.engine, "model": kind.model, "hardware": kind.hardware, "profile": kind.profile}
    seconds = {name: round(value, 4) for name, value in run.stage_seconds.items()}
    work = {"tokens": cost.tokens, "steps": cost.steps, "passes": cost.passes, "pixels": cost.pixels}
    _INSERT.run(connection, **key, **work, file_pixels=run.work.file_pixels, stage_seconds=seconds, now=now)
    _TRIM.run(connection, **key)


def last(connection: Connection, engine: str, model: str) -> int:
    """The number of the last run of a model, 0 if there is none."""
    mine = runs.c.engine == engine, runs.c.model == model
    return connection.scalar(sa.select(sa.func.max(runs.c.id)).where(*mine)) or 0


def recorded(connection: Connection, engine: str, model: str, profile: str) -> tuple[list[Run], list[Run]]:
    """The runs of a profile of a model on its present hardware, the last first, and if they are few some of
    the other profiles."""
    mine = runs.c.engine == engine, runs.c.model == model
    last = sa.select(runs.c.hardware).where(*mine).order_by(runs.c.id.desc()).limit(LATEST)
    names = Counter(connection.scalars(last))
    if not names:
        return [], []
    ((hardware, _),) = names.most_common(1)
    there = sa.select(runs).where(*mine, runs.c.hardware == hardware).order_by(runs.c.id.desc())
    own = _runs(connection, there.where(runs.c.profile == profile))
    if len(own) >= MIN_RUNS:
        return own, []
    return own, _runs(connection, there.where(runs.c.profile != profile).limit(LATEST))


def _runs(connection: Connection, query: sa.Select[Any]) -> list[Run]:
    return [
        Run(Work(Cost(row.tokens, row.steps, row.passes, row.pixels), row.file_pixels), row.stage_seconds)
        for row in connection.execute(query)
    ]
