"""A film of four shots by keyboard alone: written, made, one shot made again; changes of two people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route

from benchmarks.serving import ServerHarness
from tests.studio.browser import wait_until
from tests.studio.conftest import SignIn
from tests.studio.keyboard import Keyboard
from tests.studio.visits import MAKING_MS, ask, decoded

pytestmark = pytest.mark.slow

FRAMES = 12


@pytest.fixture(scope="module")
def key(server: ServerHarness) -> str:
    """An API key, to begin with and to look at what came of it."""
    return server.key("storyboards")


def new_board(server: ServerHarness, key: str) -> str:
    """The id of a storyboard with a shot whose place, title and words are one letter each."""
    shot = {"id": "a", "title": "Hills", "prompt": "A red balloon rises over the hills", "frames": FRAMES}
    document = {"fps": "24", "size": "160x96", "profile": "draft", "shots": [shot]}
    return str(ask(server, key, "POST", "storyboards", {"title": "A day", "document": document})["id"])


def shots(server: ServerHarness, key: str, board: str) -> list[dict[str, Any]]:
    """The shots of a storyboard as the API has them."""
    found: list[dict[str, Any]] = ask(server, key, "GET", f"storyboards/{board}")["document"]["shots"]
    return found


def open_board(page: Page, server: ServerHarness, board: str) -> Keyboard:
    """The page of a storyboard."""
    page.goto(f"{server.origin}/#/storyboard/{board}")
    cards(page).first.wait_for()
    return Keyboard(page)


def cards(page: Page) -> Locator:
    """The cards on the timeline."""
    return page.get_by_role("listbox", name="Shots").get_by_role("option")


def wait_until_saved(page: Page) -> None:
    """Wait until the server has what the page shows."""
    page.get_by_text("Saved", exact=True).wait_for()


def test_a_film_of_four_shots_of_which_one_is_made_again(
    server: ServerHarness, sign_in: SignIn, key: str
) -> None:
    board, page = new_board(server, key), sign_in()
    keyboard = open_board(page, server, board)
    for words in ("A white boat on the sea", "A blue train in the mountains", "A yellow kite in the fog"):
        keyboard.activate("button", "Shot", exact=True)
        wait_until(page, lambda: keyboard.focus().startswith("textarea"), "the words of the new shot")
        page.keyboard.type(words)
        keyboard.tab_to("spinbutton", "Length")
        keyboard.press("Control+a")
        page.keyboard.type(str(FRAMES))
        keyboard.press("Tab")
    wait_until_saved(page)
    assert [shot["frames"] for shot in shots(server, key, board)] == [FRAMES] * 4
    keyboard.activate("button", "Make 4 shots")
    limit = MAKING_MS / 1000
    wait_until(page, lambda: all(shot["video_id"] for shot in shots(server, key, board)), "four clips", limit)
    before = shots(server, key, board)

    keyboard.tab_to("option", "Yellow kite")
    keyboard.press("ArrowLeft", "ArrowLeft")
    keyboard.activate("button", "Make it again")
    first = before[1]["video_id"]
    wait_until(page, lambda: shots(server, key, board)[1]["video_id"] != first, "another take", limit)
    after = shots(server, key, board)
    assert after[:1] + after[2:] == before[:1] + before[2:]
    keyboard.activate("button", "Make the film")
    page.get_by_role("radio", name="Film").wait_for(timeout=MAKING_MS)
    takes = ask(server, key, "GET", f"storyboards/{board}/takes")["data"]
    film = decoded(server, key, next(take["id"] for take in takes if take["shot_id"] is None))
    assert len(film) == 4 * FRAMES
    parts = np.concatenate([decoded(server, key, shot["video_id"]) for shot in after])
    assert np.abs(film.astype(int) - parts.astype(int)).mean() < 4


def test_an_answer_leaves_a_half_typed_length_alone(server: ServerHarness, sign_in: SignIn, key: str) -> None:
    board, page = new_board(server, key), sign_in()
    questions: list[Route] = []
    page.route("**/v1/videos/quote", lambda route: questions.append(route))
    keyboard = open_board(page, server, board)
    keyboard.tab_to("spinbutton", "Length")
    wait_until(page, lambda: questions, "a question")
    keyboard.press("Control+a")
    page.keyboard.type("2")
    for question in questions:
        question.continue_()
    page.get_by_text("at worst").wait_for()
    page.keyboard.type("4")
    keyboard.press("Tab")
    wait_until(page, lambda: shots(server, key, board)[0]["frames"] == 24, "the length as it was typed")


def test_cards_move_by_keys_and_undo_brings_them_back(
    server: ServerHarness, sign_in: SignIn, key: str
) -> None:
    board, page = new_board(server, key), sign_in()
    keyboard = open_board(page, server, board)
    keyboard.tab_to("option", "Hills")
    keyboard.press("d")
    wait_until(page, lambda: cards(page).count() == 2, "a copy")
    keyboard.press("+", "+")
    wait_until(page, lambda: "14 frames" in (cards(page).nth(1).text_content() or ""), "two frames more")
    keyboard.press("Shift+ArrowLeft")
    wait_until(page, lambda: "14 frames" in (cards(page).nth(0).text_content() or ""), "the copy first")
    keyboard.press("Delete")
    wait_until(page, lambda: cards(page).count() == 1, "one card")
    keyboard.press("Control+z", "Control+z")
    wait_until(page, lambda: "14 frames" in (cards(page).nth(1).text_content() or ""), "both as before")
    wait_until_saved(page)
    assert [shot["frames"] for shot in shots(server, key, board)] == [FRAMES, FRAMES + 2]


def test_a_deleted_storyboard_comes_back(server: ServerHarness, sign_in: SignIn, key: str) -> None:
    title = "A day that comes back"
    board = ask(server, key, "GET", f"storyboards/{new_board(server, key)}")
    values = {"title": title, "document": board["document"], "revision": board["revision"]}
    board = ask(server, key, "PUT", f"storyboards/{board['id']}", values)
    page = sign_in()
    page.goto(f"{server.origin}/#/storyboards")
    keyboard = Keyboard(page)
    entry = page.get_by_role("link", name=title)
    keyboard.activate("button", f"More for {title}")
    page.get_by_role("menuitem", name="Delete").wait_for()
    for _ in range(3):
        if keyboard.focus().endswith("Delete"):
            break
        keyboard.press("ArrowDown")
    keyboard.press("Enter")
    entry.wait_for(state="detached")
    keyboard.activate("button", "Undo")
    entry.wait_for()
    assert ask(server, key, "GET", f"storyboards/{board['id']}") == board


def test_two_who_change_a_storyboard_lose_nothing(
    server: ServerHarness, sign_in: SignIn, key: str, errors: list[str]
) -> None:
    board, page = new_board(server, key), sign_in()
    keyboard = open_board(page, server, board)
    entry = ask(server, key, "GET", f"storyboards/{board}")
    entry["document"]["shots"][0]["title"] = "Theirs"
    body = {"revision": entry["revision"], "document": entry["document"]}
    keyboard.write("Title of the shot", "Mine")
    ask(server, key, "PUT", f"storyboards/{board}", body)
    page.get_by_role("dialog", name="Changed in two places").wait_for()
    keyboard.activate("button", "Keep mine as a new version")
    wait_until_saved(page)
    assert shots(server, key, board)[0]["title"] == "Mine"
    versions = ask(server, key, "GET", f"storyboards/{board}/versions")["data"]
    assert [version["number"] for version in versions] == [3, 2, 1]
    # The browser writes the refusal of a change on its console.
    assert all("409" in error for error in errors)
    errors.clear()
