"""How much memory is available."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class MemoryBudget:
    """Available memory in bytes: of the accelerator (without one, of the machine), and of the machine."""

    device: int
    host: int

    @classmethod
    def of(cls, device: torch.device) -> MemoryBudget:
        """What is free now."""
        host = available(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            return cls(free, host)
        return cls(host, host)

    def with_loaded(self, loaded: int) -> MemoryBudget:
        """The same if `loaded` bytes are occupied by weights that will be used."""
        return dataclasses.replace(self, device=self.device + loaded)


def available(meminfo: Path, cgroup: Path) -> int:
    """Bytes of memory that the system, or the container, still grants.

    Without the system's file `meminfo` nothing is known, and nothing is refused; the container's limits are
    in the folder `cgroup`.
    """
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return 2**62
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, max(0, limit - used))
