"""Amounts of money: whole micro-units of a currency, and the one place where an exact amount is rounded."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction

from hinode.errors import BadInput

MICRO = 1_000_000
MAX_AMOUNT = 10**15 - 1
"""Micro-units: just under a thousand million, the largest amount of one transfer."""
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CNY", "INR", "NGN", "BRL", "CHF", "CAD", "AUD", "KRW")
"""ISO 4217 codes that an account can have."""

_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_EXACT = Context(prec=60)


def parse_amount(text: str, field: str = "amount") -> int:
    """Read an amount that a person wrote, such as "12.50", as micro-units.

    Raises:
        BadInput: it is no number, negative, too large, or has more than six decimals.
    """
    if not _DECIMAL.fullmatch(text.strip()):
        raise BadInput(f"{text!r} is no amount", "write a number such as 12.50", field=field)
    try:
        amount = int(Decimal(text.strip()).scaleb(6, _EXACT))
    except InvalidOperation as error:
        raise BadInput(f"{text!r} is no amount", "write a number such as 12.50", field=field) from error
    return check_amount(amount, field)


def check_amount(amount: int, field: str = "amount") -> int:
    """The amount itself.

    Raises:
        BadInput: it is negative, or more than `MAX_AMOUNT`.
    """
    if amount < 0:
        raise BadInput(f"the amount {format_amount(amount)} is negative", "write 0 or more", field=field)
    if amount > MAX_AMOUNT:
        most = format_amount(MAX_AMOUNT)
        raise BadInput(f"the amount is above {most}", f"write {most} or less", field=field)
    return amount


def check_currency(currency: str, field: str = "currency") -> str:
    """The currency itself; raises BadInput if it is none of `CURRENCIES`."""
    if currency not in CURRENCIES:
        known = ", ".join(CURRENCIES)
        raise BadInput(f"{currency!r} is no known currency", f"write one of {known}", field=field)
    return currency


def round_amount(exact: Fraction) -> int:
    """The micro-units of an exact amount, in units of the currency.

    The rule, used once for each capture: to the nearest micro-unit, and halfway to the even one. So the sum
    of many roundings is not biased to either side.
    """
    scaled = exact * MICRO
    quotient, remainder = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * remainder
    if twice > scaled.denominator or (twice == scaled.denominator and quotient % 2):
        quotient += 1
    return quotient


def format_amount(amount: int, currency: str = "") -> str:
    """Micro-units as people write them, with two decimals or as many as there are: "12.50 USD"."""
    number = Decimal(amount).scaleb(-6, _EXACT)
    cents = number.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN, context=_EXACT)
    text = f"{cents if cents == number else number.normalize(_EXACT):f}"
    return f"{text} {currency}".strip()
