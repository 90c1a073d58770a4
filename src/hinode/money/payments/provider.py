"""What a payment provider does. Amounts are in micro-units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hinode.errors import BadInput, HinodeError


class ProviderError(HinodeError):
    """The payment provider cannot be reached, or answers something that cannot be read."""

    code = "payment_provider"


class InvalidWebhook(BadInput):
    """A webhook that is not of the provider, or too old."""

    code = "invalid_signature"


@dataclass(frozen=True)
class Order:
    """What somebody is about to pay for.

    Attributes:
        id: of the payment here, pay_…; the provider returns it with the state of the payment.
        name: of the pack.
    """

    id: str
    name: str
    price: int
    currency: str


@dataclass(frozen=True)
class Notice:
    """A webhook of the provider: it says that something changed, and not what is true now.

    Attributes:
        reference: the provider's id of the payment; None if it is about something else.
    """

    id: str
    kind: str
    reference: str | None


class DisputeState(StrEnum):
    """Where the money of a dispute is: with the payer's bank, or with the operator again."""

    TAKEN = "taken"
    WON = "won"


@dataclass(frozen=True)
class Dispute:
    """A payer who asks the bank for the money back."""

    id: str
    amount: int
    state: DisputeState


@dataclass(frozen=True)
class Refund:
    """Money that goes back to the payer.

    Attributes:
        failed: whether it came back to the operator, because the payer's bank did not take it.
    """

    amount: int
    failed: bool


@dataclass(frozen=True)
class PaymentState:
    """A payment as the provider has it now.

    Attributes:
        order_id: the payment here; None if it was not begun here.
        paid: what came in; 0 until the payment succeeded.
        refunds: all that there ever were, the oldest first.
    """

    reference: str
    order_id: str | None
    paid: int
    currency: str
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]


class Provider(Protocol):
    """A payment provider."""

    name: str

    def checkout(self, order: Order, success_url: str, cancel_url: str) -> str:
        """Begin a payment, and return the address of the page where it is made; raises ProviderError."""

    def read(self, body: bytes, signature: str, now: float) -> Notice:
        """Read a webhook; `now` is in seconds since 1970. Raises InvalidWebhook."""

    def fetch(self, reference: str) -> PaymentState:
        """Ask for the present state of a payment; raises ProviderError."""
