"""A small causal video autoencoder: the other answer to what a spacetime patch should be.

Where `SpacetimePatches` hands the network raw pixels, this one squeezes each patch of 4 x 8 x 8 pixels into a
few learnt numbers (Sora's "video compression network"). It begins as the principal components of patches,
and residual blocks learn what those miss. Time is causal by latent frame: an image is the first frame of a
clip, to the bit. Latents are normalised per channel (Open-Sora 1.2 found that it matters).
"""

from __future__ import annotations

import random
import time
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
from hinode.world.render import render
from hinode.world.scene import sample_scene

SHARE = 0.12
"""Of the arithmetic of an arm, what its autoencoder may spend."""

CHANNELS, WIDTH, BLOCKS = 32, 128, 2
FRAMES, FPS, SIDE, BATCH = 17, 8.0, 64, 2
SAMPLE = 96  # batches that principal components and the normalisation are taken from
NOISE = 0.05  # on normalised latents while training, as a tiny KL term would: near latents look alike
CHANGES = 0.25  # weight of the error of temporal differences
RATE = 1e-3


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
    """One direction: a linear shortcut, and blocks that add what it misses."""

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
    """Patches to latents of `CHANNELS` numbers and back."""

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
        """The way back."""
        return self.patches.decode(self.decoder(latents * self.spread + self.mean))

    @torch.no_grad()
    def begin(self, patches: Tensor) -> None:
        """Start as the principal components of patches [N, values]."""
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


def error(net: Autoencoder, video: Tensor, noise: Tensor) -> Tensor:
    """Squared error of pixels and of their changes in time."""
    off = net.decode(net.encode(video) + NOISE * noise) - video
    return off.square().mean() + CHANGES * off.diff(dim=1).square().mean()


def train(path: Path, budget: float, *, tell: Callable[[str], None] = print) -> float:
    """Train an autoencoder with this much arithmetic and write it to `path`; returns what was spent.

    Takes minutes and cannot be resumed within. If the file is there, only says what it cost.
    """
    if path.is_file():
        with safe_open(path, framework="pt") as reader:
            return float((reader.metadata() or {})["flops"])
    rng, generator = random.Random("autoencoder"), torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    net = Autoencoder()

    def clips() -> Tensor:
        scenes = [sample_scene(rng) for _ in range(BATCH)]
        video = render(scenes, frames=FRAMES, fps=FPS, width=SIDE, height=SIDE)
        return video * 2 - 1

    sample = torch.cat([clips() for _ in range(SAMPLE)])
    patches = net.patches.encode(sample).flatten(0, -2)
    values = net.patches.channels
    net.begin(patches)
    coded = LatentPatches(net).encode_flops(FRAMES, SIDE, SIDE)
    spent = 2.0 * values**2 * len(patches) + 10.0 * values**3 + 2.0 * values * CHANNELS * len(patches)
    last = coded * len(sample)  # for the normalisation, at the end
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.0)
    begun, told, step = spent, time.monotonic(), 0
    while spent + last < budget:
        video = clips()
        part = (spent - begun) / max(budget - begun, 1.0)
        noise = torch.randn(
            (BATCH, net.patches.latent_frames(FRAMES), SIDE // 8, SIDE // 8, CHANNELS), generator=generator
        )
        loss = error(net, video, noise)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / 20) * (1 - part)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        spent, step = spent + 3 * 2 * coded * BATCH, step + 1
        if time.monotonic() - told > 20:
            tell(f"autoencoder: {spent / budget:.0%}, step {step}, error {loss.item():.4f}")
            told = time.monotonic()
    with torch.no_grad():
        latents = torch.cat([net.encoder(net.patches.encode(some)) for some in torch.split(sample, BATCH)])
        net.mean.copy_(latents.mean((0, 1, 2, 3)))
        net.spread.copy_(latents.std((0, 1, 2, 3)))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), path, {"flops": str(spent + last)})
    return spent + last
