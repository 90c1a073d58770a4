"""What a run ran on, in words: runs of one model on the same hardware are compared."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from pathlib import Path

from hinode.settings import Settings


def hardware(settings: Settings) -> str:
    """The hardware of the runs of this process, such as "AMD EPYC 7B13, 2 threads" or "NVIDIA H200".

    Torch is asked only if it is loaded: a run that did not need it ran on the processor.
    """
    if ran_on_gpu(settings):
        return str(sys.modules["torch"].cuda.get_device_name(settings.device))[:200]
    threads = settings.threads or int(os.environ.get("OMP_NUM_THREADS") or 0) or os.cpu_count() or 1
    return f"{_processor()[:180]}, {threads} thread{'s' if threads > 1 else ''}"


def ran_on_gpu(settings: Settings) -> bool:
    """Whether the runs of this process were on a GPU; see `hardware`."""
    torch = sys.modules.get("torch")
    on_cpu = torch is None or (settings.device or "").startswith("cpu")
    return not on_cpu and bool(torch.cuda.is_available())  # type: ignore[union-attr]


def has_gpu(settings: Settings) -> bool:
    """Whether runs of this machine are likely to have a GPU; torch is not asked."""
    if settings.device is not None:
        return settings.device != "cpu"
    return any(Path("/dev").glob("nvidia[0-9]*"))


@lru_cache(maxsize=1)
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
