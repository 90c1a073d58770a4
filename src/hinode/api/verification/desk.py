"""Checks of files that strangers send: few at once, each in a process of its own that steps back for workers.

Whoever asks needs no key, so each address has a rate and few places, and all of them together have a small
queue. An upload takes its place before its first byte is received.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

import anyio
import anyio.to_thread
from starlette.types import Scope

from hinode.api.limits import Buckets, ConcurrencyLimit, check_address
from hinode.errors import BadInput
from hinode.jobs.files.objects import Objects
from hinode.outbound import Outbound
from hinode.settings import Settings
from hinode.trust.verification.anchors import read_anchors
from hinode.trust.verification.check import DetectWatermarks, check_file
from hinode.trust.verification.report import Lookup, Report

REQUESTS_PER_MINUTE = 20
"""From one address."""
MAX_PLACES, MAX_PLACES_PER_ADDRESS = 8, 2
"""Files that are being received, wait, or are checked, in all and from one address."""
MAX_CHECKS = 2
"""Files that are checked at once; the others wait."""
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
        lookup: Lookup | None = None,
        detect: DetectWatermarks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            outbound: fetches addresses that members name.
            lookup: the registry of the files that this server made, if there is one.
            detect: looks for watermarks, if something can.
            clock: seconds since any moment.
        """
        self._settings = settings
        self._objects = objects
        self._outbound = outbound
        self._lookup = lookup
        self._detect = detect
        self._clock = clock
        self._buckets = Buckets(clock)
        self._places = ConcurrencyLimit(
            MAX_PLACES, MAX_PLACES_PER_ADDRESS, "too many files are being checked"
        )
        self._checks = anyio.CapacityLimiter(MAX_CHECKS)
        self._anchors: tuple[float, str] | None = None
        self._lock = Lock()

    @contextmanager
    def place(self, scope: Scope) -> Iterator[None]:
        """A place for one request.

        Raises:
            Refusal: there were too many requests from its address.
            OverQuota: all places are taken.
        """
        check_address(self._buckets, scope, REQUESTS_PER_MINUTE)
        with self._places.acquire((scope.get("client") or ("",))[0]):
            yield

    async def check(self, path: Path, sidecar: Path | None = None) -> Report:
        """Check a file; see `check_file`."""
        return await anyio.to_thread.run_sync(partial(self._check, path, sidecar), limiter=self._checks)

    async def check_url(self, url: str, *, is_member: bool) -> Report:
        """Fetch a file and check it.

        Args:
            url: of the file.
            is_member: whether somebody of this server asks. Strangers never reach a private address, also
                where members may.

        Raises:
            OutboundError: it cannot be fetched.
        """
        return await anyio.to_thread.run_sync(partial(self._check_url, url, is_member), limiter=self._checks)

    def _check(self, path: Path, sidecar: Path | None = None) -> Report:
        return check_file(
            path, anchors=self._read_anchors(), sidecar=sidecar, lookup=self._lookup, detect=self._detect
        )

    def _check_url(self, url: str, is_member: bool) -> Report:
        guarded = self._outbound
        if guarded.allow_private and not is_member:
            guarded = Outbound()
        with self._objects.temporary() as path:
            with path.open("wb") as file:
                bounds = {"max_bytes": MAX_FILE_BYTES, "seconds": FETCH_SECONDS}
                guarded.fetch(url, file.write, field="url", **bounds)  # type: ignore[arg-type]
            return self._check(path)

    def _read_anchors(self) -> str:
        with self._lock:
            now = self._clock()
            if self._anchors is None or now - self._anchors[0] >= ANCHOR_SECONDS:
                self._anchors = now, read_anchors(self._settings)
            return self._anchors[1]


def no_file(field: str = "file") -> BadInput:
    """The refusal of a request that names nothing to check, or two things."""
    return BadInput("there is not one file or URL to check", "send a file, or its URL", field=field)
