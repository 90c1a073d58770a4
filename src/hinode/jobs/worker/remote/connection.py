"""Requests of a worker to its server. Whatever goes wrong becomes one of four errors.

The token is sent to the address that the operator named and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import httpx

import hinode
from hinode.errors import HinodeError, quote
from hinode.jobs.job import LeaseLost
from hinode.jobs.worker.remote import protocol
from hinode.jobs.worker.service import ServerAway, WorkerRefused
from hinode.outbound import Outbound

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
FILE_SECONDS = 120.0
"""For the answer to a file: the server compares its digest, and flushes it to the disk."""
MAX_MESSAGE_LENGTH = 500
AWAY = frozenset({408, 425, 429})
"""Statuses, with those from 500 up, after which the same request may succeed later."""
AGAIN = frozenset({"wrong_digest"})
"""The same, of codes of errors."""
REFUSED = frozenset({"invalid_worker_token", "version_skew", "unknown_worker"})
"""Codes of errors after which this worker gets no further."""
UNSAID = {
    400: "version_skew",
    401: "invalid_worker_token",
    403: "invalid_worker_token",
    404: "no_object",
    409: LeaseLost.code,
}
"""Codes of the answers to HEAD, which have no body."""


class ServerError(HinodeError):
    """The server answered, and not as a server of this protocol does."""

    code: ClassVar[str] = "server"


class Connection:
    """Sends requests to one server. Safe to use from several threads."""

    def __init__(self, server: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        """
        Args:
            server: its address, such as https://video.example.com or http://192.168.1.5:8000; a server on the
                local network is allowed.
            token: from `hinode workers add`.
            transport: for tests.

        Raises:
            BadInput: that is not the address of a web server.
        """
        url = Outbound(allow_private=True).check(server.removesuffix("/").removesuffix("/v1"))
        self.server = str(url)
        if url.scheme == "http" and url.host not in ("localhost", "127.0.0.1", "::1"):
            log.warning("the token travels to %s without encryption; use https", self.server)
        headers = {
            "authorization": f"Bearer {token}",
            "user-agent": f"hinode/{hinode.__version__}",
            "accept-encoding": "identity",
            protocol.VERSION_HEADER: str(protocol.VERSION),
            protocol.SOFTWARE_HEADER: hinode.__version__,
        }
        self._base = f"{self.server.rstrip('/')}/v1/workers"
        self._client = httpx.Client(headers=headers, transport=transport)
        self._known = False  # whether Hinode has answered at this address

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """A request with a JSON body, and the object in the answer; `path` begins behind /v1/workers.

        Raises:
            ServerAway: there was no answer, or the server cannot answer at present.
            LeaseLost: another worker may have the job.
            WorkerRefused: the server does not accept this worker.
            ServerError: the answer makes no sense.
        """
        with self.open(method, path, json=body, seconds=seconds) as response:
            values: dict[str, Any] = json.loads(response.read())
            return values

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        content: Iterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Iterator[httpx.Response]:
        """A request, and its successful answer, whose body is still to be read; raises as `call` does.

        Raises:
            FileNotFoundError: there is no such file.
        """
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        sent: dict[str, Any] = {"headers": dict(headers or {}), "timeout": timeout}
        url = self._base + path
        try:
            with self._client.stream(method, url, json=json, content=content, **sent) as response:
                # A proxy answers by itself while the server is away, with pages and redirects of its own.
                if not response.headers.get("x-request-id", "").startswith("req_"):
                    raise self._strange(response)
                self._known = True
                if not response.is_success:
                    raise self._error(response)
                yield response
        except httpx.HTTPError as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ServerAway(f"the server at {self.server} cannot be reached: {reason}") from error

    def _strange(self, response: httpx.Response) -> HinodeError:
        """The error that an answer is not one of Hinode's; where Hinode never answered, that is final."""
        status = response.status_code
        if self._known or status in AWAY or status >= 500:
            return ServerAway(f"what answers at {self.server} is not Hinode at present (status {status})")
        if response.is_redirect:
            where = quote(response.headers.get("location", ""), 200)
            return ServerError(
                f"the server at {self.server} redirects to {where}", "give that address instead"
            )
        return ServerError(f"what answers at {self.server} is not Hinode", "check the address")

    def _error(self, response: httpx.Response) -> Exception:
        status = response.status_code
        code, message = _read_error(response.read())
        if response.request.method == "HEAD":
            code, message = UNSAID.get(status, ""), "the server does not accept this worker"
        if status in AWAY or status >= 500 or code in AGAIN:
            return ServerAway(f"the server at {self.server} cannot answer at present (status {status})")
        if code in REFUSED:
            return WorkerRefused(message)
        if code == LeaseLost.code:
            return LeaseLost(message)
        if code == "no_object":
            return FileNotFoundError(errno.ENOENT, message)
        if code in ("invalid_api_key", "unknown_url"):  # of a version without these routes
            message = f"the server at {self.server} has no workers over HTTP"
            return ServerError(message, f"upgrade it to the version of this worker, {hinode.__version__}")
        return ServerError(f"the server at {self.server} refused the request: {message or status}")


def _read_error(content: bytes) -> tuple[str, str]:
    """The code of an error and its sentence, without the full stop; empty if it is none of Hinode's."""
    try:
        error = json.loads(content)["error"]
        message = str(error["message"])[:MAX_MESSAGE_LENGTH].removesuffix(".")
        return str(error["code"]), message[:1].lower() + message[1:]
    except (ValueError, KeyError, TypeError):
        return "", ""
