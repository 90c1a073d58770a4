"""What light users wait beside a heavy one: benchmarks/fairness.py in small, and on a real fleet."""

from __future__ import annotations

import pytest

from benchmarks import fleet_fairness
from benchmarks.fairness import BAR, GROUPS, Load, p95, simulate

SMALL = Load(bulk=120, sent=150)


@pytest.mark.parametrize("seed", [1, 2])
def test_light_users_hardly_wait_where_first_in_first_out_makes_them_wait_for_ages(seed: int) -> None:
    results = {name: simulate(name, SMALL, seed) for name in ("fifo", "preemptive")}
    worst = {name: [p95(result["waits"][group]) for group in GROUPS[:2]] for name, result in results.items()}
    assert max(worst["preemptive"]) <= BAR
    assert min(worst["fifo"]) > 50 * BAR
    # The heavy one pays with what the light ones had in the meantime, and no slot stays idle for it.
    used = sum(job.seconds for job in results["preemptive"]["jobs"] if job.project != "heavy")
    lost = results["preemptive"]["heavy_done"] - results["fifo"]["heavy_done"]
    assert lost <= used / SMALL.slots + SMALL.final
    assert results["preemptive"]["preemptions"] <= 2 * SMALL.sent


def test_every_job_is_finished_and_none_before_it_was_sent() -> None:
    for name in ("fifo", "priority", "attained", "preemptive"):
        jobs = simulate(name, Load(bulk=30, sent=60), 3)["jobs"]
        assert len(jobs) == 90
        assert all(job.extra > -1e-6 for job in jobs)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dump_holds_nobody_up_on_two_servers_with_three_kinds_of_executor() -> None:
    """In the order of the requests every light clip would wait until the dump is over, for ten minutes."""
    load = fleet_fairness.Load(bulk=60, heavy=30.0, window=40.0)
    report = fleet_fairness.measure(load, seed=4)
    print("\n".join(fleet_fairness.summary(report, load)))
    assert report.problems == []
    assert report.accepted == load.bulk
    assert len(report.executors) == 3
    assert min(report.executors.values()) > 0
    assert 0 < max(report.waits) < load.bulk * load.heavy / 3 / 4
