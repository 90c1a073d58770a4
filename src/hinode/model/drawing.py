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

from hinode.model.dit import FEATURES, LEVEL_PERIODS, SPACE_PERIODS, Block, rope_table
from hinode.model.layers import Linear, fourier, rms_norm
from hinode.model.tokens import positions

ALIGNED = 9  # values that say how a token lies in a subject, beside its kind and colour
LOUD = 4.0  # hints at unit scale were too quiet to be learnt soon
GATE = 1.9  # how far a subject's hint reaches, in halves of its size
CAMERA = 4
PANS = (1, 2)  # numbers of the moves that a mirror exchanges: to the left and to the right
REACH = 1.28  # of a subject's texture, in halves of its size: the paper's rim and shadow


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
    noise_scale: float = 1.5


@dataclass(frozen=True)
class PlanTensors:
    """A batch of plans at every frame. `facts` [B, 4]: numbers of place, time, weather, camera move. `camera`
    [B, T, 4]: shift x and y of the nearest layer in short sides, logarithms of its scale and of the zoom.
    `kinds`, `colors` [B, S]: -1 where there is no subject. `tracks` [B, S, T, 6]: x and y from the middle of
    the frame and half the size in short sides, tilt in radians, facing, beat."""

    facts: Tensor
    camera: Tensor
    kinds: Tensor
    colors: Tensor
    tracks: Tensor

    def __getitem__(self, rows: Tensor | slice) -> PlanTensors:
        return PlanTensors(*(value[rows] for value in self._values()))

    def part(self, row: int, first: int, frames: int) -> PlanTensors:
        """Some frames of one plan, a batch of one."""
        rows, when = slice(row, row + 1), slice(first, first + frames)
        return PlanTensors(self.facts[rows], self.camera[rows, when], self.kinds[rows], self.colors[rows],
                           self.tracks[rows, :, when])  # fmt: skip

    def mirrored(self) -> PlanTensors:
        """The plans of frames that are mirrored left to right. The camera's move is told by its shift, and
        its name, which a mirror may change, is that of the mirrored one."""
        sign = torch.tensor([-1.0, 1.0, 1.0, -1.0, -1.0, 1.0], device=self.tracks.device)
        facts = self.facts.clone()
        move = self.facts[:, 3]
        facts[:, 3] = torch.where(move == PANS[0], PANS[1], torch.where(move == PANS[1], PANS[0], move))
        shift = torch.tensor([-1.0, 1.0, 1.0, 1.0], device=self.camera.device)
        return PlanTensors(facts, self.camera * shift, self.kinds, self.colors, self.tracks * sign)

    def to(self, device: torch.device) -> PlanTensors:
        """The same on a device."""
        return PlanTensors(*(value.to(device) for value in self._values()))

    def _values(self) -> tuple[Tensor, ...]:
        return self.facts, self.camera, self.kinds, self.colors, self.tracks


def own_coordinates(tracks: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Places (`x` [w], `y` [h], short sides from the middle) in the coordinates of subjects, in halves of
    their size, upright and facing right: two of [..., h, w] for tracks [..., 6]."""
    x0, y0, half, tilt, facing, _ = (tracks[..., k, None, None] for k in range(6))
    dx, dy = (x - x0) / half, (y[:, None] - y0) / half
    cos, sin = tilt.cos(), tilt.sin()
    return (cos * dx + sin * dy) / facing, cos * dy - sin * dx


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


class Drawer(nn.Module):
    """The denoiser: noisy frames, noise levels and a plan in, predicted clean frames out."""

    def __init__(self, config: DrawingConfig) -> None:
        super().__init__()
        self.config, c = config, config
        self.compute = torch.float32
        channels = c.pack * c.patch**2 * 3
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
            small = c.pack * (c.patch // 2) ** 2 * 3
            self.below = Level(c.below, 1, 2, c.conditioning)
            self.embed = Linear(small, c.below)
            self.down, self.up = Linear(4 * c.below, c.fine_width), Linear(c.fine_width, 4 * c.below)
            channels = small
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
            self.pixels = SubjectPixels(c, last)

    def forward(self, z: Tensor, t: Tensor, plan: PlanTensors) -> Tensor:
        """Predict the clean frames, float32 [B, T, 3, H, W] in -1..1.

        z: noisy frames, T = 1 + span * k. t: noise level of each latent frame [B, 1 + k], 1 is clean. plan:
        of the same T frames.
        """
        c, (_, frames, _, height, width) = self.config, z.shape
        facts = [table(plan.facts[:, k]) for k, table in enumerate(self.facts)]
        summary = torch.stack(facts).sum(0) if c.planned else torch.zeros_like(facts[0])
        cond = F.silu(self.level_mlp(fourier(t, *LEVEL_PERIODS, FEATURES)) + summary[:, None]).to(
            self.compute
        )
        per_token = torch.cat((cond[:, :1], cond[:, 1:].repeat_interleave(self.frames_merged, 1)), 1)
        x = _pack(z.to(self.compute), c.pack)  # (B, T', pack, 3, H, W)
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
        if c.textures and c.planned:
            clean = self.pixels(clean, z, x, plan, self.kind, self.color)
        return clean

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
        n = self.frames_merged
        grid = merge_patches(torch.cat((x[:, :1].expand(-1, n, -1, -1, -1), x[:, 1:]), 1), n, 2)
        _, latent_frames, rows, columns, _ = grid.shape
        y = self.merge(rms_norm(grid)).flatten(2, 3)
        rope = rope_table(
            positions(latent_frames, rows, columns, 24, self.config.span, x.device).flatten(0, 1), x.dtype
        )
        modulation = self.coarse_modulation(cond).unflatten(-1, (6, -1))
        facts = (facts if self.config.planned else torch.zeros_like(facts)).to(x.dtype)
        bias = torch.zeros(len(x), 1, 1, facts.shape[1], dtype=x.dtype, device=x.device)
        for block in self.coarse:
            assert isinstance(block, Block)
            y = block(y, modulation, rope, block.text_prefix(facts), bias)
        spread = split_patches(self.split(rms_norm(y)).unflatten(2, (rows, columns)), n, 2)
        return torch.cat((spread[:, :n].mean(1, keepdim=True), spread[:, n:]), 1)


class SubjectPixels(nn.Module):
    """Pixels of subjects from learnt textures: one for each kind, in the subject's own coordinates.

    A texture has `textures` channels that swing with the beat; a pixel looks its place up, and a small
    network turns what it finds, what its token knows and the noisy pixel into a colour and an opacity.
    """

    HIDDEN = 32

    def __init__(self, config: DrawingConfig, width: int) -> None:
        super().__init__()
        self.channels, side = config.textures, config.texture_side
        self.texture = nn.Parameter(0.1 * torch.randn(config.kinds, 3 * self.channels, side, side))
        self.token = Linear(width, self.HIDDEN)
        self.paint = Linear(config.embedding, self.HIDDEN)
        # A colour word shows where the texture says "paper": it has to multiply what was found there.
        self.shade = Linear(config.embedding, self.HIDDEN, zero=True)
        self.look = nn.Conv2d(self.channels + 4, self.HIDDEN, 1)
        self.mix = nn.Conv2d(self.HIDDEN, self.HIDDEN, 1)
        self.out = nn.Conv2d(self.HIDDEN, 4, 1)
        nn.init.zeros_(self.out.weight)

    def forward(
        self,
        clean: Tensor,
        z: Tensor,
        tokens: Tensor,
        plan: PlanTensors,
        kind: nn.Embedding,
        color: nn.Embedding,
    ) -> Tensor:
        """clean, z: [B, T, 3, H, W]; tokens [B, T, h, w, D]. Returns the clean frames with subjects laid
        over."""
        frames, height, width = clean.shape[1], clean.shape[3], clean.shape[4]
        short, patch = min(height, width), height // tokens.shape[2]
        token_values = self.token(tokens).float()
        for slot in range(plan.kinds.shape[1]):
            rows = (plan.kinds[:, slot] >= 0).nonzero(as_tuple=True)[0]
            if not len(rows):
                continue
            tracks = plan.tracks[rows, slot]  # (b, T, 6)
            side = min(int(2.1 * REACH * short * float(tracks[..., 2].max())) + 2, height, width)
            corner = [((tracks[..., k] * short + size / 2 - side / 2).round().long()).clamp(0, size - side)
                      for k, size in ((1, height), (0, width))]  # fmt: skip
            step = torch.arange(side, device=z.device)
            row, column = corner[0][..., None] + step, corner[1][..., None] + step  # (b, T, side)
            places = [(index + 0.5 - size / 2) / short for index, size in ((column, width), (row, height))]
            x0, y0, half, tilt, facing, beat = (tracks[..., k, None, None] for k in range(6))
            dx, dy = (places[0][..., None, :] - x0) / half, (places[1][..., :, None] - y0) / half
            u, v = (tilt.cos() * dx + tilt.sin() * dy) / facing, tilt.cos() * dy - tilt.sin() * dx
            turn = 2 * torch.pi * beat[..., None].flatten(0, 1)
            table = self.texture[plan.kinds[rows, slot]]
            table = table.view(len(rows), 3, self.channels, *table.shape[2:])
            table = table[:, None].expand(-1, frames, -1, -1, -1, -1).flatten(0, 1)
            table = table[:, 0] + turn.cos() * table[:, 1] + turn.sin() * table[:, 2]
            texels = F.grid_sample(table, torch.stack((u, v), -1).flatten(0, 1) / REACH, align_corners=False)
            gate = (torch.maximum(u.abs(), v.abs()) < REACH).float().flatten(0, 1)[:, None]
            b, t = rows[:, None, None, None], torch.arange(frames, device=z.device)[None, :, None, None]
            r, c = row[..., :, None], column[..., None, :]
            noisy = z[b, t, :, r, c].flatten(0, 1).movedim(-1, 1)  # (b * T, 3, side, side)
            context = token_values[b, t, r // patch, c // patch].flatten(0, 1).movedim(-1, 1)
            name = color(plan.colors[rows, slot]).repeat_interleave(frames, 0)
            tint, shade = (table(name)[:, :, None, None] for table in (self.paint, self.shade))
            hidden = F.silu(self.look(torch.cat((texels, noisy, gate), 1)) * (1 + shade) + context + tint)
            out = self.out(F.silu(self.mix(hidden)))
            opacity = torch.sigmoid(out[:, 3:] - 1.0) * gate
            under = clean[b, t, :, r, c].flatten(0, 1).movedim(-1, 1)
            laid = (under + opacity * (out[:, :3] - under)).movedim(1, -1).unflatten(0, (-1, frames))
            clean = clean.permute(0, 1, 3, 4, 2).index_put((b, t, r, c), laid).permute(0, 1, 4, 2, 3)
        return clean


def _pack(video: Tensor, frames: int) -> Tensor:
    """[B, T, 3, H, W] -> [B, T', frames, 3, H, W]; the first frame fills a token of its own."""
    if frames > 1:
        video = torch.cat((video[:, :1].expand(-1, frames - 1, -1, -1, -1), video), 1)
    return video.reshape(len(video), -1, frames, *video.shape[2:])


def _patches(x: Tensor, size: int) -> Tensor:
    """[B, T', f, 3, H, W] -> [B, T', h, w, f * size * size * 3]."""
    b, t, f, _, height, width = x.shape
    grid = x.reshape(b, t, f, 3, height // size, size, width // size, size)
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
