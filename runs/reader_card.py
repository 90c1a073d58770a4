"""Write docs/reference/model-card-reader.md from the results of `hinode evaluate --suite describe`.

python -m runs.reader_card
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hinode.engines.native.plans import perception
from hinode.world.book.scene import HELD_OUT_PAIRS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "evaluation" / "reader.json"
PAGE = ROOT / "docs" / "reference" / "model-card-reader.md"
TEMPLATE = ROOT / "docs" / "reference" / "model-card-reader.template.md"


def main() -> None:
    """Write the page."""
    result: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    facts = result["reader"]
    model = perception.load(perception.path()).model
    head = TEMPLATE.read_text(encoding="utf-8").format(
        megabytes=perception.path().stat().st_size / 1e6,
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        pairs=len(HELD_OUT_PAIRS),
        **facts,
    )
    PAGE.write_text(head + "".join(map(_line, result["rows"])), encoding="utf-8")


def _line(row: dict[str, Any]) -> str:
    scale, digits = (100, 1) if row["unit"] == "%" else (1, 3)
    low, figure, high = (f"{row[name] * scale:.{digits}f}" for name in ("low", "figure", "high"))
    verdict = {None: "", True: "reached", False: "missed"}[row["holds"]]
    cells = row["bar"], row["what"], f"{figure} {row['unit']}", f"{low} to {high}", str(row["n"])
    return f"| {' | '.join((*cells, row['want'], verdict))} |\n"


if __name__ == "__main__":
    main()
