"""The simulation of benchmarks/fairness.py in small: what light users wait beside a heavy one."""

from __future__ import annotations

import pytest

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
