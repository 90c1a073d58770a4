"""The wallet by keyboard: a promo code, a pack that is paid, the statement, and the invoice."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from playwright.sync_api import expect

from benchmarks.serving import ServerHarness
from tests.api.routes.test_credits import PRICES
from tests.money.payments.stripe_shapes import SECRET, Account, event, sign
from tests.studio.browser import violations
from tests.studio.conftest import SignIn
from tests.studio.keyboard import Keyboard
from tests.studio.visits import BILLING

pytestmark = pytest.mark.slow


class Till(ThreadingHTTPServer):
    """Stands in for Stripe: its API, and the page on which people pay."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.account = Account()
        self.account.amount = 1000  # the price of the small pack, in cents
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.webhooks = self.success_url = ""

    def pay(self) -> None:
        """The payer pays: the payment succeeds, and a webhook says so."""
        self.account.status = "succeeded"
        body = event("checkout.session.completed", 1)
        answer = httpx.post(
            self.webhooks, content=body, headers={"stripe-signature": sign(body, time.time())}
        )
        assert answer.json()["outcome"] == "booked"


class _Handler(BaseHTTPRequestHandler):
    server: Till

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        values = {name: value[0] for name, value in parse_qs(body.decode()).items()}
        till = self.server
        till.account.order_id, till.success_url = values["client_reference_id"], values["success_url"]
        self._answer(json.dumps({"id": "cs_test_a1b2", "url": f"{till.address}/pay"}).encode())

    def do_GET(self) -> None:
        till = self.server
        if self.path.startswith("/v1/"):
            parts: list[bytes] = []
            till.account.fetch(self.path, parts.append, headers={"Authorization": "Bearer sk_test_51"})
            self._answer(b"".join(parts))
        elif self.path == "/done":
            till.pay()
            self.send_response(303)
            self.send_header("location", till.success_url)
            self.end_headers()
        else:
            page = b"<!doctype html><html lang=en><title>Till</title><a href=/done>Pay</a></html>"
            self._answer(page, "text/html")

    def _answer(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture(scope="module")
def till() -> Iterator[Till]:
    with Till() as till:
        thread = threading.Thread(target=till.serve_forever, daemon=True)
        thread.start()
        yield till
        till.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, till: Till) -> Iterator[ServerHarness]:
    """A server that sells packs of credit."""
    home: Path = tmp_path_factory.mktemp("wallet")
    (home / "billing.yaml").write_text(BILLING)
    (home / "prices.yaml").write_text(PRICES)
    environment = {
        "HINODE_MODELS": "",
        "HINODE_STRIPE_KEY": "sk_test_51abcdefgh",
        "HINODE_STRIPE_WEBHOOK_SECRETS": SECRET,
        "HINODE_STRIPE_URL": till.address,
        "HINODE_ALLOW_PRIVATE_URLS": "1",
    }
    with ServerHarness(home, environment=environment) as server:
        till.webhooks = f"{server.origin}/payments/stripe"
        server.command("projects", "set", "default", "--billing")
        server.command("promos", "create", "5", "--code", "WELCOME5")
        yield server


def test_the_wallet_by_keyboard(server: ServerHarness, sign_in: SignIn, tmp_path: Path) -> None:
    page = sign_in()
    keyboard = Keyboard(page)
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page.locator(".wallet-sum")).to_contain_text("$0.00")

    keyboard.write("Promo code", "welcome5")
    keyboard.press("Enter")
    expect(page.locator(".wallet-sum")).to_contain_text("$5.00")

    keyboard.tab_to("button", re.compile("^Buy Small"))
    page.keyboard.press("Enter")
    keyboard.tab_to("link", "Pay")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/wallet"))
    expect(page.locator(".wallet-sum")).to_contain_text("$15.00")
    statement = page.get_by_role("region", name="Entries of the statement")
    expect(statement.get_by_text("$15.00").first).to_be_visible()

    keyboard.write("Name", "Kite Films")
    keyboard.write("Address", "12 Hill Road")
    keyboard.activate("button", "Save")
    server.command("invoices", "create", "default")
    page.reload()
    with page.expect_download() as download:
        keyboard.tab_to("link", re.compile("^PDF of Invoice"))
        page.keyboard.press("Enter")
    path = tmp_path / "invoice.pdf"
    download.value.save_as(path)
    assert path.read_bytes().startswith(b"%PDF")
    assert violations(page) == []
