"""The queue and the settings, by keyboard; a session that ends in the middle of work."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import ServerHarness
from tests.studio.browser import violations, wait_until
from tests.studio.visits import ask

pytestmark = pytest.mark.slow

PROMPTS = ("a red kite", "a blue boat", "a train in the snow", "a white bird")


def waiting(server: ServerHarness, key: str) -> list[str]:
    """The prompts of the waiting videos, in their order."""
    return [entry["video"]["prompt"] for entry in ask(server, key, "GET", "queue")["waiting"]]


def test_queue_by_keyboard(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.get_by_role("button", name="Pause", exact=True).press("Enter")
    expect(page.get_by_text("Paused. What runs goes on")).to_be_visible()
    key = server.key("queue")
    for prompt in PROMPTS:
        server.submit(key, prompt=prompt, profile="draft")
    titles = page.locator(".job.waiting .clip-title")
    expect(titles).to_have_text(["Red kite", "Blue boat", "Train in the snow", "White bird"])
    expect(page.locator(".job.waiting").first).to_contain_text("paused")
    assert violations(page) == []

    # By arrow keys on the handle, by a button, by dragging; the focus and the server follow.
    handle = page.get_by_role("button", name="Move White bird", exact=True)
    handle.press("Home")
    expect(titles).to_have_text(["White bird", "Red kite", "Blue boat", "Train in the snow"])
    expect(handle).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text("place 1 of 4")
    page.get_by_role("button", name="Move Blue boat up").press("Enter")
    expect(titles).to_have_text(["White bird", "Blue boat", "Red kite", "Train in the snow"])
    handle.drag_to(page.locator(".job.waiting").last)
    expect(titles).to_have_text(["Blue boat", "Red kite", "Train in the snow", "White bird"])
    order = ["a blue boat", "a red kite", "a train in the snow", "a white bird"]
    wait_until(page, lambda: waiting(server, key) == order, "the order of the page on the server")
    page.reload()
    expect(titles).to_have_text(["Blue boat", "Red kite", "Train in the snow", "White bird"])

    # What is cancelled can be made again; the focus goes to the next one.
    page.get_by_role("button", name="Cancel Blue boat").press("Enter")
    expect(titles).to_have_text(["Red kite", "Train in the snow", "White bird"])
    expect(page.get_by_role("button", name="Cancel Red kite")).to_be_focused()
    page.get_by_role("button", name="Make again: Blue boat").press("Enter")
    expect(titles).to_have_text(["Red kite", "Train in the snow", "White bird", "Blue boat"])
    assert violations(page) == []
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.get_by_role("heading", name="Nothing is waiting")).to_be_visible(timeout=60_000)


def test_settings_by_keyboard(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    page.goto(f"{server.origin}/#/settings/keys")
    form = page.locator("form")
    form.get_by_label("Name").fill("<b>nightly</b>")
    page.reload()  # what was typed is kept
    expect(form.get_by_label("Name")).to_have_value("<b>nightly</b>")
    form.get_by_label("Name").press("Enter")
    secret = page.get_by_label("Key “<b>nightly</b>”.")
    expect(secret).to_have_value(re.compile("^sk-hinode-"))
    page.reload()
    expect(page.get_by_role("button", name="Revoke: <b>nightly</b>")).to_be_visible()
    expect(secret).to_have_count(0)
    page.get_by_role("button", name="Revoke: <b>nightly</b>").press("Enter")
    assert violations(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Revoke").press("Enter")
    expect(page.get_by_text("1 revoked key")).to_be_visible()

    page.goto(f"{server.origin}/#/settings/members")
    page.get_by_label("E-mail").fill("eve@example.com")
    page.get_by_label("E-mail").press("Enter")
    expect(page.get_by_label("Invitation of eve.")).to_have_value(re.compile("#invitation="))
    role = page.get_by_label("Role of eve")
    role.select_option("viewer")
    page.reload()
    expect(role).to_have_value("viewer")


def test_a_session_that_ends_keeps_the_page(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    other = page.context.new_page()
    other.goto(server.origin)
    page.goto(f"{server.origin}/#/settings/webhooks")
    name = page.locator("form").get_by_label("Name")
    name.fill("half ty")
    other.evaluate(
        """async () => {
            const { csrf_token } = await (await fetch('./v1/session')).json();
            await fetch('./v1/session', { method: 'DELETE', headers: { 'x-csrf-token': csrf_token } });
        }"""
    )
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog.get_by_label("E-mail")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    assert violations(page) == []
    other.goto("about:blank")
    other.goto(server.command("link").strip().split()[-1])
    other.get_by_role("button", name="Open the studio").press("Enter")
    expect(dialog).to_have_count(0)
    expect(name).to_be_focused()
    expect(name).to_have_value("half ty")
