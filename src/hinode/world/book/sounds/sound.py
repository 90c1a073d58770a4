"""The sound of a clip of the drawn world, made from what the clip shows.

`synthesise` mixes the `Ambience` of a scene, a `Voice` for each subject, which follows its track and repeats
its calls by itself, and an `Event` for each exact moment: a bounce, a whistle, a thunder. All of them are
functions of absolute time, so a window of a clip sounds like the same seconds of the whole clip.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hinode.errors import BadInput, join_names, quote
from hinode.world.book.sounds.grains import GRAINS, reach
from hinode.world.book.sounds.textures import HOURS, LAYERS, PLACES, WEATHERS, sound_of
from hinode.world.book.sounds.timbre import STEP, Control, Note, Samples, Span, derive, lay, stretch, uniform

RATE = 16_000  # samples per second
MIN_RATE, MAX_RATE = 8_000, 48_000
MAX_SECONDS = 600.0
MAX_START = 1e6  # seconds before and after time 0
LOUDNESS = 1.5  # exponent of nearness: 9 dB less at half the nearness
PEAK, KNEE = 0.95, 0.6  # no sample reaches the peak; the limiter bends what is above the knee
EVENTS = tuple(sorted(GRAINS))


@dataclass(frozen=True)
class Repeat:
    """Calls that come again: every `period` seconds one at each of the `offsets`, in seconds, as near as the
    `accents`, 0..1. `jitter`: part of a period by which a round may be late."""

    event: str
    period: float
    offsets: tuple[float, ...] = (0.0,)
    accents: tuple[float, ...] = (1.0,)
    jitter: float = 0.0


REPEATS: dict[str, tuple[Repeat, ...]] = {
    "balloon": (Repeat("burner", 1.7, jitter=0.12),),
    "bird": (Repeat("chirp", 1.3, (0.0, 0.14, 0.27, 0.45), (0.9, 1.0, 0.8, 0.9), jitter=0.2),),
    "gull": (Repeat("call", 1.8, (0.0, 0.43, 0.82), (1.0, 0.9, 0.8), jitter=0.12),),
    "boat": (Repeat("lap", 0.85, jitter=0.3), Repeat("creak", 1.9, (0.5,), jitter=0.2)),
    "kite": (),
    "rocket": (),
    "ball": (),
    "star": (Repeat("chime", 0.28, jitter=0.7),),
    "train": (
        Repeat("chuff", 1.0, (0.0, 0.25, 0.5, 0.75), (1.0, 0.7, 0.8, 0.7)),
        Repeat("whistle", 7.0, (1.1,)),
    ),
    "fish": (Repeat("bubble", 0.7, (0.0, 0.09, 0.17), (1.0, 0.8, 0.7), jitter=0.5),),
    "lighthouse": (Repeat("horn", 2.2),),
    "cat": (Repeat("meow", 1.6, jitter=0.2),),
    "clock_tower": (Repeat("strike", 1.5),),
    "cottage": (Repeat("pop", 0.5, (0.0, 0.06, 0.19, 0.23, 0.37), (1.0, 0.7, 0.9, 0.6, 0.8), jitter=0.9),),
    "camel": (Repeat("bell", 0.9, (0.0, 0.45), (1.0, 0.8)),),
    "snowman": (),
    "sledge": (Repeat("jingle", 0.48, (0.0, 0.24), (1.0, 0.75)),),
    "whale": (Repeat("song", 2.1, jitter=0.1),),
    "planet": (),
    "rover": (),
}
SUBJECTS = tuple(REPEATS)


def _check_name(field: str, name: str, names: Iterable[str]) -> None:
    names = tuple(names)
    if name not in names:
        near = tuple(difflib.get_close_matches(name, names)) or names
        raise BadInput(f"there is no sound of {quote(name)}", f"use {join_names(near, 'or')}", field=field)


def _check_range(field: str, value: float, minimum: float, maximum: float) -> None:
    if not minimum <= value <= maximum:
        raise BadInput(f"{field} {value:g} is out of range", f"give {minimum:g} to {maximum:g}", field=field)


@dataclass(frozen=True)
class Ambience:
    """The place, the weather and the time of day that a clip sounds like.

    Raises:
        BadInput: a name is not in `PLACES`, `WEATHERS` or `HOURS`.
    """

    place: str
    weather: str
    time: str

    def __post_init__(self) -> None:
        _check_name("place", self.place, PLACES)
        _check_name("weather", self.weather, WEATHERS)
        _check_name("time", self.time, HOURS)


@dataclass(frozen=True)
class Voice:
    """The sound of one subject along its track: what is endless, and the calls that `schedule` lists.

    `times` [K]: seconds, ascending; before and after them the track stands still. `x` [K]: 0 at the left edge
    of the frame, 1 at the right; beyond an edge it sounds like at the edge. `nearness` [K]: 0..1; 0 is
    silent. `size`: 0..1, large is low. `phase`: 0..1, shifts the calls.

    Raises:
        BadInput: an unknown subject, a number out of its range, or lists that do not fit each other.
    """

    kind: str
    times: Sequence[float] = (0.0,)
    x: Sequence[float] = (0.5,)
    nearness: Sequence[float] = (1.0,)
    size: float = 0.4
    phase: float = 0.0

    def __post_init__(self) -> None:
        _check_name("kind", self.kind, SUBJECTS)
        _check_range("size", self.size, 0.0, 1.0)
        _check_range("phase", self.phase, 0.0, 1.0)
        counts = [len(row) for row in (self.times, self.x, self.nearness)]
        if not 0 < counts[0] == counts[1] == counts[2]:
            raise BadInput(
                "times, x and nearness have {}, {} and {} numbers".format(*counts),
                "give as many of each, at least one",
                field="times",
            )
        times, x, nearness = (np.asarray(row, float) for row in (self.times, self.x, self.nearness))
        if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise BadInput(
                "the times do not ascend", "give each moment once, in seconds, in order", field="times"
            )
        if not np.isfinite(x).all():
            raise BadInput(
                "x is not a number at some moment", "give 0 at the left edge to 1 at the right", field="x"
            )
        if not ((nearness >= 0.0) & (nearness <= 1.0)).all():
            raise BadInput("nearness is out of range at some moment", "give 0 to 1", field="nearness")


@dataclass(frozen=True)
class Event:
    """One sound that begins at the moment `time`, in seconds. The rest as for a `Voice`.

    Raises:
        BadInput: a kind that is not in `EVENTS`, or a number out of its range.
    """

    kind: str
    time: float
    x: float = 0.5
    nearness: float = 1.0
    size: float = 0.4

    def __post_init__(self) -> None:
        _check_name("kind", self.kind, EVENTS)
        for field in ("time", "x"):
            if not math.isfinite(getattr(self, field)):
                raise BadInput(f"{field} of an event is not a number", "give a finite one", field=field)
        _check_range("nearness", self.nearness, 0.0, 1.0)
        _check_range("size", self.size, 0.0, 1.0)


def schedule(kind: str, phase: float, seconds: float, start: float = 0.0) -> tuple[Event, ...]:
    """The calls of a subject from `start` to `start + seconds`, in order; x and size are left as they are.

    A round of calls begins at (k - phase) periods, k = 0, 1, ... A `Voice` makes these sounds by itself: the
    list is for a plan that has to know the moments, not for `synthesise`.

    Raises:
        BadInput: an unknown subject, or a number out of its range.
    """
    _check_name("kind", kind, SUBJECTS)
    _check_range("phase", phase, 0.0, 1.0)
    _check_range("seconds", seconds, 0.0, MAX_SECONDS)
    _check_range("start", start, -MAX_START, MAX_START)
    events = [event for repeat in REPEATS[kind] for event in _calls(repeat, phase, start, start + seconds)]
    return tuple(sorted(events, key=lambda event: event.time))


def _calls(repeat: Repeat, phase: float, begin: float, end: float) -> list[Event]:
    late = max(repeat.offsets) + repeat.jitter * repeat.period
    first = math.floor((begin - late) / repeat.period + phase)
    rounds = np.arange(first, math.ceil(end / repeat.period + phase) + 1)
    chance = uniform(derive(round(phase * 2**32), repeat.event), rounds)
    times = ((rounds - phase + repeat.jitter * chance) * repeat.period)[:, None] + repeat.offsets
    return [
        Event(repeat.event, time, nearness=accent)
        for row in times.tolist()
        for time, accent in zip(row, repeat.accents, strict=True)
        if begin <= time < end
    ]


def synthesise(
    ambience: Ambience,
    voices: Sequence[Voice],
    events: Sequence[Event] = (),
    *,
    seconds: float,
    seed: int,
    start: float = 0.0,
    rate: int = RATE,
) -> Samples:
    """The sound from `start` to `start + seconds`, float32 [2, round(seconds * rate)], left and right.

    No sample reaches 0.95. The sound exists before time 0 too. The same seed gives the same sound whatever
    the window, the order and the company of the voices; two of one kind differ if their phases do.

    Raises:
        BadInput: the length, the rate, the start or the seed is out of range.
    """
    _check_range("seconds", seconds, 0.0, MAX_SECONDS)
    _check_range("start", start, -MAX_START, MAX_START)
    _check_range("rate", rate, MIN_RATE, MAX_RATE)
    _check_range("seed", seed, 0, 2**63 - 1)
    first, count = round(start * rate), round(seconds * rate)
    lead = first % STEP
    span = Span((first - lead) // STEP, -(-(lead + count) // STEP), rate)
    if not count:
        return np.zeros((2, 0), np.float32)
    mix = sound_of(ambience.place, ambience.weather, ambience.time, span, derive(seed, "ambience"))
    for voice in voices:
        _add_voice(mix, voice, span, derive(seed, voice.kind, round(voice.phase * 2**32)))
    for event in events:
        if not start - reach(event.kind) < event.time < start + seconds:
            continue
        grain = _grain(event, event.size, derive(seed, "event"), rate)
        gains = _gains(np.array([event.x]), np.array([event.nearness])).astype(np.float32)
        lay(mix, gains * grain, round(event.time * rate) - span.first * STEP)
    return _limit(np.ascontiguousarray(mix[:, lead : lead + count]))


def _add_voice(mix: Samples, voice: Voice, span: Span, key: int) -> None:
    moments = span.moments
    mono = np.zeros(mix.shape[1], np.float32)
    if voice.kind in LAYERS:
        mono += LAYERS[voice.kind](span, _pitch(voice.size), key)
    for repeat in REPEATS[voice.kind]:
        begin = float(moments[0]) - reach(repeat.event)
        for event in _calls(repeat, voice.phase, begin, float(moments[-1])):
            grain = _grain(event, voice.size, key, span.rate)
            loudness = np.float32(event.nearness**LOUDNESS)
            lay(mono, loudness * grain, round(event.time * span.rate) - span.first * STEP)
    track = (np.interp(moments, voice.times, row) for row in (voice.x, voice.nearness))
    mix += mono * stretch(_gains(*track))


def _pitch(size: float) -> float:
    return float(2.0 ** (1.4 * (0.4 - size)))


def _grain(event: Event, size: float, key: int, rate: int) -> Samples:
    """The samples of an event; the moment of its beginning decides its chance."""
    note = Note(_pitch(size), derive(key, event.kind, round(event.time * 1000.0)), rate)
    return GRAINS[event.kind](note)


def _gains(x: Control, nearness: Control) -> Control:
    """Loudness left and right, [2, N]: constant power over the width of the frame."""
    turn = (0.04 + 0.92 * np.clip(x, 0.0, 1.0)) * (np.pi / 2.0)
    return np.stack((np.cos(turn), np.sin(turn))) * nearness**LOUDNESS


def _limit(mix: Samples) -> Samples:
    """Bend what is above the knee, sample by sample, so that windows agree."""
    over = np.abs(mix) - KNEE
    loud = over > 0.0
    if loud.any():
        headroom = PEAK - KNEE
        limited = KNEE + headroom * over[loud] / (over[loud] + headroom)
        mix[loud] = np.copysign(limited, mix[loud])
    return mix
