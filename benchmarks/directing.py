"""Write results of `hinode evaluate --suite directing --json` into docs/reference/evaluation-directing.md.

    python -m benchmarks.directing docs/evaluation/nano-directing*.json \
        --beside docs/evaluation/nano-best-directing*.json

Several files hold metrics that were measured separately, with the same weights. Figures of other weights can
be added in a column of their own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.drift import svg

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "evaluation-directing.md"
CURVE = ROOT / "docs" / "images" / "nano-drift.svg"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"


def _value(figure: float, unit: str) -> str:
    return f"{100 * figure:.1f} %" if unit == "%" else f"{figure:.4g} {unit}"


def _line(row: dict[str, Any], others: dict[tuple[str, str], dict[str, Any]]) -> str:
    unit, mark = row["unit"], {True: "holds", False: "**misses**", None: ""}[row["holds"]]
    span = ""
    if row["low"] != row["high"]:
        span = f"{_value(row['low'], unit)} to {_value(row['high'], unit)}"
        span += " of cases" if row["interval"].endswith("of cases") else ""
    figure = _value(row["figure"], unit)
    line = f"| `{row['bar']}` | {row['what']} | {figure} | {span} | {row['n']} | {row['want']} | {mark} |"
    if not others:
        return line
    other = others.get((row["bar"], row["what"]))
    if other is None:
        return f"{line} |"
    cases = "" if other["n"] == row["n"] else f" of {other['n']}"
    return f"{line} {_value(other['figure'], unit)}{cases} |"


def describe(results: list[dict[str, Any]]) -> str:
    """The model, its weights and its steps, which are the same for all results."""
    (weights,) = {result["weights"] for result in results}
    first = results[0]
    name, generator = first["model"], first.get("drawn_by", first["model"])
    student = "" if generator == name else f", rendered by `{generator}`"
    return f"`{name}`{student} ({weights[:12]}), {first['steps']} steps"


def table(results: list[dict[str, Any]], beside: list[dict[str, Any]]) -> str:
    """All rows as Markdown."""
    others = {(row["bar"], row["what"]): row for result in beside for row in result["rows"]}
    title = describe(results) + (f"; in the last column {describe(beside)}" if beside else "")
    names = ["metric", "what", "figure", "interval", "cases", "target", ""]
    names += ["comparison"] if beside else []
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n"
    rows = [_line(row, others) for result in results for row in result["rows"]]
    return f"{title}:\n\n{head}" + "\n".join(rows) + "\n"


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """Results of the suite."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--beside", type=Path, nargs="+", default=[])
    arguments = parser.parse_args()
    results = read(arguments.results)
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + table(results, read(arguments.beside)) + END + after, encoding="utf-8")
    curve = next((result["drift"] for result in results if result["drift"]), None)
    if curve:
        CURVE.write_text(svg(curve), encoding="utf-8")
