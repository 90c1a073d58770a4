"""Checks of files that strangers send: few at once, each in a process of its own that steps back for workers.

Whoever asks needs no key, so each address has a rate and few places, and all of them together have a small
queue. An upload takes its place before its first byte is received. Watermarks take seconds of a processor, so
that they have a queue of their own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.types import Scope

from hinode.api.limits import Buckets, ConcurrencyLimit, check_address
from hinode.errors import BadInput
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import OverQuota
from hinode.outbound import Outbound
from hinode.settings import Settings
from hinode.trust.verification.anchors import read_anchors
from hinode.trust.verification.detection import Detect, Detection
from hinode.trust.verification.reader import read
from hinode.trust.verification.report import Lookup, Report, report

T = TypeVar("T")
REQUESTS_PER_MINUTE = 20
"""From one address."""
MAX_PLACES, MAX_PLACES_PER_ADDRESS = 8, 2
"""Files that are being received, wait, or are checked, in all and from one address."""
MAX_CHECKS = 2
"""Files that are checked at once; the others wait."""
DETECTIONS_PER_MINUTE = 6
"""From one address."""
MAX_DETECTION_PLACES, MAX_DETECTION_PLACES_PER_ADDRESS = 4, 1
"""Files that are received, wait, or are searched for watermarks, in all and from one address."""
MAX_DETECTIONS = 1
"""Files that are searched at once."""
CHECKS = "checks"
"""Who asks for the watermarks of files that are checked: all of them have one place together."""
MAX_FILE_BYTES = 256 << 20
FETCH_SECONDS = 30.0
ANCHOR_SECONDS = 60.0
"""For which the authorities are remembered, since a key may be replaced while the server runs."""


class VerificationDesk:
    """Where files are checked. Safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        objects: Objects,
        outbound: Outbound,
        lookup: Lookup,
        detect: Detect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            outbound: fetches addresses that members name.
            lookup: the registry of the files that this server made.
            detect: looks for watermarks.
            clock: seconds since any moment.
        """
        self._settings = settings
        self._objects = objects
        self._outbound = outbound
        self._lookup = lookup
        self._detect = detect
        self._clock = clock
        self._buckets, self._detection_buckets = Buckets(clock), Buckets(clock)
        self._places = ConcurrencyLimit(
            MAX_PLACES, MAX_PLACES_PER_ADDRESS, "too many files are being checked"
        )
        self._detection_places = ConcurrencyLimit(
            MAX_DETECTION_PLACES,
            MAX_DETECTION_PLACES_PER_ADDRESS,
            "too many files are being searched for watermarks",
        )
        self._checks = anyio.CapacityLimiter(MAX_CHECKS)
        self._detections = anyio.CapacityLimiter(MAX_DETECTIONS)
        self._anchors: tuple[float, str] | None = None
        self._lock = Lock()

    @contextmanager
    def place(self, scope: Scope) -> Iterator[None]:
        """A place for one request to check a file.

        Raises:
            Refusal: there were too many requests from its address.
            OverQuota: all places are taken.
        """
        check_address(self._buckets, scope, REQUESTS_PER_MINUTE)
        with self._places.acquire(_address(scope)):
            yield

    @contextmanager
    def detection_place(self, scope: Scope) -> Iterator[None]:
        """A place for one request to look for watermarks; raises as `place` does."""
        check_address(self._detection_buckets, scope, DETECTIONS_PER_MINUTE)
        with self._detection_places.acquire(_address(scope)):
            yield

    async def check(self, path: Path, sidecar: Path | None = None) -> Report:
        """What is known of a file; `sidecar` is the record that came beside it.

        Watermarks are looked for unless the registry knows the pictures and the sound, or the queue of
        watermarks has no place: then the report has none.

        Raises:
            BadInput: a file cannot be read.
        """
        reading = await anyio.to_thread.run_sync(
            lambda: read(path, self._read_anchors(), sidecar), limiter=self._checks
        )
        found = await anyio.to_thread.run_sync(report, reading, self._lookup, limiter=self._checks)
        if found.watermarks is not None:
            return found
        try:
            with self._detection_places.acquire(CHECKS):
                watermarks = (await self.detect(path)).found
        except OverQuota:
            return found
        return await anyio.to_thread.run_sync(report, reading, self._lookup, watermarks, limiter=self._checks)

    async def detect(self, path: Path) -> Detection:
        """Look for the watermarks of this server in a file, when its turn comes.

        Raises:
            BadInput: it cannot be read.
        """
        return await anyio.to_thread.run_sync(self._detect, path, limiter=self._detections)

    async def fetch(self, url: str, then: Callable[[Path], Awaitable[T]], *, is_member: bool) -> T:
        """Fetch a file and check it, or look for its watermarks; it is removed afterwards.

        Args:
            url: of the file.
            then: `check` or `detect`.
            is_member: whether somebody of this server asks. Strangers never reach a private address, also
                where members may.

        Raises:
            OutboundError: it cannot be fetched.
        """
        guarded = self._outbound
        if guarded.allow_private and not is_member:
            guarded = Outbound()
        bounds = {"max_bytes": MAX_FILE_BYTES, "seconds": FETCH_SECONDS}
        with self._objects.temporary() as path:
            with path.open("wb") as file:
                fetch = partial(guarded.fetch, url, file.write, field="url", **bounds)  # type: ignore[arg-type]
                await anyio.to_thread.run_sync(fetch, limiter=self._checks)
            return await then(path)

    def _read_anchors(self) -> str:
        with self._lock:
            now = self._clock()
            if self._anchors is None or now - self._anchors[0] >= ANCHOR_SECONDS:
                self._anchors = now, read_anchors(self._settings)
            return self._anchors[1]


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def no_file(field: str = "file") -> BadInput:
    """The refusal of a request that names nothing to check, or two things."""
    return BadInput("there is not one file or URL to check", "send a file, or its URL", field=field)
