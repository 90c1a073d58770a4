"""A pool of own workers and providers behind one name, from the request to the record of the video."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hinode.api.catalogue import Catalogue
from hinode.engines.remote.health import HealthFile
from hinode.engines.remote.upstreams import read
from hinode.errors import ModelError
from tests.api.conftest import CheckError, Server
from tests.engines.remote.fleet import Fleet
from tests.engines.remote.stubs import Answer

POOL = """
[pool.film]
second_price = 0.0
[[pool.film.member]]
model = "remote/wan"
[[pool.film.member]]
model = "testcard/testcard"
price = {price}
"""
HOSTED = '[pool.hosted]\nmember = [{model = "remote/wan"}]\n'


@pytest.fixture
def providers(fresh_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Two providers, the first cheaper, and a pool of them and own workers, which cost the most."""
    fleet = Fleet(fresh_server.context.settings.home)
    fleet.model += "first_frame = false\n"  # so that nothing continues its clips
    monkeypatch.setenv("STUB_KEY", "sk-secret-9f3a")
    fleet.add("sglang", prices={"wan": 0.1}, poll_seconds=0.05)
    fleet.add("vllm-omni", prices={"wan": 0.2}, poll_seconds=0.05)
    fleet.engine()
    write_pools(fleet, 0.3)
    yield fleet
    for stub in fleet.stubs:
        stub.close()


def write_pools(fleet: Fleet, price: float) -> None:
    (fleet.home / "pools.toml").write_text(POOL.format(price=price) + HOSTED)


def create(server: Server, **fields: Any) -> dict[str, Any]:
    """Submit a video of the size and the length that the stubs answer with."""
    return server.create(**{"model": "film", "size": "64x48", "fps": 8, **fields})


def get(server: Server, video: dict[str, Any]) -> dict[str, Any]:
    return dict(server.client.get(f"/v1/videos/{video['id']}").json())


def models(video: dict[str, Any]) -> list[str]:
    return [route["model"] for route in video["routing"]["routes"]]


def restrict(server: Server, local_only: bool = True) -> None:
    context = server.context
    context.tenants.change_project(server.project_id, local_only=local_only)


def creations(fleet: Fleet) -> list[int]:
    return [len(stub.creations()) for stub in fleet.stubs]


def test_the_cheapest_member_makes_the_video_and_the_record_says_why(
    fresh_server: Server, providers: Fleet
) -> None:
    video = create(fresh_server)
    assert models(video) == ["wan@s1", "wan@s2", "testcard"]
    assert video["routing"]["routes"][0]["reason"].startswith("costs 0.1000 USD: price 0.1000")
    assert video["model"] == "film"
    fresh_server.run_jobs()
    video = get(fresh_server, video)
    assert video["status"] == "completed"
    assert (video["making"]["model"], video["making"]["provider"]) == ("wan@s1", "s1")
    assert video["routing"]["moves"] == []
    assert "film" in [entry["id"] for entry in fresh_server.client.get("/v1/models").json()["data"]]


def test_a_refusal_moves_the_job_and_the_record_shows_who_delivered(
    fresh_server: Server, providers: Fleet
) -> None:
    first, second = providers.stubs
    first.overrides["create"].append(Answer(429))
    second.overrides["create"].append(Answer(400))
    video = create(fresh_server)
    assert fresh_server.run_jobs() == 3
    video = get(fresh_server, video)
    assert video["status"] == "completed", video
    assert creations(providers) == [1, 1]
    assert video["making"]["engine"] == "testcard"
    assert video["making"]["provider"] is None
    moves = video["routing"]["moves"]
    assert [(move["from"], move["to"]) for move in moves] == [
        ("remote/wan@s1", "remote/wan@s2"),
        ("remote/wan@s2", "testcard/testcard"),
    ]
    assert "has too much to do" in moves[0]["reason"]
    assert [route["refused"] for route in video["routing"]["routes"]] == [False, True, False]


def test_an_unknown_outcome_moves_nothing(fresh_server: Server, providers: Fleet) -> None:
    providers.stubs[0].overrides["create"].append(Answer(504))
    video = create(fresh_server)
    fresh_server.run_jobs()
    video = get(fresh_server, video)
    assert video["status"] == "failed"
    assert "nobody can say whether it did" in video["error"]["message"]
    assert creations(providers) == [1, 0]


def test_jobs_that_wait_at_a_member_count(fresh_server: Server, providers: Fleet) -> None:
    content = HOSTED.replace("[pool.hosted]", "[pool.hosted]\nsecond_price = 1.0")
    (providers.home / "pools.toml").write_text(content)
    orders = [models(create(fresh_server, model="hosted")) for _ in range(3)]
    assert [order[0] for order in orders] == ["wan@s1", "wan@s2", "wan@s1"]


def test_a_failure_after_acceptance_moves_a_job_only_if_nobody_is_paid(
    fresh_server: Server, providers: Fleet
) -> None:
    providers.stubs[0].statuses = [("failed", 0)]
    paid = create(fresh_server)
    fresh_server.run_jobs()
    paid = get(fresh_server, paid)
    assert paid["status"] == "failed"
    assert "did not deliver it" in paid["error"]["message"]
    rack = providers.add("sglang", poll_seconds=0.05)
    rack.statuses = [("failed", 0)]
    providers.engine()
    fresh_server.context.catalogue._cache.clear()
    providers.stubs[0].statuses = [("completed", 100)]
    video = create(fresh_server)
    assert models(video)[0] == "wan@s3"
    fresh_server.run_jobs()
    video = get(fresh_server, video)
    assert video["making"]["provider"] == "s1"
    assert creations(providers) == [2, 0, 1]
    rack.overrides["create"].append(Answer(504))
    video = create(fresh_server)
    fresh_server.run_jobs()
    assert "may make the video in vain" in get(fresh_server, video)["routing"]["moves"][0]["reason"]


def test_a_drained_provider_is_last_and_its_waiting_jobs_move(fresh_server: Server, providers: Fleet) -> None:
    waiting = create(fresh_server)
    health = HealthFile(providers.home / "upstreams", "s1", fresh_server.context.clock)
    for _ in range(10):
        health.record(False)
    video = create(fresh_server)
    assert models(video) == ["wan@s2", "testcard", "wan@s1"]
    assert video["routing"]["routes"][2]["condition"] == "drained"
    metrics = fresh_server.client.get("/metrics").text
    assert 'hinode_upstream_drained{upstream="s1"} 1.0' in metrics
    assert 'hinode_upstream_burn_rate{upstream="s1",window="5m"} 20.0' in metrics
    assert read(providers.home).servers[0].cool_seconds == 30
    fresh_server.run_jobs(limit=1)
    assert get(fresh_server, waiting)["routing"]["moves"][0]["to"] == "remote/wan@s2"
    assert creations(providers)[0] == 0


def test_nothing_of_a_local_only_project_goes_to_a_provider(
    fresh_server: Server, providers: Fleet, check_error: CheckError
) -> None:
    restrict(fresh_server)
    video = create(fresh_server)
    assert models(video) == ["testcard"]
    rejected = {(route["model"], route["reason"]) for route in video["routing"]["rejected"]}
    assert rejected == {("wan@s1", "the project is local-only"), ("wan@s2", "the project is local-only")}
    fresh_server.run_jobs()
    source = get(fresh_server, video)
    body = {"prompt": "a red kite", "size": "64x48", "seconds": "1"}
    post = fresh_server.client.post
    for model in ("hosted", "remote/wan", "remote/wan@s1", "wan"):
        error = check_error(post("/v1/videos", json={**body, "model": model}), 400, "model")
        assert error["code"] == "local_only"
        assert "made by own workers only" in error["message"]
    extension = {"prompt": "on", "seconds": "1", "video": {"id": source["id"]}, "model": "remote/wan"}
    check_error(post("/v1/videos/extensions", json=extension), 400, "model")
    shots = [{"prompt": "a red kite", "seconds": 1}, {"prompt": "a boat", "seconds": 1}]
    check_error(
        post("/v1/videos/storyboards", json={"shots": shots, "size": "64x48", "model": "wan"}), 400, "model"
    )
    assert [stub.received for stub in providers.stubs] == [[], []]


def test_a_line_of_a_batch_of_a_local_only_project_is_refused(fresh_server: Server, providers: Fleet) -> None:
    restrict(fresh_server)
    body = {"prompt": "a red kite", "size": "64x48", "seconds": "1", "model": "hosted"}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": body}
    client = fresh_server.openai()
    upload = client.files.create(file=("b.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=upload.id, endpoint="/v1/videos", completion_window="24h")  # type: ignore[call-overload]
    for _ in range(4):
        fresh_server.context.batches.advance(fresh_server.context.clock())
        fresh_server.run_jobs()
    batch = client.batches.retrieve(batch.id)
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (0, 1)
    assert [stub.received for stub in providers.stubs] == [[], []]


def test_jobs_that_wait_when_a_project_becomes_local_only_stay_in_the_house(
    fresh_server: Server, providers: Fleet
) -> None:
    pooled, hosted = create(fresh_server), create(fresh_server, model="hosted")
    restrict(fresh_server)
    assert fresh_server.run_jobs() == 0  # even before anybody has looked after them
    fresh_server.context.store.give_up()
    assert fresh_server.run_jobs() == 1
    assert get(fresh_server, pooled)["making"]["engine"] == "testcard"
    assert get(fresh_server, hosted)["error"]["code"] == "local_only"
    assert creations(providers) == [0, 0]


def test_a_request_that_only_some_members_can_carry_out(
    fresh_server: Server, providers: Fleet, check_error: CheckError
) -> None:
    video = create(fresh_server, seconds="30")
    assert models(video) == ["testcard"]
    assert len(video["routing"]["rejected"]) == 2
    body = {"prompt": "a red kite", "size": "64x48", "seconds": "30", "model": "hosted"}
    error = check_error(fresh_server.client.post("/v1/videos", json=body), 400, "model")
    assert "no model of the pool hosted can make this video" in error["message"].lower()


def test_a_failed_video_is_retried_in_its_pool(fresh_server: Server, providers: Fleet) -> None:
    for stub in providers.stubs:
        stub.overrides["create"].append(Answer(400))
    video = create(fresh_server, model="hosted")
    fresh_server.run_jobs()
    video = get(fresh_server, video)
    assert video["error"]["code"] == "not_accepted"
    response = fresh_server.client.post(f"/v1/videos/{video['id']}/retry")
    assert response.status_code == 200, response.text
    again = response.json()
    fresh_server.run_jobs()
    assert get(fresh_server, again)["making"]["provider"] == "s1"


def test_a_pool_may_have_the_name_of_sora_and_an_alias(fresh_server: Server, providers: Fleet) -> None:
    catalogue = fresh_server.context.catalogue
    assert catalogue.find("sora-2").pool is None  # HINODE_MODELS names another model
    aliases = {"sora-2-pro": "film"}
    catalogue = Catalogue(dataclasses.replace(catalogue.settings, aliases=aliases), catalogue.clock)
    pool = catalogue.find("sora-2-pro").pool
    assert pool is not None
    assert pool.name == "film"
    (providers.home / "pools.toml").write_text('[pool.sora-2]\nmember = [{model = "remote/wan"}]\n')
    for name in ("sora-2", "sora-2-2025-10-06"):
        pool = catalogue.find(name).pool
        assert pool is not None
        assert pool.name == "sora-2"


def test_a_wrong_file_is_named(fresh_server: Server, providers: Fleet, check_error: CheckError) -> None:
    body = {"prompt": "a red kite", "model": "film"}
    for content, words in (
        ('[pool.film]\nmember = [{model = "remote/wam"}]\n', "no server in upstreams.toml has"),
        ('[pool.film]\nmember = [{model = "remote/wan", price = 1}]\n', "has a price for remote/wan"),
        ('[pool.film]\nmember = [{model = "nothing/wan"}]\n', "has no engine for"),
        ("[pool.film]\nmember = []\n", "pools.toml"),
    ):
        (providers.home / "pools.toml").write_text(content)
        fresh_server.context.catalogue._cache.clear()
        response = fresh_server.client.post("/v1/videos", json=body)
        assert response.status_code >= 400
        with pytest.raises(ModelError, match=words):
            fresh_server.context.catalogue.find("film")
        assert fresh_server.context.catalogue.find("testcard/testcard").pool is None
