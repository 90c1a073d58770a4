"""People come in: by a link, by an invitation, with a password; also where there is no secure context."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.serving import ServerHarness
from tests.studio.browser import WAIT_MS, violations

PASSWORD = "a long sentence"

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_page_stays(browser: Browser) -> Iterator[None]:
    """A page that stays open goes on moving, and takes time from other tests."""
    yield
    for context in browser.contexts:
        context.close()


def open_page(browser: Browser, address: str) -> Page:
    """The page at an address, in a browser that was never here."""
    page = browser.new_context().new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    return page


def wait_inside(page: Page) -> None:
    page.get_by_role("heading", name="Create").wait_for()
    assert page.url.endswith("/#/create")  # the token is gone from the address


@pytest.mark.parametrize("host", ["127.0.0.1", "studio.test"])
def test_people_come_in(server: ServerHarness, browser: Browser, host: str) -> None:
    origin = f"http://{host}:{server.port}"

    def printed(*words: str) -> str:
        return server.command(*words).strip().replace(server.origin, origin)

    page = open_page(browser, printed("link"))
    page.get_by_role("button", name="Open the studio").press("Enter")
    wait_inside(page)
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    page.goto("about:blank")
    page.goto(printed("link"))  # for one who is in already
    wait_inside(page)

    email = f"ada@{host}.example.com"
    invitation = printed("users", "add", email)
    page = open_page(browser, invitation)
    page.get_by_label("New password").fill(PASSWORD)
    assert violations(page) == []
    page.get_by_label("New password").press("Enter")
    wait_inside(page)

    page = open_page(browser, origin)
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Forgot the password?").press("Enter")
    page.get_by_role("status").filter(has_text="If there is a member").wait_for()
    assert violations(page) == []
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password", exact=True).press("Enter")
    page.get_by_role("heading", name="Create").wait_for()
    page.goto("about:blank")
    page.goto(invitation)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("New password").press("Enter")
    page.locator("p.error").filter(has_text="This link was used already").wait_for()
