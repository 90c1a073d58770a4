"""Canvases and the three ways to paint on them: sheets of land, stamps of cut-outs, layers that move.

Lengths are in short sides of the frame, x to the right and y down from the frame's middle. A canvas is
float32 [N, C, H, W]: N frames (or pictures), C = 3 (opaque) or 4 (premultiplied colour and alpha), values
0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hinode.world.book.picture import atlas
from hinode.world.book.picture.land import Skyline

REACH = 1.28
"""Half the side of a shape's texture, in halves of the shape's size."""
SHADOW = 0.34
"""Opacity of the shadow that a cut-out throws on the paper behind it."""


@dataclass(frozen=True)
class Grid:
    """The pixels of a picture: `width` x `height` of them, `scale` pixels to a short side; the picture's left
    upper corner lies at (`left`, `top`) in short sides."""

    width: int
    height: int
    scale: float
    left: float
    top: float
    device: torch.device | str = "cpu"

    @property
    def x(self) -> Tensor:
        """Middles of the columns, [W]."""
        return (torch.arange(self.width, device=self.device) + 0.5) / self.scale + self.left

    @property
    def y(self) -> Tensor:
        """Middles of the rows, [H]."""
        return (torch.arange(self.height, device=self.device) + 0.5) / self.scale + self.top

    def blank(self, count: int = 1) -> Tensor:
        """A transparent canvas, [count, 4, H, W]."""
        return torch.zeros(count, 4, self.height, self.width, device=self.device)


def frame_grid(
    width: int,
    height: int,
    window: tuple[int, int, int, int] | None = None,
    device: torch.device | str = "cpu",
) -> Grid:
    """The pixels of a frame, or of a `window` (left, top, width, height, in pixels) of it."""
    left, top, columns, rows = window or (0, 0, width, height)
    short = min(width, height)
    return Grid(columns, rows, short, (left - width / 2) / short, (top - height / 2) / short, device)


def rgb(color: str, device: torch.device | str = "cpu") -> Tensor:
    """`#rrggbb` as [3, 1, 1] in 0..1."""
    return torch.tensor([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)], device=device)[:, None, None]


def coverage(distance: Tensor, softness: float | Tensor) -> Tensor:
    """Antialiased inside of a signed distance (negative inside), over a ramp `softness` wide."""
    return (0.5 - distance / softness).clamp_(0.0, 1.0)


def paint(canvas: Tensor, mask: Tensor, color: Tensor) -> None:
    """Lay `color` [3, 1, 1] (or one that broadcasts) on the canvas in place where `mask` ([H, W] or [N, H,
    W]) says, 0..1."""
    mask = mask.unsqueeze(-3)
    canvas[:, :3].mul_(1.0 - mask).add_(color * mask)
    if canvas.shape[1] == 4:
        canvas[:, 3:].mul_(1.0 - mask).add_(mask)


def patch(
    grid: Grid, x: float, y: float, width: float, height: float
) -> tuple[slice, slice, Tensor, Tensor] | None:
    """The pixels around a place, `width` and `height` to each side: rows, columns, and their distances from
    it in pixels [1, w] and [h, 1]; None if they are out of view."""
    column, row = (x - grid.left) * grid.scale, (y - grid.top) * grid.scale
    wide, high = width * grid.scale + 1.0, height * grid.scale + 1.0
    columns = slice(max(0, math.floor(column - wide)), min(grid.width, math.ceil(column + wide) + 1))
    rows = slice(max(0, math.floor(row - high)), min(grid.height, math.ceil(row + high) + 1))
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return None
    dx = torch.arange(columns.start, columns.stop, device=grid.device) + 0.5 - column
    dy = torch.arange(rows.start, rows.stop, device=grid.device) + 0.5 - row
    return rows, columns, dx[None, :], dy[:, None]


def over(canvas: Tensor, picture: Tensor) -> Tensor:
    """Lay a premultiplied `picture` [N, 4, H, W] on the canvas in place; one canvas is repeated for N frames.
    Returns the canvas."""
    if len(canvas) < len(picture):
        canvas = canvas.expand(len(picture), -1, -1, -1).contiguous()
    clear = 1.0 - picture[:, 3:]
    return canvas.mul_(clear).add_(picture[:, : canvas.shape[1]])


@dataclass(frozen=True)
class Look:
    """Colours of a stamp: `#rrggbb` of the roles base, dark, light and glow; `ambient`: the light that falls
    on it, [3] factors (glow is not dimmed); `haze`: `#rrggbb` and 0..1, the air before it."""

    base: str
    dark: str = "#3a2b3f"
    light: str = "#fff6e6"
    glow: str = "#ffe27a"
    ambient: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: tuple[str, float] = ("#ffffff", 0.0)
    shadow: float = SHADOW
    alpha: float = 1.0


def stamp(
    canvas: Tensor,
    grid: Grid,
    shape: str,
    look: Look,
    x: Tensor | float,
    y: Tensor | float,
    half: Tensor | float,
    *,
    tilt: Tensor | float = 0.0,
    facing: Tensor | float = 1.0,
    beat: Tensor | float = 0.0,
    stretch: Tensor | float = 1.0,
    fade: Tensor | float = 1.0,
) -> None:
    """Paint one shape on every frame of a canvas, in place, changing only the pixels around it.

    `x`, `y`: its middle. `half`: half of its size, in short sides. `tilt`: radians, clockwise. `facing`: 1 or
    -1 (mirrored). `beat`: phase of its animation, 0..1. `stretch`: factor of its height. `fade`: 0..1, its
    opacity. Each is a number or [N].
    """
    count, device = len(canvas), canvas.device
    if (
        isinstance(x, float) and isinstance(y, float) and isinstance(half, float)
    ):  # most scenery is out of view
        reach = 1.25 * REACH * half
        beside = max(grid.left - x, x - grid.left - grid.width / grid.scale)
        if max(beside, grid.top - y, y - grid.top - grid.height / grid.scale) > reach:
            return

    def track(value: Tensor | float) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float32, device=device).expand(count)

    column = (track(x) - grid.left) * grid.scale
    row = (track(y) - grid.top) * grid.scale
    size = track(half) * grid.scale
    tall = track(stretch)
    reach = float((size * torch.maximum(tall, torch.ones_like(tall))).max()) * REACH
    if bool(track(tilt).any()):
        reach *= 1.25  # the corners of a turned square; shapes are round enough for that
    side = 2 * math.ceil(reach) + 2
    visible = (
        (column > -reach)
        & (column < grid.width + reach)
        & (row > -reach)
        & (row < grid.height + reach)
        & (size > 0.05)
    )
    index = visible.nonzero(as_tuple=True)[0]
    if not len(index):
        return
    first_column = (column[index] - side / 2).round().long()
    first_row = (row[index] - side / 2).round().long()
    step = torch.arange(side, device=device)
    dx = (first_column[:, None] + step + 0.5 - column[index, None])[:, None, :]
    dy = (first_row[:, None] + step + 0.5 - row[index, None])[:, :, None]
    angle = track(tilt)[index, None, None]
    cos, sin = angle.cos(), angle.sin()
    scale = 1.0 / (REACH * size[index, None, None])
    u = (cos * dx + sin * dy) * scale / track(facing)[index, None, None]
    v = (cos * dy - sin * dx) * scale / tall[index, None, None]
    phases = atlas.textures(shape, float(size.max()) * 2 * REACH, device)
    phase = (torch.remainder(track(beat)[index], 1.0) * len(phases)).long().clamp_(max=len(phases) - 1)
    texels = phases if len(phases) == 1 and len(index) == 1 else phases[phase]
    sample = functional.grid_sample(texels, torch.stack((u, v), -1), align_corners=False)
    picture = _colored(sample, look, track(fade)[index, None, None, None])

    rows, columns = first_row[:, None] + step, first_column[:, None] + step
    inside = ((rows >= 0) & (rows < grid.height))[:, :, None] & ((columns >= 0) & (columns < grid.width))[
        :, None, :
    ]
    frames = index[:, None, None]
    r, c = rows.clamp(0, grid.height - 1)[:, :, None], columns.clamp(0, grid.width - 1)[:, None, :]
    under = canvas[frames, :, r, c].permute(0, 3, 1, 2)
    result = under * (1.0 - picture[:, 3:]) + picture[:, : canvas.shape[1]]
    where = inside.nonzero(as_tuple=True)
    canvas[index[where[0]], :, rows[where[0], where[1]], columns[where[0], where[2]]] = result.permute(
        0, 2, 3, 1
    )[where]


def _colored(sample: Tensor, look: Look, fade: Tensor) -> Tensor:
    """Channels of the atlas [N, 9, h, w] as a premultiplied picture [N, 4, h, w], with its shadow under
    it."""
    device = sample.device
    roles = torch.stack([rgb(color, device) for color in (look.base, look.dark, look.light)])
    ambient = torch.tensor(look.ambient, device=device)[:, None, None]
    color = sample[:, :3] + (sample[:, 3:6, None] * roles).sum(1)
    alpha = sample[:, 7:8]
    color = color * ambient + sample[:, 6:7] * rgb(look.glow, device)
    haze, share = look.haze
    if share:
        color = color + share * (rgb(haze, device) * alpha - color)
    fade = fade * look.alpha
    dark = sample[:, 8:9] * look.shadow * fade
    alpha = alpha * fade
    return torch.cat((color * fade, alpha + dark * (1.0 - alpha)), 1)


def sheet(
    canvas: Tensor,
    grid: Grid,
    skyline: Tensor,
    color: Tensor,
    *,
    edge: float = 0.28,
    shadow: float = 0.3,
    tone: float = 0.10,
) -> Tensor:
    """Paint a sheet of paper under a `skyline` ([W], y of its upper edge) on every frame of the canvas, in
    place.

    `edge`: how much lighter its cut edge is. `shadow`: opacity of the shadow above the edge. `tone`: how much
    darker it gets downwards in a short side. Returns the depth below the skyline, [H, W] in short sides.
    """
    pixel = 1.0 / grid.scale
    depth = grid.y[:, None] - skyline
    if shadow:
        paint(canvas, (1.0 + depth / 0.05).clamp_(0.0, 1.0).square_() * shadow, rgb("#1a1030", grid.device))
    inside = coverage(-depth, pixel)
    fill = color * (1.0 - tone * depth.clamp(0.0, 1.0))
    paint(canvas, inside, fill)
    if edge:
        line = inside * coverage((depth - 0.004).abs() - 0.0035, pixel) * 0.75
        paint(canvas, line, color + edge * (1.0 - color))
    return depth


def lay(
    canvas: Tensor, grid: Grid, picture: Tensor, source: Grid, x: Tensor, y: Tensor, scale: Tensor
) -> None:
    """Lay a still `picture` [1, 4, h, w] on its own grid over each frame of the canvas, in place, as a camera
    sees it.

    Frame k shows at a place p of the frame the picture's place p / scale[k] + (x[k], y[k]). `x`, `y`,
    `scale`: [T]. Beyond the picture's edge its edge goes on.
    """
    ratio = source.scale / grid.scale / scale
    first_column = (grid.x[0] / scale + x - source.left) * source.scale - 0.5
    first_row = (grid.y[0] / scale + y - source.top) * source.scale - 0.5
    level = bool((first_row == first_row[0]).all() and (ratio == ratio[0]).all())
    image = picture[0]
    if level:  # the rows are the same in every frame
        image = _across(image, float(first_row[0]), float(ratio[0]), grid.height, 1)
    for k, (row, column, step) in enumerate(
        zip(first_row.tolist(), first_column.tolist(), ratio.tolist(), strict=True)
    ):
        part = image if level else _across(image, row, step, grid.height, 1)
        part = _across(part, column, step, grid.width, 2)
        canvas[k].mul_(1.0 - part[3:]).add_(part[: canvas.shape[1]])


def _across(picture: Tensor, first: float, step: float, count: int, dim: int) -> Tensor:
    """Linear interpolation of [4, h, w] along one dimension at `count` places, `first`, `first + step`,
    ..."""
    size = picture.shape[dim]
    whole = round(step)
    low = math.floor(first)
    if step == whole and low >= 0 and low + 1 + whole * (count - 1) < size:
        parts = [
            picture.narrow(dim, low + k, whole * (count - 1) + 1)[
                (slice(None),) * dim + (slice(None, None, whole),)
            ]
            for k in (0, 1)
        ]
        return torch.lerp(parts[0], parts[1], first - low)
    places = (torch.arange(count, device=picture.device) * step + first).clamp_(0, size - 1)
    near = places.floor().long()
    far = (near + 1).clamp_(max=size - 1)
    share = places - near
    weight = share if dim == 2 else share[:, None]
    return torch.lerp(picture.index_select(dim, near), picture.index_select(dim, far), weight)


def mixed(first: str, second: str, share: float) -> str:
    """The colour between two `#rrggbb`."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def lit(color: str, factors: Sequence[float]) -> str:
    """A `#rrggbb` under a light of [3] factors."""
    parts = [round(int(color[i : i + 2], 16) * factor) for i, factor in zip((1, 3, 5), factors, strict=True)]
    return "#" + "".join(f"{min(255, part):02x}" for part in parts)


@dataclass(frozen=True)
class Mark:
    """Where a cut-out stands: its shape, the x and y of its middle, half of its size, in short sides; its
    facing (1 or -1), its tilt in radians, its colours and the phase of its animation."""

    shape: str
    x: float
    y: float
    half: float
    facing: float = 1.0
    tilt: float = 0.0
    look: Look | None = None
    beat: float = 0.0


@dataclass(frozen=True)
class Soft:
    """Something without an edge on a layer: "glow", "stars", "rays", "nebula" or "mist"; its colour, and its
    numbers, see who makes it."""

    kind: str
    color: str
    values: tuple[float, ...] = ()


Painter = Callable[[Tensor, Grid], None]
"""Paints on a transparent picture [1, 4, h, w], in place."""


@dataclass(frozen=True)
class Layer:
    """A sheet of the picture at a `depth` (0 far, hardly moves with the camera; 1 near), painted once and
    then moved. `drift`: short sides per second to the right, of its own. `wind`: the same downwards. `tile`:
    its pattern repeats after so many short sides both ways, or None. The rest is the layout of what it draws:
    the `skyline` of a sheet of land with its `tint` and how much lighter its `edge` is, the `cap` of snow on
    it with its colour, the cut-outs `behind` its edge and in `front` of it, what is `soft`, and the painter
    of its `stars` alone."""

    depth: float
    draw: Painter
    drift: float = 0.0
    sink: float = 0.0
    tile: float | None = None
    skyline: Skyline | None = None
    behind: tuple[Mark, ...] = ()
    front: tuple[Mark, ...] = ()
    tint: str = ""
    edge: float = 0.0
    cap: tuple[Skyline, str] | None = None
    soft: tuple[Soft, ...] = ()
    stars: Painter | None = None
