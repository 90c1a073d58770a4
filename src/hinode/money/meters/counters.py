"""Counters of energy: of a GPU by NVML, of the processors by RAPL."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hinode.money.quoting.hardware import has_gpu
from hinode.settings import Settings

RAPL = Path("/sys/class/powercap")
PROC_STAT = Path("/proc/stat")
MICROJOULES, MILLIJOULES = 1e-6, 1e-3
MAX_WATTS = 20_000.0
"""A counter that says more of one machine has a fault."""


class CounterFault(Exception):
    """The counter cannot be read, or says what cannot be."""


class Counter(Protocol):
    """A counter of energy."""

    shared: bool
    """Whether it counts what other processes of the machine use too."""

    def joules(self) -> float:
        """Joules since the last call; raises CounterFault."""
        ...


@dataclass
class Accumulator:
    """A counter that only grows, and begins again after `span` joules, or never if that is None.

    Attributes:
        read: gives joules since some moment.
        shared: see `Counter`.
        clock: gives seconds.
    """

    read: Callable[[], float]
    shared: bool
    span: float | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._last: tuple[float, float] | None = None
        with suppress(CounterFault):
            self._last = self.clock(), self._read()

    def joules(self) -> float:
        before, self._last = self._last, None
        now, value = self.clock(), self._read()
        self._last = now, value
        if before is None:
            raise CounterFault("there is no earlier sample")
        spent = value - before[1]
        if spent < 0 and self.span is not None:
            spent += self.span
        # The counters tick up to ten times a second: a short sample may have a whole tick.
        if not 0 <= spent <= MAX_WATTS * (now - before[0] + 0.2):
            raise CounterFault(f"{spent:g} J in {now - before[0]:g} s cannot be")
        return spent

    def _read(self) -> float:
        try:
            return self.read()
        except Exception as error:  # of a driver
            raise CounterFault(str(error)) from error


def counters(settings: Settings) -> list[Counter]:
    """The counters of this machine that can be read; often none."""
    gpu = _nvml(settings) if has_gpu(settings) else None
    return [counter for counter in (gpu, *_rapl()) if counter is not None]


def busy_seconds() -> float | None:
    """Seconds that all processors of this machine have worked, or None if it does not say."""
    try:
        fields = PROC_STAT.read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _, _, interrupt, soft = map(int, fields[:7])
    except (OSError, ValueError, IndexError):
        return None
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")


def _rapl(root: Path = RAPL) -> list[Counter]:
    """One counter for each processor package."""
    found: list[Counter] = []
    for zone in sorted(root.glob("intel-rapl:*")):
        if zone.name.count(":") != 1:
            continue  # a part of a package
        try:
            span = int((zone / "max_energy_range_uj").read_text()) * MICROJOULES
            int((zone / "energy_uj").read_text())
        except (OSError, ValueError):
            continue  # most systems let only root read it
        path = zone / "energy_uj"
        found.append(Accumulator(lambda path=path: int(path.read_text()) * MICROJOULES, True, span))  # type: ignore[misc]
    return found


def _nvml(settings: Settings) -> Counter | None:
    """The counter of the GPU of this process; None if it has none, as a part of a divided GPU has."""
    try:
        import pynvml

        pynvml.nvmlInit()
        name = visible_device(settings.device, os.environ.get("CUDA_VISIBLE_DEVICES"))
        by = "Index" if isinstance(name, int) else "UUID"
        device = getattr(pynvml, f"nvmlDeviceGetHandleBy{by}")(name)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(device)
    except Exception:  # not installed, no driver, an old GPU, a part of one: there is no counter
        return None
    return Accumulator(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(device) * MILLIJOULES, shared=False)


def visible_device(device: str | None, visible: str | None) -> int | str:
    """What NVML calls a GPU of CUDA: its number, or its UUID.

    Args:
        device: such as "cuda:1", or None for the first.
        visible: `CUDA_VISIBLE_DEVICES`, or None.
    """
    number = int(device.partition(":")[2] or 0) if device and device.startswith("cuda") else 0
    names: Sequence[str] = [name.strip() for name in (visible or "").split(",") if name.strip()]
    name = names[number] if number < len(names) else str(number)
    return int(name) if name.isdigit() else name
