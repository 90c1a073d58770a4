"""A real server for tests that send it what nobody should, and the bytes to send."""

from __future__ import annotations

import http.client
import json
import secrets
import struct
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.serving import HOST, Server

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
class House:
    """The server, a key for it, and the folders around its home."""

    server: Server
    key: str
    around: Path

    def ask(
        self,
        method: str,
        path: str,
        content: bytes | Iterable[bytes] | None = None,
        kind: str | None = None,
        **headers: str,
    ) -> Answer:
        """One request with these very bytes, on a connection of its own."""
        sent = {"Authorization": f"Bearer {self.key}", **({"Content-Type": kind} if kind else {})}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=60)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def json(self, path: str, value: Any) -> Answer:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, content, "application/json")

    def form(self, path: str, *parts: bytes) -> Answer:
        return self.ask("POST", path, form(*parts), f"multipart/form-data; boundary={BOUNDARY}")

    @property
    def memory(self) -> int:
        """Bytes of the server process, without its workers."""
        assert self.server.process
        return int(psutil.Process(self.server.process.pid).memory_info().rss)

    @contextmanager
    def staying_below(self, growth: int) -> Iterator[None]:
        """The server's memory may not grow by more than this while the block lasts."""
        before, most, over = self.memory, 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not over.wait(0.01):
                most = max(most, self.memory)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        assert most - before <= growth, f"grew from {before:,} to {most:,} bytes"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY.encode(), one) for one in parts) + ending()


def ending() -> bytes:
    return b"--%b--\r\n" % BOUNDARY.encode()


def field(name: str, value: bytes | str) -> bytes:
    value = value if isinstance(value, bytes) else value.encode()
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), value)


def file(name: str, content: bytes, filename: str = "a.png", kind: str = "image/png") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}'
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def refused(answer: Answer, *statuses: int) -> str:
    """The sentence with which something was refused."""
    assert 400 <= answer.status < 500, answer
    assert answer.status != 429 or 429 in statuses, "nothing was looked at"
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


def at_home(house: House) -> None:
    """Nothing was written but into the home, and nothing half-finished is left in the store."""
    home = house.server.home
    outside = [path for path in house.around.rglob("*") if path.is_file() and home not in path.parents]
    assert outside == []
    known = {"hinode.db", "hinode.db-wal", "hinode.db-shm", "server.log", "store", "logs", "models"}
    assert {path.name for path in home.iterdir()} <= known
    assert {path.name for path in (home / "store").iterdir()} <= {"objects", "temporary", "previews"}
    assert list((home / "store" / "temporary").glob("*")) == []
    named = [path for path in home.rglob("*") if MARK in path.name]
    assert named == []
    for folder in (Path(tempfile.gettempdir()), Path.cwd(), Path.cwd().parent, Path("/")):
        assert list(folder.glob(f"*{MARK}*")) == []


def png(width: int, height: int, *chunks: tuple[bytes, bytes], rows: int | None = None) -> bytes:
    """A black PNG of one bit per pixel, in far fewer bytes than it has when unpacked."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))
    )


def mp4(frames: int) -> bytes:
    """An MP4 of less than a kilobyte that says it has so many frames, of one byte each."""

    def box(name: bytes, *inner: bytes) -> bytes:
        body = b"".join(inner)
        return struct.pack(">I", 8 + len(body)) + name + body

    def full(name: bytes, flags: int, *inner: bytes) -> bytes:
        return box(name, struct.pack(">I", flags), *inner)

    def numbers(*values: int) -> bytes:
        return struct.pack(f">{len(values)}I", *values)

    matrix = numbers(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    picture = struct.pack(">HH", 64, 64) + numbers(0x480000, 0x480000, 0) + struct.pack(">H", 1) + bytes(32)
    entry = box(b"mp4v", bytes(6), struct.pack(">H", 1), bytes(16), picture, struct.pack(">Hh", 24, -1))
    table = box(
        b"stbl",
        full(b"stsd", 0, numbers(1), entry),
        full(b"stts", 0, numbers(1, frames, 1)),
        full(b"stsc", 0, numbers(1, 1, frames, 1)),
        full(b"stsz", 0, numbers(1, frames)),
        full(b"stco", 0, numbers(1, 8)),
    )
    data = box(b"dinf", full(b"dref", 0, numbers(1), full(b"url ", 1)))
    media = box(
        b"mdia",
        full(b"mdhd", 0, numbers(0, 0, 1000, 4000, 0x55C40000)),
        full(b"hdlr", 0, bytes(4), b"vide", bytes(14)),
        box(b"minf", full(b"vmhd", 1, bytes(8)), data, table),
    )
    track = full(b"tkhd", 3, numbers(0, 0, 1, 0, 4000), bytes(16), matrix, numbers(64 << 16, 64 << 16))
    head = full(b"mvhd", 0, numbers(0, 0, 1000, 4000, 0x10000), bytes(12), matrix, bytes(24), numbers(2))
    kind = box(b"ftyp", b"isom", numbers(512), b"isomiso2avc1mp41")
    return kind + box(b"moov", head, box(b"trak", track, media)) + box(b"mdat", bytes(64))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    around = tmp_path_factory.mktemp("around")
    temporary = around / "tmp"
    temporary.mkdir()
    server = Server(around / "a" / "b" / "home", workers=0, environment={"TMPDIR": str(temporary)})
    with server:
        made = House(server, server.key("fuzz"), around)
        assert made.json(CREATE, {"prompt": PROMPT}).status == 200  # and everything is imported
        yield made
        at_home(made)
        answer = made.json(CREATE, {"prompt": PROMPT})
        assert answer.status == 200, "it still works"
        assert server.stop() == 0
