"""Workers over HTTP, on the real application: what tokens allow, whose files they see, and who decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hinode import __version__
from hinode.api.serving.serve import _reaper
from hinode.engines.protocol import State
from hinode.engines.testcard.engine import TestcardEngine
from hinode.errors import BadInput
from hinode.jobs.files.checkpoints import Checkpoints
from hinode.jobs.job import Lease, LeaseLost
from hinode.jobs.states import Outcome, Status
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.jobs.worker import attempt
from hinode.jobs.worker.remote import protocol
from hinode.jobs.worker.remote.cache import Cache
from hinode.jobs.worker.remote.connection import Connection, ServerError
from hinode.jobs.worker.remote.service import RemoteService
from hinode.jobs.worker.remote.transfer import Transfer
from hinode.jobs.worker.service import ServerAway, WorkerRefused
from hinode.jobs.worker.worker import Worker
from hinode.records.rows import count_rows
from hinode.records.tables import worker_objects
from hinode.request import MediaFile
from hinode.settings import Settings
from hinode.trust.screening.equipment import Equipment
from hinode.trust.screening.policy import Policy
from tests.api.conftest import CheckError, Clock, Server
from tests.api.guards import Rejecting
from tests.manifests import read_manifest
from tests.videos import shown_by

ROLES = ("video", "thumbnail", "spritesheet")
FILE = {"digest": "0" * 64, "media_type": "video/mp4", "bytes": 1}
NAMES = {protocol.VERSION_HEADER: str(protocol.VERSION), protocol.SOFTWARE_HEADER: __version__}


class Line(httpx.BaseTransport):
    """The way to the application, which can be cut: before a request arrives, or before its answer does."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before = self.after = 0
        self.broken_after: int | None = None  # bytes of a file that arrive
        self.paths: list[str] = []
        self.ranges: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(f"{request.method} {request.url.path.rpartition('/')[2]}")
        self.ranges += filter(None, [request.headers.get("range")])
        if self.before:
            self.before -= 1
            raise httpx.ConnectError("the line is cut")
        headers = dict(request.headers)
        answer = self.server.client.request(
            request.method, str(request.url), content=request.read(), headers=headers
        )
        if self.after:
            self.after -= 1
            raise httpx.ReadError("the line is cut")
        sent: Any = answer.content
        if request.method == "HEAD":
            return httpx.Response(answer.status_code, headers=answer.headers)
        if self.broken_after is not None and "/objects/" in request.url.path:
            sent, self.broken_after = Broken(sent[: self.broken_after]), None
            return httpx.Response(answer.status_code, headers=answer.headers, stream=sent)
        return httpx.Response(answer.status_code, headers=answer.headers, content=sent)


class Broken(httpx.SyncByteStream):
    """A body whose end does not arrive."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        raise httpx.ReadError("the line is cut")


@dataclass
class Box:
    """A machine with a token, and what its worker process has."""

    line: Line
    service: RemoteService
    transfer: Transfer
    cache: Cache
    settings: Settings
    connection: Connection
    clock: Clock

    def worker(self, engine: Any = None, **changes: Any) -> Worker:
        make = (lambda name, settings: engine) if engine else None
        return Worker(
            self.service,
            self.cache,
            self.settings,
            host="box",
            **({"engine": make} if make else {}),
            **changes,
        )

    def claim(self) -> Lease:
        worker_id = self.service.register_worker("box", 1, ["testcard"])
        lease = self.service.claim(worker_id, host="box")
        assert lease is not None
        return lease


@pytest.fixture
def box(server: Server, tmp_path: Path) -> Iterator[Box]:
    token = server.context.worker_tokens.create(f"box {server.project_id}", projects=[server.project_id])
    line = Line(server)
    connection = Connection("http://localhost", token.token, line)
    clock = Clock(0.0)
    service = RemoteService(connection, clock)
    transfer = Transfer(connection, service, pause=lambda seconds: None)
    settings = Settings(home=tmp_path / "box", threads=1, device="cpu", checkpoint_seconds=0.0)
    cache = Cache(settings.home / "worker", transfer, max_bytes=10**9)
    service.on_lease = cache.begin
    yield Box(line, service, transfer, cache, settings, connection, clock)
    connection.close()
    with suppress(BadInput):  # a test has removed it
        server.context.worker_tokens.remove(token.id)


def job(server: Server, job_id: str) -> Any:
    found = server.context.store.job(server.project_id, job_id)
    assert found is not None
    return found


def digests(server: Server, job_id: str) -> dict[str, str]:
    return {role: file.digest for role, file in server.context.store.artifacts(job_id).items()}


def shown(server: Server, job_id: str) -> dict[str, str]:
    """What each file of a job shows."""
    found = digests(server, job_id)
    return {role: shown_by(server.context.objects.path(digest)) for role, digest in found.items()}


def test_a_worker_over_http_makes_the_same_files_as_a_local_one(server: Server, box: Box) -> None:
    local = server.render(seed=4, steps=3)["id"]
    video = server.create(seed=4, steps=3)["id"]
    assert box.worker().run_one()
    assert job(server, video).status is Status.COMPLETED
    assert shown(server, video) == shown(server, local)
    signed = server.context.store.artifacts(video)["video"]
    path = server.context.objects.path(signed.digest)
    assert read_manifest(path, server.context.marking.authority).state == "Trusted"
    assert not (box.settings.home / "trust").exists()  # the worker has no key
    assert job(server, video).provenance["seed"] == 4
    assert server.client.get(f"/v1/videos/{video}/content").status_code == 200
    # What was sent for it is remembered until then.
    mine = worker_objects.c.job_id == video
    with server.context.store.database.read() as connection:
        assert count_rows(connection, mine) >= 3
    server.context.store.expire()
    with server.context.store.database.read() as connection:
        assert count_rows(connection, mine) == 0


def test_what_a_worker_over_http_blocks_is_reviewed_by_its_frames(
    server: Server, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = server.context.tenants.create_key("operator", scopes=ALL_SCOPES).key
    operator = {"authorization": f"Bearer {key}"}
    policies = server.context.policies
    text = "rules:\n  - {id: clowns, category: gore, phrases: {en: [clown]}}\n"
    policies.replace(text, policies.current().version, "tester")
    seen: list[str] = []

    def equip(policy: Policy, settings: Settings) -> Equipment:
        seen.append(policy.version)
        return Equipment((Rejecting(),))

    monkeypatch.setattr(attempt, "equip", equip)
    video = server.create(seed=7)["id"]
    assert box.worker().run_one()
    assert seen == [policies.current().version]  # that of the server
    failed = server.client.get(f"/v1/videos/{video}").json()["error"]
    (mine,) = server.client.get("/v1/review/own").json()["data"]
    assert (failed["code"], mine["video_id"]) == ("moderation_blocked", video)
    assert f"/v1/review/{mine['id']}/appeal" in failed["message"]
    address = f"/v1/review/{mine['id']}"
    entry = server.client.get(address, headers=operator).json()
    (finding,) = entry["findings"]
    assert (finding["rule"], finding["stage"], entry["policy"]) == ("rejecting", "output frames", seen[0])
    picture = server.client.get(f"{address}/frames", headers=operator)
    assert picture.headers["content-type"] == "image/jpeg"
    server.client.post(address, json={"decision": "approve"}, headers=operator)
    again = server.client.post(f"/v1/videos/{video}/retry").json()["id"]
    assert box.worker().run_one()
    assert job(server, again).status is Status.COMPLETED
    policies.replace("", policies.current().version, "tester")


def test_inputs_come_from_the_server_and_stay_until_the_next_job(server: Server, box: Box) -> None:
    source = server.render()["id"]
    body = {"prompt": "it lands", "seconds": "1", "video": {"id": source}}
    video = server.client.post("/v1/videos/extensions", json=body).json()["id"]
    worker = box.worker()
    assert worker.run_one()
    assert job(server, video).status is Status.COMPLETED
    inputs = {reference["digest"] for reference in job(server, video).request["references"]}
    kept = {path.name for path in box.cache.root.glob("objects/??/*")}
    assert inputs <= kept
    server.create()
    assert worker.run_one()
    assert not inputs & {path.name for path in box.cache.root.glob("objects/??/*")}


def test_a_saved_state_goes_on_where_it_ended(server: Server, box: Box) -> None:
    video = server.create(steps=6)["id"]
    steps: list[int] = []

    def cut(seconds: float) -> None:
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt  # as a power cut

    with pytest.raises(KeyboardInterrupt):
        box.worker(TestcardEngine(box.settings, cut)).run_one()
    before = job(server, video)
    assert before.checkpoint_step >= 2
    server.context.store.lost(before.worker_id)
    assert box.worker(TestcardEngine(box.settings, lambda seconds: steps.append(1))).run_one()
    assert len(steps) < 4 + 6
    again = server.render(steps=6, seed=before.request["seed"])["id"]
    assert shown(server, video) == shown(server, again)
    # Of the states before, the server keeps none that is old enough to go.
    assert job(server, video).checkpoint is None


@pytest.mark.parametrize("way", ["before", "after"])
def test_a_line_that_is_cut_costs_nothing(
    server: Server, box: Box, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode.jobs.worker import attempt

    monkeypatch.setattr(attempt, "END_PAUSE", 0.0)
    video = server.create(steps=3, seed=1)["id"]
    engine = TestcardEngine(box.settings, lambda seconds: setattr(box.line, way, 3))
    assert box.worker(engine).run_one()
    ended = job(server, video)
    assert (ended.status, ended.epoch) == (Status.COMPLETED, 1)
    assert shown(server, video) == shown(server, server.render(steps=3, seed=1)["id"])


def test_a_claim_whose_answer_is_lost_gives_the_same_job_again(server: Server, box: Box) -> None:
    video = server.create()["id"]
    worker_id = box.service.register_worker("box", 1, ["testcard"])
    box.line.after = 1
    with pytest.raises(ServerAway):
        box.service.claim(worker_id, host="box")
    lease = box.service.claim(worker_id, host="box")
    assert lease is not None
    assert (lease.job.id, lease.epoch) == (video, 1)


def test_a_stale_epoch_is_refused(server: Server, box: Box, check_error: CheckError) -> None:
    video = server.create()["id"]
    lease = box.claim()
    server.context.store.lost(job(server, video).worker_id)
    assert server.run_jobs() == 1
    file = MediaFile("0" * 64, "video/mp4", 1)
    for call in (
        lambda: box.service.heartbeat(
            lease, stage="sample", progress=1, preview=0, slice_seconds=1.0, ran_for=0.0
        ),
        lambda: box.service.checkpoint(lease, "0" * 64, 1),
        lambda: box.service.finish(lease, dict.fromkeys(ROLES, file), {}, 1.0),
        lambda: box.service.fail(lease, "engine", "it broke", final=True),
        lambda: box.service.give_back(lease),
        lambda: box.cache.put(b"late"),
        lambda: box.cache.put_preview(lease.job.id, b"late"),
        lambda: box.cache.read("0" * 64),
    ):
        with pytest.raises(LeaseLost):
            call()
    assert job(server, video).status is Status.COMPLETED


def test_after_a_gap_a_worker_asks_before_it_writes(server: Server, box: Box) -> None:
    video = server.create()["id"]
    lease = box.claim()
    box.clock.now += 3600.0  # the machine slept; nobody took the job
    box.cache.put(b"a state")
    assert box.line.paths[-2:] == ["POST heartbeat", f"PUT {hashlib.sha256(b'a state').hexdigest()}"]
    box.clock.now += 3600.0
    server.context.store.lost(job(server, video).worker_id)
    with pytest.raises(LeaseLost):
        box.cache.put(b"another state")
    assert box.line.paths[-1] == "POST heartbeat"
    assert lease.epoch == 1


def test_a_worker_reads_files_of_its_job_only(server: Server, box: Box) -> None:
    other = digests(server, server.render()["id"])["video"]  # of the project, and no input
    strange, _ = server.context.objects.put(b"of another project")
    server.create()
    lease = box.claim()
    for digest in (other, strange, "f" * 64):
        assert not box.cache.has(digest)
        with pytest.raises(FileNotFoundError):
            box.cache.read(digest)
        with pytest.raises(ServerError, match="has not sent the file"):
            box.service.finish(lease, dict.fromkeys(ROLES, MediaFile(digest, "video/mp4", 20)), {}, 1.0)
        with pytest.raises(ServerError, match="has not sent the file"):
            box.service.checkpoint(lease, digest, 1)
    # Nor by way of a saved state that names it as its part.
    content = State("testcard", 1, b"body", {"part": lambda: b""})
    checkpoints = Checkpoints(box.cache)
    checkpoints._parts["part"] = strange
    box.cache.keep = lambda digest: True  # type: ignore[method-assign]
    digest = checkpoints.put(content)
    with pytest.raises(ServerError, match="has not sent the file"):
        box.service.checkpoint(lease, digest, 1)
    assert server.context.store.job(server.project_id, lease.job.id).checkpoint is None  # type: ignore[union-attr]


def test_what_arrives_otherwise_than_its_digest_says_is_not_kept(
    server: Server, box: Box, check_error: CheckError
) -> None:
    server.create()
    lease = box.claim()
    digest = hashlib.sha256(b"right").hexdigest()
    path = f"/v1/workers{box.service.path(lease, f'objects/{digest}')}"
    headers = {**dict(box.connection._client.headers), "content-type": "application/octet-stream"}
    answer = server.client.put(path, content=b"wrong", headers=headers)
    assert check_error(answer, 400, "digest")["code"] == "wrong_digest"
    assert not server.context.objects.has(hashlib.sha256(b"wrong").hexdigest())
    assert box.transfer.size(digest) is None
    assert server.client.put(path, content=b"right", headers=headers).status_code == 200
    assert box.transfer.size(digest) == 5
    assert box.cache.read(digest) == b"right"


@pytest.mark.parametrize("arrived", [0, 70_000, 256 * 5000])
def test_a_download_goes_on_where_it_broke_off(server: Server, box: Box, arrived: int) -> None:
    server.create()
    box.claim()
    content = bytes(range(256)) * 5000
    digest, _ = box.cache.put(content)
    box.cache.path(digest).unlink()
    box.line.broken_after = arrived
    before = len(box.line.paths)
    assert box.cache.read(digest) == content
    methods = [path.partition(" ")[0] for path in box.line.paths[before:]]
    assert methods == (["GET", "HEAD"] if arrived == len(content) else ["GET", "HEAD", "GET"])
    assert box.line.ranges == ([f"bytes={arrived}-"] if 0 < arrived < len(content) else [])


def test_a_large_file_is_sent_once(server: Server, box: Box) -> None:
    server.create()
    box.claim()
    for _ in range(2):
        box.cache.put(bytes(3 << 20))
    assert [path.partition(" ")[0] for path in box.line.paths[-3:]] == ["HEAD", "PUT", "HEAD"]


def test_a_file_that_is_damaged_on_the_server_is_not_used(server: Server, box: Box) -> None:
    server.create()
    box.claim()
    digest, _ = box.cache.put(b"a saved state")
    box.cache.path(digest).unlink()
    server.context.objects.path(digest).write_bytes(b"another state")
    with pytest.raises(OSError, match="is not the file"):
        box.cache.read(digest)
    assert not box.cache.path(digest).exists()


def test_a_preempted_a_cancelled_and_a_failed_job(server: Server, box: Box) -> None:
    video = server.create()["id"]
    box.service.give_back(box.claim(), Outcome.UNSUPPORTED)
    assert job(server, video).status is Status.QUEUED
    server.context.store.cancel(server.project_id, video)
    video = server.create()["id"]
    lease = box.claim()
    beat = {"stage": "sample", "progress": 10, "preview": 1, "slice_seconds": 1.0, "ran_for": 0.5}
    assert not box.service.heartbeat(lease, **beat).cancel
    server.client.post(f"/v1/videos/{video}/cancel")
    assert box.service.heartbeat(lease, **beat).cancel
    box.service.acknowledge_cancel(lease)
    assert job(server, video).status is Status.CANCELLED
    video = server.create()["id"]
    box.service.fail(box.claim(), "engine", "the model broke", final=True)
    assert (job(server, video).status, job(server, video).error_message) == (Status.FAILED, "the model broke")
    video = server.create()["id"]
    box.service.postpone(box.claim(), "")
    assert job(server, video).not_before > 0


def test_after_its_start_a_server_waits_for_workers_to_come_back(
    server: Server, box: Box, clock: Clock
) -> None:
    video = server.create()["id"]
    box.claim()
    lease_seconds = server.context.store.lease_seconds
    clock.now += 10 * lease_seconds  # the server was away
    reap = _reaper(server.context.store, clock)
    for status in (Status.RUNNING, Status.QUEUED):
        reap()
        assert job(server, video).status is status
        clock.now += lease_seconds + 1


def test_a_preview_shows(server: Server, box: Box) -> None:
    video = server.create()["id"]
    lease = box.claim()
    box.cache.put_preview(video, b"a picture")
    assert server.context.objects.preview(video).read_bytes() == b"a picture"
    box.service.fail(lease, "engine", "it broke", final=True)
    assert not server.context.objects.preview(video).exists()


def test_a_removed_token_ends_its_worker_and_frees_its_job(server: Server, box: Box) -> None:
    video = server.create()["id"]
    lease = box.claim()
    token = server.context.worker_tokens.create("another", projects=[server.project_id])
    (own,) = [entry.token for entry in server.context.worker_tokens.fleet() if entry.job_id == video]
    assert own is not None
    removed, count = server.context.worker_tokens.remove(own.name)
    assert (removed.id, count) == (own.id, 1)
    assert (job(server, video).status, job(server, video).crashes) == (Status.QUEUED, 0)
    with pytest.raises(WorkerRefused, match="was removed"):
        box.service.checkpoint(lease, "0" * 64, 1)
    with pytest.raises(WorkerRefused):
        box.service.claim(lease.worker_id, host="box")
    # A worker of another token cannot act for it either.
    other = Connection("http://localhost", token.token, Line(server))
    with pytest.raises(WorkerRefused, match="does not know the worker"):
        RemoteService(other).claim(lease.worker_id, host="box")
    other.close()


def test_projects_and_engines_of_a_token(server: Server, box: Box) -> None:
    name = f"not {server.project_id}"
    other = server.context.tenants.create_project(name).id
    elsewhere = server.context.worker_tokens.create("elsewhere", projects=[other], engines=["testcard"])
    video = server.create()["id"]
    connection = Connection("http://localhost", elsewhere.token, Line(server))
    service = RemoteService(connection)
    with pytest.raises(ServerError, match="no engine that its token allows"):
        service.register_worker("elsewhere", 1, ["native"])
    worker_id = service.register_worker("elsewhere", 1, ["native", "testcard"])
    assert service.claim(worker_id, host="elsewhere") is None
    hosts = {worker["host"] for worker in server.client.get("/v1/queue").json()["workers"]}
    assert "elsewhere" not in hosts
    assert box.claim().job.id == video
    connection.close()
    server.context.worker_tokens.remove(elsewhere.id)


@pytest.mark.parametrize(
    ("version", "sentence"),
    [("0", "upgrade the worker"), ("99", "upgrade the server"), ("", "upgrade the worker")],
)
def test_versions_that_do_not_fit_are_refused(
    server: Server, box: Box, check_error: CheckError, version: str, sentence: str
) -> None:
    box.connection._client.headers[protocol.VERSION_HEADER] = version
    with pytest.raises(WorkerRefused) as error:
        box.service.register_worker("box", 1, ["testcard"])
    assert error.value.message.endswith(sentence)
    assert error.value.message.count(f"Hinode {__version__}") == 2
    assert f"protocol {protocol.VERSION};" in error.value.message


def test_tokens_and_keys_are_good_for_their_own_only(
    server: Server, box: Box, check_error: CheckError
) -> None:
    token = {"authorization": box.connection._client.headers["authorization"]}
    for path in ("/v1/videos", "/v1/queue", "/v1/project", "/v1/files"):
        error = check_error(server.client.get(path, headers=token), 403)
        assert "token of a worker" in error["message"]
    for headers in ({}, {"authorization": "Bearer sk-hinode-x"}):
        error = check_error(server.client.post("/v1/workers", json={}, headers={**NAMES, **headers}), 403)
        assert "API key cannot act as a worker" in error["message"]
    unknown = {**NAMES, "authorization": "Bearer wk-hinode-unknown"}
    error = check_error(server.client.post("/v1/workers", json={}, headers=unknown), 401)
    assert error["code"] == "invalid_worker_token"
    assert "/v1/workers" not in server.client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    ("end", "body"),
    [
        ("heartbeat", {"stage": "x" * 99, "progress": 1, "preview": 0, "ran_for": 0}),
        ("heartbeat", {"stage": "x", "progress": 101, "preview": 0, "ran_for": 0}),
        ("heartbeat", {"stage": "x", "progress": 1, "preview": 1 << 40, "ran_for": 0}),
        ("heartbeat", {"stage": "x", "progress": 1, "preview": 0, "ran_for": -1}),
        ("checkpoint", {"digest": "../../etc", "step": 1}),
        ("finish", {"files": {}}),
        ("finish", {"files": {role: {**FILE, "bytes": -1} for role in ROLES}}),
        ("finish", {"files": {role: {**FILE, "media_type": "text/html"} for role in ROLES}}),
        ("finish", {"files": {"video": FILE}}),
        ("end", {"outcome": "failed", "code": "Not A Code"}),
        ("end", {"outcome": "completed"}),
        ("end", {"outcome": "failed", "message": "x" * 5000}),
        ("end", {"outcome": "failed", "extra": 1}),
    ],
)
def test_malformed_messages_are_refused_in_a_sentence(
    server: Server, box: Box, end: str, body: dict[str, Any]
) -> None:
    server.create()
    lease = box.claim()
    with pytest.raises(ServerError, match="refused the request: "):
        box.connection.call("POST", box.service.path(lease, end), body)
    box.service.give_back(lease)


def test_addresses_that_are_no_server(box: Box) -> None:
    for address in ("ftp://host", "host", "http://user:secret@host", "http://169.254.169.254"):
        with pytest.raises(BadInput):
            Connection(address, "token")
    assert Connection("http://192.168.1.5:8000/v1/", "token").server == "http://192.168.1.5:8000"


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (httpx.Response(302, headers={"location": "https://other/"}), ServerError, "redirects to"),
        (httpx.Response(200, text="<html>"), ServerError, "is not Hinode; check"),
        (httpx.Response(404, json={"detail": "Not Found"}), ServerError, "is not Hinode; check"),
        (httpx.Response(502, text="<html>"), ServerAway, "status 502"),
    ],
)
def test_answers_that_are_none_of_hinodes(
    answer: httpx.Response, error: type[Exception], sentence: str
) -> None:
    answers = [answer, httpx.Response(200, json={}, headers={"x-request-id": "req_1"}), answer]
    connection = Connection("http://localhost", "t", httpx.MockTransport(lambda request: answers.pop(0)))
    with pytest.raises(error, match=sentence):
        connection.call("POST", "", {})
    assert connection.call("POST", "", {}) == {}
    with pytest.raises(ServerAway):  # a proxy, while the server starts again
        connection.call("POST", "", {})
    connection.close()


def test_a_server_without_these_routes(server: Server) -> None:
    connection = Connection("http://localhost", "t", Line(server))
    connection._base = "http://localhost/v1/other"
    with pytest.raises(ServerError, match="has no workers over HTTP; upgrade it"):
        connection.call("POST", "", {})
    connection.close()
