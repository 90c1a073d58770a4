"""Tables of plain text."""

from __future__ import annotations

import time
from collections.abc import Sequence


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` under `head`, each column as wide as its longest cell."""
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def amount(number: float | None) -> str:
    """A number, or a dash if there is none."""
    return "-" if number is None else f"{number:g}"


def moment(seconds: float | None) -> str:
    """Seconds since 1970 as the local date and time, or a dash for None."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
