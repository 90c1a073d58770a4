"""/v1/webhook_endpoints, with the client of Sora's API and a real receiver on this machine."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from openai import OpenAI

from hinode.api import context
from hinode.jobs.webhooks.delivery import Deliverer
from hinode.outbound import Outbound
from tests.api.conftest import CheckError, Server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    receiver: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.received, receiver.status = [], 200
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture(scope="module")
def module_clock() -> Any:
    """The present, as the SDK's verifier compares with it."""
    return time.time


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> OpenAI:
    # As with HINODE_ALLOW_PRIVATE_URLS=1.
    monkeypatch.setattr(server.context.endpoints, "outbound", Outbound(allow_private=True))
    return server.openai()


@pytest.fixture
def deliverer(server: Server, client: OpenAI) -> Iterator[Deliverer]:
    deliverer = Deliverer(server.context.store.database, server.context.endpoints.outbound)
    yield deliverer
    deliverer.close()


def create(client: OpenAI, receiver: Any, *types: str) -> Any:
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    return client.webhooks.create(name="mine", url=url, event_types=list(types or ("video.completed",)))  # type: ignore[arg-type]


def test_create_change_rotate_and_delete_an_endpoint(client: OpenAI, receiver: Any) -> None:
    endpoint = create(client, receiver, "video.failed", "video.completed")
    assert endpoint.id.startswith("whe_")
    assert (endpoint.object, endpoint.name) == ("webhook_endpoint", "mine")
    assert endpoint.event_types == ["video.completed", "video.failed"]
    assert endpoint.signing_secret.startswith("whsec_")
    assert (endpoint.signing_secret_hint or "")[-4:] == endpoint.signing_secret[-4:]
    same = client.webhooks.retrieve(endpoint.id)
    assert same.to_dict() == {
        name: value for name, value in endpoint.to_dict().items() if name != "signing_secret"
    }
    changed = client.webhooks.update(endpoint.id, name="yours", event_types=["batch.completed"])
    assert (changed.name, changed.url, changed.event_types) == ("yours", endpoint.url, ["batch.completed"])
    rotated = client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    assert rotated.signing_secret != endpoint.signing_secret
    assert client.webhooks.rotate_secret(endpoint.id).signing_secret != rotated.signing_secret
    assert [listed.id for listed in client.webhooks.list()] == [endpoint.id]
    deleted = client.webhooks.delete(endpoint.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (endpoint.id, "webhook_endpoint.deleted", True)
    with pytest.raises(openai.NotFoundError):
        client.webhooks.retrieve(endpoint.id)
    assert list(client.webhooks.list()) == []


def test_event_types(client: OpenAI) -> None:
    kinds = client.webhooks.event_types.list()
    assert kinds.object == "list"
    assert {"video.completed", "video.failed"} <= set(kinds.data)


def test_a_finished_video_is_notified(
    server: Server, client: OpenAI, deliverer: Deliverer, receiver: Any
) -> None:
    endpoint = create(client, receiver)
    video = server.render()
    assert deliverer.run_due(time.time()) == 1
    deliverer.settle(20)
    ((headers, body),) = receiver.received
    event = client.webhooks.unwrap(body, headers, secret=endpoint.signing_secret)
    assert (event.type, event.data.id) == ("video.completed", video["id"])  # type: ignore[union-attr]
    page = server.client.get(f"/v1/webhook_endpoints/{endpoint.id}/deliveries").json()
    (delivery,) = page["data"]
    assert delivery["event_id"] == event.id == headers["webhook-id"]
    assert (delivery["object"], delivery["status"]) == ("webhook_delivery", "delivered")
    assert (delivery["event_type"], delivery["data"]) == ("video.completed", {"id": video["id"]})
    assert delivery["next_attempt_at"] is None
    (attempt,) = delivery["attempts"]
    assert (attempt["number"], attempt["status_code"], attempt["error"]) == (1, 200, None)
    assert (page["first_id"], page["last_id"], page["has_more"]) == (delivery["id"], delivery["id"], False)


def test_a_test_event(server: Server, client: OpenAI, receiver: Any) -> None:
    endpoint = create(client, receiver)
    receiver.status = 500
    result = client.webhooks.test(endpoint.id, event_type="video.failed")
    assert (result.object, result.webhook_endpoint_id) == ("webhook_endpoint.test", endpoint.id)
    assert (result.event_type, result.status_code, result.success) == ("video.failed", 500, True)
    ((headers, body),) = receiver.received
    client.webhooks.verify_signature(body, headers, secret=endpoint.signing_secret)
    (delivery,) = server.client.get(f"/v1/webhook_endpoints/{endpoint.id}/deliveries").json()["data"]
    assert delivery["status"] == "failed"
    with pytest.raises(openai.BadRequestError):
        client.webhooks.test(endpoint.id, event_type="response.completed")


def test_a_test_of_an_endpoint_that_is_down(client: OpenAI, receiver: Any) -> None:
    endpoint = client.webhooks.create(name="down", url="http://127.0.0.1:1/", event_types=["video.completed"])
    with pytest.raises(openai.BadRequestError, match="request to the URL failed"):
        client.webhooks.test(endpoint.id, event_type="video.completed")


def test_tests_of_endpoints_are_bounded(
    server: Server, client: OpenAI, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = create(client, receiver)
    with ExitStack() as stack:
        for _ in range(context.MAX_TESTS_PER_PROJECT):
            stack.enter_context(server.context.endpoint_tests.acquire(server.project_id))
        with pytest.raises(openai.RateLimitError, match="being tested"):
            client.webhooks.test(endpoint.id, event_type="video.completed")
        assert receiver.received == []
    running = []
    test = server.context.endpoints.test

    def count_running(*args: Any) -> Any:
        running.append(server.context.endpoint_tests._running[server.project_id])
        return test(*args)

    monkeypatch.setattr(server.context.endpoints, "test", count_running)
    client.webhooks.test(endpoint.id, event_type="video.completed")
    assert running == [1]


def test_lists_have_pages(server: Server, client: OpenAI, receiver: Any) -> None:
    ids = [create(client, receiver).id for _ in range(5)]
    assert [listed.id for listed in client.webhooks.list(limit=2)] == sorted(ids, reverse=True)
    for _ in range(3):
        client.webhooks.test(ids[0], event_type="video.completed")
    url = f"/v1/webhook_endpoints/{ids[0]}/deliveries"
    first = server.client.get(url, params={"limit": 2}).json()
    rest = server.client.get(url, params={"limit": 2, "after": first["last_id"]}).json()
    assert (len(first["data"]), first["has_more"], len(rest["data"]), rest["has_more"]) == (2, True, 1, False)


def test_private_addresses_are_refused_by_default(server: Server, check_error: CheckError) -> None:
    def create(url: str) -> Any:
        body = {"name": "n", "url": url, "event_types": ["video.completed"]}
        return server.client.post("/v1/webhook_endpoints", json=body)

    for url in (
        *("http://example.com/", "https://example.com:22/", "ftp://example.com/", "nonsense"),
        *("https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/"),
    ):
        check_error(create(url), 400, "url")
    # What a name stands for is looked at whenever something is sent, because it may change.
    endpoint = create("https://localhost/").json()
    response = server.client.post(
        f"/v1/webhook_endpoints/{endpoint['id']}/test", json={"event_type": "video.completed"}
    )
    assert "not public" in check_error(response, 400, "url")["message"]


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"name": None}, "name"),
        ({"name": ["a"]}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"url": None}, "url"),
        ({"url": "https://\ud800.com/"}, "url"),
        ({"event_types": None}, "event_types"),
        ({"event_types": []}, "event_types"),
        ({"event_types": "video.completed"}, "event_types"),
        ({"event_types": [1]}, "event_types.1"),
        ({"event_types": ["nonsense"]}, "event_types.1"),
        ({"event_type": ["video.completed"]}, "event_type"),
    ],
)
def test_wrong_fields_are_named(
    server: Server, check_error: CheckError, values: dict[str, Any], param: str
) -> None:
    right = {"name": "n", "url": "https://example.com/", "event_types": ["video.completed"]}
    body, kind = json.dumps(right | values), {"content-type": "application/json"}
    check_error(server.client.post("/v1/webhook_endpoints", content=body, headers=kind), 400, param)
    if None not in values.values():
        path = f"/v1/webhook_endpoints/{server.client.post('/v1/webhook_endpoints', json=right).json()['id']}"
        check_error(server.client.post(path, content=json.dumps(values), headers=kind), 400, param)


def test_malformed_ids(server: Server, check_error: CheckError) -> None:
    client = server.client
    for name in ("whe_none", "%00", "x" * 99):
        url = f"/v1/webhook_endpoints/{name}"
        check_error(client.get(url), 404, "webhook_endpoint_id")
        check_error(client.delete(url), 404, "webhook_endpoint_id")
        check_error(client.get(f"{url}/deliveries"), 404, "webhook_endpoint_id")
        check_error(client.post(url, json={"name": "n"}), 404, "webhook_endpoint_id")
        check_error(client.post(f"{url}/rotate_secret"), 404, "webhook_endpoint_id")
        check_error(
            client.post(f"{url}/test", json={"event_type": "video.completed"}), 404, "webhook_endpoint_id"
        )


def test_the_switch_of_a_rotation_is_a_boolean(
    server: Server, client: OpenAI, receiver: Any, check_error: CheckError
) -> None:
    endpoint = create(client, receiver)
    response = server.client.post(
        f"/v1/webhook_endpoints/{endpoint.id}/rotate_secret",
        json={"keep_old_secret_active_for_24_hours": "perhaps"},
    )
    check_error(response, 400, "keep_old_secret_active_for_24_hours")
