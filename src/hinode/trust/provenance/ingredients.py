"""What an ingredient says about itself: read without the network, and without letting it fail a job."""

from __future__ import annotations

import base64
import logging
import mmap
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import IO, Any

from hinode.trust.provenance import manifest
from hinode.trust.provenance.statement import IPTC, Ingredient
from hinode.trust.verification.child import MARKS
from hinode.trust.verification.process import Limits, run
from hinode.trust.verification.reader import CHILD, NOT_FOUND

log = logging.getLogger(__name__)

MAX_BYTES = 64 << 20
"""Of an ingredient that is read as a whole: its hash takes less than a tenth of a second then. Of a larger
MP4 only the box with its manifests is read; a larger file of another format is named by its digest."""
MAX_MANIFEST_BYTES = 4 << 20
"""Of the manifests in an ingredient, which the new file takes over."""
LIMITS = Limits(cpu_seconds=10, wait_seconds=15, nice=0)
"""Of the process that reads an ingredient: a job waits for it."""
IN_BOXES = frozenset(["video/mp4", "video/quicktime", "audio/mp4"])
"""Media types whose manifests stand in a box of their own, which is found without reading the rest."""
READABLE = frozenset(
    [
        "video/mp4",
        "video/quicktime",
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "image/svg+xml",
        "image/avif",
        "image/heic",
        "image/tiff",
        "audio/mpeg",
        "audio/wav",
        "audio/flac",
        "audio/mp4",
        "video/x-msvideo",
    ]
)
"""Media types whose manifests the library reads."""


class State(StrEnum):
    """What is known of the manifest of an ingredient."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    """Whole, and signed by somebody we do not know, or with a certificate that has ended."""
    INVALID = "invalid"
    """Changed after it was signed, or damaged."""
    UNCHECKED = "unchecked"
    """Signed by somebody we trust, for a file that is too large to be compared with it."""
    NONE = "none"
    UNREAD = "unread"
    """Too large, not there, in a format that is not read, or not read in time."""


@dataclass(frozen=True)
class Inspected:
    """An ingredient, and what its manifest says.

    Attributes:
        state: of its manifest.
        label: of its manifest, or "".
        source_type: a name of IPTC's list that the manifest says, or None.
        archive: the ingredient with its manifest as the library takes it over, or None for one that is named
            by its digest alone.
    """

    item: Ingredient
    state: State
    label: str = ""
    source_type: str | None = None
    archive: bytes | None = field(default=None, repr=False)


def context_settings(anchors: bytes, *, verify: bool) -> dict[str, Any]:
    """Settings of the library: it trusts our roots, and never uses the network."""
    return {
        "trust": {"user_anchors": anchors.decode()},
        "verify": {
            "verify_trust": True,
            "verify_after_sign": verify,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "builder": {"thumbnail": {"enabled": False}},
    }


def inspect(item: Ingredient, index: int, anchors: bytes) -> Inspected:
    """Read the manifest of an ingredient, in a process of its own; never raises.

    Args:
        item: the ingredient.
        index: its place among those of the statement.
        anchors: PEM of the roots that are trusted.
    """
    if item.path is None or item.media_type not in READABLE:
        return Inspected(item, State.UNREAD)
    try:
        facts = item.path.stat()
        return _inspect(item, index, anchors, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        log.warning("an ingredient cannot be read: %s", error.strerror)
        return Inspected(item, State.UNREAD)


@lru_cache(maxsize=16)  # the clip, its stills and its previews have the same ones
def _inspect(item: Ingredient, index: int, anchors: bytes, size: int, modified: int) -> Inspected:
    """See `inspect`; the last two tell the file from another at its path."""
    assert item.path is not None, "its size is known"
    is_large = size > MAX_BYTES
    if is_large and item.media_type not in IN_BOXES:
        return Inspected(item, State.UNREAD)
    with item.path.open("rb") as file:
        if not size or not (is_large or has_marks(file)):
            return Inspected(item, State.NONE)
        options = {
            "ingredient": manifest.ingredient(item, index),
            "settings": context_settings(anchors, verify=True),
            "is_large": is_large,
        }
        limits = LIMITS if is_large else LIMITS.for_size(size)
        file.seek(0)
        began = time.monotonic()
        lines = run(("-I", str(CHILD)), file, limits, options)
    if lines:
        return _describe(item, lines[0], is_large)
    if time.monotonic() - began >= limits.wait_seconds:
        log.warning("the manifest of an ingredient was not read within %d s", limits.wait_seconds)
        return Inspected(item, State.UNREAD)
    log.warning("the manifest of an ingredient is damaged: its reader crashed")
    return Inspected(item, State.INVALID)


def has_marks(file: IO[bytes]) -> bool:
    """Whether a file that is not empty has any of the texts that a manifest contains."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(mark) >= 0 for mark in MARKS)


def _describe(item: Ingredient, answer: dict[str, Any], is_large: bool) -> Inspected:
    """What a process has read of an ingredient."""
    if "error" in answer:
        if answer["error"] == NOT_FOUND:
            return Inspected(item, State.NONE)
        log.warning("the manifest of an ingredient is damaged: %s", " ".join(str(answer["message"]).split()))
        return Inspected(item, State.INVALID)
    state = {"Trusted": State.TRUSTED, "Valid": State.UNTRUSTED}.get(answer["state"], State.INVALID)
    if is_large and state is State.TRUSTED:
        state = State.UNCHECKED
    archive, label = base64.b64decode(answer["archive"]), str(answer["label"])
    if len(archive) > MAX_MANIFEST_BYTES:
        return Inspected(item, State.UNREAD, label)
    kind = None if state is State.INVALID else _source_type(answer["active"])
    return Inspected(item, state, label, kind, archive)


def _source_type(active: dict[str, Any]) -> str | None:
    """The last digital source type that the actions of a manifest state."""
    types = [
        str(action["digitalSourceType"]).removeprefix(IPTC)
        for assertion in active.get("assertions", ())
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", ())
        if action.get("digitalSourceType")
    ]
    return types[-1] if types else None
