"""The queue of a project: what runs and waits, pause, order, cancel and retry."""

from __future__ import annotations

from typing import Any

import pytest

from hinode.errors import EngineError
from hinode.jobs.job import Job
from tests.api.conftest import CheckError, Clock, Server, picture


@pytest.fixture
def server(fresh_server: Server) -> Server:
    return fresh_server


def waiting(queue: dict[str, Any]) -> list[str]:
    return [entry["video"]["id"] for entry in queue["waiting"]]


def test_the_queue(server: Server) -> None:
    server.context.forecast.remaining = lambda job, now: 12.0  # type: ignore[method-assign]
    first, second = server.create(), server.create()
    store = server.context.store
    worker = store.register_worker("here", 1, ["testcard"])
    lease = store.claim(worker, host="here")
    assert lease is not None
    queue = server.client.get("/v1/queue").json()
    running = server.client.get(f"/v1/videos/{first['id']}").json()
    assert queue["object"] == "queue"
    assert queue["running"] == [{"video": running, "worker": worker, "eta_seconds": 12.0}]
    entry = {"video": second, "position": 1, "reason": "waiting for a worker", "eta_seconds": 12.0}
    assert queue["waiting"] == [entry]
    assert queue["workers"] == [
        {
            "id": worker,
            "host": "here",
            "engines": ["testcard"],
            "resident": ["testcard/testcard"],
            "busy": True,
            "job": first["id"],
            "draining": False,
            "seen_at": queue["workers"][0]["seen_at"],
        }
    ]
    assert queue["counts"] == {"running": 1, "waiting": 1, "workers": 1}
    other = server.client.get("/v1/queue", headers=server.other_project()).json()
    assert (other["running"], other["waiting"], other["workers"][0]["job"]) == ([], [], None)

    def fail(job: Job, now: float) -> float:
        raise EngineError("the model is gone")

    server.context.forecast.remaining = fail  # type: ignore[method-assign]
    assert server.client.get("/v1/queue").json()["running"][0]["eta_seconds"] is None
    # One call cancels, whatever the state.
    cancelled = server.client.post(f"/v1/videos/{second['id']}/cancel").json()
    assert cancelled["error"]["code"] == "cancelled"
    assert server.client.post(f"/v1/videos/{first['id']}/cancel").json()["cancel_requested"]
    beat = store.heartbeat(lease, stage="sample", progress=1, preview=0, slice_seconds=15, ran_for=0)
    assert beat.cancel
    store.acknowledge_cancel(lease)
    assert server.client.get("/v1/queue").json()["counts"] == {"running": 0, "waiting": 0, "workers": 1}


def test_pause_and_order(server: Server, check_error: CheckError) -> None:
    a, b, c = (server.create()["id"] for _ in range(3))
    paused = server.client.post("/v1/queue/pause").json()
    assert paused["paused"]
    assert {entry["reason"] for entry in paused["waiting"]} == {"paused"}
    assert server.run_jobs() == 0
    assert waiting(server.client.post("/v1/queue/order", json={"id": c, "before": a}).json()) == [c, a, b]
    assert waiting(server.client.post("/v1/queue/order", json={"id": c, "before": None}).json()) == [a, b, c]
    assert waiting(server.client.post("/v1/queue/order", json={"id": b, "before": a}).json()) == [b, a, c]
    assert not server.client.post("/v1/queue/resume").json()["paused"]
    assert server.run_jobs(1) == 1
    assert server.client.get(f"/v1/videos/{b}").json()["status"] == "completed"
    body = {"id": b, "before": a}
    response = server.client.post("/v1/queue/order", json=body)
    assert check_error(response, 409)["code"] == "video_not_waiting"
    assert response.headers["x-should-retry"] == "false"
    check_error(server.client.post("/v1/queue/order", json=body, headers=server.other_project()), 404, "id")
    check_error(server.client.post("/v1/queue/order", json={"id": "video_0"}), 404, "id")
    check_error(server.client.post("/v1/queue/order", json={"id": a, "before": "\x00"}), 404, "before")
    check_error(server.client.post("/v1/queue/order", json={"before": a}), 400, "id")
    check_error(server.client.get("/v1/queue", params={"limit": 501}), 400, "limit")


def test_retry(server: Server, check_error: CheckError, clock: Clock) -> None:
    data = {"prompt": "a kite", "size": "64x36", "seconds": "1", "seed": "9"}
    files = {"input_reference": ("a.png", picture(), "image/png")}
    failed = server.client.post("/v1/videos", data=data, files=files).json()
    address = f"/v1/videos/{failed['id']}/retry"
    assert check_error(server.client.post(address), 409)["code"] == "video_not_failed"
    server.client.post(f"/v1/videos/{failed['id']}/cancel")
    again = server.client.post(address, headers={"idempotency-key": "1"}).json()
    assert again["id"] != failed["id"]
    for name in ("prompt", "seed", "size", "seconds", "model", "operation"):
        assert again[name] == failed[name]
    assert server.client.post(address, headers={"idempotency-key": "1"}).json() == again
    assert server.run_jobs() == 1
    assert server.client.get(f"/v1/videos/{again['id']}").json()["status"] == "completed"
    check_error(server.client.post(address, headers=server.other_project()), 404, "video_id")
    check_error(server.client.post(f"/v1/videos/{again['id']}/retry"), 409)
    clock.now += 2 * 86_400  # the picture of a video that failed is kept for a day
    server.context.store.expire()
    error = check_error(server.client.post(address), 404, "video_id")
    assert error["message"] == "The first frame of this video has expired; send it again."
