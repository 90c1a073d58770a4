"""The wallet of projects: what they can buy, redeem, pay and look up."""

from __future__ import annotations

from collections.abc import Callable

from hinode.errors import BadInput
from hinode.money import promotions
from hinode.money.invoices import statement
from hinode.money.invoices.document import Document
from hinode.money.invoices.period import Period, month, month_of
from hinode.money.invoices.records import Invoices, sender
from hinode.money.invoices.statement import Statement
from hinode.money.ledger.accounts import Account, lot
from hinode.money.payments.payments import Payment, Payments
from hinode.money.payments.provider import Provider
from hinode.money.sales import Sales, SalesError
from hinode.records.database import Database
from hinode.trust.audit.texts import OperatorText


class Wallet:
    """The wallets of the projects of one database. Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        sales: OperatorText[Sales],
        provider: Provider | None,
    ) -> None:
        """
        Args:
            clock: gives seconds since 1970.
            sales: what is sold.
            provider: of payments; None: packs cannot be paid.
        """
        self._database = database
        self._clock = clock
        self._sales = sales
        self.payments = Payments(database, clock, provider)
        self.invoices = Invoices(database, clock)

    @property
    def sales(self) -> Sales:
        """What is sold, as the operator says now; raises SalesError if it is wrong."""
        try:
            return self._sales.current()
        except BadInput as error:
            raise SalesError(error.message, error.remedy) from error

    def redeem(self, project_id: str, code: str) -> Account:
        """Give a project the credit of a promo code, and return its lot; raises InvalidCode."""
        with self._database.write() as connection:
            return lot(connection, promotions.redeem(connection, code, project_id, self._clock()))

    def buy(self, project_id: str, pack_id: str, page: str) -> tuple[Payment, str]:
        """Begin the payment for a pack; see `Payments.begin`.

        Args:
            page: address of the wallet, to which the payer returns.

        Raises:
            BadInput: there is no such pack.
        """
        offered = self.sales
        return self.payments.begin(project_id, offered.pack(pack_id), offered.currency, page, page)

    def period(self, text: str | None) -> Period:
        """The month that a text names, or the present one; raises BadInput if it names none."""
        return month_of(self._clock()) if text is None else month(text)

    def statement(self, project_id: str, period: Period) -> Statement:
        """The statement of a project for a month."""
        with self._database.read() as connection:
            return statement.read(connection, project_id, Sales.currency, period)

    def statement_page(self, project_id: str, name: str, period: Period) -> Document:
        """The page of a statement; `name` is that of the project, for one without an address."""
        recipient = self.invoices.recipient(project_id)
        lines = recipient.lines if recipient else [name]
        return statement.document(self.statement(project_id, period), sender(self.sales), lines)
