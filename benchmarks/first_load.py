"""How long the studio's first page takes until it can be used, beside an empty page of the same server.

Both are loaded without a cache in a browser that is signed in, in turn, while one job runs. The median of
each and their ratio are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving import ServerHarness

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EMPTY = "/icon.svg"
BAR = 3.0


def seconds_until(browser: Browser, state: object, address: str, ready: str) -> float:
    """Seconds from the request of a page to the moment at which an element of it is there."""
    context = browser.new_context(storage_state=state)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("about:blank")
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(ready).first.wait_for()
    taken = time.perf_counter() - begun
    context.close()
    return taken


def measure(count: int) -> dict[str, float]:
    """Median seconds of both pages over `count` loads of each, and their ratio."""
    from playwright.sync_api import sync_playwright

    from tests.studio.browser import ARGUMENTS, find_browser

    with tempfile.TemporaryDirectory(prefix="hinode-") as folder, sync_playwright() as playwright:
        server = ServerHarness(Path(folder), environment={"HINODE_MODELS": ""})
        with server:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
            context = browser.new_context()
            page = context.new_page()
            page.goto(server.command("link").strip().split()[-1])
            page.get_by_role("button", name="Open the studio").press("Enter")
            page.get_by_role("textbox", name="Prompt").wait_for()
            state = context.storage_state()
            context.close()
            key = server.key("load")
            job = server.submit(key, prompt="a red kite", seconds="20", size="640x360", profile="best")
            server.wait_for(lambda: server.video(key, job)["status"] == "in_progress")
            studio, empty = [], []
            for _ in range(count):
                empty.append(seconds_until(browser, state, server.origin + EMPTY, "svg"))
                studio.append(seconds_until(browser, state, f"{server.origin}/#/create", "#prompt"))
            browser.close()
    first, second = statistics.median(studio), statistics.median(empty)
    return {"studio_seconds": first, "empty_seconds": second, "ratio": first / second, "bar": BAR}


def main(words: list[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="benchmarks first-load", description=__doc__)
    parser.add_argument("--count", type=int, default=7, help="loads of each page")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    result = measure(options.count)
    if options.json:
        print(json.dumps(result))
        return
    print(f"studio     {result['studio_seconds']:.3f} s until the prompt can be written")
    print(f"empty page {result['empty_seconds']:.3f} s")
    print(f"ratio      {result['ratio']:.1f} (bar {BAR:g})")
