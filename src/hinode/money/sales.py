"""What an installation sells and how it bills it: packs of credit, the seller, and the tax.

The operator writes it into `billing.yaml` in HINODE_HOME.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from hinode import yamlfile
from hinode.errors import BadInput, HinodeError, quote
from hinode.money.amounts import round_amount
from hinode.money.pricing import CURRENCY
from hinode.parsing import Input, Integer, Number, parse

FILE = "billing.yaml"
MAX_PACKS = 50

Usd = Annotated[Number, Field(gt=0, le=1e6)]


class NotForSale(HinodeError):
    """The operator does not sell what is asked for."""

    code: ClassVar[str] = "not_for_sale"


class SalesError(HinodeError):
    """The operator's file is wrong; the sentence is for the log, as it names the machine's files."""

    code: ClassVar[str] = "billing_file"


class Pack(Input):
    """Credit that is sold at once.

    Attributes:
        price: in US dollars and whole cents, with the tax.
        credit: in US dollars; what is above the price is a present, which burns first.
        days: for which it can be spent; None: for ever.
    """

    id: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    price: Usd
    credit: Usd
    days: Annotated[Integer, Field(ge=1, le=36_500)] | None = None

    @field_validator("price")
    @classmethod
    def _whole_cents(cls, value: float) -> float:
        if (Fraction(str(value)) * 100).denominator != 1:
            raise ValueError("give a price in whole cents")
        return value

    @property
    def price_micro(self) -> int:
        """The price in micro-units."""
        return round_amount(Fraction(str(self.price)))

    @property
    def credit_micro(self) -> int:
        """The credit in micro-units."""
        return round_amount(Fraction(str(self.credit)))


class Seller(Input):
    """Whose invoices they are."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    address: Annotated[str, Field(min_length=1, max_length=1000)]
    tax_id: Annotated[str, Field(max_length=64)] = ""
    note: Annotated[str, Field(max_length=1000)] = ""


class Tax(Input):
    """The tax that prices contain.

    Attributes:
        rate: in percent.
    """

    name: Annotated[str, Field(min_length=1, max_length=40)]
    rate: Annotated[Number, Field(ge=0, le=100)]


class Sales(Input):
    """The file.

    Attributes:
        font: a TrueType file for PDF, where names and addresses have letters beyond those of Western Europe.
    """

    seller: Seller | None = None
    tax: Tax | None = None
    packs: Annotated[tuple[Pack, ...], Field(max_length=MAX_PACKS)] = ()
    font: Annotated[str, Field(max_length=1000)] = ""

    currency: ClassVar[str] = CURRENCY

    def pack(self, pack_id: str) -> Pack:
        """A pack by its id; raises BadInput if there is none."""
        pack = next((pack for pack in self.packs if pack.id == pack_id), None)
        if pack is None:
            names = ", ".join(pack.id for pack in self.packs)
            remedy = f"choose one of {names}" if names else f"the operator enters packs in {FILE}"
            raise BadInput(f"there is no pack {quote(pack_id)}", remedy, field="pack")
        return pack


def read_text(text: str | None, where: str) -> Sales:
    """What the text of `billing.yaml` says, which is at `where`; nothing is sold without a text.

    Raises:
        BadInput: it cannot be read, or an entry is wrong; the sentence names it.
    """
    if text is None:
        return Sales()
    values = yamlfile.read_text(text.encode(), where, "billing")
    sales = parse(Sales, values, what=where, field="billing")
    ids = [pack.id for pack in sales.packs]
    for pack in sales.packs:
        if ids.count(pack.id) > 1:
            raise BadInput(f"{where} has two packs {quote(pack.id)}", "rename one", field="packs")
        if pack.credit < pack.price:
            message = f"the pack {quote(pack.id)} of {where} has less credit than it costs"
            raise BadInput(message, "raise its credit, or lower its price", field="credit")
    return sales
