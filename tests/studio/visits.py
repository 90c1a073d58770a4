"""What people do in several tests: the first visit, and clips to work on."""

from __future__ import annotations

import io
import json
import re
import time
from contextlib import closing
from functools import partial
from typing import Any

import av
import httpx
import numpy as np
from playwright.sync_api import Page

from benchmarks.serving import ServerHarness
from hinode.clip import Frames
from hinode.money import budgets
from hinode.money.books.operator import OperatorBooks
from hinode.money.ledger import credit, holds
from hinode.money.ledger.accounts import Kind
from hinode.money.wallet import Wallet
from hinode.records.database import Database
from tests.studio.browser import wait_until
from tests.studio.keyboard import Keyboard

EXAMPLE = "A red balloon rises over the hills at dawn"
MAKING_MS = 180_000
PLAYS = "(video) => video.videoWidth > 0 && video.currentTime > 0.1"


def first_visit(page: Page) -> Keyboard:
    """From the page of a link to a clip that plays; the result has the keyboard on Create."""
    keyboard = Keyboard(page)
    keyboard.activate("button", "Open the studio")
    page.get_by_role("heading", name="Create", exact=True).wait_for()
    keyboard.activate("button", EXAMPLE)
    make_one_take(keyboard)
    wait_until_it_plays(page)
    return keyboard


def make_one_take(keyboard: Keyboard, length: str = "Length") -> None:
    """Make one take of a second on Create, whose prompt is written; `length` is the name of its slider."""
    if length == "Length":
        keyboard.choose("Shape", "1:1")  # the smallest
    keyboard.tab_to("slider", length)
    keyboard.press("Home")
    keyboard.tab_to("button", "One take less")
    while keyboard.page.get_by_role("button", name=re.compile(r"^Make \d+ takes")).count():
        keyboard.press("Enter")
    keyboard.activate("button", re.compile("^Make 1 take"))


def wait_until_it_plays(page: Page) -> None:
    """Wait until the video of the page shows pictures that go on."""
    video = page.get_by_label(re.compile("^Video: ")).first
    video.wait_for(timeout=MAKING_MS)
    wait_until(page, lambda: video.evaluate(PLAYS), "a video that plays")


BILLING = """
seller: {name: Dawn, address: "Light Street 1, Dover", tax_id: GB1}
tax: {name: VAT, rate: 20}
packs:
  - {id: small, name: Small, price: 10, credit: 10, days: 365}
  - {id: large, name: Large, price: 50, credit: 60}
"""


def fill_wallet(server: ServerHarness, project_id: str) -> None:
    """Packs for sale, and credit, a video that was paid for, a budget and an invoice of a project."""
    (server.home / "billing.yaml").write_text(BILLING)
    with closing(Database(f"sqlite:///{server.home / 'hinode.db'}")) as database:
        now = time.time()
        with database.write() as connection:
            add = partial(credit.add_credit, connection, project_id=project_id, currency="USD", now=now)
            add("pay_1", amount=25_000_000, source=Kind.PAYMENTS)
            add("gift_1", amount=5_000_000, source=Kind.GRANTS, expires_at=now + 86_400 * 30)
            holds.place(connection, "video_0", project_id, 7_500_000, "USD", now)
            holds.capture(connection, "video_0", 6_250_000, now)
            put = partial(budgets.put, connection, "budget_1", budgets.Scope.PROJECT, project_id)
            put(budgets.Period.MONTH, soft=20_000_000, hard=30_000_000, now=now)
        wallet = Wallet(database, time.time, OperatorBooks(database, server.home, time.time).sales, None)
        wallet.invoices.set_recipient(project_id, "Kite Films", "12 Hill Road\nDover", "GB2")
        wallet.invoices.create(project_id, wallet.period(None), wallet.sales)


def make_clip(server: ServerHarness, key: str, **fields: object) -> str:
    """A finished clip of the smallest size, and its id."""
    body = {"prompt": EXAMPLE, "size": "160x96", "seconds": "1", "profile": "draft", **fields}
    return wait_for_clip(server, key, server.submit(key, **body))


def wait_for_clip(server: ServerHarness, key: str, video_id: str) -> str:
    """Wait until a clip is finished, however busy the machine is, and return its id."""

    def is_final() -> bool:
        return server.video(key, video_id)["status"] not in ("queued", "in_progress")

    server.wait_for(is_final, MAKING_MS / 1000)
    video = server.video(key, video_id)
    assert video["status"] == "completed", video["error"]
    return video_id


def ask(server: ServerHarness, key: str, method: str, path: str, body: object = None) -> Any:
    """What the API answers to a request with a key, which it does not refuse."""
    status, content = server.request(method, f"/v1/{path}", key=key, body=body)
    assert status == 200, f"{method} {path} answers {status}: {content.decode(errors='replace')}"
    return json.loads(content)


def upload(server: ServerHarness, key: str, name: str, content: bytes, media_type: str) -> str:
    """The id of a file of a person."""
    files = {"file": (name, content, media_type)}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(
        f"{server.base_url}/files", files=files, data={"purpose": "user_data"}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def decoded(server: ServerHarness, key: str, video_id: str) -> Frames:
    """The frames of a clip's file."""
    status, content = server.request("GET", f"/v1/videos/{video_id}/content", key=key)
    assert status == 200
    with av.open(io.BytesIO(content)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
