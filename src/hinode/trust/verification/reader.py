"""What a process of its own reads from a file: nothing in the file can crash, delay or fill this process."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from hinode.errors import BadInput, quote

CHILD = Path(__file__).with_name("child.py")
MAX_SIDECAR_BYTES = 64 << 20
MAX_FILE_MEMORY = 4 << 30
CPU_SECONDS_PER_GB, WAIT_SECONDS_PER_GB = 60, 600
NEEDED = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables without which an interpreter may not start."""
NOT_FOUND = "ManifestNotFound"
NO_ANSWER = "NoAnswer"
"""The error of a reader that was stopped by a limit, or crashed."""


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


@dataclass(frozen=True)
class Reading:
    """What was read from a file.

    Attributes:
        size: bytes of the file.
        sha256: of the whole file, as hexadecimal digits; "" if the process did not get that far.
        media_sha256: of the pictures and the sound of an MP4 as they are packed (the content of its `mdat`
            boxes), which a new manifest does not change; None for other files.
        is_matroska: whether it is a WebM or MKV, which hold no manifest.
        marks: how many of the texts that a manifest contains are in the file.
        boxes: types and sizes of the boxes of the top level of an MP4, the first ones.
        manifests: as the C2PA reader writes them (crJSON), or None.
        state: what that reader says of the last one: "Trusted", "Valid", "Invalid" or "".
        error: the name of its error, or "".
        message: of its error.
        has_sidecar: whether the manifest is from a file beside this one.
    """

    size: int
    sha256: str = ""
    media_sha256: str | None = None
    is_matroska: bool = False
    marks: int = 0
    boxes: tuple[tuple[str, int], ...] = ()
    manifests: Mapping[str, Any] | None = None
    state: str = ""
    error: str = ""
    message: str = ""
    has_sidecar: bool = False


def read(path: Path, anchors: str = "", sidecar: Path | None = None, limits: Limits | None = None) -> Reading:
    """Read a file, and the manifests in it or in `sidecar`.

    Args:
        path: a regular file; a symbolic link is not followed.
        anchors: certificates of the authorities to trust, as PEM.
        sidecar: a file with the manifests, in place of those in the file.
        limits: of the process.

    Raises:
        BadInput: one of the files cannot be read.
    """
    limits = limits or Limits()
    with ExitStack() as stack:
        file = stack.enter_context(_opened(path, "file"))
        beside = stack.enter_context(_opened(sidecar, "sidecar")) if sidecar else None
        if beside and os.fstat(beside.fileno()).st_size > MAX_SIDECAR_BYTES:
            message = f"the sidecar has more than {MAX_SIDECAR_BYTES:,} bytes"
            raise BadInput(message, "name the file that came with the clip", field="sidecar")
        size = os.fstat(file.fileno()).st_size
        lines = _run(file, anchors, beside, limits.for_size(size))
    if not lines:
        return Reading(size, error=NO_ANSWER, has_sidecar=beside is not None)
    facts = lines[0]
    found: dict[str, Any] = lines[1] if len(lines) > 1 else {"error": NO_ANSWER}
    return Reading(
        size=size,
        sha256=facts["sha256"],
        media_sha256=facts["media_sha256"],
        is_matroska=facts["is_matroska"],
        marks=facts["marks"],
        boxes=tuple((str(kind), int(count)) for kind, count in facts["boxes"]),
        manifests=found.get("manifests"),
        state=found.get("state", ""),
        error=found.get("error", ""),
        message=found.get("message", ""),
        has_sidecar=beside is not None,
    )


@contextmanager
def _opened(path: Path, field: str) -> Iterator[IO[bytes]]:
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


def _run(file: IO[bytes], anchors: str, sidecar: IO[bytes] | None, limits: Limits) -> list[dict[str, Any]]:
    """The lines that the process wrote: none, one, or two."""
    options = {
        **asdict(limits),
        "anchors": anchors,
        "sidecar": None if sidecar is None else sidecar.fileno(),
        "sidecar_bytes": MAX_SIDECAR_BYTES,
    }
    # Isolated: no variable of the environment and no folder of the person changes what it imports.
    command = [sys.executable, "-I", str(CHILD), json.dumps(options)]
    # To a file, whose size the system limits.
    with tempfile.TemporaryFile() as output:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command,
                stdin=file,
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=limits.wait_seconds,
                pass_fds=() if sidecar is None else (sidecar.fileno(),),
                env={name: os.environ[name] for name in NEEDED if name in os.environ},
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
