"""What people come for, from beginning to end, by keyboard alone: on localhost, at a name of the
local network (no secure context), and behind a proxy that changes what passes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from benchmarks.serving import ServerHarness
from tests.media.corpus import video as write_video
from tests.studio.browser import wait_until
from tests.studio.conftest import SignIn
from tests.studio.keyboard import Keyboard
from tests.studio.proxy import Proxy
from tests.studio.visits import (
    EXAMPLE,
    MAKING_MS,
    ask,
    decoded,
    make_clip,
    make_one_take,
    wait_for_clip,
    wait_until_it_plays,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def key(server: ServerHarness) -> str:
    """An API key, for what a journey needs to begin with and for looking at what came of it."""
    return server.key("journeys", "--scopes", "read,write,manage")


def only_at(*origins: str) -> pytest.MarkDecorator:
    """For a journey that draws for minutes, and does nothing that another one does not try elsewhere."""
    return pytest.mark.parametrize("origin", origins, indirect=True)


@pytest.fixture(params=["localhost", "network", "proxy"])
def origin(request: pytest.FixtureRequest, server: ServerHarness) -> str:
    """What stands before the path of the page, as the browser asks for it."""
    if request.param == "proxy":
        proxy: Proxy = request.getfixturevalue("proxy")
        return proxy.origin
    return server.origin if request.param == "localhost" else f"http://studio.test:{server.port}"


def newest(server: ServerHarness, key: str, number: int = 1) -> list[dict[str, Any]]:
    """The newest videos as the API describes them, the newest first."""
    status, content = server.request("GET", f"/v1/videos?limit={number}&order=desc", key=key)
    assert status == 200
    videos: list[dict[str, Any]] = json.loads(content)["data"]
    return videos


def open_clip(page: Page, origin: str, video_id: str) -> Keyboard:
    """The page of a clip, as its address opens it."""
    page.goto(f"{origin}/#/clip/{video_id}")
    page.get_by_role("toolbar", name="Make from this clip").wait_for()
    return Keyboard(page)


def open_result(keyboard: Keyboard) -> str:
    """Wait for what was made from the clip of the page, open it, and return its id."""
    results = keyboard.page.get_by_role("region", name="Made from this clip")
    results.get_by_role("link", name="Open", exact=True).first.wait_for(timeout=MAKING_MS)
    before = keyboard.page.url
    keyboard.activate("link", "Open", exact=True)
    wait_until(keyboard.page, lambda: keyboard.page.url != before, "the page of the result")
    wait_until_it_plays(keyboard.page)
    return keyboard.page.url.rsplit("/", 1)[1]


@only_at("localhost")
def test_a_draft_is_finished_with_its_seed(server: ServerHarness, sign_in: SignIn, key: str) -> None:
    page = sign_in()
    keyboard = Keyboard(page)
    keyboard.activate("button", EXAMPLE)
    make_one_take(keyboard)
    wait_until_it_plays(page)
    keyboard.activate("button", "Finish", exact=True)
    page.get_by_role("button", name="Take 2:").wait_for()
    best, draft = newest(server, key, 2)
    wait_for_clip(server, key, best["id"])
    page.get_by_role("button", name=re.compile("^Take 2: .*, Best")).wait_for()
    wait_until_it_plays(page)
    assert (draft["profile"], best["profile"]) == ("draft", "best")
    assert (best["seed"], best["size"], best["prompt"]) == (draft["seed"], draft["size"], draft["prompt"])


@only_at("localhost", "network")
def test_an_edit_leaves_what_is_outside_its_mask(
    server: ServerHarness, sign_in: SignIn, origin: str, key: str
) -> None:
    source = make_clip(server, key)
    page = sign_in()
    keyboard = open_clip(page, origin, source)
    keyboard.activate("button", "Edit part")
    keyboard.tab_to("application", "Mask over the picture")
    # From its place in the middle to the upper left corner.
    keyboard.press(*["ArrowLeft"] * 25, *["ArrowUp"] * 25, "Enter")
    keyboard.tab_to("slider", "Feather")
    keyboard.press("Home")
    keyboard.write("What the clip shows then", "A red balloon rises over the hills at night")
    keyboard.activate("button", re.compile("^Edit the part"))
    result = open_result(keyboard)
    before, after = decoded(server, key, source), decoded(server, key, result)
    assert before.shape == after.shape
    difference = np.abs(before.astype(int) - after).mean(axis=(0, 3))
    height, width = difference.shape
    inside = difference[: height // 5, : width // 8]
    outside = difference[height * 2 // 3 :, width * 2 // 3 :]
    # Both files are compressed, which costs a level or two.
    assert outside.mean() < 2
    assert inside.mean() > 10 * outside.mean()


def test_a_video_from_elsewhere_is_extended(
    server: ServerHarness, sign_in: SignIn, key: str, tmp_path: Path
) -> None:
    path = tmp_path / "holiday.mp4"
    write_video(path, count=12)
    page = sign_in()
    keyboard = Keyboard(page)
    keyboard.activate("button", "Footage")
    keyboard.tab_to("button", "A video of this computer")
    with page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    chooser.value.set_files(path)
    page.get_by_role("radiogroup", name="What the footage is for").wait_for()
    keyboard.write("Prompt", "A red balloon rises over the hills")
    make_one_take(keyboard, length="New seconds")
    wait_until_it_plays(page)
    (made,) = newest(server, key)
    assert (made["operation"], made["seconds"]) == ("extend", "2.5")
    frames = decoded(server, key, made["id"])
    assert frames.shape[1:3] == (64, 96)


def test_a_take_is_cancelled(server: ServerHarness, sign_in: SignIn, key: str) -> None:
    page = sign_in()
    keyboard = Keyboard(page)
    keyboard.write("Prompt", "A grey whale swims to the right under water")
    keyboard.activate("button", "Make 4 takes")
    keyboard.activate("button", "Cancel: Take 4")
    keyboard.activate("button", "Cancel", exact=True)
    for number in (1, 4):
        page.get_by_role("button", name=re.compile(f"^Take {number}: .*, cancelled")).wait_for()
    states = {video["id"]: video["error"] for video in newest(server, key, 4)}
    assert sum(error is not None and error["code"] == "cancelled" for error in states.values()) == 2
    for number in (2, 3):
        keyboard.activate("button", f"Cancel: Take {number}")
    page.get_by_role("button", name=re.compile("^Take 2: .*, cancelled")).wait_for()


def test_a_page_survives_the_death_of_the_server(
    server: ServerHarness, sign_in: SignIn, key: str, errors: list[str]
) -> None:
    page = sign_in()
    keyboard = Keyboard(page)
    keyboard.write("Prompt", EXAMPLE)
    keyboard.choose("Profile", "Best")
    make_one_take(keyboard)
    wait_until(page, lambda: newest(server, key)[0]["status"] == "in_progress", "a clip in progress", 60)
    keyboard.write("Prompt", "What is written meanwhile")
    focus = keyboard.focus()
    server.kill()
    page.get_by_role("status").filter(has_text="No answer from the server").wait_for()
    server.start()
    page.get_by_role("status").filter(has_text="No answer from the server").wait_for(state="detached")
    assert keyboard.focus() == focus
    assert page.get_by_role("textbox", name="Prompt").input_value() == "What is written meanwhile"
    take = page.get_by_role("button", name=re.compile("^Take 1: .*, Best"))
    take.wait_for(timeout=MAKING_MS)
    keyboard.activate("button", re.compile("^Take 1: "))
    wait_until_it_plays(page)
    (made,) = newest(server, key)
    assert (made["status"], made["prompt"]) == ("completed", EXAMPLE)
    # The browser itself reports what did not answer.
    errors[:] = [error for error in errors if "ERR_CONNECTION" not in error and "ERR_" not in error]


@only_at("localhost", "proxy")
def test_one_shot_of_four_is_made_again(server: ServerHarness, sign_in: SignIn, key: str) -> None:
    page = sign_in()
    keyboard = Keyboard(page)
    keyboard.activate("link", "Storyboards")
    keyboard.activate("button", "New storyboard")
    page.get_by_role("region", name="Timeline").wait_for()
    prompts = (
        "a red kite over the hills",
        "a blue boat",
        "a grey whale under water",
        "a white bird at night",
    )
    for number, prompt in enumerate(prompts):
        if number:
            keyboard.activate("button", "Shot", exact=True)
        keyboard.write("What happens", prompt)
        keyboard.write("Length", "12", role="spinbutton")
        keyboard.press("Tab")
    keyboard.activate("button", "Make 4 shots")
    board = page.url.rsplit("/", 1)[1]

    def shots() -> list[str]:
        document = ask(server, key, "GET", f"storyboards/{board}")["document"]
        return [shot["video_id"] for shot in document["shots"]]

    wait_until(page, lambda: all(shots()), "clips of all shots", 240)
    before = shots()
    frames = [decoded(server, key, video_id) for video_id in before]
    keyboard.tab_to("option", re.compile("^4"))
    keyboard.press("ArrowLeft", "ArrowLeft")
    keyboard.activate("button", "Make it again")
    wait_until(page, lambda: shots() != before and all(shots()), "another clip of one shot", 120)
    after = shots()
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]
    for index in (0, 2, 3):
        assert np.array_equal(decoded(server, key, after[index]), frames[index])
    keyboard.activate("button", "Make the film")
    (film,) = wait_until(
        page,
        lambda: [video for video in newest(server, key) if video["operation"] == "storyboard"],
        "a film",
    )
    wait_for_clip(server, key, film["id"])


def test_a_remix_of_a_post_keeps_its_credit(
    server: ServerHarness, sign_in: SignIn, origin: str, key: str
) -> None:
    ask(server, key, "POST", "project", {"feed_enabled": False})  # as at the beginning, for every origin
    make_clip(server, key, prompt="a red kite over the hills")
    page = sign_in()
    keyboard = Keyboard(page)

    def publish(caption: str) -> None:
        keyboard.activate("button", "Publish a clip")
        page.get_by_role("dialog").get_by_role("button", name=re.compile("160 × 96")).first.wait_for()
        keyboard.press("ArrowDown", "Enter")
        page.get_by_role("button", name="Publish", exact=True).wait_for()
        keyboard.write("Caption", caption)
        keyboard.activate("button", "Publish", exact=True)
        page.get_by_role("main").get_by_text(caption).first.wait_for()

    page.goto(f"{origin}/#/feed")
    keyboard.activate("button", "Turn it on")
    first = f"The first kite at {origin}"  # the feed also has the posts of other origins
    publish(first)
    keyboard.activate("button", re.compile("^Remix: "))
    keyboard.write("What it should show", "a blue kite over the hills")
    keyboard.activate("button", "Remix", exact=True)
    remix = wait_until(
        page, lambda: [video for video in newest(server, key) if video["operation"] == "remix"], "a remix"
    )[0]
    wait_for_clip(server, key, remix["id"])
    publish(f"The second kite at {origin}")
    page.get_by_text(re.compile("remix of “.*” by")).first.wait_for()
    second = ask(server, key, "GET", "feed")["data"][0]
    assert [credit["operation"] for credit in second["credits"]] == ["remix"]
    assert second["credits"][0]["title"] in (first, "a red kite over the hills")
