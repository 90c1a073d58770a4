"""The probes of a real application: what they say of one that works, and of one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from hinode.api.status.board import MAX_AGE_SECONDS, StatusBoard
from hinode.api.status.wire import Status
from hinode.jobs.status import history
from hinode.jobs.status.deliveries import PATH, WebhookProbe, webhook_probe
from hinode.jobs.status.history import Sample
from hinode.jobs.status.probes import ApiProbe, Client, ClipProbe, Outcome
from hinode.jobs.status.report import StatusRecords
from hinode.jobs.status.upkeep import CLIP_SECONDS, tidy
from hinode.jobs.webhooks.delivery import Deliverer
from hinode.outbound import Answer, Outbound
from hinode.records.database import Database
from tests.api.conftest import Server

MODEL = "testcard/testcard"


class Through(httpx.BaseTransport):
    """Passes requests to the application of a test client."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.answer: Callable[[httpx.Request], httpx.Response | None] = lambda request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.answer(request)
        if answer is not None:
            return answer
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        passed = self.client.request(
            request.method,
            str(request.url.copy_with(scheme="http", host="testserver", port=None)),
            content=request.read(),
            headers=headers,
        )
        return httpx.Response(passed.status_code, content=passed.content)


@dataclass
class Site:
    """A server, and the client of its probes, whose pauses are what happens meanwhile."""

    server: Server
    transport: Through
    now: float = 0.0
    meanwhile: Callable[[], object] = field(default=lambda: None)

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    def client(self) -> Client:
        return Client(
            "http://testserver", lambda: self.server.key, self.pause, lambda: self.now, self.transport
        )

    def clip(self, *, busy: bool = False) -> dict[str, Outcome]:
        probe = ClipProbe(self.client(), MODEL, lambda: busy, queue=True)
        return {outcome.component: outcome for outcome in probe.run()}


@pytest.fixture
def site(server: Server) -> Site:
    site = Site(server, Through(server.client))
    site.meanwhile = server.run_jobs
    return site


def test_an_api_that_works(site: Site) -> None:
    outcomes = ApiProbe(site.client()).run()
    assert [(outcome.component, outcome.ok) for outcome in outcomes] == [("api", True), ("latency", True)]


def test_an_api_that_does_not_answer_or_refuses(site: Site) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        raise httpx.ConnectError("10.0.0.1 refused")

    site.transport.answer = refuse
    (outcome,) = ApiProbe(site.client()).run()
    assert (outcome.ok, outcome.message) == (False, "The server cannot be reached.")
    site.transport.answer = lambda request: httpx.Response(503)
    (outcome,) = ApiProbe(site.client()).run()
    assert "status 503" in outcome.message


def test_a_clip_is_rendered_and_downloaded(site: Site) -> None:
    outcomes = site.clip()
    assert {name: outcome.ok for name, outcome in outcomes.items()} == {
        "clips/testcard": True,
        "queue": True,
    }
    assert outcomes["queue"].seconds <= outcomes["clips/testcard"].seconds


def test_without_a_worker_a_clip_and_the_queue_fail(site: Site) -> None:
    site.meanwhile = lambda: None
    outcomes = site.clip()
    assert [outcome.ok for outcome in outcomes.values()] == [False, False]
    context = site.server.context
    jobs, _ = context.store.jobs(site.server.project_id, after=None, limit=5, descending=True)
    assert [job.status.value for job in jobs] == ["cancelled"]


def test_workers_with_other_jobs_say_nothing_about_rendering(site: Site) -> None:
    site.meanwhile = lambda: None
    outcomes = site.clip(busy=True)
    assert {name: outcome.ok for name, outcome in outcomes.items()} == {"queue": False}


def test_a_download_that_is_no_video_is_a_failure(site: Site) -> None:
    def answer(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, content=b"<html>") if request.url.path.endswith("/content") else None

    site.transport.answer = answer
    assert site.clip()["clips/testcard"].message == "A downloaded clip is not a video."


class Loop(Outbound):
    """Posts to the application of a test client."""

    def __init__(self, client: TestClient) -> None:
        super().__init__(allow_private=True)
        self.client = client

    def post(self, url: str, body: bytes, headers: Any, *, seconds: float = 10.0) -> Answer:
        answer = self.client.post(httpx.URL(url).path, content=body, headers=dict(headers))
        return Answer(answer.status_code, {})


def test_an_event_arrives_at_the_server_itself(site: Site) -> None:
    context, outbound = site.server.context, Loop(site.server.client)
    deliverer = Deliverer(context.store.database, outbound, context.clock, threads=1)

    def deliver() -> None:
        deliverer.run_due(context.clock())
        deliverer.settle()

    site.meanwhile = deliver
    url = "http://127.0.0.1:8000"
    project = site.server.project_id
    probe = WebhookProbe(context.store.database, outbound, url, lambda: project, context.clock, site.client())
    for _ in range(2):
        (outcome,) = probe.run()
        assert outcome.ok
    (endpoint,), _ = context.endpoints.page(project, after=None, limit=10)
    assert endpoint.url == url + PATH
    site.meanwhile = lambda: None
    (outcome,) = probe.run()
    assert outcome.message == "An event did not arrive within 30 s."
    deliverer.close()


def test_a_server_that_may_not_post_to_its_address_has_no_probe_of_webhooks(site: Site) -> None:
    context, client = site.server.context, site.client()

    def probe_of(url: str) -> WebhookProbe | None:
        database = context.store.database
        return webhook_probe(database, Outbound(), url, lambda: "proj_1", context.clock, client)

    assert probe_of("http://127.0.0.1:8000") is None
    assert probe_of("https://studio.example.com") is not None


def test_what_probes_left_is_deleted_and_nothing_else(site: Site) -> None:
    context, project = site.server.context, site.server.project_id
    other = context.tenants.create_project(f"beside {project}").id
    key = context.tenants.create_key("beside", project=other).key
    site.server.client.headers["authorization"] = f"Bearer {key}"
    site.server.render()
    site.server.client.headers["authorization"] = f"Bearer {site.server.key}"
    site.clip()
    site.server.create()  # a probe that was killed could not cancel it
    later = context.clock() + CLIP_SECONDS + 1
    with context.store.database.write() as connection:
        assert tidy(connection, project, context.clock()) == 0
        assert tidy(connection, project, later) == 2
    for owner, count in ((project, 0), (other, 1)):
        assert len(context.store.jobs(owner, after=None, limit=5, descending=True)[0]) == count


def test_the_page_needs_no_key_and_no_script(site: Site) -> None:
    del site.server.client.headers["authorization"]
    answer = site.server.client.get("/status")
    assert answer.status_code == 200
    assert "Nothing has been probed yet." in answer.text
    assert "<script" not in answer.text
    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    assert Status.model_validate_json(site.server.client.get("/status.json").content).state == "unknown"
    assert site.server.client.get("/status.atom").text.startswith("<?xml")


def test_while_the_database_is_away_the_last_report_is_shown_as_such(
    database: Database, tmp_path: Path
) -> None:
    now = 1_800_000_000.0
    with database.write() as connection:
        history.enter(connection, [Sample("api", now - 1, True, 0.01, "", 60.0)])
    records = StatusRecords(database, lambda: now)
    board = StatusBoard(records, lambda: now)
    assert board.latest().report.components[0].state == "operational"
    away = records.database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'hinode.db'}")
    now += MAX_AGE_SECONDS
    publication = board.latest()
    assert (publication.report.at, publication.report.components[0].state) == (
        now - MAX_AGE_SECONDS,
        "unknown",
    )
    assert b"The database does not answer" in publication.page.body
    (component,) = Status.model_validate_json(publication.json).components
    assert (component.availability, len(component.days)) == (1.0, 90)
    records.database = database
    now += MAX_AGE_SECONDS
    assert not board.latest().is_outdated
    away.close()


def test_an_address_may_ask_so_often_only(site: Site) -> None:
    statuses = [site.server.client.get("/status.atom").status_code for _ in range(130)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
