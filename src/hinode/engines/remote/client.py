"""The HTTP client of one server. Whatever goes wrong becomes an `UpstreamError`.

The key is sent to the configured address and nowhere else. Redirects are followed for the finished file only.
The text of a server is logged with the key blacked out, never shown to a person.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx

import hinode
from hinode.engines.remote import wire
from hinode.engines.remote.dialects import PHASES, Phase
from hinode.engines.remote.errors import Category, UpstreamError, retry_after, valid_delay
from hinode.engines.remote.upstreams import Upstream
from hinode.engines.remote.wire import Body, Job

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 2**20
MAX_FILE_BYTES = 2**30
MAX_INLINE_BYTES = 2**28
"""Largest answer, finished file, and answer with the file in it, which has to fit into memory several
times."""
MAX_REDIRECTS = 3
MAX_WAIT = 300.0
MIN_POLL, MAX_POLL = 0.1, 60.0
HEALTH_SECONDS = 5.0
CANCEL_SECONDS = 5.0
MAX_LOG_LENGTH = 300
MAX_TEXT_BYTES = 2**16
MIN_KEY_LENGTH = 8
# An answer may take an hour; a machine that vanished is noticed within a minute.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNANSWERED = frozenset({0, 504, 520, 524})
"""No status code, and those of a proxy that waited for the server in vain or did not understand it."""
_PAGES = ("text/", "application/json", "application/xml")
"""Types of what a proxy or a store sends in place of a file."""
_UNKNOWN = Category.UNUSABLE, "does not know the address or the model that is configured"
_MEANINGS = {
    401: (Category.UNUSABLE, "does not accept the key"),
    403: (Category.UNUSABLE, "does not accept the key"),
    404: _UNKNOWN,
    405: _UNKNOWN,
    429: (Category.BUSY, "has too much to do"),
    **{
        status: (Category.REFUSED, f"refused the request (status {status})")
        for status in (400, 411, 413, 414, 415, 422)
    },
}
"""What follows from the status code of an error."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        """The beginning of the body: all of it for an error."""
        return self.body[:MAX_TEXT_BYTES].decode("utf-8", "replace")

    def values(self) -> dict[str, Any]:
        """The object in the body; empty if there is none."""
        with suppress(ValueError, RecursionError):
            values = json.loads(self.body)
            if isinstance(values, dict):
                return values
        return {}


class Client:
    """Sends requests to one server, each over a connection of its own, so that none is left open.

    Attributes:
        poll_after: seconds between two status requests that the server proposed, or None.
    """

    def __init__(
        self, upstream: Upstream, key: str, *, trust: ssl.SSLContext, clock: Callable[[], float]
    ) -> None:
        self.upstream = upstream
        self._key = key
        self._trust = trust
        self._clock = clock
        self._guard = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._hung_up = False
        self._strange_status = ""
        self.poll_after: float | None = None

    def check_health(self) -> None:
        """Check that the server is up.

        Raises:
            UpstreamError: it is not.
        """
        seconds = min(HEALTH_SECONDS, self.upstream.read_seconds)
        answer = self._request("GET", self.upstream.dialect.health, seconds)
        # An answer such as 404 also shows that the server is there.
        if answer.status >= 500:
            raise UpstreamError(Category.DOWN, "is not ready", wait=self._wait(answer))

    def create(self, body: Body, nonce: str) -> Job:
        """Create a job; in a dialect without jobs, wait for the finished video. All attempts at one job
        have one nonce.

        Raises:
            UpstreamError: there is no job, or none that can be followed.
        """
        upstream = self.upstream
        seconds = upstream.read_seconds if upstream.dialect.job else upstream.whole_seconds
        headers = {"Idempotency-Key": nonce} if upstream.dialect.idempotent else {}
        try:
            answer = self._request("POST", body.path, seconds, headers, body)
            if answer.status >= 300:
                raise self._error(answer)
            return wire.job(upstream.dialect, answer.values())
        except ValueError as error:
            failure = self._unusable(answer, error)
        except UpstreamError as error:
            failure = error
        if failure.sent:
            # Whoever sends the request again may pay for a second job.
            if 200 <= failure.status < 300:
                failure.category = Category.UNREADABLE
            elif failure.status in _UNANSWERED:
                failure.category = Category.UNANSWERED
        raise failure

    def find(self, prompt: str, since: float) -> list[Job]:
        """The latest jobs with this prompt that were created after `since`, in seconds since 1970.

        Raises:
            UpstreamError: it does not say.
        """
        dialect = self.upstream.dialect
        answer = self._request("GET", dialect.listing, self.upstream.read_seconds)
        if answer.status >= 300:
            raise self._error(answer)
        try:
            entries = [entry for entry in answer.values()["data"] if float(entry["created_at"]) >= since]
            return [wire.job(dialect, entry) for entry in entries if entry["prompt"] == prompt]
        except (KeyError, TypeError, ValueError) as error:
            raise self._unusable(answer, ValueError(f"no list of jobs with prompts: {error}")) from None

    def poll(self, name: str) -> Job:
        """The status of a job.

        Raises:
            UpstreamError: it is not known.
        """
        dialect = self.upstream.dialect
        answer = self._request("GET", _path(dialect.job, name), self.upstream.read_seconds)
        if answer.status in (404, 410):
            raise UpstreamError(Category.GONE, "does not know the job any more")
        with suppress(ValueError):
            seconds = valid_delay(float(answer.headers.get("openai-poll-after-ms", "")) / 1000)
            self.poll_after = None if seconds is None else min(max(seconds, MIN_POLL), MAX_POLL)
        try:
            job = wire.job(dialect, answer.values())
        except ValueError as error:
            raise self._error(answer) if answer.status >= 300 else self._unusable(answer, error) from None
        if job.status not in PHASES and job.status != self._strange_status:
            self._strange_status = job.status
            self._log("has its job in an unknown status, which counts as work", job.status)
        if job.phase is Phase.FAILED:
            # Some report a failed job with the status code of an error and the job as the body.
            self._log(f"failed with its job ({job.code or 'no code'})", job.message)
        elif answer.status >= 300:
            raise self._error(answer)
        return job

    def fetch(self, job: Job, file: IO[bytes]) -> None:
        """Write the video of a finished job into a file, in place of what is in it.

        Raises:
            UpstreamError: the server does not deliver it.
            OSError: it cannot be written.
        """
        if job.content:
            try:
                file.write(base64.b64decode(job.content, validate=True))
            except (binascii.Error, ValueError):
                raise UpstreamError(Category.DOWN, "sent a file that cannot be read") from None
            return
        try:
            self._download(httpx.URL(self.upstream.url + _path(self.upstream.dialect.content, job.id)), file)
        except UpstreamError as error:
            if not job.link or error.category not in (Category.GONE, Category.REFUSED):
                raise
            self._download(_redirect(httpx.URL(self.upstream.url), job.link), file)

    def cancel(self, name: str) -> bool:
        """Cancel a job; whether the server confirmed that it stops the work. A failure is only logged."""
        dialect = self.upstream.dialect
        if dialect.cancel is None or not name:
            return False
        method, path = dialect.cancel
        try:
            answer = self._request(method, _path(path, name), CANCEL_SECONDS)
        except UpstreamError as error:
            self._log(f"did not cancel the job: it {error.message}")
            return False
        if answer.status in dialect.cancelling:
            return True
        if answer.status >= 300:
            self._log(f"did not cancel the job (status {answer.status})", answer.text)
        return answer.status < 300 and dialect.cancel_stops

    def hang_up(self) -> None:
        """End every request in progress, and refuse later ones."""
        with self._guard:
            self._hung_up = True
            for connection in self._sockets:
                # To close it would not wake the thread that waits for it.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    # One request

    def _request(
        self,
        method: str,
        path: str,
        seconds: float,
        headers: dict[str, str] | None = None,
        body: Body | None = None,
    ) -> _Answer:
        deadline = self._clock() + seconds
        max_bytes = MAX_INLINE_BYTES if self.upstream.dialect.inline else MAX_ANSWER_BYTES
        status = 0
        try:
            with ExitStack() as stack:
                content, url = _content(body, stack), self.upstream.url + path
                response = stack.enter_context(self._open(method, url, seconds, headers, **content))
                status = response.status_code
                if status in _REDIRECTS:
                    raise UpstreamError(Category.UNUSABLE, "answers with a redirect, which is not followed")
                return self._read(response, max_bytes, deadline)
        except UpstreamError as error:
            error.status = status
            raise

    def _download(self, target: httpx.URL, file: IO[bytes]) -> None:
        deadline = self._clock() + self.upstream.whole_seconds
        for _ in range(MAX_REDIRECTS + 1):
            with self._open("GET", str(target), self.upstream.read_seconds) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    target = _redirect(target, response.headers["location"])
                    continue
                if response.status_code != 200:
                    answer = self._read(response, MAX_ANSWER_BYTES, deadline)
                    if answer.status in (404, 410):
                        raise UpstreamError(Category.GONE, "does not have the finished file")
                    raise self._error(answer)
                file.seek(0)
                file.truncate()  # an earlier attempt may have broken off
                file.writelines(self._chunks(response, MAX_FILE_BYTES, deadline))
                if not file.tell():
                    raise UpstreamError(Category.DOWN, "sent a file that is empty")
                if response.headers.get("content-type", "").lower().startswith(_PAGES):
                    raise UpstreamError(Category.DOWN, "sent a page in place of the file")
                return
        raise UpstreamError(Category.UNUSABLE, "redirects too often")

    @contextmanager
    def _open(
        self, method: str, url: str, seconds: float, headers: dict[str, str] | None = None, **content: Any
    ) -> Iterator[httpx.Response]:
        upstream = self.upstream
        sent = {
            "User-Agent": f"hinode/{hinode.__version__}",
            "Accept-Encoding": "identity",  # so that the limits count the real bytes
            **(headers or {}),
        }
        if self._key and _origin(url) == _origin(upstream.url):
            bearer = "Bearer " if upstream.key_header == "Authorization" else ""
            sent[upstream.key_header] = bearer + self._key
        timeout = httpx.Timeout(seconds, connect=min(seconds, upstream.connect_seconds))
        connections: list[socket.socket] = []

        def trace(event: str, facts: Mapping[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                connections.append(facts["return_value"].get_extra_info("socket"))
                with self._guard:
                    if self._hung_up:
                        raise httpx.ConnectError("hung up")
                    self._sockets.add(connections[-1])

        try:
            with (
                httpx.Client(
                    transport=httpx.HTTPTransport(
                        verify=self._trust,
                        trust_env=False,
                        proxy=upstream.proxy or None,
                        socket_options=_KEEPALIVE,
                    ),
                    timeout=timeout,
                    trust_env=False,
                ) as client,
                client.stream(method, url, headers=sent, extensions={"trace": trace}, **content) as response,
            ):
                yield response
        except httpx.TimeoutException as error:
            arrived = not isinstance(error, httpx.ConnectTimeout)
            raise UpstreamError(Category.DOWN, "did not answer in time", sent=arrived) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            self._log(f"cannot be reached: {error}")
            arrived = isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)
            raise UpstreamError(Category.DOWN, "could not be reached or hung up", sent=arrived) from None
        finally:
            with self._guard:
                self._sockets.difference_update(connections)

    def _chunks(self, response: httpx.Response, max_bytes: int, deadline: float) -> Iterator[bytes]:
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > max_bytes:
            raise UpstreamError(Category.UNUSABLE, "sends more than is allowed")
        count = 0
        for chunk in response.iter_raw():
            count += len(chunk)
            if count > max_bytes:
                raise UpstreamError(Category.UNUSABLE, "sends more than is allowed")
            if self._clock() > deadline:
                raise UpstreamError(Category.DOWN, "takes too long to answer")
            yield chunk

    def _unusable(self, answer: _Answer, reason: ValueError) -> UpstreamError:
        self._log(f"gave an answer that cannot be used ({reason})", answer.text)
        return UpstreamError(Category.DOWN, "gave an answer that cannot be used", status=answer.status)

    def _error(self, answer: _Answer) -> UpstreamError:
        """The meaning of an answer with the status code of an error."""
        status, wait = answer.status, self._wait(answer)
        self._log(f"answered {status}", answer.text)
        if wire.is_refusal(answer.text):
            return UpstreamError(Category.REFUSED, "does not make such videos", final=True, status=status)
        category, message = _MEANINGS.get(status, (Category.DOWN, f"failed (status {status})"))
        if status == 503 and wait is not None:
            category, message = _MEANINGS[429]
        if category is Category.REFUSED and wire.is_unknown_model(answer.text):
            category, message = _UNKNOWN
        return UpstreamError(category, message, wait=wait, status=status)

    def _wait(self, answer: _Answer) -> float | None:
        """Seconds to wait, if the answer has them: five minutes at most."""
        wait = retry_after(answer.headers, time.time())
        return None if wait is None else min(wait, MAX_WAIT)

    def _log(self, event: str, text: str = "") -> None:
        text = " ".join((f"{event}: {text[:MAX_LOG_LENGTH]}" if text else event).split())
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        log.warning("upstream %s %s", self.upstream.name, text[: 2 * MAX_LOG_LENGTH])

    def _read(self, response: httpx.Response, max_bytes: int, deadline: float) -> _Answer:
        body = b"".join(self._chunks(response, max_bytes, deadline))
        # A server may repeat the key, which must get neither into logs nor into states. Shorter keys are no
        # secrets but words such as "none", and may be part of any text.
        if len(self._key) >= MIN_KEY_LENGTH:
            body = body.replace(self._key.encode(), b"[key]")
        return _Answer(response.status_code, response.headers, body)


def _path(template: str, name: str) -> str:
    return template.replace("{id}", quote(name, safe=""))


def _redirect(url: httpx.URL, location: str) -> httpx.URL:
    schemes = ("https",) if url.scheme == "https" else ("http", "https")
    with suppress(httpx.InvalidURL, ValueError):
        target = url.join(location)
        if target.scheme in schemes:
            return target
    raise UpstreamError(Category.UNUSABLE, "redirects to an address that cannot be used")


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _content(body: Body | None, stack: ExitStack) -> dict[str, Any]:
    """A body as arguments of httpx. A form is sent as multipart even without a file."""
    if body is None:
        return {}
    if body.json is not None:
        return {"json": body.json}
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in body.form.items()]
    for name, (filename, content, media_type) in body.files.items():
        data = stack.enter_context(content.open("rb")) if isinstance(content, Path) else content
        parts.append((name, (filename, data, media_type)))
    return {"files": parts}
