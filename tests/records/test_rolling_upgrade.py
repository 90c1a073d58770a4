"""An old and a new version together while the tables are migrated; `benchmarks/upgrade.py` in small."""

from __future__ import annotations

import pytest

from benchmarks.migrations import next_version
from benchmarks.serving import ROOT
from benchmarks.upgrade import measure, summary


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_while_the_tables_are_migrated() -> None:
    """This version is the old one, and the new one has more migrations: a checkout may have no history."""
    with next_version() as new:
        report = measure(ROOT / "src", new, count=24, blocked_seconds=2.0)
    print("\n".join(summary(report)))
    assert report.problems == []
    assert report.restarted
    assert min(report.before, report.during, report.after) > 0
