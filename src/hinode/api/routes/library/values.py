"""Objects and parameters that the routes of the library share."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import Depends, Query
from pydantic import Field

from hinode.api import wire
from hinode.api.queries import After, check_after
from hinode.jobs.library.entry import MAX_IDS, Entry
from hinode.parsing import Input

MAX_PAGE = 200
Ids = Annotated[list[str], Field(min_length=1, max_length=MAX_IDS, description="Of videos of the project.")]


class Videos(Input):
    """Several videos."""

    ids: Ids


class LibraryEntry(wire.Video):
    """A video with what people say about it."""

    title: str | None
    favourite: bool
    tags: tuple[str, ...]
    collections: tuple[str, ...] = Field(description="Ids of the collections that it is in.")
    notes: str
    bytes: int = Field(description="Of the video, its thumbnail and its spritesheet.")
    published: bool = Field(description="Whether it is in the feed.")
    expired: bool = Field(description="Whether its video file is gone; its thumbnail stays.")
    trashed_at: int | None = Field(description="Since when it is in the trash.")
    revision: int = Field(description="Grows with every change of the fields above.")

    @classmethod
    def of_entry(cls, entry: Entry) -> Self:
        """The object of an entry."""
        own = LibraryEntry.model_fields.keys() - wire.Video.model_fields.keys()
        values: dict[str, Any] = {name: getattr(entry, name) for name in own}
        if entry.trashed_at is not None:
            values["trashed_at"] = int(entry.trashed_at)
        return cls.of_job(entry.job, **values)


class LibraryPage(wire.Page[LibraryEntry]):
    """A page of entries; `total` is how many there are in all."""

    total: int

    @classmethod
    def of_entries(cls, page: tuple[list[Entry], bool, int]) -> Self:
        """The page of entries, whether there are more, and how many there are."""
        answer = cls.from_entries(LibraryEntry.of_entry, page[:2])
        return answer.model_copy(update={"total": page[2]})


async def _page(
    after: After = None, limit: int = Query(50, ge=0, le=MAX_PAGE, description="Maximum of entries.")
) -> dict[str, Any]:
    return {"after": check_after(after), "limit": limit}


EntryPage = Annotated[dict[str, Any], Depends(_page)]
"""The requested page of a list of entries: `after` and `limit`."""
