"""What may be uploaded: guards that see people, and the review of each file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from hinode.clip import Frames
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.trust.screening import equipment
from tests.api.conftest import SMALL, CheckError, Clock, Server
from tests.api.routes.test_consents import data_url


class SeesRed:
    """A guard for which everything red is a person, and which cannot judge what is blue."""

    name = "sees-red"

    def shows_person(self, frames: Frames) -> bool:
        red, _, blue = frames.mean((0, 1, 2))
        if blue > 128:
            raise RuntimeError("no answer")
        return bool(red > 128)


@pytest.fixture
def installed_guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`SeesRed` as another distribution brings it."""
    points = [EntryPoint("people", f"{__name__}:SeesRed", equipment.ENTRY_POINTS)]
    monkeypatch.setattr(equipment, "entry_points", lambda group: points)
    equipment._equip.cache_clear()
    yield
    equipment._equip.cache_clear()


@pytest.fixture
def inputs(server: Server) -> Iterator[Any]:
    """The inputs of the server, whose policy a test may change."""
    before = server.context.inputs.policy
    yield server.context.inputs
    server.context.inputs.policy = before


def request(color: tuple[int, int, int]) -> dict[str, Any]:
    return {"prompt": "a kite", "size": SMALL, "seconds": "1", "input_reference": data_url(color)}


def test_a_guard_that_sees_a_person_refuses_the_upload(
    server: Server, check_error: CheckError, installed_guard: None
) -> None:
    red = (200, 9, 9)
    refused = server.client.post("/v1/videos", json=request(red))
    assert check_error(refused, 403, "input_reference")["code"] == "person_without_consent"
    # A character that is a person needs a consent instead.
    person = {"name": "Ada", "image": data_url(red), "person": True}
    assert server.client.post("/v1/characters", json=person).status_code == 200
    other = {"name": "Ada", "image": data_url(red)}
    check_error(server.client.post("/v1/characters", json=other), 403, "image")
    assert server.client.post("/v1/videos", json=request((9, 9, 9))).status_code == 200
    # A guard that fails closes the gate.
    silent = server.client.post("/v1/videos", json=request((9, 9, 200)))
    assert "cannot be screened" in check_error(silent, 503)["message"]


def test_a_reviewer_accepts_each_upload(
    server: Server, inputs: Any, check_error: CheckError, clock: Clock
) -> None:
    client, context = server.client, server.context
    inputs.policy = dataclasses.replace(inputs.policy, policy="review")
    project = context.tenants.project(None).id
    key = context.tenants.create_key("operator", project=project, scopes=ALL_SCOPES).key
    operator = {"authorization": f"Bearer {key}"}
    body = request((1, 200, 3))
    assert (
        check_error(client.post("/v1/videos", json=body), 403, "input_reference")["code"] == "review_pending"
    )
    (review,) = client.get("/v1/rights/reviews", headers=operator).json()["data"]
    assert review["project_id"] == server.project_id
    content = client.get(f"/v1/rights/reviews/{review['id']}/content", headers=operator)
    assert content.headers["cache-control"] == "no-store"
    digest = context.upload_policy.review(review["id"]).digest  # type: ignore[union-attr]
    assert context.store.is_referenced(digest)
    path = f"/v1/rights/reviews/{review['id']}"
    client.post(path, json={"accepted": False}, headers=operator)
    assert (
        check_error(client.post("/v1/videos", json=body), 403, "input_reference")["code"] == "review_rejected"
    )
    client.post(path, json={"accepted": True}, headers=operator)
    assert client.post("/v1/videos", json=body).status_code == 200
    if server.project_id != project:
        check_error(client.post(path, json={"accepted": True}), 403)
