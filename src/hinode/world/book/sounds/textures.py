"""The endless sounds of the drawn world: of its subjects, and of places, weathers and hours.

Frequencies are in Hz, times in seconds, levels are root mean squares of noise and peaks of the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hinode.world.book.sounds.grains import GRAINS, reach
from hinode.world.book.sounds.timbre import (
    STEP,
    Band,
    Note,
    Samples,
    Span,
    derive,
    lay,
    noise,
    stretch,
    tone,
    tune,
    uniform,
    wander,
)

SAW = tuple(1.0 / number for number in range(1, 13))


def _flutter(span: Span, pitch: float, key: int) -> Samples:
    """Cloth in wind: pulses of noise at an uneven rate."""
    turns = 12.0 * pitch**0.5 * span.moments + 0.8 * wander(derive(key, "rate"), span.moments, 0.37)
    throb = (0.5 + 0.5 * np.cos(2.0 * np.pi * turns)) ** 4
    gust = 0.35 + 0.65 * wander(derive(key, "gust"), span.moments, 0.6)
    cloth = noise(span, key, tune(pitch, (850.0, 0.7, 0.3), (2600.0, 0.8, 0.14)))
    return cloth * stretch((0.06 + throb) * gust)


def _roar(span: Span, pitch: float, key: int) -> Samples:
    """A rocket: a deep rumble that crackles."""
    crackle = wander(derive(key, "crackle"), span.moments, 0.021) ** 3
    bands = tune(pitch, (85.0, 0.8, 0.14), (300.0, 0.9, 0.09), (1900.0, 1.1, 0.055))
    return noise(span, key, bands) * stretch(0.55 + 1.6 * crackle)


def _rails(span: Span, pitch: float, key: int) -> Samples:
    swell = 0.6 + 0.4 * wander(derive(key, "swell"), span.moments, 0.5)
    return noise(span, key, tune(pitch, (140.0, 0.6, 0.06))) * stretch(swell)


def _hearth(span: Span, pitch: float, key: int) -> Samples:
    flame = 0.4 + 0.6 * wander(derive(key, "flame"), span.moments, 0.16)
    return noise(span, key, tune(pitch, (230.0, 0.7, 0.035), (800.0, 0.6, 0.012))) * stretch(flame)


def _swish(span: Span, pitch: float, key: int) -> Samples:
    """Runners on snow, stroke by stroke."""
    stroke = (0.5 + 0.5 * np.cos(2.0 * np.pi * (1.04 * span.moments + wander(key, span.moments, 3.0)))) ** 2
    return noise(span, key, tune(pitch, (2100.0, 0.6, 0.075))) * stretch(0.2 + stroke)


def _hum(span: Span, pitch: float, key: int) -> Samples:
    """A planet: low fifths that beat slowly."""
    wave = np.zeros(span.steps * STEP, np.float32)
    for number, (ratio, level) in enumerate(((1.0, 0.2), (1.012, 0.15), (1.5, 0.15), (2.01, 0.1))):
        wave += level * tone(
            span, derive(key, number), 66.0 * ratio * pitch, (1.0, 0.35, 0.2, 0.08), 0.002, 2.0
        )
    return wave


def _whir(span: Span, pitch: float, key: int) -> Samples:
    """A rover: a motor and its gears under a load that varies."""
    load = wander(derive(key, "load"), span.moments, 0.45)
    motor = tone(span, derive(key, "motor"), 118.0 * pitch, SAW, 0.06, 0.45)
    gears = tone(span, derive(key, "gears"), 940.0 * pitch, (1.0, 0.3, 0.15), 0.1, 0.45)
    grit = noise(span, key, tune(pitch, (3000.0, 0.5, 0.015)))
    return motor * stretch(0.16 + 0.12 * load) + gears * stretch(0.03 + 0.14 * load) + grit


LAYERS: dict[str, Callable[[Span, float, int], Samples]] = {
    "kite": _flutter,
    "rocket": _roar,
    "train": _rails,
    "cottage": _hearth,
    "sledge": _swish,
    "planet": _hum,
    "rover": _whir,
}


@dataclass(frozen=True)
class Wash:
    """Noise in some bands that swells by `depth`, 0..1, towards a new strength every `period` seconds.

    `sharpness` above 1: the wash is weak most of the time.
    """

    bands: tuple[Band, ...]
    depth: float = 0.4
    period: float = 1.6
    sharpness: float = 1.0


@dataclass(frozen=True)
class Scatter:
    """Grains of one kind from random sides: `rate` per second, late by up to `jitter`, 0..1, of a turn."""

    grain: str
    rate: float
    level: float
    jitter: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True)
class Drone:
    """Tones, each a frequency and a level, that breathe slowly. `waver`: by which part their pitch moves."""

    tones: tuple[tuple[float, float], ...]
    harmonics: tuple[float, ...] = (1.0,)
    waver: float = 0.003


Layer = Wash | Scatter | Drone


@dataclass(frozen=True)
class Weather:
    """Layers of a weather, and the loudness that it leaves to the place and to the hour, as factors.

    `ceiling`: the frequency from which on the weather muffles the place.
    """

    layers: tuple[Layer, ...]
    place: float = 1.0
    hour: float = 1.0
    ceiling: float = 20_000.0


PLACES: dict[str, tuple[Layer, ...]] = {
    "hills": (
        Wash(((420.0, 0.6, 0.024),), 0.7, 1.3),
        Wash(((2600.0, 0.7, 0.013),), 0.95, 0.8, 3.0),
    ),
    "mountains": (
        Wash(((520.0, 0.06, 0.022),), 0.9, 1.1, 1.5),
        Drone(((830.0, 0.012), (1245.0, 0.004)), waver=0.1),
        Wash(((150.0, 0.7, 0.02),), 0.4, 2.3),
    ),
    "sea": (
        Wash(((700.0, 1.1, 0.042), (2600.0, 0.9, 0.024)), 0.95, 0.9, 2.5),
        Wash(((110.0, 0.7, 0.02),), 0.5, 2.5),
    ),
    "desert": (Wash(((2300.0, 0.3, 0.024),), 0.9, 0.8, 2.0), Wash(((260.0, 0.25, 0.012),), 0.6, 1.4)),
    "city": (
        Wash(((95.0, 0.6, 0.038), (330.0, 0.5, 0.011)), 0.25, 1.2),
        Wash(((1000.0, 0.8, 0.028),), 0.97, 0.8, 3.0),
    ),
    "meadow": (
        Wash(((1500.0, 0.6, 0.012), (6300.0, 0.25, 0.01)), 0.7, 0.4, 1.5),
        Scatter("buzz", 1.7, 0.06),
    ),
    "village": (
        Wash(((290.0, 0.1, 0.026), (590.0, 0.08, 0.008)), 0.8, 1.1),
        Scatter("crunch", 1.7, 0.13, jitter=0.12),
    ),
    "underwater": (
        Wash(((75.0, 0.7, 0.03),), 0.4, 1.0),
        Wash(((250.0, 0.5, 0.03),), 0.8, 0.9, 2.0),
        Scatter("bubble", 13.0, 0.02, pitch=2.6),
    ),
    "space": (Drone(((49.0, 0.012), (49.4, 0.008), (73.5, 0.006)), (1.0, 0.2)),),
}

_DAWN = Scatter("warble", 2.2, 0.06)
_DUSK = Scatter("cricket", 1.3, 0.06, jitter=0.4, pitch=0.92)
_CRICKETS = Scatter("cricket", 3.1, 0.09, jitter=0.15)
_OWL = Scatter("hoot", 0.9, 0.13, jitter=0.5, pitch=1.25)
_EVENING = Scatter("strike", 0.6, 0.2, jitter=0.1, pitch=0.8)

HOURS: dict[str, dict[str, Layer]] = {  # by time of day, then by place
    "dawn": dict.fromkeys(("hills", "mountains", "city", "meadow", "village"), _DAWN),
    "noon": {},
    "sunset": {
        **dict.fromkeys(("hills", "desert", "meadow"), _DUSK),
        **dict.fromkeys(("mountains", "city", "village"), _EVENING),
    },
    "night": {
        **dict.fromkeys(("hills", "desert", "meadow"), _CRICKETS),
        **dict.fromkeys(("mountains", "village"), _OWL),
    },
}

WEATHERS: dict[str, Weather] = {
    "clear": Weather(()),
    "rain": Weather(
        (Wash(((3300.0, 0.9, 0.01), (700.0, 0.8, 0.004)), 0.2, 0.7), Scatter("drop", 50.0, 0.22)),
        place=0.75,
        hour=0.15,
    ),
    "snow": Weather(
        (Wash(((330.0, 0.9, 0.018),), 0.2, 2.0), Scatter("tick", 11.0, 0.07)),
        place=0.5,
        hour=0.15,
        ceiling=900.0,
    ),
    "fog": Weather(
        (Drone(((130.8, 0.03), (131.5, 0.025), (196.0, 0.022), (261.6, 0.014)), (1.0, 0.25, 0.1)),),
        place=0.5,
        hour=0.3,
        ceiling=700.0,
    ),
}
NO_WEATHER = ("underwater", "space")


def sound_of(place: str, weather: str, time: str, span: Span, key: int) -> Samples:
    """The sound of a place without subjects, [2, samples]. Under water and in space there is no weather."""
    state = WEATHERS["clear" if place in NO_WEATHER else weather]
    stereo = np.zeros((2, span.steps * STEP), np.float32)
    hour = HOURS[time].get(place)
    for name, layers, level, ceiling in (
        ("place", PLACES[place], state.place, state.ceiling),
        ("hour", (hour,) if hour else (), state.hour, 20_000.0),
        ("weather", state.layers, 1.0, 20_000.0),
    ):
        for number, layer in enumerate(layers):
            _add(stereo, layer, span, derive(key, name, number), level, ceiling)
    return stereo


def _add(stereo: Samples, layer: Layer, span: Span, key: int, level: float, ceiling: float) -> None:
    if isinstance(layer, Scatter):
        _scatter(stereo, layer, span, key, level)
    elif isinstance(layer, Drone):
        chord = np.zeros(stereo.shape[1], np.float32)
        for number, (hertz, loudness) in enumerate(layer.tones):
            chord += loudness * tone(span, derive(key, number), hertz, layer.harmonics, layer.waver, 1.9)
        for side in range(2):
            breath = 0.4 + 0.6 * wander(derive(key, "ear", side), span.moments, 2.6)
            stereo[side] += chord * stretch(level * breath)
    else:
        for side in range(2):
            ear = derive(key, "ear", side)
            # both ears hear mostly the same gusts, in noise of their own
            near, far = (wander(source, span.moments, layer.period) for source in (ear, key))
            gust = 0.3 * near + 0.7 * far
            swell = 1.0 - layer.depth + 1.6 * layer.depth * gust**layer.sharpness
            stereo[side] += noise(span, ear, layer.bands, ceiling) * stretch(level * swell)


@functools.lru_cache(32)
def _bank(grain: str, pitch: float, rate: int) -> tuple[Samples, ...]:
    return tuple(GRAINS[grain](Note(pitch, derive(number, grain), rate)) for number in range(32))


def _scatter(stereo: Samples, layer: Scatter, span: Span, key: int, level: float) -> None:
    bank = _bank(layer.grain, layer.pitch, span.rate)
    begin, end = float(span.moments[0]) - reach(layer.grain), float(span.moments[-1])
    index = np.arange(int(begin * layer.rate) - 2, int(end * layer.rate) + 2)
    times = (index + layer.jitter * uniform(derive(key, "time"), index)) / layer.rate
    kinds = (uniform(derive(key, "kind"), index) * len(bank)).astype(int)
    turns = (0.1 + 0.8 * uniform(derive(key, "side"), index)) * (np.pi / 2.0)
    levels = level * layer.level * (0.3 + 0.7 * uniform(derive(key, "level"), index))
    starts = np.rint(times * span.rate).astype(int) - span.first * STEP
    gains = np.stack((levels * np.cos(turns), levels * np.sin(turns)), -1).astype(np.float32)
    for start, kind, gain in zip(starts.tolist(), kinds.tolist(), gains, strict=True):
        lay(stereo, gain[:, None] * bank[kind], start)
