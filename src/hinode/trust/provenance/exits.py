"""Every way on which pictures or sound leave Hinode, and how the manifest goes with them.

A new way is a line here. `tests/api/test_exits.py` goes over the list, and fails for one that is not marked,
or for a module that writes pictures and is not named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Holder(StrEnum):
    """Where the manifest is."""

    FILE = "file"
    """In the file itself."""
    SIDECAR = "sidecar"
    """Beside the file, in `FILE.c2pa`."""
    SAME = "same"
    """The bytes are those of another way, which are signed already."""


@dataclass(frozen=True)
class Exit:
    """A way out.

    Attributes:
        name: of the way.
        module: that writes the file, in the package hinode.
        formats: that it writes.
        holder: where the manifest is.
    """

    name: str
    module: str
    formats: tuple[str, ...]
    holder: Holder = Holder.FILE


EXITS = (
    Exit("clip of the command", "pipeline", ("mp4", "gif", "webp")),
    Exit("frames of the command", "pipeline", ("png",), Holder.SIDECAR),
    Exit("clip from a video", "pipeline", ("mp4",)),
    Exit("film", "directing.films.renderer", ("mp4", "gif", "webp")),
    Exit("frames of a film", "directing.films.renderer", ("png",), Holder.SIDECAR),
    Exit("shots of a film for editing programs", "directing.films.renderer", ("mp4",)),
    Exit("preview of a plan", "engines.native.plans.planning", ("mp4", "gif", "webp")),
    Exit("video of a job", "pipeline", ("mp4",)),
    Exit("thumbnail of a job", "pipeline", ("webp",)),
    Exit("spritesheet of a job", "pipeline", ("jpg",)),
    Exit("preview of a running job", "pipeline", ("webp",)),
    Exit("frames of a blocked clip for reviewers", "pipeline", ("jpg",)),
    Exit("frames of a blocked reference for reviewers", "pipeline", ("jpg",)),
    Exit("converted download", "media.writing.convert", ("gif", "webp")),
    Exit("converted download of frames", "media.writing.convert", ("zip",), Holder.SIDECAR),
    Exit("single frame", "api.routes.videos.content", ("png",)),
    Exit("picture of a character", "api.routes.library.characters", ("png",)),
    Exit("archive of the library", "jobs.library.archives", ("zip",), Holder.SAME),
    Exit("result of a batch", "jobs.batches.results", ("mp4",), Holder.SAME),
    Exit("post of the feed", "api.routes.documents.feed", ("mp4", "webp"), Holder.SAME),
)

WRITERS = frozenset(
    {"pipeline", "directing.films.renderer", "engines.native.plans.planning", "api.routes.videos.content"}
    | {"api.routes.library.characters"}
    | {
        "media.writing.animation",
        "media.writing.convert",
        "media.writing.formats",
        "media.writing.stills",
        "media.writing.video",
    }
)
"""Modules that write pictures that leave: each signs them, or passes on what signs them (`formats.Seal`)."""

INTERNAL = frozenset(
    {
        "api.requests.inputs",  # frames that a clip is to begin with; equal ones are one file of the store
        "directing.material",  # copies of what a person sent, for the engine
        "engines.remote.wire",  # what another server is sent to work from
        "evaluation.clips",  # what judges look at
        "evaluation.directing.harness",
        "media.masks",
        "media.pictures",  # what a person sent, brought to the size of the clip
        "media.reading.references",
        "trust.screening.models",  # what a guard for pictures looks at
    }
)
"""Modules that write pictures that never leave."""
