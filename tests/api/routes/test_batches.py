"""/v1/batches, with the client of Sora's API and a worker that makes the videos."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from tests.api.conftest import CheckError, Clock, Server, picture


@pytest.fixture
def client(server: Server) -> OpenAI:
    return server.openai()


def line(name: str, **body: Any) -> dict[str, Any]:
    fields = {"prompt": "a red kite", "size": "64x36", "seconds": "1", **body}
    return {"custom_id": name, "method": "POST", "url": "/v1/videos", "body": fields}


def create(client: OpenAI, *lines: dict[str, Any], **values: Any) -> Batch:
    text = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("lines.jsonl", text), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/videos", completion_window="24h", **values
    )


def advance(server: Server) -> None:
    while server.context.batches.advance(server.context.clock()):  # a call ends after half a second
        pass


def results(client: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(row) for row in client.files.content(file_id).text.splitlines()]


def image_url() -> str:
    return f"data:image/png;base64,{base64.b64encode(picture(color='red')).decode()}"


def test_from_a_file_to_videos(server: Server, client: OpenAI) -> None:
    with_image = {"input_reference": {"image_url": image_url()}}
    batch = create(
        client,
        line("one", seed=7),
        line("two", prompt=""),
        line("three", **with_image),
        line("four", n=2),
        line("five", input_reference={"image_url": "http://127.0.0.1/secret"}),
        line("six", promt="a blue kite"),
        metadata={"order": "12"},
    )
    assert (batch.object, batch.endpoint, batch.status) == ("batch", "/v1/videos", "validating")
    assert batch.metadata == {"order": "12"}
    assert batch.expires_at == batch.created_at + 86_400
    assert batch.request_counts is not None
    assert batch.request_counts.total == 0
    advance(server)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "in_progress"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 6, "completed": 0, "failed": 4}
    videos = server.client.get("/v1/videos").json()["data"]
    assert {video["batch_id"] for video in videos} == {batch.id}
    assert server.run_jobs() == 2
    advance(server)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 6, "completed": 2, "failed": 4}
    assert None not in (batch.in_progress_at, batch.finalizing_at, batch.completed_at)
    assert (batch.errors, batch.failed_at, batch.expired_at, batch.cancelled_at) == (None, None, None, None)
    good = {row["custom_id"]: row for row in results(client, batch.output_file_id)}
    assert set(good) == {"one", "three"}
    video = good["one"]["response"]["body"]
    assert good["one"]["error"] is None
    assert good["one"]["response"]["status_code"] == 200
    assert video == server.client.get(f"/v1/videos/{video['id']}").json()
    assert (video["status"], video["seed"], video["progress"]) == ("completed", 7, 100)
    content = server.client.get(f"/v1/videos/{video['id']}/content")
    assert content.headers["content-type"] == "video/mp4"
    bad = {row["custom_id"]: row["response"] for row in results(client, batch.error_file_id)}
    assert {name: response["status_code"] for name, response in bad.items()} == {
        "two": 400,
        "four": 400,
        "five": 400,
        "six": 400,
    }
    assert {name: response["body"]["error"]["param"] for name, response in bad.items()} == {
        "two": "prompt",
        "four": "n",
        "five": "input_reference",
        "six": "promt",
    }
    assert client.files.retrieve(batch.output_file_id or "").purpose == "batch_output"
    assert [listed.id for listed in client.batches.list()] == [batch.id]


def test_a_file_with_errors(server: Server, client: OpenAI) -> None:
    batch = create(client, line("one"), line("one"), {"custom_id": "two"})
    advance(server)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert batch.errors is not None
    assert batch.errors.object == "list"
    assert [(error.line, error.code) for error in batch.errors.data or []] == [
        (2, "duplicate_custom_id"),
        (3, "invalid_method"),
    ]


def test_cancelling(server: Server, client: OpenAI) -> None:
    batch = create(client, line("one"), line("two"))
    advance(server)
    batch = client.batches.cancel(batch.id)
    assert batch.status == "cancelling"
    advance(server)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "cancelled"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 2, "completed": 0, "failed": 2}
    (first, second) = results(client, batch.output_file_id)
    assert first["response"]["body"]["error"]["code"] == second["response"]["body"]["error"]["code"]
    assert first["response"]["body"]["error"]["code"] == "cancelled"
    assert server.run_jobs() == 0
    assert client.batches.cancel(batch.id) == batch


def test_lines_after_the_completion_window_expire(server: Server, client: OpenAI, clock: Clock) -> None:
    batch = create(client, line("one"))
    advance(server)
    clock.now += 86_401
    advance(server)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "expired"
    assert batch.expired_at is not None
    (only,) = results(client, batch.output_file_id)
    assert only["response"]["body"]["status"] == "expired"
    with pytest.raises(openai.BadRequestError, match="expired already"):
        client.batches.cancel(batch.id)


def test_lists_have_pages(client: OpenAI) -> None:
    ids = [create(client, line("one")).id for _ in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)] == ids[::-1]
    page = client.batches.list(limit=2)
    assert page.has_more
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.list(after="batch_none")
    assert caught.value.param == "after"


def test_a_key_and_a_retry_create_one_batch(server: Server, client: OpenAI, check_error: CheckError) -> None:
    file = client.files.create(file=json.dumps(line("one")).encode(), purpose="batch")
    body = {"input_file_id": file.id, "endpoint": "/v1/videos", "completion_window": "24h"}

    def ask(metadata: dict[str, str] | None = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return server.client.post("/v1/batches", json={**body, "metadata": metadata}, headers=named)

    first, again = ask(idempotency_key="one"), ask(idempotency_key="one")
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    check_error(ask({"a": "b"}, idempotency_key="one"), 400, "Idempotency-Key")
    tried = [ask({"c": "d"}, x_stainless_retry_count=count) for count in "0120"]
    assert len({response.json()["id"] for response in tried[:3]}) == 1
    assert tried[3].json()["id"] != tried[0].json()["id"]
    assert len(list(client.batches.list())) == 3


def test_results_expire_as_requested(server: Server, client: OpenAI) -> None:
    batch = create(
        client, line("one", prompt=""), output_expires_after={"anchor": "created_at", "seconds": 3600}
    )
    advance(server)
    batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id is None
    file = client.files.retrieve(batch.error_file_id or "")
    assert file.expires_at in (file.created_at + 3600, file.created_at + 3601)


def test_a_projects_batches_are_its_own(server: Server, client: OpenAI) -> None:
    other = server.openai(server.other_project()["authorization"].removeprefix("Bearer "))
    batch = create(client, line("one"))
    for ask in (other.batches.retrieve, other.batches.cancel):
        with pytest.raises(openai.NotFoundError) as caught:
            ask(batch.id)
        assert caught.value.param == "batch_id"
    with pytest.raises(openai.BadRequestError):
        other.batches.create(
            input_file_id=batch.input_file_id, endpoint="/v1/videos", completion_window="24h"
        )
    assert list(other.batches.list()) == []


@pytest.mark.parametrize(
    ("values", "status", "param"),
    [
        ({"input_file_id": None}, 400, "input_file_id"),
        ({"input_file_id": "\0"}, 404, "input_file_id"),
        ({"input_file_id": "file-none"}, 400, "input_file_id"),
        ({"endpoint": "/v1/responses"}, 400, "endpoint"),
        ({"endpoint": 7}, 400, "endpoint"),
        ({"completion_window": "7d"}, 400, "completion_window"),
        ({"metadata": "x"}, 400, "metadata"),
        ({"metadata": {"a": 1}}, 400, "metadata.a"),
        ({"metadata": {"a": "\ud800"}}, 400, "metadata"),
        ({"metadta": {"a": "b"}}, 400, "metadta"),
        ({"output_expires_after": 3600}, 400, "output_expires_after"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            400,
            "output_expires_after.seconds",
        ),
    ],
)
def test_wrong_fields_are_named(
    server: Server, client: OpenAI, check_error: CheckError, values: dict[str, Any], status: int, param: str
) -> None:
    file = client.files.create(file=b"{}", purpose="batch")
    right = {"input_file_id": file.id, "endpoint": "/v1/videos", "completion_window": "24h"}
    body = json.dumps(right | values)
    response = server.client.post("/v1/batches", content=body, headers={"content-type": "application/json"})
    check_error(response, status, param)


def test_malformed_ids(server: Server, check_error: CheckError) -> None:
    for name in ("batch_none", "%00", "x" * 99):
        check_error(server.client.get(f"/v1/batches/{name}"), 404, "batch_id")
        check_error(server.client.post(f"/v1/batches/{name}/cancel"), 404, "batch_id")


def test_a_line_has_terms_of_its_own(server: Server, client: OpenAI) -> None:
    entry = "name: testcard/testcard, provider: us, mark: own, source: ours, date: 2026-11"
    prices = (
        f'version: 2026-11\nprices: [{{{entry}, usd_per_second: {{"720": 0.1}}}}]\nfactors: {{batch: 0.5}}\n'
    )
    book = server.context.settings.home / "prices.yaml"
    book.write_text(prices)
    asked = {"prompt": "a red kite", "size": "64x36", "seconds": "1", "priority": "batch"}
    quote = server.client.post("/v1/videos/quote", json=asked).json()
    terms = {"quote_id": quote["id"], "max_cost": 0.05}
    batch = create(
        client, line("one", **terms), line("two", **terms, seconds="2"), line("three", max_cost=0.01)
    )
    for _ in range(4):  # a line that was refused ends the turn
        advance(server)
    counts = client.batches.retrieve(batch.id).request_counts
    assert counts is not None
    assert counts.to_dict() == {"total": 3, "completed": 0, "failed": 2}
    server.run_jobs()
    advance(server)
    batch = client.batches.retrieve(batch.id)
    errors = [row["response"]["body"]["error"]["code"] for row in results(client, batch.error_file_id)]
    assert errors == ["quote_mismatch", "price_above_maximum"]
    book.unlink()
