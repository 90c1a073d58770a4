"""Every door that can cost money: none of them admits a job of free use beyond the limit of loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hinode.api.catalogue import Model
from hinode.jobs.states import Priority, Status
from hinode.money.budgets import Period
from tests.api.conftest import SMALL, Server
from tests.api.routes.test_credits import PRICES

MADE = {"Video", "VideoGroup"}
"""Objects in the answer of a route that makes a job."""
CALLED_OFF = "/v1/videos/{video_id}/cancel"
IN_THE_BACKGROUND = "/v1/batches"
"""Its lines are submitted later, see tests/jobs/test_billing.py."""


def doors(server: Server) -> dict[str, tuple[str, dict[str, Any]]]:
    """The routes that make a job, each with an address and a body that it would accept."""
    client = server.client
    video = server.render()["id"]
    cancelled = server.create()["id"]
    client.post(f"/v1/videos/{cancelled}/cancel")
    shot = {"id": "a", "title": "A", "prompt": "a kite", "frames": 12}
    document = {"fps": "12", "size": SMALL, "model": "testcard/testcard", "shots": [shot]}
    board = client.post("/v1/storyboards", json={"title": "A film", "document": document}).json()["id"]
    take = client.post(f"/v1/storyboards/{board}/shots/a/render", json={}).json()["id"]
    server.run_jobs()
    client.post(f"/v1/storyboards/{board}/shots/a/take", json={"video_id": take})
    server.context.tenants.change_project(server.project_id, feed_enabled=True)
    post = client.post("/v1/feed", json={"video_id": video, "caption": ""}).json()["id"]
    one, clip = {"id": video}, {"prompt": "a blue kite", "size": SMALL, "seconds": "1"}
    return {
        "/v1/videos": ("videos", clip),
        "/v1/videos/edits": ("videos/edits", {"prompt": "a blue kite", "video": one}),
        "/v1/videos/extensions": ("videos/extensions", {"prompt": "on", "seconds": "1", "video": one}),
        "/v1/videos/{video_id}/remix": (f"videos/{video}/remix", {"prompt": "a blue kite"}),
        "/v1/videos/{video_id}/retry": (f"videos/{cancelled}/retry", {}),
        "/v1/videos/{video_id}/reframe": (f"videos/{video}/reframe", {"size": "20x36"}),
        "/v1/videos/{video_id}/finish": (f"videos/{video}/finish", {}),
        "/v1/videos/loops": ("videos/loops", clip),
        "/v1/videos/blends": ("videos/blends", {"videos": [one, one], "seconds": 0.5}),
        "/v1/videos/retakes": ("videos/retakes", {"video": one, "prompt": "a fish", "from": 0.5}),
        "/v1/videos/recuts": ("videos/recuts", {"video": one, "prompt": "a fish", "to": 0.5, "after": 0.5}),
        "/v1/videos/storyboards": (
            "videos/storyboards",
            {"shots": [{"prompt": "a kite", "seconds": 1}], "size": SMALL},
        ),
        "/v1/storyboards/{storyboard_id}/shots/{shot_id}/render": (
            f"storyboards/{board}/shots/a/render",
            {},
        ),
        "/v1/storyboards/{storyboard_id}/film": (f"storyboards/{board}/film", {}),
        "/v1/feed/{post_id}/remix": (f"feed/{post}/remix", {"prompt": "a blue kite"}),
    }


def routes_that_make(server: Server) -> set[str]:
    """The addresses whose answer to POST is a video, by OpenAPI."""
    found = set()
    for path, methods in server.client.get("/openapi.json").json()["paths"].items():
        text = str(methods.get("post", {}).get("responses", {}).get("200", ""))
        if any(f"schemas/{name}'" in text for name in MADE) and path != CALLED_OFF:
            found.add(path)
    return found


@pytest.mark.slow
def test_no_door_admits_a_job_beyond_the_limit_of_loss(
    fresh_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fresh_server
    find = server.context.catalogue.find

    def with_profiles(name: str | None) -> Model:
        model = find(name)
        return replace(model, engine_capabilities=replace(model.engine_capabilities, profiles=("best",)))

    monkeypatch.setattr(server.context.catalogue, "find", with_profiles)
    (server.context.settings.home / "prices.yaml").write_text(PRICES)
    listed = doors(server)
    assert set(listed) == routes_that_make(server)
    server.context.economics.set_loss_limit("budget_1", Period.DAY, 0)
    answers = {name: server.client.post(f"/v1/{path}", json=body) for name, (path, body) in listed.items()}
    assert {name: answer.text for name, answer in answers.items() if answer.status_code != 402} == {}
    for answer in answers.values():
        assert answer.json()["error"]["code"] == "budget_exceeded"
        assert "ask whoever runs it for credit" in answer.json()["error"]["message"]
    jobs = server.context.store.counts().jobs
    assert not any(jobs.get((Status.QUEUED, priority)) for priority in Priority)
