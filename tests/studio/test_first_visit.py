"""The first visit: from the printed link to a clip that plays, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Response

from benchmarks.serving import ServerHarness
from hinode.studio.files import WEB
from tests.studio.browser import PAGES, wait_until
from tests.studio.conftest import SignIn
from tests.studio.visits import first_visit


def test_a_first_visit_ends_with_a_clip_that_plays(server: ServerHarness, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(server.command("link").strip().split()[-1])
    first_visit(page)


def tabs(page: str) -> list[str]:
    """The addresses of the tabs of a page."""
    names = re.findall(r'{ name: "([a-z-]+)"', (WEB / "pages" / f"{page}.js").read_text())
    return [f"{page}/{name}" for name in names]


@pytest.mark.slow
def test_a_new_server_refuses_no_page_what_it_asks_for(server: ServerHarness, sign_in: SignIn) -> None:
    page = sign_in()
    refusals: list[str] = []

    def note(response: Response) -> None:
        if response.status >= 400:
            refusals.append(f"{response.status} {response.url}")

    page.on("response", note)
    own = [name for name in PAGES if name not in ("clip", "compare", "storyboard")]  # those need an id
    for address in [*own, *tabs("economics"), *tabs("settings"), *tabs("trust")]:
        page.goto(f"{server.origin}/#/{address}")
        page.wait_for_timeout(300)  # the stream of events stays open, so the network is never idle
        wait_until(page, lambda: not page.locator('[aria-busy="true"]').count(), f"{address} that is loaded")
    assert refusals == []
