"""What a process of its own reads from a file: nothing in the file can crash, delay or fill this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode.errors import BadInput
from hinode.trust.verification.process import Limits, opened, run

CHILD = Path(__file__).with_name("child.py")
MAX_SIDECAR_BYTES = 64 << 20
NOT_FOUND = "ManifestNotFound"
NO_ANSWER = "NoAnswer"
"""The error of a reader that was stopped by a limit, or crashed."""


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
        file = stack.enter_context(opened(path, "file"))
        beside = stack.enter_context(opened(sidecar, "sidecar")) if sidecar else None
        if beside and os.fstat(beside.fileno()).st_size > MAX_SIDECAR_BYTES:
            message = f"the sidecar has more than {MAX_SIDECAR_BYTES:,} bytes"
            raise BadInput(message, "name the file that came with the clip", field="sidecar")
        size = os.fstat(file.fileno()).st_size
        options = {"anchors": anchors, "sidecar_bytes": MAX_SIDECAR_BYTES}
        # Isolated: no variable of the environment and no folder of the person changes what it imports.
        lines = run(("-I", str(CHILD)), file, limits.for_size(size), options, beside)
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
