"""What is typed belongs to the person: input methods, undo, and two tabs at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from benchmarks.serving import ServerHarness
from tests.studio.browser import wait_until
from tests.studio.conftest import SignIn

pytestmark = pytest.mark.slow


def sent(page: Page) -> list[str]:
    """The addresses to which the page posts videos, from now on."""
    found: list[str] = []

    def note(request: object) -> None:
        if request.method == "POST" and request.url.endswith("/v1/videos"):  # type: ignore[attr-defined]
            found.append(request.url)  # type: ignore[attr-defined]

    page.on("request", note)
    return found


@pytest.mark.parametrize("keys", ["Enter", "Control+Enter"])
def test_enter_that_confirms_a_word_starts_nothing(sign_in: SignIn, keys: str) -> None:
    page = sign_in()
    requests = sent(page)
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.focus()
    client = page.context.new_cdp_session(page)
    client.send("Input.imeSetComposition", {"selectionStart": 2, "selectionEnd": 2, "text": "日の"})
    # As browsers report it while an input method has the key.
    modifiers = 2 if keys.startswith("Control") else 0
    event = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229, "modifiers": modifiers}
    client.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
    prompt.evaluate(
        """(field, ctrlKey) => field.dispatchEvent(new KeyboardEvent("keydown", {
          key: "Enter", code: "Enter", ctrlKey, isComposing: true, bubbles: true, cancelable: true }))""",
        bool(modifiers),
    )
    client.send("Input.insertText", {"text": "日の出"})
    page.wait_for_timeout(400)
    assert requests == []
    assert prompt.input_value() == "日の出"


def test_undo_in_a_text_belongs_to_the_text(sign_in: SignIn) -> None:
    page = sign_in()
    page.get_by_role("slider", name="Length").press("ArrowRight")
    length = page.get_by_role("slider", name="Length").input_value()
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.focus()
    page.keyboard.type("a kite")
    page.keyboard.press("Control+z")
    assert prompt.input_value() != "a kite"
    assert page.get_by_role("slider", name="Length").input_value() == length
    page.keyboard.press("Control+Shift+z")
    assert prompt.input_value() == "a kite"
    # Elsewhere it belongs to the page.
    page.get_by_role("slider", name="Length").press("ArrowRight")
    page.keyboard.press("Control+z")
    wait_until(page, lambda: page.get_by_role("slider", name="Length").input_value() == length, "undo")


def test_two_tabs_have_two_drafts(server: ServerHarness, sign_in: SignIn, context: BrowserContext) -> None:
    first = sign_in()
    second = context.new_page()
    second.goto(server.origin)
    prompts = {"a red kite": first, "a blue boat": second}
    for words, page in prompts.items():
        page.get_by_role("textbox", name="Prompt").fill(words)
    first.wait_for_timeout(600)
    for words, page in prompts.items():
        page.reload()
        assert page.get_by_role("textbox", name="Prompt").input_value() == words
    third = context.new_page()
    third.goto(server.origin)
    assert third.get_by_role("textbox", name="Prompt").input_value() in prompts


def test_what_is_typed_survives_the_end_of_the_session(
    server: ServerHarness, sign_in: SignIn, context: BrowserContext, errors: list[str]
) -> None:
    page = sign_in()
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("a kite that stays")
    context.clear_cookies()
    page.keyboard.press("Control+Enter")
    page.get_by_text("Your session has ended").first.wait_for()
    assert prompt.input_value() == "a kite that stays"
    page.goto(server.command("link").strip().split()[-1])
    page.get_by_role("button", name="Open the studio").press("Enter")
    wait_until(page, lambda: prompt.input_value() == "a kite that stays", "the draft")
    errors[:] = [error for error in errors if "401" not in error and "403" not in error]


def test_the_focus_of_what_is_removed_goes_to_the_page(sign_in: SignIn) -> None:
    page = sign_in()
    page.evaluate(
        """() => {
          const button = document.createElement("button");
          document.querySelector("main").append(button);
          button.focus();
          button.remove();
        }"""
    )
    wait_until(page, lambda: page.evaluate("document.activeElement.id") == "main", "a focus on the page")
