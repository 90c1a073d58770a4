"""The invisible watermarks of a file from anywhere: looked for by a process of its own, and said in words."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import hinode
from hinode.records.database import Database
from hinode.trust.provenance.manifest import WATERMARK as ALGORITHM
from hinode.trust.verification.process import Limits, opened, run
from hinode.trust.verification.registry import first_with, known_ids
from hinode.trust.verification.report import on_day
from hinode.trust.verification.values import Watermark

PROGRAM = ("-P", "-s", "-m", "hinode.trust.verification.detector")
ENVIRONMENT = {
    "PYTHONPATH": str(Path(hinode.__file__).parents[1]),
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
"""Of its process: the same code, and one thread, since each has memory of its own."""
LIMITS = Limits(memory_bytes=1536 << 20, cpu_seconds=90, wait_seconds=300)


class Verdict(StrEnum):
    """What the watermarks of a file say. The names do not change."""

    MADE_HERE = "made_here"
    UNKNOWN_ID = "unknown_id"
    NONE = "none"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Detection:
    """The answer about the watermarks of a file.

    Attributes:
        verdict: the whole in one word.
        text: the whole in a sentence or two.
        watermarks: those of this server, the surest first.
        frames: pictures that were read.
        candidates: ids that the file was compared with.
    """

    verdict: Verdict
    text: str
    watermarks: tuple[Watermark, ...] = ()
    frames: int = 0
    candidates: int = 0

    @property
    def found(self) -> tuple[Watermark, ...] | None:
        """The watermarks, or None if the file cannot be read."""
        return None if self.verdict is Verdict.UNREADABLE else self.watermarks


Detect = Callable[[Path], Detection]
"""Looks for the watermarks of this server in a file; raises BadInput for what is no file."""


def detector_of(database: Database, key: bytes, limits: Limits = LIMITS) -> Detect:
    """Looks for the watermarks that a database knows.

    Args:
        key: of the installation.
        limits: of the process that reads the file.
    """

    def detect(path: Path) -> Detection:
        found = search(path, known_ids(database), key, limits)
        ids = dict.fromkeys((match["id"], match["carrier"]) for match in found.get("matches", ()))
        return describe(found, [watermark_of(database, id, carrier) for id, carrier in ids])

    return detect


def search(path: Path, ids: Sequence[bytes], key: bytes, limits: Limits = LIMITS) -> dict[str, Any]:
    """What the process found out, as `watermark.detect.Detection.as_json`; or its `error`, "" if a limit
    stopped it, or if it crashed.

    Raises:
        BadInput: it is no regular file.
    """
    with opened(path, "file") as file, tempfile.TemporaryFile() as beside:
        beside.write(key.hex().encode() + b"\n" + b"".join(ids))
        beside.flush()
        lines = run(PROGRAM, file, limits, {}, beside, ENVIRONMENT)
    return lines[0] if lines else {"error": ""}


def describe(found: dict[str, Any], watermarks: Sequence[Watermark]) -> Detection:
    """What the process found out, in words."""
    counts = found.get("frames", 0), found.get("candidates", 0)
    if "error" in found:
        reason = "it is no video or picture that can be read" if found["error"] else "that takes too long"
        text = f"Watermarks cannot be looked for: {reason}."
        return Detection(Verdict.UNREADABLE, text)
    if watermarks:
        first = watermarks[0]
        how = f" by the operation {first.operation}" if first.operation else ""
        text = (
            f"There is a watermark in its {first.carrier}: that of a clip that this server made"
            f"{on_day(first.made_at)}{how}. A watermark can be copied onto another clip; a signed record"
            " proves more."
        )
        return Detection(Verdict.MADE_HERE, text, tuple(watermarks), *counts)
    if found["present"]:
        text = (
            "It carries a watermark of Hinode, of an id that this server does not know. Another installation"
            " may have made it."
        )
        return Detection(Verdict.UNKNOWN_ID, text, (), *counts)
    text = (
        "No watermark of this server was found. That proves nothing: a clip may have lost its watermark, and"
        " other programs have other watermarks or none."
    )
    return Detection(Verdict.NONE, text, (), *counts)


def watermark_of(database: Database, id: str, carrier: str) -> Watermark:
    """What a database knows of a watermark that was found in "pictures" or "sound"."""
    first = first_with(database, id)
    if first is None:  # removed since
        return Watermark(ALGORITHM, id, False, carrier)
    return Watermark(ALGORITHM, id, True, carrier, first.made_at, first.operation)
