"""The frames of blocked clips, and the audit log, over HTTP."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hinode.jobs.audit import anchoring
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.jobs.worker import attempt
from hinode.trust.screening.equipment import Equipment
from tests.api.conftest import CheckError, Server
from tests.api.guards import Rejecting

pytestmark = pytest.mark.slow

BLOCKED = "graphic g0re"


@pytest.fixture
def operator(server: Server) -> dict[str, str]:
    """Headers of an owner of the operator's project."""
    key = server.context.tenants.create_key("operator", scopes=ALL_SCOPES).key
    return {"authorization": f"Bearer {key}"}


def create(server: Server, prompt: str, **fields: Any) -> Any:
    body = {"prompt": prompt, "size": "64x36", "seconds": "1", **fields}
    return server.client.post("/v1/videos", json=body)


def own(server: Server) -> list[dict[str, Any]]:
    return list(server.client.get("/v1/review/own").json()["data"])


def test_a_blocked_clip_is_reviewed_by_its_frames(
    server: Server, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch, check_error: CheckError
) -> None:
    monkeypatch.setattr(attempt, "equip", lambda *parts: Equipment((Rejecting(),)))
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
