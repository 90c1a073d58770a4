"""Write results of `hinode evaluate --suite directing --json` into docs/reference/evaluation-directing.md.

    python -m benchmarks.directing docs/evaluation/book-directing*.json

Several files hold metrics that were measured separately, with the same weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.drift import svg

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "evaluation-directing.md"
CURVE = ROOT / "docs" / "images" / "book-drift.svg"
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
    """All rows as Markdown, under the model, its weights and its steps, which are the same for all."""
    ((model, weights, steps),) = {(result["model"], result["weights"], result["steps"]) for result in results}
    head = "| metric | what | figure | interval | cases | target | |\n|---|---|---|---|---|---|---|\n"
    rows = [_line(row) for result in results for row in result["rows"]]
    return f"`{model}` ({weights[:12]}), {steps} steps:\n\n{head}" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().results]
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + table(results) + END + after, encoding="utf-8")
    curve = next((result["drift"] for result in results if result["drift"]), None)
    if curve:
        CURVE.write_text(svg(curve), encoding="utf-8")
