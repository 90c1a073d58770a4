"""The first visit where there is no secure context, and behind a proxy that changes what passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from benchmarks.serving import ServerHarness
from tests.studio.keyboard import Keyboard
from tests.studio.proxy import Proxy
from tests.studio.visits import EXAMPLE, first_visit, make_one_take, wait_until_it_plays

pytestmark = pytest.mark.slow

PROMPT = "A grey whale swims to the right under water"


def open_link(server: ServerHarness, context: BrowserContext, origin: str) -> Page:
    """The page of a link, at another origin than the server knows of."""
    page = context.new_page()
    page.goto(server.command("link").strip().split()[-1].replace(server.origin, origin))
    return page


def test_a_first_visit_without_a_secure_context(server: ServerHarness, context: BrowserContext) -> None:
    page = open_link(server, context, f"http://studio.test:{server.port}")
    assert page.evaluate("isSecureContext") is False
    first_visit(page)


def test_a_first_visit_behind_a_proxy(server: ServerHarness, context: BrowserContext, proxy: Proxy) -> None:
    page = open_link(server, context, proxy.origin)
    first_visit(page)
    page.reload()
    page.get_by_role("button", name="Take 1:").wait_for()
    outside = [entry for entry in proxy.seen() if "/hinode/" not in entry and "favicon" not in entry]
    assert outside == []


def test_what_a_proxy_answers_itself_is_said_in_a_sentence(
    server: ServerHarness, context: BrowserContext, proxy: Proxy, errors: list[str], tmp_path: Path
) -> None:
    page = open_link(server, context, proxy.origin)
    keyboard = Keyboard(page)
    keyboard.activate("button", "Open the studio")
    keyboard.activate("button", EXAMPLE)
    keyboard.write("Prompt", PROMPT)
    page.get_by_text("at worst").first.wait_for()
    proxy.fail("POST /hinode/v1/videos")
    page.keyboard.press("Control+Enter")
    page.get_by_text("A proxy before the server answered 504").first.wait_for()
    assert page.get_by_role("textbox", name="Prompt").input_value() == PROMPT

    video = tmp_path / "large.mp4"
    video.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(1_500_000))
    keyboard.activate("button", "Footage")
    keyboard.tab_to("button", "A video of this computer")
    with page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    chooser.value.set_files(video)
    page.get_by_text("A proxy before the server refuses files of this size").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.get_by_role("textbox", name="Prompt").input_value() == PROMPT

    make_one_take(keyboard)
    wait_until_it_plays(page)
    errors[:] = [error for error in errors if "413" not in error and "504" not in error]
