"""Patches as their principal components: the third answer to what a spacetime patch should be, beside raw
pixels and a learnt autoencoder.

Most of the 768 numbers of a patch are fine grain that neither eye nor words ask for, and a network that has
to predict all of them spends itself on those. The first few components hold nearly everything that moves.
Nothing is trained: the components follow from some clips by linear algebra.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from hinode.model.dit import DiTConfig
from hinode.model.tokens import SpacetimePatches
from hinode.world.render import render
from hinode.world.scene import sample_scene

FRAMES, FPS, SIDE = 17, 8.0, 64
CLIPS, TOGETHER = 192, 8  # that the components are taken from
POWER = 0.5
"""A component is divided by its deviation to this power. At 0 the small ones drown in noise that the large
ones hardly feel; at 1 the smallest count as much as the subject."""


@dataclass(frozen=True)
class ComponentPatches(SpacetimePatches):
    """The largest principal components of patches as a tokeniser; lossy unless all are kept.

    Attributes:
        mean: of patches, [values].
        main: the components, one a column and the largest first, [values, C].
        spread: what each is divided by, [C]; the mean square of all that is kept is then 1.
    """

    mean: Tensor = field(default_factory=Tensor, compare=False)
    main: Tensor = field(default_factory=Tensor, compare=False)
    spread: Tensor = field(default_factory=Tensor, compare=False)

    @property
    def channels(self) -> int:
        return self.main.shape[1]

    def encode(self, video: Tensor) -> Tensor:
        mean, main, spread = self._on(video)
        latents: Tensor = (super().encode(video) - mean) @ main / spread
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        mean, main, spread = self._on(latents)
        return super().decode((latents * spread) @ main.T + mean)

    def _on(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, components and spread where `like` is."""
        return self.mean.to(like.device), self.main.to(like.device), self.spread.to(like.device)

    def encode_flops(self, frames: int, height: int, width: int) -> int:
        """Arithmetic of encoding one clip; decoding costs the same."""
        places = self.latent_frames(frames) * (height // self.size) * (width // self.size)
        return places * 2 * len(self.main) * self.channels


@dataclass(frozen=True)
class ComponentConfig(DiTConfig):
    """The network over principal components of patches."""

    components: str = ""  # the file that `fit` wrote
    kept: int = 32

    @property
    def tokenizer(self) -> SpacetimePatches:
        return load(Path(self.components), self.kept)


def component_config(config: DiTConfig, path: Path, kept: int) -> ComponentConfig:
    """The same network, over the `kept` largest components."""
    same = {one.name: getattr(config, one.name) for one in fields(DiTConfig)}
    return ComponentConfig(**same, components=str(path), kept=kept)


@lru_cache(maxsize=4)
def load(path: Path, kept: int) -> ComponentPatches:
    """The `kept` largest components of those that `fit` wrote to `path`."""
    with safe_open(path, framework="pt") as reader:
        mean, vectors, deviations = (reader.get_tensor(name) for name in ("mean", "vectors", "deviations"))
    deviations = deviations[:kept]
    spread = deviations**POWER
    spread = spread * (deviations / spread).square().mean().sqrt()
    return ComponentPatches(mean=mean, main=vectors[:, :kept].contiguous(), spread=spread)


def fit(path: Path) -> float:
    """Find the principal components of the patches of some clips and write all of them to `path`; returns the
    arithmetic that it took. If the file is there, only says that."""
    if path.is_file():
        with safe_open(path, framework="pt") as reader:
            return float((reader.metadata() or {})["flops"])
    rng, patches, clips = random.Random("components"), SpacetimePatches(), []
    for _ in range(CLIPS // TOGETHER):
        scenes = [sample_scene(rng) for _ in range(TOGETHER)]
        video = render(scenes, frames=FRAMES, fps=FPS, width=SIDE, height=SIDE)
        clips.append(patches.encode(video * 2 - 1).flatten(0, -2))
    seen, values = torch.cat(clips), patches.channels
    variances, vectors = torch.linalg.eigh(torch.cov(seen.T).double())
    found = {
        "mean": seen.mean(0),
        "vectors": vectors.flip(1).float().contiguous(),
        "deviations": variances.flip(0).clamp(min=0).sqrt().float(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    cost = 2.0 * values**2 * len(seen) + 10.0 * values**3
    save_file(found, path, {"flops": str(cost)})
    return cost
