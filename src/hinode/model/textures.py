"""Learnt textures of subjects, looked up in each subject's own coordinates."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model.layers import Linear
from hinode.model.plan_tensors import PlanTensors

REACH = 1.28  # of a subject's texture, in halves of its size: the paper's rim and shadow


class SubjectPixels(nn.Module):
    """Pixels of subjects from learnt textures: one for each kind, in the subject's own coordinates.

    A texture has `textures` channels that swing with the beat; a pixel looks its place up, and a small
    network turns what it finds, what its token knows and the noisy pixel into a colour and an opacity.
    """

    HIDDEN = 32

    def __init__(self, kinds: int, channels: int, side: int, embedding: int, width: int) -> None:
        """`channels` and `side` of a texture; `embedding`: of a colour; `width`: of a token."""
        super().__init__()
        self.channels = channels
        self.texture = nn.Parameter(0.1 * torch.randn(kinds, 3 * channels, side, side))
        self.token = Linear(width, self.HIDDEN)
        self.paint = Linear(embedding, self.HIDDEN)
        # A colour word shows where the texture says "paper": it has to multiply what was found there.
        self.shade = Linear(embedding, self.HIDDEN, zero=True)
        self.look = Linear(self.channels + 5, self.HIDDEN)
        self.mix = Linear(self.HIDDEN, self.HIDDEN)
        self.out = Linear(self.HIDDEN, 4, zero=True)

    def forward(
        self,
        clean: Tensor,
        z: Tensor,
        tokens: Tensor,
        plan: PlanTensors,
        color: nn.Embedding,
        covers: Tensor | None = None,
    ) -> Tensor:
        """clean [B, T, 3, H, W]; z, with a channel of known pixels [B, T, 4, H, W]; tokens [B, T, h, w, D];
        covers: which subjects the land hides, a bit for each, uint8 [B, T, H, W]. Returns the clean frames
        with subjects laid over."""
        frames, height, width = clean.shape[1], clean.shape[3], clean.shape[4]
        short, patch, kind_of = min(height, width), height // tokens.shape[2], tokens.dtype
        token_values = self.token(tokens).flatten(0, 3)
        noisy, canvas = (video.movedim(2, -1).flatten(0, 3) for video in (z, clean))  # a row for each pixel
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
            # Only pixels within the texture's reach go on.
            i, t, p, q = (torch.maximum(u.abs(), v.abs()) < REACH).nonzero(as_tuple=True)
            r, c, frame = row[i, t, p], column[i, t, q], rows[i] * frames + t
            pixel = (frame * height + r) * width + c
            token = (frame * tokens.shape[2] + r // patch) * tokens.shape[3] + c // patch
            texels = texels.movedim(1, -1)[i * frames + t, p, q]
            sight = torch.cat((texels, noisy.index_select(0, pixel), torch.ones_like(texels[:, :1])), 1)
            name = color(plan.colors[rows, slot]).to(kind_of)
            tint, shade = (paint(name).index_select(0, i) for paint in (self.paint, self.shade))
            hidden = self.look(sight.to(kind_of)) * (1 + shade) + token_values.index_select(0, token) + tint
            out = self.out(F.silu(self.mix(F.silu(hidden)))).float()
            opacity, under = torch.sigmoid(out[:, 3:] - 1.0), canvas.index_select(0, pixel)
            if covers is not None:
                bits = covers.flatten().index_select(0, pixel)[:, None]
                opacity = opacity * (bits.bitwise_right_shift(slot).bitwise_and(1) == 0)
            canvas = canvas.index_copy(0, pixel, under + opacity * (out[:, :3] - under))
        return canvas.view(len(clean), frames, height, width, 3).movedim(-1, 2)
