"""A real `hinode serve` process with a home of its own, for tests and benchmarks that drive it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
WAIT_SECONDS = 60.0

T = TypeVar("T")

# Sora's five names, all drawn by the engine that needs no model.
MODELS = ("sora-2", "sora-2-pro", "sora-2-2025-10-06", "sora-2-pro-2025-10-06", "sora-2-2025-12-08")
ALIASES = ",".join(f"{name}=testcard/testcard" for name in MODELS)

TRUST_SECRET = "the secret of the servers of one database"


class ServerHarness:
    """`hinode serve` on a free port of this machine. It can be stopped, killed and started again."""

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """
        Args:
            home: its HINODE_HOME; the log is written there too, as `server.log`.
            workers: how many worker processes.
            options: more words after `hinode serve`.
            environment: more variables. Of this process's own none that begins with HINODE_ is passed on.
            descriptors: how many files and connections it may have open; by default as many as this process.
        """
        self.home = home
        self.workers = workers
        self.descriptors = descriptors
        self.options = tuple(options)
        self.port = free_port()
        self.log = home / "server.log"
        paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HINODE_")},
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
            "HINODE_THREADS": "1",
            "HINODE_HOME": str(home),
            "HINODE_MODELS": ALIASES,
            "HINODE_ALLOW_PRIVATE_URLS": "1",
            # Several servers of one database have homes of their own here.
            "HINODE_TRUST_SECRET": TRUST_SECRET,
            **(environment or {}),
        }
        self.words: list[str] = []  # in place of `serve` with its options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        """Its address without a path."""
        return f"http://{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client calls its base URL."""
        return f"{self.origin}/v1"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and unless told otherwise wait until it is ready.

        Raises:
            RuntimeError: it ended, or was not ready in time; the text holds the end of its log.
        """
        served = ["serve", "--host", HOST, "--port", str(self.port), "--workers", str(self.workers)]
        command = [sys.executable, "-m", "hinode", *(self.words or [*served, *self.options])]
        if self.descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {self.descriptors}; exec "$@"', "sh", *command]
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # In a group of its own: Ctrl-C is for the benchmark, which then stops the server in good order.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until /readyz says 200; see `start`."""
        end = time.monotonic() + seconds
        while not self.ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"hinode serve is not ready:\n{self.last_words()}")
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether it says that it is ready."""
        try:
            return self.request("GET", "/readyz", timeout=5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def port_is_open(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def request(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> tuple[int, bytes]:
        """One request on a connection of its own, with a JSON body if there is one.

        Returns:
            Status and body.

        Raises:
            OSError, http.client.HTTPException: there was no answer.
        """
        sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def submit(self, key: str, **fields: Any) -> str:
        """Request a small video, other than that described by `fields`, and return its id."""
        body = {"prompt": "a kite", "seconds": "1", "size": "64x64", **fields}
        return str(self._json("POST", "/v1/videos", key, body)["id"])

    def video(self, key: str, video_id: str) -> dict[str, Any]:
        """A video as the API describes it."""
        return self._json("GET", f"/v1/videos/{video_id}", key)

    def finished_video(self, key: str, video_id: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """Wait until a video is completed or has failed, and return it."""

        def final_video() -> dict[str, Any] | None:
            video = self.video(key, video_id)
            return None if video["status"] in ("queued", "in_progress") else video

        return self.wait_for(final_video, seconds)

    def wait_for(self, condition: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
        """Call `condition` until its result is true, and return the result.

        Raises:
            RuntimeError: it was not true in time; the text holds the end of the log.
        """
        end = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > end:
                raise RuntimeError(f"nothing happened for {seconds:g} seconds:\n{self.last_words()}")
            time.sleep(0.02)
        return result

    def _json(self, method: str, path: str, key: str, body: Any = None) -> dict[str, Any]:
        status, content = self.request(method, path, key=key, body=body)
        if status != 200:
            raise RuntimeError(f"{method} {path} answered {status}: {content.decode(errors='replace')}")
        result: dict[str, Any] = json.loads(content)
        return result

    def command(self, *words: str) -> str:
        """Run `hinode WORDS` beside the server, and return what it prints.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", "hinode", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        if done.returncode:
            raise RuntimeError(f"hinode {' '.join(words)} failed: {done.stderr[-2000:]}")
        return done.stdout

    def key(self, name: str, *words: str) -> str:
        """Make an API key, as a person does; `words` are more options of `hinode keys create`."""
        made: dict[str, str] = json.loads(self.command("keys", "create", "--name", name, *words, "--json"))
        return made["key"]

    def workers_running(self) -> list[psutil.Process]:
        """The processes of its workers."""
        return [child for child in self._children() if "worker" in _command(child)]

    def parts_running(self, word: str) -> list[psutil.Process]:
        """The processes below it with a word in their command line that ends so."""
        return [child for child in self._children() if any(part.endswith(word) for part in _command(child))]

    def _children(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        try:
            found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return found

    def stop(self) -> int:
        """Ask it to end, as a person does, and wait until it has.

        Returns:
            its exit status; negative if it had to be killed.
        """
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self) -> None:
        """End it and every worker at once, as a power cut does."""
        if self.process is None:
            return
        for child in [self.process, *self._children()]:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def kill_parent(self) -> None:
        """End the server alone; its workers have to notice by themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def __enter__(self) -> ServerHarness:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _command(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:  # it has ended
        return []
    return words


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
