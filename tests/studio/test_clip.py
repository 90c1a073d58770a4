"""The page of a clip in a browser: whole frames, a mask painted by keys, what comes of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.serving import ServerHarness
from tests.studio.browser import violations

SIZE = "160x96"


def call(page: Page, method: str, path: str, body: Any = None) -> Any:
    """An answer of the API, asked by the page itself with its cookie and its token."""
    return page.evaluate(
        """async ([method, path, body]) => {
            const session = await (await fetch("./v1/session")).json();
            const headers = { "content-type": "application/json", "x-csrf-token": session.csrf_token };
            const options = { method, headers, body: body && JSON.stringify(body) };
            return (await fetch(`./v1/${path}`, options)).json();
        }""",
        [method, path, body],
    )


def pixels(page: Page, server: ServerHarness, video: str, frame: int) -> NDArray[np.int16]:
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    answer = httpx.get(f"{server.base_url}/videos/{video}/frames/{frame}", cookies=cookies)
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(np.int16)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.slow
def test_a_mask_by_keys_leaves_the_outside_untouched(
    server: ServerHarness, sign_in: Callable[..., Page]
) -> None:
    page = sign_in()
    body = {"prompt": "a red ball over green hills", "size": SIZE, "seconds": "0.5", "profile": "draft"}
    source = call(page, "POST", "videos", {**body, "seed": 7})["id"]
    page.goto(f"{server.origin}/#/clip/{source}")
    toolbar = page.get_by_role("toolbar")
    toolbar.wait_for(timeout=60_000)

    # A frame further by each press, as quickly as they come, and no further than the last one.
    position = page.locator(".position")
    press(page, "k", "Home", *["ArrowRight"] * 5)
    expect(position).to_contain_text("frame 6 of 12")
    press(page, "End", "ArrowRight")
    expect(position).to_contain_text("frame 12 of 12")

    press(page, "d")
    page.get_by_label("Mask over the picture").focus()
    press(page, *["ArrowLeft"] * 5, "Enter")
    page.get_by_label("What the clip shows then").fill("a blue ball over green hills")
    expect(page.locator(".quote .eta")).to_contain_text("at worst")
    assert violations(page) == []
    press(page, "Control+Enter")
    result = page.locator(".result").first
    result.get_by_role("link", name="Open").wait_for(timeout=60_000)
    result.get_by_role("link", name="Open").press("Enter")
    page.wait_for_url(lambda url: source not in url)

    edited = page.url.rsplit("/", 1)[1]
    before, after = (pixels(page, server, video, 6) for video in (source, edited))
    inside = np.zeros(before.shape[:2], bool)
    inside[round(0.35 * 96) : round(0.65 * 96), round(0.25 * 160) : round(0.55 * 160)] = True
    change = np.abs(before - after).max(axis=2)
    # The files are compressed; what changes is much more than what that leaves.
    assert np.median(change[~inside]) <= 3
    assert change[inside].mean() > 3 * change[~inside].mean()


POOL = """
[pool.film]
[[pool.film.member]]
model = "native/book"
price = 0.002
[[pool.film.member]]
model = "testcard/testcard"
price = 0.5
"""


@pytest.mark.slow
def test_a_clip_of_a_pool_says_who_made_it(server: ServerHarness, sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    (server.home / "pools.toml").write_text(POOL, encoding="utf-8")
    body = {"prompt": "a red ball over green hills", "size": SIZE, "seconds": "0.5", "profile": "draft"}
    video = call(page, "POST", "videos", {**body, "model": "film"})["id"]
    page.goto(f"{server.origin}/#/clip/{video}")
    facts = page.locator(".about")
    expect(facts.locator("dt", has_text="Pool")).to_be_visible(timeout=60_000)
    page.get_by_role("toolbar").wait_for(timeout=60_000)
    assert "own workers" in facts.locator(".clip-facts").inner_text()
    facts.get_by_text("Why it was made there").click()
    expect(facts.locator(".routing ol li[aria-current]")).to_contain_text("native/book")
    expect(facts.locator(".routing ul li")).to_contain_text("testcard/testcard")  # it has no profiles
    assert violations(page) == []
