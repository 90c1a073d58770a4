"""What Stripe sends and answers, as recorded, shortened to the fields that matter and some that do not."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from hinode.outbound import Answer, OutboundError

INTENT, CHARGE, DISPUTE = "pi_3Q9sTk2eZvKYlo2C1", "ch_3Q9sTk2eZvKYlo2C1", "dp_1Q9sZw2eZvKYlo2C"
SECRET = "whsec_5f2c8d1b7a9e4c3d"

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
        self.amount, self.refunded = 2000, 0
        self.order_id: str | None = None
        self.disputes: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.sent: list[bytes] = []
        self.down = False

    def dispute(self, status: str, amount: int = 2000) -> None:
        """Have the payment disputed."""
        self.disputes = [{"id": DISPUTE, "object": "dispute", "amount": amount, "status": status}]

    def fetch(self, url: str, into: Callable[[bytes], object], **options: Any) -> None:
        assert options["headers"]["Authorization"] == "Bearer sk_test_51"
        self.asked.append(url)
        if self.down:
            raise OutboundError("the server of the URL answered 500", "try again")
        if "/disputes?" in url:
            into(json.dumps({"object": "list", "data": self.disputes}).encode())
            return
        charge = {"id": CHARGE, "amount_refunded": self.refunded, "disputed": bool(self.disputes)}
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
