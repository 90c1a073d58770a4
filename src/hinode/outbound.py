"""Requests to URLs that clients chose; they can reach the public internet and nothing else.

A name is looked up once per connection, every address of it is checked, and the connection is made to one of
these addresses, so a name server that answers differently the second time gains nothing. The URL keeps its
name, so `Host` and the TLS certificate are those of the name. Each redirect is a new URL and is checked too.
One deadline holds for everything, from the look-up to the last byte.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import ClassVar

import httpcore
import httpx

import hinode
from hinode.background import start_call
from hinode.errors import BadInput, quote

Resolve = Callable[[str, int], Sequence[str]]
"""Every address of a host name, as text; raises OSError if there is none."""

PORTS = frozenset({80, 443, 8080, 8443})
MAX_REDIRECTS = 3
MAX_ADDRESSES = 4  # of one name that are tried
MAX_URL_LENGTH = 4096

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNICAST = ip_network("2000::/3")
# Global by their number, but they lead to other networks.
_NEVER = tuple(
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's channel to each virtual machine
        "192.0.0.0/24",  # protocol assignments; one cloud's metadata service
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # protocol assignments, among them Teredo, which contains an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which contains an IPv4 address
        "3fff::/20",  # documentation
    )
)
# What `allow_private` allows. Link-local addresses, where clouds keep their secrets, stay forbidden.
_PRIVATE = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7"),
    )
)
_SETTING = "or set HINODE_ALLOW_PRIVATE_URLS=1 if this server is your own"
_OPEN = "check that everybody can open the URL"
_ISATAP = (0x00005EFE, 0x02005EFE)  # upper half of an interface id that contains an IPv4 address


class OutboundError(BadInput):
    """A URL is not allowed, or gave no usable answer."""

    code: ClassVar[str] = "invalid_url"

    def __init__(self, message: str, remedy: str, *, field: str = "url") -> None:
        super().__init__(message, remedy, field=field)


@dataclass(frozen=True)
class Answer:
    """A server's answer to a POST, without its body; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]


class Outbound:
    """Sends requests to the public internet. Safe to use from several threads."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            allow_private: allow private and loopback addresses, and any port, too.
            resolve: how names are looked up; by default by the operating system.
            clock: seconds since any moment.
            trust: the certificates to trust; by default those of the public authorities.
        """
        self.allow_private = allow_private
        self._resolve = resolve or _look_up
        self._clock = clock
        self._trust = trust or httpx.create_ssl_context()

    def check(self, url: str, *, https: bool = False) -> httpx.URL:
        """Read a URL and check it; nothing is sent or looked up.

        With `https`, plain HTTP is refused unless private addresses are allowed.

        Raises:
            OutboundError: it is not allowed.
        """
        try:
            parsed = httpx.URL(url) if len(url) <= MAX_URL_LENGTH else None
        except (httpx.InvalidURL, UnicodeError, ValueError):
            parsed = None
        port = _port(parsed) if parsed and parsed.scheme in ("http", "https") and parsed.raw_host else 0
        if parsed is None or not 0 < port < 65536:
            message = f"{quote(url)} is not the URL of a web server"
            raise OutboundError(message, "give one such as https://host/path")
        if https and parsed.scheme != "https" and not self.allow_private:
            remedy = f"give a URL that begins with https://, {_SETTING}"
            raise OutboundError(f"{quote(url)} is not encrypted", remedy)
        if parsed.userinfo:
            raise OutboundError("the URL has a user name or password in it", "leave them out")
        if port not in PORTS and not self.allow_private:
            raise OutboundError(f"port {port} is not allowed", f"use 80, 443, 8080 or 8443, {_SETTING}")
        literal = parsed.raw_host.decode("ascii")
        if _parsed(literal) is not None and not self._is_allowed(literal):
            raise self._not_public()
        return parsed

    def fetch(
        self,
        url: str,
        into: Callable[[bytes], object],
        *,
        max_bytes: int,
        seconds: float = 20.0,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        field: str = "image_url",
    ) -> None:
        """GET a URL in pieces; at most three redirects are followed, none of a request with `headers`.

        Args:
            url: the URL.
            into: called with each piece; before an error it may have been called with the first ones.
            max_bytes: the largest file.
            seconds: for everything.
            accept: the `Accept` header.
            headers: more headers, such as a key, which no other server may get.
            field: name of the field in errors.

        Raises:
            OutboundError: the URL, or one that it redirects to, is not allowed; or the answer is late, not
                200, or too large.
        """
        deadline = self._clock() + seconds
        try:
            target = self.check(url)
            for _ in range(MAX_REDIRECTS + 1):
                sent = {"Accept": accept, **(headers or {})}
                with self._opened("GET", target, sent, None, deadline) as response:
                    answer = _headers(response)
                    if response.status in _REDIRECTS and "location" in answer and not headers:
                        target = self._redirected(target, answer["location"])
                        continue
                    if response.status != 200:
                        raise OutboundError(f"the server of the URL answered {response.status}", _OPEN)
                    _receive(response, answer, into, max_bytes)
                    return
            raise OutboundError(
                f"the URL redirects more than {MAX_REDIRECTS} times", "give the last URL itself"
            )
        except OutboundError as error:
            error.field = field
            raise

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        seconds: float = 10.0,
        into: Callable[[bytes], object] | None = None,
        max_bytes: int = 0,
    ) -> Answer:
        """POST to an https URL; redirects are not followed.

        Args:
            url: the URL.
            body: what is sent.
            headers: those beside `Host` and `User-Agent`.
            seconds: for everything.
            into: called with each piece of the body of the answer; by default it is not read.
            max_bytes: the largest body of the answer.

        Raises:
            OutboundError: the URL is not allowed, there was no answer in time, or it is too large.
        """
        deadline = self._clock() + seconds
        target = self.check(url, https=True)
        with self._opened("POST", target, headers, body, deadline) as response:
            answer = _headers(response)
            if into is not None:
                _receive(response, answer, into, max_bytes)
            return Answer(response.status, answer)

    def _redirected(self, before: httpx.URL, location: str) -> httpx.URL:
        try:
            after = before.join(location)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            after = None
        if after is None or (before.scheme == "https" and after.scheme != "https"):
            raise OutboundError("the URL redirects to one that is not allowed", "give the last URL itself")
        return self.check(str(after))

    @contextmanager
    def _opened(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Iterator[httpcore.Response]:
        """Send a request on a connection of its own, without the proxies that the environment may name."""
        sent: list[tuple[bytes | str, bytes | str]] = [
            ("Host", url.netloc),
            ("User-Agent", f"hinode/{hinode.__version__}"),
            ("Accept-Encoding", "identity"),  # so that the bytes that are counted are those of the file
            ("Connection", "close"),
            *headers.items(),
        ]
        network = _Guarded(self._addresses, partial(_seconds_left, deadline, self._clock))
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/"
        )
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._trust, network_backend=network, max_connections=1
                ) as pool,
                pool.stream(method, target, headers=sent, content=body) as response,
            ):
                yield response
        except httpcore.TimeoutException as error:
            message = "the server of the URL did not answer in time"
            raise OutboundError(message, "check that it is up") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            reason = " ".join(str(error).split())[:200] or "the connection failed"
            raise OutboundError(f"the request to the URL failed: {reason}", _OPEN) from error

    def _addresses(self, host: str, port: int, left: Callable[[], float]) -> list[str]:
        """Addresses of `host`, all of them allowed.

        Raises:
            OutboundError: one of them is not. The error does not say which, so nothing is revealed.
            httpcore.ConnectError: there are none.
        """
        addresses = list(dict.fromkeys(_in_time(lambda: self._resolve(host, port), left())))
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        if not all(map(self._is_allowed, addresses)):
            raise self._not_public()
        return addresses[:MAX_ADDRESSES]

    def _not_public(self) -> OutboundError:
        remedy = "give one on the internet" + ("" if self.allow_private else f", {_SETTING}")
        return OutboundError("the URL points to an address that is not public", remedy)

    def _is_allowed(self, address: str) -> bool:
        return is_public(address) or (self.allow_private and is_private(address))


def is_public(address: str) -> bool:
    """Whether a server on the internet can have this address: not a special one, nor one that contains
    another."""
    parsed = _parsed(address)
    if parsed is None or not parsed.is_global or parsed.is_multicast:
        return False
    if any(parsed.version == network.version and parsed in network for network in _NEVER):
        return False
    if isinstance(parsed, IPv6Address):
        return parsed in _UNICAST and (int(parsed) >> 32) & 0xFFFFFFFF not in _ISATAP
    return True


def is_private(address: str) -> bool:
    """Whether it is an address of this machine or of a private network, but not a link-local one."""
    parsed = _parsed(address)
    return parsed is not None and any(
        parsed.version == network.version and parsed in network for network in _PRIVATE
    )


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    # An address with a scope ("fe80::1%eth0") means something on this machine only.
    return None if isinstance(parsed, IPv6Address) and parsed.scope_id else parsed


def _seconds_left(deadline: float, clock: Callable[[], float]) -> float:
    """Seconds until a deadline; raises httpcore.ReadTimeout if there are none."""
    left = deadline - clock()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline is over")
    return left


class _Guarded(httpcore.NetworkBackend):
    """Connects to checked addresses only, within the deadline."""

    def __init__(
        self, addresses: Callable[[str, int, Callable[[], float]], list[str]], left: Callable[[], float]
    ) -> None:
        self._addresses = addresses
        self._left = left
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._addresses(host, port, self._left)
        failure: Exception | None = None
        for index, address in enumerate(addresses):
            # A silent address leaves time for those after it.
            share = self._left() / (len(addresses) - index)
            try:
                stream = self._backend.connect_tcp(address, port, share, None, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._left)
        assert failure is not None
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends with the deadline, so that a slow server cannot extend
    it."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[], float]) -> None:
        self._stream = stream
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._left()), self._left)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _look_up(host: str, port: int) -> Sequence[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _in_time(look_up: Callable[[], Sequence[str]], seconds: float) -> Sequence[str]:
    """The result of a look-up, for which the system has no time limit; a late one is abandoned."""
    try:
        return start_call(look_up, "look-up").result(seconds)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout("the name could not be looked up in time") from error
    except UnicodeError as error:
        raise httpcore.ConnectError("that is not a host name") from error
    except OSError as error:
        raise httpcore.ConnectError(error.strerror or str(error)) from error


def _receive(
    response: httpcore.Response, headers: Mapping[str, str], into: Callable[[bytes], object], max_bytes: int
) -> None:
    too_large = OutboundError(f"the file at the URL has more than {max_bytes:,} bytes", "give a smaller one")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise OutboundError("the server of the URL compresses the file", "serve it as it is")
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > max_bytes):
        raise too_large
    count = 0
    for piece in response.iter_stream():
        count += len(piece)
        if count > max_bytes:
            raise too_large
        into(piece)


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
