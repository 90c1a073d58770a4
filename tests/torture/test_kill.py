"""Workers and servers are killed with SIGKILL while they work, and nothing that was promised is lost.

`python -m benchmarks torture` does the same two hundred times and more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.postgres import PostgreSQL
from benchmarks.torture import told, torture


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("backend", "cycles", "seed"), [("sqlite", 10, 20), ("postgresql", 4, 7)])
def test_nothing_is_lost(
    backend: str, cycles: int, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if backend == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgres")
        url = server.create()
    # A short lease: what the default one adds is waiting.
    report = torture(tmp_path / "home", database_url=url, cycles=cycles, lease_seconds=3.0, seed=seed)
    print("\n".join(told(report)))
    assert report.problems == []
    assert report.cycles == cycles
    assert report.interrupted > 0
