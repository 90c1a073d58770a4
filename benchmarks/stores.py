"""S3-compatible servers of one's own, for tests and benchmarks: moto, and rclone in front of a folder.

moto has ranges, parts and lists, keeps files in memory and compares no signature. rclone compares signatures
and keeps its files in a folder, so it can be killed and started again. Neither compares digests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from benchmarks.serving import HOST, free_port

START_SECONDS = 60.0
BUCKET = "clips"
KEYS = {"AWS_ACCESS_KEY_ID": "hinode", "AWS_SECRET_ACCESS_KEY": "a-secret-key", "AWS_REGION": "us-east-1"}


class S3Server:
    """A server on a free port of this machine, with one bucket. Use it in a `with` block."""

    url = f"s3://{BUCKET}"

    def __init__(self, command: Sequence[str]) -> None:
        """`command` starts it, with {port} for its port."""
        self.port = free_port()
        self._command = [word.format(port=self.port) for word in command]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which Hinode uses it."""
        return {**KEYS, "HINODE_STORE": self.url, "HINODE_STORE_ENDPOINT": self.endpoint}

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                httpx.get(self.endpoint, timeout=5, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self._command[0]} does not start")

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def pause(self) -> None:
        """Let it answer nothing until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Moto(S3Server):
    """moto's server; what it stores is gone when it ends."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "moto.server", "-H", HOST, "-p", "{port}"])

    def start(self) -> None:
        super().start()
        httpx.put(f"{self.endpoint}/{BUCKET}", trust_env=False).raise_for_status()


class Rclone(S3Server):
    """rclone's server in front of a folder, with the keys of `KEYS`."""

    def __init__(self, folder: Path) -> None:
        keys = f"{KEYS['AWS_ACCESS_KEY_ID']},{KEYS['AWS_SECRET_ACCESS_KEY']}"
        program = str(Path(sys.executable).with_name("rclone"))
        words = ["serve", "s3", str(folder), "--addr", HOST + ":{port}", "--auth-key", keys]
        super().__init__([program, *words, "--config", os.devnull])
        self.folder = folder / BUCKET
        self.folder.mkdir(parents=True, exist_ok=True)
