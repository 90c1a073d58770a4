"""A job moves if its server has not begun it; what else a server makes is the loss of the operator."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hinode.errors import BadInput, EngineError, ModelError, NotAccepted
from tests.engines.remote.fleet import REQUEST, Fleet, steps
from tests.engines.remote.stubs import Answer, Stub

NAMED = dataclasses.replace(REQUEST, model="wan@s1")


def answer_lists(stub: Stub, *jobs: dict[str, Any], count: int = 40) -> None:
    """Answer so many lists of jobs. Their path has no id, so the stub counts them as status requests."""
    entries = [{"created_at": 1000, "prompt": REQUEST.prompt, "status": "queued", **job} for job in jobs]
    stub.overrides["status"].extend([Answer(200, {"object": "list", "data": entries})] * count)


def test_a_job_whose_creation_was_not_answered_is_in_the_list(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    first.overrides["create"].append(Answer(504))
    first.jobs["video_7"] = {"polls": 0}
    first.size, first.count = (64, 48), 8
    others = {"id": "video_6", "prompt": "a boat"}, {"id": "video_5", "created_at": 1}
    answer_lists(first, {"id": "video_7"}, *others, count=1)
    run = fleet.start()
    steps(run)
    assert (len(first.creations()), second.received) == (1, [])
    assert (run.clip().provenance.provider, run.clip().provenance.losses) == ("s1", ())


def test_a_job_that_the_list_lacks_moves_without_a_loss(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    first.overrides["create"].append(Answer(504))
    answer_lists(first, {"id": "video_6", "prompt": "a boat"})
    began = fleet.clock.now
    run = fleet.start()
    steps(run)
    assert fleet.clock.now - began >= 30  # the claim is held for so long
    assert (len(first.creations()), len(second.creations())) == (1, 1)
    assert run.clip().provenance.losses == ()


def test_a_job_of_another_request_is_not_taken_over(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    engine = fleet.engine()
    engine.pool.health("s1").record_job("video_6")
    first.overrides["create"].append(Answer(504))
    answer_lists(first, {"id": "video_6"})
    steps(engine.start(REQUEST))
    assert len(second.creations()) == 1


def test_an_unknown_job_of_a_server_with_a_price_is_not_paid_twice(fleet: Fleet) -> None:
    first, second = fleet.add("sglang", prices={"wan": 0.1}), fleet.add("sglang")
    first.overrides["create"].append(Answer(504))
    with pytest.raises(EngineError, match="nobody can say whether it did") as caught:
        steps(fleet.start())
    assert caught.value.final
    assert second.received == []


def test_a_hinode_that_refuses_the_repeated_request_has_not_begun_it(fleet: Fleet) -> None:
    first, second = fleet.add("hinode"), fleet.add("sglang")
    first.overrides["create"].extend([Answer(504), Answer(429)])
    run = fleet.start()
    steps(run)
    assert len({creation.headers["idempotency-key"] for creation in first.creations()}) == 1
    assert len(second.creations()) == 1
    assert run.clip().provenance.losses == ()


def test_a_clip_that_arrives_after_the_move_is_a_loss(fleet: Fleet, caplog: Any) -> None:
    first, second = fleet.add("sglang", lost_seconds=5), fleet.add("sglang")
    first.overrides["status"].extend([Answer(502)] * 6)
    first.statuses = [("completed", 100)]
    run = fleet.start()
    steps(run)
    (loss,) = run.clip().provenance.losses
    assert (loss["provider"], loss["job"], loss["delivered"]) == ("s1", "video_1", True)
    assert run.clip().provenance.provider == "s2"
    assert len(second.creations()) == 1
    assert "upstream s1 finished a clip too late" in caplog.text


def test_a_paid_clip_is_waited_for_and_its_loss_has_its_price(fleet: Fleet) -> None:
    first = fleet.add("openai", prices={"wan": 0.1}, lost_seconds=5, whole_seconds=60)
    second = fleet.add("sglang")
    first.overrides["status"].extend([Answer(502)] * 20)
    steps(fleet.start())
    assert second.received == []  # the first was silent for longer than `lost_seconds`
    first.statuses = [("in_progress", 50)]
    run = fleet.start()
    steps(run)
    (loss,) = run.clip().provenance.losses
    assert loss["price"] == pytest.approx(0.1)
    assert not loss["delivered"]


@pytest.mark.parametrize(("status", "final"), [(429, False), (500, False), (401, False), (400, True)])
def test_a_server_that_is_named_is_asked_once(fleet: Fleet, status: int, final: bool) -> None:
    first, second = fleet.add("sglang"), fleet.add("sglang")
    first.overrides["create"].append(Answer(status))
    with pytest.raises(NotAccepted) as caught:
        steps(fleet.engine().start(NAMED))
    assert caught.value.final is final
    assert second.received == []
    run = fleet.start(model="wan@s2")
    steps(run)
    assert (run.clip().provenance.model, run.clip().provenance.provider) == ("wan@s2", "s2")


def test_a_named_server_without_a_place_has_not_begun_the_job(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    engine = fleet.engine()
    permit = engine.pool.semaphore(engine.start(NAMED).servers[0]).acquire()
    assert permit is not None
    with permit, pytest.raises(NotAccepted, match="no free place"):
        steps(engine.start(NAMED))
    stub.close()
    with pytest.raises(NotAccepted, match="could not be reached"):
        steps(engine.start(NAMED))


def test_names_and_prices_are_checked(fleet: Fleet) -> None:
    fleet.add("sglang", models={"wan": "x", "other": "y"})
    assert fleet.engine().capabilities("wan@s1").model == "wan@s1"
    for model in ("wan@s2", "nothing@s1"):
        with pytest.raises(BadInput, match="there is no model"):
            fleet.engine().capabilities(model)
    fleet.add("sglang", prices={"wam": 0.1})
    with pytest.raises(ModelError, match="has a price and no model 'wam'"):
        fleet.engine().capabilities()
