"""The meter of one attempt at a job: seconds and energy of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hinode.money.meters import counters
from hinode.money.meters.counters import Counter, CounterFault
from hinode.money.meters.usage import HOUR, Method, StageUsage, Usage
from hinode.money.quoting.hardware import hardware, ran_on_gpu
from hinode.settings import Settings


@dataclass
class _Stage:
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    busy_seconds: float | None = 0.0
    own_joules: float = 0.0
    shared_joules: float = 0.0
    faults: int = 0


class Meter:
    """Reads the counters whenever a part of the work is done."""

    def __init__(
        self,
        sources: Sequence[Counter],
        *,
        watts: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        busy: Callable[[], float | None] = counters.busy_seconds,
    ) -> None:
        """
        Args:
            sources: counters of energy of this machine.
            watts: what the machine draws while it works, as its owner states; used without counters.
            clock: gives seconds.
            cpu: gives seconds of processors that this process has used.
            busy: the same of all processes of the machine, or None.
        """
        self._sources = sources
        self._watts = watts
        self._clock, self._cpu, self._busy = clock, cpu, busy
        self._stages: dict[str, _Stage] = {}
        self._last = clock(), cpu(), busy()

    @classmethod
    def of(cls, settings: Settings) -> Meter:
        """The meter of this machine."""
        return cls(counters.counters(settings), watts=settings.watts)

    def lap(self, name: str) -> None:
        """Count what was done since the last call towards a stage."""
        now = self._clock(), self._cpu(), self._busy()
        before, self._last = self._last, now
        stage = self._stages.setdefault(name, _Stage())
        stage.seconds += max(0.0, now[0] - before[0])
        stage.cpu_seconds += max(0.0, now[1] - before[1])
        known = stage.busy_seconds is not None and now[2] is not None and before[2] is not None
        stage.busy_seconds = stage.busy_seconds + now[2] - before[2] if known else None  # type: ignore[operator]
        for source in self._sources:
            try:
                joules = source.joules()
            except CounterFault:
                stage.faults += 1
                continue
            if source.shared:
                stage.shared_joules += joules
            else:
                stage.own_joules += joules

    def usage(self, settings: Settings, *, external: bool = False) -> Usage:
        """What was used up to now.

        Args:
            external: whether another machine does the work, of which nothing is known.
        """
        on_gpu = ran_on_gpu(settings)
        stages = {}
        for key, stage in self._stages.items():
            watt_hours, method = (None, "none") if external else self._energy(stage)
            stages[key] = StageUsage(
                seconds=round(stage.seconds, 4),
                cpu_seconds=round(stage.cpu_seconds, 4),
                gpu_seconds=None if external else round(stage.seconds, 4) if on_gpu else 0.0,
                energy_wh=watt_hours,
                energy_method=method,
            )
        return Usage(hardware=hardware(settings), stages=stages)

    def _energy(self, stage: _Stage) -> tuple[float | None, Method]:
        """Watt hours of a stage. After a fault of a counter they are estimated, or unknown."""
        if self._sources and not stage.faults:
            joules = stage.own_joules + stage.shared_joules * _share(stage)
            return round(joules / HOUR, 8), "measured"
        if self._watts is not None:
            return round(stage.seconds * self._watts / HOUR, 8), "estimated"
        return None, "none"


def _share(stage: _Stage) -> float:
    """The part of this process in what all processors did."""
    if not stage.busy_seconds:
        return 1.0  # nothing else is known to have worked
    return min(1.0, stage.cpu_seconds / stage.busy_seconds)
