"""Write docs/images/upscaled.png: a few generated frames enlarged by Lanczos, and by the upscaler.

    .venv/bin/python runs/upscaled.py

Two by two frames; in each, Lanczos on the left. Each pixel is shown as a square of two by two.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.engines.native.engine import NativeEngine
from hinode.evaluation.upscaler import as_bytes, as_floats, lanczos, upscale
from hinode.request import Request
from hinode.settings import Settings

PICTURE = Path("docs/images/upscaled.png")
PROMPTS = (
    "a red balloon rising over the mountains at noon",
    "a white boat moving left over the sea at sunset",
    "a yellow bird circling over the city at dawn",
    "a blue kite over the hills at night in the snow",
)
ZOOM = 2


def main() -> None:
    engine = NativeEngine(Settings.from_environment(os.environ))
    tiles = []
    for seed, prompt in enumerate(PROMPTS, start=1):
        run = engine.start(Request(prompt, 64, 64, seconds=2.0, seed=seed))
        for _ in run:
            pass
        frame = as_floats(run.clip().frames[8:9])
        both = np.concatenate([as_bytes(method(frame))[0] for method in (lanczos, upscale)], 1)
        tiles.append(both.repeat(ZOOM, 0).repeat(ZOOM, 1))
    rows = [np.concatenate(tiles[k : k + 2], 1) for k in (0, 2)]
    Image.fromarray(np.concatenate(rows)).save(PICTURE, optimize=True)
    print(PICTURE)


if __name__ == "__main__":
    main()
