"""Draw a small project with the native engine, and print the pages of the studio as pictures for the docs.

    python -m runs.studio_pages [FOLDER]

Every page in both themes at 1440, 768 and 360 pixels, in `docs/images/studio/` by default: `create.webp` is
the page at 1440 by day, `create-sizes.webp` the others beside one another.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serving import ServerHarness
from tests.api.routes.test_economics import COSTS
from tests.studio.browser import ARGUMENTS, find_browser
from tests.studio.visits import fill_wallet

FOLDER = Path(__file__).parents[1] / "docs/images/studio"
PROMPTS = (
    "a red balloon rises over the hills at dawn",
    "a blue train crosses the mountains at sunset",
    "a grey whale swims to the right under water",
    "an orange cat bounces through the city at night",
    "a yellow kite flies over the sea at noon",
    "a white owl flies left over the forest at night",
)
"""Of the clips, from the first to the last."""
SIZE, SECONDS = "640x360", 2
FPS = 24
WAIT_SECONDS = 600.0
OTHERS = (
    ("dark", 1440, 900),
    ("light", 768, 1024),
    ("dark", 768, 1024),
    ("light", 360, 800),
    ("dark", 360, 800),
)
"""Theme, width and height of the pictures that stand beside one another."""
SHEET_HEIGHT, GAP = 640, 12
BACKGROUND = (201, 190, 170)


def request(server: ServerHarness, key: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The JSON of an answer of the API."""
    status, content = server.request(method, f"/v1/{path}", key=key, body=body)
    if status != 200:
        raise RuntimeError(f"{method} {path} answered {status}: {content.decode()}")
    return dict(json.loads(content))


def prepare(server: ServerHarness) -> dict[str, str]:
    """Draw the clips, and make a storyboard, a character, a collection and posts; returns ids by name."""
    key = server.key("pages", "--scopes", "read,write,manage")
    common = {"size": SIZE, "seconds": str(SECONDS), "seed": 7, "model": "native/book"}
    videos = []
    for prompt in PROMPTS:
        video = request(server, key, "POST", "videos", {**common, "prompt": prompt})["id"]
        server.wait_for(lambda video=video: server.video(key, video)["status"] == "completed", WAIT_SECONDS)
        videos.append(video)
    body = {"prompt": "a red balloon rises over the hills at night"}
    remix = request(server, key, "POST", f"videos/{videos[0]}/remix", body)["id"]
    server.wait_for(lambda: server.video(key, remix)["status"] == "completed", WAIT_SECONDS)
    request(server, key, "PATCH", f"library/{videos[1]}", {"favourite": True, "tags": ["trailer"]})
    collection = request(server, key, "POST", "collections", {"name": "Harbour film"})["id"]
    request(server, key, "PATCH", f"library/{videos[2]}", {"collections": [collection]})
    request(server, key, "POST", "project", {"feed_enabled": True, "name": "Harbour film"})
    for video, caption in ((videos[1], "The evening train"), (videos[2], "Down there")):
        request(server, key, "POST", "feed", {"video_id": video, "caption": caption})
    words = {"name": "maya", "description": "an orange cat", "notes": "Of all the night scenes."}
    request(server, key, "POST", "characters", words)
    frames = SECONDS * FPS
    shots = [
        {
            "id": f"shot-{number}",
            "title": title,
            "prompt": PROMPTS[number],
            "frames": frames,
            "video_id": video,
        }
        for number, (title, video) in enumerate(
            zip(("Dawn", "The train", "The whale", "Night"), videos, strict=False)
        )
    ]
    shots[1]["transition"] = {"kind": "fade", "frames": 12}
    document = {"fps": str(FPS), "size": SIZE, "shots": shots}
    board = request(server, key, "POST", "storyboards", {"title": "From dawn to night", "document": document})
    for prompt in PROMPTS[:4]:  # of which the page of the queue shows those that are not finished
        request(server, key, "POST", "videos", {**common, "prompt": prompt, "seed": 8})
    # Refused, and to be reviewed.
    server.request("POST", "/v1/videos", key=key, body={"prompt": "graphic gore"})
    (server.home / "costs.yaml").write_text(COSTS)
    fill_wallet(server, request(server, key, "GET", "project")["id"])  # its budget wants a price from now on
    return {"clip": videos[1], "remix": remix, "first": videos[0], "board": board["id"], "key": key}


def pages(ids: dict[str, str]) -> dict[str, str]:
    """The address of each page, by the name of its picture."""
    return {
        "queue": "queue",
        "create": "create",
        "library": "library",
        "clip": f"clip/{ids['clip']}",
        "compare": f"compare?ids={ids['first']},{ids['remix']}",
        "storyboards": "storyboards",
        "storyboard": f"storyboard/{ids['board']}",
        "characters": "characters",
        "feed": "feed",
        "trust": "trust",
        "wallet": "wallet",
        "economics": "economics",
        "settings": "settings",
    }


def settle(page: Page) -> None:
    """Wait until the page has what it shows; a stream of events is open for ever."""
    page.wait_for_timeout(1500)
    page.wait_for_function("!document.querySelector('.loading, [aria-busy=true]')", timeout=120_000)
    page.wait_for_timeout(1000)
    page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))")


def picture(
    browser: Browser, state: Any, origin: str, address: str, look: tuple[str, int, int]
) -> Image.Image:
    """A page in one theme and size."""
    theme, width, height = look
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        storage_state=state,
    )
    page = context.new_page()
    page.goto(f"{origin}/#/{address}")
    page.get_by_role("heading", level=1).wait_for()
    if address == "create":
        page.get_by_role("button", name=PROMPTS[0]).or_(
            page.get_by_text(PROMPTS[0], exact=False)
        ).first.click()
    settle(page)
    data = page.screenshot()
    context.close()
    return Image.open(io.BytesIO(data)).convert("RGB")


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Pictures beside one another, equally high."""
    small = [
        image.resize(
            (round(image.width * SHEET_HEIGHT / image.height), SHEET_HEIGHT), Image.Resampling.LANCZOS
        )
        for image in pictures
    ]
    width = sum(image.width for image in small) + GAP * (len(small) + 1)
    result = Image.new("RGB", (width, SHEET_HEIGHT + 2 * GAP), BACKGROUND)
    left = GAP
    for image in small:
        result.paste(image, (left, GAP))
        left += image.width + GAP
    return result


def main(folder: Path = FOLDER) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        ServerHarness(Path(home), environment={"HINODE_MODELS": ""}) as server,
    ):
        ids = prepare(server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
            page = browser.new_page()
            page.goto(server.command("link").strip().split()[-1])
            page.get_by_role("button", name="Open the studio").click()
            page.get_by_role("heading", name="Create").wait_for()
            state = page.context.storage_state()
            for name, address in pages(ids).items():
                shots = [
                    picture(browser, state, server.origin, address, look)
                    for look in (("light", 1440, 900), *OTHERS)
                ]
                shots[0].save(folder / f"{name}.webp", quality=82, method=6)
                sheet(shots[1:]).save(folder / f"{name}-sizes.webp", quality=78, method=6)
                print(f"{name}: {address}", flush=True)
            browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
