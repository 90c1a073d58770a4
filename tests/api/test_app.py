"""What holds for every route: ids, logs, numbers, errors, and a description that is true."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest
from starlette.testclient import TestClient

from hinode.api import failures
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.api.middleware.metrics import MAX_AGE_SECONDS
from hinode.jobs.job import OverQuota
from hinode.records.database import DatabaseError
from tests.api.conftest import SMALL, CheckError, Clock, Server, picture


def test_every_response_has_an_id(server: Server) -> None:
    paths = ("/v1/videos", "/nothing", "/healthz")
    assert len({server.client.get(path).headers["x-request-id"] for path in paths}) == 3
    assert server.client.get("/v1/videos").headers["openai-processing-ms"].isdigit()


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/videos/", "/v1/videos/a/b/c", "/v2"])
def test_unknown_addresses(server: Server, check_error: CheckError, path: str) -> None:
    check_error(server.client.get(path), 404)


def test_unknown_methods(server: Server, check_error: CheckError) -> None:
    response = server.client.put("/v1/videos", json={})
    check_error(response, 405)
    assert response.headers["allow"]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/videos", "/v1/videos"),
        ("/videos/video_0/content", "/v1/videos/video_0/content"),
        ("/v1//videos", "/v1/videos"),
        ("/v1/v1/videos", "/v1/videos"),
        ("/v1/videos/", "/v1/videos"),
        ("/v1/healthz", "/healthz"),
    ],
)
def test_an_address_that_is_nearly_right_is_told(
    server: Server, check_error: CheckError, path: str, near: str
) -> None:
    message = check_error(server.client.get(path), 404)["message"]
    assert message == f"There is nothing at this address; did you mean {near}?"
    assert "did you mean" not in check_error(server.client.get("/nothing"), 404)["message"]


def test_every_method_of_an_address_is_named(server: Server, check_error: CheckError) -> None:
    for method, path, methods in (
        ("PUT", "/v1/videos", "GET, HEAD, POST"),
        ("OPTIONS", "/v1/videos", "GET, HEAD, POST"),
        ("POST", "/v1/videos/video_0/content", "GET, HEAD"),
        ("PATCH", "/v1/videos/video_0", "DELETE, GET, HEAD"),
    ):
        response = server.client.request(method, path)
        assert methods in check_error(response, 405)["message"]
        assert response.headers["allow"] == methods


def test_head_is_answered_where_get_is(server: Server) -> None:
    video = server.render()["id"]
    file = server.client.post("/v1/files", data={"purpose": "vision"}, files={"file": picture()}).json()["id"]
    paths = ["/healthz", "/readyz", "/v1/models", "/v1/videos", f"/v1/videos/{video}"]
    for path in (*paths, f"/v1/videos/{video}/content", f"/v1/files/{file}/content"):
        whole, head = server.client.get(path), server.client.head(path)
        assert (head.status_code, head.headers["content-length"]) == (200, whole.headers["content-length"])
    assert server.client.head("/v1/videos/video_0").status_code == 404
    assert "head" not in json.dumps([*map(list, server.client.get("/openapi.json").json()["paths"].values())])


def test_parameters_without_a_value_are_as_if_left_out(server: Server, check_error: CheckError) -> None:
    server.create()
    for query in ("after=", "limit=&order=", "limit=1&after="):
        assert len(server.client.get(f"/v1/videos?{query}").json()["data"]) == 1
    check_error(server.client.get("/v1/videos?limit=x&after="), 400, "limit")


def test_clients_of_azure_are_served(server: Server, check_error: CheckError) -> None:
    client = openai.AzureOpenAI(
        base_url="http://testserver/openai/v1",
        api_key=server.key,
        api_version="preview",
        http_client=TestClient(server.client.app),
    )
    assert client.files.list().data == []
    assert client.models.retrieve("testcard").id == "testcard"
    assert server.client.get("/openai/v1/videos?api-version=preview&limit=1").status_code == 200
    headers = {"authorization": "", "x-api-key": server.key}
    message = check_error(server.client.get("/v1/videos", headers=headers), 401)["message"]
    assert "The header x-api-key has no key" in message


def test_pages_name_the_prefix_of_a_proxy(server: Server) -> None:
    headers = {"x-forwarded-prefix": "/films/"}
    assert "'/films/openapi.json'" in server.client.get("/docs", headers=headers).text
    servers = server.client.get("/openapi.json", headers=headers).json()["servers"]
    assert [entry["url"] for entry in servers] == ["/films"]
    assert "servers" not in server.client.get("/openapi.json").json()
    for prefix in ("//evil.example", '/a"><script>', "films"):
        assert prefix not in server.client.get("/docs", headers={"x-forwarded-prefix": prefix}).text
    # It opens nothing that needs a key.
    headers |= {"authorization": ""}
    assert server.client.get("/films/v1/models", headers=headers).status_code == 404


def test_pages_of_other_origins_call_the_api_where_that_is_allowed(server: Server) -> None:
    origin = "http://localhost:3000"
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    settings = dataclasses.replace(server.context.settings, allow_origins=(origin,))
    context = Context(settings, server.context.store.database)
    with TestClient(create_app(context)) as client:
        preflight = client.options("/v1/videos", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        private = client.options(
            "/v1/videos", headers={**asked, "access-control-request-private-network": "true"}
        )
        assert private.headers["access-control-allow-private-network"] == "true"
        assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
        answers = [
            client.get("/v1/videos", headers={"origin": origin, "authorization": f"Bearer {server.key}"}),
            client.get("/v1/videos", headers={"origin": origin}),
        ]
        assert [answer.status_code for answer in answers] == [200, 401]
        assert {answer.headers["access-control-allow-origin"] for answer in answers} == {origin}
        other = client.get("/v1/videos", headers={"origin": "http://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in server.client.options("/v1/videos", headers=asked).headers


def test_static_routes_come_before_ids(server: Server) -> None:
    assert server.client.get("/v1/videos/characters").json()["object"] == "list"
    for path in ("edits", "extensions", "characters"):
        assert server.client.post(f"/v1/videos/{path}", json={}).status_code == 400


def test_the_answer_to_a_bug_has_no_internals(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(server.context.store, "job", broken)
    error = check_error(server.client.get("/v1/videos/video_0"), 500)
    assert "1234" not in json.dumps(error)
    assert error["type"] == "server_error"
    assert "the secret is 1234" in caplog.text  # for who may read the log


def test_an_unreachable_database_is_a_503(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise DatabaseError("postgresql://me:password@db cannot be used")

    monkeypatch.setattr(server.context.store, "job", away)
    monkeypatch.setattr(server.context.readiness, "check", away)
    response = server.client.get("/v1/videos/video_0")
    assert "password" not in check_error(response, 503)["message"]
    assert response.headers["retry-after"] == "2"
    check_error(server.client.get("/readyz"), 503)
    assert server.client.get("/healthz").json() == {"status": "ok"}
    monkeypatch.setattr(server.context.tenants, "authenticate", away)
    check_error(server.client.get("/v1/videos", headers={"authorization": "Bearer x"}), 503)


def test_the_log_has_a_line_for_each_request(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hinode.api.requests"):
        server.client.get("/v1/videos/video_0")
    [line] = [record for record in caplog.records if record.name == "hinode.api.requests"]
    facts = vars(line)
    assert (facts["method"], facts["path"], facts["status"]) == ("GET", "/v1/videos/video_0", 404)
    assert facts["project_id"] == server.project_id
    assert server.key not in json.dumps({name: str(value) for name, value in facts.items()})


def test_ready_means_that_the_database_and_the_store_can_be_written(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, context = time.monotonic() + 100.0, server.context
    monkeypatch.setattr(context.readiness, "clock", lambda: now)
    assert server.client.get("/readyz").status_code == 200

    def away() -> None:
        raise DatabaseError("it cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(context.store.database, "check_writable", away)
        assert server.client.get("/readyz").status_code == 200  # it was looked at just now
        now += 6.0
        assert server.client.get("/readyz").status_code == 503
    now += 6.0
    assert server.client.get("/readyz").status_code == 200
    now += 6.0
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", raise_full)
        assert "disk of the server is full" in check_error(server.client.get("/readyz"), 503)["message"]
    now += 6.0
    assert server.client.get("/readyz").status_code == 200


def test_a_full_disk_is_a_503(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, video = picture(), server.render()["id"]
    calls = [
        ("/v1/files", {"purpose": "vision"}, "file"),
        ("/v1/videos", {"prompt": "a kite", "size": SMALL}, "input_reference"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", raise_full)
        for path, data, name in calls:
            response = server.client.post(path, data=data, files={name: ("a.png", image, "image/png")})
            assert "disk of the server is full" in check_error(response, 503)["message"]
            assert response.headers["retry-after"] == "30"
    # A disk that is away is not the end of what was on it.
    root = server.context.objects.root
    root.rename(root.with_name("elsewhere"))
    try:
        check_error(server.client.get(f"/v1/videos/{video}/content"), 503)
        check_error(server.client.post("/v1/videos/loops", json={"video": {"id": video}}), 503)
        check_error(server.client.post("/v1/files", data={"purpose": "vision"}, files={"file": image}), 503)
    finally:
        root.with_name("elsewhere").rename(root)
    assert server.client.get(f"/v1/videos/{video}/content").status_code == 200
    server.context.objects.path(server.context.store.artifacts(video)["video"].digest).unlink()
    check_error(server.client.get(f"/v1/videos/{video}/content"), 503)


def raise_full(*args: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_ready(fresh_server: Server, check_error: CheckError, clock: Clock) -> None:
    server = fresh_server
    assert server.client.get("/readyz").json() == {"status": "ok", "workers": 0}
    server.render()
    clock.now += MAX_AGE_SECONDS
    assert server.client.get("/readyz").json()["workers"] == 1
    server.context.stopping.set()
    check_error(server.client.get("/readyz"), 503)


def test_the_application_does_not_import_torch() -> None:
    code = "import sys, hinode.api.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_two_applications_in_one_process(server: Server) -> None:
    with TestClient(create_app(server.context)) as client:
        assert client.get("/healthz").status_code == 200


def test_retry_headers() -> None:
    soon = failures.of(OverQuota("too much", "wait", retry_after=2.1)).response()
    assert (soon.status_code, soon.headers["retry-after"]) == (429, "3")
    assert "x-should-retry" not in soon.headers
    # Clients do not wait for hours, and asking again at once is no use.
    late = failures.of(OverQuota("too much", "wait", retry_after=7200)).response()
    assert late.headers["x-should-retry"] == "false"
