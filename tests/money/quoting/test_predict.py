"""Predictions from runs whose true times are known."""

from __future__ import annotations

import numpy as np
import pytest

from hinode.engines.protocol import Cost
from hinode.money.quoting.predict import Prediction, Run, Work, fit

PRIOR = {"load": [0.5, 0, 0, 0, 0], "sample": [0, 1e-4, 1e-9, 0, 0], "encode": [0, 0, 0, 0, 1e-7]}


def work(seconds: float, *, steps: int = 5, side: int = 1) -> Work:
    tokens, pixels = int(2000 * seconds) * side, int(500_000 * seconds) * side
    return Work(Cost(tokens, steps, 2 * steps, pixels), 2 * pixels)


def truth(task: Work) -> dict[str, float]:
    """The stages of a machine that is three times as slow as the prior says, and more so with long clips."""
    cost = task.cost
    sample = 0.4 + cost.passes * (2.5e-4 * cost.tokens + 1.5e-8 * cost.tokens**2)
    return {"load": 1.0, "sample": sample, "decode": 4e-7 * cost.pixels, "encode": 3e-7 * task.file_pixels}


def measured(tasks: list[Work], random: np.random.Generator, *, slow: int = 0) -> list[Run]:
    """Runs with a twentieth of noise, every `slow`th on a machine that is busy with something else."""
    runs = []
    for number, task in enumerate(tasks):
        factor = float(random.normal(1, 0.05)) * (6.0 if slow and number % slow == 0 else 1.0)
        runs.append(Run(task, {name: factor * value for name, value in truth(task).items()}))
    return runs


def miss(prediction: Prediction, task: Work) -> float:
    true = sum(truth(task).values())
    return abs(prediction.eta.p50 - true) / true


@pytest.mark.parametrize("seed", range(5))
def test_a_time_is_predicted_within_a_quarter_beside_outliers(seed: int) -> None:
    random = np.random.default_rng(seed)
    tasks = [work(float(random.uniform(1, 8)), steps=int(random.integers(2, 12))) for _ in range(40)]
    predictor = fit(measured(tasks, random, slow=7), (), PRIOR)
    for task in (work(1), work(3, steps=10), work(8), work(16)):
        prediction = predictor.predict(task)
        assert prediction.measured
        assert miss(prediction, task) < 0.25
        assert sum(prediction.stages.values()) == pytest.approx(prediction.eta.p50)
        assert prediction.eta.p90 > prediction.eta.p50


def test_three_runs_of_one_size_also_say_something_about_another() -> None:
    random = np.random.default_rng(1)
    predictor = fit(measured([work(2)] * 3, random), (), PRIOR)
    assert predictor.measured
    assert miss(predictor.predict(work(2)), work(2)) < 0.1
    assert miss(predictor.predict(work(4)), work(4)) < 0.25


def test_fewer_runs_scale_the_prior() -> None:
    task = work(2)
    none, one = fit([], (), PRIOR), fit(measured([task], np.random.default_rng(1)), (), PRIOR)
    assert not none.measured
    assert not one.measured
    assert none.predict(task).eta.p50 == pytest.approx(0.5 + 10 * (0.4 + 0.016) + 0.2)
    assert miss(one.predict(task), task) < 0.15
    spread = [known.predict(task).eta.p90 / known.predict(task).eta.p50 for known in (none, one)]
    assert spread[0] > spread[1] > 1.2


def test_runs_of_another_profile_scale_the_prior_of_this_one() -> None:
    related = measured([work(2, steps=3)] * 4, np.random.default_rng(1))
    predictor = fit([], related, PRIOR)
    assert not predictor.measured
    assert miss(predictor.predict(work(2, steps=10)), work(2, steps=10)) < 0.25


def test_a_time_never_falls_with_more_work() -> None:
    random = np.random.default_rng(3)
    tasks = [work(float(random.uniform(1, 2))) for _ in range(30)]
    predictor = fit(measured(tasks, random, slow=3), (), PRIOR)
    etas = [predictor.predict(work(seconds)).eta.p50 for seconds in (0.5, 1, 2, 4, 8, 32)]
    assert etas == sorted(etas)
