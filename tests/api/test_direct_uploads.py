"""Files of a worker over HTTP that go straight to a bucket, on the real application and a real S3 server."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from benchmarks.stores import Moto
from hinode.jobs.job import LeaseLost
from hinode.jobs.worker.remote.connection import Connection
from hinode.jobs.worker.remote.direct import RESUMPTIONS, DirectUploads
from hinode.jobs.worker.remote.service import RemoteService
from hinode.jobs.worker.remote.transfer import Transfer
from hinode.settings import Settings
from tests.api.conftest import ALIASES, Server
from tests.api.routes.test_workers import Line
from tests.api.test_object_storage import running

PART = 1 << 20


@dataclass
class Road(httpx.BaseTransport):
    """The way to the bucket. The first requests fail as `faults` says: a status, an exception, or "flip" for
    a bit that is wrong when it arrives."""

    faults: list[int | str | Exception] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    line: httpx.HTTPTransport = field(default_factory=lambda: httpx.HTTPTransport(trust_env=False))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        content = request.read()
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if isinstance(fault, int):
            return httpx.Response(fault)
        if fault == "flip":
            content = bytes([content[0] ^ 1]) + content[1:]
        headers = dict(request.headers)
        return self.line.handle_request(httpx.Request("PUT", request.url, headers=headers, content=content))


@dataclass
class Box:
    """A worker that has claimed a job of `server`."""

    server: Server
    line: Line
    road: Road
    service: RemoteService
    transfer: Transfer
    folder: Path

    def send(self, size: int = 2 * PART + 1000) -> str:
        """Upload a new file; returns its digest."""
        content = secrets.token_bytes(size)
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / digest
        path.write_bytes(content)
        self.transfer.upload(digest, path)
        assert self.transfer.size(digest) == size
        objects = self.server.context.objects
        objects.path(digest).unlink(missing_ok=True)  # of the cache
        assert objects.read(digest) == content
        return digest

    def puts(self) -> int:
        """Files that went through the server."""
        return sum(path.startswith("PUT") for path in self.line.paths)


@pytest.fixture
def settings(moto: Moto, tmp_path: Path, sqlite_template: Path) -> Settings:
    shutil.copy(sqlite_template, tmp_path / "hinode.db")
    return Settings(
        home=tmp_path,
        aliases=ALIASES,
        threads=1,
        device="cpu",
        store_url=f"{moto.url}/{secrets.token_hex(4)}",
        store_endpoint=moto.endpoint,
        store_worker_endpoint=f"http://localhost:{moto.port}",
    )


@pytest.fixture
def box(settings: Settings, tmp_path: Path) -> Iterator[Box]:
    with running(settings) as server:
        token = server.context.worker_tokens.create("box", projects=[server.project_id])
        line, road = Line(server), Road()
        connection = Connection("http://localhost", token.token, line)
        service = RemoteService(connection)
        direct = DirectUploads(connection, service, lambda seconds: None, part_bytes=PART, transport=road)
        transfer = Transfer(connection, service, lambda seconds: None, direct)
        server.create()
        worker_id = service.register_worker("box", 1, ["testcard"])
        assert service.claim(worker_id, host="box") is not None
        yield Box(server, line, road, service, transfer, tmp_path)
        connection.close()


def test_a_large_file_goes_straight_to_the_store_in_parts(
    box: Box, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="hinode")
    box.send()
    assert (box.puts(), len(box.road.requests)) == (0, 3)
    assert {f"http://{request.url.netloc.decode()}" for request in box.road.requests} == {
        settings.store_worker_endpoint
    }
    assert not any("authorization" in request.headers for request in box.road.requests)
    assert "X-Amz" not in caplog.text
    box.send(1000)
    assert (box.puts(), len(box.road.requests)) == (1, 3)  # a small one would gain nothing


@pytest.mark.slow
def test_an_address_that_is_refused_is_renewed(box: Box) -> None:
    box.road.faults = [403, 403]
    box.send()
    assert (box.puts(), len(box.road.requests)) == (0, 5)
    assert [path for path in box.line.paths if path.startswith("POST a")] == [
        *["POST address"] * 5,
        "POST adopt",
    ]


def test_a_store_out_of_reach_is_tried_once(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.road.faults = [httpx.ConnectError("http://localhost/?X-Amz-Signature=1")]
    box.send()
    box.send()
    assert (box.puts(), len(box.road.requests)) == (2, 1)
    (line,) = [record.getMessage() for record in caplog.records if "takes no file" in record.getMessage()]
    assert line.endswith("ConnectError); files go through it")
    assert "X-Amz" not in caplog.text


@pytest.mark.slow
def test_a_part_that_breaks_off_is_sent_again(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.send()
    box.road.faults = [httpx.ReadError("cut"), 503]
    box.send()
    assert (box.puts(), len(box.road.requests)) == (0, 8)
    box.road.faults = [httpx.ReadError("cut")] * (RESUMPTIONS + 1)
    box.send()
    assert box.puts() == 1
    assert "ReadError); this file goes through it" in caplog.text
    box.send()
    assert box.puts() == 1  # the store is used again


@pytest.mark.slow
def test_what_arrives_damaged_is_not_stored(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.road.faults = ["flip"]
    box.send()
    assert box.puts() == 1
    assert "what arrived in the store is not the file that was sent" in caplog.text


@pytest.mark.slow
def test_a_worker_that_lost_its_lease_stores_nothing(box: Box) -> None:
    lease = box.service.lease
    assert lease is not None
    box.server.context.store.lost(lease.worker_id)
    path = box.folder / "late"
    path.write_bytes(bytes(3 * PART))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(LeaseLost):
        box.transfer.upload(digest, path)
    assert box.road.requests == []


@pytest.mark.slow
def test_without_the_setting_files_go_through_the_server(box: Box) -> None:
    context = box.server.context
    context.objects.upload_url = lambda name, part: None  # type: ignore[method-assign]  # a server that started anew
    box.send()
    assert (box.puts(), box.road.requests) == (1, [])
    context.settings = dataclasses.replace(context.settings, store_worker_endpoint="")
    box.service.register_worker("box", 2, ["testcard"])
    assert not box.service.takes_uploads
