"""Connections of a real server on which nothing happens."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hinode.api.serving import connections
from hinode.api.serving.connections import LAST_STATUS, Connection, LoopErrors
from hinode.api.serving.serve import listening

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server on which a request has to come within a third of a second."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)

    async def read(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse("ok")

    async def refuse(request: Request) -> PlainTextResponse:
        request.scope["state"][LAST_STATUS] = 429  # as `AccessLog` does
        return PlainTextResponse("ok", 429)

    routes = [
        Route("/", lambda request: PlainTextResponse("ok")),
        Route("/refused", refuse),
        Route("/body", read, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    config = uvicorn.Config(app, http=Connection, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[], socket.socket]]:
    """Opens connections, which are closed after the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))


def answer(connection: socket.socket) -> bytes:
    """The body of an answer."""
    received = b""
    while not received.endswith(b"ok"):
        received += connection.recv(1000) or pytest.fail("the connection was closed")
    return received[-2:]


def is_closed(connection: socket.socket) -> bool:
    """Waits until the server ends a connection on which it sends nothing."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:  # it was sent something after that
        return True


def test_a_connection_without_a_request_is_closed(connect: Callable[[], socket.socket]) -> None:
    silent, slow, again, busy = (connect() for _ in range(4))
    again.sendall(REQUEST)
    busy.sendall(REQUEST)
    assert answer(again) == b"ok"
    again.sendall(REQUEST[:5])  # the head of a second request, which never ends
    with suppress(ConnectionError):
        for _ in range(3):
            slow.sendall(b"G")
            time.sleep(0.05)
    assert all(map(is_closed, (silent, slow, again)))
    assert answer(busy) == b"ok"
    busy.sendall(REQUEST)  # what had its answer may wait longer
    assert answer(busy) == b"ok"


def test_the_oldest_silent_connection_gives_way(
    connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 60.0)
    monkeypatch.setattr(connections, "max_connections", lambda: 4)
    idle = connect()
    idle.sendall(REQUEST)
    assert answer(idle) == b"ok"
    silent = [connect() for _ in range(20)]
    last = connect()
    last.sendall(REQUEST)
    assert answer(last) == b"ok"
    assert all(map(is_closed, silent[:17]))
    idle.sendall(REQUEST)
    assert answer(idle) == b"ok"


def test_a_refused_client_gives_way_to_one_that_was_served(
    connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project over its share reconnects without end, and only its own idle connections are closed."""
    monkeypatch.setattr(connections, "max_connections", lambda: 4)
    idle = connect()
    idle.sendall(REQUEST)
    assert answer(idle) == b"ok"
    refused = []
    for _ in range(10):
        refused.append(connection := connect())
        connection.sendall(REQUEST.replace(b"GET /", b"GET /refused"))
        assert answer(connection) == b"ok"
    assert all(map(is_closed, refused[:7]))
    idle.sendall(REQUEST)
    assert answer(idle) == b"ok"


def test_a_body_that_does_not_arrive_gives_way(
    connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that are being answered never do."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 60.0)
    monkeypatch.setattr(connections, "max_connections", lambda: 4)
    unfinished = [connect() for _ in range(4)]
    for connection in unfinished:
        connection.sendall(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf")
        time.sleep(0.05)
    last = connect()
    last.sendall(REQUEST)
    assert answer(last) == b"ok"
    assert is_closed(unfinished[0])
    unfinished[-1].sendall(b" and it is over"[:5])
    assert answer(unfinished[-1]) == b"ok"


def test_a_shortage_of_descriptors_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(LoopErrors())
    for _ in range(2048):
        loop.call_exception_handler({"message": "socket.accept() out of system resource"})
    assert len(caplog.records) == 1
    loop.call_exception_handler({"message": "something else"})
    assert "something else" in caplog.text
    loop.close()
