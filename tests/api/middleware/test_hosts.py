"""A page of another site that lets its own name lead to this server gets nothing."""

from __future__ import annotations

from typing import Any

import pytest

from hinode.api.middleware.hosts import Hosts
from tests.api.conftest import CheckError, Server

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PATHS = ("/", "/v1/videos", "/v1/session", "/docs", "/openapi.json", "/healthz", "/metrics", "/nothing")


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_host_is_refused_for_every_method_and_path(server: Server, method: str) -> None:
    for path in PATHS:
        answer = server.client.request(method, path, headers={"host": "evil.example.com"})
        assert answer.status_code == 421
        assert answer.headers["x-request-id"]
        assert method == "HEAD" or answer.json()["error"]["code"] == "unknown_host"


def test_the_refusal_is_one_sentence(server: Server, check_error: CheckError) -> None:
    answer = server.client.get("/", headers={"host": "evil.example.com"})
    assert check_error(answer, 421)["message"] == (
        "This server does not answer to the name 'evil.example.com'; use localhost or its address, "
        "or add the name to HINODE_HOSTS."
    )


def scope(host: str, path: str = "/", own: str = "192.168.1.5") -> dict[str, Any]:
    headers = [] if host == "-" else [(b"host", host.encode("latin-1"))]
    return {"type": "http", "headers": headers, "path": path, "server": (own, 8000)}


async def nothing(*_: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    "host",
    [
        *("localhost.evil.com", "evil.localhost", "127.0.0.1.nip.io", "127.0.0.1.evil.com", "evil127.0.0.1"),
        *("studio.example.com.evil.com", "evil-studio.example.com", "x.studio.example.com", "192.168.1.50"),
        *("localhost@evil.com", "evil.com#localhost", "localhost/evil.com", "localhost, evil.com", "-", ""),
        *("[::1].evil.com", "[::2]", "::1", "0.0.0.0", "10.0.0.1", "2130706433", "127.1", "0x7f.0.0.1"),
        *("localhost:80:90", "localhost:", "localhost:x", "localh\xf6st", "localhost evil"),
    ],
)
def test_look_alikes_are_refused(host: str) -> None:
    hosts = Hosts(nothing, ["studio.example.com"])
    assert hosts.unknown(scope(host)) is not None


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:8000", "127.8.9.1", "[::1]"),
        *("[::1]:8000", "[0:0:0:0:0:0:0:1]", "192.168.1.5", "192.168.1.5:8000", "studio.example.com"),
        *("Studio.Example.com:443", "studio.example.com."),
    ],
)
def test_names_of_this_server_are_known(host: str) -> None:
    hosts = Hosts(nothing, ["studio.example.com"])
    assert hosts.unknown(scope(host)) is None
    # The target of a request goes before its header (RFC 9112, 3.2.2).
    assert hosts.unknown(scope(host, "http://evil.com/v1/videos")) == "evil.com"
    assert hosts.unknown(scope(host, f"http://{host}/v1/videos")) is None


def test_the_address_of_the_connection_is_known() -> None:
    assert Hosts(nothing).unknown(scope("[2001:db8:0::5]:8000", own="2001:db8::5")) is None
    assert Hosts(nothing).unknown(scope("192.168.1.5", own="::ffff:192.168.1.5")) is None
