"""Values of the library: entries, what they are filtered by, collections, and the errors about them."""

from __future__ import annotations

from collections.abc import Collection as SomeOf
from dataclasses import dataclass

from hinode.errors import BadInput, quote
from hinode.jobs.job import Job, WrongState

MAX_TITLE_LENGTH = 200
MAX_NOTES_LENGTH = 10_000
MAX_TAGS, MAX_TAG_LENGTH = 50, 60
MAX_COLLECTIONS = 1000
MAX_IDS = 1000
"""Videos that one request can name."""
TRASH_SECONDS = 86_400.0
"""For which a video in the trash can be restored."""


class Missing(BadInput):
    """The project has nothing with an id that a request names."""

    code = "not_found"


class StaleRevision(WrongState):
    """The entry was changed since the client read it."""

    code = "stale_revision"

    def __init__(self, kind: str, revision: int, current: int) -> None:
        self.current = current
        message = f"this {kind} was changed meanwhile: its revision is {current}, not {revision}"
        super().__init__(message, f"read it again and send revision {current}")


@dataclass(frozen=True)
class Entry:
    """A video of the library.

    Attributes:
        job: the video.
        title: what a person calls it, or None.
        notes: of a person, or "".
        favourite: whether a person marked it.
        published: whether it is in the feed.
        tags: as a person wrote them, in alphabetical order.
        collections: ids of those that it is in.
        bytes: of its video, thumbnail and spritesheet.
        revision: grows with every change of the fields above.
        trashed_at: since when it is in the trash, seconds since 1970, or None.
        expired: whether its video file was deleted because its time is over.
    """

    job: Job
    title: str | None
    notes: str
    favourite: bool
    published: bool
    tags: tuple[str, ...]
    collections: tuple[str, ...]
    bytes: int
    revision: int
    trashed_at: float | None
    expired: bool

    @property
    def id(self) -> str:
        """The id of the video."""
        return self.job.id


@dataclass(frozen=True)
class Filter:
    """Which entries a list has; None and "" are no condition.

    Attributes:
        q: words that title, prompt or tags contain, each of them, whatever their case and accents.
        status: completed, expired, queued, in_progress, failed, or all.
        operation: such as "generate".
        engine: name of an engine.
        model: as the request wrote it, or its name within the engine.
        favourite: whether it is marked.
        tag: a tag, whatever its case and accents.
        collection: id of a collection.
        since: earliest time of creation, seconds since 1970.
        until: latest time of creation, seconds since 1970, itself included.
        parent: id of a video that it was made from.
    """

    q: str = ""
    status: str = "completed"
    operation: str | None = None
    engine: str | None = None
    model: str | None = None
    favourite: bool | None = None
    tag: str | None = None
    collection: str | None = None
    since: int | None = None
    until: int | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Change:
    """New values of an entry; None leaves one as it is, and "" removes a title or notes.

    Text is stored without spaces around it. `revision` is the one that the client has read, or None to change
    the entry whatever it is.
    """

    title: str | None = None
    notes: str | None = None
    favourite: bool | None = None
    tags: tuple[str, ...] | None = None
    collections: tuple[str, ...] | None = None
    revision: int | None = None


@dataclass(frozen=True)
class Collection:
    """A named group of videos, a row of `records.tables.collections`; `clips` is how many it shows."""

    id: str
    project_id: str
    name: str
    created_at: float
    revision: int
    clips: int = 0


def check_ids(ids: SomeOf[str], existing: SomeOf[str], kind: str = "video", field: str = "ids") -> None:
    """Raise Missing unless every id is among the existing ones."""
    missing = next((name for name in ids if name not in existing), None)
    if missing is not None:
        raise Missing(f"there is no {kind} {quote(missing, 80)}", "check the id", field=field)
