"""What Stripe sends and answers, as recorded, shortened to the fields that matter and some that do not."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hinode.outbound import Answer, OutboundError

INTENT, CHARGE, DISPUTE = "pi_3Q9sTk2eZvKYlo2C1", "ch_3Q9sTk2eZvKYlo2C1", "dp_1Q9sZw2eZvKYlo2C"
SECRET = "whsec_5f2c8d1b7a9e4c3d"

REFUND = {
    "id": "re_3Q9sTk2eZvKYlo2C1",
    "object": "refund",
    "amount": 500,
    "balance_transaction": "txn_3Q9sTk2eZvKYlo2C1",
    "charge": CHARGE,
    "created": 1_800_000_000,
    "currency": "usd",
    "failure_balance_transaction": "txn_3Q9sTk2eZvKYlo2C2",
    "failure_reason": "expired_or_canceled_card",
    "metadata": {},
    "payment_intent": INTENT,
    "reason": None,
    "status": "failed",
}
"""As Stripe sent it after a bank had refused a refund, with other ids."""

CONTENTS: dict[str, dict[str, Any]] = {
    "payment_intent.succeeded": {
        "id": INTENT,
        "object": "payment_intent",
        "amount": 2000,
        "status": "succeeded",
    },
    "payment_intent.payment_failed": {"id": INTENT, "object": "payment_intent", "amount": 2000},
    "checkout.session.completed": {
        "id": "cs_test_a1b2",
        "object": "checkout.session",
        "mode": "payment",
        "payment_intent": INTENT,
        "payment_status": "paid",
    },
    "charge.refunded": {"id": CHARGE, "object": "charge", "payment_intent": INTENT, "amount_refunded": 500},
    "charge.refund.updated": REFUND,
    "refund.created": REFUND,
    "refund.updated": REFUND,
    "refund.failed": REFUND,
    "charge.dispute.created": {
        "id": DISPUTE,
        "object": "dispute",
        "charge": CHARGE,
        "payment_intent": INTENT,
    },
    "charge.dispute.closed": {"id": DISPUTE, "object": "dispute", "charge": CHARGE, "payment_intent": INTENT},
    "customer.created": {"id": "cus_Q1", "object": "customer"},
}


def event(kind: str, number: int) -> bytes:
    """The body of a webhook."""
    values = {
        "id": f"evt_1Q9sTk2eZvKYlo2C{number}",
        "object": "event",
        "api_version": "2024-06-20",
        "created": 1_800_000_000,
        "data": {"object": CONTENTS[kind]},
        "livemode": False,
        "pending_webhooks": 1,
        "type": kind,
    }
    return json.dumps(values, indent=2).encode()


def sign(body: bytes, at: float, secret: str = SECRET) -> str:
    """The header of a webhook that Stripe signs at a time."""
    digest = hmac.new(secret.encode(), f"{int(at)}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={int(at)},v1={digest},v0=0000"


class Account:
    """A Stripe account with one payment, as its API answers; in place of the client of the network."""

    def __init__(self) -> None:
        self.status = "processing"
        self.amount = 2000
        self.refunds: list[dict[str, Any]] = []
        self.order_id: str | None = None
        self.disputes: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.sent: list[bytes] = []
        self.down = False

    def refund(self, amount: int, status: str = "succeeded") -> None:
        """Refund a part of the payment."""
        number = len(self.refunds)
        values = {"id": f"re_3Q9sTk2eZvKYlo2C{number}", "object": "refund", "payment_intent": INTENT}
        self.refunds.insert(0, {**values, "amount": amount, "created": 1_800_000_000, "status": status})

    def dispute(self, status: str, amount: int = 2000) -> None:
        """Have the payment disputed."""
        self.disputes = [{"id": DISPUTE, "object": "dispute", "amount": amount, "status": status}]

    def fetch(self, url: str, into: Callable[[bytes], object], **options: Any) -> None:
        assert options["headers"]["Authorization"] == "Bearer sk_test_51"
        self.asked.append(url)
        if self.down:
            raise OutboundError("the server of the URL answered 500", "try again")
        if "/disputes?" in url:
            into(json.dumps({"object": "list", "data": self.disputes, "has_more": False}).encode())
            return
        if "/refunds?" in url:
            into(json.dumps(self._page(url)).encode())
            return
        charge = {"id": CHARGE, "amount_refunded": 0, "disputed": bool(self.disputes)}
        answer = {
            "id": INTENT,
            "object": "payment_intent",
            "amount_received": self.amount if self.status == "succeeded" else 0,
            "currency": "usd",
            "latest_charge": charge if self.status == "succeeded" else None,
            "metadata": {"hinode_payment": self.order_id} if self.order_id else {},
            "status": self.status,
        }
        into(json.dumps(answer).encode())

    def _page(self, url: str) -> dict[str, Any]:
        """A page of the refunds, of two at most."""
        last = parse_qs(urlsplit(url).query).get("starting_after", [""])[0]
        place = next((index + 1 for index, entry in enumerate(self.refunds) if entry["id"] == last), 0)
        rest = self.refunds[place:]
        return {"object": "list", "url": "/v1/refunds", "has_more": len(rest) > 2, "data": rest[:2]}

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        into: Callable[[bytes], object],
        max_bytes: int,
    ) -> Answer:
        self.sent.append(body)
        into(
            json.dumps(
                {"id": "cs_test_a1b2", "url": "https://checkout.stripe.com/c/pay/cs_test_a1b2"}
            ).encode()
        )
        return Answer(200, {})
