"""Recipes of the drawing network, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hinode.model.drawing import DrawingConfig

FPS = 24


@dataclass(frozen=True)
class DrawingRecipe:
    """All choices of a run. Its schedules are fractions of `minutes`, so that the learning rate reaches zero
    on a slow machine too."""

    name: str
    network: DrawingConfig
    minutes: float
    width: int
    height: int
    frames: int  # of a drawn clip
    lengths: tuple[int, ...]  # of the parts of a clip that are trained on, all but the first a half of them
    image_batch: int
    clip_batch: int
    image_part: float = 0.35  # of the run is images alone
    image_share: float = 0.1  # of the steps after that
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    texture_gain: float = 6.0  # learning rate of learnt textures, in learning rates
    warmup_steps: int = 60
    decay_from: float = 0.5
    emphasis: float = 3.0  # extra weight of the pixels of subjects
    average: float = 0.998
    memory_clips: int = 600  # clips that are kept in memory at once
    store_clips: int = 4000  # clips on disk; the oldest are drawn anew after that
    workers: int = 1  # processes that draw
    seed: int = 1
    compile: bool = False

    def shape(self, chunk: int) -> tuple[int, int]:
        """Width and height of the clips of a chunk: two of ten are upright, one is square."""
        if chunk % 10 in (3, 7):
            return self.height, self.width
        side = 32 * max(1, round((self.width * self.height) ** 0.5 / 32))
        return (side, side) if chunk % 10 == 9 else (self.width, self.height)

    def rate(self, step: int, fraction: float) -> float:
        """Learning rate: warm-up by steps, constant, then linear to zero by elapsed time."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        return self.learning_rate * warm * min(1.0, max(0.0, (1 - fraction) / (1 - self.decay_from)))


def nano() -> DrawingRecipe:
    """224x128 on two processor cores, in sittings that add up to tens of hours."""
    return DrawingRecipe(
        "drawing-nano",
        DrawingConfig(textures=16, overlap=4, details=32, land=True, specks=True),
        minutes=1500,
        width=224,
        height=128,
        frames=49,
        lengths=(17, 25, 49),
        image_batch=32,
        clip_batch=4,
        image_part=0.45,
        memory_clips=1000,
    )


def mini() -> DrawingRecipe:
    """320x192 on one data-centre GPU, within eight minutes with its evaluation."""
    network = DrawingConfig(
        textures=24,
        texture_side=96,
        overlap=4,
        details=48,
        land=True,
        specks=True,
        fine_width=320,
        width=512,
        depth=10,
    )
    return DrawingRecipe(
        "drawing-mini",
        network,
        minutes=6.0,
        width=320,
        height=192,
        frames=49,
        lengths=(17, 25, 49),
        image_batch=512,
        clip_batch=24,
        workers=14,
        memory_clips=12000,
        store_clips=20000,
        compile=True,
    )


def smoke() -> DrawingRecipe:
    """A toy that shows only that the loop runs."""
    network = DrawingConfig(
        fine_width=64,
        width=64,
        depth=1,
        fine_in=1,
        fine_out=1,
        textures=4,
        texture_side=16,
        details=8,
        land=True,
        specks=True,
    )
    return DrawingRecipe(
        "drawing-smoke",
        network,
        minutes=0.1,
        width=64,
        height=32,
        frames=17,
        lengths=(9, 17),
        image_batch=4,
        clip_batch=2,
        memory_clips=8,
        store_clips=16,
    )


RECIPES: dict[str, Callable[[], DrawingRecipe]] = {
    "drawing-nano": nano,
    "drawing-mini": mini,
    "drawing-smoke": smoke,
}
