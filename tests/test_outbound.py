"""Requests to URLs of strangers: against a real server on this machine, with name servers that lie."""

from __future__ import annotations

import http.server
import itertools
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hinode import outbound
from hinode.outbound import Outbound, OutboundError, is_private, is_public

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
PRIVATE = ["10.1.2.3", "100.64.0.1", "127.0.0.1", "172.31.255.255", "192.168.1.1", "::1", "fd12::1"]
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2606:4700::5efe:7f00:1",
    "3fff::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "127.1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)
    assert not is_private(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_private_networks_and_this_machine_are_private(address: str) -> None:
    assert not is_public(address)
    assert is_private(address)


@pytest.mark.parametrize("address", NEVER)
def test_other_addresses_are_neither(address: str) -> None:
    assert not is_public(address)
    assert not is_private(address)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path; the requests are in `server.requests`."""

    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        path, _, detail = self.path[1:].partition("/")
        if path == "redirect":
            self.send_response(302)
            self.send_header("Location", detail)
            self.end_headers()
        elif path == "drip":
            self.send_response(200)
            self.end_headers()
            while not self.server.over.wait(0.02):
                self.wfile.write(b".")
        elif path == "slow-head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.server.over.wait(0.02):
                self.wfile.write(b".")
        elif path == "packed":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
        elif path == "nonsense":
            self.wfile.write(b"\0\1\2 not HTTP\r\n\r\n")
        else:
            self.send_response(int(detail or 200))
            self.send_header("Content-Type", "Image/PNG; charset=x")
            if path == "sized":
                self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers) | {"body": body.decode()}))
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/elsewhere/200")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is what some of the tests are about


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture
def base(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def local() -> Outbound:
    """What a person gets who allows private addresses."""
    return Outbound(allow_private=True)


def fetched(outbound: Outbound, url: str, **values: float) -> bytes:
    pieces: list[bytes] = []
    outbound.fetch(url, pieces.append, **{"max_bytes": 5000, **values})
    return b"".join(pieces)


def answering(*answers: list[str]) -> tuple[Callable[[str, int], list[str]], list[str]]:
    """A name server that gives one answer after the other, and the names that were looked up."""
    names: list[str] = []
    turn = itertools.chain(answers, itertools.repeat(answers[-1]))

    def resolve(host: str, port: int) -> list[str]:
        names.append(host)
        return next(turn)

    return resolve, names


def test_a_file_is_fetched(local: Outbound, base: str, server: Server) -> None:
    pieces: list[bytes] = []
    local.fetch(f"{base}/a", pieces.append, max_bytes=1000, accept="image/*")
    assert b"".join(pieces) == b"x" * 1000
    ((_, headers),) = server.requests
    assert headers["Accept"] == "image/*"
    assert headers["Accept-Encoding"] == "identity"


def test_loopback_is_refused_and_not_even_connected_to(base: str, server: Server) -> None:
    with pytest.raises(OutboundError, match="port"):
        fetched(Outbound(), base)
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"):
        with pytest.raises(OutboundError, match="not public"):
            fetched(Outbound(), f"http://{host}:8080/")
    assert not server.requests


def test_a_name_is_refused_if_any_of_its_addresses_is_private() -> None:
    resolve, _ = answering(["93.184.215.14", "10.0.0.1"])
    with pytest.raises(OutboundError, match="not public"):
        fetched(Outbound(resolve=resolve), "http://example.test/")


def test_the_error_does_not_tell_what_the_name_stands_for() -> None:
    resolve, _ = answering(["10.11.12.13"])
    with pytest.raises(OutboundError) as caught:
        fetched(Outbound(resolve=resolve), "http://inside.test/")
    assert "10.11" not in str(caught.value)
    assert caught.value.field == "image_url"


def test_rebinding_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer is public, every later one is this machine: the connection goes to the first."""
    resolve, names = answering(["93.184.215.14"], ["127.0.0.1"])
    connected: list[object] = []

    def connect(address: object, *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutboundError, match="Connection refused"):
        fetched(Outbound(resolve=resolve), "http://rebind.test/")
    assert names == ["rebind.test"]
    assert connected == [("93.184.215.14", 80)]


def test_rebinding_between_redirects_gains_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public server redirects to its own name, which by then stands for this machine."""
    resolve, names = answering(["93.184.215.14"], ["127.0.0.1"])
    create = socket.create_connection
    connected: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *rest: float, **more: object) -> socket.socket:
        connected.append(address)
        return create(("127.0.0.1", server.server_port), *rest)

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutboundError, match="not public"):
        fetched(Outbound(resolve=resolve), "http://rebind.test/redirect/http://rebind.test/secret")
    assert names == ["rebind.test", "rebind.test"]
    assert connected == [("93.184.215.14", 80)]
    assert [path for path, _ in server.requests] == ["/redirect/http://rebind.test/secret"]


def test_the_host_stays_the_name(server: Server) -> None:
    resolve, _ = answering(["127.0.0.1"])
    url = f"http://some.name.test:{server.server_port}/a?b=c"
    fetched(Outbound(allow_private=True, resolve=resolve), url)
    assert server.requests[0][0] == "/a?b=c"
    assert server.requests[0][1]["Host"] == f"some.name.test:{server.server_port}"


def test_the_next_address_is_tried(server: Server) -> None:
    resolve, _ = answering(["127.0.0.2", "127.0.0.1"])  # nobody listens on the first
    url = f"http://two.test:{server.server_port}/"
    assert len(fetched(Outbound(allow_private=True, resolve=resolve), url)) == 1000


def test_link_local_stays_closed_when_private_is_allowed() -> None:
    for address in ("169.254.169.254", "0.0.0.0", "fe80::1", "::ffff:10.0.0.1"):
        resolve, _ = answering([address])
        with pytest.raises(OutboundError, match="not public"):
            fetched(Outbound(allow_private=True, resolve=resolve), "http://metadata.test/")


def test_few_redirects_are_followed(local: Outbound, base: str, server: Server) -> None:
    assert len(fetched(local, f"{base}/redirect//redirect//redirect//a")) == 1000
    with pytest.raises(OutboundError, match="more than 3 times"):
        fetched(local, f"{base}/redirect//redirect//redirect//redirect//a")


@pytest.mark.parametrize(
    "location",
    ["ftp://host/", "file:///etc/passwd", "//user:pass@host/", "http://[", "gopher:x"],
)
def test_a_redirect_is_checked_as_the_first_url_was(local: Outbound, base: str, location: str) -> None:
    with pytest.raises(OutboundError):
        fetched(local, f"{base}/redirect/{location}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not the URL"),
        ("host/path", "not the URL"),
        ("file:///etc/passwd", "not the URL"),
        ("ftp://host/", "not the URL"),
        ("http://", "not the URL"),
        ("http://host:99999/", "not the URL"),
        ("http://ho\0st/", "not the URL"),
        ("https://" + "a" * 5000, "not the URL"),
        ("https://user:secret@host/", "user name"),
        ("https://host:22/", "port 22"),
        ("https://host:6379/", "port 6379"),
        ("http://host/", "not encrypted; .*HINODE_ALLOW_PRIVATE_URLS=1"),
        ("https://localhost:5678/", "port 5678 .*HINODE_ALLOW_PRIVATE_URLS=1"),
        ("https://10.0.0.1/", "not public; .*HINODE_ALLOW_PRIVATE_URLS=1"),
        ("https://[::1]/", "not public"),
        ("https://169.254.169.254/latest/meta-data", "not public"),
    ],
)
def test_urls_of_the_wrong_kind_are_refused(url: str, words: str) -> None:
    with pytest.raises(OutboundError, match=words) as caught:
        Outbound().check(url, https=True)
    assert caught.value.field == "url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("path", ["a", "sized"])
def test_a_file_that_is_too_large_is_cut_off(local: Outbound, base: str, path: str) -> None:
    pieces: list[bytes] = []
    with pytest.raises(OutboundError, match="more than 999 bytes"):
        local.fetch(f"{base}/{path}", pieces.append, max_bytes=999)
    assert sum(map(len, pieces)) <= 999


@pytest.mark.parametrize("path", ["drip", "slow-head"])
def test_a_slow_drip_does_not_prolong_the_time(local: Outbound, base: str, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(OutboundError, match="in time"):
        fetched(local, f"{base}/{path}", seconds=0.3)
    assert time.monotonic() - began < 20  # the drip itself has no end


def test_a_slow_name_server_does_not_prolong_the_time() -> None:
    over = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        over.wait(20)
        return []

    with pytest.raises(OutboundError, match="in time"):
        fetched(Outbound(resolve=resolve), "http://slow.test/", seconds=0.1)
    over.set()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x/404", "answered 404"),
        ("x/204", "answered 204"),
        ("packed", "compresses"),
        ("nonsense", "failed"),
    ],
)
def test_other_answers_are_refused(local: Outbound, base: str, path: str, words: str) -> None:
    with pytest.raises(OutboundError, match=words):
        fetched(local, f"{base}/{path}")


def test_names_that_are_none() -> None:
    for url in ("http://no-such-host.invalid/", "http://xn--/", f"http://{'a' * 70}.test/"):
        with pytest.raises(OutboundError):
            fetched(Outbound(), url)


def test_a_fault_of_the_taker_is_not_blamed_on_the_server(local: Outbound, base: str) -> None:
    def full(piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        local.fetch(f"{base}/a", full, max_bytes=5000)


def test_proxies_of_the_environment_are_not_used(
    local: Outbound, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert len(fetched(local, f"{base}/a")) == 1000


def test_a_post_does_not_follow_redirects(local: Outbound, base: str, server: Server) -> None:
    answer = local.post(f"{base}/hook/302", b'{"a":1}', {"X-One": "1"})
    assert answer.status == 302
    assert answer.headers["location"] == "/elsewhere/200"
    ((path, headers),) = server.requests
    assert path == "/hook/302"
    assert (headers["body"], headers["X-One"], headers["Content-Length"]) == ('{"a":1}', "1", "7")


def test_a_post_goes_to_https_only() -> None:
    with pytest.raises(OutboundError, match="https://"):
        Outbound().post("http://example.test/", b"", {})


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_the_certificate_must_be_that_of_the_name(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"),
            *("-addext", "subjectAltName=DNS:right.test", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda connection, name, _: names.append(name)
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    resolve, _ = answering(["127.0.0.1"])
    outbound = Outbound(
        allow_private=True, resolve=resolve, trust=ssl.create_default_context(cafile=certificate)
    )
    with serving(server):
        assert len(fetched(outbound, f"https://right.test:{server.server_port}/a")) == 1000
        assert outbound.post(f"https://right.test:{server.server_port}/200", b"{}", {}).status == 200
        with pytest.raises(OutboundError, match="CERTIFICATE_VERIFY_FAILED"):
            fetched(outbound, f"https://wrong.test:{server.server_port}/a")
        with pytest.raises(OutboundError, match="redirects to one"):
            port = server.server_port
            fetched(outbound, f"https://right.test:{port}/redirect/http://right.test:{port}/a")
    assert names == ["right.test", "right.test", "wrong.test", "right.test"]


def test_the_machine_is_asked_by_default() -> None:
    assert "127.0.0.1" in outbound._look_up("localhost", 80)
