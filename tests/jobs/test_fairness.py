"""The simulation of benchmarks/fairness.py in small: what light users wait beside a heavy one."""

from __future__ import annotations

import pytest

from benchmarks.fairness import BAR, GROUPS, Load, nearly_worst, simulate

SMALL = Load(dumped=120, sent=150)


@pytest.mark.parametrize("seed", [1, 2])
def test_light_users_hardly_wait_where_first_in_first_out_makes_them_wait_for_ages(seed: int) -> None:
    found = {name: simulate(name, SMALL, seed) for name in ("fifo", "yielding")}
    worst = {name: [nearly_worst(one["waits"][group]) for group in GROUPS[:2]] for name, one in found.items()}
    assert max(worst["yielding"]) <= BAR
    assert min(worst["fifo"]) > 50 * BAR
    # The heavy one pays with what the light ones had in the meantime, and no place stands idle for it.
    used = sum(job.seconds for job in found["yielding"]["jobs"] if job.project != "heavy")
    lost = found["yielding"]["heavy_done"] - found["fifo"]["heavy_done"]
    assert lost <= used / SMALL.places + SMALL.final
    assert found["yielding"]["yields"] <= 2 * SMALL.sent


def test_every_job_is_finished_and_none_before_it_was_sent() -> None:
    for name in ("fifo", "priority", "least", "yielding"):
        jobs = simulate(name, Load(dumped=30, sent=60), 3)["jobs"]
        assert len(jobs) == 90
        assert all(job.extra > -1e-6 for job in jobs)
