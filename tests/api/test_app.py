"""What holds for every route: ids, logs, numbers, errors, and a description that is true."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hinode.api import failures, wire
from hinode.api.app import create_app
from hinode.api.catalogue import Catalogue
from hinode.api.middleware.metrics import MAX_AGE_SECONDS, JobCounts
from hinode.api.requests import models
from hinode.jobs.job import Counts, OverQuota
from hinode.records.database import DatabaseError
from hinode.settings import Settings

from .conftest import Clock, Refused, Server


def test_every_response_has_an_id(server: Server) -> None:
    paths = ("/v1/videos", "/nothing", "/healthz")
    assert len({server.client.get(path).headers["x-request-id"] for path in paths}) == 3
    assert server.client.get("/v1/videos").headers["openai-processing-ms"].isdigit()


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/nothing", "/v1/videos/", "/v1/videos/a/b/c", "/v2"]
)
def test_addresses_that_there_are_not(server: Server, refused: Refused, path: str) -> None:
    refused(server.client.get(path), 404)


def test_methods_that_there_are_not(server: Server, refused: Refused) -> None:
    response = server.client.put("/v1/videos", json={})
    refused(response, 405)
    assert response.headers["allow"]


def test_static_routes_come_before_ids(server: Server) -> None:
    assert server.client.get("/v1/videos/characters").json()["object"] == "list"
    for path in ("edits", "extensions", "characters"):
        assert server.client.post(f"/v1/videos/{path}", json={}).status_code == 400


def test_a_bug_says_nothing_of_the_inside(
    server: Server, refused: Refused, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(server.context.store, "job", broken)
    error = refused(server.client.get("/v1/videos/video_0"), 500)
    assert "1234" not in json.dumps(error)
    assert error["type"] == "server_error"
    assert "the secret is 1234" in caplog.text  # for who may read the log


def test_a_database_that_is_away(server: Server, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> None:
        raise DatabaseError("postgresql://me:password@db cannot be used")

    monkeypatch.setattr(server.context.store, "job", away)
    monkeypatch.setattr(server.context.store, "counts", away)
    response = server.client.get("/v1/videos/video_0")
    assert "password" not in refused(response, 503)["message"]
    assert response.headers["retry-after"] == "2"
    refused(server.client.get("/readyz"), 503)
    assert server.client.get("/healthz").json() == {"status": "ok"}
    monkeypatch.setattr(server.context.tenants, "authenticate", away)
    refused(server.client.get("/v1/videos", headers={"authorization": "Bearer x"}), 503)


def test_the_log_has_a_line_for_each(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hinode.api.requests"):
        server.client.get("/v1/videos/video_0")
    [line] = [record for record in caplog.records if record.name == "hinode.api.requests"]
    facts = vars(line)
    assert (facts["method"], facts["path"], facts["status"]) == ("GET", "/v1/videos/video_0", 404)
    assert facts["project_id"] == server.project_id
    assert server.key not in json.dumps({name: str(value) for name, value in facts.items()})


def test_metrics(fresh_server: Server) -> None:
    server = fresh_server
    server.create()
    server.client.get("/v1/videos/video_0")
    server.client.get("/somewhere/else")
    text = server.client.get("/metrics").text
    assert 'hinode_http_requests_total{method="POST",route="/v1/videos",status="200"} 1.0' in text
    assert 'route="/v1/videos/{video_id}",status="404"} 1.0' in text
    assert 'route="other",status="404"} 1.0' in text
    assert 'hinode_jobs{priority="interactive",status="queued"} 1.0' in text
    assert "hinode_http_requests_under_way 1.0" in text
    assert "/somewhere" not in text


def test_jobs_are_counted_every_few_seconds_at_most(
    fresh_server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fresh_server
    store, counted = server.context.store, 0

    def counts() -> Counts:
        nonlocal counted
        counted += 1
        return Counts({}, counted, 0, None)

    monkeypatch.setattr(store, "counts", counts)
    for _ in range(5):
        server.client.get("/readyz")
        server.client.get("/metrics")
    assert counted == 1
    clock.now += MAX_AGE_SECONDS
    assert "hinode_workers 2.0" in server.client.get("/metrics").text
    clock.now -= 3600  # a clock that was put back does not keep the old numbers for an hour
    assert "hinode_workers 3.0" in server.client.get("/metrics").text


def test_while_one_thread_counts_the_others_use_the_last_counts(fresh_server: Server, clock: Clock) -> None:
    counts = JobCounts(fresh_server.context.store)
    assert counts.latest().jobs == {}
    fresh_server.create()
    clock.now += MAX_AGE_SECONDS
    with counts._counting:
        assert counts.latest().jobs == {}
    assert sum(counts.latest().jobs.values()) == 1


def test_ready_means_that_the_database_responses(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.client.get("/readyz").status_code == 200

    def away() -> None:
        raise DatabaseError("it cannot be reached")

    monkeypatch.setattr(server.context.store.database, "read", away)
    assert server.client.get("/readyz").status_code == 503


def test_ready(fresh_server: Server, clock: Clock) -> None:
    server = fresh_server
    assert server.client.get("/readyz").json() == {"status": "ok", "workers": 0}
    server.finished()
    clock.now += MAX_AGE_SECONDS
    assert server.client.get("/readyz").json()["workers"] == 1
    server.context.stopping.set()
    assert server.client.get("/readyz").status_code == 503


def test_models(server: Server, refused: Refused) -> None:
    listed = server.client.get("/v1/models").json()
    names = {model["id"] for model in listed["data"]}
    assert listed["object"] == "list"
    assert names >= {
        "sora-2",
        "sora-2-pro",
        "sora-2-2025-10-06",
        "sora-2-pro-2025-10-06",
        "sora-2-2025-12-08",
    }
    assert {"nano", "testcard"} <= names
    for model in listed["data"]:
        assert model["object"] == "model"
        assert model["shutdown_date"] is None
        assert server.client.get(f"/v1/models/{model['id']}").json() == model
    assert server.client.get("/v1/models/native/nano").json()["model"] == "nano"
    refused(server.client.get("/v1/models/sora-1"), 404, "model")


def test_the_description_tells_of_everything(server: Server) -> None:
    description = server.client.get("/openapi.json").json()
    paths = {
        f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods
    }
    assert paths >= {
        "POST /v1/videos",
        "GET /v1/videos",
        "GET /v1/videos/{video_id}",
        "DELETE /v1/videos/{video_id}",
        "GET /v1/videos/{video_id}/content",
        "POST /v1/videos/{video_id}/remix",
        "POST /v1/videos/{video_id}/cancel",
        "GET /v1/videos/{video_id}/events",
        "POST /v1/videos/edits",
        "POST /v1/videos/extensions",
        "POST /v1/videos/characters",
        "GET /v1/videos/characters",
        "GET /v1/videos/characters/{character_id}",
        "DELETE /v1/videos/characters/{character_id}",
        "POST /v1/batches",
        "POST /v1/files",
        "GET /v1/models",
        "POST /v1/webhook_endpoints",
    }
    create = description["paths"]["/v1/videos"]["post"]
    assert set(create["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert create["security"] == [{"key": []}]
    assert "422" not in json.dumps(description["paths"])
    references = {
        word for word in json.dumps(description).split('"') if word.startswith("#/components/schemas/")
    }
    assert references <= {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}


def test_the_pages_about_it_need_no_other_server(server: Server) -> None:
    page = server.client.get("/docs").text
    assert "https://" not in page
    for path in (word for word in page.split('"') if word.startswith("/static")):
        assert server.client.get(path).status_code == 200


def test_responses_are_as_described(server: Server) -> None:
    group = server.create(n=2)
    wire.VideoGroup.model_validate(group, strict=True)
    server.work()
    wire.VideoList.model_validate(server.client.get("/v1/videos").json(), strict=True)
    wire.ModelList.model_validate_json(server.client.get("/v1/models").content, strict=True)


def test_bodies_are_described_by_the_models_that_read_them(server: Server) -> None:
    description = server.client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    create = description["paths"]["/v1/videos"]["post"]["requestBody"]
    reference = create["content"]["application/json"]["schema"]["$ref"]
    properties = schemas[reference.rpartition("/")[2]]["properties"]
    assert properties.keys() == models.CreateVideo.model_fields.keys()
    rotate = description["paths"]["/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret"]["post"]
    assert rotate["requestBody"]["required"] is False
    without = [
        f"{method} {path}"
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if method == "post" and "requestBody" not in operation and not path.endswith("/cancel")
    ]
    assert without == []


def test_torch_stays_out() -> None:
    code = "import sys, hinode.api.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_two_applications_in_one_process(server: Server) -> None:
    with TestClient(create_app(server.context)) as client:
        assert client.get("/healthz").status_code == 200


def test_when_to_ask_again() -> None:
    soon = failures.of(OverQuota("too much", "wait", retry_after=2.1)).response()
    assert (soon.status_code, soon.headers["retry-after"]) == (429, "3")
    assert "x-should-retry" not in soon.headers
    # Clients do not wait for hours, and asking again at once is no use.
    late = failures.of(OverQuota("too much", "wait", retry_after=7200)).response()
    assert late.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "name", ["sora-2-2025-12-08", "sora-2-pro-2025-10-06", "testcard", "testcard/testcard"]
)
def test_names_of_models(server: Server, name: str) -> None:
    video = server.create(model=name)
    assert video["model"] == name
    job = server.context.store.job(server.project_id, video["id"])
    assert job is not None
    assert (job.engine, job.model) == ("testcard", "testcard")


def test_without_aliases_sora_s_names_mean_the_model_of_the_house(tmp_path: Path) -> None:
    catalogue = Catalogue(Settings(home=tmp_path), lambda: 0.0)
    for name in (None, "sora-2", "sora-2-pro-2025-10-06"):
        assert (catalogue.find(name).engine, catalogue.find(name).model) == ("native", "nano")
    dated = Catalogue(Settings(home=tmp_path, aliases={"sora-2-pro": "testcard"}), lambda: 0.0)
    assert dated.find("sora-2-pro-2025-10-06").engine == "testcard"
    assert dated.find("sora-2-2025-10-06").engine == "native"
