"""The page where everybody checks a file, and the provenance of a clip, in a real browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.serving import ServerHarness
from tests.studio.browser import violations
from tests.studio.conftest import SignIn
from tests.studio.keyboard import Keyboard
from tests.studio.visits import ask, make_clip
from tests.trust.verification.signing import Studio, find_box, flip, video

pytestmark = pytest.mark.slow

ATTACK = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, studio: Studio) -> Iterator[ServerHarness]:
    """A server that trusts the studio of the tests."""
    home = tmp_path_factory.mktemp("verify")
    anchors = home / "anchors.pem"
    anchors.write_text(studio.anchors)
    with ServerHarness(
        home, environment={"HINODE_MODELS": "", "HINODE_VERIFY_ANCHORS": str(anchors)}
    ) as server:
        yield server


@pytest.fixture
def page(server: ServerHarness, context: BrowserContext) -> Page:
    """The page as a stranger sees it."""
    page = context.new_page()
    page.goto(f"{server.origin}/verify")
    page.get_by_role("heading", name="Where is this clip from?").wait_for()
    return page


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, studio: Studio) -> Path:
    """A signed clip, one that was changed, one that was made from that, and one in no container."""
    folder = tmp_path_factory.mktemp("files")
    signed = studio.sign(video(folder / "plain.mp4"))
    changed = flip(signed, find_box(signed, b"mdat") + 40)
    (folder / "signed.mp4").write_bytes(signed)
    (folder / "changed.mp4").write_bytes(changed)
    (folder / "remix.mp4").write_bytes(studio.sign(video(folder / "other.mp4", 20), parent=changed))
    webm = bytes.fromhex("1a45dfa3") + bytes(900)
    (folder / "clip.webm").write_bytes(webm)
    manifest = studio.sign(webm, media_type="application/octet-stream", embed=False)
    (folder / "clip.webm.c2pa").write_bytes(manifest)
    (folder / f"{ATTACK.replace('/', '')}.mp4").write_bytes(b"nothing")
    return folder


def choose(page: Page, *paths: Path) -> None:
    page.get_by_label("Choose a file").set_input_files([str(path) for path in paths])


def test_a_file_is_chosen_by_the_keyboard_and_told_as_a_tree(page: Page, files: Path) -> None:
    keyboard = Keyboard(page)
    keyboard.tab_to("button", "Choose a file")
    with page.expect_file_chooser() as chooser:
        keyboard.press("Space")
    chooser.value.set_files(str(files / "remix.mp4"))
    heading = page.get_by_role("heading", name="remix.mp4")
    expect(heading).to_be_focused()
    expect(
        page.get_by_text("Signed by Studio One (Studio of the tests), and not changed since.")
    ).to_be_visible()
    below = page.get_by_role("list", name="What it was made from: kite.mp4")
    parent = below.get_by_role("article")
    expect(parent).to_contain_text("parent.mp4")
    expect(parent).to_contain_text("Changed after signing")
    expect(parent).to_contain_text("The pictures, the sound or their container were changed after signing")
    keyboard.activate("button", "Check another file")
    page.get_by_text("Or the address of a file").wait_for()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_usable_by_all_at_each_width(page: Page, files: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    found = violations(page)
    choose(page, files / "remix.mp4")
    page.get_by_role("heading", name="remix.mp4").wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        found += violations(page)
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_dropped_file_is_checked_with_its_record(page: Page, files: Path) -> None:
    data = {
        name: base64.b64encode((files / name).read_bytes()).decode()
        for name in ("clip.webm", "clip.webm.c2pa")
    }
    page.evaluate(
        """files => {
          const transfer = new DataTransfer();
          for (const [name, text] of Object.entries(files)) {
            transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
          }
          const more = { dataTransfer: transfer, bubbles: true, cancelable: true };
          for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, more));
          }
        }""",
        data,
    )
    page.get_by_role("heading", name="clip.webm").wait_for()
    expect(page.locator(".answer")).to_contain_text("Trusted signature")


def test_what_was_changed_and_what_is_refused_is_said(page: Page, files: Path, errors: list[str]) -> None:
    choose(page, files / "changed.mp4")
    page.get_by_role("heading", name="changed.mp4").wait_for()
    expect(page.locator(".answer")).to_contain_text("Do not trust it")
    page.get_by_role("button", name="Check another file").click()
    choose(page, files / "clip.webm.c2pa")
    expect(page.get_by_role("alert").filter(has_text="This is a record only")).to_be_visible()
    page.get_by_label("Or the address of a file").fill("http://127.0.0.1/clip.mp4")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="not public")).to_be_visible()
    # The browser itself writes the status 400 to the console.
    assert all("400" in error for error in errors)
    errors.clear()


def test_names_of_files_are_texts(page: Page, files: Path) -> None:
    choose(page, next(path for path in files.iterdir() if "onerror" in path.name))
    page.get_by_role("heading", name="onerror").wait_for()
    expect(page.locator(".answer")).to_contain_text("Cannot be checked")
    assert page.title() == "Where is this clip from? – Hinode"


def test_a_clip_with_the_record_of_another_is_recognised(
    server: ServerHarness, page: Page, files: Path, studio: Studio
) -> None:
    key = server.key("laundering", "--scopes", "read,write")
    status, content = server.request("GET", f"/v1/videos/{make_clip(server, key)}/content", key=key)
    assert status == 200
    (files / "laundered.mp4").write_bytes(studio.sign(content))
    choose(page, files / "laundered.mp4")
    page.get_by_role("heading", name="laundered.mp4").wait_for()
    expect(page.locator(".answer")).to_contain_text("Changed after signing")
    expect(page.locator(".answer")).to_contain_text("this clip was made here as urn:c2pa:")
    expect(page.locator(".provenance-tree")).to_contain_text("Of a clip that this server made on")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_clip_shows_its_provenance(server: ServerHarness, sign_in: SignIn) -> None:
    key = server.key("provenance", "--scopes", "read,write")
    clip = make_clip(server, key)
    report = ask(server, key, "GET", f"videos/{clip}/provenance", None)
    page = sign_in()
    page.goto(f"{server.origin}/#/clip/{clip}")
    panel = page.get_by_role("region", name="Provenance")
    expect(panel).to_contain_text(report["text"])
    panel.get_by_role("button", name="Show all of it").press("Enter")
    dialog = page.get_by_role("dialog", name="Provenance")
    expect(dialog).to_contain_text(report["sha256"])
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(panel.get_by_role("button", name="Show all of it")).to_be_focused()
