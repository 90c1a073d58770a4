"""References to pictures: data URLs, links and uploaded files."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.api.requests import pictures
from hinode.api.requests.values import ImageReference
from hinode.errors import BadInput
from hinode.jobs.job import OverQuota
from hinode.parsing import parse
from hinode.registry import entries
from tests.api.conftest import SMALL, CheckError, Server, picture


@pytest.mark.parametrize(
    "reference",
    [
        lambda url: {"json": {"input_reference": {"image_url": url}}},
        lambda url: {"json": {"input_reference": url}},
        lambda url: {"data": {"input_reference[image_url]": url}},
        lambda url: {"files": {"input_reference[image_url]": (None, url)}},
    ],
)
def test_data_urls(server: Server, reference: Callable[[str], dict[str, Any]]) -> None:
    body = reference("data:image/png;base64," + base64.b64encode(picture()).decode())
    fields = {"prompt": "a kite", "size": SMALL, "seconds": "1"}
    if "files" in body:
        body["data"] = fields
    else:
        next(iter(body.values())).update(fields)
    response = server.client.post("/v1/videos", **body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "reference",
    [
        lambda url: {"json": {"last_frame_reference": {"image_url": url}}},
        lambda url: {"data": {"last_frame_reference[image_url]": url}},
        lambda url: {"files": {"last_frame_reference": ("x.png", picture((200, 300)), "image/png")}},
    ],
)
def test_an_image_as_last_frame(server: Server, reference: Callable[[str], dict[str, Any]]) -> None:
    body = reference("data:image/png;base64," + base64.b64encode(picture((200, 300))).decode())
    fields = {"prompt": "a kite", "size": SMALL, "seconds": "1", "input_reference_fit": "crop"}
    body.setdefault("json" if "json" in body else "data", {}).update(fields)
    response = server.client.post("/v1/videos", **body)
    assert response.status_code == 200, response.text
    job = server.context.store.job(server.project_id, response.json()["id"])
    assert job is not None
    assert [reference["role"] for reference in job.request["references"]] == ["last_frame"]
    assert server.run_jobs() == 1
    assert server.client.get(f"/v1/videos/{job.id}").json()["status"] == "completed"


@pytest.mark.parametrize(
    "value", [7, {"file_id": "file-0"}, {"image_url": "data:"}, "http://127.0.0.1/a.png"]
)
def test_a_broken_last_frame_is_named(server: Server, check_error: CheckError, value: object) -> None:
    body = {"prompt": "a kite", "size": SMALL, "last_frame_reference": value}
    status = 404 if value == {"file_id": "file-0"} else 400
    check_error(server.client.post("/v1/videos", json=body), status, "last_frame_reference")


def test_a_model_that_requires_pictures_refuses_requests_without(
    fresh_server: Server, check_error: CheckError
) -> None:
    server = fresh_server
    home = server.context.settings.home
    weights = home / "weights.safetensors"
    weights.write_bytes(b"")
    files = {str(weights): hashlib.sha256(b"").hexdigest()}
    values = ("diffusers", "wan2.1-flf2v", str(home), "", files, "best", (), "Apache-2.0")
    entries.save(entries.Entry("ends", *values), home)
    about = server.client.get("/v1/models/ends").json()
    assert about["required_references"] == about["references"] == ["first_frame", "last_frame"]
    body = {"prompt": "a kite", "size": SMALL, "model": "ends", "seconds": 1}
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    error = check_error(server.client.post("/v1/videos", json=body), 400, "input_reference")
    assert "draws from an image as first frame and there is none" in error["message"]
    first = {**body, "input_reference": url}
    error = check_error(server.client.post("/v1/videos", json=first), 400, "last_frame_reference")
    assert "an image as last frame" in error["message"]
    assert server.client.get("/v1/videos").json()["data"] == []
    response = server.client.post("/v1/videos", json={**first, "last_frame_reference": url})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("url", ["data:", "data:image/png,abc", "data:image/png;base64,%%%", "data:;base64,"])
def test_broken_data_urls(server: Server, check_error: CheckError, url: str) -> None:
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"image_url": url}}
    check_error(server.client.post("/v1/videos", json=body), 400, "input_reference")


def test_a_data_url_that_is_too_long() -> None:
    url = "data:image/png;base64," + "A" * pictures.MAX_URL_LENGTH
    with pytest.raises(BadInput, match="give 20,971,520 at most"):
        parse(ImageReference, {"image_url": url})


def test_uploaded_files(server: Server, check_error: CheckError) -> None:
    uploaded = server.client.post(
        "/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", picture(), "image/png")}
    ).json()
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"file_id": uploaded["id"]}}
    assert server.client.post("/v1/videos", json=body).status_code == 200
    check_error(
        server.client.post("/v1/videos", json={**body, "input_reference": {"file_id": "file-0"}}),
        404,
        "input_reference",
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a.png", "http://169.254.169.254/", "file:///etc/passwd", "x"]
)
def test_links_lead_to_the_internet_only(server: Server, check_error: CheckError, url: str) -> None:
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"image_url": url}}
    check_error(server.client.post("/v1/videos", json=body), 400, "input_reference")


@pytest.fixture
def web_server() -> Iterator[str]:
    """A web server on this machine that has one picture, a page, and a picture without end."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = {"/picture.png": picture(), "/page": b"<html>"}.get(self.path)
            self.send_response(200 if body or self.path == "/endless" else 404)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body or b"")
                while self.path == "/endless":
                    self.wfile.write(b"\0" * 65536)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()
        thread.join()


def test_links(server: Server, check_error: CheckError, web_server: str) -> None:
    settings = replace(server.context.settings, allow_private_urls=True)
    context = Context(settings, server.context.store.database, server.context.clock)
    with TestClient(create_app(context), headers={"authorization": f"Bearer {server.key}"}) as client:
        body = {"prompt": "a kite", "size": SMALL, "seconds": "1"}
        for reference in ({"image_url": f"{web_server}/picture.png"}, f"{web_server}/picture.png"):
            response = client.post("/v1/videos", json={**body, "input_reference": reference})
            assert response.status_code == 200, response.text
        for path in ("/page", "/missing", "/endless"):
            response = client.post("/v1/videos", json={**body, "input_reference": web_server + path})
            check_error(response, 400, "input_reference")
    assert list((context.objects.root / "temporary").iterdir()) == []


def test_slow_web_servers_delay_only_the_project_that_fetches(server: Server) -> None:
    fetches = server.context.inputs.fetches
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(fetches.acquire("proj_1"))
        with pytest.raises(OverQuota), fetches.acquire("proj_1"):
            pass
        with fetches.acquire("proj_2"):
            pass
    with fetches.acquire("proj_1"):
        pass
