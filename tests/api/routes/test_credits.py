"""The wallet of a project over HTTP: credit, packs, payments, promo codes, statements, invoices."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest

from hinode.errors import BadInput
from hinode.money import promotions
from hinode.money.books.operator import OperatorBooks
from hinode.money.invoices.period import month_of
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.money.payments.payments import Payments
from hinode.money.payments.stripe import Stripe
from hinode.outbound import Outbound
from tests.api.conftest import CheckError, Clock, Server
from tests.money.payments.stripe_shapes import SECRET, Account, event, sign

PRICES = """
version: 2026-11-01
prices:
  - name: testcard/testcard
    provider: us
    usd_per_second: {"360": 0.25}
    source: own price list
    mark: own
    date: 2026-11-01
"""

BILLING = """
seller: {name: Dawn, address: "Light Street 1, Dover", tax_id: GB1}
tax: {name: VAT, rate: 20}
packs:
  - {id: small, name: Small, price: 10, credit: 12.5, days: 365}
  - {id: large, name: Large, price: 20, credit: 20}
"""


@pytest.fixture
def server(server: Server) -> Server:
    """A project that pays for its clips."""
    (server.context.settings.home / "prices.yaml").write_text(PRICES)
    (server.context.settings.home / "billing.yaml").write_text(BILLING)
    server.context.tenants.change_project(server.project_id, billing=True)
    with server.context.store.database.write() as connection:
        credit.add_credit(
            connection, f"pay_{server.project_id}", server.project_id, 600_000, "USD", Kind.PAYMENTS, 1.0
        )
    return server


def test_a_clip_is_paid_for_from_the_credit(server: Server) -> None:
    before = server.client.get("/v1/credits").json()
    assert (before["billing"], before["available"], before["pending"]) == (True, 600_000, 0)
    server.create()
    waiting = server.client.get("/v1/credits").json()
    assert (waiting["available"], waiting["pending"]) == (350_000, 250_000)
    server.run_jobs()
    after = server.client.get("/v1/credits").json()
    assert (after["available"], after["pending"]) == (350_000, 0)
    assert [lot["available"] for lot in after["data"]] == [350_000]


def test_a_rush_costs_what_its_quote_says(server: Server) -> None:
    body = {"prompt": "a red kite", "size": "64x36", "seconds": 1, "priority": "rush"}
    quote = server.client.post("/v1/videos/quote", json=body).json()
    assert quote["price"] == 0.5
    other = {"prompt": "a red kite", "size": "64x36", "seconds": 1, "quote_id": quote["id"]}
    assert server.client.post("/v1/videos", json=other).json()["error"]["code"] == "quote_mismatch"
    video = server.create(**body, quote_id=quote["id"])
    assert video["priority"] == "rush"
    assert server.client.get("/v1/credits").json()["pending"] == 500_000
    server.run_jobs()
    usage = server.client.get(f"/v1/videos/{video['id']}").json()["usage"]
    assert (usage["price"], usage["charged"]) == (0.5, 0.5)


def test_a_request_without_credit_is_answered_402(server: Server) -> None:
    answer = server.client.post("/v1/videos", json={"prompt": "a red kite", "size": "64x36", "seconds": "4"})
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert error["code"] == "insufficient_credit"
    assert "lacks 0.40 USD of 1.00 USD" in error["message"]
    assert server.client.get("/v1/videos").json()["data"] == []


def test_a_size_without_a_price_is_refused(server: Server) -> None:
    answer = server.client.post(
        "/v1/videos", json={"prompt": "a red kite", "size": "1280x720", "seconds": "1"}
    )
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "missing_price"


def test_credit_that_expired_is_not_listed(server: Server) -> None:
    with server.context.store.database.write() as connection:
        credit.add_credit(
            connection,
            f"old_{server.project_id}",
            server.project_id,
            10,
            "USD",
            Kind.GRANTS,
            1.0,
            expires_at=time.time() - 60,
        )
    assert server.client.get("/v1/credits").json()["available"] == 600_000


@pytest.fixture
def account(server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A Stripe account, which the server takes payments through."""
    account = Account()
    stripe = Stripe(cast(Outbound, account), "sk_test_51", (SECRET,))
    payments = Payments(server.context.store.database, clock, stripe)
    monkeypatch.setattr(server.context.wallet, "payments", payments)
    return account


def test_a_pack_is_paid_billed_and_stands_in_the_statement(
    server: Server, account: Account, clock: Clock, check_error: CheckError
) -> None:
    client = server.client
    packs = client.get("/v1/credits/packs").json()
    assert packs["payable"]
    assert [(pack["id"], pack["price"], pack["credit"]) for pack in packs["data"]] == [
        ("small", 10_000_000, 12_500_000),
        ("large", 20_000_000, 20_000_000),
    ]
    begun = client.post("/v1/credits/checkout", json={"pack": "large"}).json()
    assert begun["url"].startswith("https://checkout.stripe.com/")
    assert b"success_url=http%3A%2F%2Ftestserver%2F%23%2Fwallet" in account.sent[0]
    check_error(client.post("/v1/credits/checkout", json={"pack": "huge"}), 400, "pack")
    account.order_id, account.status = begun["id"], "succeeded"
    body = event("checkout.session.completed", 1)
    for outcome in ("booked", "known"):
        headers = {"stripe-signature": sign(body, clock.now), "authorization": ""}
        answer = client.post("/payments/stripe", content=body, headers=headers)
        assert answer.json()["outcome"] == outcome
    error = check_error(
        client.post(
            "/payments/stripe", content=body, headers={"stripe-signature": sign(body, clock.now, "x")}
        ),
        400,
        "Stripe-Signature",
    )
    assert error["code"] == "invalid_signature"
    assert client.get("/v1/credits").json()["available"] == 20_600_000
    month = month_of(clock.now).name
    statement = client.get("/v1/credits/statement").json()
    assert (statement["month"], statement["closing"], len(statement["data"])) == (month, 20_600_000, 1)
    assert client.get(f"/v1/credits/statement?month={month}").json() == statement
    check_error(client.get("/v1/credits/statement?month=May"), 400, "month")
    pdf = client.get("/v1/credits/statement/content")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.headers["content-disposition"] == f'attachment; filename="statement-{month}.pdf"'
    assert client.get("/v1/invoices/recipient").json()["name"] == ""
    check_error(
        client.put("/v1/invoices/recipient", json={"name": "Kite", "address": "\n\n "}), 400, "address"
    )
    client.put("/v1/invoices/recipient", json={"name": "Kite", "address": "Hill\nDover", "tax_id": "GB2"})
    wallet = server.context.wallet
    [made] = wallet.invoices.create(server.project_id, wallet.period(None), wallet.sales)
    [listed] = client.get("/v1/invoices").json()["data"]
    assert (listed["id"], listed["gross"], listed["tax_rate"]) == (made.id, 20_600_000, "20")
    assert client.get(f"/v1/invoices/{made.id}").json() == listed
    page = client.get(f"/v1/invoices/{made.id}/content?format=html")
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "GB2" in page.text
    check_error(client.get(f"/v1/invoices/{made.id}", headers=server.other_project()), 404, "invoice_id")


def test_a_code_is_redeemed_once_and_guesses_are_limited(server: Server, check_error: CheckError) -> None:
    with server.context.store.database.write() as connection:
        made = promotions.create(connection, 5_000_000, "USD", time.time(), days=30)
    lot = server.client.post("/v1/credits/redeem", json={"code": made.id.lower()}).json()
    assert (lot["available"], lot["expires_at"] is None) == (5_000_000, False)
    answers = [server.client.post("/v1/credits/redeem", json={"code": made.id}) for _ in range(10)]
    assert check_error(answers[0], 400, "code")["code"] == "invalid_promo_code"
    assert answers[-1].status_code == 429
    assert server.client.get("/v1/credits").json()["available"] == 5_600_000


def test_without_a_provider_nothing_can_be_paid(server: Server, check_error: CheckError) -> None:
    client, file = server.client, server.context.settings.home / "billing.yaml"
    assert client.get("/v1/credits/packs").json()["payable"] is False
    error = check_error(client.post("/v1/credits/checkout", json={"pack": "small"}), 404)
    assert error["code"] == "not_for_sale"
    check_error(client.post("/payments/stripe", content=b"{}"), 404)
    file.write_text(BILLING.replace("rate: 20", "rate: 200"))
    error = check_error(client.get("/v1/credits/packs"), 500)
    assert (error["code"], str(file) in error["message"]) == ("billing_file", False)


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [
        ("price: 10,", "price: 10.005,", "whole cents"),
        ("credit: 12.5", "credit: 9", "less credit than it costs"),
        ("id: large", "id: small", "two packs 'small'"),
        ("rate: 20", "rate: 200", "give 100 at most"),
    ],
)
def test_a_file_of_packs_that_is_wrong_is_refused(
    tmp_path: Path, right: str, wrong: str, reason: str
) -> None:
    (tmp_path / "billing.yaml").write_text(BILLING.replace(right, wrong))
    with pytest.raises(BadInput, match=reason):
        OperatorBooks(None, tmp_path, time.time).sales.current()
