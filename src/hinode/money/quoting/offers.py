"""Quotes as offers: what a request may cost, and whether a quote still holds when it is accepted.

An offer is for one resolved request, named by a digest over all its values, those of defaults included.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError, quote
from hinode.money.amounts import format_amount, round_amount
from hinode.records.database import clock_of
from hinode.records.tables import quotes
from hinode.request import Request

VALID_SECONDS = 600.0
KEEP_SECONDS = 86_400.0
"""Quotes are forgotten so long after they were valid."""


class OfferRefused(HinodeError):
    """The terms of a request do not hold: nothing was held and no job was made."""

    code = "offer_refused"
    field = "quote_id"


class UnknownQuote(OfferRefused):
    """The project was given no such quote, or it was forgotten."""

    code = "quote_not_found"


class QuoteExpired(OfferRefused):
    """The time of the quote is over."""

    code = "quote_expired"


class AnotherRequest(OfferRefused):
    """The quote is for another request."""

    code = "quote_mismatch"


class PriceChanged(OfferRefused):
    """The price is not that of the quote any more."""

    code = "price_changed"


class AboveMaximum(OfferRefused):
    """The price is above the maximum that the request names."""

    code = "price_above_maximum"
    field = "max_cost"


@dataclass(frozen=True)
class Terms:
    """What a request says about its price.

    Attributes:
        digest: of the resolved request; see `digest_of`.
        count: videos of the request.
        quote_id: quote that it accepts, or None.
        max_cost: the most that all its videos may cost in micro-units, or None.
    """

    digest: str
    count: int = 1
    quote_id: str | None = None
    max_cost: int | None = None

    @property
    def limited(self) -> bool:
        """Whether there is anything to check."""
        return self.quote_id is not None or self.max_cost is not None


def digest_of(request: Request, facts: Mapping[str, Any]) -> str:
    """SHA-256 of every value of a request, also of those at their default.

    Args:
        request: resolved: its profile and frame rate are those that it is made with.
        facts: what else decides the price, such as how many videos and their priority; JSON values.
    """
    references = tuple(dataclasses.replace(reference, path="") for reference in request.references)
    values = dataclasses.asdict(dataclasses.replace(request, references=references)) | dict(facts)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def micro_units(usd: float) -> int:
    """An amount that a client wrote in USD, in micro-units; rounded once, as `round_amount` says."""
    # By way of text, because the client wrote 0.1 and not the float next to it.
    return round_amount(Fraction(str(usd)))


def keep(
    connection: Connection,
    quote_id: str,
    project_id: str,
    request_hash: str,
    terms: Terms,
    price: int | None,
    content: Mapping[str, Any],
    now: float,
) -> float:
    """Keep an offer that is made to a project, and forget old ones.

    Args:
        request_hash: that of the jobs of the same request.
        terms: digest and number of videos.
        price: of all videos in micro-units; None if there is none.
        content: what the client is told, in JSON values.
        now: seconds since 1970; on a database with a clock of its own, that one counts.

    Returns: until when it is valid, in seconds since 1970.
    """
    now = clock_of(connection, now)
    connection.execute(quotes.delete().where(quotes.c.valid_until < now - KEEP_SECONDS))
    row = {"id": quote_id, "project_id": project_id, "request_hash": request_hash, "digest": terms.digest}
    times = {"created_at": now, "valid_until": now + VALID_SECONDS}
    content = {**content, "valid_until": int(now + VALID_SECONDS)}
    connection.execute(quotes.insert(), {**row, **times, "price": price, "quote": content})
    return now + VALID_SECONDS


def check(connection: Connection, project_id: str, terms: Terms, price: int | None, now: float) -> None:
    """Check the terms of a request that is about to be accepted, before anything is held.

    Args:
        price: of all its videos now, in micro-units; None if the price book has none and nothing is charged.
        now: as for `keep`.

    Raises:
        OfferRefused: the quote does not hold, or the price is above the maximum.
    """
    if terms.quote_id is not None:
        _check_quote(connection, project_id, terms, price, now)
    check_maximum(terms, price)


def check_maximum(terms: Terms, price: int | None) -> None:
    """Raises AboveMaximum: the price of all videos in micro-units is above what the request allows."""
    if terms.max_cost is not None and (price or 0) > terms.max_cost:
        raise AboveMaximum(
            f"the price is {_usd(price)}, above the max_cost of {_usd(terms.max_cost)}",
            "raise max_cost, or ask for a quote with its alternatives",
        )


def _check_quote(
    connection: Connection, project_id: str, terms: Terms, price: int | None, now: float
) -> None:
    columns = quotes.c.project_id, quotes.c.digest, quotes.c.price, quotes.c.valid_until
    row = connection.execute(sa.select(*columns).where(quotes.c.id == terms.quote_id)).first()
    name = quote(terms.quote_id or "", 80)
    remedy = "ask for a new quote"
    if row is None or row.project_id != project_id:
        raise UnknownQuote(f"there is no quote {name}", remedy)
    if clock_of(connection, now) >= row.valid_until:
        raise QuoteExpired(f"the quote {name} has expired", remedy)
    if row.digest != terms.digest:
        message = f"the quote {name} is for another request, or for a model that has changed since"
        raise AnotherRequest(message, "send the request that was quoted, or ask for a new quote")
    if row.price != price:
        message = f"the price is {_usd(price)} now, and the quote {name} was for {_usd(row.price)}"
        raise PriceChanged(message, remedy)


def _usd(price: int | None) -> str:
    return "not set" if price is None else format_amount(price, "USD")
