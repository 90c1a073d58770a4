"""What the scenarios of client.py share: the client, its configuration, and checks of the answers."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
from openai import OpenAI

VIDEO_FIELDS = {
    "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at",
    "prompt", "size", "seconds", "remixed_from_video_id", "error",
}  # fmt: skip
ERROR_FIELDS = {"message", "type", "param", "code"}
PROMPT = "a red balloon rising over the mountains at noon"

Scenario = Callable[[], dict[str, Any] | None]
scenarios: list[Scenario] = []

CONFIG = json.loads(Path(sys.argv[1]).read_text())
FOLDER = Path(CONFIG["folder"])
SIZE = CONFIG["size"]
IMAGE = ("picture.png", Path(CONFIG["image"]).read_bytes(), "image/png")
MOVIE = ("clip.mp4", Path(CONFIG["movie"]).read_bytes(), "video/mp4")

client = OpenAI(base_url=CONFIG["base_url"], api_key=CONFIG["key"], timeout=60)
without_retries = client.with_options(max_retries=0)  # for errors: a retry would only cost time


def scenario(function: Scenario) -> Scenario:
    scenarios.append(function)
    return function


def create(**more: Any) -> Any:
    return client.videos.create(prompt=PROMPT, model="sora-2", seconds="4", size=SIZE, **more)


def finished(video: Any) -> Any:
    video = client.videos.poll(video.id, poll_interval_ms=200)
    assert video.status == "completed", video
    assert video.progress == 100
    assert video.created_at <= video.completed_at < video.expires_at
    assert video.error is None
    return video


def save(video: Any, name: str, **more: Any) -> str:
    path = FOLDER / name
    client.videos.download_content(video.id, **more).write_to_file(path)
    return str(path)


def raises(kind: type[Exception], call: Callable[[], Any]) -> Any:
    try:
        result = call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} but {result!r}")


def checked(error: openai.APIStatusError, status: int) -> openai.APIStatusError:
    """The envelope: four keys, a sentence, and the request's id."""
    assert error.status_code == status, (error.status_code, error.body)
    assert isinstance(error.body, dict), error.body
    assert set(error.body) >= ERROR_FIELDS, error.body
    assert isinstance(error.body["message"], str)
    assert error.body["message"]
    assert error.request_id, "no x-request-id"
    return error


def post(path: str, body: dict[str, Any]) -> Any:
    """The low-level call, which sends JSON."""
    return client.post(path, cast_to=openai.types.Video, body=body)


def upload(path: str, body: dict[str, Any], part: str) -> Any:
    """The low-level call with a file, as a program with an older version makes it."""
    options: Any = {"headers": {"Content-Type": "multipart/form-data"}}
    return client.post(path, cast_to=object, body=body, files=[(part, MOVIE)], options=options)


class Receiver(ThreadingHTTPServer):
    """A web server that stores what is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.deliveries: list[tuple[bytes, dict[str, str]]] = []
        self.arrived = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of_type(self, kind: str, count: int, seconds: float = 30) -> list[tuple[bytes, dict[str, str]]]:
        """What was posted of events of this type, once there are `count` of them."""
        with self.arrived:
            matches = lambda: [post for post in self.deliveries if json.loads(post[0])["type"] == kind]  # noqa: E731
            assert self.arrived.wait_for(lambda: len(matches()) >= count, seconds), self.deliveries
            return matches()


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.arrived:
            self.server.deliveries.append(
                (body, {name.lower(): value for name, value in self.headers.items()})
            )
            self.server.arrived.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        pass


def run() -> Iterator[dict[str, Any]]:
    """The report of every scenario; an error of one does not stop the others."""
    for function in scenarios:
        start = time.monotonic()
        report: dict[str, Any] = {"scenario": function.__name__}
        try:
            report["outputs"] = function() or {}
        except BaseException:
            report["error"] = traceback.format_exc()
        report["seconds"] = round(time.monotonic() - start, 2)
        yield report
