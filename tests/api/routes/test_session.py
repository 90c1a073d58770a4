"""People who sign in: links, passwords, roles, sessions, and what a page of another site cannot do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from hinode.api.middleware import authentication
from hinode.jobs.tenants import passwords
from tests.api.conftest import SMALL, CheckError, Clock, Server

PASSWORD = "correct horse battery"


class Browser:
    """A browser without a key, which keeps cookies and sends the CSRF token."""

    def __init__(self, server: Server, base_url: str = "http://testserver") -> None:
        self.client = TestClient(server.client.app, base_url=base_url)
        self.client.headers["user-agent"] = "Firefox"

    def sign_in(self, **body: str) -> httpx.Response:
        answer = self.client.post("/v1/session", json=body)
        if answer.status_code == 200:
            self.client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return answer

    def session(self) -> dict[str, object]:
        return dict(self.client.get("/v1/session").json())

    def accept(self, url: str, password: str = PASSWORD) -> httpx.Response:
        """Set a password with the link of an invitation or a reset."""
        token = url.partition("=")[2]
        answer = self.client.post("/v1/password", json={"token": token, "password": password})
        if answer.status_code == 200:
            self.client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return answer


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cheap hash, and no memory of who had access a quarter of a second ago."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    passwords._nobody.cache_clear()
    monkeypatch.setattr(authentication, "CACHE_SECONDS", 0.0)


@pytest.fixture
def owner(server: Server) -> Browser:
    browser = Browser(server)
    token = server.context.sessions.create_link(server.project_id)
    assert browser.sign_in(token=token).status_code == 200
    return browser


@pytest.fixture(autouse=True)
def _forget_attempts(server: Server, clock: Clock) -> Iterator[None]:
    yield
    clock.now += 1000.0


def address(server: Server) -> str:
    """An email address of this test: others use the same database."""
    return f"ada.{server.project_id}@example.com"


def member(server: Server, owner: Browser, role: str, email: str = "") -> tuple[Browser, str]:
    """A member who has accepted the invitation, and the id."""
    body = {"email": email or address(server), "name": "Ada", "role": role}
    invited = owner.client.post("/v1/members", json=body)
    assert invited.status_code == 200, invited.text
    browser = Browser(server)
    assert browser.accept(invited.json()["invitation_url"]).status_code == 200
    return browser, invited.json()["id"]


def test_a_link_works_once_and_looking_spends_nothing(server: Server, check_error: CheckError) -> None:
    browser = Browser(server)
    before = browser.session()
    assert (before["signed_in"], before["project"], before["csrf_token"]) == (False, None, None)
    token = server.context.sessions.create_link(server.project_id)
    for _ in range(3):
        assert browser.client.get("/v1/session").status_code == 200
        assert browser.client.head("/v1/session").status_code == 200
    answer = browser.sign_in(token=token)
    assert answer.json() == browser.session()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["project"]["id"] == server.project_id
    assert (answer.json()["user"], answer.json()["role"]) == (None, "owner")
    assert browser.client.get("/v1/videos").status_code == 200
    browser.sign_in(token=server.context.sessions.create_link(server.project_id))
    assert len(browser.client.get("/v1/sessions").json()["data"]) == 1
    refused = check_error(Browser(server).sign_in(token=token), 401)
    assert refused["code"] == "sign_in_failed"


def test_a_link_is_too_old_after_an_hour(server: Server, clock: Clock) -> None:
    token = server.context.sessions.create_link(server.project_id)
    clock.now += 3601
    assert Browser(server).sign_in(token=token).status_code == 401


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_for_this_server_alone(server: Server, scheme: str) -> None:
    browser = Browser(server, f"{scheme}://testserver")
    answer = browser.sign_in(token=server.context.sessions.create_link(server.project_id))
    cookies = SimpleCookie(answer.headers["set-cookie"])
    (name,) = cookies
    instance = answer.json()["server"]["instance"]
    assert name == f"hinode_{instance}"
    assert cookies[name]["httponly"]
    assert cookies[name]["samesite"] == "strict"
    assert cookies[name]["path"] == "/"
    assert bool(cookies[name]["secure"]) == answer.json()["server"]["secure"] == (scheme == "https")
    out = browser.client.delete("/v1/session")
    assert SimpleCookie(out.headers["set-cookie"])[name].value == ""
    assert browser.session()["signed_in"] is False
    # The cookie that the browser may have kept is worthless.
    headers = {"cookie": f"{name}={cookies[name].value}"}
    answer = browser.client.get("/v1/videos", headers=headers)
    assert answer.json()["error"]["code"] == "session_ended"


@pytest.mark.parametrize("token", ["", "x" * 64, "ключ".encode().decode("latin-1")])
def test_unsafe_requests_need_the_csrf_token(
    owner: Browser, server: Server, check_error: CheckError, token: str
) -> None:
    headers = {"x-csrf-token": token.encode("latin-1")}
    body = {"prompt": "a kite", "size": SMALL}
    for method, path in (
        ("POST", "/v1/videos"),
        ("DELETE", "/v1/session"),
        ("POST", "/v1/members"),
        ("POST", "/v1/project"),
        ("DELETE", "/v1/videos/video_0"),
        ("POST", "/v1/nothing"),
    ):
        answer = owner.client.request(method, path, json=body, headers=headers)
        assert check_error(answer, 403)["code"] == "csrf"
    assert owner.session()["signed_in"] is True
    assert owner.client.post("/v1/videos", json=body).status_code == 200
    # A key wins over the cookie and needs no token.
    headers |= {"authorization": f"Bearer {server.key}".encode()}
    assert owner.client.post("/v1/videos", json=body, headers=headers).status_code == 200
    wrong = {"authorization": "Bearer sk-wrong"}
    assert owner.client.get("/v1/videos", headers=wrong).status_code == 401
    of_proxy = {"authorization": "Basic YTpi"}
    assert owner.client.get("/v1/videos", headers=of_proxy).status_code == 200
    assert (
        owner.client.post("/v1/videos", json=body, headers={**of_proxy, "x-csrf-token": ""}).status_code
        == 403
    )


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_site_signs_nobody_in(server: Server, check_error: CheckError, kind: str) -> None:
    token = server.context.sessions.create_link(server.project_id)
    body = f'{{"token": "{token}"}}'
    answer = Browser(server).client.post("/v1/session", content=body, headers={"content-type": kind})
    check_error(answer, 415)
    assert "set-cookie" not in answer.headers


def test_a_cookie_is_no_key_and_a_key_no_cookie(owner: Browser, server: Server) -> None:
    (cookie,) = owner.client.cookies.jar
    for header in ("authorization", "api-key"):
        headers = {header: f"Bearer {cookie.value}"}
        assert owner.client.get("/v1/videos", headers=headers).status_code == 401
    stranger = Browser(server).client
    headers = {"cookie": f"{cookie.name}={server.key}"}
    assert stranger.get("/v1/videos", headers=headers).status_code == 401


def test_roles(owner: Browser, server: Server, check_error: CheckError) -> None:
    body = {"prompt": "a kite", "size": SMALL}
    for role in ("viewer", "reviewer", "editor", "owner"):
        browser, member_id = member(server, owner, role, f"{role}@example.com")
        session = browser.session()
        assert session["role"] == role
        assert session["user"] == {
            "id": member_id,
            "name": "Ada",
            "email": f"{role}@example.com",
            "role": role,
        }
        for path in ("/v1/videos", "/v1/members", "/v1/project", "/v1/sessions"):
            assert browser.client.get(path).status_code == 200, path
        made = browser.client.post("/v1/videos", json=body)
        changed = browser.client.post("/v1/project", json={"expiry": "never"})
        hook = browser.client.post("/v1/webhook_endpoints", json={"name": "h"})
        key = browser.client.post("/v1/keys", json={"name": role})
        if role in ("viewer", "reviewer"):
            assert check_error(made, 403)["code"] == "insufficient_role"
        else:
            assert made.status_code == 200
        if role == "owner":
            assert changed.status_code == key.status_code == 200
            assert hook.status_code == 400  # the rest of the body is missing
        else:
            for answer in (changed, hook, key):
                assert check_error(answer, 403)["code"] == "insufficient_role"


def test_another_role_and_a_removal_take_effect_at_once(owner: Browser, server: Server) -> None:
    browser, member_id = member(server, owner, "viewer")
    path, body = f"/v1/members/{member_id}", {"prompt": "a kite", "size": SMALL}
    assert browser.client.post("/v1/videos", json=body).status_code == 403
    assert owner.client.post(path, json={"role": "editor"}).json()["role"] == "editor"
    assert browser.client.post("/v1/videos", json=body).status_code == 200
    assert owner.client.delete(path).json()["deleted"] is True
    assert browser.client.get("/v1/videos").status_code == 401
    assert browser.session()["signed_in"] is False
    assert Browser(server).sign_in(email=address(server), password=PASSWORD).status_code == 401
    assert owner.client.get(path).status_code == owner.client.delete(path).status_code == 404
    member(server, owner, "viewer")  # the address is free again


def test_a_stream_ends_with_its_session(owner: Browser, server: Server) -> None:
    browser, member_id = member(server, owner, "viewer")
    video = server.create()
    server.context.event_seconds = 0.01
    with browser.client.stream("GET", f"/v1/videos/{video['id']}/events") as stream:
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(2)][1] == "event: video.progress"
        server.context.members.remove(server.project_id, member_id)
        assert "video.completed" not in "".join(lines)


def test_passwords(owner: Browser, server: Server, check_error: CheckError) -> None:
    browser, _ = member(server, owner, "editor")
    elsewhere = Browser(server)
    wrong = elsewhere.sign_in(email=address(server), password="another password")
    unknown = elsewhere.sign_in(email="nobody@example.com", password=PASSWORD)
    assert check_error(wrong, 401) == check_error(unknown, 401)
    assert elsewhere.sign_in(email=address(server).upper(), password=PASSWORD).status_code == 200
    change = {"current_password": "another password", "password": "a new password"}
    check_error(browser.client.post("/v1/password", json=change), 400, "current_password")
    for path in ("/v1/session", "/v1/password"):
        nothing = Browser(server).client.post(path, json={"password": PASSWORD})
        assert "give one or the other" in check_error(nothing, 400, "token")["message"]
    change["current_password"] = PASSWORD
    check_error(browser.client.post("/v1/password", json=change | {"password": "short"}), 400, "password")
    check_error(
        browser.client.post("/v1/password", json=change | {"password": address(server)}), 400, "password"
    )
    assert browser.client.post("/v1/password", json=change).json()["signed_in"] is True
    assert elsewhere.session()["signed_in"] is False
    assert browser.session()["signed_in"] is True
    assert elsewhere.sign_in(email=address(server), password=PASSWORD).status_code == 401
    assert elsewhere.sign_in(email=address(server), password="a new password").status_code == 200
    assert owner.client.post("/v1/password", json=change).status_code == 403  # by a link: no account
    check_error(Browser(server).client.post("/v1/password", json=change), 401)


def test_a_reset_says_nothing_and_its_link_ends_the_sessions_before(
    owner: Browser, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, member_id = member(server, owner, "editor")
    hook = {"name": "h", "url": "https://8.8.8.8/h", "event_types": ["member.password_reset"]}
    endpoint = owner.client.post("/v1/webhook_endpoints", json=hook).json()["id"]
    stranger = Browser(server)
    answers = [
        stranger.client.post("/v1/password/reset", json={"email": email}).json()
        for email in (address(server), "nobody@example.com")
    ]
    assert answers[0] == answers[1]
    (delivery,) = owner.client.get(f"/v1/webhook_endpoints/{endpoint}/deliveries").json()["data"]
    assert delivery["data"] == {"id": member_id}  # and no token, which a viewer could read there
    again = owner.client.post(f"/v1/members/{member_id}/invitation").json()["invitation_url"]
    newest = owner.client.post(f"/v1/members/{member_id}/invitation").json()["invitation_url"]
    assert stranger.accept(again).status_code == 401
    assert stranger.accept(newest, "short").status_code == 400  # which spends nothing
    assert stranger.accept(newest, "a newer password").json()["user"]["id"] == member_id
    assert stranger.accept(newest).status_code == 401
    assert browser.session()["signed_in"] is False


def test_mail(owner: Browser, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, ...]] = []

    class Mailer:
        def send(self, *mail: str) -> None:
            sent.append(mail)

    monkeypatch.setattr(server.context, "mailer", Mailer())
    invited = owner.client.post(
        "/v1/members", json={"email": address(server), "name": "Ada", "role": "viewer"}
    )
    assert invited.json()["invitation_url"] is None
    assert (
        Browser(server).client.post("/v1/password/reset", json={"email": address(server)}).status_code == 200
    )
    assert [recipient for recipient, *_ in sent] == [address(server)] * 2
    url = sent[1][2].split()[-1]
    assert url.startswith("http://testserver/#reset=")
    assert Browser(server).accept(url).json()["role"] == "viewer"


def test_attempts_are_limited(owner: Browser, server: Server, check_error: CheckError) -> None:
    browser, _ = member(server, owner, "viewer")
    stranger = Browser(server)
    for _ in range(10):
        assert stranger.sign_in(email=address(server), password="a wrong guess").status_code == 401
    answer = stranger.sign_in(email=address(server), password=PASSWORD)
    assert check_error(answer, 429)["code"] == "rate_limit_exceeded"
    assert answer.headers["x-should-retry"] == "false"
    assert browser.session()["signed_in"] is True


def test_the_sessions_of_a_person(owner: Browser, server: Server, clock: Clock) -> None:
    browser, member_id = member(server, owner, "viewer")
    elsewhere = Browser(server)
    elsewhere.sign_in(email=address(server), password=PASSWORD)
    mine = browser.client.get("/v1/sessions").json()["data"]
    assert [(entry["user_id"], entry["current"]) for entry in mine] == [(member_id, False), (member_id, True)]
    assert mine[0]["agent"] == "Firefox"
    everybody = owner.client.get("/v1/sessions").json()["data"]
    assert len(everybody) == 3
    of_owner = next(entry["id"] for entry in everybody if entry["user_id"] is None)
    assert browser.client.delete(f"/v1/sessions/{of_owner}").status_code == 404
    assert browser.client.delete(f"/v1/sessions/{mine[0]['id']}").status_code == 200
    assert elsewhere.session()["signed_in"] is False
    clock.now += 31 * 86_400
    assert browser.session()["signed_in"] is False
    assert owner.client.get("/v1/videos").status_code == 401


def test_other_projects_are_not_there(owner: Browser, server: Server) -> None:
    _, member_id = member(server, owner, "viewer")
    key_id = owner.client.post("/v1/keys", json={"name": "mine"}).json()["id"]
    session_id = owner.client.get("/v1/sessions").json()["data"][0]["id"]
    video_id = server.create()["id"]
    other = server.context.tenants.create_project(f"not {server.project_id}")
    stranger = Browser(server)
    stranger.sign_in(token=server.context.sessions.create_link(other.id))
    for method, path in (
        ("GET", f"/v1/members/{member_id}"),
        ("POST", f"/v1/members/{member_id}"),
        ("POST", f"/v1/members/{member_id}/invitation"),
        ("DELETE", f"/v1/members/{member_id}"),
        ("DELETE", f"/v1/keys/{key_id}"),
        ("DELETE", f"/v1/sessions/{session_id}"),
        ("GET", f"/v1/videos/{video_id}"),
        ("GET", f"/v1/videos/{video_id}/content"),
    ):
        body = {"json": {"role": "viewer"} if path.endswith(member_id) else {}} if method == "POST" else {}
        assert stranger.client.request(method, path, **body).status_code == 404, path  # type: ignore[arg-type]
    for path in ("/v1/members", "/v1/keys", "/v1/videos"):
        assert stranger.client.get(path).json()["data"] == []
    # The same address in two projects is two accounts.
    again, other_id = member(server, stranger, "owner")
    assert other_id != member_id
    assert again.session()["project"] == {
        "id": other.id,
        "name": other.name,
        "feed_enabled": False,
        "is_operator": False,
    }
    assert (
        Browser(server).sign_in(email=address(server), password=PASSWORD, project=other.name).status_code
        == 200
    )


def test_keys_and_the_project_over_http(owner: Browser, server: Server, check_error: CheckError) -> None:
    made = owner.client.post("/v1/keys", json={"name": "ci", "scopes": ["read", "write", "manage"]}).json()
    headers = {"authorization": f"Bearer {made['key']}"}
    listed = owner.client.get("/v1/keys").json()["data"]
    assert made["id"] in [key["id"] for key in listed]
    assert made["key"] not in str(listed)
    client = Browser(server).client
    changed = client.post(
        "/v1/project", json={"name": made["id"], "storage_limit_bytes": 10**9}, headers=headers
    )
    assert (changed.json()["name"], changed.json()["storage_limit_bytes"]) == (made["id"], 10**9)
    changed = client.post("/v1/project", json={"storage_limit_bytes": "none"}, headers=headers)
    assert changed.json()["storage_limit_bytes"] is None
    assert changed.json()["feed_enabled"] is False
    client.post("/v1/project", json={"feed_enabled": True}, headers=headers)
    assert owner.session()["project"]["feed_enabled"] is True
    assert changed.json()["limits"]["max_running"] is None
    # A key that does not name the scope manages nothing.
    answer = server.client.post("/v1/members", json={"email": address(server)})
    assert check_error(answer, 403)["code"] == "insufficient_scope"
    session = client.get("/v1/session", headers=headers).json()
    assert (session["signed_in"], session["role"], session["csrf_token"]) == (True, None, None)
    assert owner.client.delete(f"/v1/keys/{made['id']}").json()["deleted"] is True
    assert client.get("/v1/videos", headers=headers).status_code == 401


def test_clips_of_a_session_are_kept(owner: Browser, server: Server, clock: Clock) -> None:
    body = {"prompt": "a kite", "size": SMALL, "seconds": "1"}
    kept = owner.client.post("/v1/videos", json=body).json()["id"]
    of_key = server.render()["id"]
    assert owner.client.post("/v1/project", json={"expiry": "week"}).json()["expiry"] == "week"
    week = owner.client.post("/v1/videos", json=body).json()["id"]
    server.run_jobs()
    videos = {video: owner.client.get(f"/v1/videos/{video}").json() for video in (kept, of_key, week)}
    assert [video["expires_at"] is None for video in videos.values()] == [True, False, False]
    clock.now += 8 * 86_400
    server.context.store.expire()
    status = [owner.client.get(f"/v1/videos/{video}/content").status_code for video in videos]
    assert status == [200, 404, 404]


def test_no_token_is_in_any_log(owner: Browser, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = server.context.sessions.create_link(server.project_id)
    browser = Browser(server)
    browser.sign_in(token=token)
    browser.sign_in(token=token)
    member(server, browser, "viewer")
    server.context.members.page(server.project_id, after=None, limit=1)
    secrets = [
        token,
        PASSWORD,
        address(server),
        *(cookie.value or "" for cookie in browser.client.cookies.jar),
    ]
    secrets.append(browser.client.headers["x-csrf-token"])
    lines = str([vars(record) for record in caplog.records if record.name.startswith("hinode")])
    assert "signed in" in lines
    assert [secret for secret in secrets if secret in lines] == []
