"""A program that reads a file from a stranger: started with limits, and with what it wrote read back."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from hinode.errors import BadInput, quote

MAX_FILE_MEMORY = 4 << 30
CPU_SECONDS_PER_GB, WAIT_SECONDS_PER_GB = 60, 600
NEEDED = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables without which an interpreter may not start."""


@dataclass(frozen=True)
class Limits:
    """Of the process that reads one file.

    Attributes:
        memory_bytes: of address space, and as many as the file has, `MAX_FILE_MEMORY` at most: the library
            reads a box as a whole.
        cpu_seconds: of the processor, for a small file; `CPU_SECONDS_PER_GB` more for a large one.
        wait_seconds: in all, on a busy machine; `WAIT_SECONDS_PER_GB` more for a large file.
        output_bytes: of what it finds.
        nice: by how much it steps back behind other processes.
    """

    memory_bytes: int = 512 << 20
    cpu_seconds: int = 20
    wait_seconds: int = 90
    output_bytes: int = 16 << 20
    nice: int = 10

    def for_size(self, size: int) -> Limits:
        """Those for a file of so many bytes."""
        more = size / 1e9
        memory_bytes = self.memory_bytes + min(size, MAX_FILE_MEMORY)
        cpu_seconds = self.cpu_seconds + int(CPU_SECONDS_PER_GB * more)
        wait_seconds = self.wait_seconds + int(WAIT_SECONDS_PER_GB * more)
        return replace(self, memory_bytes=memory_bytes, cpu_seconds=cpu_seconds, wait_seconds=wait_seconds)


@contextmanager
def opened(path: Path, field: str) -> Iterator[IO[bytes]]:
    """A regular file of a stranger, open for reading.

    Raises:
        BadInput: it is missing, a link, a folder or a pipe; `field` is what to name.
    """
    name = quote(path.name, 100)
    try:
        # A pipe would keep the opening waiting, and a link can lead anywhere.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        number = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"{name} cannot be read: {reason}", "name a file", field=field) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise BadInput(f"{name} is not a file", "name a video or a picture", field=field)
    with os.fdopen(number, "rb") as file:
        yield file


def run(
    program: Sequence[str],
    file: IO[bytes],
    limits: Limits,
    options: Mapping[str, Any],
    beside: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Run a program on a file.

    Args:
        program: arguments of the interpreter.
        file: its standard input.
        limits: of the process, which gives up the rest itself; see `child.limit_process`.
        options: go to it as the last argument, a JSON object, with the limits and with `beside`, the number
            of the second file or null.
        beside: a second file that it reads.
        environment: its variables, besides those without which no interpreter starts.

    Returns:
        The lines that it wrote, each a JSON object, as far as they are whole: two at most.
    """
    number = None if beside is None else beside.fileno()
    command = [sys.executable, *program, json.dumps({**asdict(limits), **options, "beside": number})]
    inherited = {name: os.environ[name] for name in NEEDED if name in os.environ}
    # To a file, whose size the system limits.
    with tempfile.TemporaryFile() as output:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command,
                stdin=file,
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=limits.wait_seconds,
                pass_fds=() if number is None else (number,),
                env={**inherited, **(environment or {})},
                check=False,
            )
        output.seek(0)
        return list(_lines(output.read(limits.output_bytes + 1)))


def _lines(text: bytes) -> Iterator[dict[str, Any]]:
    """The objects in lines of JSON, as far as they are whole."""
    for line in text.split(b"\n")[:2]:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            return
