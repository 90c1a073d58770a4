"""A stream tells of a change as soon as a hint of another process arrives."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.jobs.library.collections import Collections
from hinode.jobs.scheduling.project_queue import ProjectQueue
from hinode.jobs.storyboards.document import Document
from hinode.jobs.storyboards.storyboards import Storyboards
from hinode.records.database import Database
from hinode.settings import Settings
from tests.api.conftest import ALIASES, new_project

HOUR = 3600.0


def test_a_change_of_another_process_is_told_before_the_next_look(tmp_path: Path, postgres_url: str) -> None:
    settings = Settings(home=tmp_path, aliases=ALIASES, database_url=postgres_url)
    with closing(Database(postgres_url)) as database, closing(Database(postgres_url)) as other:
        context = Context(settings, database)
        context.event_seconds = HOUR
        queue = ProjectQueue(other, context.clock)
        app = create_app(context)
        with TestClient(app) as client:
            assert app.state.metrics.hints.wait_until_proven(60.0)
            assert "hinode_hints_arrive 1.0" in client.get("/metrics").text
            server = new_project(context, client)
            with client.stream("GET", "/v1/events") as response:
                lines = response.iter_lines()
                assert next(lines) == "retry: 3000"
                assert next(lines).startswith("id: ")
                queue.pause(server.project_id)
                assert "event: queue.changed" in lines
                Collections(other).create(server.project_id, "Kites")
                assert "event: library.changed" in lines
                board = Storyboards(other).create(server.project_id, "Wind", Document())
                assert "event: storyboard.changed" in lines
                Storyboards(other).delete(server.project_id, board.id)
                assert "event: storyboard.changed" in lines
                context.stopping.set()
                queue.resume(server.project_id)
                assert list(lines)[-1] == ""
