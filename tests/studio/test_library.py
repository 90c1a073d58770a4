"""The library and the comparison of two clips, by keyboard."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import ServerHarness
from tests.studio.browser import violations, wait_until
from tests.studio.visits import ask

pytestmark = pytest.mark.slow


def fill(server: ServerHarness) -> None:
    """Make three small clips."""
    key = server.key("library")
    prompts = ("a red kite over the sea", "a blue boat at noon", "a train in the snow")
    for name in [server.submit(key, prompt=prompt, profile="draft") for prompt in prompts]:
        assert server.finished_video(key, name)["status"] == "completed"


def test_library_by_keyboard(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    fill(server)
    page = sign_in()
    page.goto(f"{server.origin}/#/library")
    cells = page.get_by_role("gridcell")
    expect(cells).to_have_count(3)
    assert violations(page) == []

    cells.first.focus()
    page.keyboard.press("End")
    expect(cells.nth(2)).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text("3 of 3")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    bar = page.get_by_role("toolbar", name="Selected clips")
    expect(bar).to_contain_text("2 selected")
    expect(cells.first).to_have_attribute("aria-selected", "true")

    # Into the trash and back; the focus stays in the grid.
    page.keyboard.press("Delete")
    expect(cells).to_have_count(1)
    expect(cells.first).to_be_focused()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(cells).to_have_count(3)

    # The search stands in the address, and what it shows is what the API finds.
    page.keyboard.press("/")
    page.get_by_role("searchbox", name="Search titles, prompts, tags").fill("boat")
    expect(cells).to_have_count(1)
    assert page.url.endswith("#/library?q=boat")
    page.get_by_role("button", name="Show all clips").press("Enter")
    expect(cells).to_have_count(3)

    # A collection without dragging, named by a text that would be a program elsewhere.
    name = "<img src=x onerror=alert(1)>"
    cells.first.focus()
    page.keyboard.press("Control+A")
    bar.get_by_role("button", name="Add to a collection").press("Enter")
    page.get_by_role("menuitem", name="New collection").press("Enter")
    page.get_by_role("textbox", name="Name").fill(name)
    page.keyboard.press("Enter")
    link = page.get_by_role("complementary", name="Collections").get_by_role("link", name=name)
    expect(link).to_contain_text("3")

    # Two clips, locked in time.
    page.keyboard.press("Escape")
    cells.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    bar.get_by_role("button", name="Compare").press("Enter")
    page.get_by_role("radio", name="Wipe").press("Space")
    page.get_by_role("slider", name="Place of the wipe").press("ArrowRight")
    expect(page.get_by_role("slider", name="Place of the wipe")).to_have_value("51")
    page.get_by_role("slider", name="Position").press("ArrowRight")
    expect(page.get_by_role("slider", name="Position")).to_have_value("1")
    assert violations(page) == []


def test_a_key_acts_on_what_is_shown(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    fill(server)
    page = sign_in()
    page.goto(f"{server.origin}/#/library")
    cells = page.get_by_role("gridcell")
    cells.first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(page.get_by_role("toolbar", name="Selected clips")).to_contain_text("1 selected")
    total = cells.count()
    # Both keys before the next paint.
    text = page.evaluate(
        """async () => {
          const press = (key, shiftKey = false) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }));
          press("ArrowRight", true);
          for (let turn = 0; turn < 50; turn += 1) await null;
          const text = document.querySelector('[role="toolbar"] b').textContent;
          press("Delete");
          return text;
        }"""
    )
    assert text == "2 selected"
    expect(page.get_by_role("region", name="Notices")).to_contain_text("2 clips are in the trash")
    expect(cells).to_have_count(total - 2)


def test_changes_outlive_the_page(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    fill(server)
    key, page = server.key("stars"), sign_in()
    page.goto(f"{server.origin}/#/library")
    stars = page.locator(".card-star[data-on=false]")
    stars.nth(2).wait_for()
    total = stars.count() + favourites(server, key)
    # A server that is busy reads the requests after the page has gone.
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    page.evaluate(
        """() => {
          document.querySelectorAll(".card-star[data-on=false]").forEach((star) => star.click());
          location.replace("about:blank");
        }"""
    )
    page.wait_for_url("about:blank")
    page.wait_for_timeout(500)
    server.process.send_signal(signal.SIGCONT)
    wait_until(page, lambda: favourites(server, key) == total, f"{total} clips with a star")


def favourites(server: ServerHarness, key: str) -> int:
    """How many clips have a star."""
    return len(ask(server, key, "GET", "library?favourite=true")["data"])
