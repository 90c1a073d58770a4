"""Draw docs/images/tutorial-*.jpg: four frames of each clip that docs/tutorial.md makes.

    python runs/tutorial.py

Runs the commands of the tutorial with `--format png` in a temporary folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "images"
COMMANDS = {
    "clip": ["generate", "a red balloon rising over the mountains at noon", "--seed", "7"],
    "film": ["storyboard", "film.yaml"],
}
WIDTH, HEIGHT, COUNT = 320, 180, 4


def render(words: list[str], folder: Path) -> list[Path]:
    """The frames that a command writes into a folder of its own."""
    command = [sys.executable, "-m", "hinode", *words, "--format", "png", "-o", "frames", "--quiet"]
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "film.yaml", folder)
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return sorted((folder / "frames").glob("*.png"))


def strip(frames: list[Path]) -> Image.Image:
    """Frames at even distances, side by side."""
    picture = Image.new("RGB", (COUNT * WIDTH, HEIGHT))
    for place in range(COUNT):
        frame = Image.open(frames[(2 * place + 1) * len(frames) // (2 * COUNT)])
        picture.paste(frame.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), (place * WIDTH, 0))
    return picture


def main() -> None:
    """Draw every picture."""
    with tempfile.TemporaryDirectory() as name:
        for title, words in COMMANDS.items():
            strip(render(words, Path(name) / title)).save(PICTURES / f"tutorial-{title}.jpg", quality=85)


if __name__ == "__main__":
    main()
