"""A real server with the native engine, and a signed-in browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from benchmarks.serving import ServerHarness
from tests.studio.browser import ARGUMENTS, WAIT_MS, find_browser
from tests.studio.proxy import Proxy, running

SignIn = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    path = find_browser()
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHarness]:
    """`hinode serve` with the native engine."""
    home = tmp_path_factory.mktemp("studio")
    server = ServerHarness(home, environment={"HINODE_MODELS": "", "HINODE_HOSTS": "studio.test"})
    with server:
        yield server


@pytest.fixture
def errors() -> list[str]:
    """What went wrong in the pages of the test: exceptions, errors on the console; empty at its end."""
    return []


@pytest.fixture
def context(browser: Browser, errors: list[str]) -> Iterator[BrowserContext]:
    """A browser profile of its own."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url="about:blank")
    context.set_default_timeout(WAIT_MS)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def proxy(server: ServerHarness, context: BrowserContext) -> Iterator[Proxy]:
    """A proxy before the server, which changes what passes."""
    with running(server.origin) as proxy:
        yield proxy
        for page in context.pages:  # before the proxy ends
            page.close()


@pytest.fixture
def origin(server: ServerHarness) -> str:
    """What stands before the path of the page, as the browser asks for it."""
    return server.origin


@pytest.fixture
def sign_in(server: ServerHarness, context: BrowserContext, origin: str) -> SignIn:
    """Opens a page that is signed in by a link, as a person does."""

    def open_page() -> Page:
        link = server.command("link").strip().split()[-1]
        page = context.new_page()
        page.goto(link.replace(server.origin, origin))
        page.get_by_role("button", name="Open the studio").press("Enter")
        page.get_by_role("heading", name="Create").wait_for()
        page.get_by_role("button", name=re.compile("^Make ")).wait_for()  # the last part of the page
        return page

    return open_page
