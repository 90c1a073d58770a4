"""Payments through Stripe: Checkout, webhooks, and the state of a PaymentIntent.

Source: docs.stripe.com, "Verify webhook signatures", "PaymentIntents", "Checkout Sessions", "Refunds",
"Disputes".
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from hinode.errors import BadInput
from hinode.money.amounts import MICRO
from hinode.money.payments.provider import (
    Dispute,
    DisputeState,
    InvalidWebhook,
    Notice,
    Order,
    PaymentState,
    ProviderError,
    Refund,
)
from hinode.outbound import Outbound, OutboundError

URL = "https://api.stripe.com/v1"
VERSION = "2024-06-20"
"""Of Stripe's API. Webhooks may come in another one: only ids are read from them."""
TOLERANCE_SECONDS = 300.0
MAX_ANSWER_BYTES = 1 << 20
PAGE = 100
HEADER = "Stripe-Signature"
ORDER = "hinode_payment"
"""The metadata with the id of the payment here."""

MINOR_UNITS = {"JPY": 1, "KRW": 1}
"""Units of Stripe's amounts in one of the currency; 100 in the others of `CURRENCIES`."""

_REFERENCE = re.compile(r"pi_[A-Za-z0-9_]{1,200}")
_EVENT = re.compile(r"evt_[A-Za-z0-9_]{1,200}")
# Whose money is with the bank. An inquiry (warning_…) takes none.
_DISPUTES = {
    "needs_response": DisputeState.TAKEN,
    "under_review": DisputeState.TAKEN,
    "lost": DisputeState.TAKEN,
    "won": DisputeState.WON,
}
_FAILED = ("failed", "canceled")
"""The states of a refund whose money is with the operator again; both are final."""


class Stripe:
    """A Stripe account."""

    name = "stripe"

    def __init__(self, outbound: Outbound, key: str, secrets: Sequence[str], url: str = URL) -> None:
        """
        Args:
            key: the secret key of the account.
            secrets: of the webhook endpoint; several while one is replaced.
            url: of Stripe's API.
        """
        self._outbound = outbound
        self._key = key
        self._secrets = secrets
        self._url = url

    def checkout(self, order: Order, success_url: str, cancel_url: str) -> str:
        """The address of a page of Stripe Checkout for an order."""
        line, metadata = "line_items[0]", f"[{ORDER}]"
        values = {
            "mode": "payment",
            "client_reference_id": order.id,
            "success_url": success_url,
            "cancel_url": cancel_url,
            f"{line}[quantity]": 1,
            f"{line}[price_data][currency]": order.currency.lower(),
            f"{line}[price_data][unit_amount]": minor(order.price, order.currency),
            f"{line}[price_data][product_data][name]": order.name,
            f"metadata{metadata}": order.id,
            f"payment_intent_data[metadata]{metadata}": order.id,
        }
        body: list[bytes] = []
        headers = self._headers() | {
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": order.id,
        }
        try:
            answer = self._outbound.post(
                f"{self._url}/checkout/sessions",
                urlencode(values).encode(),
                headers,
                into=body.append,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except OutboundError as error:
            raise ProviderError(f"Stripe made no checkout: {error.message}") from error
        if answer.status != 200:
            raise ProviderError(f"Stripe made no checkout and answered {answer.status}", "check its key")
        address = _object(b"".join(body)).get("url")
        if not isinstance(address, str):
            raise ProviderError("Stripe made a checkout without an address")
        return address

    def read(self, body: bytes, signature: str, now: float) -> Notice:
        """Read a webhook that Stripe signed at most five minutes ago."""
        self._check(body, signature, now)
        try:
            event = json.loads(body)
            kind, content = event["type"], event["data"]["object"]
            event_id, reference = event["id"], _reference(kind, content)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidWebhook("the body is no event of Stripe", field="body") from None
        if not (isinstance(event_id, str) and _EVENT.fullmatch(event_id)):
            raise InvalidWebhook("the event of Stripe has no id", field="id")
        return Notice(event_id, kind, reference)

    def fetch(self, reference: str) -> PaymentState:
        """The present state of a PaymentIntent."""
        if not _REFERENCE.fullmatch(reference):
            raise BadInput("this is no id of a PaymentIntent", "give pi_…", field="reference")
        intent = self._get(f"payment_intents/{reference}?expand[]=latest_charge")
        try:
            currency = str(intent["currency"]).upper()
            paid = intent["amount_received"] if intent["status"] == "succeeded" else 0
            charge = intent.get("latest_charge") or {}
            disputes = []
            if charge.get("disputed"):
                listed = self._list(f"disputes?payment_intent={reference}")
                disputes = [entry for entry in listed if entry["status"] in _DISPUTES]
            # Of refunds that failed the charge says nothing. The list has the newest first.
            refunds = list(self._list(f"refunds?payment_intent={reference}"))[::-1] if charge else []
            return PaymentState(
                reference,
                (intent.get("metadata") or {}).get(ORDER),
                micro(paid, currency),
                currency,
                [Refund(micro(entry["amount"], currency), entry["status"] in _FAILED) for entry in refunds],
                [
                    Dispute(entry["id"], micro(entry["amount"], currency), _DISPUTES[entry["status"]])
                    for entry in disputes
                ],
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ProviderError(f"Stripe's answer about {reference} lacks {error}") from error

    def _check(self, body: bytes, signature: str, now: float) -> None:
        """Raise InvalidWebhook unless the signature is right and new."""
        pairs = [part.strip().partition("=") for part in signature[:4000].split(",")]
        times = [value for name, _, value in pairs if name == "t"]
        signatures = [value for name, _, value in pairs if name == "v1"]
        if len(times) != 1 or not re.fullmatch("[0-9]{1,12}", times[0], re.ASCII) or not signatures:
            raise InvalidWebhook(f"the header {HEADER} is missing or cannot be read", field=HEADER)
        signed = times[0].encode() + b"." + body
        right = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in self._secrets]
        if not any(
            hmac.compare_digest(one.encode(), other.encode()) for one in signatures for other in right
        ):
            raise InvalidWebhook("the signature of the webhook is wrong", field=HEADER)
        if abs(now - int(times[0])) > TOLERANCE_SECONDS:
            message = f"the webhook was signed more than {TOLERANCE_SECONDS:g} seconds ago"
            raise InvalidWebhook(message, "send it again, and check both clocks", field=HEADER)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Stripe-Version": VERSION}

    def _list(self, path: str) -> Iterator[dict[str, Any]]:
        """All entries of a list, page by page."""
        page = self._get(f"{path}&limit={PAGE}")
        yield from page["data"]
        while page["has_more"]:
            page = self._get(f"{path}&limit={PAGE}&starting_after={quote(page['data'][-1]['id'])}")
            yield from page["data"]

    def _get(self, path: str) -> dict[str, Any]:
        body: list[bytes] = []
        try:
            self._outbound.fetch(
                f"{self._url}/{path}",
                body.append,
                max_bytes=MAX_ANSWER_BYTES,
                headers=self._headers(),
                field="payment",
            )
        except OutboundError as error:
            raise ProviderError(f"Stripe does not tell the state of a payment: {error.message}") from error
        return _object(b"".join(body))


def micro(amount: int, currency: str) -> int:
    """Micro-units of an amount of Stripe."""
    return amount * MICRO // MINOR_UNITS.get(currency, 100)


def minor(amount: int, currency: str) -> int:
    """An amount as Stripe writes it; raises BadInput if it has fractions of its smallest unit."""
    units, rest = divmod(amount * MINOR_UNITS.get(currency, 100), MICRO)
    if rest:
        message = f"the price has fractions of the smallest unit of {currency}"
        raise BadInput(message, "change it in billing.yaml", field="price")
    return units


def _reference(kind: str, content: Mapping[str, Any]) -> str | None:
    """The PaymentIntent that an event is about."""
    if kind.startswith("payment_intent."):
        reference = content["id"]
    elif kind.startswith(("charge.", "refund.", "checkout.session.")):
        reference = content.get("payment_intent")
    else:
        return None
    return reference if isinstance(reference, str) and _REFERENCE.fullmatch(reference) else None


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ProviderError("Stripe's answer is no JSON object")
    return value
