"""What screening stopped, its appeal and review, the policy and the audit log, by keyboard."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import ServerHarness
from tests.studio.browser import violations
from tests.studio.conftest import SignIn
from tests.studio.keyboard import Keyboard
from tests.studio.visits import ask

pytestmark = pytest.mark.slow

BLOCKED = "graphic gore on a kite"
CLOWNS = "rules:\n  - {id: clowns, category: gore, phrases: {en: [clown]}}"


def look(page: Page) -> None:
    """No fault on the page, light and dark, also on a telephone."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1440, "height": 900})


def make(server: ServerHarness, key: str, prompt: str) -> int:
    body = {"prompt": prompt, "size": "160x96", "seconds": "1", "profile": "draft"}
    return server.request("POST", "/v1/videos", key=key, body=body)[0]


def grant_consent(server: ServerHarness, key: str) -> None:
    character = ask(
        server, key, "POST", "characters", {"name": "Ada", "description": "a bird", "person": True}
    )
    terms = {"character_id": character["id"], "person": "Ada L.", "expires_at": int(time.time() + 1e6)}
    ask(server, key, "POST", "consents", {**terms, "confirmed": True})


def test_a_refusal_is_appealed_and_approved(
    server: ServerHarness, sign_in: SignIn, errors: list[str]
) -> None:
    page, key = sign_in(), server.key("trust")
    keyboard = Keyboard(page)
    page.get_by_role("textbox", name="Prompt").fill(BLOCKED)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="gore and graphic violence")).to_be_visible()
    errors.clear()  # the refusal itself
    keyboard.activate("button", "Appeal", exact=True)
    keyboard.write("Why the request is in order", "It is red paint.")
    keyboard.activate("button", "Send the appeal")
    expect(page.get_by_text("The appeal is sent.").first).to_be_visible()
    page.goto(f"{server.origin}/#/rights")
    expect(page.get_by_text("appeal sent", exact=True)).to_be_visible()
    look(page)

    page.locator("#main").focus()
    keyboard.press("g", "t")
    expect(page.get_by_text("It is red paint.")).to_be_visible()
    look(page)
    keyboard.press("j")
    expect(page.get_by_role("listitem").filter(has_text=BLOCKED)).to_be_focused()
    keyboard.press("a")
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    assert make(server, key, BLOCKED) == 200


def test_another_policy_and_what_the_operator_sees(server: ServerHarness, sign_in: SignIn) -> None:
    page, key = sign_in(), server.key("policy")
    keyboard = Keyboard(page)
    page.goto(f"{server.origin}/#/trust/policy")
    expect(page.get_by_role("button", name="Put in force")).to_be_disabled()
    keyboard.write("Policy in YAML", CLOWNS.replace("gore", "circus"))
    keyboard.activate("button", "Dry run")
    expect(page.get_by_text(re.compile("Line 2: .*circus, which is not defined"))).to_be_visible()
    expect(page.get_by_label("Policy in YAML")).to_be_focused()
    assert make(server, key, "a clown") == 200
    keyboard.write("Policy in YAML", CLOWNS)
    keyboard.activate("button", "Dry run")
    expect(page.get_by_text("1 past request would be decided otherwise.").first).to_be_visible()
    look(page)
    keyboard.activate("button", "Put in force")
    keyboard.activate("button", "Put in force")
    expect(page.get_by_role("button", name=re.compile("^Load version"))).to_be_visible()
    assert make(server, key, "a clown") == 400

    grant_consent(server, key)
    for tab, title in (("Takedowns", "Transparency report"), ("Consents", "Every consent")):
        keyboard.activate("link", tab)
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        look(page)

    keyboard.activate("link", "Audit log")
    keyboard.activate("button", "Verify the log")
    expect(page.get_by_text("Intact", exact=True)).to_be_visible()
    keyboard.write("Kind", "policy.changed")
    keyboard.press("Enter")
    expect(page.locator(".audit-list li")).to_have_count(1)
    page.locator(".audit-list summary").press("Enter")
    expect(page.get_by_text('"categories"')).to_be_visible()
    look(page)
