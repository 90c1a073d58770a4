"""The API with its files in a bucket."""

from __future__ import annotations

import dataclasses
import io
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from benchmarks.serving import free_port
from benchmarks.stores import Moto
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.api.serving.serve import sweep
from hinode.records.database import Database
from hinode.settings import Settings
from tests.api.conftest import ALIASES, CheckError, Server, new_project, picture


@contextmanager
def running(settings: Settings) -> Iterator[Server]:
    """An application with such settings, and a project in it."""
    database = Database(settings.database_url)
    context = Context(settings, database)
    try:
        with TestClient(create_app(context), follow_redirects=False) as client:
            yield new_project(context, client)
    finally:
        database.close()


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
    )


def elsewhere(settings: Settings) -> Settings:
    """The same server on another machine: the same database and bucket, a cache of its own."""
    return dataclasses.replace(settings, store=settings.home / "other-cache")


def empty_cache(server: Server) -> None:
    shutil.rmtree(server.context.objects.root)


def test_a_video_is_made_here_and_read_there(settings: Settings) -> None:
    with running(settings) as here:
        video = here.render()
        content = here.client.get(f"/v1/videos/{video['id']}/content").content
        assert content[4:8] == b"ftyp"
        with running(elsewhere(settings)) as other:
            other.client.headers["authorization"] = f"Bearer {here.key}"
            address = f"/v1/videos/{video['id']}"
            assert other.client.get(f"{address}/content").content == content
            part = other.client.get(f"{address}/content", headers={"range": "bytes=4-7"})
            assert (part.status_code, part.content) == (206, b"ftyp")
            assert other.client.get(f"{address}/content?variant=thumbnail").content[:4] == b"RIFF"
            assert other.client.get(f"{address}/frames/0").headers["content-type"] == "image/png"
            assert other.client.get(f"{address}/content?format=gif").content[:3] == b"GIF"
            assert other.client.get(f"{address}/preview").content[:4] == b"RIFF"
            archive = other.client.post("/v1/library/archives", json={"ids": [video["id"]]}).json()
            empty_cache(other)
            packed = other.client.get(archive["url"])
            assert len(packed.content) == int(packed.headers["content-length"])
            with zipfile.ZipFile(io.BytesIO(packed.content)) as archived:
                assert [archived.read(name) for name in archived.namelist()] == [content]


def test_uploads_and_references_come_from_the_bucket(settings: Settings) -> None:
    with running(settings) as server:
        file = ("first.png", picture(), "image/png")
        upload = server.client.post("/v1/files", files={"file": file}, data={"purpose": "vision"}).json()
        empty_cache(server)
        assert server.client.get(f"/v1/files/{upload['id']}/content").content == picture()
        empty_cache(server)
        video = server.create(input_reference={"file_id": upload["id"]})
        empty_cache(server)
        server.run_jobs()
        assert server.client.get(f"/v1/videos/{video['id']}").json()["status"] == "completed"
        empty_cache(server)
        answer = server.client.get(f"/v1/videos/{video['id']}/references/0")
        assert (answer.status_code, answer.content) == (200, picture())
        sweep(server.context)
        assert server.client.get(f"/v1/videos/{video['id']}/content").status_code == 200
        assert not list(server.context.objects.root.glob("held/*"))


@pytest.mark.slow
def test_programs_are_sent_to_the_store_and_people_are_not(settings: Settings, moto: Moto) -> None:
    public = f"http://localhost:{moto.port}"
    with running(dataclasses.replace(settings, store_public_endpoint=public)) as server:
        video = server.render()
        address = f"/v1/videos/{video['id']}/content"
        answer = server.client.get(address)
        assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
        location = answer.headers["location"]
        assert location.startswith(public)
        stored = httpx.get(location, headers={"range": "bytes=4-7"})
        assert (stored.status_code, stored.content, stored.headers["content-type"]) == (
            206,
            b"ftyp",
            "video/mp4",
        )
        assert server.client.get(f"{address}?variant=thumbnail").status_code == 200
        assert server.client.head(address).status_code == 200
        token = server.context.sessions.create_link(server.project_id)
        with TestClient(create_app(server.context), follow_redirects=False) as browser:
            signed_in = browser.post(
                "/v1/session", json={"token": token}, headers={"origin": "http://testserver"}
            )
            assert signed_in.status_code == 200, signed_in.text
            assert browser.get(address).status_code == 200


@pytest.mark.slow
def test_a_store_that_is_away_is_a_503_and_loses_nothing(settings: Settings, check_error: CheckError) -> None:
    with running(settings) as server:
        done, waiting = server.render(), server.create(prompt="a blue kite")
        away = dataclasses.replace(settings, store_endpoint=f"http://127.0.0.1:{free_port()}")
        with running(away) as cut_off:
            cut_off.client.headers["authorization"] = f"Bearer {server.key}"
            address = f"/v1/videos/{done['id']}/content"
            assert cut_off.client.get(address).status_code == 200  # from the cache
            empty_cache(cut_off)
            files = {"file": ("first.png", picture(), "image/png")}
            for answer in (
                cut_off.client.get(address),
                cut_off.client.post("/v1/files", files=files, data={"purpose": "vision"}),
                cut_off.client.get("/readyz"),
            ):
                error = check_error(answer, 503)
                assert error["message"].startswith("The files of the server are away at the moment")
            assert cut_off.run_jobs(limit=1) == 1
            video = cut_off.client.get(f"/v1/videos/{waiting['id']}").json()
            assert (video["status"], video["error"]) == ("queued", None)
        # It waits a while before it is tried again.
        wait_until(lambda: server.run_jobs() > 0)
        assert server.client.get(f"/v1/videos/{waiting['id']}").json()["status"] == "completed"


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)
