"""Screening at the door of the API, its record, and review."""

from __future__ import annotations

from typing import Any

import pytest

from hinode.jobs.screening.decisions import Outcome
from hinode.records.tables import audit_log, jobs, screening_decisions
from hinode.trust.screening import policy as policies
from tests.api.conftest import Server

BLOCKED = "graphic g0re"


def refusal(response: Any) -> dict[str, Any]:
    assert response.status_code == 400, response.text
    error = dict(response.json()["error"])
    assert (error["code"], error["type"]) == ("moderation_blocked", "invalid_request_error")
    return error


def rows(server: Server, table: Any) -> list[Any]:
    with server.context.store.database.read() as connection:
        return list(connection.execute(table.select()).mappings())


def own(server: Server) -> list[Any]:
    return [row for row in rows(server, screening_decisions) if row["project_id"] == server.project_id]


def create(server: Server, **fields: Any) -> Any:
    body = {"prompt": "a red kite", "size": "64x36", "seconds": "1", **fields}
    return server.client.post("/v1/videos", json=body)


def test_a_blocked_request_becomes_no_job_and_its_decision_is_recorded(server: Server) -> None:
    before = len(rows(server, jobs))
    error = refusal(create(server, prompt=BLOCKED))
    assert "gore and graphic violence" in error["message"]
    assert "nothing is charged" in error["message"]
    assert error["param"] == "prompt"
    (decision,) = own(server)
    assert decision["id"] in error["message"]
    assert (decision["action"], decision["category"], decision["text"]) == ("block", "gore", BLOCKED)
    assert decision["policy"] == policies.builtin().version
    assert len(rows(server, jobs)) == before
    assert decision["id"] in {row["subject"] for row in rows(server, audit_log)}
    refusal(create(server, prompt=BLOCKED))  # repeated, it makes no more work for reviewers
    assert len(own(server)) == 1


def test_an_allowed_request_is_recorded_with_its_job(server: Server) -> None:
    video = server.create()
    (decision,) = own(server)
    assert (decision["job_id"], decision["action"], decision["text"]) == (video["id"], "allow", None)


def test_the_text_of_the_gravest_category_is_not_stored(server: Server) -> None:
    refusal(create(server, prompt="a naked child"))
    (decision,) = own(server)
    assert decision["text"] is None
    assert len(decision["digest"]) == 64
    with pytest.raises(policies.BadInput):
        server.context.decisions.review(decision["id"], Outcome.APPROVED, "tester")


def test_every_way_to_a_job_is_screened(server: Server) -> None:
    video = server.render(prompt="a woman in the garden")
    client, reference = server.client, {"id": video["id"]}
    refusal(client.post(f"/v1/videos/{video['id']}/remix", json={"prompt": BLOCKED}))
    refusal(client.post("/v1/videos/edits", json={"video": reference, "prompt": BLOCKED}))
    refusal(
        client.post("/v1/videos/extensions", json={"video": reference, "prompt": BLOCKED, "seconds": "1"})
    )
    # Only together the prompts of the chain say it.
    error = refusal(client.post(f"/v1/videos/{video['id']}/remix", json={"prompt": "naked, at noon"}))
    assert "remix chain" in error["message"]
    assert create(server, prompt="naked, at noon").status_code == 200
    shots = [{"prompt": "a street", "seconds": 1}, {"prompt": BLOCKED, "seconds": 1}]
    refusal(client.post("/v1/videos/storyboards", json={"shots": shots, "size": "64x36"}))
    refusal(create(server, negative_prompt="clothes"))


def test_an_approved_request_passes_when_it_is_sent_again(server: Server) -> None:
    error = refusal(create(server, prompt="the president of France"))
    (decision,) = own(server)
    assert decision["action"] == "review"
    assert decision["id"] in error["message"]
    server.context.decisions.review(decision["id"], Outcome.APPROVED, "tester", "a parody")
    assert create(server, prompt="the president of France").status_code == 200
    waiting, _ = server.context.decisions.page()
    assert decision["id"] not in {entry.id for entry in waiting}


def test_a_policy_of_the_operator_holds_from_the_next_request_on(server: Server) -> None:
    path = server.context.settings.policy
    assert create(server, prompt="a clown").status_code == 200
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("rules: [{id: clowns, category: gore, phrases: {en: [clown]}}]")
    try:
        refusal(create(server, prompt="a clown"))
        path.write_text("rules: nonsense")
        # A policy that cannot be read lets nothing pass.
        assert create(server, prompt="a red kite").status_code == 500
    finally:
        path.unlink()
    assert create(server, prompt="a clown").status_code == 200
