"""Patches as their principal components: the third answer to what a spacetime patch should be, beside raw
pixels and a learnt autoencoder.

Most of the 768 numbers of a patch are fine grain that matters neither to the eye nor to the prompt, and a
network that has to predict all of them spends most of its capacity on those. The first few components hold
nearly everything that moves. Nothing is trained: the components follow from some clips by linear algebra.
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
from hinode.output import replace_file
from hinode.world.render import render
from hinode.world.scene import sample_scene

FRAMES, FPS, SIDE = 17, 8.0, 64
CLIPS, BATCH = 192, 8  # clips that the components are computed from
POWER = 0.5
"""A component is divided by its deviation to this power. At 0 noise hides the small components before the
large ones; at 1 the smallest count as much as the subject."""


@dataclass(frozen=True)
class ComponentPatches(SpacetimePatches):
    """The largest principal components of patches as a tokeniser; lossless only with all of them."""

    mean: Tensor = field(default_factory=Tensor, compare=False)  # of patches, [values]
    main: Tensor = field(default_factory=Tensor, compare=False)  # a column each, largest first, [values, C]
    spread: Tensor = field(default_factory=Tensor, compare=False)  # divisors that make the mean square 1, [C]

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
    count: int = 32

    @property
    def tokenizer(self) -> SpacetimePatches:
        return load(Path(self.components), self.count)


def component_config(config: DiTConfig, path: Path, count: int) -> ComponentConfig:
    """The same network, over the `count` largest components."""
    same = {field.name: getattr(config, field.name) for field in fields(DiTConfig)}
    return ComponentConfig(**same, components=str(path), count=count)


@lru_cache(maxsize=4)
def load(path: Path, count: int) -> ComponentPatches:
    """The `count` largest components of those that `fit` wrote to `path`."""
    with safe_open(path, framework="pt") as reader:
        mean, vectors, deviations = (reader.get_tensor(name) for name in ("mean", "vectors", "deviations"))
    deviations = deviations[:count]
    spread = deviations**POWER
    spread = spread * (deviations / spread).square().mean().sqrt()
    return ComponentPatches(mean=mean, main=vectors[:, :count].contiguous(), spread=spread)


def fit(path: Path) -> float:
    """Compute the principal components of the patches of some clips and write all of them to `path`; returns
    the arithmetic that it took. If the file exists, only that is returned."""
    if path.is_file():
        with safe_open(path, framework="pt") as reader:
            return float((reader.metadata() or {})["flops"])
    rng, patches, clips = random.Random("components"), SpacetimePatches(), []
    for _ in range(CLIPS // BATCH):
        scenes = [sample_scene(rng) for _ in range(BATCH)]
        video = render(scenes, frames=FRAMES, fps=FPS, width=SIDE, height=SIDE)
        clips.append(patches.encode(video * 2 - 1).flatten(0, -2))
    sample, values = torch.cat(clips), patches.channels
    variances, vectors = torch.linalg.eigh(torch.cov(sample.T).double())
    tensors = {
        "mean": sample.mean(0),
        "vectors": vectors.flip(1).float().contiguous(),
        "deviations": variances.flip(0).clamp(min=0).sqrt().float(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    cost = 2.0 * values**2 * len(sample) + 10.0 * values**3
    with replace_file(path) as part:
        save_file(tensors, part, {"flops": str(cost)})
    return cost
