"""The arms of the experiments: single training runs, as data.

An arm's schedule follows the floating-point operations spent and not the clock, so a busy machine gives the
same result, and every arm of a family sees the same scenes from the same seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hinode.errors import BadInput
from hinode.model.dit import DiT, DiTConfig
from hinode.model.flow import Sampling
from hinode.training.cost import flops
from hinode.training.recipes import Bucket, Recipe, Stage
from hinode.world.caption import DENSITIES

BASE = 1e12
"""Floating-point operations of a run at 1x compute."""
CAPTION_WORDS = 32
"""Longest caption, and the one length that all are padded to: one shape of text, one compiled graph."""
CLIP, IMAGE = Bucket(17, 8, 64, 64, 8), Bucket(1, 8, 64, 64, 32)
WIDE, TALL = Bucket(1, 8, 112, 64, 18), Bucket(1, 8, 64, 112, 18)
CUT = tuple(dataclasses.replace(IMAGE, cut_from=(bucket.width, bucket.height)) for bucket in (WIDE, TALL))
SAMPLING = Sampling(steps=8, guided=(0.0, 1.0))


def _config(fine_width: int, width: int, depth: int, text_width: int, text_depth: int) -> DiTConfig:
    return DiTConfig(
        vocabulary=0,
        words=CAPTION_WORDS,
        fine_width=fine_width,
        width=width,
        depth=depth,
        text_width=text_width,
        text_depth=text_depth,
        conditioning=text_width,
    )


SIZES = {
    "xs": _config(64, 64, 3, 64, 1),
    "s": _config(64, 128, 4, 128, 1),
    "m": _config(128, 192, 5, 192, 1),
    "l": _config(192, 256, 8, 256, 2),
}
"""The family of networks: the same hourglass at four sizes, the largest nano's."""


@dataclass(frozen=True)
class Arm:
    """One training run of an experiment. The names of its fields are keys of the committed results."""

    name: str
    size: str  # of `SIZES`
    compute: float  # in units of `BASE`, everything that is trained for this arm included
    seed: int = 1
    space: str = "pixel"  # or "latent": that of an autoencoder; or "components": principal ones
    kept: int = 0  # number of those components
    free_tokenizer: float = 0  # in units of `BASE`: of its autoencoder, beside the arm's own compute
    target: str = "x"  # or "v": what the network's output means
    density: str = "mixed"  # of the captions: as the recipes mix them, or one of `DENSITIES`
    shapes: str = "clips"  # or "images", "native", "cut": single frames
    prompts: tuple[str, ...] = ("scaling",)  # files of benchmarks/prompts

    @property
    def budget(self) -> float:
        """Floating-point operations."""
        return self.compute * BASE

    @property
    def moving(self) -> bool:
        """Whether it learns and generates clips, and not single frames."""
        return self.shapes == "clips"

    @property
    def bucket(self) -> Bucket:
        """What it is validated on and generates."""
        return CLIP if self.moving else IMAGE


def scaling(size: str, compute: float, seed: int = 1) -> Arm:
    """A point of the scaling curve."""
    return Arm(f"scaling-{size}-{compute:g}x" + (f"-seed{seed}" if seed > 1 else ""), size, compute, seed)


FAMILIES: dict[str, tuple[Arm, ...]] = {
    "scaling": tuple(scaling(size, compute) for compute in (1, 4, 16) for size in SIZES),
    "spaces": (
        Arm("spaces-latent-x", "s", 16, space="latent"),
        Arm("spaces-pixel-v", "s", 16, target="v"),
        Arm("spaces-latent-free-x", "s", 16, space="latent", free_tokenizer=8),
        Arm("spaces-latent-x-32x", "s", 32, space="latent"),
        *(
            Arm(f"spaces-components{count}-{compute}x", "s", compute, space="components", kept=count)
            for count in (32, 128)
            for compute in (16, 32)
        ),
    ),
    "captions": tuple(
        Arm(f"captions-{density}", "s", 8, density=density, shapes="images", prompts=("captions",))
        for density in ("mixed", *DENSITIES)
    ),
    "framing": tuple(
        Arm(f"framing-{shapes}", "s", 8, shapes=shapes, prompts=("captions",)) for shapes in ("native", "cut")
    ),
    "seeds": tuple(scaling(size, compute, 2) for compute in (1, 4, 16) for size in SIZES),
    "grid": (scaling("s", 32), scaling("xs", 32)),
}
"""All experiments, in the order of their worth. Of E0, the arm pixel-x is the one of the scaling curve."""


class VelocityDiT(DiT):
    """The same network with its output read as velocity instead of clean latents.

    The clean latents that follow from it are z + (1 - t) v, so loss and sampler stay as they are.
    """

    def forward(self, z: Tensor, t: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return z + (1 - t)[..., None, None, None] * super().forward(z, t, *arguments, **options)


def find_arms(names: Sequence[str]) -> list[Arm]:
    """The arms of these families, or these arms. BadInput for a name that is neither."""
    by_name = {arm.name: arm for family in FAMILIES.values() for arm in family}
    result: list[Arm] = []
    for name in names:
        if name not in FAMILIES and name not in by_name:
            raise BadInput(
                f"there is no experiment {name}",
                f"choose one of {', '.join(FAMILIES)}, or an arm",
                field="name",
            )
        result += FAMILIES.get(name) or (by_name[name],)
    return result


def make_recipe(arm: Arm, config: DiTConfig) -> Recipe:
    """The recipe of an arm. Data follow from its name and seed, so they are the same for all arms."""
    per_step = 3 * CLIP.batch_size * flops(config, CLIP.frames, CLIP.height, CLIP.width, CAPTION_WORDS)
    captions: Any = {} if arm.density == "mixed" else {"densities": ((arm.density, 1.0),)}
    return Recipe(
        name="experiment",
        model=config,
        minutes=0,  # the schedule follows the arithmetic
        stages=_stages(arm),
        validation=dataclasses.replace(arm.bucket, batch_size=16),
        shapes=(arm.bucket,),
        sampling=SAMPLING,
        learning_rate=4e-3,
        warmup_steps=max(5, round(0.05 * arm.budget / per_step)),
        mask_share=0.0,
        path_share=0.0,
        camera_share=0.0,
        seed=arm.seed,
        compile=arm.size == "s" and arm.compute >= 8,  # where it is worth its minutes
        **captions,
    )


def _stages(arm: Arm) -> tuple[Stage, ...]:
    """What an arm is trained on. Clips begin with single frames, which teach the most for their cost."""
    if arm.shapes == "clips":
        return Stage(0.35, ((IMAGE, 1.0),)), Stage(1.0, ((IMAGE, 0.1), (CLIP, 0.9)))
    buckets = {"images": (IMAGE,), "native": (WIDE, TALL), "cut": CUT}[arm.shapes]
    return (Stage(1.0, tuple((bucket, 1.0) for bucket in buckets)),)
