"""Browsers open six connections to a server: what is left gives them back."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import BrowserContext, Request

from benchmarks.serving import ServerHarness
from tests.studio.browser import wait_until
from tests.studio.conftest import SignIn
from tests.studio.visits import make_clip

pytestmark = pytest.mark.slow

TABS = 4
PLAYERS = 7


def test_a_request_leaves_at_once_beside_other_tabs_and_players(
    server: ServerHarness, sign_in: SignIn, context: BrowserContext
) -> None:
    key = server.key("connections")
    clip = make_clip(server, key, seconds="2")
    pages = [sign_in()]
    for _ in range(TABS - 1):
        page = context.new_page()
        page.goto(server.origin)
        page.get_by_role("textbox", name="Prompt").wait_for()
        pages.append(page)
    page = pages[-1]
    for _ in range(PLAYERS):
        page.goto(f"{server.origin}/#/clip/{clip}")
        page.get_by_label("Video: ").first.wait_for()
        page.goto(f"{server.origin}/#/create")
        page.get_by_role("textbox", name="Prompt").wait_for()
    page.get_by_role("textbox", name="Prompt").fill("a red kite")
    page.get_by_text("at worst").first.wait_for()
    answered: list[Request] = []
    page.on(
        "requestfinished",
        lambda request: (
            answered.append(request)
            if request.method == "POST" and request.url.endswith("/v1/videos")
            else None
        ),
    )
    began = time.time() * 1000
    page.keyboard.press("Control+Enter")
    (request,) = wait_until(page, lambda: answered, "the request")
    timing = request.timing
    left = timing["startTime"] + max(0, timing["requestStart"]) - began
    assert left < 1000, timing
