"""To whom invoices are addressed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.money.invoices.invoice import party
from hinode.records.ids import parse_name
from hinode.records.rows import first_row, from_row
from hinode.records.tables import recipients

MAX_ADDRESS_LENGTH, MAX_ADDRESS_LINES, MAX_NAME_LENGTH, MAX_TAX_ID_LENGTH = 1000, 8, 200, 64
MAX_NOTE_LENGTH = 300


@dataclass(frozen=True)
class Recipient:
    """To whom a project's invoices are addressed.

    Attributes:
        address: in lines.
        tax_rate: in percent, as decimal text, where it is another one than the seller's usual one.
        tax_note: why it is, such as "Reverse charge".
    """

    project_id: str
    name: str
    address: str
    tax_id: str = ""
    tax_rate: str | None = None
    tax_note: str = ""

    @property
    def lines(self) -> list[str]:
        """As they stand on a page."""
        return party(self.name, self.address, self.tax_id)


def find_recipient(connection: Connection, project_id: str, *, lock: bool = False) -> Recipient | None:
    """The recipient of a project's invoices; with `lock`, other transactions wait that bill the project."""
    query = sa.select(recipients).where(recipients.c.project_id == project_id)
    row = first_row(connection, query.with_for_update() if lock else query)
    return None if row is None else from_row(Recipient, row)


def check_recipient(name: str, address: str, tax_id: str) -> dict[str, str]:
    """The columns of a name, an address in lines and a tax id.

    Raises:
        BadInput: a value is empty, too long or not printable.
    """
    lines = [line.strip() for line in address.splitlines() if line.strip()]
    if not 1 <= len(lines) <= MAX_ADDRESS_LINES or len(address) > MAX_ADDRESS_LENGTH:
        remedy = f"give 1 to {MAX_ADDRESS_LINES} lines and at most {MAX_ADDRESS_LENGTH:,} characters"
        message = f"the address has {len(lines)} lines and {len(address):,} characters"
        raise BadInput(message, remedy, field="address")
    if not all(map(str.isprintable, lines)):
        raise BadInput("the address has letters that cannot be printed", "write it anew", field="address")
    return {
        "name": parse_name(name, MAX_NAME_LENGTH),
        "address": "\n".join(lines),
        "tax_id": parse_name(tax_id, MAX_TAX_ID_LENGTH, "tax_id", "tax id") if tax_id.strip() else "",
    }


def check_tax(rate: Decimal | None, note: str) -> dict[str, str | None]:
    """The columns of a tax rate in percent and its reason; raises BadInput."""
    if rate is not None and not (rate.is_finite() and 0 <= rate <= 100 and rate == round(rate, 4)):
        remedy = "give 0 to 100 with at most four decimals"
        raise BadInput(f"the tax rate is {rate}", remedy, field="tax_rate")
    return {
        "tax_rate": None if rate is None else f"{rate.normalize():f}",
        "tax_note": parse_name(note, MAX_NOTE_LENGTH, "tax_note", "note") if note.strip() else "",
    }
