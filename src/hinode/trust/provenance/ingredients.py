"""What an ingredient says about itself: read without the network, and without letting it fail a job."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any

from hinode.trust.provenance.statement import IPTC, Ingredient

log = logging.getLogger(__name__)

MAX_BYTES = 64 << 20
"""Of an ingredient that is read: its hash takes less than a tenth of a second then. A larger one is named by
its digest."""
MAX_MANIFEST_BYTES = 4 << 20
"""Of the manifests in an ingredient, which the new file takes over."""
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
    NONE = "none"
    UNREAD = "unread"
    """Too large, not there, or in a format that is not read."""


@dataclass(frozen=True)
class Inspected:
    """An ingredient, and what its manifest says.

    Attributes:
        state: of its manifest.
        label: of its manifest, or "".
        source_type: a name of IPTC's list that the manifest says, or None.
    """

    item: Ingredient
    state: State
    label: str = ""
    source_type: str | None = None

    @property
    def format(self) -> str:
        """The media type to read it as."""
        return self.item.media_type

    def open(self, stack: ExitStack) -> IO[bytes] | None:
        """The file, if it is read; else it is named by its digest alone."""
        if self.state is State.UNREAD or self.item.path is None:
            return None
        try:
            return stack.enter_context(self.item.path.open("rb"))
        except OSError as error:
            log.warning("an ingredient cannot be opened: %s", error.strerror)
            return None


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


def inspect(item: Ingredient, anchors: bytes) -> Inspected:
    """Read the manifest of an ingredient; never raises.

    Args:
        item: the ingredient.
        anchors: PEM of the roots that are trusted.
    """
    if item.path is None or item.media_type not in READABLE:
        return Inspected(item, State.UNREAD)
    try:
        if item.path.stat().st_size > MAX_BYTES:
            return Inspected(item, State.UNREAD)
        with item.path.open("rb") as file:
            return _read(item, file, anchors)
    except OSError as error:
        log.warning("an ingredient cannot be read: %s", error.strerror)
        return Inspected(item, State.UNREAD)


def _read(item: Ingredient, file: IO[bytes], anchors: bytes) -> Inspected:
    import c2pa

    try:
        with (
            c2pa.Context.from_dict(context_settings(anchors, verify=True)) as context,
            c2pa.Reader(item.media_type, file, context=context) as reader,
        ):
            values = json.loads(reader.json())
            state = {"Trusted": State.TRUSTED, "Valid": State.UNTRUSTED}.get(
                str(reader.get_validation_state()), State.INVALID
            )
    except c2pa.C2paError.ManifestNotFound:
        return Inspected(item, State.NONE)
    except c2pa.C2paError as error:
        log.warning("the manifest of an ingredient is damaged: %s", " ".join(str(error).split())[:200])
        return Inspected(item, State.INVALID)
    active = values.get("manifests", {}).get(values.get("active_manifest"), {})
    label = str(values.get("active_manifest", ""))
    if len(json.dumps(values)) > MAX_MANIFEST_BYTES:
        return Inspected(item, State.UNREAD, label)
    kind = None if state is State.INVALID else _source_type(active)
    return Inspected(item, state, label, kind)


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
