"""A server that is stopped behind a balancer: no request fails before its port is closed."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.serving import HOST, WAIT_SECONDS, ServerHarness


class Sender:
    """Sends one request after another, on one connection as long as the server lets it, until it is stopped
    or the port is closed."""

    def __init__(self, server: ServerHarness, key: str) -> None:
        self.server = server
        self.headers = {"Authorization": f"Bearer {key}"}
        self.statuses: list[int] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        with closing(http.client.HTTPConnection(HOST, self.server.port, timeout=30)) as connection:
            while not self.stopped.is_set():
                try:
                    connection.request("GET", "/v1/videos", headers=self.headers)
                    answer = connection.getresponse()
                    answer.read()
                    self.statuses.append(answer.status)
                except ConnectionRefusedError:
                    return
                except (ConnectionError, http.client.BadStatusLine):  # an error, unless the port is closed
                    connection.close()
                    if self.server.port_is_open():
                        self.statuses.append(0)


@contextmanager
def sending(server: ServerHarness, key: str) -> Iterator[Sender]:
    """A sender that has had its first answer, and is stopped after the block."""
    sender = Sender(server, key)
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        server.wait_for(lambda: sender.statuses)
        yield sender
    finally:
        sender.stopped.set()
        thread.join()


def start(home: Path, seconds: float) -> ServerHarness:
    server = ServerHarness(home, workers=0, environment={"HINODE_DRAIN_SECONDS": str(seconds)})
    server.start()
    return server


def signal_stop(server: ServerHarness) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)


def wait_until_draining(server: ServerHarness) -> str:
    """Wait until /readyz refuses requests, and return its message."""
    answers = [(0, b"")]

    def refused() -> bool:
        answers.append(server.request("GET", "/readyz"))
        return answers[-1][0] == 503

    server.wait_for(refused)
    message: str = json.loads(answers[-1][1])["error"]["message"]
    return message


@pytest.mark.slow
def test_a_server_that_drains_answers_until_a_second_signal(tmp_path: Path) -> None:
    server = start(tmp_path / "home", 600)
    try:
        key = server.key("test")
        authorization = {"Authorization": f"Bearer {key}"}
        with sending(server, key) as sender, closing(http.client.HTTPConnection(HOST, server.port)) as client:
            client.request("GET", "/v1/events", headers=authorization)
            stream = client.getresponse()
            assert stream.readline() == b"retry: 3000\n"
            assert stream.readline().startswith(b"id: ")
            signal_stop(server)
            assert wait_until_draining(server) == "The server is stopping."
            stream.read()  # which ends
            count = len(sender.statuses)
            with closing(http.client.HTTPConnection(HOST, server.port)) as other:
                body = json.dumps({"prompt": "a kite", "seconds": "1", "size": "64x64"})
                headers = {**authorization, "Content-Type": "application/json"}
                other.request("POST", "/v1/videos", body, headers)
                answer = other.getresponse()
                assert (answer.status, answer.headers["Connection"]) == (200, "close")
            server.wait_for(lambda: len(sender.statuses) > count)
        assert set(sender.statuses) == {200}
        signal_stop(server)
        assert server.process is not None
        assert server.process.wait(WAIT_SECONDS) == 0, server.last_words()
        assert '"level": "error"' not in server.log.read_text()
    finally:
        server.kill()


@pytest.mark.slow
def test_no_request_fails_before_the_port_is_closed(tmp_path: Path) -> None:
    server = start(tmp_path / "home", 2)
    try:
        with sending(server, server.key("test")) as sender:
            signal_stop(server)
            wait_until_draining(server)
            assert server.process is not None
            assert server.process.wait(WAIT_SECONDS) == 0, server.last_words()
            with pytest.raises(ConnectionRefusedError):
                server.request("GET", "/readyz")
        assert set(sender.statuses) == {200}
    finally:
        server.kill()
