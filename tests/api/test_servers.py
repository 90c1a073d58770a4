"""Two API servers on one PostgreSQL, as behind a load balancer: what one accepts holds at the other."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import psycopg
import pytest

from benchmarks.postgres import PostgreSQL
from benchmarks.serving import HOST, ServerHarness
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database

pytestmark = pytest.mark.slow

STREAMS = 60
"""More than a server has connections to the database."""


class Servers(NamedTuple):
    first: ServerHarness
    second: ServerHarness
    database_url: str

    def key(self, requests_per_minute: int | None = None) -> str:
        """A key of a project of its own."""
        with closing(Database(self.database_url)) as database:
            tenants = Tenants(database, time.time)
            project = tenants.create_project(secrets.token_hex(8))
            new = tenants.create_key("test", project=project.id, requests_per_minute=requests_per_minute)
        return new.key


class Told(NamedTuple):
    """An event that arrived."""

    id: str
    kind: str
    data: dict[str, Any]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres: PostgreSQL) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    url = postgres.create()
    environment = {"HINODE_DATABASE_URL": url, "HINODE_STORE": str(folder / "store")}
    with (
        ServerHarness(folder / "first", workers=0, environment=environment) as first,
        ServerHarness(folder / "second", workers=0, environment=environment) as second,
    ):
        yield Servers(first, second, url)


@contextmanager
def following(server: ServerHarness, key: str, after: str | None = None) -> Iterator[Iterator[Told]]:
    """The events of a project, the first of them without a kind if nothing has happened."""
    headers = {"Authorization": f"Bearer {key}", **({"Last-Event-ID": after} if after else {})}
    with closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
        connection.request("GET", "/v1/events", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        yield _events(answer)


def _events(answer: http.client.HTTPResponse) -> Iterator[Told]:
    lines: dict[str, str] = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            lines[name] = value
        elif lines:
            yield Told(lines.get("id", ""), lines.get("event", ""), json.loads(lines.get("data", "{}")))
            lines = {}


def about(events: Iterator[Told], video_id: str) -> Told:
    """The next event about a video."""
    return next(event for event in events if event.data.get("id") == video_id)


def test_a_stream_goes_on_at_the_other_server(servers: Servers) -> None:
    key = servers.key()
    with following(servers.first, key) as events:
        assert next(events).kind == ""
        about(events, servers.second.submit(key))
        last = next(event for event in events if event.kind == "queue.changed")  # of the whole batch
    missed = [server.submit(key) for server in servers[:2]]
    with following(servers.second, key, last.id) as events:
        told = [next(event for event in events if event.kind == "video.queued") for _ in missed]
        assert [event.data["id"] for event in told] == missed
        later = servers.first.submit(key)
        assert about(events, later).kind == "video.queued"


def test_an_event_of_a_transaction_that_commits_late_is_told(servers: Servers) -> None:
    key = servers.key()
    late, early = (servers.first.submit(key) for _ in range(2))
    with ExitStack() as stack:
        streams = [stack.enter_context(following(server, key)) for server in servers[:2]]
        assert [next(events).kind for events in streams] == ["", ""]
        with psycopg.connect(servers.database_url) as connection:
            connection.execute("UPDATE jobs SET progress = 1 WHERE id = %s", (late,))
            servers.first.request("POST", f"/v1/videos/{early}/cancel", key=key)
            ends = [about(events, early) for events in streams]
            assert {event.kind for event in ends} == {"video.failed"}
        assert [about(events, late).data["progress"] for events in streams] == [1, 1]
    # Whoever had come to the later change and no further gets the earlier one too, at either server.
    for server, end in zip(servers[:2], reversed(ends), strict=True):
        with following(server, key, end.id) as events:
            assert about(events, late).data["progress"] == 1


def test_an_idempotency_key_at_both_servers_at_once_makes_one_video(servers: Servers) -> None:
    key = servers.key()
    body = {"prompt": "a kite", "seconds": "1", "size": "64x64"}

    def ask(number: int) -> str:
        headers = {"Idempotency-Key": f"key {number // 4}"}
        server = servers[number % 2]
        status, answer = server.request("POST", "/v1/videos", key=key, body=body, headers=headers)
        assert status == 200, answer
        return str(json.loads(answer)["id"])

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(ask, range(40)))
    assert len(set(ids)) == 10
    assert all(len(set(ids[start : start + 4])) == 1 for start in range(0, 40, 4))
    _, answer = servers.first.request("GET", "/v1/videos?limit=100", key=key)
    assert {video["id"] for video in json.loads(answer)["data"]} == set(ids)


def test_a_rate_holds_over_both_servers(servers: Servers) -> None:
    key = servers.key(requests_per_minute=1)
    statuses = [server.request("GET", "/v1/videos", key=key)[0] for server in servers[:2]]
    assert statuses == [200, 429]


def test_a_stream_holds_no_connection_to_the_database(servers: Servers) -> None:
    key = servers.key()
    with ExitStack() as stack:
        streams = [stack.enter_context(following(servers.first, key)) for _ in range(STREAMS)]
        assert {next(events).kind for events in streams} == {""}
        video_id = servers.first.submit(key)
        assert {about(events, video_id).kind for events in streams} == {"video.queued"}
