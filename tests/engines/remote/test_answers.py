"""Answers in other shapes than expected: a job that may have been paid is not begun on a second server."""

from __future__ import annotations

from typing import Any

import pytest

from hinode.errors import BadInput
from tests.engines.remote.fleet import Fleet, steps
from tests.engines.remote.stubs import Answer, Stub


def assert_first_makes_it(fleet: Fleet, first: Stub, second: Stub) -> None:
    """Run to the end; no other server gets the job."""
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.read_as.startswith("made by s1")
    assert (len(first.creations()), second.creations()) == (1, [])


@pytest.mark.parametrize(
    "answer", [{"id": 123, "status": "queued"}, {"id": "video_1", "status": "Validating"}], ids=str
)
def test_a_job_that_can_be_followed_is_followed(fleet: Fleet, answer: dict[str, Any]) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.overrides["create"].append(Answer(200, answer))
    first.jobs[str(answer["id"])] = {"polls": 0}
    first.size = (64, 48)
    assert_first_makes_it(fleet, first, second)


@pytest.mark.parametrize("word", ["In Progress", "in-progress", "moderating"])
def test_an_unknown_status_counts_as_work(fleet: Fleet, word: str, caplog: pytest.LogCaptureFixture) -> None:
    first, second = fleet.add("openai", lost_seconds=3), fleet.add("openai")
    first.statuses = [(word, 0)] * 20 + [("Completed", 100)]
    assert_first_makes_it(fleet, first, second)
    assert caplog.text.count("unknown status") == (word == "moderating")


@pytest.mark.parametrize("progress", ["40%", "40", 40.0])
def test_progress_may_be_a_text(fleet: Fleet, progress: object) -> None:
    stub = fleet.add("openai")
    stub.extra, stub.statuses = {"progress": progress}, [("in_progress", 0), ("completed", 0)]
    assert 40 in [step.done for step in steps(fleet.start()) if step.stage == "sample"]


@pytest.mark.parametrize(
    "error",
    [
        "content_policy_violation",
        {"error": {"code": "moderation_blocked"}},
        [{"type": "content_filter"}],
        {"code": None, "message": "rejected by the safety system (moderation_blocked)"},
    ],
    ids=str,
)
def test_a_refusal_of_any_shape_is_final(fleet: Fleet, error: Any) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.statuses, first.error = [("failed", 0)], error
    with pytest.raises(BadInput, match="does not make such videos"):
        steps(fleet.start())
    assert second.creations() == []


def test_a_checker_that_fails_is_no_refusal(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.statuses, first.error = [("failed", 0)], {"message": "the safety checker ran out of memory"}
    steps(fleet.start())
    assert len(second.creations()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, {"error": "the token has expired"}),
        Answer(403, b"<html>a firewall</html>"),
        Answer(302, b"", {"Location": "/maintenance"}),
        Answer(400, b""),
        Answer(200, b"<html>maintenance</html>"),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_strange_answer_about_a_job_may_pass(fleet: Fleet, answer: Answer) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.overrides["status"].extend([answer] * 3)
    assert_first_makes_it(fleet, first, second)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"}),
        Answer(200, {"status": "processing"}, {"Content-Type": "application/json"}),
        Answer(200, b""),
        Answer(404, {"error": "not ready"}),
        Answer(403, b"<Error>expired</Error>"),
    ],
    ids=lambda answer: f"{answer.status}-{str(answer.body)[:12]}",
)
def test_a_file_that_is_not_there_yet_is_asked_for_again(fleet: Fleet, answer: Answer) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.overrides["content"].extend([answer] * 2)
    assert_first_makes_it(fleet, first, second)


@pytest.mark.parametrize("dialect", ["openai", "sglang"])
def test_an_address_that_has_expired_is_asked_for_again(fleet: Fleet, dialect: str) -> None:
    first, second = fleet.add(dialect), fleet.add("openai")
    address = f"{second.url}/bucket/a.mp4"
    second.size = (64, 48)
    second.overrides["file"].append(Answer(403, b"<Error>Request has expired</Error>"))
    answer = Answer(302, b"", {"Location": address}) if dialect == "openai" else Answer(400, {"detail": "no"})
    first.overrides["content"].extend([answer] * 2)
    first.extra = {"url": address} if dialect == "sglang" else {}
    assert_first_makes_it(fleet, first, second)
