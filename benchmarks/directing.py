"""Write what `hinode evaluate --suite directing --json` found into docs/evaluation-directing.md.

    python -m benchmarks.directing docs/evaluation/nano-directing*.json

Several files are bars that were played apart; they have to be of the same weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.drift import svg

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "evaluation-directing.md"
CURVE = ROOT / "docs" / "images" / "nano-drift.svg"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"


def _value(figure: float, unit: str) -> str:
    return f"{100 * figure:.1f} %" if unit == "%" else f"{figure:.4g} {unit}"


def _line(row: dict[str, Any]) -> str:
    unit, mark = row["unit"], {True: "holds", False: "**misses**", None: ""}[row["holds"]]
    span = ""
    if row["low"] != row["high"]:
        span = f"{_value(row['low'], unit)} to {_value(row['high'], unit)}"
        span += " of cases" if row["interval"].endswith("of cases") else ""
    figure = _value(row["figure"], unit)
    return f"| `{row['bar']}` | {row['what']} | {figure} | {span} | {row['n']} | {row['want']} | {mark} |"


def table(results: list[dict[str, Any]]) -> str:
    """All rows as Markdown."""
    (weights,) = {result["weights"] for result in results}
    head = "| bar | what | figure | interval | cases | wanted | |\n|---|---|---|---|---|---|---|\n"
    rows = [_line(row) for result in results for row in result["rows"]]
    first = results[0]
    return (
        f"`{first['model']}` (weights {weights[:12]}), {first['steps']} steps:\n\n"
        + head
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    found = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + table(found) + END + after, encoding="utf-8")
    curve = next((result["drift"] for result in found if result["drift"]), None)
    if curve:
        CURVE.write_text(svg(curve), encoding="utf-8")
