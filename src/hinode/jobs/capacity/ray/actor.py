"""The actor: it keeps one ordinary worker process running on its node, and knows how it is.

The worker leads a process group and dies with the actor, because it reads from a pipe that the actor holds.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ray

from hinode import __version__, logs
from hinode.errors import HinodeError
from hinode.jobs.capacity import devices, groups
from hinode.jobs.capacity.entered import host_name
from hinode.jobs.executors import LocalExecutor, Spec
from hinode.jobs.worker.process import GRACE_SECONDS

log = logging.getLogger(__name__)

DRAIN_SECONDS = 30.0
DEVICE_SECONDS = 60.0
"""For the memory of the device to be free."""
SILENCE_SECONDS = 600.0
"""An actor that no driver has asked for so long ends, since nobody scales it or would miss it."""


@dataclass(frozen=True)
class ActorSpec:
    """What an actor is started with.

    Attributes:
        version: of the server; workers of another one are refused.
        name: of its class.
        engines: names of those that it runs, or None for all.
        environment: variables for the worker.
        namespace: of the installation.
        gpu_memory: bytes that it needs on each of its GPUs; 0 if that is not known.
        alone: whether it has its GPUs for itself.
    """

    version: str
    name: str
    engines: tuple[str, ...] | None
    environment: Mapping[str, str]
    namespace: str
    gpu_memory: int = 0
    alone: bool = False


@dataclass(frozen=True)
class Report:
    """How a worker is.

    Attributes:
        ended: ids of its processes that have ended, all of their groups with them.
        error: why none can be started, or "".
        host: under which the worker is in the database.
        node: Ray's id of the machine.
        device_memory: bytes of each GPU, or None without one.
        draining: whether it was asked to end.
    """

    ended: tuple[str, ...]
    error: str
    host: str
    node: str
    device_memory: int | None = None
    draining: bool = False


class WorkerActor:
    """Runs on a node of the cluster; the driver makes it an actor. Its methods run in several threads."""

    def __init__(self, spec: ActorSpec) -> None:
        """Return at once: a failure here would be known to nobody but Ray's log."""
        self.spec = spec
        self._error = ""
        self._host = host_name(spec.name, f"{platform.node() or 'localhost'}/{os.getpid()}")
        self._ended: list[str] = []
        self._draining = False
        self._device_memory: int | None = None
        self._asked_at = time.monotonic()
        self._folder = Path(tempfile.gettempdir()) / f"{spec.namespace}-{os.getuid()}"
        self._executor = LocalExecutor(1, self._ended.append, self._before)
        logs.start()
        if spec.version != __version__:
            self._error = f"this node has Hinode {__version__}, and the server has {spec.version}"
            return
        command = [sys.executable, "-m", "hinode", "worker", "--attached", "--host", self._host]
        for engine in spec.engines or ():
            command += ["--engine", engine]
        self._executor.launch(Spec(tuple(command), spec.environment))
        threading.Thread(target=self._end_in_silence, name="silence", daemon=True).start()

    def report(self) -> Report:
        """How the worker is."""
        self._asked_at = time.monotonic()
        node = ray.get_runtime_context().get_node_id()
        return Report(tuple(self._ended), self._error, self._host, node, self._device_memory, self._draining)

    def drain(self) -> None:
        """Let the worker save its run and give its job back; its process group has ended afterwards."""
        self._draining = True
        self._executor.drain(DRAIN_SECONDS)

    def _before(self, pid: int | None) -> None:
        """Before a start: wait until what ran here before has ended, and its memory is free."""
        if pid is not None:
            self._error = ""
            try:
                groups.record(self._folder, pid, os.getpid())
            except OSError as error:  # its successor here cannot wait for it
                log.warning("the worker's process group cannot be recorded: %s", error)
            return
        groups.reap(self._folder, GRACE_SECONDS + 5)
        need = self.spec.gpu_memory or None
        try:
            visible = devices.await_memory(need, DEVICE_SECONDS, alone=self.spec.alone)
        except HinodeError as error:
            self._error = str(error)
            raise OSError(str(error)) from error  # the executor tries again later
        self._device_memory = min((device.total for device in visible), default=None)

    def _end_in_silence(self) -> None:
        while time.monotonic() - self._asked_at < SILENCE_SECONDS:
            time.sleep(SILENCE_SECONDS / 20)
        log.warning("no server has asked for this worker for %g s; it ends", SILENCE_SECONDS)
        self.drain()
        os._exit(0)
