"""How much memory is available."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from hinode.engines.diffusers.memory.ledger import Ledger


@dataclass(frozen=True)
class MemoryBudget:
    """Available memory in bytes: of the accelerator (without one, of the machine), and of the machine."""

    device: int
    host: int

    @classmethod
    def of(cls, device: torch.device) -> MemoryBudget:
        """What is free now, with what PyTorch keeps of the accelerator and does not use."""
        host = available(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            return cls(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), host)
        return cls(host, host)

    def with_loaded(self, ledger: Ledger) -> MemoryBudget:
        """The same if the weights in a ledger will be used: each counts where it is."""
        device, host = sum(ledger.device.values()), sum(ledger.host.values())
        return MemoryBudget(self.device + device, self.host + host)


_LIMITS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)
"""Files with the limit and the use of a container, and what of the use is a cache that yields: of version 2
and of version 1."""


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
    for maximum, current, statistics, cache in _LIMITS:
        try:
            limit, used = int((cgroup / maximum).read_text()), int((cgroup / current).read_text())
        except (OSError, ValueError):  # no such container, or one without a limit
            continue
        try:
            counts = dict(line.split() for line in (cgroup / statistics).read_text().splitlines())
            used -= int(counts.get(cache, 0))
        except (OSError, ValueError):
            pass
        free = min(free, max(0, limit - used))
    return free
