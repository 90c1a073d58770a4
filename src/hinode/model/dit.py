"""The network: an hourglass diffusion transformer (DiT).

    latents ─ embed ─ fine blocks ─┬─ merge 2x2 ─ coarse blocks ─ split ─┐
                                   └───────────────── skip ─────────────(+)─ fine blocks ─ final ─► clean

Most blocks see coarse tokens (2x2 patches each), which is where meaning and motion are worked out at a
quarter of the cost; a few fine blocks before and after keep outlines crisp. Attention is full over space and
time at both levels.

What a block is told: the noise level of each latent frame, the frame rate and a summary of the text arrive
through adaptive layer norm; the words themselves are a prefix of keys and values in every attention. The
prefix does not depend on the noise, so a sampling run computes it once (`DiT.encode_text`).

Sources: DiT arXiv 2212.09748, shared modulation 2503.20314 (Wan), predicting clean pixels 2511.13720 (JiT),
noise level per frame 2407.01392 (diffusion forcing).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model import hints
from hinode.model.layers import Linear, Mlp, attend, fourier, rms_norm, rotate, waves
from hinode.model.text import TextEncoder, padding_bias
from hinode.model.tokens import SpacetimePatches, positions

HEAD = 64
ROPE_SPLIT = (16, 24, 24)  # of the 64 values of a head: time, height, width
FEATURES = 128  # width of sinusoidal features
LEVEL_PERIODS = (0.01, 4.0)  # of the noise level 0..1
RATE_PERIODS = (0.5, 32.0)  # octaves of frames per second
GUIDANCE_PERIODS = (0.5, 32.0)  # guidance strength
TIME_PERIODS = (0.5, 40.0)  # seconds
SPACE_PERIODS = (0.2, 8.0)  # short sides of the picture
MODALITIES = ("video", "sound", "action")  # kinds of streams that can share the coarse attention


@dataclass(frozen=True)
class DiTConfig:
    """All sizes of the network. Widths are multiples of 64, the size of an attention head."""

    vocabulary: int  # number of word ids
    patch_frames: int = 4
    patch_size: int = 8
    fine_width: int = 192
    fine_in: int = 1  # fine blocks before the coarse ones
    fine_out: int = 2  # and after
    width: int = 256  # of coarse tokens
    depth: int = 8  # coarse blocks
    text_width: int = 256
    text_depth: int = 2
    words: int = 48  # longest text
    conditioning: int = 256  # width of the vector behind adaptive layer norm
    noise_scale: float = 1.0  # standard deviation of pure noise, in latent units
    guidance_embedded: bool = False  # a student that learned guidance: its strength is an input
    hints: bool = False  # it is told which pixels are given, where a subject goes, what the camera does

    def __post_init__(self) -> None:
        for name in ("fine_width", "width", "text_width"):
            if getattr(self, name) % HEAD:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a multiple of {HEAD}.")

    @property
    def tokenizer(self) -> SpacetimePatches:
        """The tokenizer whose latents this network reads and writes."""
        return SpacetimePatches(self.patch_frames, self.patch_size)


@dataclass(frozen=True)
class Condition:
    """A batch of encoded texts: all that the network needs to know of them at any noise level."""

    keys: tuple[Tensor, ...]  # per block [B, heads, L, 64]
    values: tuple[Tensor, ...]
    bias: Tensor  # [B, 1, 1, L], hides padding
    pooled: Tensor  # [B, conditioning]

    def __getitem__(self, rows: slice) -> Condition:
        keys, values = (tuple(part[rows] for part in parts) for parts in (self.keys, self.values))
        return Condition(keys, values, self.bias[rows], self.pooled[rows])


@dataclass(frozen=True)
class Stream:
    """Tokens of one modality, n for each latent frame: what attention reads is a list of streams."""

    modality: str
    tokens: Tensor  # [B, Tl, n, D]
    rope: tuple[Tensor, Tensor]  # see `rope_table`, each [Tl, n, 64]


def rope_table(places: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """(cos, -sin | sin), each [..., 64], for `rotate`. places [..., 3], see `tokens.positions`."""
    periods = (TIME_PERIODS, SPACE_PERIODS, SPACE_PERIODS)
    phases = [  # each wave turns a pair of values
        waves(places[..., axis], *periods[axis], count=ROPE_SPLIT[axis] // 2) for axis in range(3)
    ]
    angles = torch.cat(phases, -1)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)


class Block(nn.Module):
    """One transformer block: attention over [text | tokens], then an MLP, each modulated per latent frame."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.qkv = Linear(width, 3 * width)
        self.text_kv = Linear(text_width, 2 * width)
        self.out = Linear(width, width, zero=True)
        self.mlp = Mlp(width)
        self.q_scale = nn.Parameter(torch.ones(HEAD))
        self.k_scale = nn.Parameter(torch.ones(HEAD))
        # What this block adds to the modulation that all blocks of a level share: shift, scale, gate (twice).
        start = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
        self.modulation = nn.Parameter(start[:, None].repeat(1, width))

    def text_prefix(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features [B, L, text width] -> keys and values, each [B, heads, L, 64]."""
        kv = self.text_kv(features).unflatten(-1, (2, -1, HEAD)).permute(2, 0, 3, 1, 4)
        return rms_norm(kv[0]) * self.k_scale.to(kv.dtype), kv[1]

    def forward(
        self,
        x: Tensor,  # (B, Tl, n, D)
        shared: Tensor,  # (B, Tl, 6, D)
        rope: tuple[Tensor, Tensor],
        text_keys: Tensor,
        text_values: Tensor,
        bias: Tensor,  # (B, 1, 1, at least L)
    ) -> Tensor:
        modulation = (shared + self.modulation.to(x.dtype)).unsqueeze(2)  # (B, Tl, 1, 6, D)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.unbind(-2)

        y = torch.addcmul(shift, rms_norm(x), scale)
        qkv = self.qkv(y).flatten(1, 2).unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        scales = torch.stack((self.q_scale, self.k_scale)).to(x.dtype)[:, None, None, None]
        q, k = rotate(rms_norm(qkv[:2].contiguous()) * scales, rope)  # (B, heads, Tl * n, 64)
        spare = k.new_zeros(*k.shape[:2], bias.shape[-1] - text_keys.shape[2], HEAD)
        k, v = torch.cat((text_keys, spare, k), 2), torch.cat((text_values, spare, qkv[2]), 2)
        mixed = attend(q, k, v, bias)
        mixed = self.out(mixed.transpose(1, 2).flatten(2)).view_as(x)
        x = torch.addcmul(x, gate, mixed)

        y = torch.addcmul(mlp_shift, rms_norm(x), mlp_scale)
        return torch.addcmul(x, mlp_gate, self.mlp(y))


Prefixes = Iterator[tuple[Tensor, Tensor]]


def run(
    blocks: Iterable[nn.Module], streams: Sequence[Stream], shared: Tensor, prefixes: Prefixes, bias: Tensor
) -> list[Tensor]:
    """Send all streams through the blocks as one sequence and return the tokens of each.

    shared: modulation [B, Tl, 6, D]. prefixes: text keys and values, a pair per block. bias: of the text.
    """
    x = torch.cat([stream.tokens for stream in streams], 2)
    cos, sin = (torch.cat(tables, 1).flatten(0, 1) for tables in zip(*(s.rope for s in streams), strict=True))
    # Attention over whole registers of keys, some of them hidden: its softmax on a CPU is twice as fast.
    bias = F.pad(bias, (0, -(bias.shape[-1] + len(cos)) % 32), value=-1e4)
    for block, (keys, values) in zip(blocks, prefixes, strict=False):
        x = block(x, shared, (cos, sin), keys, values, bias)
    return list(torch.split(x, [stream.tokens.shape[2] for stream in streams], 2))


def gather(x: Tensor, columns: int) -> Tensor:
    """Join 2x2 neighbours: [B, Tl, h * w, D] -> [B, Tl, h * w / 4, 4 * D]."""
    batch, frames, places, width = x.shape
    grid = x.view(batch, frames, places // columns // 2, 2, columns // 2, 2, width)
    return grid.transpose(3, 4).reshape(batch, frames, places // 4, 4 * width)


def scatter(x: Tensor, columns: int) -> Tensor:
    """The inverse of `gather`: [B, Tl, h * w / 4, 4 * D] -> [B, Tl, h * w, D]; columns is w."""
    batch, frames, places, width = x.shape
    grid = x.view(batch, frames, 2 * places // columns, columns // 2, 2, 2, width // 4)
    return grid.transpose(3, 4).reshape(batch, frames, 4 * places, width // 4)


class DiT(nn.Module):
    """The denoiser: noisy latents, noise levels and text in, predicted clean latents out."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        fine, width, channels = config.fine_width, config.width, config.tokenizer.channels

        self.text = TextEncoder(config.vocabulary, config.text_width, config.text_depth, config.words, HEAD)
        self.pool = Linear(config.text_width, config.conditioning)
        told = config.conditioning
        self.level_mlp = nn.Sequential(Linear(FEATURES, told), nn.SiLU(), Linear(told, told))
        self.rate = Linear(FEATURES, config.conditioning)
        self.guidance = Linear(FEATURES, config.conditioning) if config.guidance_embedded else None

        self.embed = Linear(channels, fine)
        self.hints = Linear(hints.channels(config.patch_frames), fine, zero=True) if config.hints else None
        # Rotary positions are relative; that the sky is up and the ground is down is absolute.
        self.place = Linear(2 * FEATURES, fine)
        self.merge = Linear(4 * fine, width)
        self.split = Linear(width, 4 * fine)
        self.modality = nn.Embedding(len(MODALITIES), width)
        nn.init.normal_(self.modality.weight, std=0.02)
        self.first = nn.Parameter(torch.randn(fine) * 0.02)  # marks the latent frame that is a single picture

        def blocks(count: int, size: int) -> nn.ModuleList:
            return nn.ModuleList(Block(size, config.text_width) for _ in range(count))

        self.fine_in = blocks(config.fine_in, fine)
        self.coarse = blocks(config.depth, width)
        self.fine_out = blocks(config.fine_out, fine)
        self.fine_modulation = Linear(config.conditioning, 6 * fine, zero=True)
        self.coarse_modulation = Linear(config.conditioning, 6 * width, zero=True)
        self.final_modulation = Linear(config.conditioning, 2 * fine, zero=True)
        self.final = Linear(fine, channels, zero=True)
        self.compute = torch.float32  # type of the activations; see `layers`
        self._laid: Any = None, None  # see `_layout`

    def _blocks(self) -> Iterator[Block]:
        for block in (*self.fine_in, *self.coarse, *self.fine_out):
            assert isinstance(block, Block)
            yield block

    def encode_text(self, ids: Tensor) -> Condition:
        """Word ids [B, L] (see `text.Vocabulary`) -> everything attention needs of them."""
        features, pooled = self.text(ids, self.compute)
        prefixes = [block.text_prefix(features) for block in self._blocks()]
        keys, values = zip(*prefixes, strict=True)
        return Condition(keys, values, padding_bias(ids, self.compute), self.pool(pooled))

    def _layout(self, *asked: Any) -> Any:
        """What only depends on where the patches lie, kept from step to step."""
        if self._laid[0] != (asked, self.compute):
            frames, rows, columns, fps, device = asked
            places = partial(positions, frames, fps=fps, frames=self.config.patch_frames, device=device)
            with torch.inference_mode(False):  # or training could not use it
                fine, coarse = places(rows, columns), places(rows // 2, columns // 2)
                where = fourier(fine[0, :, 1:], *SPACE_PERIODS, FEATURES).flatten(1).to(self.compute)
                ropes = rope_table(fine, self.compute), rope_table(coarse, self.compute)
            self._laid = (asked, self.compute), (where, *ropes)
        return self._laid[1]

    def forward(
        self,
        z: Tensor,
        t: Tensor,
        condition: Condition,
        fps: float,
        guidance: Tensor | None = None,
        hinted: Tensor | None = None,
    ) -> Tensor:
        """Predict the clean latents.

        z: noisy latents [B, Tl, h, w, C], h and w even; B may be that of the texts divided by a whole number.
        t: noise level of each latent frame, one row per text [B, Tl], 1 is clean. fps: frames per second of
        the video. guidance: strength [B], only for a network that has it embedded. hinted: from `hints.draw`,
        for one that reads them. Returns float32 [B, Tl, h, w, C].
        """
        _, frames, rows, columns, _ = z.shape
        where, fine_rope, coarse_rope = self._layout(frames, rows, columns, fps, z.device)

        # What adaptive layer norm is told, per latent frame.
        c = self.level_mlp(fourier(t, *LEVEL_PERIODS, FEATURES).to(self.compute))  # (B, Tl, conditioning)
        rate = fourier(torch.tensor(math.log2(fps), device=z.device), *RATE_PERIODS, FEATURES)
        c = c + condition.pooled[:, None] + self.rate(rate.to(self.compute))
        if self.guidance is not None:
            assert guidance is not None, "this network takes the guidance strength as an input"
            c = c + self.guidance(fourier(guidance, *GUIDANCE_PERIODS, FEATURES).to(self.compute))[:, None]
        c = F.silu(c)

        x = self.embed(z.to(self.compute)).flatten(2, 3).repeat(len(t) // len(z), 1, 1, 1)
        x = x + self.place(where)
        if self.hints is not None and hinted is not None:
            x = x + self.hints(hinted.to(x.dtype)).flatten(2, 3)
        x = torch.cat((x[:, :1] + self.first.to(x.dtype), x[:, 1:]), 1)

        fine = self.fine_modulation(c).unflatten(-1, (6, -1))
        prefixes = iter(zip(condition.keys, condition.values, strict=True))
        streams = [Stream("video", x, fine_rope)]
        (x,) = run(self.fine_in, streams, fine, prefixes, condition.bias)

        merged = self.merge(rms_norm(gather(x, columns)))
        merged = merged + self.modality.weight[MODALITIES.index("video")].to(x.dtype)
        coarse = self.coarse_modulation(c).unflatten(-1, (6, -1))
        streams = [Stream("video", merged, coarse_rope)]
        (merged,) = run(self.coarse, streams, coarse, prefixes, condition.bias)
        x = x + scatter(self.split(rms_norm(merged)), columns)

        (x,) = run(self.fine_out, [Stream("video", x, fine_rope)], fine, prefixes, condition.bias)

        shift, scale = self.final_modulation(c).unsqueeze(2).chunk(2, -1)
        x = torch.addcmul(shift, rms_norm(x), 1 + scale)
        clean: Tensor = self.final(x).float()
        return clean.reshape(-1, *z.shape[1:])

    def parameters_count(self) -> int:
        """Number of learned values."""
        return sum(parameter.numel() for parameter in self.parameters())
