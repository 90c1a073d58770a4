"""A project that takes more of a server than its share: hundreds of connections that send nothing, bodies
that never end, and event streams. Every connection that the server closes is opened again."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from benchmarks.serving import HOST

SILENT, BODIES, STREAMS = 600, 60, 500
LARGE_BODIES = 10
"""Of the bodies that never end, those of which 20 megabytes are sent."""
AGAIN_SECONDS = 5.0
Kind = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@dataclass
class Attack:
    """What came of it: how often bodies and streams got which status, 0 for none."""

    port: int
    key: str
    video: str
    bodies: Counter[int] = field(default_factory=Counter)
    streams: Counter[int] = field(default_factory=Counter)
    open_streams: int = 0
    max_streams: int = 0

    async def run(self) -> None:
        """Attack until this is cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(SILENT):
                group.create_task(self._repeat(self._silent, number))
            for number in range(STREAMS):
                group.create_task(self._repeat(self._stream, number))
            for number in range(BODIES):
                group.create_task(self._repeat(self._body, number))

    async def _repeat(self, kind: Kind, number: int) -> None:
        await asyncio.sleep(number / 300)
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    await kind(reader, writer, number)
                finally:
                    writer.close()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _silent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.read()

    async def _body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        size = 20 << 20 if number < LARGE_BODIES else 100_000
        writer.write(self._head("POST", "/v1/videos", b"content-length: 25000000\r\n"))
        writer.write(b'{"prompt":"' + b"a" * size)
        self.bodies[await _status(reader)] += 1
        await reader.read()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(self._head("GET", f"/v1/videos/{self.video}/events", b""))
        status = await _status(reader)
        self.streams[status] += 1
        self.open_streams += status == 200
        self.max_streams = max(self.max_streams, self.open_streams)
        try:
            await reader.read()
        finally:
            self.open_streams -= status == 200

    def _head(self, method: str, path: str, more: bytes) -> bytes:
        lines = f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {self.key}\r\n"
        return lines.encode() + b"content-type: application/json\r\n" + more + b"\r\n"


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of an answer, 0 if there is none."""
    with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return int((await reader.readuntil(b"\r\n")).split()[1])
    return 0


def attack(port: int, key: str, video: str, parent: Connection) -> None:
    """Attack a server until something comes from the parent, and send it the `Attack`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    result = Attack(port, key, video)

    async def until_told() -> None:
        running = asyncio.create_task(result.run())
        await asyncio.to_thread(parent.recv)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(until_told())
    parent.send((result.bodies, result.streams, result.max_streams))
