"""The drawing network: a scene plan in, a video out, by rectified flow.

    frames ─ embed ─ fine blocks ─┬─ merge ─ coarse blocks ─ split ─┐
                                  └─────────────── skip ───────────(+)─ fine blocks ─ final ─► clean frames
                                                                                     └ pixels of subjects

A fine token is one patch of one frame; an image is a video of one frame. Fine blocks have no attention:
groups of channels move to the neighbour in time, height and width, then an MLP mixes them. A coarse token is
a third of a second of 2x2 patches; coarse blocks attend to everything. The plan enters aligned with the
picture: each token is told what lies there in the subject's own coordinates.

Worked example, two seconds of 224x128 at 24 frames a second, patches of 16 pixels:
    video [1, 49, 3, 128, 224] -> fine tokens [1, 49, 8, 14, 256] -> coarse tokens [1, 7, 28, 320] and back.

Sources: predicting clean pixels arXiv 2511.13720; shifted channels 1811.08383; a noise level per latent frame
2407.01392; a small head for details beside large patches 2511.18822.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model.block import FEATURES, LEVEL_PERIODS, SPACE_PERIODS, Block, positions, rope_table
from hinode.model.details import FROM, DetailPixels
from hinode.model.land import (
    CHANNELS,
    HIDDEN,
    SHEET,
    SILENT,
    LandHint,
    LandPixels,
    Specks,
    lay_specks,
    read_paints,
)
from hinode.model.layers import Linear, fourier, rms_norm
from hinode.model.plan_tensors import PlanTensors, own_coordinates
from hinode.model.textures import SubjectPixels

ALIGNED = 9  # values that say how a token lies in a subject, beside its kind and colour
LOUD = 4.0  # hints at unit scale were too quiet to be learnt soon
GATE = 1.9  # how far a subject's hint reaches, in halves of its size
CAMERA = 4
NOISE_SPEED = 0.6  # of shared noise, relative to the nearest layer: between the nearest and the farthest


@dataclass(frozen=True)
class DrawingConfig:
    """All sizes of the network. Coarse width and text width are multiples of 64."""

    kinds: int = 20
    colors: int = 12
    facts: tuple[int, ...] = (9, 4, 4, 11)  # places, times, weathers, moves of the camera
    patch: int = 16
    pack: int = 1  # frames in a fine token; the first token of a video holds one frame
    below: int = 0  # width of a level of patches half as large below the fine one; 0: none
    fine_width: int = 256
    fine_in: int = 2
    fine_out: int = 4
    width: int = 320
    depth: int = 8
    span: int = 8  # frames of a coarse token
    embedding: int = 24  # of a kind and of a colour
    conditioning: int = 256
    planned: bool = True  # whether it sees the plan
    textures: int = 0  # channels of the learnt textures of subjects; 0: none
    texture_side: int = 64
    overlap: int = 0  # pixels that a predicted patch reaches into its neighbours, which hides the seams
    details: int = 0  # channels of the convolutions over pixels; 0: none
    land: bool = False  # whether it reads the layout of the land
    specks: bool = False  # and of stars and weather
    noise_scale: float = 1.5


def share_noise(noise: Tensor, picture: Tensor, camera: Tensor, share: Tensor | float) -> Tensor:
    """Noise of which a part is one picture that moves with the land: what it becomes in one frame it becomes
    in the next (compare arXiv 2501.08331).

    Args:
        noise: standard normal [B, T, 3, H, W]; the result is, too.
        picture: standard normal [B, 3, H, W].
        camera: as `PlanTensors.camera`.
        share: of the picture as a standard deviation, 0..1, a number or [B].
    """
    short = min(noise.shape[-2:])
    shifts = (camera[..., :2] * (-NOISE_SPEED * short)).round().long().tolist()
    moving = torch.stack([
        torch.stack([layer.roll((down, across), (-2, -1)) for across, down in frames])
        for layer, frames in zip(picture, shifts, strict=True)
    ])  # fmt: skip
    share = torch.as_tensor(share, device=noise.device).view(-1, 1, 1, 1, 1)
    return (1 - share.square()).sqrt() * noise + share * moving


class FineBlock(nn.Module):
    """One residual branch: an eighth of the channels moves each way in time, height and width, then an
    MLP."""

    def __init__(self, width: int, expansion: int = 3) -> None:
        super().__init__()
        self.rise, self.fall = Linear(width, expansion * width), Linear(expansion * width, width, zero=True)
        self.modulation = nn.Parameter(torch.tensor([0.0, 1.0, 1.0])[:, None].repeat(1, width))

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        """x [B, T, h, w, D]. shared: shift, scale and gate per frame [B, T, 3, D]."""
        shift, scale, gate = (shared + self.modulation.to(x.dtype))[:, :, None, None].unbind(-2)
        y = torch.addcmul(shift, rms_norm(x), scale)
        e = y.shape[-1] // 8
        parts = [y[..., 6 * e :]]
        for k, dim in enumerate((1, 2, 3)):
            forth, back = y[..., 2 * k * e : (2 * k + 1) * e], y[..., (2 * k + 1) * e : (2 * k + 2) * e]
            edge = torch.zeros_like(forth.narrow(dim, 0, 1))
            size = forth.shape[dim]
            parts += [torch.cat((edge, forth.narrow(dim, 0, size - 1)), dim),
                      torch.cat((back.narrow(dim, 1, size - 1), edge), dim)]  # fmt: skip
        return torch.addcmul(x, gate, self.fall(F.gelu(self.rise(torch.cat(parts, -1)))))


def merge_patches(x: Tensor, frames: int, size: int) -> Tensor:
    """[B, T, h, w, D] -> [B, T / frames, h / size, w / size, frames * size * size * D]."""
    b, t, h, w, d = x.shape
    grid = x.reshape(b, t // frames, frames, h // size, size, w // size, size, d)
    return grid.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def split_patches(x: Tensor, frames: int, size: int) -> Tensor:
    """The inverse of `merge_patches`."""
    b, t, h, w, n = x.shape
    grid = x.reshape(b, t, h, w, frames, size, size, n // (frames * size * size))
    return grid.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, t * frames, h * size, w * size, -1)


class Level(nn.Module):
    """Fine blocks of one patch size, before and after the coarser ones."""

    def __init__(self, width: int, before: int, after: int, conditioning: int) -> None:
        super().__init__()
        self.before = nn.ModuleList(FineBlock(width) for _ in range(before))
        self.after = nn.ModuleList(FineBlock(width) for _ in range(after))
        self.place = Linear(2 * FEATURES, width)
        self.modulation = Linear(conditioning, 3 * width, zero=True)


@dataclass(frozen=True)
class LandFeatures:
    """What is read of the land of a plan: a `hint` for tokens [B, T, h, w, D], the features of its
    `pixels` [B * T * H * W, values], their `paints`, see `read_paints`, and its `stars` and `weather`, see
    `Specks`."""

    hint: Tensor
    pixels: Tensor
    paints: Tensor
    stars: Tensor | None = None
    weather: Tensor | None = None


class Drawer(nn.Module):
    """The denoiser: noisy frames, noise levels and a plan in, predicted clean frames out."""

    def __init__(self, config: DrawingConfig) -> None:
        super().__init__()
        self.config, c = config, config
        self.compute = torch.float32
        channels = c.pack * c.patch**2 * 4  # three colours, and which pixels are known
        self.facts = nn.ModuleList(nn.Embedding(count, c.conditioning) for count in c.facts)
        self.kind, self.color = nn.Embedding(c.kinds, c.embedding), nn.Embedding(c.colors, c.embedding)
        self.level_mlp = nn.Sequential(
            Linear(FEATURES, c.conditioning), nn.SiLU(), Linear(c.conditioning, c.conditioning)
        )
        # Most of a patch is smooth: a narrow first map costs a third of a direct one.
        self.embed: nn.Module = nn.Sequential(Linear(channels, 128), Linear(128, c.fine_width))
        self.hint = Linear(ALIGNED + 2 * c.embedding + CAMERA, c.fine_width)
        self.first = nn.Parameter(torch.zeros(c.fine_width))
        self.fine = Level(c.fine_width, c.fine_in, c.fine_out, c.conditioning)
        if c.below:
            small = c.pack * (c.patch // 2) ** 2 * 4
            self.below = Level(c.below, 1, 2, c.conditioning)
            self.embed = Linear(small, c.below)
            self.down, self.up = Linear(4 * c.below, c.fine_width), Linear(c.fine_width, 4 * c.below)
        self.frames_merged = c.span // c.pack
        joined = self.frames_merged * 4 * c.fine_width
        self.merge, self.split = Linear(joined, c.width), Linear(c.width, joined)
        self.coarse = nn.ModuleList(Block(c.width, c.conditioning) for _ in range(c.depth))
        self.coarse_modulation = Linear(c.conditioning, 6 * c.width, zero=True)
        last = c.below or c.fine_width
        self.final_modulation = Linear(c.conditioning, 2 * last, zero=True)
        side = (c.patch // 2 if c.below else c.patch) + 2 * c.overlap
        self.final = Linear(last, c.pack * side**2 * 3, zero=True)
        if c.textures:
            self.pixels = SubjectPixels(c.kinds, c.textures, c.texture_side, c.embedding, last)
        if c.land:
            self.land_hint = LandHint(c.fine_width, c.patch)
            self.land = LandPixels(last, c.conditioning, specks=c.specks)
            if c.specks:
                self.specks = Specks(c.conditioning)
        if c.details:
            self.details = DetailPixels(last, c.details, c.noise_scale)

    def forward(
        self,
        z: Tensor,
        t: Tensor,
        plan: PlanTensors,
        context_mask: Tensor | None = None,
        land: LandFeatures | None = None,
    ) -> Tensor:
        """Predict the clean frames, float32 [B, T, 3, H, W] in -1..1.

        z: noisy frames, T = 1 + span * k. t: noise level of each latent frame [B, 1 + k], 1 is clean. plan:
        of the same T frames. context_mask: 1 where z holds clean pixels whatever its level, [B, T, 1, H, W].
        land: of `read_land`, if it is read already.
        """
        c, (_, frames, _, height, width) = self.config, z.shape
        facts, summary = self._read_facts(plan)
        cond = F.silu(self.level_mlp(fourier(t, *LEVEL_PERIODS, FEATURES)) + summary[:, None]).to(
            self.compute
        )
        per_token = torch.cat((cond[:, :1], cond[:, 1:].repeat_interleave(self.frames_merged, 1)), 1)
        context_mask = torch.zeros_like(z[:, :, :1]) if context_mask is None else context_mask
        x = _pack(torch.cat((z, context_mask), 2).to(self.compute), c.pack)  # (B, T', pack, 4, H, W)
        size = c.patch // 2 if c.below else c.patch
        x = self.embed(_patches(x, size))
        skip = None
        if c.below:
            x = x + self._places(self.below, x)
            modulation = self.below.modulation(per_token).unflatten(-1, (3, -1))
            for block in self.below.before:
                x = block(x, modulation)
            skip, x = x, self.down(merge_patches(rms_norm(x), 1, 2))
        x = x + self._places(self.fine, x)
        if c.planned:
            x = x + self.hint(LOUD * self._aligned(plan, x.shape[2:4], height, width).to(self.compute))
        if c.land:
            land = self.read_land(plan, z.shape) if land is None else land
            x = x + land.hint
        x = torch.cat((x[:, :1] + self.first.to(x.dtype), x[:, 1:]), 1)
        modulation = self.fine.modulation(per_token).unflatten(-1, (3, -1))
        for block in self.fine.before:
            x = block(x, modulation)
        x = x + self._coarse(x, cond, torch.stack(facts, 1))
        for block in self.fine.after:
            x = block(x, modulation)
        if skip is not None:
            x = skip + split_patches(self.up(rms_norm(x)), 1, 2)
            modulation = self.below.modulation(per_token).unflatten(-1, (3, -1))
            for block in self.below.after:
                x = block(x, modulation)
        shift, scale = self.final_modulation(per_token)[:, :, None, None].chunk(2, -1)
        x = torch.addcmul(shift, rms_norm(x), 1 + scale)
        clean = _unpack(self.final(x), c.pack, size, frames, c.overlap).float()
        observation = torch.cat((z, context_mask), 2)
        if land is not None:
            clean = self.land(clean, observation, x, land.pixels, land.paints, land.stars)
        if c.textures and c.planned:
            covers = None if plan.land is None else plan.land[:, :, HIDDEN]
            clean = self.pixels(clean, observation, x, plan, self.color, covers)
        if land is not None and land.weather is not None:
            clean = lay_specks(clean, land.weather)
        if c.details:
            rows = (t.amin(1) >= FROM).nonzero(as_tuple=True)[0]
            if len(rows):
                level = torch.cat((t[:, :1], t[:, 1:].repeat_interleave(c.span, 1)), 1)
                refined = self.details(clean[rows], observation[rows], level[rows], x[rows])
                clean = clean.index_copy(0, rows, refined)
        return clean

    def read_land(self, plan: PlanTensors, shape: torch.Size) -> LandFeatures:
        """What the network reads of the land of a plan for frames of a shape [B, T, 3, H, W]. It does not
        hang on the noise, so a sampling run reads it once."""
        land = plan.land
        if land is None:
            batch, frames, _, height, width = shape
            land = torch.zeros(batch, frames, CHANNELS, height, width, dtype=torch.uint8)
            land[:, :, SHEET] = SILENT
            land = land.to(plan.tracks.device)
        _, summary = self._read_facts(plan)
        facts = F.silu(summary)
        pixels, hint = self.land.look_up(land, facts, self.compute), self.land_hint(land, self.compute)
        paints = read_paints(land, self.compute)
        return LandFeatures(hint, pixels, paints, *(self.specks(land, facts) if self.config.specks else ()))

    def _read_facts(self, plan: PlanTensors) -> tuple[list[Tensor], Tensor]:
        """The facts of a plan, each [B, conditioning], 0 where one is not said, and their sum."""
        facts = [table(plan.facts[:, k].clamp(min=0)) * (plan.facts[:, k, None] >= 0)
                 for k, table in enumerate(self.facts)]  # fmt: skip
        return facts, torch.stack(facts).sum(0) if self.config.planned else torch.zeros_like(facts[0])

    def _places(self, level: Level, x: Tensor) -> Tensor:
        """Where in the picture each patch is: [h, w, D]."""
        rows, columns = x.shape[2:4]
        places = positions(1, rows, columns, 24, 1, x.device)[0, :, 1:]
        features = fourier(places, *SPACE_PERIODS, FEATURES).flatten(1).to(x.dtype)
        placed: Tensor = level.place(features).view(rows, columns, -1)
        return placed

    def _aligned(self, plan: PlanTensors, grid: torch.Size, height: int, width: int) -> Tensor:
        """What lies at each fine token in the subjects' own coordinates, and the camera: [B, T', h, w,
        values]."""
        c = self.config
        tracks, camera = plan.tracks, plan.camera
        if c.pack > 1:  # the middle of the frames of a token
            middle = torch.tensor([0, *range(c.pack // 2 + 1, tracks.shape[2], c.pack)], device=tracks.device)
            tracks, camera = tracks[:, :, middle], camera[:, middle]
        short = min(height, width)
        x, y = (
            (torch.arange(n, device=tracks.device) + 0.5 - n / 2) * c.patch / short
            for n in (grid[1], grid[0])
        )
        u, v = own_coordinates(tracks, x, y)  # (B, S, T', h, w)
        there = (plan.kinds >= 0).float()[:, :, None, None, None]
        gate = (GATE - torch.hypot(u, v)).clamp(0.0, 1.0) * there
        half, tilt, facing, beat = (tracks[..., k, None, None].expand_as(u) for k in (2, 3, 4, 5))
        turn = 2 * torch.pi * beat
        values = torch.stack((torch.ones_like(u), u, v, tilt.cos(), tilt.sin(), facing, turn.cos(),
                              turn.sin(), half.log() + 2.0), -1)  # fmt: skip
        names = torch.cat((self.kind(plan.kinds.clamp(min=0)), self.color(plan.colors.clamp(min=0))), -1)
        aligned = (
            torch.cat((values, names[:, :, None, None, None].expand(*u.shape, -1)), -1) * gate[..., None]
        )
        moves = camera[:, :, None, None].expand(-1, -1, *grid, -1)
        return torch.cat((aligned.sum(1), moves), -1)

    def _coarse(self, x: Tensor, cond: Tensor, facts: Tensor) -> Tensor:
        """Full attention over thirds of a second of 2x2 patches; what it adds to the fine tokens."""
        # The first frame fills a coarse token of its own, as if it were repeated; an image need not be.
        n, image = self.frames_merged, x.shape[1] == 1
        if image:
            grid, merge = merge_patches(x, 1, 2), self.merge.weight.view(self.config.width, n, -1).sum(1)
        else:
            repeated = torch.cat((x[:, :1].expand(-1, n, -1, -1, -1), x[:, 1:]), 1)
            grid, merge = merge_patches(repeated, n, 2), self.merge.weight
        _, latent_frames, rows, columns, _ = grid.shape
        y = F.linear(rms_norm(grid), merge.to(x.dtype)).flatten(2, 3)
        rope = rope_table(
            positions(latent_frames, rows, columns, 24, self.config.span, x.device).flatten(0, 1), x.dtype
        )
        modulation = self.coarse_modulation(cond).unflatten(-1, (6, -1))
        facts = (facts if self.config.planned else torch.zeros_like(facts)).to(x.dtype)
        bias = torch.zeros(len(x), 1, 1, facts.shape[1], dtype=x.dtype, device=x.device)
        for block in self.coarse:
            assert isinstance(block, Block)
            y = block(y, modulation, rope, block.text_prefix(facts), bias)
        y = rms_norm(y).view(len(y), latent_frames, rows, columns, -1)
        if image:
            split = self.split.weight.view(n, -1, self.config.width).mean(0)
            return split_patches(F.linear(y, split.to(x.dtype)), 1, 2)
        spread = split_patches(self.split(y), n, 2)
        return torch.cat((spread[:, :n].mean(1, keepdim=True), spread[:, n:]), 1)


def _pack(video: Tensor, frames: int) -> Tensor:
    """[B, T, C, H, W] -> [B, T', frames, C, H, W]; the first frame fills a token of its own."""
    if frames > 1:
        video = torch.cat((video[:, :1].expand(-1, frames - 1, -1, -1, -1), video), 1)
    return video.reshape(len(video), -1, frames, *video.shape[2:])


def _patches(x: Tensor, size: int) -> Tensor:
    """[B, T', f, C, H, W] -> [B, T', h, w, f * size * size * C]."""
    b, t, f, channels, height, width = x.shape
    grid = x.reshape(b, t, f, channels, height // size, size, width // size, size)
    return grid.permute(0, 1, 4, 6, 2, 5, 7, 3).flatten(4)


def _unpack(x: Tensor, frames: int, size: int, count: int, overlap: int) -> Tensor:
    """[B, T', h, w, frames * side * side * 3], side = size + 2 * overlap -> [B, count, 3, H, W]; where
    patches overlap, they add up."""
    b, t, h, w, _ = x.shape
    side = size + 2 * overlap
    if overlap:
        columns = x.reshape(b * t, h * w, -1).transpose(1, 2)  # values in the order 3 * frames, side, side
        whole = F.fold(columns, (h * size + 2 * overlap, w * size + 2 * overlap), side, stride=size)
        inner = whole[..., overlap : overlap + h * size, overlap : overlap + w * size]
        video = inner.reshape(b, t * frames, 3, h * size, w * size)
    else:
        grid = x.reshape(b, t, h, w, frames, size, size, 3).permute(0, 1, 4, 7, 2, 5, 3, 6)
        video = grid.reshape(b, t * frames, 3, h * size, w * size)
    return (
        video if frames == 1 else torch.cat((video[:, :frames].mean(1, keepdim=True), video[:, frames:]), 1)
    )
