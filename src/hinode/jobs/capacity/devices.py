"""Free memory of the GPUs of this machine, as NVIDIA's driver tells; without a driver there is no GPU."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from hinode.errors import DeviceError

QUERY_SECONDS = 20.0
MIB = 1 << 20
FREE_SHARE = 0.9
"""A GPU that a worker has for itself counts as free when so much of its memory is."""


@dataclass(frozen=True)
class Device:
    """A GPU, with its memory in bytes."""

    name: str
    total: int
    free: int


def visible(environment: Mapping[str, str] = os.environ) -> list[Device]:
    """The GPUs that a process with this environment may use; none if there is no driver.

    Raises:
        DeviceError: there is a driver, and it does not answer.
    """
    selection = environment.get("CUDA_VISIBLE_DEVICES")
    if selection is not None and selection.strip() in ("", "-1", "NoDevFiles"):
        return []
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    if selection is not None:
        command.append(f"--id={selection}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_SECONDS)
    except FileNotFoundError:
        return []
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"nvidia-smi does not answer: {error}", "look at the driver") from error
    if done.returncode:
        reason = " ".join((done.stdout + done.stderr).split())[:200]
        raise DeviceError(f"nvidia-smi fails: {reason}", "look at the driver")
    rows = [line.rsplit(",", 2) for line in done.stdout.splitlines() if line.count(",") >= 2]
    return [Device(name.strip(), int(total) * MIB, int(free) * MIB) for name, total, free in rows]


def await_memory(bytes_needed: int | None, seconds: float, *, alone: bool) -> list[Device]:
    """Wait until the memory that a worker needs is free on every GPU that this process may use.

    Args:
        bytes_needed: on each; None if that is not known.
        seconds: to wait.
        alone: whether the worker has each GPU for itself, which then has to be nearly empty.

    Raises:
        DeviceError: it is not free after that time, or can never be.
    """
    until = time.monotonic() + seconds
    while True:
        devices = visible()
        lacking = next(
            (device for device in devices if device.free < _need(device, bytes_needed, alone)), None
        )
        if lacking is None:
            return devices
        if bytes_needed is not None and bytes_needed > lacking.total:
            message = f"a worker needs {bytes_needed / 1e9:.1f} GB of a GPU, and {lacking.name} has "
            raise DeviceError(f"{message}{lacking.total / 1e9:.1f} GB", "choose other nodes by their labels")
        if time.monotonic() > until:
            message = f"{lacking.name} has {lacking.free / 1e9:.1f} GB free, which is too little for a worker"
            raise DeviceError(message, "end the other programs that use it")
        time.sleep(1.0)


def _need(device: Device, bytes_needed: int | None, alone: bool) -> float:
    if bytes_needed is not None:
        return bytes_needed
    return FREE_SHARE * device.total if alone else 0
