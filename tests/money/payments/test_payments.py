"""Payments through Stripe: recorded webhooks, again, in any order, forged and old."""

from __future__ import annotations

import random
from typing import cast
from urllib.parse import parse_qs

import pytest

from hinode.money.ledger import holds
from hinode.money.ledger.accounts import Kind, balance, lots, operator_account
from hinode.money.ledger.audit import audit
from hinode.money.payments.payments import Outcome, Payments
from hinode.money.payments.provider import InvalidWebhook, ProviderError
from hinode.money.payments.stripe import Stripe
from hinode.money.sales import Pack
from hinode.outbound import Outbound
from hinode.records.database import Database
from tests.money.payments.stripe_shapes import INTENT, SECRET, Account, event, sign

NOW = 1_800_000_000.0
DOLLAR = 1_000_000
PACK = Pack(id="large", name="Large", price=20, credit=25, days=365)


class Desk:
    """A server that sells a pack, and the Stripe account that it is paid through."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.account = Account()
        stripe = Stripe(cast(Outbound, self.account), "sk_test_51", ("whsec_old00000", SECRET))
        self.payments = Payments(database, lambda: NOW, stripe)
        self.payment, self.url = self.payments.begin(
            "proj_1", PACK, "USD", "https://a/#/wallet", "https://a/"
        )
        self.account.order_id = self.payment.id
        self.numbers = iter(range(1, 100))

    def send(self, kind: str, number: int | None = None) -> Outcome:
        body = event(kind, number or next(self.numbers))
        return self.payments.receive(body, sign(body, NOW))

    def available(self) -> int:
        with self.database.read() as connection:
            report = audit(connection)
            assert report.sound, report.findings
            return sum(lot.available for lot in lots(connection, "proj_1"))

    def balance(self, kind: Kind) -> int:
        with self.database.read() as connection:
            return balance(connection, operator_account(kind, "USD"))

    def spend(self, amount: int) -> None:
        with self.database.write() as connection:
            holds.place(connection, "video_1", "proj_1", amount, "USD", NOW)
            holds.capture(connection, "video_1", amount, NOW)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.mark.both_databases
def test_a_payment_is_credited_once_and_each_refund_and_dispute_is_booked_once(desk: Desk) -> None:
    assert desk.url.startswith("https://checkout.stripe.com/")
    sent = parse_qs(desk.account.sent[0].decode())
    assert sent["line_items[0][price_data][unit_amount]"] == ["2000"]
    assert sent["payment_intent_data[metadata][hinode_payment]"] == [desk.payment.id]
    assert desk.send("payment_intent.payment_failed") is Outcome.BOOKED
    assert desk.available() == 0  # it has not succeeded, whatever a webhook says
    desk.account.status = "succeeded"
    assert desk.send("checkout.session.completed", 50) is Outcome.BOOKED
    assert desk.send("payment_intent.succeeded") is Outcome.BOOKED
    assert desk.send("checkout.session.completed", 50) is Outcome.KNOWN
    assert desk.available() == 25 * DOLLAR
    assert desk.balance(Kind.PAYMENTS) == -20 * DOLLAR
    assert desk.balance(Kind.GRANTS) == -5 * DOLLAR
    desk.account.refund(500)
    for _ in range(2):
        desk.send("charge.refunded")
    assert desk.available() == 25 * DOLLAR - 6_250_000
    desk.spend(10 * DOLLAR)
    desk.account.dispute("needs_response")
    for _ in range(2):  # all that is left goes; what was spent is a loss
        desk.send("charge.dispute.created")
    assert desk.available() == 0
    assert desk.balance(Kind.PAYMENTS) == 0
    assert desk.balance(Kind.LOSSES) == -10 * DOLLAR
    desk.account.dispute("won")
    for _ in range(2):
        desk.send("charge.dispute.closed")
    assert desk.available() == 25 * DOLLAR - 6_250_000 - 10 * DOLLAR
    assert desk.balance(Kind.LOSSES) == 0
    desk.account.dispute("under_review")  # an answer that comes late
    desk.send("charge.dispute.created")
    desk.account.refund(1500)
    desk.send("charge.refunded")
    assert desk.available() == 0
    assert desk.balance(Kind.PAYMENTS) == 0
    found = desk.payments.find("proj_1", desk.payment.id)
    assert found is not None
    assert (found.reference, found.refunded) == (INTENT, 20 * DOLLAR)
    assert desk.payments.find("proj_2", desk.payment.id) is None


def test_webhooks_in_any_order_end_in_the_same_books(desk: Desk) -> None:
    # The last state is what counts: Stripe promises no order.
    kinds = [
        "payment_intent.succeeded",
        "checkout.session.completed",
        "charge.refunded",
        "charge.dispute.created",
    ]
    random.Random(7).shuffle(kinds)
    desk.account.status = "succeeded"
    desk.account.refund(500)
    desk.account.dispute("lost", 1500)
    for kind in kinds * 2:
        desk.send(kind)
    assert desk.available() == 0
    assert desk.balance(Kind.PAYMENTS) == 0


@pytest.mark.both_databases
def test_a_refund_that_failed_gives_its_credit_again_once(desk: Desk) -> None:
    desk.account.status = "succeeded"
    desk.send("payment_intent.succeeded")
    desk.account.refund(2000)
    desk.spend(5 * DOLLAR)
    assert desk.send("charge.refunded") is Outcome.BOOKED
    assert (desk.available(), desk.balance(Kind.LOSSES)) == (0, -5 * DOLLAR)
    desk.account.refunds[0]["status"] = "failed"
    for kind in ("refund.failed", "refund.updated", "charge.refund.updated", "charge.refunded"):
        assert desk.send(kind) is Outcome.BOOKED
        assert (desk.available(), desk.balance(Kind.LOSSES)) == (20 * DOLLAR, 0)
    desk.account.refunds[0]["status"] = "succeeded"  # an answer that comes late
    desk.send("refund.updated")
    assert desk.available() == 20 * DOLLAR
    desk.account.refunds[0]["status"] = "failed"
    desk.account.refund(500)
    desk.account.refund(1500, "pending")  # the operator tries again; the failed one is on another page
    for _ in range(2):
        desk.send("refund.created")
        assert (desk.available(), desk.balance(Kind.LOSSES)) == (0, -5 * DOLLAR)
    assert desk.balance(Kind.PAYMENTS) == 0
    desk.account.refunds[0]["status"] = "canceled"
    desk.send("refund.updated")
    assert desk.balance(Kind.PAYMENTS) == -15 * DOLLAR


@pytest.mark.parametrize("seen", [(), (0,), (1,), (0, 1), (0, 1, 2)])
def test_refunds_end_in_the_same_books_whatever_states_were_seen(desk: Desk, seen: tuple[int, ...]) -> None:
    desk.account.status = "succeeded"
    for step in range(3):
        if step == 1:
            desk.account.refunds[0]["status"] = "failed"
        else:
            desk.account.refund(1200)
        if step in seen:
            desk.send("refund.updated")
    desk.send("charge.refunded")
    assert (desk.available(), desk.balance(Kind.PAYMENTS)) == (10 * DOLLAR, -8 * DOLLAR)


def test_a_webhook_that_is_forged_old_or_about_something_else_books_nothing(desk: Desk) -> None:
    desk.account.status = "succeeded"
    body = event("payment_intent.succeeded", 1)
    for header, reason in (
        (sign(body, NOW, "whsec_forged"), "signature of the webhook is wrong"),
        (sign(body + b" ", NOW), "signature of the webhook is wrong"),
        (sign(body, NOW - 301), "more than 300 seconds ago"),
        (sign(body, NOW + 301), "more than 300 seconds ago"),
        ("", "missing or cannot be read"),
        ("t=x,v1=0", "missing or cannot be read"),
        (sign(body, NOW).replace("v1=", "v0="), "missing or cannot be read"),
    ):
        with pytest.raises(InvalidWebhook, match=reason):
            desk.payments.receive(body, header)
    for bad in (b"[]", b"{", b'{"type": "charge.x", "data": {"object": 1}, "id": "evt_1"}', b'{"id": 1}'):
        with pytest.raises(InvalidWebhook, match="no event"):
            desk.payments.receive(bad, sign(bad, NOW))
    assert desk.account.asked == []  # nothing unsigned makes a request
    assert desk.send("customer.created") is Outcome.IGNORED
    desk.account.down = True
    with pytest.raises(ProviderError, match="does not tell the state"):
        desk.send("payment_intent.succeeded", 3)
    desk.account.down, desk.account.order_id = False, "pay_of_another_shop"
    assert desk.send("payment_intent.succeeded", 4) is Outcome.IGNORED
    desk.account.order_id, desk.account.amount = desk.payment.id, 1
    assert desk.send("payment_intent.succeeded", 5) is Outcome.BOOKED  # but with another amount: not credited
    assert desk.available() == 0
    desk.account.amount = 2000
    assert desk.send("payment_intent.succeeded", 3) is Outcome.BOOKED  # again, after the failure
    assert desk.available() == 25 * DOLLAR
