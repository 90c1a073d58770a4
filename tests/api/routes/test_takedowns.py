"""Takedown over HTTP: notices of strangers, copies, every address of what is withheld, and appeals."""

from __future__ import annotations

import base64
import email
import email.policy
import io
import re
import zipfile
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from PIL import Image
from starlette.testclient import TestClient

from hinode.api.addresses import OF_VIDEOS
from hinode.jobs.tenants.mail import Mailer
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.records.tables import events
from hinode.rights.notices import APPEAL_SECONDS, HOUR
from tests.api.conftest import CheckError, Clock, Server
from tests.post_office import PostOffice

NOTICE = {
    "kind": "intimate",
    "name": "Mary Shelley",
    "contact": "mary@example.com",
    "statement": "This shows me, and I did not agree.",
    "signature": "Mary Shelley",
    "good_faith": True,
}


@pytest.fixture
def server(fresh_server: Server) -> Server:
    """A server of its own for each test: the clips of the test card are all alike, so what one test takes
    down would stay down in the others."""
    return fresh_server


@pytest.fixture
def operator(server: Server) -> dict[str, str]:
    """Headers of an owner of the operator's project, the oldest one."""
    project = server.context.tenants.project(None)
    key = server.context.tenants.create_key("operator", project=project.id, scopes=ALL_SCOPES).key
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def anybody(server: Server) -> TestClient:
    """A client without a key."""
    server.context.strangers.buckets._buckets.clear()
    return TestClient(server.client.app)


def send(anybody: TestClient, locator: str, **fields: Any) -> Any:
    return anybody.post("/takedowns", json={**NOTICE, "locator": locator, **fields})


def decide(server: Server, operator: dict[str, str], notice: str, decision: str, **fields: Any) -> Any:
    path = f"/v1/takedowns/{notice}/decision"
    return server.client.post(path, json={"decision": decision, **fields}, headers=operator)


def render(server: Server, seed: int) -> str:
    return str(server.render(seed=seed, prompt=f"kite {seed}")["id"])


def test_a_notice_says_what_the_law_asks_for(anybody: TestClient, check_error: CheckError) -> None:
    video = "video_" + "0" * 32
    for field, value in (
        ("signature", "M. S."),
        ("good_faith", False),
        ("contact", "none"),
        ("locator", "https://example.com/clip"),
    ):
        check_error(anybody.post("/takedowns", json={**NOTICE, "locator": video, field: value}), 400, field)
    received = send(anybody, f"https://example.com/v1/videos/{video}/content").json()
    assert (received["status"], received["due_at"] - received["created_at"]) == ("open", 48 * 3600)
    path = f"/takedowns/{received['id']}"
    status = anybody.get(path, params={"token": received["token"]})
    assert status.json()["id"] == received["id"]
    assert "contact" not in status.json()
    assert status.headers["cache-control"] == "no-store"
    check_error(anybody.get(path, params={"token": "guess"}), 404, "takedown_id")


@pytest.mark.slow
def test_each_address_has_its_rate(anybody: TestClient, check_error: CheckError) -> None:
    answers = [send(anybody, "video_" + "1" * 32) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {200, 429}


def test_only_reviewers_of_the_operator_see_notices(
    server: Server, anybody: TestClient, check_error: CheckError
) -> None:
    check_error(anybody.get("/v1/takedowns"), 401)
    check_error(server.client.get("/v1/takedowns"), 403)


def test_the_list_of_addresses_has_every_route_of_a_video(server: Server) -> None:
    routes = [route for route in server.client.app.state.routes if isinstance(route, APIRoute)]  # type: ignore[attr-defined]
    reading = {
        route.path
        for route in routes
        if "GET" in (route.methods or ()) and re.search(r"\{(video_id|post_id|archive_id)\}", route.path)
    }
    listed = {re.sub(r"\?.*", "", address) for address in OF_VIDEOS}
    assert reading - listed == set()


def pixels(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return image.tobytes()


def test_every_address_of_a_video_is_gone_at_once_and_comes_back_whole(
    server: Server, operator: dict[str, str], anybody: TestClient
) -> None:
    client, context = server.client, server.context
    context.tenants.change_project(server.project_id, feed_enabled=True)
    video = render(server, 1)
    client.get(f"/v1/videos/{video}/content", params={"format": "gif"})
    names = {"video_id": video, "number": "0", "consent_id": "consent_0"}
    names["post_id"] = client.post("/v1/feed", json={"video_id": video}).json()["id"]
    names["archive_id"] = client.post("/v1/library/archives", json={"ids": [video]}).json()["id"]
    before = {address: client.get(address.format(**names)) for address in OF_VIDEOS}
    there = {address for address, answer in before.items() if answer.status_code == 200}
    assert len(there) >= 14, sorted(set(before) - there)
    for address in there:
        policy = before[address].headers.get("cache-control", "no-store")
        ages = [int(age) for age in re.findall(r"max-age=(\d+)", policy)]
        assert "no-store" in policy or "no-cache" in policy or max(ages, default=999) <= 60, (address, policy)
    partial = client.get(f"/v1/videos/{video}/content", headers={"range": "bytes=0-99"})
    assert partial.status_code == 206

    notice = send(anybody, names["post_id"]).json()["id"]
    seen = client.get(
        f"/v1/takedowns/{notice}/evidence/{video}", params={"role": "thumbnail"}, headers=operator
    )
    assert seen.headers["content-type"] == "image/webp"
    assert decide(server, operator, notice, "uphold", reason="It shows her.").status_code == 200

    etag = {"if-none-match": before["/v1/videos/{video_id}/content"].headers["etag"]}
    for headers in ({}, {"range": "bytes=0-99"}, etag):
        for address in there:
            answer = client.get(address.format(**names), headers=headers)
            assert answer.status_code in (404, 451) or video not in answer.text, address
            assert answer.status_code != 304, address
    assert client.get(f"/v1/videos/{video}").json()["error"]["code"] == "taken_down"
    evidence = f"/v1/takedowns/{notice}/evidence/{video}"
    content = before["/v1/videos/{video_id}/content"].content
    assert client.get(evidence, headers=operator).content == content
    assert client.get(evidence).status_code == 403
    own = client.get("/v1/takedowns/own").json()["data"]
    assert [(entry["id"], entry["entries"]) for entry in own] == [(notice, [video])]

    answer = {"statement": "She agreed, here is her letter.", "signature": "Percy"}
    assert client.post(f"/v1/takedowns/{notice}/counter", json=answer).json()["status"] == "countered"
    restored = decide(server, operator, notice, "restore").json()
    assert restored["status"] == "restored"
    for address in there - {"/v1/library/archives/{archive_id}"}:
        after = client.get(address.format(**names))
        assert after.status_code == 200, address
        if "json" not in after.headers["content-type"] and "xml" not in after.headers["content-type"]:
            same = after.content == before[address].content
            # A still is signed when it is asked for, so two of them differ in their signatures.
            assert same or pixels(after.content) == pixels(before[address].content), address
    names_of_zip = zipfile.ZipFile(
        io.BytesIO(client.get(f"/v1/library/archives/{names['archive_id']}").content)
    )
    assert len(names_of_zip.namelist()) == 1


@pytest.mark.slow
def test_copies_in_other_projects_go_and_stay_down(
    server: Server, operator: dict[str, str], anybody: TestClient, check_error: CheckError
) -> None:
    client, context = server.client, server.context
    video = render(server, 5)
    content = client.get(f"/v1/videos/{video}/content").content
    stranger = server.other_project()
    other = context.tenants.projects()[-1].id
    context.consents.confirm(other, "test")
    form = {"purpose": "user_data"}
    upload = client.post("/v1/files", data=form, files={"file": ("a.mp4", content)}, headers=stranger).json()[
        "id"
    ]
    files = {"video": ("m.mp4", content, "video/mp4")}
    character = client.post("/v1/videos/characters", data={"name": "Kite"}, files=files, headers=stranger)
    remix = client.post(f"/v1/videos/{video}/remix", json={"prompt": "a blue kite"}).json()["id"]
    noise = Image.effect_noise((96, 64), 90).convert("RGB")
    target = io.BytesIO()
    noise.save(target, "PNG")
    image = {"image_url": f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"}
    unrelated = client.post("/v1/characters", json={"name": "Noise", "image": image}).json()["id"]
    context.copies.enter_new()
    notice = send(anybody, video).json()["id"]
    upheld = decide(server, operator, notice, "uphold").json()
    kinds = {match["entry_id"]: match["kind"] for match in upheld["matches"]}
    assert kinds.pop(video) == "named"
    assert kinds.pop(upload) == kinds.pop(character.json()["id"]) == "identical"
    assert kinds.pop(remix) in ("derived", "near")
    assert unrelated not in kinds
    assert client.get(f"/v1/files/{upload}/content", headers=stranger).status_code == 404
    assert client.get(f"/v1/characters/{character.json()['id']}/picture", headers=stranger).status_code == 404
    again = client.post("/v1/videos/characters", data={"name": "Kite"}, files=files, headers=stranger)
    assert check_error(again, 403, "video")["code"] == "stays_down"
    blocked = server.create(seed=5, prompt="kite 5")["id"]
    server.run_jobs()
    answer = client.get(f"/v1/videos/{blocked}").json()
    assert (answer["status"], answer["error"]["code"]) == ("failed", "moderation_blocked")
    decide(server, operator, notice, "restore")
    assert client.get(f"/v1/files/{upload}/content", headers=stranger).content == content
    assert client.get(f"/v1/videos/{render(server, 5)}").json()["status"] == "completed"


@pytest.mark.slow
def test_a_match_can_be_spared(server: Server, operator: dict[str, str], anybody: TestClient) -> None:
    video, other = render(server, 9), render(server, 9)
    notice = send(anybody, video).json()["id"]
    decide(server, operator, notice, "uphold", spare=[other])
    assert server.client.get(f"/v1/videos/{video}").status_code == 451
    assert server.client.get(f"/v1/videos/{other}").status_code == 200


@pytest.mark.slow
def test_time_carries_out_what_nobody_decides(
    server: Server, operator: dict[str, str], anybody: TestClient, clock: Clock, check_error: CheckError
) -> None:
    client, takedowns = server.client, server.context.takedowns
    video = render(server, 21)
    notice = send(anybody, video).json()["id"]
    for hours in (1, 25, 37, 45):
        clock.now = takedowns.get(notice).created_at + hours * HOUR
        takedowns.advance(None, ())
    assert takedowns.get(notice).reminders == 4
    assert client.get(f"/v1/videos/{video}").status_code == 200
    clock.now = takedowns.get(notice).created_at + 47.1 * HOUR
    takedowns.advance(None, ())
    assert client.get(f"/v1/videos/{video}").status_code == 451
    assert takedowns.get(notice).decided_by == "clock"
    check_error(decide(server, operator, notice, "reject"), 409)
    clock.now += APPEAL_SECONDS + 1
    takedowns.advance(None, ())
    evidence = client.get(f"/v1/takedowns/{notice}/evidence/{video}", headers=operator)
    assert (evidence.status_code, takedowns.get(notice).status) == (404, "final")
    report = client.get("/v1/takedowns/report", headers=operator).json()
    assert report["automatic"] >= 1
    assert report["late"] == 0
    assert video not in str(report)


def test_the_page_needs_no_script_and_no_key(server: Server, anybody: TestClient) -> None:
    page = anybody.get("/takedown")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    form = {**NOTICE, "good_faith": "true", "locator": "video_" + "2" * 32, "statement": "<b>me</b>"}
    wrong = anybody.post("/takedown", data={**form, "signature": "someone"})
    assert wrong.status_code == 400
    assert 'role="alert"' in wrong.text
    assert "&lt;b&gt;me&lt;/b&gt;" in wrong.text
    done = anybody.post("/takedown", data=form)
    link = re.search(r'href="takedown\?id=(\w+)&amp;token=([\w-]+)"', done.text)
    assert link is not None, done.text
    assert "waits for a decision" in anybody.get("/takedown", params={"id": link[1], "token": link[2]}).text
    assert anybody.get("/takedown", params={"id": link[1], "token": "no"}).status_code == 404


def test_the_operator_is_reminded_by_mail_and_webhook(
    server: Server, anybody: TestClient, office: PostOffice
) -> None:
    context = server.context
    notice = send(anybody, "video_" + "3" * 32).json()["id"]
    mailer = Mailer(f"smtp://127.0.0.1:{office.server_address[1]}?from=studio@example.com")
    context.takedowns.advance(mailer, ["operator@example.com"])
    context.takedowns.advance(mailer, ["operator@example.com"])
    text = email.message_from_bytes(office.mail, policy=email.policy.default).get_content()
    assert text.count(f"hinode takedowns show {notice}") == 1
    with context.store.database.read() as connection:
        types = list(
            connection.scalars(sa.select(events.c.type).where(events.c.data["id"].as_string() == notice))
        )
    assert types == ["takedown.reminder"]
