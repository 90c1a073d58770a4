"""A small causal video autoencoder: the second answer to what a spacetime patch should be.

`SpacetimePatches` gives the network raw pixels; this one compresses each patch of 4 x 8 x 8 pixels into a few
learnt numbers (Sora's "video compression network"). It starts as the principal components of patches, and
residual blocks learn what those miss. Time is causal by latent frame: an image is the first frame of a clip,
to the bit. Latents are normalised per channel (Open-Sora 1.2 found that it matters).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hinode.model.dit import DiTConfig
from hinode.model.layers import Mlp, rms_norm
from hinode.model.tokens import SpacetimePatches
from hinode.output import replace_file
from hinode.training.loop import Progress, iterate_steps, take_step
from hinode.world.render import render
from hinode.world.scene import sample_scene

CHANNELS, WIDTH, BLOCKS = 32, 128, 2
FRAMES, FPS, SIDE, BATCH = 17, 8.0, 64, 2
SAMPLE = 96  # batches that principal components and the normalisation are computed from
NOISE = 0.05  # on normalised latents while training, as a tiny KL term would: near latents look alike
CHANGE = 0.25  # loss weight of temporal differences
RATE, WARM_UP = 1e-3, 20
REPORT_SECONDS = 20.0


class CausalBlock(nn.Module):
    """A depthwise 3x3x3 convolution that never looks ahead, then an MLP, both residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Conv3d(width, width, 3, groups=width, bias=False)
        nn.init.zeros_(self.near.weight)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, Tl, h, w, D] -> the same."""
        grid = F.pad(rms_norm(x).permute(0, 4, 1, 2, 3), (1, 1, 1, 1, 2, 0))
        x = x + self.near(grid).permute(0, 2, 3, 4, 1)
        mixed: Tensor = x + self.mlp(rms_norm(x))
        return mixed


class Coder(nn.Module):
    """Encoder or decoder: a linear shortcut, and blocks that add what it misses."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shortcut = nn.Linear(inputs, outputs)
        self.into = nn.Linear(inputs, WIDTH)
        self.blocks = nn.Sequential(*(CausalBlock(WIDTH) for _ in range(BLOCKS)))
        self.out = nn.Linear(WIDTH, outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, Tl, h, w, inputs] -> [B, Tl, h, w, outputs]."""
        coded: Tensor = self.shortcut(x) + self.out(rms_norm(self.blocks(self.into(x))))
        return coded


class Autoencoder(nn.Module):
    """Patches to latents of `CHANNELS` numbers, and the inverse."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = SpacetimePatches()
        values = self.patches.channels
        self.encoder, self.decoder = Coder(values, CHANNELS), Coder(CHANNELS, values)
        self.mean = nn.Buffer(torch.zeros(CHANNELS))
        self.spread = nn.Buffer(torch.ones(CHANNELS))

    def encode(self, video: Tensor) -> Tensor:
        """video [B, T, 3, H, W] in -1..1 -> latents [B, Tl, h, w, C] of mean 0 and deviation 1."""
        latents: Tensor = self.encoder(self.patches.encode(video))
        return (latents - self.mean) / self.spread

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse of `encode`."""
        return self.patches.decode(self.decoder(latents * self.spread + self.mean))

    @torch.no_grad()
    def initialize(self, patches: Tensor) -> None:
        """Become the principal components of patches [N, values]."""
        mean = patches.mean(0)
        _, vectors = torch.linalg.eigh(torch.cov(patches.T))
        main = vectors[:, -CHANNELS:]  # (values, C), the largest last
        self.encoder.shortcut.weight.copy_(main.T)
        self.encoder.shortcut.bias.copy_(-mean @ main)
        self.decoder.shortcut.weight.copy_(main)
        self.decoder.shortcut.bias.copy_(mean)
        self.spread.copy_((patches @ main).std(0))


class LatentPatches(SpacetimePatches):
    """The autoencoder as a tokeniser."""

    def __init__(self, net: Autoencoder) -> None:
        super().__init__(net.patches.frames, net.patches.size)
        object.__setattr__(self, "net", net)

    net: Autoencoder

    @property
    def channels(self) -> int:
        return CHANNELS

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        return self.net.to(video.device).encode(video)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        return self.net.to(latents.device).decode(latents)

    def encode_flops(self, frames: int, height: int, width: int) -> int:
        """Arithmetic of encoding one clip; decoding costs the same."""
        places = self.latent_frames(frames) * (height // self.size) * (width // self.size)
        values = super().channels
        block = 2 * 27 * WIDTH + 2 * 8 * WIDTH * WIDTH
        return places * (2 * values * (CHANNELS + WIDTH) + BLOCKS * block + 2 * WIDTH * CHANNELS)


@dataclass(frozen=True)
class LatentConfig(DiTConfig):
    """The network over the latents of the autoencoder in this file."""

    autoencoder: str = ""

    @property
    def tokenizer(self) -> SpacetimePatches:
        return LatentPatches(load(Path(self.autoencoder)))


def latent_config(config: DiTConfig, path: Path) -> LatentConfig:
    """The same network, over latents."""
    return LatentConfig(
        **{field.name: getattr(config, field.name) for field in fields(DiTConfig)}, autoencoder=str(path)
    )


@lru_cache(maxsize=2)
def load(path: Path) -> Autoencoder:
    """Read what `train` wrote."""
    net = Autoencoder()
    with safe_open(path, framework="pt") as reader:
        net.load_state_dict({name: reader.get_tensor(name) for name in reader.keys()})  # noqa: SIM118
    return net.eval().requires_grad_(False)


def loss(net: Autoencoder, video: Tensor, noise: Tensor) -> Tensor:
    """Squared error of pixels and of their changes in time."""
    error = net.decode(net.encode(video) + NOISE * noise) - video
    return error.square().mean() + CHANGE * error.diff(dim=1).square().mean()


def train(path: Path, budget: float, *, report: Callable[[str], None] = print) -> float:
    """Train an autoencoder with so much arithmetic and write it to `path`; returns what was spent.

    It takes minutes and cannot be resumed. If the file exists, only its cost is returned.
    """
    if path.is_file():
        with safe_open(path, framework="pt") as reader:
            return float((reader.metadata() or {})["flops"])
    rng, generator = random.Random("autoencoder"), torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    net = Autoencoder()

    def clips() -> Tensor:
        scenes = [sample_scene(rng) for _ in range(BATCH)]
        return render(scenes, frames=FRAMES, fps=FPS, width=SIDE, height=SIDE) * 2 - 1

    sample = torch.cat([clips() for _ in range(SAMPLE)])
    patches = net.patches.encode(sample).flatten(0, -2)
    values = net.patches.channels
    net.initialize(patches)
    encoding = LatentPatches(net).encode_flops(FRAMES, SIDE, SIDE)
    start = 2.0 * values**2 * len(patches) + 10.0 * values**3 + 2.0 * values * CHANNELS * len(patches)
    end = encoding * len(sample)  # for the normalisation
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.0)
    progress, error = Progress(flops=start), 0.0
    shape = BATCH, net.patches.latent_frames(FRAMES), SIDE // 8, SIDE // 8, CHANNELS

    def report_progress() -> None:
        report(f"autoencoder: {progress.flops / budget:.0%}, step {progress.step}, error {error:.4f}")

    tasks = ((REPORT_SECONDS, report_progress),)
    for _ in iterate_steps(lambda: progress.flops + end < budget, progress, tasks=tasks):
        video, noise = clips(), torch.randn(shape, generator=generator)
        value = loss(net, video, noise)
        done = (progress.flops - start) / max(budget - start, 1.0)
        take_step(value, optimizer, RATE * min(1.0, (progress.step + 1) / WARM_UP) * (1 - done))
        progress.flops += 3 * 2 * encoding * BATCH
        progress.step += 1
        error = value.item()
    with torch.no_grad():
        latents = torch.cat([net.encoder(net.patches.encode(part)) for part in torch.split(sample, BATCH)])
        net.mean.copy_(latents.mean((0, 1, 2, 3)))
        net.spread.copy_(latents.std((0, 1, 2, 3)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as part:
        save_file(net.state_dict(), part, {"flops": str(progress.flops + end)})
    return progress.flops + end
