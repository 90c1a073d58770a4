"""Recipes: everything that decides how a model is trained, as data. One function per published model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hinode.model.dit import DiTConfig
from hinode.model.flow import Sampling
from hinode.world.scene import CASTS

DENSITIES = (("tag", 0.10), ("short", 0.20), ("full", 0.45), ("dense", 0.25))
SAMPLING = Sampling(steps=8, guidance=3.0, guided=(0.0, 1.0), shift=3.0)


@dataclass(frozen=True)
class Bucket:
    """A shape of training clips, and how many make a batch. An image is a clip of one frame."""

    frames: int
    fps: float
    width: int
    height: int
    batch_size: int
    cut_from: tuple[int, int] | None = None  # width and height of the clips whose middle is used

    @property
    def name(self) -> str:
        """Such as 17x64x64@8 (frames, width, height, frames per second)."""
        return f"{self.frames}x{self.width}x{self.height}@{self.fps:g}"

    @property
    def rendered(self) -> tuple[int, int]:
        """Width and height before the middle is cut out."""
        return self.cut_from or (self.width, self.height)


network = partial(DiTConfig, vocabulary=0, control=True)

Mix = tuple[tuple[Bucket, float], ...]
"""Buckets and their weights."""


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: until this fraction of the time, buckets are sampled with these weights."""

    until: float
    mix: Mix


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run. Its schedules are fractions of `minutes`, so the learning rate reaches
    zero on a slow machine too."""

    name: str
    model: DiTConfig  # its `vocabulary` is filled in from the world when training starts
    minutes: float
    stages: tuple[Stage, ...]
    validation: Bucket
    shapes: tuple[Bucket, ...]  # that the finished model offers, the default first
    sampling: Sampling = SAMPLING  # default of the finished model
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    decay_from: float = 0.5  # from this fraction on the learning rate falls linearly to zero
    clip_norm: float = 1.0
    emphasis: float = 6.0  # extra loss weight where a subject passes; see `data.emphasis`
    mask_share: float = 0.35  # of the clips: those conditioned on a part of their pixels, see `directions`
    path_share: float = 0.45  # on the path of their subject
    camera_share: float = 0.15  # on the path of their camera
    cast_shares: tuple[float, float, float] = CASTS  # of scenes with one, two and three subjects
    average: float = 0.999  # largest decay of the moving average
    densities: tuple[tuple[str, float], ...] = DENSITIES
    seed: int = 20260
    compile: bool = False
    save_minutes: float = 3.0
    validate_minutes: float = 10.0
    log_seconds: float = 20.0

    def mix(self, fraction: float) -> Mix:
        """Buckets and weights at this fraction of the run (0..1)."""
        return next((stage.mix for stage in self.stages if fraction < stage.until), self.stages[-1].mix)

    def rate(self, step: int, fraction: float) -> float:
        """Learning rate: warm-up by steps, constant, then linear to zero by elapsed time."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        cool = min(1.0, max(0.0, (1 - fraction) / (1 - self.decay_from)))
        return self.learning_rate * warm * cool


def nano() -> Recipe:
    """12 M parameters, 64-pixel clips of up to four seconds; trains on two CPU cores in an evening."""
    image = Bucket(1, 8, 64, 64, 64)
    square, wide, tall = Bucket(17, 8, 64, 64, 24), Bucket(17, 8, 112, 64, 14), Bucket(17, 8, 64, 112, 14)
    fast, long = Bucket(25, 12, 64, 64, 16), Bucket(33, 8, 64, 64, 12)
    cinema, classic = Bucket(17, 8, 144, 64, 10), Bucket(17, 8, 80, 64, 19)
    shapes = (square, wide, tall, fast, long, cinema, classic)
    mix = ((image, 0.05), *zip(shapes, (0.38, 0.21, 0.15, 0.04, 0.09, 0.04, 0.04), strict=True))
    return Recipe(
        name="nano",
        model=network(),
        minutes=150,
        stages=(Stage(0.22, ((image, 1.0),)), Stage(1.00, mix)),
        validation=Bucket(17, 8, 64, 64, 16),
        shapes=shapes,
        cast_shares=(0.62, 0.29, 0.09),
        compile=True,
    )


def mini() -> Recipe:
    """33 M parameters, 128-pixel clips of up to four seconds; half an hour on a data-centre GPU."""

    def clips(frames: int, batch: int) -> Mix:
        wide = batch * 4 // 7
        shapes = ((128, 128), batch, 0.5), ((224, 128), wide, 0.3), ((128, 224), wide, 0.2)
        return tuple((Bucket(frames, 12, *shape, size), share) for shape, size, share in shapes)

    lengths = images, short, middle, long = clips(1, 512), clips(17, 112), clips(33, 56), clips(49, 35)

    def mix(*shares: float) -> Mix:
        """Images, short, middle and long clips by their shares."""
        pairs = zip(lengths, shares, strict=False)
        return tuple((bucket, weight * share) for length, share in pairs for bucket, weight in length)

    return Recipe(
        name="mini",
        model=network(fine_width=256, width=448, depth=10, text_width=192, text_depth=3, noise_scale=2.0),
        minutes=24,
        stages=(
            Stage(0.15, images),
            Stage(0.50, mix(0.12, 0.88)),
            Stage(0.85, mix(0.12, 0.30, 0.58)),
            Stage(1.00, mix(0.12, 0.20, 0.30, 0.38)),
        ),
        validation=Bucket(17, 12, 128, 128, 16),
        shapes=tuple(bucket for length in (middle, long, short) for bucket, _ in length),
        compile=True,
        save_minutes=2.0,
        validate_minutes=4.0,
    )


def smoke() -> Recipe:
    """A network of toy size, trained for seconds; shows only that the loop runs."""
    image, clip = Bucket(1, 8, 32, 32, 4), Bucket(5, 8, 32, 32, 2)
    return Recipe(
        name="smoke",
        model=network(fine_width=64, width=64, depth=1, fine_out=1, text_width=64, text_depth=1),
        minutes=0.1,
        stages=(Stage(0.3, ((image, 1.0),)), Stage(1.0, ((image, 0.3), (clip, 0.7)))),
        validation=Bucket(5, 8, 32, 32, 4),
        shapes=(clip,),
        log_seconds=1.0,
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"nano": nano, "mini": mini, "smoke": smoke}
