"""Workers and servers are killed with SIGKILL while they work, and nothing that was promised is lost.

`python -m benchmarks torture` does the same two hundred times and more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.postgres import PostgreSQL
from benchmarks.torture import summary, torture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def kill(home: Path, cycles: int, seed: int, url: str = "", executor: str = "local") -> None:
    # A short lease: what the default one adds is waiting.
    report = torture(home, database_url=url, cycles=cycles, lease_seconds=3.0, seed=seed, executor=executor)
    print("\n".join(summary(report)))
    assert report.problems == []
    assert report.cycles == cycles
    assert report.interrupted > 0


def test_nothing_is_lost_on_sqlite(tmp_path: Path) -> None:
    kill(tmp_path / "home", cycles=10, seed=20)


def test_nothing_is_lost_on_postgresql(tmp_path: Path, postgres: PostgreSQL) -> None:
    kill(tmp_path / "home", cycles=4, seed=7, url=postgres.create())


def test_nothing_is_lost_with_workers_over_http(tmp_path: Path) -> None:
    kill(tmp_path / "home", cycles=10, seed=5, executor="http")


def test_nothing_is_lost_with_workers_over_http_on_postgresql(tmp_path: Path, postgres: PostgreSQL) -> None:
    kill(tmp_path / "home", cycles=10, seed=6, url=postgres.create(), executor="http")
