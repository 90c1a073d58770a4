"""A web server that receives webhooks and remembers them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class Receiver(ThreadingHTTPServer):
    """Listens on a free port of this machine; use it in a `with` block."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._events: dict[str, set[tuple[str, str]]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, name="receiver")

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http://127.0.0.1:{self.server_port}/hook"

    def events(self) -> dict[str, set[tuple[str, str]]]:
        """The events of each video, as type and `webhook-id`."""
        with self._lock:
            return {video: set(events) for video, events in self._events.items()}

    def note(self, body: bytes, webhook_id: str) -> None:
        """Remember an event."""
        event = json.loads(body)
        with self._lock:
            self._events.setdefault(event["data"]["id"], set()).add((event["type"], webhook_id))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.note(body, self.headers["webhook-id"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass
