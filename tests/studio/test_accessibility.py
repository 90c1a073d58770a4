"""axe-core on every page, and on every dialog and menu that its buttons open, light and dark."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from benchmarks.serving import ServerHarness
from tests.api.routes.test_economics import COSTS
from tests.studio.browser import PAGES, violations, wait_until
from tests.studio.conftest import SignIn
from tests.studio.visits import ask, fill_wallet, make_clip

pytestmark = pytest.mark.slow

LEFT_ALONE = re.compile(
    r"delete|trash|sign out|make|render|remove|cancel|revoke|^end|undo|redo|download|save|take off|star"
    r"|full screen|picture of this|video of this|import|pause|play|restore|publish|finish|retry|again"
    r"|approve|refuse|put in force|dry run|verify",
    re.IGNORECASE,
)
"""Buttons that do more than to open something."""
OPENED = 'dialog[open], [role="menu"], main [aria-expanded="true"]'


@pytest.fixture(scope="module")
def key(server: ServerHarness) -> str:
    return server.key("accessibility", "--scopes", "read,write,manage")


@pytest.fixture(scope="module")
def addresses(server: ServerHarness, key: str) -> dict[str, str]:
    """What stands behind the name of a page in an address that shows something."""
    (server.home / "costs.yaml").write_text(COSTS)
    first, second = make_clip(server, key), make_clip(server, key, seed=2)
    ask(server, key, "PATCH", f"library/{first}", {"tags": ["kite"], "notes": "Nice", "favourite": True})
    ask(server, key, "POST", "characters", {"name": "Mio", "description": "a blue bird", "notes": "shy"})
    shots = [
        {"id": f"shot{number}", "title": f"Shot {number}", "prompt": "a red kite", "frames": 24}
        for number in (1, 2)
    ]
    document = {"fps": "24", "size": "160x96", "shots": shots}
    board = ask(server, key, "POST", "storyboards", {"title": "A day", "document": document})["id"]
    ask(server, key, "POST", "project", {"feed_enabled": True})
    ask(server, key, "POST", "feed", {"video_id": first, "caption": "Look"})
    server.request("POST", "/v1/videos", key=key, body={"prompt": "graphic gore"})
    fill_wallet(server, ask(server, key, "GET", "project")["id"])
    return {"clip": f"/{first}", "compare": f"?ids={first},{second}", "storyboard": f"/{board}"}


def look(page: Page, what: str) -> list[str]:
    """What is wrong with the page as it is, in both themes."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        found += [f"{what}, {scheme}: {violation}" for violation in violations(page)]
    return found


def names_of_buttons(page: Page) -> list[str]:
    """The names of the buttons in the page that may open something."""
    names: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("main button, .app header button")]
          .filter((button) => button.checkVisibility() && !button.disabled && !button.role
            && button.getAttribute("aria-disabled") !== "true")
          .map((button) => (button.getAttribute("aria-label") || button.textContent).trim())"""
    )
    return [name for name in dict.fromkeys(names) if name and not LEFT_ALONE.search(name)]


def wait_until_calm(page: Page) -> None:
    """Wait until nothing is loading."""
    page.get_by_role("heading", level=1).first.wait_for()
    wait_until(page, lambda: not page.locator('[aria-busy="true"]').count(), "a page that is loaded")
    page.wait_for_timeout(400)


def open_all(page: Page, name: str, address: str) -> list[str]:
    """What is wrong in the dialogs and menus of a page, and in those that its menus open."""
    found = []
    for button in names_of_buttons(page):
        if page.url != address or page.locator("dialog[open]").count():
            page.goto("about:blank")
            page.goto(address)
            wait_until_calm(page)
        target = page.get_by_role("button", name=button, exact=True).first
        if not target.count() or not target.is_visible():
            continue
        before = page.locator(OPENED).count()
        target.press("Enter")
        page.wait_for_timeout(250)
        if page.url != address or page.locator(OPENED).count() <= before:
            continue
        found += look(page, f"{name}: {button}")
        page.keyboard.press("Escape")
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_and_all_that_it_opens(
    server: ServerHarness, sign_in: SignIn, addresses: dict[str, str], name: str
) -> None:
    page = sign_in()
    address = f"{server.origin}/#/{name}{addresses.get(name, '')}"
    page.goto(address)
    wait_until_calm(page)
    found = look(page, name)
    found += open_all(page, name, page.url)
    assert not found, "\n".join(found)


def test_what_stands_over_every_page(server: ServerHarness, sign_in: SignIn) -> None:
    page = sign_in()
    found = []
    page.keyboard.press("Control+k")
    page.get_by_role("dialog").wait_for()
    found += look(page, "palette")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    found += look(page, "shortcuts")
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Prompt").fill("a red kite and a brontosaurus")
    page.wait_for_timeout(1000)
    found += look(page, "create with a reading")
    page.goto(f"{server.origin}/#/nowhere")
    found += look(page, "no such page")
    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(server.origin)
    page.get_by_label("E-mail").wait_for()
    found += look(page, "sign in")
    assert not found, "\n".join(found)
