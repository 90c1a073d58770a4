"""Render scenes of the picture book: scenes in, video out, as a tensor program on any device.

Every layer of a place is painted once, on a picture as wide as the camera sees of it, and then moved; only
subjects and what belongs to them are painted on every frame.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from hinode.world.book.motion import Camera, Track, camera_path, track
from hinode.world.book.picture import actors, palette, places, sky, weather
from hinode.world.book.picture.canvas import Grid, Layer, frame_grid, lay, over
from hinode.world.book.scene import Scene

FINE = 2
"""Pixels of a moving layer's picture per pixel of the frame, so that it is as sharp between two pixels as on
one."""


def render(
    scenes: Sequence[Scene],
    *,
    frames: int,
    fps: float,
    width: int,
    height: int,
    start: float | Sequence[float] = 0.0,
    window: tuple[int, int, int, int] | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Render a batch of scenes.

    `frames` frames at `fps`; frame k shows the moment `start + k / fps` seconds (`start` may differ by
    scene). `width`, `height`: of the whole frame in pixels. `window`: left, top, width and height of the part
    of it that is drawn, or None for all of it. A layer that moves within the clip is interpolated between its
    pixels. Returns float32 [B, T, 3, H, W], sRGB in 0..1.
    """
    if frames < 1 or fps <= 0 or width < 8 or height < 8:
        raise ValueError(f"cannot render {frames} frames of {width}x{height} at {fps} fps")
    if not scenes:
        raise ValueError("scenes: there is nothing to render; give at least one scene")
    starts = [start] * len(scenes) if isinstance(start, (int, float)) else list(start)
    clock = torch.arange(frames, device=device, dtype=torch.float32) / fps
    grid = frame_grid(width, height, window, device)
    return torch.stack(
        [
            _clip(scene, clock + begin, grid, width / height)
            for scene, begin in zip(scenes, starts, strict=True)
        ]
    )


def _clip(scene: Scene, moments: Tensor, grid: Grid, aspect: float) -> Tensor:
    """One scene at [T] moments, [T, 3, H, W]."""

    def follow(number: int, when: Tensor, viewer: Camera) -> Track:
        return track(scene, scene.subjects[number], when, viewer, aspect)

    return draw_scene(scene, moments, grid, aspect, camera_path(scene, moments, aspect), follow)


def draw_scene(
    scene: Scene,
    moments: Tensor,
    grid: Grid,
    aspect: float,
    camera: Camera,
    follow: actors.Follow,
    *,
    land_camera: Camera | None = None,
    clock: Tensor | None = None,
) -> Tensor:
    """A scene at [T] moments as a camera sees it, [T, 3, H, W]. `follow`: the track of a subject, by its
    number, at some moments, as a camera sees it. `land_camera`: the camera for the land, where it has moved
    before; `clock`: how long clouds and waves have moved at each moment, where that differs."""
    land_camera, clock = land_camera or camera, moments if clock is None else clock
    rng = random.Random(scene.seed)
    light = palette.light(scene)
    place = places.build(scene.place, rng, light, aspect)
    canvas = sky.gradient(light, grid)
    layers = list(place.layers)
    stops = [len(layers) - place.covers.get(subject.rest, 1) for subject in scene.subjects]
    order = sorted(range(len(scene.subjects)), key=lambda k: (stops[k], _nearness(scene, k)))
    for number in range(len(layers) + 1):
        for k in order:
            if stops[k] == number:
                if len(canvas) < len(moments):
                    canvas = canvas.expand(len(moments), -1, -1, -1).contiguous()
                actors.Stage(canvas, grid, scene, moments, camera, light, aspect, follow).draw(k)
        if number < len(layers):
            canvas = lay_layer(canvas, layers[number], clock, land_camera, grid)
    for layer in weather.layers(rng, light):
        canvas = lay_layer(canvas, layer, clock, land_camera, grid)
    return canvas.expand(len(moments), -1, -1, -1).clamp(0.0, 1.0)


def _nearness(scene: Scene, number: int) -> float:
    """Sorts subjects from far to near. Planets are farthest; else a relation decides, and without one the
    size."""
    subject = scene.subjects[number]
    if subject.kind == "planet":
        return -10.0
    if scene.relation is None:
        return subject.size
    return float(number) if scene.relation == "behind" else -float(number)


def lay_layer(canvas: Tensor, layer: Layer, moments: Tensor, camera: Camera, grid: Grid) -> Tensor:
    """Lay a layer over the canvas as the camera sees it at each moment."""
    across, down = camera.shift(layer.depth)
    scale = camera.scale(layer.depth)
    across = across - layer.drift * moments
    down = down - layer.sink * moments
    if layer.tile:
        across, down = torch.remainder(across, layer.tile), torch.remainder(down, layer.tile)
    if bool(((across == across[0]) & (down == down[0]) & (scale == scale[0])).all()):
        x, y, zoom = float(across[0]), float(down[0]), float(scale[0])
        source = Grid(
            grid.width, grid.height, grid.scale * zoom, grid.left / zoom + x, grid.top / zoom + y, grid.device
        )
        picture = source.blank()
        layer.draw(picture, source)
        return over(canvas, picture)
    right, bottom = grid.left + grid.width / grid.scale, grid.top + grid.height / grid.scale
    left_edge = float((grid.left / scale + across).min())
    right_edge = float((right / scale + across).max())
    top_edge = float((grid.top / scale + down).min())
    bottom_edge = float((bottom / scale + down).max())
    fine = grid.scale * FINE
    source = Grid(
        math.ceil((right_edge - left_edge) * fine) + 2,
        math.ceil((bottom_edge - top_edge) * fine) + 2,
        fine,
        left_edge - 0.5 / fine,
        top_edge - 0.5 / fine,
        grid.device,
    )
    picture = source.blank()
    layer.draw(picture, source)
    if len(canvas) < len(moments):
        canvas = canvas.expand(len(moments), -1, -1, -1).contiguous()
    lay(canvas, grid, picture, source, across, down, scale)
    return canvas
