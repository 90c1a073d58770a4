"""The sound of a clip agrees in every window, follows tracks, keeps times and tells its sources apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hinode.errors import BadInput
from hinode.world.book.sounds.sound import (
    EVENTS,
    HOURS,
    PLACES,
    RATE,
    SUBJECTS,
    WEATHERS,
    Ambience,
    Event,
    Voice,
    schedule,
    synthesise,
)
from hinode.world.book.sounds.timbre import Samples

SPACE = Ambience("space", "clear", "noon")
SOUNDING = tuple(kind for kind in SUBJECTS if kind not in ("ball", "snowman"))
Make = Callable[[np.random.Generator, str], Samples]


def alone(voices: Sequence[Voice], events: Sequence[Event] = (), seconds: float = 2.0) -> Samples:
    """Voices and events without the place that they are in; quiet enough that the limiter rests."""
    full, empty = (synthesise(SPACE, *cast, seconds=seconds, seed=7) for cast in ((voices, events), ((), ())))
    return full - empty


def level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def centre(samples: Samples) -> float:
    """The median frequency in Hz."""
    power = np.cumsum(np.abs(np.fft.rfft(samples.mean(0))) ** 2)
    return float(np.searchsorted(power, power[-1] / 2) / samples.shape[1] * RATE)


@pytest.mark.parametrize(
    ("ambience", "kinds"),
    [
        (Ambience("meadow", "rain", "night"), ("train", "bird", "kite")),
        (Ambience("mountains", "fog", "dawn"), ("clock_tower", "rover", "boat")),
        (Ambience("underwater", "clear", "noon"), ("whale", "fish", "planet")),
        (Ambience("village", "snow", "sunset"), ("sledge", "cottage", "cat")),
    ],
)
@pytest.mark.parametrize("start", [-0.6, 0.7331, 2.0])
def test_a_window_sounds_like_the_same_seconds_of_the_whole(
    ambience: Ambience, kinds: tuple[str, ...], start: float
) -> None:
    voices = [Voice(kind, (0.0, 3.0), (0.2, 0.9), (1.0, 0.4), phase=0.3) for kind in kinds]
    events = [Event("thump", 0.5), Event("thunder", 0.1)]
    whole = synthesise(ambience, voices, events, seconds=4.5, seed=3, start=-1.0)
    part = synthesise(ambience, voices[::-1], events, seconds=1.1, seed=3, start=start)
    first = round((start + 1.0) * RATE)
    assert np.abs(whole[:, first : first + part.shape[1]] - part).max() < 1e-5
    assert level(synthesise(ambience, voices, events, seconds=1.1, seed=4, start=start) - part) > 1e-3


@pytest.mark.parametrize("kind", ["rocket", "cat", "ball"])
def test_the_sides_follow_x_and_the_loudness_follows_nearness(kind: str) -> None:
    def sound(x: float, nearness: float) -> Samples:
        return alone([Voice(kind, x=(x,), nearness=(nearness,))], [Event("thump", 0.4, x, nearness)])

    across = [sound(x, 0.5) for x in (-0.2, 0.0, 0.25, 0.5, 0.75, 1.0)]
    balance = [level(left) / level(right) for left, right in across]
    assert balance[0] == pytest.approx(balance[1])
    assert (np.diff(balance[1:]) < 0).all()
    assert balance[3] == pytest.approx(1.0, abs=1e-3)
    assert [level(samples) for samples in across] == pytest.approx([level(across[0])] * 6, rel=1e-3)
    levels = [level(sound(0.5, nearness)) for nearness in (0.0, 0.2, 0.4, 0.6)]
    assert levels[0] == 0.0
    assert (np.diff(levels) > 0).all()


def test_a_voice_moves_along_its_track() -> None:
    sound = alone([Voice("rocket", (0.0, 2.0), (0.0, 1.0), (0.2, 0.6))])
    quarters = np.split(sound, 4, axis=1)
    assert (np.diff([level(part[1]) / level(part[0]) for part in quarters]) > 0).all()
    assert (np.diff([level(part) for part in quarters]) > 0).all()


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_begins_at_its_sample_and_ends_in_silence(kind: str) -> None:
    sound = np.abs(alone([], [Event(kind, 0.25, nearness=0.5)], seconds=4.0))[0]
    heard = np.flatnonzero(sound)
    assert 0 <= heard[0] / RATE - 0.25 < 0.002
    assert sound[heard[0]] < 0.1 * sound.max()  # no click
    assert sound[heard[-1]] < 0.01 * sound.max()
    if kind in ("thump", "strike", "bell", "jingle", "drop", "pop"):
        assert (np.argmax(sound > 0.3 * sound.max()) / RATE - 0.25) < 0.004


@pytest.mark.parametrize("kind", SOUNDING)
def test_a_large_subject_is_lower(kind: str) -> None:
    def pitch(size: float) -> float:
        return float(np.mean([centre(alone([Voice(kind, size=size, phase=p)])) for p in (0.1, 0.6)]))

    small, large = pitch(0.05), pitch(0.95)
    assert large < 0.95 * small


def test_a_large_ball_is_lower() -> None:
    pitches = [centre(alone([], [Event("thump", 0.2, size=size)])) for size in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (np.diff(pitches) < 0).all()


def test_empty_space_only_hums_and_a_snowman_is_silent() -> None:
    empty = synthesise(SPACE, (), seconds=4.0, seed=1)
    assert 0.001 < level(empty) < 0.02
    power = np.abs(np.fft.rfft(empty * np.hanning(empty.shape[1]), axis=1)) ** 2
    assert power[:, 4 * 200 :].sum() < 1e-4 * power.sum()
    assert not alone([Voice("snowman")]).any()


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_schedule_lists_the_moments_that_a_voice_makes_audible(kind: str) -> None:
    whole = schedule(kind, 0.3, 4.0)
    assert whole == schedule(kind, 0.3, 1.5) + schedule(kind, 0.3, 2.5, start=1.5)
    sound = np.abs(alone([Voice(kind, phase=0.3, nearness=(0.5,))], seconds=4.0))[0]
    for event in whole:
        first = round(event.time * RATE)
        assert sound[first : first + 4000].any()
    if kind in ("bird", "gull", "balloon", "lighthouse", "cat", "fish", "camel"):
        gap = np.ones(len(sound), bool)
        for event in schedule(kind, 0.3, 9.0, start=-5.0):
            first = round(event.time * RATE)
            gap[max(first, 0) : max(first + round(1.2 * RATE), 0)] = False
        assert not sound[gap].any()


def test_a_crowd_stays_below_the_peak_without_a_flat_top() -> None:
    crowd = [Voice(kind, phase=phase) for kind in SUBJECTS for phase in (0.0, 0.4)]
    sound = synthesise(
        Ambience("sea", "rain", "dawn"), crowd, [Event("thunder", 0.2)] * 6, seconds=2.0, seed=1
    )
    assert np.isfinite(sound).all()
    assert 0.85 < np.abs(sound).max() < 0.95
    assert not (np.diff(sound)[np.abs(sound[:, 1:]) > 0.8] == 0.0).any()


@pytest.mark.parametrize(("rate", "seconds"), [(8_000, 1.0), (16_000, 2.125), (48_000, 0.5), (16_000, 0.0)])
def test_the_length_is_as_asked(rate: int, seconds: float) -> None:
    sound = synthesise(SPACE, [Voice("train")], seconds=seconds, seed=0, rate=rate)
    assert sound.shape == (2, round(seconds * rate))
    assert sound.dtype == np.float32


@pytest.mark.parametrize(
    ("attempt", "field", "sentence"),
    [
        (lambda: Voice("kit"), "kind", "there is no sound of 'kit'; use kite"),
        (lambda: Event("boom", 1.0), "kind", "there is no sound of 'boom'"),
        (lambda: Ambience("sea", "hail", "noon"), "weather", "use clear, rain, snow or fog"),
        (lambda: Voice("cat", size=1.5), "size", "size 1.5 is out of range; give 0 to 1"),
        (lambda: Voice("cat", (0.0, 1.0)), "times", "times, x and nearness have 2, 1 and 1 numbers"),
        (lambda: Voice("cat", (1.0, 0.0), (0, 1), (1, 1)), "times", "the times do not ascend"),
        (lambda: Voice("cat", nearness=(float("nan"),)), "nearness", "give 0 to 1"),
        (lambda: Voice("cat", x=(float("inf"),)), "x", "give 0 at the left edge"),
        (lambda: Event("meow", float("nan")), "time", "time of an event is not a number"),
        (lambda: schedule("cat", 2.0, 1.0), "phase", "phase 2 is out of range"),
        (lambda: synthesise(SPACE, (), seconds=-1.0, seed=0), "seconds", "seconds -1 is out of range"),
        (lambda: synthesise(SPACE, (), seconds=1.0, seed=-1), "seed", "seed -1 is out of range"),
        (lambda: synthesise(SPACE, (), seconds=1.0, seed=0, rate=1), "rate", "give 8000 to 48000"),
    ],
)
def test_bad_input_names_the_field_and_the_remedy(
    attempt: Callable[[], object], field: str, sentence: str
) -> None:
    with pytest.raises(BadInput) as caught:
        attempt()
    assert caught.value.field == field
    assert sentence in str(caught.value)


def statistics(samples: Samples) -> Samples:
    """Mean, spread, quiet and loud ends and movement of 40 log-mel bands, [240]."""
    mel = np.linspace(2595 * np.log10(1 + 40 / 700), 2595 * np.log10(1 + 8000 / 700), 42)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.fft.rfftfreq(512, 1 / RATE)
    bands = np.stack([np.interp(hertz, edges[i : i + 3], (0, 1, 0), 0, 0) for i in range(40)], 1)
    frames = np.lib.stride_tricks.sliding_window_view(samples.mean(0), 512)[::160] * np.hanning(512)
    log = np.log10(np.abs(np.fft.rfft(frames)) ** 2 @ bands + 1e-3)
    move = np.diff(log, axis=0)
    ends = np.percentile(log, (10, 95), axis=0)
    return np.concatenate((log.mean(0), log.std(0), *ends, np.abs(move).mean(0), move.max(0)))


def discriminate(names: Sequence[str], make: Make, training: int, testing: int) -> float:
    """The share of fresh draws that a linear discriminant names rightly, after some draws of each name."""
    rng = np.random.default_rng(0)
    rows = [[statistics(make(rng, name)) for _ in range(training + testing)] for name in names]
    known = np.array([row[:training] for row in rows])
    mean, spread = known.mean((0, 1)), known.std((0, 1)) + 1e-6
    known, fresh = ((np.array(part) - mean) / spread for part in (known, [row[training:] for row in rows]))
    centres = known.mean(1)
    within = (known - centres[:, None]).reshape(-1, known.shape[-1])
    covariance = within.T @ within / len(within)
    covariance = 0.9 * covariance + 0.1 * np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    weights = np.linalg.solve(covariance, centres.T)
    scores = fresh @ weights - 0.5 * (centres * weights.T).sum(1)
    return float((scores.argmax(-1) == np.arange(len(names))[:, None]).mean())


def draw(rng: np.random.Generator, kind: str, ambience: Ambience) -> Samples:
    """Two seconds of a subject of any size and phase that moves somewhere in the nearer half of the scene."""
    x, nearness = rng.uniform(0.1, 0.9, 2), rng.uniform(0.5, 1.0, 2)
    voice = Voice(kind, (0.0, 2.0), x.tolist(), nearness.tolist(), rng.uniform(0.1, 0.7), rng.random())
    beats = (np.arange(4) + voice.phase) / rng.uniform(0.88, 1.12) if kind == "ball" else ()
    events = [Event("thump", float(time), x[0], nearness[0], voice.size) for time in beats]
    return synthesise(ambience, [voice], events, seconds=2.0, seed=int(rng.integers(1 << 40)))


def anywhere(rng: np.random.Generator, places: Sequence[str] = tuple(PLACES)) -> Ambience:
    names = (places, tuple(WEATHERS), tuple(HOURS))
    return Ambience(*(str(rng.choice(choices)) for choices in names))


@pytest.mark.slow
def test_subjects_can_be_told_apart_in_any_place_and_weather() -> None:
    kinds = (*SOUNDING, "ball")
    assert discriminate(kinds, lambda rng, kind: draw(rng, kind, anywhere(rng)), 40, 8) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("company", [False, True])
def test_weathers_can_be_told_apart_with_and_without_a_subject(company: bool) -> None:
    land = tuple(place for place in PLACES if place not in ("underwater", "space"))

    def make(rng: np.random.Generator, weather: str) -> Samples:
        ambience = dataclasses.replace(anywhere(rng, land), weather=weather)
        return draw(rng, str(rng.choice(SUBJECTS)) if company else "snowman", ambience)

    assert discriminate(tuple(WEATHERS), make, 120, 24) > 0.85


@pytest.mark.slow
def test_places_can_be_told_apart_in_any_weather() -> None:
    def make(rng: np.random.Generator, place: str) -> Samples:
        return draw(rng, "snowman", anywhere(rng, (place,)))

    assert discriminate(tuple(PLACES), make, 60, 12) > 0.85
