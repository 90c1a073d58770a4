"""The health of the servers: outcomes in two sliding windows, and whether a server is drained.

An outcome is an answer to a health check, to a request for a job, or the end of a job. The burn rate of a
window is the share of bad outcomes in it, divided by the share that is allowed. A server is drained when
both windows burn too fast: the short one says that it is bad now, the long one that it is more than a moment
(The Site Reliability Workbook, chapter 5). It gets no jobs then, except one for a trial in each
`cool_seconds`. A job that succeeds, or a short window that burns no more, ends that.

The processes of a machine share the outcomes in a file for each server.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock

from hinode.errors import OutputError
from hinode.output import replace_file

log = logging.getLogger(__name__)

SHORT, LONG = 300.0, 1800.0
"""Seconds of the windows."""
BUCKET = 30.0
"""Seconds of outcomes that are counted together."""
ALLOWED = 0.05
"""Share of bad outcomes that is no fault of a server."""
MAX_SHORT_BURN, MAX_LONG_BURN = 6.0, 2.0
"""Burn rates from which on a server is drained, if both windows reach theirs."""
MIN_OUTCOMES = 10
"""Fewer outcomes in a window say nothing."""
MAX_JOBS = 200
"""Ids of jobs that are remembered, the latest."""


class State(StrEnum):
    """Whether a server gets jobs."""

    READY = "ready"
    TRIAL = "trial"
    """It was drained for a while; the next job may show that it is well again."""
    DRAINED = "drained"


@dataclass(frozen=True)
class Check:
    """A health check of an address: when it was, in seconds since 1970, whether the server answered well, and
    the seconds that it took."""

    url: str
    at: float
    good: bool
    seconds: float


@dataclass(frozen=True)
class Health:
    """What is remembered of a server, all times in seconds since 1970.

    Attributes:
        buckets: good and bad outcomes by the start of their `BUCKET` seconds.
        drained_at: since when it has been drained, or None.
        trial_at: when it got the last job for a trial, or None.
        jobs: ids of the latest jobs that it accepted.
        last_check: of its health, or None.
    """

    buckets: Mapping[float, tuple[int, int]] = field(default_factory=dict)
    drained_at: float | None = None
    trial_at: float | None = None
    jobs: tuple[str, ...] = ()
    last_check: Check | None = None

    def burn(self, now: float, seconds: float) -> float:
        """The burn rate of the last `seconds`; 0 if there are fewer than `MIN_OUTCOMES` outcomes."""
        recent = [counts for start, counts in self.buckets.items() if now - seconds < start + BUCKET]
        good, bad = sum(counts[0] for counts in recent), sum(counts[1] for counts in recent)
        return bad / (good + bad) / ALLOWED if good + bad >= MIN_OUTCOMES else 0.0

    def state(self, now: float, cool_seconds: float) -> State:
        """Whether the server gets jobs."""
        if self.drained_at is None:
            return State.READY
        last = self.drained_at if self.trial_at is None else self.trial_at
        return State.TRIAL if now - last >= cool_seconds else State.DRAINED

    def after(self, good: bool, now: float, *, job: bool = False) -> Health:
        """The health after one more outcome; `job` is whether it is the end of a job."""
        if good and job and self.drained_at is not None:
            return self._afresh(now)
        buckets = {start: counts for start, counts in self.buckets.items() if now - LONG < start + BUCKET}
        before = buckets.get(_start(now), (0, 0))
        buckets[_start(now)] = before[0] + good, before[1] + (not good)
        health = dataclasses.replace(self, buckets=buckets)
        short, long = health.burn(now, SHORT), health.burn(now, LONG)
        if self.drained_at is None:
            drained = short >= MAX_SHORT_BURN and long >= MAX_LONG_BURN
            return dataclasses.replace(health, drained_at=now) if drained else health
        if good and now - self.drained_at >= SHORT and short < 1:
            return self._afresh(now)
        return health

    def _afresh(self, now: float) -> Health:
        """After a good outcome that ends a drain; the outcomes before count no more."""
        return dataclasses.replace(self, buckets={_start(now): (1, 0)}, drained_at=None, trial_at=None)


class HealthFile:
    """The health of one server, shared by the processes of a machine. Safe to use from several threads.

    In a folder that cannot be written, each process remembers for itself.
    """

    def __init__(self, folder: Path, name: str, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.name = name
        self.clock = clock
        self._path = folder / f"{name}.health.json"
        self._lock = FileLock(folder / f"{name}.health.lock", thread_local=False)
        self._guard = threading.Lock()  # the lock of the file is one for all threads
        self._latest = Health()

    def read(self) -> Health:
        """The present health; that of a server without outcomes if nothing is recorded."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(self._path.read_text("utf-8"))
            buckets = {float(start): (int(good), int(bad)) for start, good, bad in values["buckets"]}
            times = values["drained_at"], values["trial_at"]
            check = values.get("last_check")
            last_check = Check(*check) if check else None
            self._latest = Health(buckets, *times, tuple(map(str, values["jobs"])), last_check)
        return self._latest

    def record(self, good: bool, *, job: bool = False) -> None:
        """Record an outcome; see `Health.after`."""
        now = self.clock()
        self._record(lambda health: health.after(good, now, job=job))

    def record_check(self, url: str, good: bool, seconds: float) -> Check:
        """Record a health check that has just ended, and return it; see `Check`."""
        check = Check(url, self.clock(), good, seconds)
        self._record(lambda health: dataclasses.replace(health.after(good, check.at), last_check=check))
        return check

    def _record(self, change: Callable[[Health], Health]) -> None:
        before, after = self._change(change)
        if (before.drained_at is None) is not (after.drained_at is None):
            reason = "is drained: too many requests failed" if after.drained_at else "gets jobs again"
            log.warning("upstream %s %s", self.name, reason)

    def record_job(self, job_id: str) -> None:
        """Remember the id of a job that the server accepted."""
        self._change(lambda health: dataclasses.replace(health, jobs=(*health.jobs, job_id)[-MAX_JOBS:]))

    def allow(self, cool_seconds: float) -> bool:
        """Whether a job may be sent now; of several that ask in the same trial, one may."""
        now = self.clock()
        if (state := self.read().state(now, cool_seconds)) is not State.TRIAL:
            return state is State.READY
        allowed = False

        def begin(health: Health) -> Health:
            nonlocal allowed
            allowed = health.state(now, cool_seconds) is not State.DRAINED
            return dataclasses.replace(health, trial_at=now) if allowed else health

        self._change(begin)
        return allowed

    def _change(self, change: Callable[[Health], Health]) -> tuple[Health, Health]:
        with self._guard, ExitStack() as stack:
            with suppress(OSError, NotImplementedError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(self._lock)
            before = self.read()
            self._latest = after = change(before)
            with suppress(OutputError), replace_file(self._path) as part:
                part.write_text(json.dumps(_as_json(after)), "utf-8")
            return before, after


def _start(now: float) -> float:
    return math.floor(now / BUCKET) * BUCKET


def _as_json(health: Health) -> dict[str, Any]:
    buckets = [[start, *counts] for start, counts in sorted(health.buckets.items())]
    times = {"drained_at": health.drained_at, "trial_at": health.trial_at}
    check = health.last_check
    return {
        "buckets": buckets,
        **times,
        "jobs": health.jobs,
        "last_check": check and dataclasses.astuple(check),
    }
