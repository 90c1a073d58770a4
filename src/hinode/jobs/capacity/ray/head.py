"""A local Ray: `python -m hinode.jobs.capacity.ray.head PORT CPUS` runs its head until standard input ends.

It is a process of its own under the server. When the head is lost, this process ends, and the server starts
it again at the same port.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from hinode import logs
from hinode.errors import HinodeError, OutputError
from hinode.jobs.capacity import groups
from hinode.jobs.capacity.ray import cluster
from hinode.jobs.executors import GROUP_SECONDS, end_group
from hinode.settings import Settings

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
STOP_SECONDS = 3.0
LOCK_SECONDS = 20.0
"""For the process before to end, which a server that was killed has left."""


def command(port: int, cpus: int, folder: Path) -> list[str]:
    """The command that starts Ray at a port of this machine and waits."""
    options = {
        "--node-ip-address": HOST,
        "--port": str(port),
        "--num-cpus": str(cpus),
        "--object-store-memory": str(cluster.OBJECT_STORE_BYTES),
        "--temp-dir": str(folder),
        "--include-dashboard": "false",
    }
    words = [f"{name}={value}" for name, value in options.items()]
    program = "from ray.scripts.scripts import main; main()"
    return [sys.executable, "-c", program, "start", "--head", "--block", "--disable-usage-stats", *words]


def main(settings: Settings, port: int, cpus: int) -> int:
    """Run Ray until SIGTERM or until standard input ends; returns the exit status.

    Raises:
        OutputError: its folder cannot be made or has too little space, or another server uses it.
    """
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, records = cluster.folder(settings.home), settings.home / "ray" / "heads"
    token = cluster.token_file(settings)
    lock = FileLock(settings.home / "ray" / "head.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        remedy = "start this one with --workers 0 and without --executor"
        raise OutputError(f"another server of {settings.home} has a local Ray", remedy) from error
    groups.reap(records, 0.0)  # a head that outlived its parent has the folder and the port
    _make_empty(folder)
    child = subprocess.Popen(
        command(port, cpus, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **cluster.variables(token)},
        process_group=0,
    )
    groups.record(records, child.pid, os.getpid())
    threading.Thread(target=_read_input, args=(stop,), name="parent", daemon=True).start()
    threading.Thread(target=_wait, args=(child, stop), name="ray", daemon=True).start()
    stop.wait()
    status = child.poll()
    if status is None:
        child.terminate()
        try:
            status = child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            status = 0
    else:
        log.error("the head of Ray has ended", extra={"exit_status": status})
    end_group(child.pid, GROUP_SECONDS)
    return 1 if status else 0


def _make_empty(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700, parents=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}", "choose another TMPDIR") from error
    if free < cluster.MIN_FREE_BYTES:
        raise OutputError(f"{folder} has less than 1 GB free, which Ray needs", "free some space")


def _read_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


def _wait(child: subprocess.Popen[bytes], stop: threading.Event) -> None:
    child.wait()
    stop.set()


if __name__ == "__main__":
    logs.start()
    try:
        sys.exit(main(Settings.from_environment(os.environ), int(sys.argv[1]), int(sys.argv[2])))
    except HinodeError as error:
        log.error("%s", error)
        sys.exit(1)
