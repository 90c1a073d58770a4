"""Keys: who gets in, what for, and how often."""

from __future__ import annotations

import pytest

from hinode.api.limits import Buckets
from hinode.api.middleware import authentication

from .conftest import SMALL, Refused, Server


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer sk-nobody", "Basic abc", "Bearer \xff\xfe", "Bearer " + "x" * 5000],
)
@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/video_0/content", "/v1/models", "/v1/nothing"])
def test_without_a_key_there_is_nothing(server: Server, refused: Refused, header: str, path: str) -> None:
    response = server.client.get(path, headers={"authorization": header.encode("latin-1")})
    assert refused(response, 401)["code"] == "invalid_api_key"
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_open_to_all(server: Server, path: str) -> None:
    assert server.client.get(path, headers={"authorization": ""}).status_code == 200


def test_a_key_that_may_only_read(server: Server, refused: Refused) -> None:
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
        error = refused(server.client.request(method, path, headers=headers), 403)
        assert error["code"] == "insufficient_scope"


def test_a_revoked_key(server: Server, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    key = server.context.tenants.create_key("short")
    headers = {"authorization": f"Bearer {key.key}"}
    assert server.client.get("/v1/videos", headers=headers).status_code == 200
    server.context.tenants.revoke(key.id)
    assert authentication.CACHE_SECONDS < 1
    monkeypatch.setattr(authentication, "CACHE_SECONDS", 0.0)
    refused(server.client.get("/v1/videos", headers=headers), 401)


def test_rates(server: Server, refused: Refused) -> None:
    key = server.context.tenants.create_key("slow", requests_per_minute=2).key
    headers = {"authorization": f"Bearer {key}"}
    body = {"prompt": "a", "size": SMALL}
    first = server.client.post("/v1/videos", json=body, headers=headers)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert server.client.get("/v1/videos", headers=headers).status_code == 200
    response = server.client.get("/v1/videos", headers=headers)
    error = refused(response, 429)
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(response.headers["retry-after"]) <= 30
    assert response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-ratelimit-limit-requests" not in server.client.get("/v1/videos").headers


def test_a_bucket_fills_up_evenly() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    assert [buckets.take("a", 60).remaining for _ in range(60)] == list(range(59, -1, -1))
    refused_now = buckets.take("a", 60)
    assert refused_now.wait == pytest.approx(1.0)
    assert buckets.take("b", 60).wait == 0
    now = 1.0
    assert buckets.take("a", 60).wait == 0
    assert buckets.take("a", 60).wait == pytest.approx(1.0)
    now = 1e9
    assert buckets.take("a", 60).remaining == 59


def test_a_bucket_never_lets_more_pass_than_its_rate() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    passed = 0
    for step in range(6000):
        now = step * 0.05  # five minutes
        passed += not buckets.take("a", 30).wait
    assert passed == 30 + 5 * 30 - 1 or passed == 30 + 5 * 30
