"""Review, policy and audit log over HTTP: who may do what, and what comes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hinode.jobs.audit import anchoring
from hinode.jobs.screening.policies import FOLDER
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.trust.screening import frames
from hinode.trust.screening.policy import builtin
from tests.api.conftest import CheckError, Server
from tests.api.guards import Rejecting

BLOCKED = "graphic g0re"
CLOWNS = "rules:\n  - {id: clowns, category: gore, phrases: {en: [clown]}}\n"


@pytest.fixture
def operator(server: Server) -> dict[str, str]:
    """Headers of an owner of the operator's project."""
    project = server.context.tenants.project(None)
    key = server.context.tenants.create_key("operator", project=project.id, scopes=ALL_SCOPES).key
    return {"authorization": f"Bearer {key}"}


def create(server: Server, prompt: str, **fields: Any) -> Any:
    body = {"prompt": prompt, "size": "64x36", "seconds": "1", **fields}
    return server.client.post("/v1/videos", json=body)


def own(server: Server) -> list[dict[str, Any]]:
    return list(server.client.get("/v1/review/own").json()["data"])


def test_nothing_of_it_is_a_tenants(server: Server, check_error: CheckError) -> None:
    create(server, BLOCKED)
    decision = own(server)[0]["id"]
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
    error = create(server, "the president of France").json()["error"]
    (mine,) = own(server)
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

    queue = server.client.get("/v1/review?appealed=true", headers=operator).json()["data"]
    (entry,) = [entry for entry in queue if entry["id"] == mine["id"]]
    assert (entry["appeal"], entry["project_id"]) == ("a parody of <b>him</b>", server.project_id)
    assert entry["text"] == "the president of France"
    assert entry["findings"][0]["category"] == "real_people"
    answer = server.client.post(address, json={"decision": "approve", "note": "satire"}, headers=operator)
    assert (answer.json()["outcome"], answer.json()["note"]) == ("approved", "satire")
    assert create(server, "the president of France").status_code == 200
    waiting = server.client.get("/v1/review?limit=100", headers=operator).json()["data"]
    assert mine["id"] not in {entry["id"] for entry in waiting}
    assert own(server)[0]["outcome"] == "approved"
    assert "note" not in own(server)[0]
    assert (
        "already"
        in check_error(server.client.post(f"{address}/appeal", json={"note": "x"}), 400, "id")["message"]
    )
    kinds = {
        entry["kind"]
        for entry in server.client.get(f"/v1/audit?subject={mine['id']}", headers=operator).json()["data"]
    }
    assert kinds == {"screening.stopped", "review.appealed", "review.approved"}


def test_nobody_appeals_in_the_gravest_category(server: Server, check_error: CheckError) -> None:
    create(server, "a naked child")
    (mine,) = own(server)
    assert (mine["text"], mine["approvable"]) == (None, False)
    check_error(server.client.post(f"/v1/review/{mine['id']}/appeal", json={"note": "a"}), 400, "id")


def test_a_blocked_clip_is_reviewed_by_its_frames(
    server: Server, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch, check_error: CheckError
) -> None:
    monkeypatch.setattr(frames, "configured", lambda policy: (Rejecting(),))
    video = server.create(seed=7)
    server.run_jobs()
    (mine,) = own(server)[:1]
    error = server.client.get(f"/v1/videos/{video['id']}").json()["error"]
    assert (error["code"], mine["video_id"]) == ("moderation_blocked", video["id"])
    assert "gore and graphic violence" in error["message"]
    assert f"/v1/review/{mine['id']}/appeal" in error["message"]
    address = f"/v1/review/{mine['id']}"
    entry = server.client.get(address, headers=operator).json()
    assert (entry["has_frames"], entry["text"], entry["findings"][0]["stage"]) == (
        True,
        "a red kite",
        "output frames",
    )
    picture = server.client.get(f"{address}/frames", headers=operator)
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
    check_error(server.client.get(f"{address}/frames"), 403)

    server.client.post(address, json={"decision": "approve"}, headers=operator)
    check_error(server.client.get(f"{address}/frames", headers=operator), 404, "decision_id")
    again = server.client.post(f"/v1/videos/{video['id']}/retry").json()["id"]
    server.run_jobs()
    assert server.client.get(f"/v1/videos/{again}").json()["status"] == "completed"
    server.create(seed=8)  # another clip, which nobody has approved
    server.run_jobs()
    assert own(server)[0]["outcome"] is None


def test_a_policy_is_tried_on_past_requests_before_it_is_put_in_force(
    server: Server, operator: dict[str, str], check_error: CheckError
) -> None:
    headers = operator
    video = create(server, "a clown").json()["id"]
    create(server, BLOCKED)

    def check(text: str, **more: Any) -> dict[str, Any]:
        answer = server.client.post("/v1/policy/check", json={"text": text, **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    for text, line in (
        ("categories:\n  gore: [", 3),
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
    assert create(server, "a clown").status_code == 200  # nothing was put in force

    def put(text: str, edited: str) -> Any:
        return server.client.put("/v1/policy", json={"text": text, "edited": edited}, headers=headers)

    check_error(put("a: [", builtin().version), 400, "policy")
    answer = put(CLOWNS, builtin().version).json()
    assert (answer["text"], answer["version"]) == (CLOWNS, tried["version"])
    assert create(server, "a clown").status_code == 400
    assert check_error(put("", builtin().version), 409)["code"] == "policy_conflict"
    assert put("", tried["version"]).json()["version"] == builtin().version
    assert create(server, "a clown").status_code == 200
    answer = server.client.get("/v1/policy", headers=headers).json()
    assert [change["version"] for change in answer["changes"]] == [builtin().version, tried["version"]]
    kept = server.client.get(f"/v1/policy/{tried['version']}", headers=headers).json()["text"]
    assert kept == CLOWNS
    check_error(server.client.get("/v1/policy/..", headers=headers), 404)
    check_error(server.client.get("/v1/policy/ffffffffffffffff", headers=headers), 400, "version")
    assert len(list((server.context.settings.home / FOLDER).iterdir())) == 2


def test_the_audit_log_is_paged_filtered_verified_and_exported(
    server: Server, operator: dict[str, str], check_error: CheckError, tmp_path: Path
) -> None:
    create(server, BLOCKED)
    create(server, "graphic gore again")

    def pages(**query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more, after = True, {}
        while more:
            answer = server.client.get("/v1/audit", params={"limit": 1, **query, **after}, headers=operator)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            found += body["data"]
            more, after = body["has_more"], {"after": body["last_id"]}
        return found

    stopped = pages(kind="screening", actor=server.key_id)
    assert [entry["kind"] for entry in stopped] == ["screening.stopped"] * 2
    assert int(stopped[0]["id"]) > int(stopped[1]["id"])
    assert stopped[0]["payload"]["categories"] == ["gore"]
    assert pages(kind="screen") == []
    since = pages(actor=server.key_id, since=stopped[0]["at"], order="asc")
    assert since == stopped[:1]
    check_error(server.client.get("/v1/audit?after=x", headers=operator), 400, "after")
    anchoring.advance(server.context.store.database, server.context.settings.trust)
    report = server.client.get("/v1/audit/verify", headers=operator).json()
    assert (report["intact"], report["findings"]) == (True, [])
    path = tmp_path / "audit.jsonl"
    path.write_bytes(server.client.get("/v1/audit/export", headers=operator).content)
    assert anchoring.check_export(path).entries == report["entries"] == len(path.read_text().splitlines()) - 1
    assert json.loads(path.read_text().splitlines()[0])["format"]
