"""The land of a plan: what a token is told of it, and its pixels.

A pixel knows which sheet of land is on top there, how far below its edge it lies, and where it lies in the
two uppermost cut-outs (clouds, houses, trees) in their own coordinates. So edges are sharp wherever they
run, and the look of a cut-out is learnt once, as for subjects in `textures`. It knows the colours of its
paper too, since no words and no noise could say which house of a city is red.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model.layers import Linear

CHANNELS = 27
SHEET, BELOW, ABOVE, TINT, SOFT, UPPER, LOWER, HIDDEN, STARS, WEATHER = 0, 1, 2, 3, 6, 10, 20, 24, 25, 26
"""Values of a pixel, as `world.book.picture.layout` has them: sheet, distance below its edge, nearness above
the edge of the next one, colours of its paper; opacity and colours of what is soft; of the upper cut-out its
number, u, v, opacity, base and dark colours; of the lower one its number, u, v and opacity; which
subjects are hidden, a bit for each; and how much stars and weather cover."""
COORDINATES = (UPPER + 1, LOWER + 1)
"""Values of a pixel that a mirror turns round."""
PAINTS = 4
"""Colours that a pixel may take up: of its sheet, of the base and the dark parts of its cut-out, and of what
is soft."""
SHEETS, UNKNOWN = 25, 24
"""Numbers of sheets; the last one stands for a plan that does not say its land."""
SILENT = 255
"""Value of all sheets of such a plan."""
SHAPES = 64
"""Numbers of cut-outs, 0 is none."""
STRIDE = 4  # pixels from one sample of a token to the next
SHEET_WIDTH, SHAPE_WIDTH = 6, 4


class LandHint(nn.Module):
    """What a token of 16x16 pixels is told of the land: 4x4 samples of the map."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.side = patch // STRIDE
        self.sheet, self.shape = nn.Embedding(SHEETS, SHEET_WIDTH), nn.Embedding(SHAPES, SHAPE_WIDTH)
        self.join = Linear(self.side**2 * (SHEET_WIDTH + SHAPE_WIDTH + 3), width, zero=True)
        self.paint = Linear(self.side**2 * 4, width, zero=True)

    def forward(self, land: Tensor, dtype: torch.dtype) -> Tensor:
        """land uint8 [B, T, CHANNELS, H, W] -> [B, T, h, w, D]."""
        middle = slice(STRIDE // 2, None, STRIDE)
        samples = land[..., middle, middle].movedim(2, -1)  # (B, T, H / 4, W / 4, CHANNELS)
        sheet, shape = sheet_numbers(samples[..., SHEET]), samples[..., UPPER].long()
        values = samples.float() / 255
        places = values[..., [BELOW, UPPER + 1, UPPER + 2]] - 0.5
        places[..., 1:] *= (shape > 0)[..., None]
        shapes = torch.cat((self.sheet(sheet), self.shape(shape), places), -1)
        tint, base = values[..., TINT : TINT + 3], values[..., UPPER + 4 : UPPER + 7]
        paper = torch.lerp(tint, base, values[..., UPPER + 3, None])
        papers = torch.cat((paper, values[..., SOFT, None]), -1)
        hint: Tensor = self.join(self._tokens(shapes, dtype)) + self.paint(self._tokens(papers, dtype))
        return hint

    def _tokens(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """Samples [B, T, H / 4, W / 4, n] of each token side by side, [B, T, h, w, 16 n]."""
        b, t, h, w, n = values.shape
        grid = values.to(dtype).view(b, t, h // self.side, self.side, w // self.side, self.side, n)
        return grid.transpose(3, 4).flatten(4)


class LandPixels(nn.Module):
    """Pixels of the land. A small network turns what is known of a pixel, what its token knows and the noisy
    pixel into a colour and an opacity."""

    HIDDEN, CHANNELS, SIDE = 32, 8, 48

    def __init__(self, width: int, conditioning: int, *, specks: bool = False) -> None:
        """`width` of a token, `conditioning` of the summary of a clip's facts. `specks`: whether it lays
        stars over the sky."""
        super().__init__()
        if specks:
            self.starlit = Linear(self.HIDDEN, 1, zero=True)
        self.texture = nn.Parameter(0.1 * torch.randn(SHAPES * self.SIDE**2, self.CHANNELS))
        # The colours of sheets and cut-outs hang on place, time and weather together.
        self.sheets = Linear(conditioning, SHEETS * self.HIDDEN)
        self.tint = Linear(conditioning, self.HIDDEN, zero=True)
        self.edge = Linear(3, self.HIDDEN)
        self.look = Linear(2 * self.CHANNELS + 2, self.HIDDEN)
        self.noisy = Linear(4, self.HIDDEN)
        self.token = Linear(width, self.HIDDEN)
        self.mix = Linear(self.HIDDEN, self.HIDDEN)
        self.out = Linear(self.HIDDEN, 4, zero=True)
        self.soft, self.shadow = Linear(1, self.HIDDEN, zero=True), Linear(3, self.HIDDEN, zero=True)
        self.shares = Linear(self.HIDDEN, PAINTS, zero=True)

    def look_up(self, land: Tensor, facts: Tensor, dtype: torch.dtype) -> Tensor:
        """What is known of each pixel before anything is drawn, [B * T * H * W, HIDDEN]: the same at every
        noise level. land uint8 [B, T, CHANNELS, H, W]; facts [B, conditioning]."""
        batch, frames, _, height, width = land.shape
        rows = land.movedim(2, -1).flatten(0, 3)
        table = self.sheets(facts.to(dtype)).view(batch * SHEETS, self.HIDDEN)
        clips = torch.arange(batch, device=land.device).repeat_interleave(frames * height * width)
        features: Tensor = F.embedding(clips * SHEETS + sheet_numbers(rows[:, SHEET]), table)
        below, above = rows[:, BELOW].float() / 255, rows[:, ABOVE].float() / 255
        edges = torch.stack((below, torch.exp(-20 * below), torch.exp(-80 * below)), -1)
        features = features + self.edge(edges.to(dtype))
        shadow = torch.stack((above, above.square(), above**8), -1)
        features = features + self.shadow(shadow.to(dtype)) + self.soft(rows[:, SOFT, None].to(dtype) / 255)
        there = (rows[:, UPPER] > 0).nonzero(as_tuple=True)[0]
        if len(there):
            marks = rows[there]
            texels = [self._texels(marks[:, first : first + 3]) for first in (UPPER, LOWER)]
            opacity = marks[:, [UPPER + 3, LOWER + 3]].float() / 255
            tint = 1 + self.tint(facts.to(dtype))[clips[there]]
            look = self.look(torch.cat((*texels, opacity), -1).to(dtype)) * tint
            features = features.index_add(0, there, look)
        return features

    def forward(
        self,
        clean: Tensor,
        observation: Tensor,
        tokens: Tensor,
        features: Tensor,
        paints: Tensor,
        stars: Tensor | None = None,
    ) -> Tensor:
        """clean [B, T, 3, H, W]; observation: noisy frames with a channel of known pixels [B, T, 4, H, W];
        tokens [B, T, h, w, D]; features: of `look_up`; paints: of `read_paints`; stars: of `Specks`. Returns
        the clean frames with the land laid over."""
        batch, frames, _, height, width = clean.shape
        values = self.token(tokens).flatten(0, 1).movedim(-1, 1)
        values = F.interpolate(values, (height, width), mode="bilinear")
        hidden = features + values.movedim(1, -1).flatten(0, 2)
        hidden = hidden + self.noisy(observation.movedim(2, -1).flatten(0, 3).to(tokens.dtype))
        hidden = F.silu(self.mix(F.silu(hidden)))
        color, opacity = self.out(hidden).split((3, 1), -1)
        color = color + (self.shares(hidden)[..., None] * paints).sum(-2)
        land = torch.cat((color, opacity), -1).float().view(batch, frames, height, width, 4).movedim(-1, 2)
        clean = torch.lerp(clean, land[:, :, :3], torch.sigmoid(land[:, :, 3:] - 2.0))
        if stars is None:
            return clean
        # A star behind a cloud is not seen, and only the cloud's texture says where the cloud is.
        visibility = torch.sigmoid(self.starlit(hidden).float() + 2.0).view(batch, frames, 1, height, width)
        return lay_specks(clean, stars * visibility)

    def _texels(self, marks: Tensor) -> Tensor:
        """The texture at numbers, u and v uint8 [N, 3]: [N, CHANNELS]; 0 where there is no cut-out."""
        number, u, v = (marks[:, k].long() for k in range(3))
        column, row = (value * self.SIDE // 256 for value in (u, v))
        texels: Tensor = F.embedding((number * self.SIDE + row) * self.SIDE + column, self.texture)
        return texels * (number > 0)[:, None]


def read_paints(land: Tensor, dtype: torch.dtype) -> Tensor:
    """The colours that each pixel may take up, [B * T * H * W, PAINTS, 3] in -1..1, 0 where there is none.
    land uint8 [B, T, CHANNELS, H, W]."""
    rows = land.movedim(2, -1).flatten(0, 3)
    sheet, number, soft = (rows[:, channel, None, None] for channel in (SHEET, UPPER, SOFT))
    colors = rows[:, [*range(TINT, TINT + 3), *range(UPPER + 4, UPPER + 10), *range(SOFT + 1, SOFT + 4)]]
    paints = (colors.to(dtype) / 127.5 - 1).view(-1, PAINTS, 3)
    cut_out = (number > 0).to(dtype)
    has_paper = ((sheet > 0) & (sheet != SILENT)).to(dtype)
    shares = torch.cat((has_paper, cut_out, cut_out, soft.to(dtype) / 255), 1)
    return paints * shares


class Specks(nn.Module):
    """Stars, rain, snow and fog. The layout says how much of a pixel they cover; their colours hang on place,
    time and weather. No patch could hold a drop: it is a pixel wide and elsewhere in the next frame."""

    def __init__(self, conditioning: int) -> None:
        super().__init__()
        self.looks = nn.ModuleList(Linear(conditioning, 4, zero=True) for _ in (STARS, WEATHER))

    def forward(self, land: Tensor, facts: Tensor) -> tuple[Tensor, Tensor]:
        """land uint8 [B, T, CHANNELS, H, W]; facts [B, conditioning]. Returns stars and weather, each as
        colours times opacity and the opacity, [B, T, 4, H, W]."""
        stars, weather = (
            self._color(land[:, :, channel], look(facts).float())
            for channel, look in zip((STARS, WEATHER), self.looks, strict=True)
        )
        return stars, weather

    def _color(self, cover: Tensor, look: Tensor) -> Tensor:
        opacity = cover[:, :, None].float() / 255 * torch.sigmoid(look[:, 3] + 3.0)[:, None, None, None, None]
        color = (1.0 + look[:, :3])[:, None, :, None, None]  # white before anything is learnt
        return torch.cat((color * opacity, opacity), 2)


def lay_specks(clean: Tensor, specks: Tensor) -> Tensor:
    """Clean frames [B, T, 3, H, W] under specks [B, T, 4, H, W]."""
    return clean * (1.0 - specks[:, :, 3:]) + specks[:, :, :3]


def hush(land: Tensor) -> Tensor:
    """The layout of a plan that says only which subjects it hides, its stars and its weather."""
    quiet = land.clone()
    quiet[:, :, :HIDDEN] = 0
    quiet[:, :, SHEET] = SILENT
    return quiet


def sheet_numbers(sheets: Tensor) -> Tensor:
    """Sheets of a map as numbers below `SHEETS`."""
    return sheets.long().clamp(max=UNKNOWN)
