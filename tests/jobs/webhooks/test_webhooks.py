"""Webhooks: what is signed and when it is tried again, and deliveries to a real server on this machine."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from openai import InvalidWebhookSignatureError, OpenAI

from hinode.errors import BadInput
from hinode.jobs.webhooks import delivery as delivery_module
from hinode.jobs.webhooks import endpoints, outbox
from hinode.jobs.webhooks.attempt import RETRY_SECONDS, decide, retry_delay
from hinode.jobs.webhooks.delivery import Deliverer
from hinode.jobs.webhooks.endpoints import Delivery, Endpoint, Endpoints
from hinode.outbound import Answer, Outbound, OutboundError
from hinode.records.database import Database
from hinode.records.tables import deliveries, delivery_attempts, events, organisations, projects

HOUR = 3600.0
DATA = {"id": "video_1"}


class Clock:
    """Seconds that pass when told to. It begins now, because verifiers compare with the present."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.path, headers, body))
        self.server.arrived.set()
        if self.path == "/slow":
            self.server.go_on.wait(20)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Receiver(http.server.ThreadingHTTPServer):
    """Takes webhooks, and answers `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived = threading.Event()
        self.go_on = threading.Event()
        self.status = 200
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    receiver.go_on.set()
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(allow_private=True)


@pytest.fixture
def service(database: Database, outbound: Outbound, clock: Clock) -> Endpoints:
    with database.write() as connection:
        connection.execute(organisations.insert(), {"id": "org_1", "name": "o", "created_at": 0.0})
        for name in ("proj_1", "proj_2"):
            connection.execute(
                projects.insert(), {"id": name, "organisation_id": "org_1", "name": name, "created_at": 0.0}
            )
    return Endpoints(database, outbound, clock)


@pytest.fixture
def deliverer(service: Endpoints, clock: Clock) -> Iterator[Deliverer]:
    deliverer = Deliverer(service.database, service.outbound, clock, fraction=lambda: 0.5)
    yield deliverer
    deliverer.close()


@pytest.fixture
def add(service: Endpoints, receiver: Receiver) -> Callable[..., tuple[Endpoint, str]]:
    def create(
        path: str = "/", project: str = "proj_1", types: tuple[str, ...] = ("video.completed",)
    ) -> Any:
        return service.create(project, name="mine", url=receiver.url + path, event_types=types)

    return create


def emit(service: Endpoints, once: str = "video_1:ended", **values: Any) -> None:
    with service.database.write() as connection:
        event = {"project_id": "proj_1", "type": "video.completed", "data": DATA, **values}
        outbox.emit(connection, once=once, now=service.clock(), **event)


def deliver_due(deliverer: Deliverer) -> int:
    """Make the deliveries that are due, and wait for them."""
    count = deliverer.run_due(deliverer.clock())
    deliverer.settle(20)
    return count


def log_of(service: Endpoints, endpoint: Endpoint) -> list[Delivery]:
    log = service.deliveries("proj_1", endpoint.id, after=None, limit=100)
    assert log is not None
    assert not log[1]
    return log[0]


def only_delivery(service: Endpoints, endpoint: Endpoint) -> Delivery:
    (delivery,) = log_of(service, endpoint)
    return delivery


def rows(service: Endpoints, table: sa.Table) -> int:
    with service.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


# The outbox


def test_an_event_happens_once(service: Endpoints, add: Callable[..., Any]) -> None:
    add()
    emit(service)
    emit(service)
    assert (rows(service, events), rows(service, deliveries)) == (1, 1)


def test_an_event_belongs_to_the_transaction(service: Endpoints, add: Callable[..., Any]) -> None:
    add()
    with pytest.raises(ZeroDivisionError), service.database.write() as connection:
        outbox.emit(
            connection, project_id="proj_1", type="video.completed", data=DATA, once="a", now=service.clock()
        )
        raise ZeroDivisionError
    assert (rows(service, events), rows(service, deliveries)) == (0, 0)


def test_only_subscribers_are_notified(service: Endpoints, add: Callable[..., Any]) -> None:
    subscriber, _ = add(types=("video.completed", "batch.failed"))
    others = [add(types=("video.failed",)), add(project="proj_2"), add()]
    assert service.delete("proj_1", others[-1][0].id)
    emit(service)
    with service.database.read() as connection:
        assert connection.scalars(sa.select(deliveries.c.endpoint_id)).all() == [subscriber.id]


def test_two_processes_that_emit_the_same_write_it_once(service: Endpoints, add: Callable[..., Any]) -> None:
    add()
    threads = [threading.Thread(target=emit, args=(service,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (rows(service, events), rows(service, deliveries)) == (1, 1)


# What is posted


def test_the_body_and_its_signature(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    endpoint, secret = add("/hook")
    emit(service)
    assert deliver_due(deliverer) == 1
    ((path, headers, body),) = receiver.got
    delivery = only_delivery(service, endpoint)
    assert path == "/hook"
    assert json.loads(body) == {
        "id": delivery.event_id,
        "object": "event",
        "created_at": int(clock.now),
        "type": "video.completed",
        "data": {"id": "video_1"},
    }
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == delivery.event_id
    assert headers["webhook-timestamp"] == str(int(clock.now))
    client = OpenAI(api_key="none", webhook_secret=secret)
    client.webhooks.verify_signature(body, headers)
    event = client.webhooks.unwrap(body, headers)
    assert (event.type, event.data.id) == ("video.completed", "video_1")  # type: ignore[union-attr]
    assert standardwebhooks.Webhook(secret).verify(body, headers)["id"] == delivery.event_id
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(body.replace(b"video_1", b"video_2"), headers)
    assert (delivery.status, delivery.delivered_at, delivery.next_at) == ("delivered", clock.now, None)
    assert [(attempt.number, attempt.status_code) for attempt in delivery.attempts] == [(1, 200)]
    assert deliver_due(deliverer) == 0


def test_both_secrets_sign_for_a_day_after_a_rotation(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    endpoint, old = add()
    rotated = service.rotate("proj_1", endpoint.id, keep_old=True)
    assert rotated is not None
    changed, new = rotated
    assert changed.hint == f"whsec_…{new[-4:]}" != endpoint.hint
    emit(service)
    deliver_due(deliverer)
    _, headers, body = receiver.got[0]
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        OpenAI(api_key="none").webhooks.verify_signature(body, headers, secret=secret)
    clock.now += 24 * HOUR
    emit(service, "later")
    deliver_due(deliverer)
    _, headers, body = receiver.got[1]
    assert len(headers["webhook-signature"].split()) == 1
    tolerance = {"tolerance": 25 * 3600}
    OpenAI(api_key="none").webhooks.verify_signature(body, headers, secret=new, **tolerance)
    with pytest.raises(InvalidWebhookSignatureError):
        OpenAI(api_key="none").webhooks.verify_signature(body, headers, secret=old, **tolerance)


def test_a_rotation_may_end_the_old_secret_at_once(
    service: Endpoints, deliverer: Deliverer, receiver: Receiver, add: Callable[..., Any]
) -> None:
    endpoint, old = add()
    assert service.rotate("proj_1", endpoint.id, keep_old=False)
    emit(service)
    deliver_due(deliverer)
    with pytest.raises(InvalidWebhookSignatureError):
        OpenAI(api_key="none").webhooks.verify_signature(receiver.got[0][2], receiver.got[0][1], secret=old)


# Trying again


def test_a_failed_delivery_is_tried_again_under_the_same_id(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    endpoint, secret = add()
    began = clock.now
    receiver.status = 500
    emit(service)
    while (delivery := only_delivery(service, endpoint)).status == "pending":
        assert delivery.next_at is not None
        clock.now = max(clock.now, delivery.next_at - 1)
        assert deliver_due(deliverer) == (1 if clock.now >= delivery.next_at else 0)
        clock.now = max(clock.now, delivery.next_at)
        if clock.now - began > 24 * HOUR:
            receiver.status = 204
        deliver_due(deliverer)
    assert delivery.status == "delivered"
    assert [attempt.status_code for attempt in delivery.attempts] == [500] * (len(receiver.got) - 1) + [204]
    assert {headers["webhook-id"] for _, headers, _ in receiver.got} == {delivery.event_id}
    assert len({body for _, _, body in receiver.got}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in receiver.got}) == len(receiver.got)
    _, headers, body = receiver.got[-1]
    OpenAI(api_key="none").webhooks.verify_signature(body, headers, secret=secret, tolerance=10**6)


def test_a_delivery_is_given_up_after_72_hours(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    endpoint, _ = add()
    began = clock.now
    receiver.status = 503
    emit(service)
    for _ in range(40):
        deliver_due(deliverer)
        delivery = only_delivery(service, endpoint)
        if delivery.next_at is None:
            break
        clock.now = delivery.next_at
    assert delivery.status == "failed"
    assert delivery.attempts[-1].at - began == RETRY_SECONDS
    assert 10 <= len(delivery.attempts) <= 25
    clock.now += 1000 * HOUR
    assert deliver_due(deliverer) == 0


def test_a_redirect_is_not_followed(
    service: Endpoints, deliverer: Deliverer, receiver: Receiver, add: Callable[..., Any]
) -> None:
    endpoint, _ = add()
    receiver.status, receiver.headers = 302, {"Location": f"{receiver.url}/elsewhere"}
    emit(service)
    deliver_due(deliverer)
    assert only_delivery(service, endpoint).status == "pending"
    assert [path for path, _, _ in receiver.got] == ["/"]


def test_a_private_address_is_not_posted_to(
    service: Endpoints, receiver: Receiver, add: Callable[..., Any], clock: Clock
) -> None:
    """The endpoint was public when it was added; by now its name has an address of this machine."""
    endpoint, _ = add()
    with service.database.write() as connection:
        connection.execute(
            endpoints.webhook_endpoints.update().values(url="https://rebound.test/", updated_at=0)
        )
    guarded = Outbound(resolve=lambda host, port: ["127.0.0.1"])
    deliverer = Deliverer(service.database, guarded, clock)
    emit(service)
    deliver_due(deliverer)
    deliverer.close()
    (attempt,) = only_delivery(service, endpoint).attempts
    assert attempt.status_code is None
    assert "not public" in (attempt.error or "")
    assert not receiver.got


def test_an_endpoint_that_is_gone_is_told_no_more(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    endpoint, _ = add()
    receiver.status = 410
    emit(service)
    deliver_due(deliverer)
    assert only_delivery(service, endpoint).status == "failed"
    gone = service.get("proj_1", endpoint.id)
    assert gone is not None
    assert gone.disabled_at == clock.now
    emit(service, "later")
    assert rows(service, deliveries) == 1
    assert service.update("proj_1", endpoint.id, name="back") is not None
    emit(service, "still later")
    assert rows(service, deliveries) == 2


def test_what_waits_for_a_deleted_endpoint_is_given_up(
    service: Endpoints, deliverer: Deliverer, receiver: Receiver, add: Callable[..., Any]
) -> None:
    endpoint, _ = add()
    emit(service)
    assert service.delete("proj_1", endpoint.id)
    assert deliver_due(deliverer) == 0
    assert not receiver.got
    with service.database.read() as connection:
        assert connection.scalars(sa.select(deliveries.c.status)).all() == ["failed"]


def test_an_endpoint_deleted_after_the_delivery_was_written(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    add()
    emit(service)
    with service.database.write() as connection:  # as a process would that emitted in the same instant
        connection.execute(endpoints.webhook_endpoints.update().values(deleted_at=clock.now))
    assert deliver_due(deliverer) == 0
    with service.database.read() as connection:
        assert connection.scalars(sa.select(deliveries.c.status)).all() == ["failed"]


# Leases


def test_a_crash_after_the_post_repeats_it_under_the_same_id(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, _ = add()
    emit(service)
    with monkeypatch.context() as patch:
        patch.setattr(Deliverer, "_record", lambda *_: None)  # the process dies service
        deliver_due(deliverer)
    assert len(receiver.got) == 1
    assert deliver_due(deliverer) == 0  # the lease
    clock.now += delivery_module.LEASE_SECONDS
    assert deliver_due(deliverer) == 1
    assert receiver.got[0][1]["webhook-id"] == receiver.got[1][1]["webhook-id"]
    assert only_delivery(service, endpoint).status == "delivered"


def test_a_paused_process_cannot_write_over_its_successor(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    endpoint, _ = add()
    emit(service)
    (stale,) = deliverer._lease(clock.now, 1, {})
    clock.now += delivery_module.LEASE_SECONDS
    assert deliver_due(deliverer) == 1
    assert not deliverer._record(stale, None, "it timed out", 1.0)
    delivery = only_delivery(service, endpoint)
    assert delivery.status == "delivered"
    assert [attempt.error for attempt in delivery.attempts] == [None]


def test_processes_side_by_side_take_each_delivery_once(
    service: Endpoints, receiver: Receiver, add: Callable[..., Any], clock: Clock
) -> None:
    for _ in range(4):
        add()
    for number in range(2):
        emit(service, f"event {number}")
    deliverers = [Deliverer(service.database, service.outbound, clock) for _ in range(3)]
    while rows(service, delivery_attempts) < 8:
        threads = [threading.Thread(target=deliver_due, args=(deliverer,)) for deliverer in deliverers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for deliverer in deliverers:
        deliverer.close()
    assert len(receiver.got) == 8


def test_a_slow_endpoint_does_not_hold_up_the_others(
    service: Endpoints, receiver: Receiver, add: Callable[..., Any], clock: Clock
) -> None:
    slow, _ = add("/slow")
    for number in range(20):
        emit(service, f"slow {number}")
    quick, _ = add("/quick", types=("video.failed",))
    emit(service, "quick", type="video.failed")
    deliverer = Deliverer(service.database, service.outbound, clock, threads=4)
    assert deliverer.run_due(clock.now) == 3
    assert deliverer.run_due(clock.now) == 0
    until = time.monotonic() + 20
    while only_delivery(service, quick).status == "pending" and time.monotonic() < until:
        receiver.arrived.wait(0.01)
    assert only_delivery(service, quick).status == "delivered"
    receiver.go_on.set()
    deliverer.settle(20)
    assert deliverer.run_due(clock.now) == 2
    deliverer.close()
    assert sum(delivery.status == "delivered" for delivery in log_of(service, slow)) == 4


def test_a_project_with_many_slow_endpoints_does_not_hold_up_the_others(
    service: Endpoints, receiver: Receiver, add: Callable[..., Any], clock: Clock
) -> None:
    for _ in range(5):
        add("/slow")
    for number in range(4):
        emit(service, f"slow {number}")
    quick, _ = add("/quick", project="proj_2")
    clock.now += 1
    emit(service, "quick", project_id="proj_2")
    deliverer = Deliverer(service.database, service.outbound, clock, threads=8)
    assert deliverer.run_due(clock.now) == delivery_module.MAX_PER_PROJECT + 1
    assert deliverer.run_due(clock.now) == 0
    receiver.go_on.set()
    deliverer.settle(20)
    log = service.deliveries("proj_2", quick.id, after=None, limit=10)
    assert log is not None
    assert [delivery.status for delivery in log[0]] == ["delivered"]
    done = delivery_module.MAX_PER_PROJECT
    while count := deliverer.run_due(clock.now):
        assert count <= delivery_module.MAX_PER_PROJECT
        done += count
        deliverer.settle(20)
    deliverer.close()
    assert done == 20


def test_endpoints_that_are_busy_leave_the_places_of_their_project_to_others(
    service: Endpoints, deliverer: Deliverer, add: Callable[..., Any], clock: Clock
) -> None:
    first, _ = add("/a")
    for number in range(3):
        emit(service, f"event {number}")
    second, _ = add("/b")
    clock.now += 1
    emit(service, "event 3")
    busy = {first.id: 2, "proj_1": 2}
    assert [due.endpoint_id for due in deliverer._lease(clock.now, 8, busy)] == [second.id]
    clock.now += delivery_module.LEASE_SECONDS
    busy = {first.id: 1, "proj_1": 1}
    assert [due.endpoint_id for due in deliverer._lease(clock.now, 8, busy)] == [first.id, second.id]
    assert deliverer._lease(clock.now, 8, {"proj_1": 3}) == []


def test_a_busy_month_is_forgotten_in_pieces(
    service: Endpoints, deliverer: Deliverer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "MAX_DELETIONS", 2)
    deliverer.run_due(clock.now)
    for number in range(5):
        emit(service, f"old {number}")
    clock.now += delivery_module.LOG_SECONDS + 1
    left = []
    for _ in range(4):
        deliverer.run_due(clock.now)
        left.append(rows(service, events))
    assert left == [3, 1, 0, 0]


def test_old_deliveries_are_forgotten(
    service: Endpoints,
    deliverer: Deliverer,
    receiver: Receiver,
    add: Callable[..., Any],
    clock: Clock,
) -> None:
    add()
    emit(service, "old")
    deliver_due(deliverer)
    clock.now += delivery_module.LOG_SECONDS + 1
    emit(service, "new")
    deliver_due(deliverer)
    assert [rows(service, table) for table in (events, deliveries, delivery_attempts)] == [1, 1, 1]


# The pure parts


@given(st.integers(1, 1000), st.floats(0, 1))
def test_delays_grow_up_to_six_hours(attempt: int, fraction: float) -> None:
    assert 3.75 <= retry_delay(attempt, fraction) <= 7.5 * HOUR
    assert retry_delay(attempt + 1, fraction) >= retry_delay(attempt, fraction)


@given(
    st.integers(1, 50),
    st.floats(0, 100 * HOUR),
    st.floats(0, 1),
    st.sampled_from([None, 200, 299, 300, 404, 500]),
)
def test_a_outcome_is_final_or_later(attempt: int, age: float, fraction: float, status: int | None) -> None:
    answer = Answer(status, {}) if status else None
    outcome = decide(created_at=1e9, attempt=attempt, now=1e9 + age, fraction=fraction, answer=answer)
    if status in (200, 299):
        assert outcome.status == "delivered"
    elif age >= RETRY_SECONDS:
        assert outcome.status == "failed"
    else:
        assert outcome.status == "pending"
        assert 1e9 + age < outcome.next_at <= 1e9 + RETRY_SECONDS


@pytest.mark.parametrize(
    ("retry_after", "earliest", "latest"),
    [
        ("120", 120, 120),
        ("1", 5, 5),
        ("9" * 30, 6 * HOUR, 6 * HOUR),
        ("soon", 5, 5),
        ("²", 5, 5),
        ("-3", 5, 5),
    ],
)
def test_a_busy_endpoint_may_say_when(retry_after: str, earliest: float, latest: float) -> None:
    answer = Answer(429, {"retry-after": retry_after})
    outcome = decide(created_at=0.0, attempt=1, now=0.0, fraction=0.5, answer=answer)
    assert earliest <= outcome.next_at <= latest


# Endpoints


def test_endpoints_are_a_projects_own(service: Endpoints, add: Callable[..., Any]) -> None:
    endpoint, _ = add()
    assert service.get("proj_1", endpoint.id) == endpoint
    assert service.get("proj_2", endpoint.id) is None
    assert service.update("proj_2", endpoint.id, name="x") is None
    assert service.rotate("proj_2", endpoint.id, keep_old=True) is None
    assert service.deliveries("proj_2", endpoint.id, after=None, limit=10) is None
    assert service.test("proj_2", endpoint.id, "video.completed") is None
    assert not service.delete("proj_2", endpoint.id)
    with pytest.raises(BadInput):
        service.page("proj_2", after=endpoint.id, limit=10)


def test_an_update_changes_what_is_given(service: Endpoints, add: Callable[..., Any], clock: Clock) -> None:
    endpoint, _ = add()
    clock.now += 10
    assert service.update("proj_1", endpoint.id) == endpoint
    assert service.update("proj_1", endpoint.id, name="mine", event_types=["video.completed"]) == endpoint
    changed = service.update(
        "proj_1", endpoint.id, event_types=["video.failed", "batch.failed", "video.failed"]
    )
    assert changed is not None
    assert changed.event_types == ("batch.failed", "video.failed")
    assert (changed.created_at, changed.updated_at) == (endpoint.created_at, clock.now)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"url": "ftp://host/"}, "url"),
        ({"url": "https://user:pass@host/"}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["response.completed"]}, "event_types"),
    ],
)
def test_wrong_fields_are_named(service: Endpoints, values: dict[str, Any], field: str) -> None:
    right: dict[str, Any] = {"name": "n", "url": "https://host/", "event_types": ["video.failed"]}
    with pytest.raises(BadInput) as caught:
        service.create("proj_1", **(right | values))
    assert caught.value.field == field


def test_there_are_at_most_twenty(service: Endpoints, add: Callable[..., Any]) -> None:
    created = [add()[0] for _ in range(endpoints.MAX_ENDPOINTS)]
    with pytest.raises(BadInput, match="delete one"):
        add()
    add(project="proj_2")
    first, more = service.page("proj_1", after=None, limit=15)
    rest, no_more = service.page("proj_1", after=first[-1].id, limit=15)
    assert sorted(created, key=lambda endpoint: endpoint.id, reverse=True) == first + rest
    assert (more, no_more) == (True, False)
    service.delete("proj_1", created[0].id)
    add()


def test_a_test_event_is_posted_at_once(
    service: Endpoints, deliverer: Deliverer, receiver: Receiver, add: Callable[..., Any]
) -> None:
    endpoint, secret = add()
    receiver.status = 418
    answer = service.test("proj_1", endpoint.id, "batch.failed")
    assert answer is not None
    assert answer.status == 418
    _, headers, body = receiver.got[0]
    event = OpenAI(api_key="none").webhooks.unwrap(body, headers, secret=secret)
    assert (event.type, event.data.id) == ("batch.failed", "batch_test")  # type: ignore[union-attr]
    delivery = only_delivery(service, endpoint)
    assert (delivery.status, delivery.attempts[0].status_code) == ("failed", 418)
    assert deliver_due(deliverer) == 0  # a test is not tried again


def test_a_test_of_an_endpoint_that_is_down(service: Endpoints) -> None:
    endpoint, _ = service.create(
        "proj_1", name="down", url="http://127.0.0.1:1/", event_types=["video.completed"]
    )
    with pytest.raises(OutboundError, match="request to the URL failed"):
        service.test("proj_1", endpoint.id, "video.completed")
    assert "request to the URL failed" in (only_delivery(service, endpoint).attempts[0].error or "")
    with pytest.raises(BadInput, match="no event type"):
        service.test("proj_1", endpoint.id, "nonsense")
