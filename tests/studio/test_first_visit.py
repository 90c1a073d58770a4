"""The first visit: from the printed link to a clip that plays, by keyboard alone."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from benchmarks.serving import ServerHarness
from tests.studio.visits import first_visit


def test_a_first_visit_ends_with_a_clip_that_plays(server: ServerHarness, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(server.command("link").strip().split()[-1])
    first_visit(page)
