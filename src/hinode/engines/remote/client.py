"""One server, asked over HTTP. Whatever goes wrong becomes a `UpstreamError` that says what to do about it.

The key goes to the address that the operator wrote down and to nowhere else. Redirects are followed for the
finished file alone, and without the key as soon as they leave that address. Bodies are read up to a bound,
each request ends with a deadline, and what a server says is logged with the key blotted out, never shown.
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
from hinode.engines.remote.dialects import Phase
from hinode.engines.remote.faults import Category, UpstreamError, retry_after, sensible
from hinode.engines.remote.upstreams import Upstream
from hinode.engines.remote.wire import Body, Job

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 2**20
MAX_FILE_BYTES = 2**30
MAX_INLINE_BYTES = 2**28
"""Bytes of an answer, of a finished file, and of an answer with the file in it, which has to fit into memory
several times over."""
MAX_REDIRECTS = 3
MAX_WAIT = 300.0
MIN_POLL, MAX_POLL = 0.1, 60.0
HEALTH_SECONDS = 5.0
CANCEL_SECONDS = 5.0
SAID = 300
MIN_KEY_LENGTH = 8
# An answer may be an hour in coming; a machine that is gone without a word is noticed within a minute.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSED = frozenset({400, 411, 413, 414, 415, 422})


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body[: 4 * SAID].decode("utf-8", "replace")

    def values(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Client:
    """Asks one server. Each request has a connection of its own, so that nothing is left open."""

    def __init__(
        self,
        upstream: Upstream,
        key: str,
        *,
        trust: ssl.SSLContext,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            upstream: the server.
            key: its key, or "".
            trust: which certificates to trust.
            clock: seconds from any beginning.
            now: seconds since 1970.
        """
        self.upstream = upstream
        self._key = key
        self._trust = trust
        self._clock = clock
        self._now = now
        self._guard = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._hung_up = False
        self.poll_after: float | None = None
        """Seconds between two looks at a job that the server proposed."""

    def alive(self) -> None:
        """See whether it is up.

        Raises:
            Fault: it is not.
        """
        seconds = min(HEALTH_SECONDS, self.upstream.read_seconds)
        answer = self._ask("GET", self.upstream.dialect.health, seconds=seconds)
        # Whatever it says about the path, it is there to say it.
        if answer.status >= 500:
            raise UpstreamError(Category.DOWN, "is not ready", wait=self._wait(answer))

    def create(self, body: Body, nonce: str) -> Job:
        """Have a job made; with a dialect that knows no jobs, have all of it done.

        Args:
            body: what to make.
            nonce: the same for every try at one job.

        Raises:
            Fault: there is no job.
        """
        dialect = self.upstream.dialect
        headers = {"Idempotency-Key": nonce} if dialect.idempotent else {}
        blocking = not dialect.job
        answer = self._ask(
            "POST",
            body.path,
            body=body,
            headers=headers,
            seconds=self.upstream.whole_seconds if blocking else self.upstream.read_seconds,
            most=self._most_inline(),
        )
        if not answer.status < 300:
            raise self._refusal(answer)
        return self._job(answer)

    def look(self, name: str) -> Job:
        """How far a job is.

        Raises:
            Fault: that cannot be found out.
        """
        dialect = self.upstream.dialect
        answer = self._ask("GET", _path(dialect.job, name), most=self._most_inline())
        if answer.status in (404, 410):
            raise UpstreamError(Category.GONE, "does not know the job any more")
        with suppress(ValueError):
            wanted = sensible(float(answer.headers.get("openai-poll-after-ms", "")) / 1000)
            self.poll_after = None if wanted is None else min(max(wanted, MIN_POLL), MAX_POLL)
        if answer.status >= 300:
            values = answer.values()
            # Some report a failed job with a status of failure and the job as its body.
            with suppress(ValueError):
                job = wire.job(dialect, values if isinstance(values, dict) else {})
                if job.phase is Phase.FAILED:
                    return self._told(job)
            raise self._refusal(answer)
        return self._told(self._job(answer))

    def fetch(self, job: Job, into: IO[bytes], told: Callable[[int], None] = lambda count: None) -> None:
        """Put the finished file into a file.

        Args:
            job: finished.
            into: an empty file, open for writing.
            told: is told how many bytes there are so far.

        Raises:
            Fault: it cannot be had.
            OSError: it cannot be written.
        """
        if job.content is not None:
            try:
                into.write(base64.b64decode(job.content, validate=True))
            except (binascii.Error, ValueError):
                raise UpstreamError(Category.DOWN, "sent a file that cannot be read") from None
            return
        try:
            self._download(self.upstream.url + _path(self.upstream.dialect.content, job.id), into, told)
        except UpstreamError as fault:
            if not job.link or fault.kind not in (Category.GONE, Category.REFUSED):
                raise
            into.seek(0)
            into.truncate()
            self._download(str(self._next(httpx.URL(self.upstream.url), job.link)), into, told)

    def cancel(self, name: str) -> bool:
        """Give a job up; what cannot be done about it is logged and no error.

        Returns:
            Whether the server said that it stops the work.
        """
        dialect = self.upstream.dialect
        if dialect.cancel is None or not name:
            return False
        method, path = dialect.cancel
        try:
            answer = self._ask(method, _path(path, name), seconds=CANCEL_SECONDS)
        except UpstreamError as fault:
            self._note(f"could not be told to give the job up: it {fault.message}")
            return False
        if answer.status >= 300:
            self._note(f"did not give the job up (status {answer.status})", answer.text)
        return answer.status < 300 and dialect.cancel_stops

    def hang_up(self) -> None:
        """End every request that is under way, and let no other begin."""
        with self._guard:
            self._hung_up = True
            for one in self._sockets:
                # Closing it would not wake the thread that waits for it.
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    # One request

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        headers: dict[str, str] | None = None,
        seconds: float | None = None,
        most: int = MAX_ANSWER_BYTES,
    ) -> _Answer:
        seconds = self.upstream.read_seconds if seconds is None else seconds
        deadline = self._clock() + seconds
        with ExitStack() as stack:
            sent = _content(body, stack)
            response = stack.enter_context(
                self._opened(method, self.upstream.url + path, seconds, headers, **sent)
            )
            if response.status_code in _REDIRECTS:
                raise UpstreamError(
                    Category.UNUSABLE, "answers with a redirect, which is not followed with a key"
                )
            pieces = b"".join(self._pieces(response, most, deadline))
            # Blotted out here, a key that a server repeats gets no further, neither into logs nor states.
            return _Answer(response.status_code, response.headers, self._blotted(pieces))

    def _download(self, url: str, into: IO[bytes], told: Callable[[int], None]) -> None:
        deadline = self._clock() + self.upstream.whole_seconds
        target = httpx.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            with self._opened("GET", str(target), self.upstream.read_seconds) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    target = self._next(target, response.headers["location"])
                    continue
                if response.status_code != 200:
                    pieces = b"".join(self._pieces(response, MAX_ANSWER_BYTES, deadline))
                    answer = _Answer(response.status_code, response.headers, self._blotted(pieces))
                    if answer.status in (404, 410):
                        raise UpstreamError(Category.GONE, "does not have the finished file")
                    raise self._refusal(answer)
                count = 0
                for piece in self._pieces(response, MAX_FILE_BYTES, deadline):
                    into.write(piece)
                    count += len(piece)
                    told(count)
                return
        raise UpstreamError(Category.UNUSABLE, "redirects too often")

    def _next(self, before: httpx.URL, location: str) -> httpx.URL:
        try:
            after = before.join(location)
        except (httpx.InvalidURL, ValueError):
            after = None
        if (
            after is None
            or after.scheme not in ("http", "https")
            or (before.scheme == "https" and after.scheme != "https")
        ):
            raise UpstreamError(Category.UNUSABLE, "redirects to an address that cannot be used")
        return after

    @contextmanager
    def _opened(
        self,
        method: str,
        url: str,
        seconds: float,
        headers: dict[str, str] | None = None,
        **content: Any,
    ) -> Iterator[httpx.Response]:
        upstream = self.upstream
        sent = {
            "User-Agent": f"hinode/{hinode.__version__}",
            "Accept-Encoding": "identity",  # so that what is counted is what there is
            **(headers or {}),
        }
        if self._key and _origin(url) == _origin(upstream.url):
            name = upstream.key_header or upstream.dialect.key_header
            sent[name] = f"Bearer {self._key}" if name == "Authorization" else self._key
        timeout = httpx.Timeout(seconds, connect=min(seconds, upstream.connect_seconds))
        used: list[socket.socket] = []

        def trace(event: str, facts: Mapping[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                used.append(facts["return_value"].get_extra_info("socket"))
                self._keep(used[-1])

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
                    follow_redirects=False,
                    trust_env=False,
                ) as client,
                client.stream(method, url, headers=sent, extensions={"trace": trace}, **content) as response,
            ):
                yield response
        except httpx.TimeoutException:
            raise UpstreamError(Category.DOWN, "did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            self._note(f"cannot be asked: {error}")
            raise UpstreamError(Category.DOWN, "could not be reached or hung up") from None
        finally:
            with self._guard:
                self._sockets.difference_update(used)

    def _keep(self, one: socket.socket) -> None:
        with self._guard:
            if self._hung_up:
                raise httpx.ConnectError("hung up")
            self._sockets.add(one)

    def _pieces(self, response: httpx.Response, most: int, deadline: float) -> Iterator[bytes]:
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > most:
            raise UpstreamError(Category.UNUSABLE, "sends more than can be taken")
        count = 0
        for piece in response.iter_raw():
            count += len(piece)
            if count > most:
                raise UpstreamError(Category.UNUSABLE, "sends more than can be taken")
            if self._clock() > deadline:
                raise UpstreamError(Category.DOWN, "takes too long to answer")
            yield piece

    def _job(self, answer: _Answer) -> Job:
        values = answer.values()
        try:
            return wire.job(self.upstream.dialect, values if isinstance(values, dict) else {})
        except ValueError as error:
            self._note(f"gave an answer that cannot be used, for {error}", answer.text)
            raise UpstreamError(Category.DOWN, "gave an answer that cannot be used") from None

    def _told(self, job: Job) -> Job:
        if job.phase is Phase.FAILED:
            self._note(f"failed with its job ({job.code or 'no code'})", job.message)
        return job

    def _refusal(self, answer: _Answer) -> UpstreamError:
        """What an answer with a status of failure means."""
        status, wait = answer.status, self._wait(answer)
        self._note(f"answered {status}", answer.text)
        if wire.code(answer.values()) in wire.REFUSALS:
            return UpstreamError(Category.REFUSED, "does not make such videos", final=True)
        if status == 429 or (status == 503 and wait is not None):
            return UpstreamError(Category.BUSY, "has too much to do", wait=wait)
        if status in (401, 403):
            return UpstreamError(Category.UNUSABLE, "does not accept the key that it was given")
        if status in (404, 405):
            return UpstreamError(
                Category.UNUSABLE, "does not know the address or the model that is configured"
            )
        if status in _REFUSED:
            return UpstreamError(Category.REFUSED, f"refused the request (status {status})")
        return UpstreamError(Category.DOWN, f"failed (status {status})", wait=wait)

    def _wait(self, answer: _Answer) -> float | None:
        """Seconds to wait, if the answer says so: at most five minutes."""
        wait = retry_after(answer.headers, self._now())
        return None if wait is None else min(wait, MAX_WAIT)

    def _note(self, what: str, said: str = "") -> None:
        text = " ".join(f"{what}: {said[:SAID]}".split() if said else what.split())
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        log.warning("upstream %s %s", self.upstream.name, text[: 2 * SAID])

    def _blotted(self, body: bytes) -> bytes:
        # Shorter ones are no secrets but words such as "none", and may be part of anything.
        return body.replace(self._key.encode(), b"[key]") if len(self._key) >= MIN_KEY_LENGTH else body

    def _most_inline(self) -> int:
        return MAX_INLINE_BYTES if self.upstream.dialect.inline else MAX_ANSWER_BYTES


def usable_key(key: str) -> bool:
    """Whether a key can be sent in a header; one that cannot would end up in an error message."""
    return key.isascii() and key.isprintable() and key == key.strip()


def _path(template: str, name: str) -> str:
    return template.replace("{id}", quote(name, safe=""))


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _content(body: Body | None, stack: ExitStack) -> dict[str, Any]:
    """A body in the words of httpx. A form goes as multipart even without a file."""
    if body is None:
        return {}
    if body.json is not None:
        return {"json": body.json}
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in body.form.items()]
    for name, (filename, content, media_type) in body.files.items():
        data = stack.enter_context(content.open("rb")) if isinstance(content, Path) else content
        parts.append((name, (filename, data, media_type)))
    return {"files": parts}
