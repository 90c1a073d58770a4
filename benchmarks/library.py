"""A library of thousands of clips in a real Chromium: time to the first clips, and memory while scrolling.

A home is filled with rows of finished videos that share the files of one. The page then opens the library,
jumps to its end as by the scrollbar, and scrolls through all of it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Page, sync_playwright

from benchmarks.serving import ServerHarness
from hinode.jobs.library import rows
from hinode.records.database import Database
from hinode.records.tables import artifacts, jobs

MAX_MILLISECONDS = 300
MAX_GROWTH = 1.5
CHUNK = 500
SUBJECTS = ("kite", "boat", "balloon", "rocket", "train", "bird", "fish", "star")
PLACES = ("over the sea", "in the snow", "over green hills", "above the city", "in the desert")
LIGHTS = ("at dawn", "at noon", "at sunset", "at night", "in the rain", "in the fog")

WATCH = """
window.firstClips = new Promise((done) => {
  const watch = () => {
    const cells = [...document.querySelectorAll('.virtual-grid .cell img')]
      .filter((image) => image.getBoundingClientRect().top < innerHeight);
    const answers = performance.getEntriesByType('resource');
    const answer = answers.find((entry) => /v1\\/library\\?/.test(entry.name));
    if (!cells.length || !answer) return requestAnimationFrame(watch);
    window.cellsAt ??= performance.now() - answer.responseEnd;
    if (!cells.every((image) => image.complete && image.naturalWidth)) return requestAnimationFrame(watch);
    requestAnimationFrame(() => setTimeout(() => done(
      { cards: window.cellsAt, pictures: performance.now() - answer.responseEnd, cells: cells.length })));
  };
  watch();
});
"""


def fill(database: Database, template: str, count: int) -> None:
    """Add `count` finished videos that have the files of video `template`, one each minute before now."""
    source = random.Random(1)
    with database.read() as connection:
        row = dict(connection.execute(sa.select(jobs).where(jobs.c.id == template)).mappings().one())
        query = sa.select(artifacts).where(artifacts.c.job_id == template)
        files = [dict(entry) for entry in connection.execute(query).mappings()]
    now = time.time()
    for start in range(0, count, CHUNK):
        made, kept = [], []
        for number in range(start, min(count, start + CHUNK)):
            at = now - 60.0 * (count - number)
            prompt = " ".join(source.choice(words) for words in (SUBJECTS, PLACES, LIGHTS))
            name = f"video_{int(at * 1000):012x}{source.getrandbits(80):020x}"
            request = {**row["request"], "prompt": f"A {prompt}", "seed": number}
            times = dict.fromkeys(("created_at", "queued_at", "started_at", "completed_at"), at)
            facts = {"id": name, "request": request, "expires_at": None}
            values = {**row, **facts, **times}
            made.append({column.key: values[column.name] for column in jobs.columns})
            kept += [{**entry, "job_id": name} for entry in files]
        with database.write() as connection:
            connection.execute(jobs.insert(), made)
            connection.execute(artifacts.insert(), kept)
            rows.ensure(connection, [entry["id"] for entry in made], now)


def heap(page: Page) -> float:
    """Used bytes of the page's JavaScript heap after a collection, in MB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 1e6


def measure(page: Page, count: int) -> dict[str, Any]:
    """Open the library that `page` is signed in to, jump, and scroll through `count` clips."""
    page.add_init_script(WATCH)
    page.goto(page.url.split("#")[0] + "#/library")
    page.reload()
    first = page.evaluate("firstClips")
    page.wait_for_timeout(500)
    nodes, before = page.evaluate("document.querySelectorAll('*').length"), heap(page)
    start = time.monotonic()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.locator(f'[data-index="{count - 1}"] img').wait_for()
    jump = time.monotonic() - start
    page.evaluate("scrollTo(0, 0)")
    most, growth = nodes, []
    height = page.evaluate("document.documentElement.scrollHeight")
    step = 1600
    for top in range(0, height, step):
        page.evaluate("top => scrollTo(0, top)", top)
        page.wait_for_timeout(30)
        if (top // step) % 40 == 0:
            most = max(most, page.evaluate("document.querySelectorAll('*').length"))
            growth.append(round(heap(page), 1))
    page.wait_for_timeout(800)
    after = heap(page)
    return {
        "clips": count,
        "cards_ms": round(first["cards"], 1),
        "pictures_ms": round(first["pictures"], 1),
        "jump_to_end_ms": round(jump * 1000),
        "elements_before": nodes,
        "elements_most": most,
        "heap_mb_before": round(before, 1),
        "heap_mb_after": round(after, 1),
        "heap_mb_during": growth,
        "passed": first["pictures"] <= MAX_MILLISECONDS and after <= before * MAX_GROWTH + 5,
    }


def main(words: list[str]) -> None:
    """Run the benchmark with command-line words."""
    parser = argparse.ArgumentParser(prog="benchmarks library", description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder, ServerHarness(Path(folder)) as server:
        key = server.key("library")
        video = server.submit(key, size="320x180")
        server.finished_video(key, video)
        database = Database(f"sqlite:///{folder}/hinode.db")
        fill(database, video, options.clips - 1)
        database.close()
        link = server.command("link").strip().split()[-1]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(link)
            page.get_by_role("button", name="Open the studio").click()
            page.get_by_role("heading", name="Create").wait_for()
            result = measure(page, options.clips)
            browser.close()
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<18} {value}")
