"""The executor `ray` of a server: it supervises the driver and a local Ray, and never imports Ray itself."""

from __future__ import annotations

import os
import socket
import sys

from hinode.jobs.capacity import fleet
from hinode.jobs.capacity.ray import cluster
from hinode.jobs.executors import LocalExecutor, Spec
from hinode.settings import Settings

DRIVER_SHARE = 0.7
"""Of the time to drain; the rest is for the head."""


class RayExecutor:
    """Keeps the processes running by which a server has workers on a Ray cluster.

    The driver is one: Ray ends every process that is attached to it about a minute after its head is lost,
    and a server has to go on.
    """

    def __init__(self, settings: Settings, workers: int, address: str | None) -> None:
        """
        Args:
            settings: of the server.
            workers: the maximum, if there is no `fleet.toml`.
            address: HOST:PORT of the head to join; None for a local Ray.

        Raises:
            BadInput: Ray is not installed, or the address or `fleet.toml` is wrong.
            ModelError: `fleet.toml` cannot be read.
        """
        cluster.check(address)
        self.settings = settings
        self.workers = workers
        self.address = address
        fleet.read(settings, workers)
        self._driver = LocalExecutor(1, lambda worker_id: None)
        self._head = LocalExecutor(1, lambda worker_id: None)

    def fill(self) -> None:
        """Start the local Ray, if there is to be one, and the driver."""
        cores = os.cpu_count() or 1
        threads = self.settings.threads or max(1, cores // max(1, self.workers))
        address, variables = self.address, dict[str, str]()
        if address is None:
            port = _free_port()
            address = f"127.0.0.1:{port}"
            variables = cluster.variables(cluster.token_file(self.settings))
            words: tuple[str, ...] = (str(port), str(max(cores, self.workers * threads)))
            self._head.launch(Spec((sys.executable, "-m", "hinode.jobs.capacity.ray.head", *words)))
        words = (address, str(self.workers), str(threads), "local" if self.address is None else "joined")
        command = (sys.executable, "-m", "hinode.jobs.capacity.ray.driver", *words)
        self._driver.launch(Spec(command, variables))

    def drain(self, seconds: float) -> None:
        """Let the workers of a local Ray save their runs, and end; those of another cluster go on."""
        self._driver.drain(DRIVER_SHARE * seconds)
        self._head.drain((1 - DRIVER_SHARE) * seconds)

    def stop(self) -> None:
        """End the driver and the local Ray at once."""
        self._driver.stop()
        self._head.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
