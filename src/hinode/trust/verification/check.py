"""A file from anywhere, checked."""

from __future__ import annotations

from pathlib import Path

from hinode.trust.verification.detection import Detect
from hinode.trust.verification.process import Limits
from hinode.trust.verification.reader import read
from hinode.trust.verification.report import Lookup, Report, report

SIDECAR = ".c2pa"


def sidecar_of(path: Path) -> Path | None:
    """The record beside a file: `clip.webm.c2pa` or `clip.c2pa` of `clip.webm`; None if there is none."""
    for name in (path.with_name(path.name + SIDECAR), path.with_suffix(SIDECAR)):
        if name != path and name.is_file():
            return name
    return None


def check_file(
    path: Path,
    *,
    anchors: str = "",
    sidecar: Path | None = None,
    lookup: Lookup | None = None,
    detect: Detect | None = None,
    limits: Limits | None = None,
) -> Report:
    """What is known of a file.

    Args:
        path: a regular file; a symbolic link is not followed.
        anchors: certificates of the authorities to trust, as PEM.
        sidecar: a file with its record, in place of the one in the file.
        lookup: the registry of this server, if there is one to ask.
        detect: looks for watermarks, unless the registry knows the pictures and the sound.
        limits: of the process that reads the file.

    Raises:
        BadInput: a file cannot be read.
    """
    reading = read(path, anchors, sidecar, limits)
    found = report(reading, lookup)
    if detect is None or found.watermarks is not None:
        return found
    return report(reading, lookup, detect(path).found)
