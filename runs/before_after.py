"""Draw the prompts of eight clips of the first model, `nano`, with the model that ships, and lay both side by
side.

    python -m runs.before_after

Writes docs/images/before-after.jpg. The clips of `nano` are cut out of its contact sheet, which the history
of the repository holds; each shows two moments of a clip of two seconds at eight frames a second.
"""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

from PIL import Image, ImageDraw

from hinode.engines.native import catalog
from hinode.engines.native.engine import NativeEngine
from hinode.request import Request
from hinode.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
SHEET = "d55b90ed^:docs/images/nano-contact-sheet.png"
LEFT, TOP, STEP_X, STEP_Y, WIDTH, HEIGHT = 4, 4, 200, 126, 192, 96  # of a clip on that sheet, in pixels
CLIPS = (
    (5, 0, "an orange train bouncing in the mountains at sunset"),
    (3, 1, "a red boat rising in the mountains at dawn in the rain, zoom in"),
    (1, 1, "a blue train rising over the city at dawn in the snow"),
    (3, 0, "a white bird falling over the hills at dawn in the snow"),
    (0, 5, "a yellow kite rising over the city at night"),
    (3, 3, "a white ball moving right over the hills at sunset, clear"),
    (4, 5, "a yellow balloon rising over the city at sunset in the snow, zoom out"),
    (7, 5, "a pink bird circling over the hills at night in the fog, pan left"),
)
"""Column and row of a clip on the sheet, and its facts as a prompt."""
LINE, CELL = 14, (168, 96)  # of a moment that `book` draws


def main() -> None:
    """Write the picture."""
    png = subprocess.run(["git", "show", SHEET], cwd=ROOT, capture_output=True, check=True).stdout
    before = Image.open(io.BytesIO(png)).convert("RGB")
    settings = Settings.from_environment(os.environ)
    engine, card = NativeEngine(settings), catalog.find("book", settings.models)
    width, height = card.shapes[0].size
    row_width = WIDTH + 12 + 2 * CELL[0]
    sheet = Image.new("RGB", (2 * row_width + 24, len(CLIPS) // 2 * (CELL[1] + LINE + 8)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (column, row, prompt) in enumerate(CLIPS):
        run = engine.start(Request(prompt, width, height, 2.0, seed=number, model=card.name, sound=False))
        for _ in run:
            pass
        frames = run.clip().frames
        left, top = number % 2 * (row_width + 24), number // 2 * (CELL[1] + LINE + 8)
        pen.text((left, top), prompt, fill="black")
        corner = LEFT + column * STEP_X, TOP + row * STEP_Y
        part = before.crop((*corner, corner[0] + WIDTH, corner[1] + HEIGHT))
        sheet.paste(part, (left, top + LINE))
        for place, moment in enumerate((len(frames) // 6, len(frames) * 5 // 6)):
            picture = Image.fromarray(frames[moment]).resize(CELL, Image.Resampling.LANCZOS)
            sheet.paste(picture, (left + WIDTH + 12 + place * CELL[0], top + LINE))
    sheet.save(ROOT / "docs" / "images" / "before-after.jpg", quality=85)


if __name__ == "__main__":
    main()
