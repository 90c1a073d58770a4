"""The picture of docs/explanation/picture-book.md and the speed of drawing: python -m runs.picture_book."""

from __future__ import annotations

import random
import time
from pathlib import Path

import torch
from PIL import Image

from hinode.output import replace_file
from hinode.world.book.picture.render import render
from hinode.world.book.scene import Scene, cast, sample_scene

PAGE = Path("docs/images/picture-book.jpg")
COLUMNS, WIDTH, HEIGHT = 2, 640, 360
SPREADS: tuple[tuple[str, str, str, tuple[tuple[str, str, str], ...]], ...] = (
    ("sea", "sunset", "clear", (("boat", "blue", "right"), ("gull", "white", "left"))),
    ("mountains", "dawn", "clear", (("train", "red", "right"),)),
    ("city", "night", "clear", (("rocket", "orange", "rise"),)),
    ("meadow", "noon", "clear", (("kite", "yellow", "still"), ("ball", "pink", "bounce"))),
    ("desert", "sunset", "clear", (("balloon", "red", "rise"), ("camel", "brown", "right"))),
    ("village", "night", "snow", (("snowman", "red", "still"), ("sledge", "blue", "left"))),
    ("underwater", "noon", "clear", (("whale", "blue", "left"), ("fish", "orange", "right"))),
    ("space", "night", "clear", (("rocket", "red", "right"), ("planet", "orange", "still"))),
    ("sea", "night", "rain", (("lighthouse", "red", "still"),)),
    ("hills", "dawn", "fog", (("train", "green", "left"),)),
)


def draw_page() -> None:
    """Draw a frame of each spread on one page."""
    rng = random.Random(8)
    rows = -(-len(SPREADS) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * WIDTH, rows * HEIGHT))
    for number, (place, hour, weather, members) in enumerate(SPREADS):
        scene = Scene(cast(rng, members, place), hour, place, weather, seed=rng.randrange(2**31))
        frame = render([scene], frames=1, fps=24, width=WIDTH, height=HEIGHT, start=0.9)[0, 0]
        picture = Image.fromarray((frame * 255).round().byte().permute(1, 2, 0).numpy())
        page.paste(picture, (number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT))
    with replace_file(PAGE) as part:
        page.save(part, "JPEG", quality=82)


def measure_speed(count: int = 24) -> float:
    """Seconds of one thread for two seconds of 224x128 at 24 frames a second: the mean of `count` scenes,
    after as many others have filled the cache of shapes."""
    torch.set_num_threads(1)
    rng = random.Random(1)
    scenes = [sample_scene(rng) for _ in range(2 * count)]
    render(scenes[:count], frames=1, fps=24, width=224, height=128)
    start = time.process_time()
    for scene in scenes[count:]:
        render([scene], frames=49, fps=24, width=224, height=128)
    return (time.process_time() - start) / count


if __name__ == "__main__":
    draw_page()
    print(f"{PAGE}; 49 frames of 224x128 in {measure_speed():.2f} s of one thread")
