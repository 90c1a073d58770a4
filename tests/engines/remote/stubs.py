"""Servers that answer in the shapes of each dialect, on real sockets of this machine.

The shapes are those of the servers' own sources and pages; `hinode.engines.remote.dialects` says which.
"""

from __future__ import annotations

import base64
import email
import io
import json
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from hinode.clip import Sound
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4

KEY = "sk-secret-9f3a"
VIDEOS = "/v1/videos"


def frames(size: tuple[int, int], count: int) -> list[Any]:
    """A grey that grows brighter from frame to frame, with a white left half."""
    pictures = []
    for index in range(count):
        picture = np.full((size[1], size[0], 3), 40 + 4 * index % 180, np.uint8)
        picture[:, : size[0] // 2] = 255
        pictures.append(picture)
    return pictures


def mp4(path: Path, size: tuple[int, int], count: int, fps: float, sound: Sound | None = None) -> bytes:
    write_mp4(path, frames(size, count), size, Timeline.of(fps, count / fps), Label("t", "c", {}), sound)
    return path.read_bytes()


def avi(size: tuple[int, int], count: int, fps: float) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=round(fps))
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p"
        for picture in frames(size, count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


@dataclass(frozen=True)
class Received:
    """A request as the server received it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Of a JSON body, or of a form; a file is bytes."""
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/json"):
            return dict(json.loads(self.body))
        assert kind.startswith("multipart/form-data"), kind
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.body)
        fields: dict[str, Any] = {}
        for part in message.get_payload():
            content = part.get_payload(decode=True)
            name = part.get_param("name", header="content-disposition")
            fields[name] = content if part.get_filename() else content.decode()
        return fields


@dataclass
class Answer:
    """An answer instead of the default one."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    """Hang up after so many bytes of the body."""
    hang: bool = False
    """Do not answer until the server is stopped."""


class Stub:
    """A server of a dialect. `statuses` are the answers to the status requests of a job; the last one
    stays."""

    def __init__(self, dialect: str, folder: Path) -> None:
        self.dialect = dialect
        self.folder = folder
        self.received: list[Received] = []
        self.overrides: dict[str, deque[Answer]] = defaultdict(deque)
        self.statuses: list[tuple[str, int]] = [("queued", 0), ("in_progress", 40), ("completed", 100)]
        self.error: dict[str, Any] = {"code": "generation_failed", "message": "out of memory in /srv/models"}
        self.extra: dict[str, Any] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.cancelled: list[str] = []
        self.content: bytes | None = None
        self.size: tuple[int, int] | None = None
        self.fps, self.count = 8.0, 8
        self.sound: Sound | None = None
        self.stopped = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def _answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.command, self.path, headers, self.rfile.read(length))
                stub.received.append(received)
                stub.respond(self, received)

            do_GET = do_POST = do_DELETE = _answer

        class QuietServer(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, address: Any) -> None:
                pass  # a client that hung up

            def get_request(self) -> Any:
                request = super().get_request()
                stub.connections.append(request[0])
                return request

        self.connections: list[socket.socket] = []
        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        """End as in a crash: the port is closed, and so is every connection."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)  # the thread of the handler still has it
                connection.close()
            except OSError:
                continue
        self.thread.join()

    def __enter__(self) -> Stub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def creations(self) -> list[Received]:
        """The requests that created a job."""
        return [request for request in self.received if self.kind(request) == "create"]

    def kind(self, received: Received) -> str:
        path = received.path.partition("?")[0]
        if received.method == "DELETE" or path.endswith("/cancel"):
            return "cancel"
        if received.method == "POST":
            return "create"
        if path.endswith("/content"):
            return "content"
        if path.startswith((VIDEOS, "/sdcpp/v1/jobs")):
            return "status"
        return "file" if path.startswith("/bucket") else "health"

    def respond(self, to: BaseHTTPRequestHandler, received: Received) -> None:
        kind = self.kind(received)
        answer = (
            self.overrides[kind].popleft() if self.overrides[kind] else self.default_answer(kind, received)
        )
        if answer.hang:
            self.stopped.wait()
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        to.send_response(answer.status)
        to.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            to.send_header(name, value)
        to.end_headers()
        if answer.cut:
            to.wfile.write(body[: answer.cut])
            to.close_connection = True
            return
        to.wfile.write(body)

    def default_answer(self, kind: str, received: Received) -> Answer:
        if kind == "health":
            return Answer(body={"status": "ok"})
        if kind == "create":
            self.remember(received.fields)
            if self.dialect == "localai":
                return Answer(body=self.localai())
            name = f"{'job' if self.dialect == 'stable-diffusion.cpp' else 'video'}_{len(self.jobs) + 1}"
            self.jobs[name] = {"polls": 0}
            status = 202 if self.dialect == "stable-diffusion.cpp" else 200
            return Answer(status, self.shape(name, "queued", 0))
        if kind == "file":
            return Answer(body=self.video())
        parts = received.path.partition("?")[0].split("/")
        name = next((part for part in parts if part in self.jobs), "")
        if not name:
            return Answer(404, {"detail": "Video not found"})
        if kind == "cancel":
            self.cancelled.append(name)
            return Answer(body={"id": name, "status": "cancelled"})
        if kind == "content":
            return Answer(body=self.video(), headers={"Content-Type": "video/mp4"})
        job = self.jobs[name]
        word, percent = self.statuses[min(job["polls"], len(self.statuses) - 1)]
        job["polls"] += 1
        failed = word in ("failed", "cancelled")
        # vllm-omni: the job is the body of an answer that says 500.
        status = 500 if failed and self.dialect == "vllm-omni" else 200
        return Answer(status, self.shape(name, word, percent))

    def remember(self, fields: dict[str, Any]) -> None:
        """Remember size, rate and length of the requested video."""
        size = fields.get("size")
        if size is not None:
            width, height = size.split("x")
            self.size = self.size or (int(width), int(height))
        elif "width" in fields:
            self.size = self.size or (fields["width"], fields["height"])
        self.fps = float(fields.get("fps") or self.fps)
        count = fields.get("num_frames") or fields.get("video_frames")
        self.count = int(count) if count else round(float(fields.get("seconds", 1)) * self.fps)

    def video(self) -> bytes:
        if self.content is None:
            size = self.size or (64, 48)
            if self.dialect == "stable-diffusion.cpp":
                self.content = avi(size, self.count, self.fps)
            else:
                path = self.folder / f"{id(self)}.mp4"
                self.content = mp4(path, size, self.count, self.fps, self.sound)
        return self.content

    def shape(self, name: str, word: str, percent: int) -> dict[str, Any]:
        failed = word in ("failed", "cancelled")
        if self.dialect == "stable-diffusion.cpp":
            word = {"in_progress": "generating"}.get(word, word)
            done = word == "completed"
            result = {
                "output_format": "avi",
                "mime_type": "video/x-msvideo",
                "fps": self.fps,
                "frame_count": self.count,
                "b64_json": base64.b64encode(self.video()).decode() if done else "",
            }
            return {
                "id": name,
                "kind": "vid_gen",
                "status": word,
                "created": 1775401200,
                "started": None,
                "completed": None,
                "queue_position": 0,
                "result": result if done else None,
                "error": self.error if failed else None,
                **self.extra,
            }
        shape = {
            "id": name,
            "object": "video",
            "model": "theirs",
            "status": word,
            # vllm-omni says nothing until it is done.
            "progress": percent if self.dialect != "vllm-omni" or word == "completed" else 0,
            "created_at": 1775401200,
            "size": "64x48",
            "seconds": "1",
            "error": self.error if failed else None,
        }
        if self.dialect in ("sglang", "fastvideo"):
            shape |= {"quality": "standard", "url": None, "file_path": "/srv/outputs/a.mp4"}
        return {**shape, **self.extra}

    def localai(self) -> dict[str, Any]:
        content = base64.b64encode(self.video()).decode()
        return {"id": "uuid", "created": 1775401200, "data": [{"b64_json": content}], "usage": {}}
