"""What several tests of jobs need: a clock, projects, and a request that needs no model."""

from __future__ import annotations

from typing import Any

from hinode.jobs.job import Draft
from hinode.records.database import Database
from hinode.records.tables import organisations, projects
from hinode.request import MediaFile, Request

START = 1_800_000_000.0
DAY = 86_400.0
PROJECTS = ("proj_1", "proj_2")
FILES = {role: MediaFile(f"{role:x<64}", "video/mp4", 7) for role in ("video", "thumbnail", "spritesheet")}


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, start: float = START) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


def add_projects(database: Database, *names: str) -> None:
    """Add an organisation with projects of these ids, by default `PROJECTS`."""
    with database.write() as connection:
        connection.execute(organisations.insert(), {"id": "org_1", "name": "o", "created_at": START})
        for name in names or PROJECTS:
            connection.execute(
                projects.insert(), {"id": name, "organisation_id": "org_1", "name": name, "created_at": START}
            )


def draft(project: str = "proj_1", prompt: str = "a red kite", **values: Any) -> Draft:
    """A request of 4 seconds, ready to be submitted."""
    request = Request(prompt, engine="testcard", model="testcard", seconds=4.0)
    return Draft(project, "key_1", request, "sora-2", **values)
