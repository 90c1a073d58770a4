"""A client that sends arbitrary bytes to a real server, and checks of what the server does with them."""

from __future__ import annotations

import http.client
import json
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.serving import HOST, ServerHarness

MEGABYTE = 1 << 20
MARK = f"escaped-{secrets.token_hex(6)}"
BOUNDARY = "part-of-the-body"
PROMPT = "a red balloon over the sea"
FIELDS = ("prompt", "model", "seconds", "size", "seed", "n", "fps", "negative_prompt", "steps")
CREATE = "/v1/videos"
POSTS = (
    CREATE,
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/video_1/remix",
    "/v1/videos/characters",
    "/v1/files",
    "/v1/batches",
    "/v1/webhook_endpoints",
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class RawClient:
    """A real server, a key for it, and a folder that has nothing in it but the home of the server.

    Every request has a connection of its own.
    """

    server: ServerHarness
    key: str
    folder: Path

    def request(
        self,
        method: str,
        path: str,
        content: bytes | Iterable[bytes] | None = None,
        kind: str | None = None,
        **headers: str,
    ) -> Answer:
        """Send exactly these bytes."""
        fields = {"Authorization": f"Bearer {self.key}", **({"Content-Type": kind} if kind else {})}
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=60)
        try:
            connection.request(method, path, content, fields)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    def post_json(self, path: str, value: Any) -> Answer:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, content, "application/json")

    def post_form(self, path: str, *parts: bytes) -> Answer:
        return self.request("POST", path, form(*parts), f"multipart/form-data; boundary={BOUNDARY}")

    @property
    def memory(self) -> int:
        """Bytes of the server process, without its workers."""
        assert self.server.process
        return int(psutil.Process(self.server.process.pid).memory_info().rss)

    @contextmanager
    def memory_below(self, growth: int) -> Iterator[None]:
        """Check that the memory of the server grows by no more than `growth` bytes during the block."""
        before, peak, done = self.memory, 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.01):
                peak = max(peak, self.memory)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        assert peak - before <= growth, f"grew from {before:,} to {peak:,} bytes"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY.encode(), part) for part in parts) + closing_boundary()


def closing_boundary() -> bytes:
    return b"--%b--\r\n" % BOUNDARY.encode()


def field(name: str, value: bytes | str) -> bytes:
    value = value if isinstance(value, bytes) else value.encode()
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), value)


def file(name: str, content: bytes, filename: str = "a.png", kind: str = "image/png") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}'
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def rejection(answer: Answer, *statuses: int) -> str:
    """The sentence with which a request was refused."""
    assert 400 <= answer.status < 500, answer
    assert answer.status != 429 or 429 in statuses, "refused before it was read"
    assert not statuses or answer.status in statuses, answer
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    sentence: str = error["message"]
    assert " " in sentence
    assert 10 < len(sentence) < 1000
    assert not any(word in sentence for word in ("Traceback", "site-packages", "sqlalchemy", " at 0x")), (
        sentence
    )
    assert answer.headers["x-request-id"]
    return sentence


def check_files(raw_client: RawClient) -> None:
    """Check that nothing was written outside the home, and that no temporary file is left in the store."""
    home = raw_client.server.home
    outside = [path for path in raw_client.folder.rglob("*") if path.is_file() and home not in path.parents]
    assert outside == []
    names = {"hinode.db", "hinode.db-wal", "hinode.db-shm", "server.log", "store", "logs", "models", "trust"}
    assert {path.name for path in home.iterdir()} <= names
    assert {path.name for path in home.glob("store/*")} <= {"objects", "temporary", "previews"}
    assert list((home / "store" / "temporary").glob("*")) == []
    assert [path for path in home.rglob("*") if MARK in path.name] == []
    for folder in (Path(tempfile.gettempdir()), Path.cwd(), Path.cwd().parent, Path("/")):
        assert list(folder.glob(f"*{MARK}*")) == []


@pytest.fixture(scope="module")
def raw_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    folder = tmp_path_factory.mktemp("around")
    temporary = folder / "tmp"
    temporary.mkdir()
    server = ServerHarness(folder / "a" / "b" / "home", workers=0, environment={"TMPDIR": str(temporary)})
    with server:
        client = RawClient(server, server.key("fuzz"), folder)
        assert client.post_json(CREATE, {"prompt": PROMPT}).status == 200  # and everything is imported
        yield client
        check_files(client)
        assert client.post_json(CREATE, {"prompt": PROMPT}).status == 200
        assert server.stop() == 0
