"""A document of a few facts and one table, which HTML and PDF show alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """What stands on an invoice or a statement, in words.

    Attributes:
        name: of the file, without its suffix.
        sender, recipient: lines of names and addresses.
        facts: names and values.
        head, rows: of the table; the last `numbers` columns are numbers.
        totals: names and values below the table; the last one is the sum.
        notes: sentences.
    """

    title: str
    name: str
    sender: Sequence[str]
    recipient: Sequence[str]
    facts: Sequence[tuple[str, str]]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    totals: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()
    numbers: int = 1
