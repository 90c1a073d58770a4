"""What the first page costs to load."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Request

from benchmarks.serving import ServerHarness

pytestmark = pytest.mark.slow

BUDGET = 150_000


def test_the_first_load_is_small(server: ServerHarness, context: BrowserContext) -> None:
    page = context.new_page()
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))
    page.goto(server.command("link").strip().split()[-1])
    page.get_by_role("button", name="Open the studio").press("Enter")
    page.get_by_role("textbox", name="Prompt").wait_for()
    page.wait_for_load_state("load")
    page.wait_for_timeout(1000)
    sizes: dict[str, int] = {}
    for request in finished:
        path = urlsplit(request.url).path
        # What the API says is not part of the studio, and the stream of events has no end.
        if not path.startswith("/v1/"):
            sizes[path] = sizes.get(path, 0) + request.sizes()["responseBodySize"]
    assert len(sizes) > 30
    largest = sorted(sizes.items(), key=lambda entry: -entry[1])[:8]
    assert sum(sizes.values()) <= BUDGET, (sum(sizes.values()), largest)
    print(sum(sizes.values()), len(sizes), largest)
