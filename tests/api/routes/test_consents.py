"""Consents over HTTP: who may use a character that is a person, and what a revocation reaches."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from hinode.errors import BadInput
from hinode.jobs.job import LeaseLost
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.rights import receipts
from hinode.rights.receipts import Receipt
from tests.api.conftest import SMALL, CheckError, Clock, Server, picture

YEAR = 366 * 86_400


def data_url(color: tuple[int, int, int] = (200, 40, 40)) -> dict[str, str]:
    return {"image_url": f"data:image/png;base64,{base64.b64encode(picture(color=color)).decode()}"}


def add_person(server: Server, name: str = "Ada", color: tuple[int, int, int] = (200, 40, 40)) -> str:
    body = {"name": name, "image": data_url(color), "person": True}
    answer = server.client.post("/v1/characters", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["person"] is True
    return str(answer.json()["id"])


def grant(server: Server, character: str, clock: Clock, **fields: Any) -> Any:
    body = {
        "character_id": character,
        "person": "Ada Lovelace",
        "scope": "music videos",
        "expires_at": int(clock.now) + YEAR,
        "confirmed": True,
        **fields,
    }
    return server.client.post("/v1/consents", json=body)


def create(server: Server, character: str, headers: dict[str, str] | None = None, name: str = "Ada") -> Any:
    body = {"prompt": f"{name} in a field", "size": SMALL, "seconds": "1", "characters": [character]}
    return server.client.post("/v1/videos", json=body, headers=headers)


@pytest.fixture
def color(request: pytest.FixtureRequest) -> tuple[int, int, int]:
    """A colour of its own for each test: a file stands for a person, in every project of the server."""
    number = abs(hash(request.node.name))
    return number % 256, number // 256 % 256, number // 65536 % 256


def test_a_person_is_used_with_consent_only(
    server: Server, clock: Clock, check_error: CheckError, color: tuple[int, int, int]
) -> None:
    ada = add_person(server, color=color)
    assert check_error(create(server, ada), 403, "characters")["code"] == "consent_required"
    check_error(grant(server, ada, clock, confirmed=False), 400, "confirmed")
    check_error(grant(server, ada, clock, expires_at=int(clock.now) + 11 * YEAR), 400, "expires_at")
    check_error(grant(server, ada, clock, people=["key_1"]), 400, "people")
    consent = grant(server, ada, clock).json()
    assert (consent["status"], consent["access"], consent["version"]) == ("active", "only_me", 1)
    check_error(grant(server, ada, clock), 400, "character_id")
    assert create(server, ada).status_code == 200
    check_error(server.client.patch(f"/v1/characters/{ada}", json={"person": False}), 400, "person")


def test_names_of_characters_pass_for_those_who_may_use_them(
    server: Server, clock: Clock, check_error: CheckError, color: tuple[int, int, int]
) -> None:
    own = server.client.post("/v1/characters", json={"name": "Pikachu", "image": data_url(color)}).json()[
        "id"
    ]
    blocked = {"prompt": "Pikachu in a field", "size": SMALL, "seconds": "1"}
    assert (
        check_error(server.client.post("/v1/videos", json=blocked), 400, "prompt")["code"]
        == "moderation_blocked"
    )
    assert create(server, own, name="Pikachu").status_code == 200
    name, other = "Taylor Swift", (color[0] ^ 1, color[1], color[2])
    person = add_person(server, name, other)
    error = check_error(create(server, person, name=name), 400, "prompt")
    assert error["code"] == "moderation_blocked"  # nobody has consented
    consent = grant(server, person, clock).json()["id"]
    assert create(server, person, name=name).status_code == 200
    blocked["prompt"] = f"{name} in a field"  # without the character
    assert (
        check_error(server.client.post("/v1/videos", json=blocked), 400, "prompt")["code"]
        == "moderation_blocked"
    )
    assert server.client.post(f"/v1/consents/{consent}/revoke").status_code == 200
    assert check_error(create(server, person, name=name), 400, "prompt")["code"] == "moderation_blocked"


def test_the_four_levels_of_access(
    server: Server, clock: Clock, check_error: CheckError, color: tuple[int, int, int]
) -> None:
    ada = add_person(server, color=color)
    path = f"/v1/consents/{grant(server, ada, clock).json()['id']}"
    colleague = server.context.tenants.create_key("colleague", project=server.project_id)
    headers = {"authorization": f"Bearer {colleague.key}"}
    stranger = server.other_project()
    stranger_id = server.context.tenants.projects()[-1].id
    for access, people, permitted in (
        ("only_me", [], (False, False)),
        ("project", [], (True, False)),
        ("named", [stranger_id], (False, True)),
        ("named", [colleague.id], (True, False)),
        ("server", [], (True, True)),
    ):
        changed = server.client.patch(path, json={"access": access, "people": people})
        assert changed.status_code == 200, changed.text
        assert create(server, ada).status_code == 200
        for sender, allowed in zip((headers, stranger), permitted, strict=True):
            status = create(server, ada, sender).status_code
            assert status == 200 if allowed else status in (403, 404), (access, status)
    assert server.client.get(path).json()["version"] == 6
    usable = server.client.get("/v1/consents/usable", headers=stranger).json()["data"]
    assert [entry["character"]["id"] for entry in usable] == [ada]
    check_error(server.client.get(path, headers=stranger), 404, "consent_id")
    check_error(server.client.post(f"{path}/revoke", headers=headers), 404, "consent_id")


def test_a_revocation_stops_jobs_and_takes_posts_down_at_once(
    server: Server, clock: Clock, check_error: CheckError, color: tuple[int, int, int]
) -> None:
    context, client = server.context, server.client
    context.tenants.change_project(server.project_id, feed_enabled=True)
    ada = add_person(server, color=color)
    consent = grant(server, ada, clock, access="server").json()["id"]
    stranger = server.other_project()
    drafts = [create(server, ada).json()["id"] for _ in range(2)]
    server.run_jobs()
    post = client.post("/v1/feed", json={"video_id": drafts[0]}).json()["id"]
    remixed = client.post(f"/v1/videos/{drafts[1]}/remix", json={"prompt": "at night"}).json()["id"]
    waiting = create(server, ada, stranger).json()["id"]
    worker_id = context.store.register_worker("here", 1)
    lease = context.store.claim(worker_id, host="here")
    assert lease is not None
    assert lease.job.id in (remixed, waiting)
    made = client.get(f"/v1/consents/{consent}/videos").json()["data"]
    assert {video["id"] for video in made} == {*drafts, remixed, waiting}
    assert {video["project_id"] for video in made} == {server.project_id, context.tenants.projects()[-1].id}
    content = client.get(
        f"/v1/consents/{consent}/videos/{drafts[0]}/content", params={"variant": "thumbnail"}
    )
    assert content.headers["content-type"] == "image/webp"

    assert client.post(f"/v1/consents/{consent}/revoke").json()["status"] == "revoked"

    for video, headers in ((remixed, None), (waiting, stranger)):
        answer = client.get(f"/v1/videos/{video}", headers=headers).json()
        assert (answer["status"], answer["error"]["code"]) == ("failed", "consent_revoked")
    with pytest.raises(LeaseLost):
        context.store.finish(lease, {}, {}, 60.0)
    assert client.get(f"/v1/videos/{drafts[0]}").status_code == 451
    check_error(client.get(f"/v1/feed/{post}"), 404, "post_id")
    assert client.get(f"/v1/videos/{drafts[1]}").status_code == 200
    assert check_error(create(server, ada), 403, "characters")["code"] == "consent_refused"
    again = client.post(f"/v1/videos/{drafts[1]}/remix", json={"prompt": "by day"})
    assert check_error(again, 403, "video")["code"] == "consent_refused"
    assert client.delete(f"/v1/consents/{consent}/videos/{drafts[1]}").json()["deleted"] is True
    check_error(client.get(f"/v1/videos/{drafts[1]}"), 404, "video_id")
    # Nobody else consents to the same picture afterwards.
    theirs = client.post(
        "/v1/characters", json={"name": "Ada", "image": data_url(color), "person": True}, headers=stranger
    )
    body = {
        "character_id": theirs.json()["id"],
        "person": "Ada",
        "expires_at": int(clock.now) + 99,
        "confirmed": True,
    }
    refused = client.post("/v1/consents", json=body, headers=stranger)
    assert check_error(refused, 403, "character_id")["code"] == "consent_refused"


def test_an_expired_consent_ends_by_itself(server: Server, clock: Clock, color: tuple[int, int, int]) -> None:
    ada = add_person(server, color=color)
    grant(server, ada, clock, expires_at=int(clock.now) + 60)
    video = create(server, ada).json()["id"]
    clock.now += 61
    assert server.context.consents.enforce_ended() >= 1
    assert server.client.get(f"/v1/videos/{video}").json()["error"]["code"] == "consent_revoked"
    assert server.context.consents.enforce_ended() == 0


def test_publishing_needs_a_use_of_its_own(
    server: Server, clock: Clock, check_error: CheckError, color: tuple[int, int, int]
) -> None:
    server.context.tenants.change_project(server.project_id, feed_enabled=True)
    ada = add_person(server, color=color)
    consent = grant(server, ada, clock, uses=["generate"]).json()["id"]
    video = create(server, ada).json()["id"]
    server.run_jobs()
    refused = server.client.post("/v1/feed", json={"video_id": video})
    assert "publish" in check_error(refused, 403, "video_id")["message"]
    server.client.patch(f"/v1/consents/{consent}", json={"uses": ["generate", "publish"]})
    assert server.client.post("/v1/feed", json={"video_id": video}).status_code == 200
    server.client.patch(f"/v1/consents/{consent}", json={"uses": ["generate"]})
    assert server.client.get(f"/v1/videos/{video}").status_code == 451


def test_receipts_are_a_signed_chain(server: Server, clock: Clock, color: tuple[int, int, int]) -> None:
    ada = add_person(server, color=color)
    consent = grant(server, ada, clock).json()["id"]
    server.client.patch(f"/v1/consents/{consent}", json={"scope": "weddings"})
    server.client.post(f"/v1/consents/{consent}/revoke")
    data = server.client.get(f"/v1/consents/{consent}/receipts").json()["data"]
    chain = [Receipt(**entry) for entry in data]
    key = server.context.consents.signer.public_key
    receipts.verify(chain, [key])
    facts = [json.loads(receipt.document) for receipt in chain]
    assert [fact["scope"] for fact in facts] == ["music videos", "weddings", "weddings"]
    assert facts[2]["revoked_at"] is not None
    assert (server.context.settings.home / receipts.FILE).stat().st_mode & 0o077 == 0
    changed = Receipt(**{**data[1], "document": data[1]["document"].replace("weddings", "anything")})
    for wrong, keys in (
        ([chain[0], changed, chain[2]], [key]),
        ([chain[0], chain[2]], [key]),
        (chain, ["00" * 32]),
    ):
        with pytest.raises(BadInput, match="receipt"):
            receipts.verify(wrong, keys)


def test_a_manager_decides_about_the_consents_of_the_project(
    server: Server, clock: Clock, color: tuple[int, int, int]
) -> None:
    consent = grant(server, add_person(server, color=color), clock).json()["id"]
    key = server.context.tenants.create_key("manager", project=server.project_id, scopes=ALL_SCOPES).key
    headers = {"authorization": f"Bearer {key}"}
    listed = server.client.get("/v1/consents", headers=headers).json()["data"]
    assert [entry["id"] for entry in listed] == [consent]
    revoked = server.client.post(f"/v1/consents/{consent}/revoke", headers=headers, json={"everything": True})
    assert revoked.json()["revoked_at"] is not None


def test_uploads_need_one_confirmation_of_the_project(server: Server, check_error: CheckError) -> None:
    headers = server.other_project()
    body = {"prompt": "a red kite", "size": SMALL, "seconds": "1", "input_reference": data_url()}
    refused = server.client.post("/v1/videos", json=body, headers=headers)
    assert check_error(refused, 403, "input_reference")["code"] == "rights_not_confirmed"
    statement = server.client.get("/v1/rights/confirmation", headers=headers).json()
    assert (statement["policy"], statement["confirmed_by"]) == ("attest", None)
    check_error(
        server.client.post("/v1/rights/confirmation", json={"statement": 99}, headers=headers),
        400,
        "statement",
    )
    confirmed = server.client.post(
        "/v1/rights/confirmation", json={"statement": statement["statement"]}, headers=headers
    ).json()
    assert confirmed["confirmed_by"].startswith("key_")
    assert server.client.post("/v1/videos", json=body, headers=headers).status_code == 200
