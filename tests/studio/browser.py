"""A real Chromium for the tests of the studio, and what they share."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Page

from hinode.studio.files import WEB

T = TypeVar("T")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
REQUIRED = "HINODE_TESTS_NEED_BROWSER"
"""Variable that turns a skipped test into a failure."""
ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP studio.test 127.0.0.1",
)
PAGES = re.findall(r'\{ name: "([a-z-]+)"', (WEB / "app.js").read_text())
"""The names of the studio's pages."""
WAIT_MS = 60_000
"""For what a page shows; on a busy machine it may take long."""
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def find_browser() -> str:
    """The path of a Chromium; the test is skipped, or fails where one is required, if there is none."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    message = "no Chromium on this machine; on Debian and Ubuntu, install the package chromium"
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message)


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong on the page as it is now, one line for each element."""
    page.evaluate(AXE.read_text())
    # Colours in the middle of a transition are no colours of the design. What turns for ever is not awaited.
    page.evaluate(
        """Promise.all(document.getAnimations()
          .filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity)
          .map((animation) => animation.finished.catch(() => 0)))"""
    )
    results = page.evaluate("rules => axe.run({ runOnly: rules })", RULES)
    return [
        f"{violation['id']}: {node['html'][:200]}: {node.get('failureSummary', '')[:300]}"
        for violation in results["violations"]
        for node in violation["nodes"]
        # Points of a path may lie close together; the buttons beside them move them too.
        if not (violation["id"] == "target-size" and 'data-arrows="true"' in node["html"])
    ]


def wait_until(
    page: Page, condition: Callable[[], T | None], what: str, seconds: float = WAIT_MS / 1000
) -> T:
    """Call `condition` until its result is true, and return the result. The policy of the studio forbids the
    function of Playwright that waits for an expression.

    Raises:
        AssertionError: it was not true in time; the text has `what`.
    """
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"in {seconds:g} seconds not: {what}"
        page.wait_for_timeout(50)
    return result
