from __future__ import annotations

import pytest

from hinode.evaluation.prompts import Case
from hinode.evaluation.scores import Observation, Score, tally
from hinode.world.detector import Cast, Detection
from hinode.world.judge import ATTRIBUTES


# Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_wilsons(right: int, n: int, low: float, high: float) -> None:
    score = Score(right, n).as_json()
    assert (score["low"], score["high"]) == (low, high)
    assert score["accuracy"] == pytest.approx(right / n, abs=1e-4)
    assert score["n"] == n
    other = Score(n - right, n).as_json()
    assert other["low"] == pytest.approx(1 - high, abs=1e-4)
    assert other["high"] == pytest.approx(1 - low, abs=1e-4)


def test_a_score_of_no_cases_is_zero() -> None:
    assert Score(0, 0).as_json() == {"accuracy": 0.0, "low": 0.0, "high": 0.0, "n": 0}


def observation(**facts: str) -> Observation:
    return Observation({**{name: values[0] for name, values in ATTRIBUTES.items()}, **facts})


def test_only_expected_facts_are_counted() -> None:
    cases = [
        Case("one", {"subject": "boat", "color": "blue"}),
        Case("two", {"subject": "boat"}),
        Case("three", {"time": "night", "subject": "fish"}),
    ]
    result = tally(
        [
            observation(subject="boat", color="blue", time="noon"),
            observation(subject="kite", color="white"),
            observation(subject="fish", time="dawn"),
        ],
        cases,
    )
    assert result["n"] == 3
    assert result["whole_prompt"] == Score(1, 3).as_json()
    assert result["attributes"] == {
        "subject": Score(2, 3).as_json(),
        "color": Score(1, 1).as_json(),
        "time": Score(0, 1).as_json(),
    }


def test_the_facts_of_several_subjects_are_counted_together_and_matched_by_kind() -> None:
    expect = {
        "subject": "boat", "color": "blue", "subject 2": "kite", "motion 2": "rise", "subject 3": "star",
        "relation": "left of", "count": "3", "time": "noon",
    }  # fmt: skip
    subjects = {
        "kite": Detection("kite", "red", "rise", 0.8, 0.5),
        "boat": Detection("boat", "blue", "still", 0.3, 0.5),
    }
    clip = Observation(observation(time="noon").values, Cast(subjects, frozenset()))
    result = tally([clip], [Case("all", expect)])
    assert result["whole_prompt"]["accuracy"] == 0.0
    assert {name: (score["n"], score["accuracy"]) for name, score in result["attributes"].items()} == {
        "subject": (3, 0.6667),
        "color": (1, 1.0),
        "motion": (1, 1.0),
        "time": (1, 1.0),
        "relation": (1, 1.0),
        "count": (1, 0.0),
    }


def test_a_case_that_expects_nothing_is_always_right() -> None:
    assert tally([observation()], [Case("anything", {})])["whole_prompt"]["accuracy"] == 1.0


def test_every_case_needs_a_clip() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        tally([observation()], [Case("one", {}), Case("two", {})])
