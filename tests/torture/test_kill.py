"""Workers and servers are killed with SIGKILL while they work, and nothing that was promised is lost.

`python -m benchmarks torture` does the same two hundred times and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.postgres import RECOVERABLE, PostgreSQL
from benchmarks.torture import DATABASE_VICTIMS, EXECUTORS, VICTIMS, summary, torture


def kill(
    home: Path,
    seed: int,
    *,
    cycles: int = 10,
    faults: Sequence[str] = (),
    postgres: PostgreSQL | None = None,
    executor: str = "local",
    workers: int = 2,
) -> None:
    report = torture(
        home,
        database_url=postgres.create() if postgres else "",
        postgres=postgres,
        cycles=cycles,
        faults=faults,
        lease_seconds=3.0,  # what the default one adds is waiting
        seed=seed,
        executor=executor,
        workers=workers,
    )
    print("\n".join(summary(report)))
    assert report.problems == []
    assert report.cycles == (len(faults) or cycles)
    assert report.interrupted > 0


@pytest.mark.timeout(300)
def test_nothing_is_lost_by_one_fault_of_each_kind(tmp_path: Path) -> None:
    kill(tmp_path / "home", seed=3, faults=tuple(VICTIMS), workers=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("executor", EXECUTORS[:2])
def test_nothing_is_lost_on_sqlite(tmp_path: Path, executor: str) -> None:
    kill(tmp_path / "home", seed=20, executor=executor)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("executor", EXECUTORS[:2])
def test_nothing_is_lost_on_postgresql(tmp_path: Path, executor: str) -> None:
    faults = ([*DATABASE_VICTIMS, *VICTIMS] * 3)[:10]
    with PostgreSQL(RECOVERABLE) as postgres:
        kill(tmp_path / "home", seed=7, faults=faults, postgres=postgres, executor=executor)
