"""The network: an hourglass diffusion transformer (DiT).

    latents ─ embed ─ fine blocks ─┬─ merge 2x2 ─ coarse blocks ─ split ─┐
                                   └───────────────── skip ─────────────(+)─ fine blocks ─ final ─► clean

Most blocks see coarse tokens (2x2 patches each), which work out meaning and motion at a quarter of the cost;
a few fine blocks before and after keep outlines crisp. Attention is full over space and time at both levels.
The noise level of each latent frame, the frame rate and a summary of the text reach a block through adaptive
layer norm. The words themselves are a prefix of keys and values in every attention; it does not depend on the
noise, so a sampling run computes it once (`DiT.encode_text`).

Sources: DiT arXiv 2212.09748, shared modulation 2503.20314 (Wan), predicting clean pixels 2511.13720 (JiT),
noise level per frame 2407.01392 (diffusion forcing).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model import controls, fast
from hinode.model.layers import HEAD, Linear, Mlp, attend, fourier, rms_norm, rotate, waves
from hinode.model.text import TextEncoder, padding_bias
from hinode.model.tokens import SpacetimePatches, positions

ROPE_SPLIT = (16, 24, 24)  # of the 64 values of a head: time, height, width
FEATURES = 128  # width of sinusoidal features
LEVEL_PERIODS, FPS_PERIODS = (0.01, 4.0), (0.5, 32.0)  # noise level 0..1; octaves of frames per second
TIME_PERIODS, SPACE_PERIODS = (0.5, 40.0), (0.2, 8.0)  # seconds; short sides of the picture
MODALITIES = ("video", "sound", "action")  # kinds of streams that can share the coarse attention

Rope = tuple[Tensor, Tensor]  # cosines and signed sines, each [..., N, 64]; see `rope_table`
Prefix = tuple[Tensor, Tensor]  # keys and values of a text in one block, each [B, heads, L, 64]


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
    control: bool = False  # whether it reads control channels; see `controls`

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
    """A batch of encoded texts: all that the network needs of them at any noise level."""

    prefixes: tuple[Prefix, ...]  # one per block, in the order of the blocks
    bias: Tensor  # [B, 1, 1, L], hides padding
    summary: Tensor  # [B, conditioning]

    def __getitem__(self, rows: slice) -> Condition:
        prefixes = tuple((keys[rows], values[rows]) for keys, values in self.prefixes)
        return Condition(prefixes, self.bias[rows], self.summary[rows])


@dataclass(frozen=True)
class Stream:
    """Tokens of one modality, n for each latent frame; one attention reads all streams together."""

    modality: str  # one of `MODALITIES`
    tokens: Tensor  # [B, Tl, n, D]
    places: Tensor  # [Tl, n, 3], see `tokens.positions`


def rope_table(places: Tensor, dtype: torch.dtype) -> Rope:
    """(cos | cos, -sin | sin) for `rotate`. places [..., 3], see `tokens.positions`."""
    periods = (TIME_PERIODS, SPACE_PERIODS, SPACE_PERIODS)
    # Each wave turns a pair of values.
    phases = [waves(places[..., k], *periods[k], count=ROPE_SPLIT[k] // 2) for k in range(3)]
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
        # All blocks of a level share one modulation, which starts at zero; each adds its own to it:
        # shift 0, scale 1, gate 1, for the attention and for the MLP.
        start = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
        self.modulation = nn.Parameter(start[:, None].repeat(1, width))

    def text_prefix(self, features: Tensor) -> Prefix:
        """Keys and values of texts with features [B, L, text width]."""
        # (B, L, 2 * D) -> (2, B, heads, L, 64)
        kv = self.text_kv(features).unflatten(-1, (2, -1, HEAD)).permute(2, 0, 3, 1, 4)
        return rms_norm(kv[0]) * self.k_scale.to(kv.dtype), kv[1]

    def forward(self, x: Tensor, shared: Tensor, rope: Rope, text: Prefix, bias: Tensor) -> Tensor:
        """x: tokens [B, Tl, n, D]. shared: modulation [B, Tl, 6, D]. bias: of the text keys [B, 1, 1, L]."""
        modulation = (shared + self.modulation.to(x.dtype)).unsqueeze(2)  # (B, Tl, 1, 6, D)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.unbind(-2)

        y = torch.addcmul(shift, rms_norm(x), scale)
        # Every token of every frame attends to every other: (B, Tl, n, 3 * D) -> (3, B, heads, Tl * n, 64)
        qkv = self.qkv(y).flatten(1, 2).unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        q = rotate(rms_norm(q) * self.q_scale.to(x.dtype), rope)
        k = rotate(rms_norm(k) * self.k_scale.to(x.dtype), rope)
        mixed = attend(q, torch.cat((text[0], k), 2), torch.cat((text[1], v), 2), bias)
        x = torch.addcmul(x, gate, self.out(mixed.transpose(1, 2).flatten(2)).view_as(x))

        y = torch.addcmul(mlp_shift, rms_norm(x), mlp_scale)
        return torch.addcmul(x, mlp_gate, self.mlp(y))


def run(
    blocks: nn.ModuleList, streams: list[Stream], shared: Tensor, prefixes: Sequence[Prefix], bias: Tensor
) -> list[Tensor]:
    """Send all streams through the blocks as one sequence; returns the tokens of each. Shapes as in
    `Block`."""
    x = torch.cat([stream.tokens for stream in streams], 2)
    places = torch.cat([stream.places for stream in streams], 1).flatten(0, 1)
    rope = rope_table(places, x.dtype)
    spare = fast.spare_keys(bias.shape[-1] + len(places))  # hidden keys between text and tokens
    bias = F.pad(bias, (0, spare), value=-1e4)
    for block, prefix in zip(blocks, prefixes, strict=True):
        text = F.pad(prefix[0], (0, 0, 0, spare)), F.pad(prefix[1], (0, 0, 0, spare))
        x = block(x, shared, rope, text, bias)
    return list(torch.split(x, [stream.tokens.shape[2] for stream in streams], 2))


def gather(x: Tensor, columns: int) -> Tensor:
    """Join 2x2 neighbours: [B, Tl, h * w, D] -> [B, Tl, h * w / 4, 4 * D]; columns is w."""
    grid = x.view(*x.shape[:2], -1, 2, columns // 2, 2, x.shape[-1])  # (B, Tl, h / 2, 2, w / 2, 2, D)
    return grid.transpose(3, 4).flatten(4).flatten(2, 3)


def scatter(x: Tensor, columns: int) -> Tensor:
    """The inverse of `gather`: [B, Tl, h * w / 4, 4 * D] -> [B, Tl, h * w, D]; columns is w."""
    grid = x.view(*x.shape[:2], -1, columns // 2, 2, 2, x.shape[-1] // 4)  # (B, Tl, h / 2, w / 2, 2, 2, D)
    return grid.transpose(3, 4).flatten(2, 5)


class DiT(nn.Module):
    """The denoiser: noisy latents, noise levels and text in, predicted clean latents out."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        self.compute = torch.float32  # type of the activations; see `layers`
        fine, width, cond = config.fine_width, config.width, config.conditioning

        self.text = TextEncoder(config.vocabulary, config.text_width, config.text_depth, config.words)
        self.text_proj = Linear(config.text_width, cond)
        self.level_mlp = nn.Sequential(Linear(FEATURES, cond), nn.SiLU(), Linear(cond, cond))
        self.fps_proj = Linear(FEATURES, cond)

        self.embed = Linear(config.tokenizer.channels, fine)
        inputs = controls.channels(config.patch_frames)
        self.control_proj = Linear(inputs, fine, zero=True) if config.control else None
        # Rotary positions are relative; that the sky is up and the ground is down is absolute.
        self.position_proj = Linear(2 * FEATURES, fine)
        self.merge = Linear(4 * fine, width)
        self.split = Linear(width, 4 * fine)
        self.modality = nn.Embedding(len(MODALITIES), width)
        nn.init.normal_(self.modality.weight, std=0.02)
        self.first_frame = nn.Parameter(torch.randn(fine) * 0.02)  # marks the latent frame of one picture

        self.fine_in = nn.ModuleList(Block(fine, config.text_width) for _ in range(config.fine_in))
        self.coarse = nn.ModuleList(Block(width, config.text_width) for _ in range(config.depth))
        self.fine_out = nn.ModuleList(Block(fine, config.text_width) for _ in range(config.fine_out))
        self.fine_modulation = Linear(cond, 6 * fine, zero=True)
        self.coarse_modulation = Linear(cond, 6 * width, zero=True)
        self.final_modulation = Linear(cond, 2 * fine, zero=True)
        self.final = Linear(fine, config.tokenizer.channels, zero=True)

    def blocks(self) -> Iterator[Block]:
        """All blocks in the order in which tokens pass them."""
        for block in (*self.fine_in, *self.coarse, *self.fine_out):
            assert isinstance(block, Block)
            yield block

    def encode_text(self, ids: Tensor) -> Condition:
        """Word ids [B, L] (see `text.Vocabulary`) -> everything that depends on them alone."""
        features, mean = self.text(ids, self.compute)
        prefixes = tuple(block.text_prefix(features) for block in self.blocks())
        return Condition(prefixes, padding_bias(ids, self.compute), self.text_proj(mean))

    def forward(
        self, z: Tensor, t: Tensor, condition: Condition, fps: float, control: Tensor | None = None
    ) -> Tensor:
        """Predict the clean latents, float32 [B, Tl, h, w, C].

        z: noisy latents [B, Tl, h, w, C], h and w even; B may be that of the texts divided by a whole number.
        t: noise level of each latent frame, one row per text [B, Tl], 1 is clean. fps: frames per second of
        the video. control: from `controls.encode`, for a network that reads it.
        """
        # The input of adaptive layer norm, per latent frame: (B, Tl, conditioning)
        c = self.level_mlp(fourier(t, *LEVEL_PERIODS, FEATURES).to(self.compute))
        octaves = fourier(torch.tensor(math.log2(fps), device=z.device), *FPS_PERIODS, FEATURES)
        c = F.silu(c + condition.summary[:, None] + self.fps_proj(octaves.to(self.compute)))
        fine = self.fine_modulation(c).unflatten(-1, (6, -1))
        coarse = self.coarse_modulation(c).unflatten(-1, (6, -1))

        _, frames, rows, columns, _ = z.shape
        fine_places, coarse_places = (
            positions(frames, rows // k, columns // k, fps, self.config.patch_frames, z.device)
            for k in (1, 2)
        )

        x = self.embed(z.to(self.compute)).flatten(2, 3).repeat(len(t) // len(z), 1, 1, 1)  # (B, Tl, n, D)
        picture = fourier(fine_places[0, :, 1:], *SPACE_PERIODS, FEATURES).flatten(1)
        x = x + self.position_proj(picture.to(self.compute))
        if self.control_proj is not None and control is not None:
            x = x + self.control_proj(control.to(x.dtype)).flatten(2, 3)
        x = torch.cat((x[:, :1] + self.first_frame.to(x.dtype), x[:, 1:]), 1)

        bias, prefixes = condition.bias, condition.prefixes
        first, last = len(self.fine_in), len(self.fine_in) + len(self.coarse)
        (x,) = run(self.fine_in, [Stream("video", x, fine_places)], fine, prefixes[:first], bias)

        merged = self.merge(rms_norm(gather(x, columns)))
        merged = merged + self.modality.weight[MODALITIES.index("video")].to(x.dtype)
        streams = [Stream("video", merged, coarse_places)]
        (merged,) = run(self.coarse, streams, coarse, prefixes[first:last], bias)
        x = x + scatter(self.split(rms_norm(merged)), columns)

        (x,) = run(self.fine_out, [Stream("video", x, fine_places)], fine, prefixes[last:], bias)

        # No block's own modulation is added here, and the shared one starts at zero: hence 1 + scale.
        shift, scale = self.final_modulation(c).unsqueeze(2).chunk(2, -1)
        clean: Tensor = self.final(torch.addcmul(shift, rms_norm(x), 1 + scale)).float()
        return clean.reshape(-1, *z.shape[1:])

    def parameters_count(self) -> int:
        """Number of learned values."""
        return sum(parameter.numel() for parameter in self.parameters())
