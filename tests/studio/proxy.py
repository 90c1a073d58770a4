"""A proxy as people put before a server, and as badly: for tests of what the studio makes of it."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import httpx

PREFIX = "/hinode"
LIMIT = 1_000_000
CONTROL = "/-/"
HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "content-encoding", "date", "host"}
PAGE = b"<!doctype html><title>%d</title><h1>%d</h1><p>nginx</p>"


@dataclass
class Handler:
    """It takes the prefix `/hinode` away and says so to nobody, compresses JSON and weakens ETags, and
    answers in HTML: 413 to bodies over a megabyte, and 504 as often as it is told to.

    Attributes:
        fail: "METHOD path" of requests that are answered with 504 once each; they leave the list then.
        seen: "METHOD path" of all requests.
    """

    target: str
    fail: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *rest = head.strip().split("\r\n")
            method, path, _ = line.split(" ", 2)
            headers = [tuple(entry.split(": ", 1)) for entry in rest]
            length = int({name.lower(): value for name, value in headers}.get("content-length", 0))
            if path.startswith(CONTROL):
                await self._control(writer, unquote(path.removeprefix(CONTROL)))
                return
            self.seen.append(f"{method} {path}")
            if length > LIMIT:
                await reader.readexactly(length)
                await self._page(writer, 413)
            elif not path.startswith(PREFIX + "/"):
                await self._page(writer, 404)
            elif f"{method} {path}" in self.fail:
                self.fail.remove(f"{method} {path}")
                await reader.readexactly(length)
                await self._page(writer, 504)
            else:
                body = await reader.readexactly(length)
                await self._forward(writer, method, path.removeprefix(PREFIX), headers, body)
        except (ConnectionError, asyncio.IncompleteReadError, httpx.HTTPError):
            pass  # the browser or the server left
        finally:
            writer.close()

    async def _control(self, writer: asyncio.StreamWriter, words: str) -> None:
        if words:
            self.fail.append(words)
        content = "\n".join(self.seen).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))
        await writer.drain()

    async def _page(self, writer: asyncio.StreamWriter, status: int) -> None:
        content = PAGE % (status, status)
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-type: text/html\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, len(content), content)
        )
        await writer.drain()

    async def _forward(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        headers: list[tuple[str, ...]],
        body: bytes,
    ) -> None:
        sent = [(name, value) for name, value in headers if name.lower() not in HOP]
        async with (
            httpx.AsyncClient(timeout=None) as client,
            client.stream(method, self.target + path, headers=sent, content=body) as answer,
        ):
            kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in HOP]
            kept = [
                (name, f"W/{value}" if name == "etag" and not value.startswith("W/") else value)
                for name, value in kept
            ]
            kept.append(("connection", "close"))
            is_json = "json" in answer.headers.get("content-type", "")
            if is_json:
                content = gzip.compress(await answer.aread())
                kept += [("content-encoding", "gzip"), ("content-length", str(len(content)))]
            start = f"HTTP/1.1 {answer.status_code} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in kept)
            writer.write(start.encode("latin-1") + b"\r\n")
            if is_json:
                writer.write(content)
            else:
                async for part in answer.aiter_bytes():
                    writer.write(part)
                    await writer.drain()
            await writer.drain()


class Proxy:
    """A proxy that runs."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.origin = self._address + PREFIX
        """What stands before the path of the page."""

    def fail(self, request: str) -> None:
        """Answer the next such request, such as "POST /hinode/v1/videos", with 504."""
        httpx.get(self._address + CONTROL + quote(request, safe=""))

    def seen(self) -> list[str]:
        """The requests until now."""
        return httpx.get(self._address + CONTROL).text.splitlines()


@contextmanager
def running(target: str) -> Iterator[Proxy]:
    """A proxy before the server at an origin, as a process of its own."""
    command = [sys.executable, "-m", "tests.studio.proxy", target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Proxy(int(process.stdout.readline()))
        finally:
            process.kill()


async def main(target: str) -> None:
    """Serve until the process is killed."""
    server = await asyncio.start_server(Handler(target).handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
