"""Render scenes: scene graphs in, video out, as one batched tensor program on any device.

Paper is painted from far to near: sky, stars, sun, clouds, three sheets of land, the subjects, the weather.
Scenes that share a place (or a cut-out) are painted together, so a large batch needs few kernel launches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hinode.world import palette, scenery
from hinode.world.cutouts import CUTOUTS
from hinode.world.motion import Camera, camera_path, subject_path
from hinode.world.scene import MAX_SUBJECTS, Scene, Subject
from hinode.world.scenery import HORIZON, Frame, coverage, hashed, paint

WINDOW = 1.4
"""How far a cut-out's paper and shadow reach from its middle, in halves of its size."""


def _paper(colors: Sequence[Sequence[float]], device: torch.device | str, scale: float = 255.0) -> Tensor:
    """Stack colours into [B, 1, 3, 1, 1]."""
    return (torch.tensor(colors, device=device, dtype=torch.float32) / scale)[:, None, :, None, None]


def _flags(values: Sequence[bool], device: torch.device | str) -> Tensor:
    """1 or 0 as [B, 1, 1, 1, 1]."""
    return torch.tensor(values, device=device, dtype=torch.float32)[:, None, None, None, None]


def _in_weather(scenes: Sequence[Scene], device: torch.device | str, *weathers: str) -> Tensor:
    return _flags([scene.weather in weathers for scene in scenes], device)


def _groups(keys: Sequence[str]) -> dict[str, list[int]]:
    """The indices of each key."""
    return {key: [index for index, other in enumerate(keys) if other == key] for key in dict.fromkeys(keys)}


def render(
    scenes: Sequence[Scene],
    *,
    frames: int,
    fps: float,
    width: int,
    height: int,
    start: float | Sequence[float] = 0.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Render a batch of scenes.

    `frames` frames at `fps`; frame k shows the moment `start + k / fps` seconds (`start` may differ by
    scene). `width`, `height` in pixels, any aspect ratio. Returns float32 [B, T, 3, H, W], sRGB in 0..1.
    """
    if frames < 1 or fps <= 0 or width < 8 or height < 8:
        raise ValueError(f"cannot render {frames} frames of {width}x{height} at {fps} fps")
    if not scenes:
        raise ValueError("there is nothing to render: give at least one scene")
    starts = [start] * len(scenes) if isinstance(start, (int, float)) else list(start)
    clock = torch.arange(frames, device=device, dtype=torch.float32) / fps
    moments = torch.tensor(starts, device=device, dtype=torch.float32)[:, None] + clock
    frame = scenery.frame_grid(width, height, device)
    camera = camera_path(scenes, moments)
    canvas = _sky(scenes, frame, moments, camera)
    _land(canvas, scenes, frame, moments, camera)
    casts = [_by_nearness(scene) for scene in scenes]
    for layer in reversed(range(MAX_SUBJECTS)):
        subjects = {i: cast[layer] for i, cast in enumerate(casts) if len(cast) > layer}
        for kind in dict.fromkeys(subject.kind for subject in subjects.values()):
            same = {i: subject for i, subject in subjects.items() if subject.kind == kind}
            _cast(canvas, same, scenes, moments, camera)
    _weather(canvas, scenes, frame, moments)
    return canvas.clamp_(0.0, 1.0)


def _by_nearness(scene: Scene) -> tuple[Subject, ...]:
    """The subjects, the nearest to the camera first: in the order of the scene unless the first is behind."""
    if scene.relation == "behind":
        first, second, *others = scene.subjects
        return second, first, *others
    return scene.subjects


def _sky(scenes: Sequence[Scene], frame: Frame, moments: Tensor, camera: Camera) -> Tensor:
    device, count = moments.device, len(scenes)
    height, width = len(frame.y), len(frame.x)
    top, middle, low = (_paper([palette.SKY[s.time][k] for s in scenes], device) for k in range(3))
    down = ((torch.arange(height, device=device) + 0.5) / height / (0.5 + HORIZON)).clamp(max=1.0)[:, None]
    upper, lower = top.lerp(middle, (down * 2).clamp(max=1)), middle.lerp(low, down * 2 - 1)
    gradient = torch.where(down < 0.5, upper, lower)
    grey = _paper([palette.STORM], device) * _light(scenes, device).mean(2, keepdim=True)
    mist = _mist(scenes, device)
    for weather, color, share in (("rain", grey, 0.5), ("snow", mist, 0.45), ("fog", mist, 0.5)):
        gradient = gradient.lerp(color, share * _in_weather(scenes, device, weather))
    canvas = gradient.expand(count, moments.shape[1], 3, height, width).clone()

    starry = [i for i, s in enumerate(scenes) if s.time == "night" and s.weather == "clear"]
    if starry:
        canvas[starry] = canvas[starry].lerp_(torch.tensor(0.96, device=device), scenery.stars(frame) * 0.9)

    aspect = width / height
    discs = [palette.DISC_AT[s.time] for s in scenes]
    across = [[x + 0.05 * s.sun] for (x, _, _), s in zip(discs, scenes, strict=True)]
    x = (torch.tensor(across, device=device) - 0.5) * max(aspect, 1.0) - 0.05 * camera.pan
    y = torch.tensor([[y - 0.5] for _, y, _ in discs], device=device) * max(1.0 / aspect, 1.0)
    x, y = x[:, :, None, None], y[:, :, None, None]
    radius = torch.tensor([[r] for _, _, r in discs], device=device)[:, :, None, None]
    distance = torch.hypot(frame.x - x, frame.y[:, None] - y)
    dim = 1.0 - 0.75 * _in_weather(scenes, device, "rain", "snow", "fog")[..., 0]
    disc = _paper([palette.DISC[s.time] for s in scenes], device)
    halo = (1.0 - (distance - radius) / 0.28).clamp(0.0, 1.0).square()
    paint(canvas, 0.38 * halo * dim, disc)
    paint(canvas, coverage(distance - radius, frame.pixel) * dim, disc)
    crescent = [i for i, s in enumerate(scenes) if s.time == "night"]
    if crescent:  # a second circle of sky bites the moon
        bite = torch.hypot(frame.x - x[crescent] + 0.04, frame.y[:, None] - y[crescent] + 0.022)
        disc_edge = distance[crescent] - radius[crescent] - 0.01
        mask = coverage(torch.maximum(bite - radius[crescent] * 0.95, disc_edge), frame.pixel)
        night = canvas[crescent]
        paint(night, mask, gradient[crescent].expand_as(night))
        canvas[crescent] = night

    cloudy = [i for i, s in enumerate(scenes) if s.weather in ("clear", "rain")]
    if cloudy:
        part = canvas[cloudy]
        chosen = [scenes[i] for i in cloudy]
        air = torch.tensor([[s.air] for s in chosen], device=device)
        drift = 0.03 * moments[cloudy] - 0.12 * camera.pan[cloudy]
        reach = max(aspect, 1.0) / 2
        stormy, light = _in_weather(chosen, device, "rain"), _light(chosen, device)
        white = (_paper([palette.SKY[s.time][2] for s in chosen], device) * 0.35 + 0.65 * light).clamp(max=1)
        paper = white.lerp(_paper([palette.STORM], device) * (0.25 + 0.6 * light), stormy)
        strength = (0.72 + 0.28 * stormy)[..., 0]
        top_edge = float(frame.y[0])
        for side, low_by, size in ((-0.62, 0.17, 0.17), (0.55, 0.09, 0.22)):
            u = side * reach + 0.25 * (air - 0.5) + drift
            # storm clouds are the same cut, half as large again
            shape = scenery.cloud(frame, u, top_edge + low_by, size) - 0.05 * stormy[..., 0]
            paint(part, strength * coverage(shape, frame.pixel), paper)
        canvas[cloudy] = part
    return canvas


def _light(scenes: Sequence[Scene], device: torch.device | str) -> Tensor:
    return _paper([palette.LIGHT[s.time] for s in scenes], device, scale=1.0)


def _mist(scenes: Sequence[Scene], device: torch.device | str) -> Tensor:
    """Colour of fog and of an overcast sky: pale paper in the light of the hour."""
    return _paper([palette.MIST], device) * (0.25 + 0.75 * _light(scenes, device))


def _land(canvas: Tensor, scenes: Sequence[Scene], frame: Frame, moments: Tensor, camera: Camera) -> None:
    device = canvas.device
    for place, index in _groups([s.place for s in scenes]).items():
        chosen = [scenes[i] for i in index]
        part, when = canvas[index], moments[index]
        terrain = torch.tensor([[s.terrain] for s in chosen], device=device)
        shift, zoom = terrain + camera.pan[index], camera.zoom[index]
        light, mist = _light(chosen, device), _mist(chosen, device)
        frosty, foggy, rainy = (_in_weather(chosen, device, name) for name in ("snow", "fog", "rain"))
        low_sky = _paper([palette.SKY[s.time][2] for s in chosen], device)
        for sheet in range(3):
            skyline, x = scenery.ridge(place, sheet, frame, shift, zoom, when)
            depth = frame.y[:, None] - skyline[:, :, None, :]  # > 0 under the skyline
            shadow = (1.0 + depth / 0.07).clamp_(0.0, 1.0).square_() * 0.26
            paint(part, shadow, part * 0.55)
            land = _paper([palette.LAND[place][sheet]], device) * light
            land = land.lerp(low_sky, (0.22, 0.1, 0.0)[sheet])
            whiter = _paper([palette.FROST], device) * (0.2 + 0.8 * light)
            land = land.lerp(whiter, frosty * {"sea": 0.45, "desert": 0.5}.get(place, 0.72))
            land = land.lerp(land.mean(2, keepdim=True) * 0.8, rainy * 0.45)
            land = land.lerp(mist, foggy * (0.84, 0.66, 0.42)[sheet])
            inside = coverage(-depth, frame.pixel)
            # the sheet is a little lighter along its cut edge
            tone = 1.10 - 0.22 * (frame.y[:, None] - HORIZON - 0.1 * sheet + 0.1).clamp(0.0, 1.0)
            paint(part, inside, land * tone)
            edge = inside * coverage(depth - 0.012, frame.pixel) * 0.55
            paint(part, edge, (land * 1.25 + 0.06).clamp(max=1.0))
            if place == "mountains" and sheet < 2:
                zigzag = 0.022 * (torch.remainder(x / 0.07, 1.0) * 2.0 - 1.0).abs()
                line = (HORIZON - (0.13, 0.02)[sheet]) * zoom[:, :, None] + zigzag
                cap = torch.maximum(-depth, frame.y[:, None] - line[:, :, None, :])
                mask = coverage(cap, frame.pixel) * (1.0 - 0.7 * foggy[..., 0])
                paint(part, mask, whiter.lerp(mist, foggy * 0.6))
            if place == "city" and sheet > 0:
                _windows(part, chosen, frame, x, depth, inside, foggy[..., 0])
        canvas[index] = part


def _windows(
    part: Tensor, scenes: Sequence[Scene], frame: Frame, x: Tensor, below: Tensor, sheet: Tensor, fog: Tensor
) -> None:
    """Paint the lit windows of one sheet of houses: bright at night, faint by day."""
    device = part.device
    column, floor = 0.07, 0.085
    row = torch.floor(below / floor)
    lit = hashed(torch.floor(x / column)[:, :, None, :] + 19.0 * row, 3.0) > 0.45
    across = (torch.remainder(x, column) - column / 2).abs() - 0.015
    down = (below - (row + 0.6) * floor).abs() - 0.02
    mask = coverage(torch.maximum(across[:, :, None, :], down), frame.pixel) * sheet * lit * (below > 0.02)
    glow = [{"night": 0.9, "sunset": 0.7, "dawn": 0.4, "noon": 0.25}[s.time] for s in scenes]
    strength = torch.tensor(glow, device=device)[:, None, None, None] * (1.0 - 0.5 * fog)
    paint(part, mask * strength, _paper([palette.WINDOW[s.time] for s in scenes], device))


def _cast(
    canvas: Tensor, cast: dict[int, Subject], scenes: Sequence[Scene], moments: Tensor, camera: Camera
) -> None:
    """Paint one subject of some scenes, by number, all of a kind, changing only the pixels around it."""
    device, index, subjects = canvas.device, list(cast), list(cast.values())
    height, width = canvas.shape[-2:]
    path = subject_path(subjects, moments[index], width / height)
    sizes = torch.tensor([[s.size / 2] for s in subjects], device=device)
    half = sizes * camera.zoom[index] * min(width, height)  # pixels
    reach = int(half.max() * WINDOW) + 2
    rows = torch.arange(-reach, reach + 1, device=device)
    middle_x, middle_y = path.x * width, path.y * height
    column = middle_x.floor()[:, :, None].long() + rows
    row = middle_y.floor()[:, :, None].long() + rows
    dx = ((column + 0.5) - middle_x[:, :, None])[:, :, None, :] / half[:, :, None, None]
    dy = ((row + 0.5) - middle_y[:, :, None])[:, :, :, None] / half[:, :, None, None]
    cos, sin = path.tilt.cos()[:, :, None, None], path.tilt.sin()[:, :, None, None]
    u = (cos * dx + sin * dy) * path.facing[:, :, None, None]
    v = cos * dy - sin * dx
    beat = path.beat[:, :, None, None]
    pixel = 1.0 / half[:, :, None, None]
    parts = CUTOUTS[subjects[0].kind](u, v, beat)
    outline = torch.stack([distance for distance, _ in parts]).amin(0)
    # nothing is painted beyond a window of the cut-out's own size, whatever else is in the batch
    beyond = torch.maximum(dx.abs(), dy.abs()) - WINDOW

    base = _paper([palette.PAPER[s.color] for s in subjects], device)
    light = 1.0 - 0.14 * _flags([scenes[i].time == "night" for i in index], device)
    tones = {role: _paper([color], device) for role, color in palette.PARTS.items()}
    tones |= {"base": base, "shade": base * 0.74, "light": base.lerp(tones["cream"], 0.5)}
    inside = ((column >= 0) & (column < width))[:, :, None, :] & ((row >= 0) & (row < height))[:, :, :, None]
    b = torch.tensor(index, device=device)[:, None, None, None]
    t = torch.arange(canvas.shape[1], device=device)[None, :, None, None]
    r, c = row.clamp(0, height - 1)[:, :, :, None], column.clamp(0, width - 1)[:, :, None, :]
    patch = canvas[b, t, :, r, c].permute(0, 1, 4, 2, 3).contiguous()
    shadow = (0.32 - outline).div_(0.4).clamp_(0.0, 1.0) * (-beyond / 0.2).clamp_(0.0, 1.0)
    paint(patch, 0.30 * shadow, patch * 0.4)
    paint(patch, coverage(torch.maximum(outline - 0.085, beyond), pixel), tones["cream"] * light)
    for distance, role in parts:
        paint(patch, coverage(distance, pixel), tones[role] * light)
    # the window may stick out of the frame: read clamped, write back only what lies inside
    where = inside.nonzero(as_tuple=True)
    bi, ti = torch.tensor(index, device=device)[where[0]], where[1]
    rows_inside, columns_inside = row[where[0], where[1], where[2]], column[where[0], where[1], where[3]]
    canvas[bi, ti, :, rows_inside, columns_inside] = patch.permute(0, 1, 3, 4, 2)[where]


def _weather(canvas: Tensor, scenes: Sequence[Scene], frame: Frame, moments: Tensor) -> None:
    device = canvas.device
    for weather, index in _groups([s.weather for s in scenes]).items():
        if weather == "clear":
            continue
        chosen, when = [scenes[i] for i in index], moments[index]
        phase = torch.tensor([[s.air] for s in chosen], device=device)
        light = _light(chosen, device)
        part = canvas[index]
        if weather == "rain":
            drops = _paper([palette.DROP], device) * (0.45 + 0.55 * light)
            paint(part, scenery.rain(frame, when, phase), drops)
        elif weather == "snow":
            flakes = torch.tensor(0.99, device=device) * (0.3 + 0.7 * light).clamp(max=1)
            paint(part, scenery.snow(frame, when, phase), flakes)
        else:  # two slow banks of fog in front of everything
            for level, thickness, pace in ((0.10, 0.10, 0.05), (0.30, 0.13, -0.04)):
                wave = 0.03 * torch.sin(5.0 * frame.x + 6.3 * (phase + pace * when)[:, :, None])
                bank = 1.0 - ((frame.y[:, None] - level - wave[:, :, None, :]) / thickness).square()
                paint(part, 0.42 * bank.clamp(min=0.0), _mist(chosen, device))
        canvas[index] = part
