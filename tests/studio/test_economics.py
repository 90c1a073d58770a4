"""The pages of the operator: every tab in both themes and on a narrow screen; the limit of loss and a what-if
by keyboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import ServerHarness
from tests.api.routes.test_credits import PRICES
from tests.api.routes.test_economics import COSTS
from tests.studio.browser import violations, wait_until
from tests.studio.conftest import SignIn
from tests.studio.keyboard import Keyboard

pytestmark = pytest.mark.slow

TABS = ("margin", "limits", "budgets", "books", "what-if", "capacity")


def is_wide(page: Page) -> bool:
    """Whether the page is wider than its window."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def enter_costs(page: Page) -> None:
    """From what is missing to a cost book in force, by keyboard."""
    keyboard = Keyboard(page)
    expect(page.get_by_text("an hour of the host")).to_be_visible()
    keyboard.tab_to("link", "Open the books")
    page.keyboard.press("Enter")
    editor = page.get_by_role("textbox", name="Your costs in YAML")
    page.get_by_role("region", name="Your costs", exact=True).get_by_text("Edit", exact=True).focus()
    page.keyboard.press("Enter")
    name = "Your costs in YAML"
    editor.fill(COSTS.replace("3.6", "-3.6"))
    keyboard.activate("button", f"Dry run: {name}")
    expect(page.get_by_text("Line 4: hardware.1.usd_per_hour is -3.6; give 0 or more")).to_be_visible()
    editor.fill(COSTS)
    keyboard.activate("button", f"Dry run: {name}")
    expect(page.get_by_text("3.6 an hour, hosts *")).to_be_visible()
    keyboard.tab_to("button", f"Put in force: {name}")
    page.keyboard.press("Enter")
    keyboard.tab_to("button", "Put in force", exact=True)
    page.keyboard.press("Enter")
    expect(page.get_by_text("The book is in force.").first).to_be_visible()


def test_economics_by_keyboard(server: ServerHarness, sign_in: SignIn) -> None:
    (server.home / "prices.yaml").write_text(PRICES)
    page = sign_in()
    page.keyboard.press("g")
    page.keyboard.press("m")
    enter_costs(page)
    page.goto(f"{server.origin}/#/economics/margin")
    expect(page.get_by_role("heading", name="By hardware")).to_be_visible()
    assert (server.home / "costs.yaml").read_text() == COSTS

    page.goto(f"{server.origin}/#/economics/budgets")
    page.get_by_label("Scope").select_option("model")
    page.get_by_label("For", exact=True).fill("native/book")
    limit = page.get_by_label("Limit, USD")
    limit.fill("7.50")
    limit.press("Enter")
    expect(page.get_by_text("$0.00 of $7.50")).to_be_visible()

    page.goto(f"{server.origin}/#/economics/limits")
    limit = page.get_by_label("Limit, USD")
    limit.fill("12.50")
    limit.press("Enter")
    expect(page.get_by_text("$0.00 of $12.50")).to_be_visible()

    page.goto(f"{server.origin}/#/economics/what-if")
    loss = page.locator(".money-facts div", has_text="Loss of a day").locator("dd")
    expect(loss).to_have_text("$423,589")
    page.get_by_role("switch", name="Distilled engine").press("Space")
    expect(loss).to_have_text("$15,252")
    page.get_by_label("Cost of a clip, USD").press("Home")
    expect(loss).not_to_have_text("$15,252")

    page.goto(f"{server.origin}/#/economics/capacity")
    page.get_by_label("Clips in an hour").fill("100")
    hardware = page.get_by_label("Hardware")
    hardware.fill("h100=60@4")
    hardware.press("Enter")
    expect(page.get_by_text("The cheapest: 4 h100")).to_be_visible()
    found = [f"capacity with a plan: {violation}" for violation in violations(page)]
    for tab in TABS:
        page.goto(f"{server.origin}/#/economics/{tab}")
        wait_until(page, lambda: not page.locator('[aria-busy="true"]').count(), "a page that is loaded")
        page.locator(".settings-section").first.wait_for()
        for details in page.locator("details").all():
            details.evaluate("element => { element.open = true; }")
        for width, scheme in ((1440, "light"), (360, "dark"))[tab in ("limits", "capacity") :]:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            found += [f"{tab}, {scheme}: {violation}" for violation in violations(page)]
            assert not is_wide(page), f"{tab} at {width} px"
            if folder := os.environ.get("OPM_SHOTS"):
                page.screenshot(path=Path(folder) / f"{tab}-{width}.png", full_page=True)
    assert not found, "\n".join(found)
