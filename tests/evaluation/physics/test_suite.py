"""Physics: what is drawn exactly is found exactly; what is gone or hidden is not found."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from hinode.errors import BadInput
from hinode.evaluation import physics
from hinode.evaluation.physics import INVENTORS, Case, at_moments, cases, evaluate_physics, find, seen_case
from hinode.settings import Settings
from hinode.world.motion import subject_path
from hinode.world.render import render

FPS = 8.0


def clip(case: Case) -> Tensor:
    """The true clip, [33, 3, 64, 64]."""
    return render([case.scene], frames=33, fps=FPS, width=64, height=64)[0]


@pytest.mark.parametrize("bar", INVENTORS)
def test_true_frames_are_found_at_their_places(bar: str) -> None:
    case = seen_case(cases(bar, 1, "tests")[0], FPS)
    found = find(at_moments(clip(case), case, FPS), case)
    assert found.off.abs().max() <= physics.GRIDS[-1]
    assert found.there.all()
    subject = case.scene.subjects[case.watched]
    assert (found.color, found.kind) == (subject.color, subject.kind)


def test_a_subject_that_never_came_back_is_not_found() -> None:
    case = seen_case(cases("behind", 1, "tests")[0], FPS)
    alone = dataclasses.replace(case.scene, subjects=case.scene.subjects[:1])
    gone = render([alone], frames=33, fps=FPS, width=64, height=64)[0]
    assert not find(at_moments(gone, case, FPS), case).there.any()


def test_a_subject_elsewhere_in_another_colour_is_found_there() -> None:
    case = seen_case(cases("motion", 1, "tests")[0], FPS)
    (one,) = case.scene.subjects
    other = dataclasses.replace(one, y=one.y + 0.12, color="green" if one.color != "green" else "red")
    moved = dataclasses.replace(case, scene=dataclasses.replace(case.scene, subjects=(other,)))
    found = find(at_moments(clip(moved), case, FPS), case)
    assert found.there.all()
    assert found.off[:, 1].mean() == pytest.approx(0.12, abs=0.02)
    assert found.color == other.color


def test_subjects_go_out_of_sight_and_come_back() -> None:
    for bar in ("beyond", "around"):
        for case in cases(bar, 6, "tests"):
            path = subject_path(case.scene.subjects, (torch.arange(33) / FPS)[None], 1.0)
            hidden = (path.x[0] < -0.12) | (path.x[0] > 1.12)
            back = torch.tensor(case.at) * FPS
            assert not hidden[: round(physics.GIVEN * FPS)].any()
            assert hidden.sum() >= 2
            assert (path.x[0][back.round().long()] - 0.5).abs().max() < 0.5
    assert cases("behind", 6) == cases("behind", 6)


def test_a_row_for_every_question_with_the_toy_model(settings: Settings) -> None:
    found = evaluate_physics(model="toy", settings=settings, only=("motion", "around"), limit=1)
    said = {row["what"] for row in found["rows"]}
    assert {"there again", "there again, its color kept", "off its place, 1 to 2 s: straight on"} <= said
    with pytest.raises(BadInput, match="no bar"):
        evaluate_physics(model="toy", settings=settings, only=("nothing",))
