"""Payments of projects: from the choice of a pack to its credit, and back after a refund or a dispute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.money.payments.provider import (
    Dispute,
    DisputeState,
    Notice,
    Order,
    PaymentState,
    Provider,
    Refund,
)
from hinode.money.sales import NotForSale, Pack
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import payment_events, payments

log = logging.getLogger(__name__)

DAY = 86_400.0


@dataclass(frozen=True)
class Payment:
    """A payment for a pack, with amounts in micro-units.

    Attributes:
        reference: the provider's id; None until a webhook names it.
        price: what is paid.
        credit: what the project gets; the part above the price is a present.
        days: for which the credit can be spent; None: for ever.
        credited_at: in seconds since 1970; None: it was not paid yet.
        refunded: of the price by all refunds that are booked, those that failed too; no more than the price.
    """

    id: str
    provider: str
    reference: str | None
    project_id: str
    pack_id: str
    price: int
    credit: int
    currency: str
    days: int | None
    created_at: float
    credited_at: float | None
    refunded: int

    @property
    def present_id(self) -> str:
        """The id of the credit above the price."""
        return f"{self.id}_present"

    @property
    def credit_ids(self) -> tuple[str, str]:
        """The ids of its credit: of the price, and of the part above it."""
        return self.id, self.present_id


class Outcome(StrEnum):
    """What a webhook caused."""

    BOOKED = "booked"
    KNOWN = "known"  # the same event came before
    IGNORED = "ignored"  # it is about something else


class Payments:
    """The payments of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float], provider: Provider | None) -> None:
        """`clock` gives seconds since 1970; without a provider nothing can be paid."""
        self._database = database
        self._clock = clock
        self._provider = provider

    @property
    def available(self) -> bool:
        """Whether packs can be paid."""
        return self._provider is not None

    def begin(
        self, project_id: str, pack: Pack, currency: str, success_url: str, cancel_url: str
    ) -> tuple[Payment, str]:
        """Begin the payment for a pack; returns it with the address where the payer goes on.

        Raises:
            NotForSale: there is no provider.
            ProviderError: the provider cannot be reached.
        """
        provider, now = self._need_provider(), self._clock()
        payment = Payment(
            id=ids.make("pay_", now),
            provider=provider.name,
            reference=None,
            project_id=project_id,
            pack_id=pack.id,
            price=pack.price_micro,
            credit=pack.credit_micro,
            currency=currency,
            days=pack.days,
            created_at=now,
            credited_at=None,
            refunded=0,
        )
        # Before the provider knows of it: its webhook may come before its answer.
        with self._database.write() as connection:
            connection.execute(payments.insert().values(vars(payment)))
        order = Order(payment.id, pack.name, payment.price, currency)
        return payment, provider.checkout(order, success_url, cancel_url)

    def receive(self, body: bytes, signature: str) -> Outcome:
        """Read a webhook, ask the provider for the state of its payment, and book what is new in it.

        The event is marked and the money is booked in one transaction.

        Raises:
            NotForSale: there is no provider.
            InvalidWebhook: it is not of the provider, or too old.
            ProviderError: the state is not to be had; the provider sends the webhook again.
        """
        provider, now = self._need_provider(), self._clock()
        notice = provider.read(body, signature, now)
        if notice.reference is None:
            return Outcome.IGNORED
        with self._database.read() as connection:
            if _is_known(connection, provider.name, notice):
                return Outcome.KNOWN
        state = provider.fetch(notice.reference)
        with self._database.write() as connection:
            payment = _find(connection, provider.name, state)
            if not _mark(connection, provider.name, notice, payment, now):
                return Outcome.KNOWN
            if payment is None:
                return Outcome.IGNORED
            book(connection, payment, state, now)
        return Outcome.BOOKED

    def find(self, project_id: str, payment_id: str) -> Payment | None:
        """A payment of a project."""
        query = sa.select(payments).where(payments.c.id == payment_id, payments.c.project_id == project_id)
        with self._database.read() as connection:
            row = first_row(connection, query)
        return None if row is None else from_row(Payment, row)

    def _need_provider(self) -> Provider:
        if self._provider is None:
            raise NotForSale("this server takes no payments", "ask its operator for credit")
        return self._provider


def book(connection: Connection, payment: Payment, state: PaymentState, now: float) -> None:
    """Book what a state has and the ledger has not; the row of the payment is locked.

    States may come in any order and again: a payment is credited once, and a refund and a dispute are booked
    once when their money goes and once when it comes back.
    """
    if payment.credited_at is None:
        if not state.paid:
            return
        if (state.paid, state.currency) != (payment.price, payment.currency):
            log.error("the payment %s has another amount than its pack, and is not credited", payment.id)
            return
        _credit(connection, payment, now)
        values = {"credited_at": now, "reference": state.reference}
        connection.execute(payments.update().where(payments.c.id == payment.id).values(values))
    _book_refunds(connection, payment, state.refunds, now)
    for dispute in state.disputes:
        _book_dispute(connection, payment, dispute, now)


def _credit(connection: Connection, payment: Payment, now: float) -> None:
    expires_at = None if payment.days is None else now + payment.days * DAY
    amounts = {payment.id: (payment.price, Kind.PAYMENTS)}
    if payment.credit > payment.price:
        amounts[payment.present_id] = (payment.credit - payment.price, Kind.GRANTS)
    for credit_id, (amount, source) in amounts.items():
        credit.add_credit(
            connection,
            credit_id,
            payment.project_id,
            amount,
            payment.currency,
            source,
            now,
            expires_at=expires_at,
        )


def _book_refunds(connection: Connection, payment: Payment, refunds: Sequence[Refund], now: float) -> None:
    # A refund is named by the sum up to it. That sum does not change, as the provider drops no refund. One
    # that failed is booked both ways, so that an older state of it that comes later books nothing.
    total = 0
    for refund in refunds:
        before, total = total, total + refund.amount
        name = f"refund_{total}"
        booked = any(credit.was_taken_back(connection, each, name) for each in payment.credit_ids)
        if total > payment.refunded and not booked:
            _take_back(connection, payment, name, before, total, now)
        if refund.failed:
            _give_again(connection, payment, name, now)
    if total > payment.refunded:
        query = payments.update().where(payments.c.id == payment.id)
        connection.execute(query.values(refunded=min(total, payment.price)))


def _book_dispute(connection: Connection, payment: Payment, dispute: Dispute, now: float) -> None:
    # One that was won is booked both ways, so that an older state of it that comes later books nothing.
    if not credit.was_taken_back(connection, payment.id, dispute.id):
        _take_back(connection, payment, dispute.id, 0, min(dispute.amount, payment.price), now)
    if dispute.state is DisputeState.WON:
        _give_again(connection, payment, dispute.id, now)


def _take_back(
    connection: Connection, payment: Payment, name: str, before: int, after: int, now: float
) -> None:
    """Take back the part of the price between two sums, and the same part of the present, as far as other
    refunds and disputes have left it. What was spent of it is a loss: the money has gone already."""
    present = payment.credit - payment.price
    parts = {
        payment.id: after - before,
        payment.present_id: present * after // payment.price - present * before // payment.price,
    }
    for credit_id, part in parts.items():
        amount = min(part, credit.amount_left(connection, credit_id))
        if amount > 0:
            credit.take_back(connection, credit_id, name, amount, now, disputed=True)


def _give_again(connection: Connection, payment: Payment, name: str, now: float) -> None:
    """Undo what was taken back under a name; once."""
    for credit_id in payment.credit_ids:
        if credit.was_taken_back(connection, credit_id, name):
            credit.give_again(connection, credit_id, name, now)


def _find(connection: Connection, provider: str, state: PaymentState) -> Payment | None:
    """The payment of a state, locked; None if it was not begun here."""
    if state.order_id is None or not ids.is_id(state.order_id):
        return None
    query = sa.select(payments).where(payments.c.id == state.order_id, payments.c.provider == provider)
    row = first_row(connection, query.with_for_update())
    if row is None:
        return None
    if row["reference"] not in (None, state.reference):
        log.error("%s says that it pays for %s, which another one paid", state.reference, state.order_id)
        return None
    return from_row(Payment, row)


def _is_known(connection: Connection, provider: str, notice: Notice) -> bool:
    same = sa.and_(payment_events.c.id == notice.id, payment_events.c.provider == provider)
    return connection.scalar(sa.select(payment_events.c.id).where(same)) is not None


def _mark(connection: Connection, provider: str, notice: Notice, payment: Payment | None, now: float) -> bool:
    """Write an event down; False if it is there already."""
    values = {
        "id": notice.id,
        "provider": provider,
        "kind": notice.kind[:64],
        "payment_id": None if payment is None else payment.id,
        "at": now,
    }
    query = insert_into(connection, payment_events).values(values).on_conflict_do_nothing()
    return connection.scalar(query.returning(payment_events.c.id)) is not None
