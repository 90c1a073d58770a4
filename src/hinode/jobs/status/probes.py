"""The probes: each of them does what a client does, or asks a provider, and says how it went.

The messages are for everybody: they name no address, no key and no text of a server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from hinode.engines.remote.engine import RemoteEngine
from hinode.engines.remote.errors import UpstreamError
from hinode.engines.remote.upstreams import Upstream
from hinode.jobs.status.objectives import (
    API,
    CLIPS,
    LATENCY,
    LATENCY_SECONDS,
    PROVIDERS,
    QUEUE,
    QUEUE_SECONDS,
)

API_SECONDS = 10.0
CLIP_SECONDS = 30.0
POLL_SECONDS = 0.5
CLIP = {"prompt": "a red balloon over the sea", "size": "64x64", "seconds": "1"}
"""The smallest clip that every engine makes."""
CHEAPER = {"native": {"steps": 2}, "diffusers": {"steps": 2}}
"""What makes it cheaper still, by engine; others may not take a number of steps."""
QUEUED, COMPLETED, FAILED = "queued", "completed", "failed"
MP4_MARK = b"ftyp"
"""In the bytes 4 to 8 of every MP4."""


@dataclass(frozen=True)
class Outcome:
    """How a probe of a component went: whether its promise was met, the seconds that it took, and if not, why
    in one sentence for everybody."""

    component: str
    ok: bool
    seconds: float
    message: str = ""


class Probe(Protocol):
    """A probe of one or more components."""

    @property
    def name(self) -> str:
        """The component that it is for."""

    @property
    def components(self) -> tuple[str, ...]:
        """Every component that its outcomes are about."""

    @property
    def max_seconds(self) -> float:
        """How long it takes at most, with some seconds to spare."""

    def run(self) -> Sequence[Outcome]:
        """Measure once. It raises nothing because of what it probes; a component without an outcome was not
        measured."""
        ...


class Client:
    """A client of the probed server, with the key that the prober has at the moment."""

    def __init__(
        self,
        url: str,
        key: Callable[[], str],
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """
        Args:
            url: address of the server, without /v1.
            key: returns the API key.
            pause: waits so many seconds; it may raise, and the probe then ends with that.
            clock: seconds since any moment.
            transport: for tests.
        """
        self.pause = pause
        self.clock = clock
        self._key = key
        # No connection outlives its request: the next one shows whether the server still accepts some.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            base_url=url, timeout=API_SECONDS, limits=limits, transport=transport, follow_redirects=True
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One request.

        Raises:
            httpx.HTTPError: there was no answer.
        """
        headers = {"authorization": f"Bearer {self._key()}"}
        return self._http.request(method, path, json=body, headers=headers)


class ApiProbe:
    """The server is ready and accepts a key, and how long its answer takes."""

    name = API
    components = (API, LATENCY)
    max_seconds = 2 * API_SECONDS

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self) -> Sequence[Outcome]:
        """See `Probe`. A server that does not answer says nothing about latency."""
        start = self._client.clock()
        try:
            ready = self._client.request("GET", "/readyz")
            if ready.status_code != 200:
                seconds = self._client.clock() - start
                return [
                    Outcome(API, False, seconds, f"The server is not ready (status {ready.status_code}).")
                ]
            start = self._client.clock()
            answer = self._client.request("GET", "/v1/videos?limit=1")
        except httpx.HTTPError as error:
            return [Outcome(API, False, self._client.clock() - start, _unanswered(error))]
        seconds = self._client.clock() - start
        if answer.status_code != 200:
            message = f"The API answers with status {answer.status_code}."
            return [Outcome(API, False, seconds, message)]
        late = "" if seconds <= LATENCY_SECONDS else f"An answer took {seconds:.1f} s."
        return [Outcome(API, True, seconds), Outcome(LATENCY, not late, seconds, late)]


class ClipProbe:
    """A clip of one model is requested, rendered and downloaded, and how long it waits for a worker."""

    max_seconds = CLIP_SECONDS + 3 * API_SECONDS

    def __init__(
        self, client: Client, model: str, workers_are_busy: Callable[[], bool], *, queue: bool
    ) -> None:
        """
        Args:
            client: of the server.
            model: as clients name it, such as "native/book".
            workers_are_busy: whether live workers have jobs of others.
            queue: whether its clips measure the wait for a worker too.
        """
        self.name = f"{CLIPS}/{model.partition('/')[0]}"
        self.components = (self.name, QUEUE) if queue else (self.name,)
        self._client = client
        self._body = {**CLIP, **CHEAPER.get(model.partition("/")[0], {}), "model": model}
        self._workers_are_busy = workers_are_busy

    def run(self) -> Sequence[Outcome]:
        """See `Probe`."""
        start = self._client.clock()
        wait: float | None = None
        try:
            answer = self._client.request("POST", "/v1/videos", self._body)
            if answer.status_code != 200:
                message = f"A clip is refused (status {answer.status_code})."
                return [Outcome(self.name, False, self._client.clock() - start, message)]
            address = f"/v1/videos/{answer.json()['id']}"
            while True:
                status = self._status(address)
                seconds = self._client.clock() - start
                if status != QUEUED and wait is None:
                    wait = seconds
                if status in (COMPLETED, FAILED) or seconds >= CLIP_SECONDS:
                    break
                self._client.pause(POLL_SECONDS)
            if status in (COMPLETED, FAILED):
                message = "" if status == COMPLETED else "A clip failed."
                message = message or self._download(address)
            else:
                self._client.request("POST", f"{address}/cancel")
                message = f"A clip was not rendered within {CLIP_SECONDS:g} s."
        except httpx.HTTPError as error:
            return [Outcome(self.name, False, self._client.clock() - start, _unanswered(error))]
        return self._outcomes(self._client.clock() - start, wait, message)

    def _status(self, address: str) -> str:
        answer = self._client.request("GET", address)
        return str(answer.json()["status"]) if answer.status_code == 200 else FAILED

    def _download(self, address: str) -> str:
        answer = self._client.request("GET", f"{address}/content")
        if answer.status_code != 200:
            return f"A finished clip cannot be downloaded (status {answer.status_code})."
        return "" if answer.content[4:8] == MP4_MARK else "A downloaded clip is not a video."

    def _outcomes(self, seconds: float, wait: float | None, message: str) -> Sequence[Outcome]:
        waited = seconds if wait is None else wait
        late = (
            "" if waited < QUEUE_SECONDS else f"A clip waited longer than {QUEUE_SECONDS:g} s for a worker."
        )
        outcomes = []
        # Whether a busy fleet can render was not measured. That it lets people wait, the queue says.
        if wait is not None or not self._workers_are_busy():
            outcomes.append(Outcome(self.name, not message, seconds, message))
        if QUEUE in self.components:
            outcomes.append(Outcome(QUEUE, not late, waited, late))
        return outcomes


class ProviderProbe:
    """Whether the server of a provider answers; it is asked for nothing that costs money."""

    def __init__(self, engine: RemoteEngine, upstream: Upstream) -> None:
        self.name = f"{PROVIDERS}/{upstream.name}"
        self.components = (self.name,)
        self.max_seconds = 2 * API_SECONDS
        self._engine = engine
        self._upstream = upstream

    def run(self) -> Sequence[Outcome]:
        """See `Probe`."""
        try:
            check = self._engine.check(self._upstream)
        except UpstreamError:
            return [Outcome(self.name, False, 0.0, "The provider cannot be asked.")]
        message = "" if check.good else "The provider does not answer."
        return [Outcome(self.name, check.good, check.seconds, message)]


def _unanswered(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"There was no answer within {API_SECONDS:g} s."
    return "The server cannot be reached."
