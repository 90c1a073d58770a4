"""Real `hinode worker --server` processes, for tests and benchmarks of servers with workers over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from benchmarks.serving import STOP_SECONDS, ServerHarness

RESTART_SECONDS = 0.2


class DistantWorkers:
    """Worker processes of a server, with a home of their own. One that is killed is started again, as a
    service manager does; one that ended by itself is not."""

    def __init__(
        self, server: ServerHarness, home: Path, count: int = 1, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment` has more variables; of the server's own, those of Hinode are not passed on."""
        self.server = server
        self.home = home
        self.count = count
        self.log = home / "workers.log"
        self.token = ""
        self.statuses: list[int] = []
        """Exit statuses of workers that ended by themselves."""
        self._more = dict(environment or {})
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._processes: list[subprocess.Popen[bytes] | None] = []
        self._thread = threading.Thread(target=self._keep_running, name="distant workers", daemon=True)

    def add(self, *words: str, name: str = "box") -> str:
        """Make a token with `hinode workers add`; `words` are more of its options. Returns the token."""
        made = json.loads(self.server.command("workers", "add", "--name", name, *words, "--json"))
        self.token = str(made["token"])
        return self.token

    def start(self) -> None:
        """Start all of them, with the token that `add` made, or a new one."""
        if not self.token:
            self.add()
        self.home.mkdir(parents=True, exist_ok=True)
        self._processes = [self._launch() for _ in range(self.count)]
        self._thread.start()

    def pids(self) -> list[int]:
        """Those that run now."""
        with self._changing:
            return [process.pid for process in self._processes if process and process.poll() is None]

    def kill(self, pid: int | None = None) -> None:
        """End one of them, or all, with SIGKILL."""
        with self._changing:
            for process in self._processes:
                if process is not None and pid in (None, process.pid):
                    process.kill()
                    process.wait()

    def suspend(self, pid: int) -> None:
        """Let one of them stand still, as a laptop that sleeps."""
        os.kill(pid, signal.SIGSTOP)

    def wake(self, pid: int) -> None:
        """Let one that was suspended go on."""
        os.kill(pid, signal.SIGCONT)

    def last_words(self) -> str:
        """The end of their log."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def stop(self) -> list[int]:
        """Ask all of them to end; returns their exit statuses, negative if one had to be killed."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        statuses = []
        for process in self._processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in filter(None, self._processes):
            try:
                statuses.append(process.wait(STOP_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                statuses.append(process.wait() or -1)
        return statuses

    def _launch(self) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in self.server.environment.items() if name[:7] != "HINODE_"}
        environment = {**kept, "HINODE_HOME": str(self.home), "HINODE_THREADS": "1", **self._more}
        environment["HINODE_WORKER_TOKEN"] = self.token
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "hinode", "worker", "--server", self.server.origin],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def _keep_running(self) -> None:
        while not self._over.wait(RESTART_SECONDS):
            with self._changing:
                for number, process in enumerate(self._processes):
                    status = process.poll() if process is not None else None
                    if status is None:
                        continue
                    if status >= 0:  # by itself: it is not wanted any more
                        self.statuses.append(status)
                        self._processes[number] = None
                    else:
                        self._processes[number] = self._launch()

    def __enter__(self) -> DistantWorkers:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
