"""Screening at the door of the API, its record, appeals and reviews, and the policy."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from hinode.jobs.screening.decisions import Outcome
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.records.tables import audit_log, jobs, screening_decisions
from hinode.trust.screening import banks, pdq
from hinode.trust.screening import policy as policies
from hinode.trust.screening.policy import builtin
from tests.api.conftest import CheckError, Server
from tests.trust.screening.test_pdq import waves

BLOCKED = "graphic g0re"
CLOWNS = "rules:\n  - {id: clowns, category: gore, phrases: {en: [clown]}}\n"


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


def stopped(server: Server) -> list[dict[str, Any]]:
    """What the project sees of its own."""
    return list(server.client.get("/v1/review/own").json()["data"])


@pytest.fixture
def operator(server: Server) -> dict[str, str]:
    """Headers of an owner of the operator's project."""
    key = server.context.tenants.create_key("operator", scopes=ALL_SCOPES).key
    return {"authorization": f"Bearer {key}"}


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


def test_the_text_of_the_gravest_category_is_not_stored_and_nobody_appeals(
    server: Server, check_error: CheckError
) -> None:
    refusal(create(server, prompt="a naked child"))
    (decision,) = own(server)
    assert decision["text"] is None
    assert len(decision["digest"]) == 64
    with pytest.raises(policies.BadInput):
        server.context.decisions.review(decision["id"], Outcome.APPROVED, "tester")
    (mine,) = stopped(server)
    assert (mine["text"], mine["approvable"]) == (None, False)
    check_error(server.client.post(f"/v1/review/{mine['id']}/appeal", json={"note": "a"}), 400, "id")


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


def test_a_policy_of_the_operator_holds_from_the_next_request_on(server: Server) -> None:
    path = server.context.settings.policy
    assert create(server, prompt="a clown").status_code == 200
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("rules: [{id: clowns, category: gore, phrases: {en: [clown]}}]")
    try:
        refusal(create(server, prompt="a clown"))
        path.write_text("rules: nonsense")
        # A policy that cannot be read lets nothing pass.
        assert create(server, prompt="a red kite").status_code == 503
    finally:
        path.unlink()
    assert create(server, prompt="a clown").status_code == 200


def test_a_picture_in_a_bank_is_stopped_until_a_reviewer_approves_it(
    server: Server, operator: dict[str, str]
) -> None:
    def create_from(seed: int) -> Any:
        frame = waves(seed, 36, 64)
        data = io.BytesIO()
        Image.fromarray(frame).save(data, "PNG")
        form = {"prompt": "a red kite", "size": "64x36", "seconds": "1"}
        files = {"input_reference": ("a.png", data.getvalue(), "image/png")}
        return server.client.post("/v1/videos", data=form, files=files)

    home = server.context.settings.home
    banks.add(home, "list", pdq.to_hex(pdq.hash_frame(waves(1, 36, 64))[0]), "intimate_imagery")
    try:
        error = refusal(create_from(1))
        assert "intimate imagery without consent, found in the reference" in error["message"]
        assert "checking inputs" in error["message"]
        assert error["param"] == "input_reference"
        assert create_from(2).status_code == 200
        refusal(create_from(1))
        (mine,) = stopped(server)
        address = f"/v1/review/{mine['id']}"
        entry = server.client.get(address, headers=operator).json()
        assert (entry["findings"][0]["rule"], entry["has_frames"]) == ("bank list", True)
        assert entry["findings"][0]["seconds"] is not None
        picture = server.client.get(f"{address}/frames", headers=operator)
        assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
        server.client.post(address, json={"decision": "approve"}, headers=operator)
        assert create_from(1).status_code == 200
    finally:
        banks.remove(home, "list")


def test_nothing_of_it_is_a_tenants(server: Server, check_error: CheckError) -> None:
    create(server, prompt=BLOCKED)
    decision = stopped(server)[0]["id"]
    for method, path in (
        ("GET", "review"),
        ("GET", f"review/{decision}"),
        ("POST", f"review/{decision}"),
        ("GET", f"review/{decision}/frames"),
        ("GET", "policy"),
        ("GET", "policy/0123456789abcdef"),
        ("POST", "policy/check"),
        ("PUT", "policy"),
        ("GET", "audit"),
        ("GET", "audit/verify"),
        ("GET", "audit/export"),
    ):
        body = {"decision": "approve"} if path == f"review/{decision}" and method == "POST" else {}
        json_body = {"json": body} if method != "GET" else {}
        error = check_error(server.client.request(method, f"/v1/{path}", **json_body), 403)
        assert error["code"] == "insufficient_role", path
    other = server.other_project()
    assert server.client.get("/v1/review/own", headers=other).json()["data"] == []
    answer = server.client.post(f"/v1/review/{decision}/appeal", json={"note": "mine"}, headers=other)
    check_error(answer, 404, "id")


def test_an_appeal_reaches_the_queue_and_an_approval_lets_the_request_pass(
    server: Server, operator: dict[str, str], check_error: CheckError
) -> None:
    error = create(server, prompt="the president of France").json()["error"]
    (mine,) = stopped(server)
    assert f"POST /v1/review/{mine['id']}/appeal" in error["message"]
    assert (mine["action"], mine["title"], mine["approvable"]) == (
        "review",
        "real people and public figures",
        True,
    )
    address = f"/v1/review/{mine['id']}"
    check_error(server.client.post(f"{address}/appeal", json={"note": " "}), 400, "note")
    for note in ("a parody", "a parody of <b>him</b>"):
        assert server.client.post(f"{address}/appeal", json={"note": note}).status_code == 200

    queue = server.client.get("/v1/review", headers=operator).json()["data"]
    (entry,) = [entry for entry in queue if entry["id"] == mine["id"]]
    assert (entry["appeal"], entry["project_id"]) == ("a parody of <b>him</b>", server.project_id)
    assert entry["text"] == "the president of France"
    assert entry["findings"][0]["category"] == "real_people"
    answer = server.client.post(address, json={"decision": "approve", "note": "satire"}, headers=operator)
    assert (answer.json()["outcome"], answer.json()["note"]) == ("approved", "satire")
    assert create(server, prompt="the president of France").status_code == 200
    waiting = server.client.get("/v1/review", headers=operator).json()["data"]
    assert mine["id"] not in {entry["id"] for entry in waiting}
    assert stopped(server)[0]["outcome"] == "approved"
    assert "note" not in stopped(server)[0]
    assert (
        "already"
        in check_error(server.client.post(f"{address}/appeal", json={"note": "x"}), 400, "id")["message"]
    )
    kinds = {row["kind"] for row in rows(server, audit_log) if row["subject"] == mine["id"]}
    assert kinds == {"screening.stopped", "review.appealed", "review.approved"}


def test_a_policy_is_tried_on_past_requests_before_it_is_put_in_force(
    server: Server, operator: dict[str, str], check_error: CheckError
) -> None:
    headers = operator
    video = create(server, prompt="a clown").json()["id"]
    create(server, prompt=BLOCKED)

    def check(text: str, **more: Any) -> dict[str, Any]:
        answer = server.client.post("/v1/policy/check", json={"text": text, **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    for text, line in (
        ("categories:\n  gore: [", 2),
        (
            "rules:\n  - {id: a, category: gore, phrases: {en: [a]}}\n"
            "  - {id: b, category: none,\n     phrases: {en: [x]}}",
            3,
        ),
        ("# mine\ncolour: red\n", 2),
        ("guards:\n  - {name: a, url: 'http://x', model: m, dialect: policy, key_file: /etc/passwd}", 1),
    ):
        assert check(text)["fault"]["line"] == line, text
    tried = check(CLOWNS, past=2, prompts=["a cl0wn", "a kite"])
    assert [(trial["before"], trial["after"]) for trial in tried["prompts"]] == [
        ("allow", "block"),
        ("allow", "allow"),
    ]
    dry = tried["past"]
    assert [dry[name] for name in ("count", "allow", "review", "block", "changed")] == [2, 0, 0, 2, 1]
    assert [(trial["id"], trial["rules"]) for trial in dry["changes"]] == [(video, ["clowns"])]
    assert create(server, prompt="a clown").status_code == 200  # nothing was put in force

    def put(text: str, edited: str) -> Any:
        return server.client.put("/v1/policy", json={"text": text, "edited": edited}, headers=headers)

    check_error(put("a: [", builtin().version), 400, "policy")
    answer = put(CLOWNS, builtin().version).json()
    assert (answer["text"], answer["version"]) == (CLOWNS, tried["version"])
    assert create(server, prompt="a clown").status_code == 400
    assert check_error(put("", builtin().version), 409)["code"] == "policy_conflict"
    assert put("", tried["version"]).json()["version"] == builtin().version
    assert create(server, prompt="a clown").status_code == 200
    answer = server.client.get("/v1/policy", headers=headers).json()
    assert [change["version"] for change in answer["changes"][:2]] == [builtin().version, tried["version"]]
    kept = server.client.get(f"/v1/policy/{tried['version']}", headers=headers).json()["text"]
    assert kept == CLOWNS
    check_error(server.client.get("/v1/policy/..", headers=headers), 404)
    check_error(server.client.get("/v1/policy/ffffffffffffffff", headers=headers), 400, "version")
    assert [change["number"] for change in answer["changes"][:2]] == [answer["number"], answer["number"] - 1]
    assert "speech is not transcribed" in answer["equipment"]
