"""The price and cost books of the operator: read them, try a text, put it in force."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response

from hinode.api.context import AppContext, Context, Operator
from hinode.api.economics.wire import BookChange, BookCheck, BookFault, CheckBook, PriceBooks, ReplaceBook
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.errors import BadInput
from hinode.jobs.finance.books import READERS
from hinode.trust.audit.texts import digest
from hinode.trust.screening.lines import line_of

router = APIRouter(prefix="/v1/economics/books", tags=["Operation"])

MAX_BODY_BYTES = 2 << 20

Book = Literal["prices", "costs"]
CheckBody = Annotated[CheckBook, Depends(BodyReader(CheckBook, (JSON,), max_text_bytes=MAX_BODY_BYTES))]
ReplaceBody = Annotated[ReplaceBook, Depends(BodyReader(ReplaceBook, (JSON,), max_text_bytes=MAX_BODY_BYTES))]


@router.get("", response_model=PriceBooks)
async def get_books(context: AppContext, operator: Operator) -> Response:
    """The price and cost books, and which entries are old."""
    return (await context.run_slow(_books, context)).response()


@router.post("/{book}/check", response_model=BookCheck)
async def check_book(book: Book, operator: Operator, body: CheckBody, context: AppContext) -> Response:
    """Try a book: the prices that would change, and what the last 30 days would have cost."""
    return (await context.run_slow(_check, context, book, body.text)).response()


@router.put("/{book}", response_model=PriceBooks)
async def replace_book(book: Book, operator: Operator, body: ReplaceBody, context: AppContext) -> Response:
    """Put a book in force from the next request on."""
    await context.run_slow(context.books.replace, book, body.text, body.edited, operator.id)
    return (await context.run_slow(_books, context)).response()


def _books(context: Context) -> PriceBooks:
    books = context.economics.price_lists().as_json()
    for name in READERS:
        text = context.books.text(name)
        books[name] |= {"text": text, "digest": digest(text)}
    return PriceBooks(**books)


def _check(context: Context, name: str, text: str) -> BookCheck:
    try:
        trial = context.books.check(name, text)
    except BadInput as error:
        fault = BookFault(message=str(error), field=error.field, line=_line(text, error))
        return BookCheck(
            fault=fault, entries=0, changes=[], missing=[], usd_before=None, usd_after=None, stale=[]
        )
    changes = [BookChange.of(change) for change in trial.changes]
    return BookCheck.of(trial, fault=None, changes=changes)


def _line(text: str, error: BadInput) -> int | None:
    """The line of a fault; None for a text that is no YAML, whose sentence has the line."""
    return None if error.field in READERS else line_of(text, error)
