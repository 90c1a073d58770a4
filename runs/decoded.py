"""Write docs/images/decoded.png: parts of frames at 224x128 enlarged by a bicubic filter and by the decoder.

    python -m runs.decoded [FILE]

A row is a scene: bicubic, decoder, truth. Every second row is damaged as a network damages frames.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hinode.evaluation.clips import as_bytes
from hinode.evaluation.decoder import bicubic, decode, draw
from hinode.training.decoder import FACTOR, damage
from hinode.world.book.scene import Scene, cast

PICTURE = Path("docs/images/decoded.png")
SIZE = 224, 128
SIDE = 84  # of a part, in small pixels
SCENES = (  # subjects, place, time, weather, left upper corner of the part
    ((("boat", "red", "right"),), "sea", "sunset", "clear", (70, 40)),
    ((("train", "turquoise", "left"),), "city", "night", "snow", (60, 40)),
    ((("lighthouse", "white", "still"),), "hills", "noon", "rain", (70, 20)),
    ((("snowman", "blue", "still"),), "village", "noon", "clear", (70, 40)),
)


def main(path: Path = PICTURE) -> None:
    rows = []
    for number, (members, place, time, weather, (left, top)) in enumerate(SCENES):
        rng = random.Random(number)
        scene = Scene(cast(rng, members, place), time, place, weather, seed=number)
        small, truth = (draw(scene, 1.0, *SIZE, factor)[:1] for factor in (1, FACTOR))
        if number % 2:
            small = damage(small, rng, torch.Generator().manual_seed(number), severe=True)
        versions = bicubic(as_bytes(small)), decode(as_bytes(small)), as_bytes(truth)
        part = (0, slice(FACTOR * top, FACTOR * (top + SIDE)), slice(FACTOR * left, FACTOR * (left + SIDE)))
        rows.append(np.concatenate([version[part] for version in versions], 1))
    Image.fromarray(np.concatenate(rows)).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
