"""Keys: who gets in, what for, and how often."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from hinode.api.middleware import authentication
from tests.api.conftest import SMALL, CheckError, Server


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer sk-nobody", "Basic abc", "Bearer \xff\xfe", "Bearer " + "x" * 5000],
)
@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/video_0/content", "/v1/models", "/v1/nothing"])
def test_requests_without_a_key_are_refused(
    server: Server, check_error: CheckError, header: str, path: str
) -> None:
    response = server.client.get(path, headers={"authorization": header.encode("latin-1")})
    assert check_error(response, 401)["code"] == "invalid_api_key"
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("quotes", ['"', "'"])
def test_quotes_around_a_key_are_no_part_of_it(server: Server, quotes: str) -> None:
    headers = {"authorization": f"Bearer {quotes}{server.key}{quotes}"}
    assert server.client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["authorization", "content-type", "idempotency-key"])
def test_a_header_with_two_values_is_refused(server: Server, check_error: CheckError, name: str) -> None:
    values = [(name, "Bearer sk-one"), (name, "Bearer sk-two")]
    message = check_error(server.client.post("/v1/videos", headers=values), 400)["message"]
    assert message == f"The header {name} is there twice, with two values; send it once."


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_addresses_without_a_key(server: Server, path: str) -> None:
    assert server.client.get(path, headers={"authorization": ""}).status_code == 200


def test_a_key_with_the_scope_read(server: Server, check_error: CheckError) -> None:
    video = server.create()
    key = server.context.tenants.create_key("reader", project=server.project_id, scopes=["read"]).key
    headers = {"authorization": f"bearer {key}"}
    assert server.client.get("/v1/videos", headers=headers).status_code == 200
    for method, path in (
        ("POST", "/v1/videos"),
        ("DELETE", f"/v1/videos/{video['id']}"),
        ("POST", f"/v1/videos/{video['id']}/cancel"),
        ("POST", "/v1/files"),
    ):
        error = check_error(server.client.request(method, path, headers=headers), 403)
        assert error["code"] == "insufficient_scope"


def test_a_revoked_key(server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch) -> None:
    key = server.context.tenants.create_key("short")
    headers = {"authorization": f"Bearer {key.key}"}
    assert server.client.get("/v1/videos", headers=headers).status_code == 200
    server.context.tenants.revoke(key.id)
    assert authentication.CACHE_SECONDS < 1
    monkeypatch.setattr(authentication, "CACHE_SECONDS", 0.0)
    check_error(server.client.get("/v1/videos", headers=headers), 401)


def test_more_requests_than_the_rate(server: Server, check_error: CheckError) -> None:
    key = server.context.tenants.create_key("slow", requests_per_minute=2).key
    headers = {"authorization": f"Bearer {key}"}
    body = {"prompt": "a", "size": SMALL}
    first = server.client.post("/v1/videos", json=body, headers=headers)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert server.client.get("/v1/videos", headers=headers).status_code == 200
    response = server.client.get("/v1/videos", headers=headers)
    error = check_error(response, 429)
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(response.headers["retry-after"]) <= 30
    assert response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-ratelimit-limit-requests" not in server.client.get("/v1/videos").headers


def test_a_project_has_so_many_requests_answered_at_once(server: Server, check_error: CheckError) -> None:
    requests = server.context.requests
    with ExitStack() as stack:
        for _ in range(requests.max_per_project):
            stack.enter_context(requests.acquire(server.project_id))
        response = server.client.get("/v1/videos")
        assert check_error(response, 429)["code"] == "rate_limit_exceeded"
        assert int(response.headers["retry-after"]) >= 1
        with requests.acquire("another project"):
            pass
        assert server.client.get("/healthz").status_code == 200
    with ExitStack() as stack:
        for _ in range(requests.max_per_project - 1):
            stack.enter_context(requests.acquire(server.project_id))
        for _ in range(3):  # those that ended are not counted
            assert server.client.get("/v1/videos").status_code == 200
