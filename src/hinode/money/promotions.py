"""Promo codes: each gives credit to a project once, so often as the operator allows."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.money.amounts import check_amount, check_currency
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import promo_codes, promo_redemptions

DAY = 86_400.0
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters of codes that are drawn: those that nobody mistakes for another."""
LENGTH = 12

_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{3,19}")


class InvalidCode(BadInput):
    """A promo code that gives the project nothing."""

    code: ClassVar[str] = "invalid_promo_code"


@dataclass(frozen=True)
class PromoCode:
    """A promo code.

    Attributes:
        id: the code itself.
        amount: in micro-units.
        days: for which its credit can be spent; None: for ever.
        max_uses: by how many projects; None: any number.
        expires_at: from when on it gives nothing, in seconds since 1970; None: never.
    """

    id: str
    amount: int
    currency: str
    days: int | None
    max_uses: int | None
    uses: int
    expires_at: float | None
    created_at: float


def create(
    connection: Connection,
    amount: int,
    currency: str,
    now: float,
    *,
    code: str | None = None,
    days: int | None = None,
    max_uses: int | None = None,
    expires_at: float | None = None,
) -> PromoCode:
    """Make a promo code; without `code` its letters are drawn, so that nobody guesses them.

    Raises:
        BadInput: a value cannot be used, or the code is there already.
    """
    if not check_amount(amount):
        raise BadInput("the amount is 0", "give more than 0", field="amount")
    name = draw() if code is None else _normal(code)
    if expires_at is not None and expires_at <= now:
        raise BadInput("the code would have expired already", "choose a later time", field="expires")
    values = {
        "id": name,
        "amount": amount,
        "currency": check_currency(currency),
        "days": days,
        "max_uses": max_uses,
        "expires_at": expires_at,
        "created_at": now,
    }
    query = insert_into(connection, promo_codes).values(values).on_conflict_do_nothing()
    if connection.scalar(query.returning(promo_codes.c.id)) is None:
        raise BadInput(f"the code {quote(name)} is there already", "choose another", field="code")
    return PromoCode(**values, uses=0)  # type: ignore[arg-type]


def draw() -> str:
    """A new code of twelve letters, which has 60 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def redeem(connection: Connection, code: str, project_id: str, now: float) -> str:
    """Give a project the credit of a code, and return the id of its lot.

    One statement checks the uses and the expiry and counts the use, so that projects that redeem a code
    together cannot pass its limit.

    Raises:
        InvalidCode: there is no such code, it has expired or is used up, or the project had it. The
            transaction must then be rolled back.
    """
    name, table = _normal(code), promo_codes.c
    counted = (
        promo_codes.update()
        .where(
            table.id == name,
            sa.or_(table.max_uses.is_(None), table.uses < table.max_uses),
            sa.or_(table.expires_at.is_(None), table.expires_at > now),
        )
        .values(uses=table.uses + 1)
        .returning(promo_codes)
    )
    row = first_row(connection, counted)
    if row is None:
        # The same words for each reason: they tell a guesser nothing.
        message = f"the code {quote(name)} is unknown, used up or expired"
        raise InvalidCode(message, "check its letters", field="code")
    use = {"code_id": name, "project_id": project_id, "at": now}
    query = insert_into(connection, promo_redemptions).values(use).on_conflict_do_nothing()
    if connection.scalar(query.returning(promo_redemptions.c.code_id)) is None:
        raise InvalidCode("this project has redeemed the code already", "use another", field="code")
    return credit.add_credit(
        connection,
        f"{name}_{project_id}",
        project_id,
        row["amount"],
        row["currency"],
        Kind.GRANTS,
        now,
        expires_at=None if row["days"] is None else now + row["days"] * DAY,
        note=f"promo code {name}",
    )


def every(connection: Connection) -> list[PromoCode]:
    """All codes, the oldest first."""
    rows = connection.execute(sa.select(promo_codes).order_by(promo_codes.c.created_at, promo_codes.c.id))
    return [from_row(PromoCode, row) for row in rows.mappings()]


def end(connection: Connection, code: str, now: float) -> None:
    """Let a code give nothing from now on; raises BadInput if there is none."""
    query = promo_codes.update().where(promo_codes.c.id == _normal(code)).values(expires_at=now)
    if not connection.execute(query).rowcount:
        raise BadInput(f"there is no code {quote(code)}", "see `hinode promos list`", field="code")


def _normal(code: str) -> str:
    """A code as it is stored: in capitals, without spaces around it."""
    name = code.strip().upper()
    if not _CODE.fullmatch(name):
        remedy = "give 4 to 20 letters, digits and hyphens"
        raise InvalidCode(f"{quote(code)} is no promo code", remedy, field="code")
    return name
