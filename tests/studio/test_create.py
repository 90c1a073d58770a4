"""Create, in a real browser with a real server, by the keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.slow

SignIn = Callable[..., Page]
FIRST = 40_000
"""Milliseconds in which the first plan is there: the server loads what plans."""


def _form(page: Page) -> dict[str, Any]:
    """The draft of the form that the browser keeps."""
    script = """() => {
        dispatchEvent(new Event("pagehide"));
        return Object.entries(localStorage).find(([key]) => key.startsWith("hinode:draft:create"))[1];
    }"""
    form: dict[str, Any] = json.loads(page.evaluate(script))["value"]["form"]
    return form


def _shorten(page: Page) -> None:
    """One take of one second, in the smallest size."""
    page.get_by_role("slider", name="Length").press("Home")
    for _ in range(3):
        page.get_by_role("button", name="One take less").press("Enter")
    page.get_by_label("Size", exact=True).select_option("360")


def test_from_the_first_visit_to_a_finished_clip(sign_in: SignIn) -> None:
    page = sign_in()
    page.get_by_role("button", name="A red balloon rises over the hills at dawn").press("Enter")
    prompt = page.get_by_role("textbox", name="Prompt")
    expect(prompt).to_be_focused()
    expect(page.get_by_role("list", name="What becomes of the words")).to_contain_text(
        "red balloon, rises", timeout=FIRST
    )
    _shorten(page)
    expect(page.get_by_role("img", name="Drawing")).to_be_visible()
    prompt.press("Control+Enter")
    page.get_by_role("group", name="Player").wait_for(timeout=90_000)
    expect(page.locator("video")).to_have_js_property("readyState", 4)
    page.get_by_role("button", name="Finish").press("Enter")
    expect(page.get_by_role("button", name="Take 2:")).to_be_visible()
    videos = page.evaluate("fetch('./v1/videos?limit=2').then((answer) => answer.json())")["data"]
    assert [video["profile"] for video in videos] == ["best", "draft"]
    assert videos[0]["seed"] == videos[1]["seed"]
    page.get_by_role("button", name="Cancel").first.press("Enter")


def test_the_plan_is_changed_by_keys_and_the_changes_hold(sign_in: SignIn, errors: list[str]) -> None:
    page = sign_in()
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("a green kite over the meadow")
    point = page.get_by_role("button", name="green kite: point 3 of 5")
    point.wait_for(timeout=FIRST)
    point.press("ArrowUp")
    point.press("Shift+ArrowRight")
    expect(point).to_be_focused()
    assert _form(page)["edits"]["subjects"]["0"]["offsets"][2] == [0.05, -0.01]
    page.get_by_label("Time of day").select_option("night")
    page.keyboard.press("Control+z")
    assert "time" not in _form(page)["edits"]
    page.keyboard.press("Control+Shift+z")
    prompt.fill("a green kite over the sea")
    expect(page.get_by_role("list", name="What becomes of the words")).to_contain_text("night")
    page.reload()
    expect(prompt).to_have_value("a green kite over the sea")
    assert _form(page)["edits"]["subjects"]["0"]["offsets"][2] == [0.05, -0.01]
    sent: list[dict[str, Any]] = []

    def refuse(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        sent.append(route.request.post_data_json)
        route.fulfill(status=400, json={"error": {"message": "Not today.", "param": None, "code": "x"}})

    page.route("**/v1/videos", refuse)
    prompt.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="Not today.")).to_be_visible()
    assert sent[0]["plan"]["time"] == "night"
    errors.clear()


def test_an_answer_that_is_lost_makes_no_second_clip(sign_in: SignIn, errors: list[str]) -> None:
    page = sign_in()
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("a white bird over the sea")
    _shorten(page)
    keys: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.fallback()

    page.route("**/v1/videos", lose)
    prompt.press("Control+Enter")
    expect(page.locator(".toast")).to_contain_text("did not answer")
    page.reload()
    prompt.press("Control+Enter")
    expect(page.get_by_role("button", name="Take 1:")).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]
    videos = page.evaluate("fetch('./v1/videos?limit=9').then((answer) => answer.json())")["data"]
    assert len([video for video in videos if video["prompt"].startswith("a white bird")]) == 1
    page.get_by_role("button", name="Cancel").first.press("Enter")
    errors.clear()
