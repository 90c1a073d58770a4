"""Files that nobody here made, dropped on Create and on a clip: used right side up, or refused."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from benchmarks.serving import ServerHarness
from tests.media.corpus import CASES, pictures
from tests.studio.browser import wait_until
from tests.studio.conftest import SignIn
from tests.studio.visits import ask, decoded, make_clip, wait_for_clip

pytestmark = pytest.mark.slow

WRITERS = {case.name: case.write for case in CASES}
VIDEOS = ("turned-90.mp4", "turned-180.mov", "hlg-yuv420p10le.mp4", "pq-yuv422p10le.mp4")
PICTURES = {"turn-6.jpg": (64, 96), "moves.webp": (96, 64), "deep.png": (96, 64), "odd.png": (61, 37)}
"""With the size that they are seen in."""
REFUSED = ("photo.heic", "empty.mp4", "notes.txt", "cut-off.png", "prores.mov", "vp9.webm", "moves.gif")


def write(name: str, folder: Path) -> Path:
    """A file of the corpus, or one of three more."""
    path = folder / name
    if name in WRITERS:
        WRITERS[name](path)
    elif name == "odd.png":
        Image.fromarray(pictures(1)[0][:37, :61]).save(path)
    else:
        path.write_bytes(b"\x89PNG\r\n\x1a\n and no more" if name.endswith(".png") else b"some words")
    return path


def drop(page: Page, path: Path) -> None:
    """Drop a file on the page."""
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        """([name, content]) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name));
          for (const type of ["dragenter", "dragover", "drop"])
            document.querySelector("main").dispatchEvent(
              new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
        }""",
        [path.name, content],
    )


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_seen_right_side_up(sign_in: SignIn, tmp_path: Path, name: str) -> None:
    page = sign_in()
    drop(page, write(name, tmp_path))
    page.get_by_text(f"{name} is in the references.").first.wait_for()
    shown = page.locator(".reference img")
    size = wait_until(
        page,
        lambda: shown.evaluate("(img) => img.naturalWidth && [img.naturalWidth, img.naturalHeight]"),
        name,
    )
    assert tuple(size) == PICTURES[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    sign_in: SignIn, tmp_path: Path, name: str, errors: list[str]
) -> None:
    page = sign_in()
    page.get_by_role("textbox", name="Prompt").fill("a red kite")
    drop(page, write(name, tmp_path))
    # By the page at once, or by the server when it is asked for the time.
    sentence = page.locator(".toast.error > span, .refusal")
    sentence.first.wait_for()
    words = sentence.first.inner_text().strip()
    assert words.endswith(".")
    assert len(words) < 200
    assert "Error" not in words
    assert "{" not in words
    assert page.get_by_role("textbox", name="Prompt").input_value() == "a red kite"
    errors[:] = [error for error in errors if "400" not in error]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_is_used_right_side_up(
    server: ServerHarness, sign_in: SignIn, tmp_path: Path, name: str
) -> None:
    page = sign_in()
    drop(page, write(name, tmp_path))
    page.get_by_text(f"{name} is the footage now.").first.wait_for()
    page.get_by_role("textbox", name="Prompt").fill("a red balloon rises over the hills")
    page.get_by_role("slider", name="New seconds").press("Home")
    while page.get_by_role("button", name="One take less").is_enabled():
        page.get_by_role("button", name="One take less").press("Enter")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Take 1:").wait_for()
    key = server.key(name)
    (made,) = ask(server, key, "GET", "videos?limit=1&order=desc")["data"]
    begin = decoded(server, key, wait_for_clip(server, key, made["id"]))[0].astype(int)
    turns = {"turned-90.mp4": 1, "turned-180.mov": 2}.get(name, 0)
    expected = np.rot90(pictures(1)[0], turns).astype(int)
    assert begin.shape == expected.shape
    # Colours of another screen are mapped to those of this one; everything else is only compressed.
    assert np.abs(begin - expected).mean() < (45 if name.startswith(("hlg", "pq")) else 12)


def test_a_video_dropped_on_a_clip_is_blended_with_it(
    server: ServerHarness, sign_in: SignIn, tmp_path: Path
) -> None:
    clip = make_clip(server, server.key("blend"))
    page = sign_in()
    page.goto(f"{server.origin}/#/clip/{clip}")
    page.get_by_role("toolbar", name="Make from this clip").wait_for()
    drop(page, write("turned-90.mp4", tmp_path))
    page.get_by_role("region", name="Blend").get_by_text("turned-90.mp4").first.wait_for()
    drop(page, write("photo.heic", tmp_path))
    page.locator(".toast.error > span, .operation .error").first.wait_for()
