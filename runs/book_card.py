"""Write the figures of a model of the picture book, and pictures of its first clips.

    hinode evaluate --suite book --model book --limit 40 --json --save-clips CLIPS.pt > RESULT.json
    python -m runs.book_card RESULT.json CLIPS.pt

Writes docs/evaluation/book.json, fills the table of docs/reference/model-card-book.md, and draws into
docs/images a contact sheet of the clips, 64 at most and none left out, and an animation of the first six.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, CLIPS, GIF_STEP = 4, 64, 2
WIDTH, LINE = 192, 12
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def contact_sheet(frames: torch.Tensor, prompts: list[str], path: Path) -> None:
    """Two moments of each clip under the beginning of its prompt; frames uint8 [N, T, H, W, 3]."""
    height = round(WIDTH * frames.shape[2] / frames.shape[3])
    count = min(CLIPS, len(frames))
    cell = 2 * WIDTH + 8, height + LINE + 4
    sheet = Image.new("RGB", (COLUMNS * cell[0], -(-count // COLUMNS) * cell[1]), "white")
    pen = ImageDraw.Draw(sheet)
    for number in range(count):
        left, top = (number % COLUMNS) * cell[0] + 4, (number // COLUMNS) * cell[1]
        pen.text((left, top), prompts[number][:62], fill="black")
        for place, moment in enumerate((frames.shape[1] // 6, frames.shape[1] * 5 // 6)):
            picture = Image.fromarray(frames[number, moment].numpy())
            small = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + place * WIDTH, top + LINE))
    sheet.save(path, quality=82)


def animation(frames: torch.Tensor, path: Path) -> None:
    """The first six clips side by side, twelve pictures a second."""
    six = frames[:6, ::GIF_STEP].numpy()
    rows = [np.concatenate(list(six[k : k + 3]), axis=2) for k in (0, 3)]
    pictures = [Image.fromarray(frame) for frame in np.concatenate(rows, axis=1)]
    flat = [picture.quantize(255, method=Image.Quantize.MAXCOVERAGE, kmeans=2) for picture in pictures]
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=83, loop=0)


def table(result: dict[str, Any]) -> str:
    """The rows of a result as a table: drawn beside true, and both against the bar."""
    rows: dict[str, dict[str, Any]] = {}
    for row in result["rows"]:
        rows.setdefault(row["bar"], {})[row["what"]] = row
    lines = ["| measure | drawn | true | drawn over true | bar |", "|---|---|---|---|---|"]
    for name, parts in rows.items():
        if name == "land and weather":
            continue
        bar = next((part["want"] for part in parts.values() if part["want"]), "")
        figures = [_figure(parts.get(what)) for what in ("drawn", "true", "drawn over true")]
        lines.append(f"| {name} | {' | '.join(figures)} | {bar} |")
    return "\n".join(lines)


def _figure(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    factor = 100 if row["unit"] == "%" else 1
    low, high = (f"{factor * row[key]:.3g}" for key in ("low", "high"))
    return f"{factor * row['figure']:.3g}{' %' if row['unit'] == '%' else ''} ({low} to {high})"


def main(results: Path, clips: Path) -> None:
    """See the module."""
    result, drawn = json.loads(results.read_text()), torch.load(clips)
    images = ROOT / "docs" / "images"
    contact_sheet(drawn["frames"], drawn["prompts"], images / "book-contact-sheet.jpg")
    animation(drawn["frames"], images / "book-first-six.gif")
    (ROOT / "docs" / "evaluation" / "book.json").write_text(json.dumps(result) + "\n")
    card = ROOT / "docs" / "reference" / "model-card-book.md"
    before, rest = card.read_text().split(BEGIN)
    after = rest.split(END)[1]
    card.write_text(f"{before}{BEGIN}\n{table(result)}\n{END}{after}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
