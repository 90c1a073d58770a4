from __future__ import annotations

import pytest

from hinode.engines.native.plans.planning import plan_prompt
from hinode.errors import BadInput
from hinode.world.book.plan import ScenePlan, key_count

SIZE = (640, 360)


def test_a_plan_holds_what_the_words_say_and_an_account_of_them() -> None:
    planned = plan_prompt("a purpel ballon riseing over the beach at dusk", seconds=2, size=SIZE, seed=1)
    (subject,) = planned.plan.subjects
    assert (subject.kind, subject.color) == ("balloon", "purple")
    assert subject.y[-1] < subject.y[0] - 0.2
    assert (planned.plan.place, planned.plan.time) == ("sea", "sunset")
    assert len(subject.x) == key_count(2.0)
    assert ("ballon", "balloon") in planned.substituted
    assert planned.chosen == ()
    assert ScenePlan.model_validate(planned.as_json()["plan"]) == planned.plan


def test_what_is_not_drawn_is_said() -> None:
    planned = plan_prompt("a dragon and seven cats in the village, no rain", seconds=2, size=SIZE, seed=1)
    assert [subject.kind for subject in planned.plan.subjects] == ["cat"] * 3
    assert planned.not_understood == ("dragon",)
    assert planned.excluded == ("rain",)
    assert set(planned.chosen) == {"color", "motion", "time"}
    assert ("more than 3 subjects", "the first 3") in planned.substituted


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    plans = [plan_prompt("a kite", seconds=1, size=SIZE, seed=seed).plan for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


@pytest.mark.parametrize(
    ("field", "change"),
    [("prompt", {"prompt": " "}), ("seconds", {"seconds": 61}), ("size", {"size": (4000, 20)}),
     ("size", {"size": (8, 8)}), ("seed", {"seed": -1})],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused_by_name(field: str, change: dict[str, object]) -> None:
    values: dict[str, object] = {"prompt": "a kite", "seconds": 2.0, "size": SIZE, "seed": 1, **change}
    with pytest.raises(BadInput) as error:
        plan_prompt(**values)  # type: ignore[arg-type]
    assert error.value.field == field
