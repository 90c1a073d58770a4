"""A proxy in front of an S3 server that breaks one promise of S3."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

HOP = {"connection", "content-length", "transfer-encoding", "content-encoding", "accept-encoding"}


@dataclass
class Proxy:
    """A proxy; keys in `old` are told to be a hundred years older than they are."""

    url: str = ""
    old: set[str] = field(default_factory=set)


@contextmanager
def lying_proxy(target: str, lie: str = "") -> Iterator[Proxy]:
    """A proxy to `target`. `lie` is one of: flip (a bit of what is read), trailer (written into the file),
    range (ignored), forget (what is removed stays), parts (each loses a bit), redate (all files are old),
    mend (none: a range gets its status, which rclone forgets).
    """
    proxy = Proxy()
    client = httpx.Client(timeout=60, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            is_part = "partNumber=" in self.path
            is_file = self.path.rpartition("/")[2] not in ("", "check") and "list-type" not in self.path
            if self.command == "PUT" and lie == "trailer" and body:
                body += b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n"
            if self.command == "PUT" and lie == "parts" and is_part:
                body = body[:-1] + bytes([body[-1] ^ 1])
            if lie == "range":
                headers = {name: value for name, value in headers.items() if name.lower() != "range"}
            if lie == "forget" and (self.command == "DELETE" or "?delete" in self.path):
                return self.send(204, {}, b"")
            url = target + self.path
            try:
                answer = client.request(self.command, url, headers=headers, content=body)
            except httpx.TransportError:
                return self.send(502, {}, b"")
            content = answer.content
            if self.command == "GET" and lie == "flip" and is_file and content and "?" not in self.path:
                content = bytes([content[0] ^ 1]) + content[1:]
            for key in {""} if lie == "redate" else proxy.old:
                listed = rf"(<Key>[^<]*{key}</Key>\s*<LastModified>)20".encode()
                content = re.sub(listed, rb"\g<1>19", content)
            status = 206 if lie == "mend" and "content-range" in answer.headers else answer.status_code
            return self.send(status, dict(answer.headers), content)

        def send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in HOP | {"date", "server"}:
                    self.send_header(name, value)
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(content))
            self.send_header("content-length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        yield proxy
    finally:
        server.shutdown()
        client.close()
        server.server_close()
        thread.join()
