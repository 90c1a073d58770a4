"""The search finds what is rendered, and does not find what is absent or hidden; rows of the suite."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hinode.errors import BadInput
from hinode.evaluation.physics import evaluate_physics, search
from hinode.evaluation.physics.cases import CONTEXT_SECONDS, METRICS, Case, make_cases
from hinode.evaluation.physics.search import find
from hinode.evaluation.physics.suite import frames_at
from hinode.settings import Settings
from hinode.world.motion import subject_path
from hinode.world.render import render

FPS = 8.0


def first_case(metric: str) -> Case:
    return make_cases(metric, 1, "tests")[0].snapped(FPS)


def true_clip(case: Case) -> Tensor:
    """[33, 3, 64, 64]"""
    return render([case.scene], frames=33, fps=FPS, width=64, height=64)[0]


@pytest.mark.parametrize("metric", METRICS)
def test_in_true_frames_the_subject_is_at_its_place(metric: str) -> None:
    case = first_case(metric)
    finding = find(frames_at(true_clip(case), case, FPS), case)
    assert torch.tensor(finding["off"]).abs().max() <= search.GRIDS[-1]
    assert all(finding["there"])
    subject = case.scene.subjects[case.watched]
    assert (finding["color"], finding["kind"]) == (subject.color, subject.kind)


def test_a_subject_that_never_comes_back_is_absent() -> None:
    case = first_case("behind")
    single = dataclasses.replace(case.scene, subjects=case.scene.subjects[:1])
    clip = render([single], frames=33, fps=FPS, width=64, height=64)[0]
    assert not any(find(frames_at(clip, case, FPS), case)["there"])


def test_a_subject_at_another_place_in_another_colour_is_found_there() -> None:
    case = first_case("motion")
    (subject,) = case.scene.subjects
    color = "green" if subject.color != "green" else "red"
    other = dataclasses.replace(subject, y=subject.y + 0.12, color=color)
    shifted = dataclasses.replace(case, scene=dataclasses.replace(case.scene, subjects=(other,)))
    finding = find(frames_at(true_clip(shifted), case, FPS), case)
    assert all(finding["there"])
    assert torch.tensor(finding["off"])[:, 1].mean() == pytest.approx(0.12, abs=0.02)
    assert finding["color"] == color


def test_subjects_go_out_of_sight_and_come_back() -> None:
    for metric in ("beyond", "around"):
        for case in make_cases(metric, 6, "tests"):
            path = subject_path(case.scene.subjects, (torch.arange(33) / FPS)[None], 1.0)
            hidden = (path.x[0] < -0.12) | (path.x[0] > 1.12)
            back = torch.tensor(case.at) * FPS
            assert not hidden[: round(CONTEXT_SECONDS * FPS)].any()
            assert hidden.sum() >= 2
            assert (path.x[0][back.round().long()] - 0.5).abs().max() < 0.5
    assert make_cases("behind", 6) == make_cases("behind", 6)


def test_every_question_has_a_row(settings: Settings, tmp_path: Path) -> None:
    options = {"model": "toy", "settings": settings, "only": ("motion", "around"), "limit": 1}
    result = evaluate_physics(**options, keep=tmp_path)
    questions = {row["what"] for row in result["rows"]}
    assert {"there again", "there again, its color kept", "off its place, 1 to 2 s: straight on"} <= questions
    assert evaluate_physics(**options, keep=tmp_path) == result  # from the stored records


def test_an_unknown_metric_is_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="there is no metric 'nothing'; choose from motion, behind") as caught:
        evaluate_physics(model="toy", settings=settings, only=("nothing",))
    assert caught.value.field == "only"
