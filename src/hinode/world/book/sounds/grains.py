"""The short sounds of the drawn world, one recipe each: calls, bells, bursts, drops.

A recipe takes a note and returns its samples, mono, from silence to silence, always for the same time.
Frequencies are in Hz, times in seconds, and fit a pitch of 1.
"""

from __future__ import annotations

import functools

import numpy as np

from hinode.world.book.sounds.timbre import Note, Recipe, Samples, derive, fade, glide, lay, puff, ring

PENTATONIC = (1.0, 1.122, 1.26, 1.498, 1.682, 2.0)
REED = (1.0, 0.8, 0.9, 0.6, 0.5, 0.35, 0.25, 0.2, 0.12)
SAW = tuple(1.0 / number for number in range(1, 13))
VOWEL_I = (0.7, 1.0, 0.25, 0.2, 0.3, 0.25, 0.1)
VOWEL_A = (0.6, 0.7, 1.0, 0.8, 0.3, 0.15, 0.1, 0.06)
BELL = (
    *((0.5, 0.4, 0.7), (1.0, 0.7, 0.6), (1.19, 0.5, 0.5), (1.5, 0.3, 0.4), (2.0, 0.6, 0.35)),
    *((2.67, 0.35, 0.2), (4.1, 0.3, 0.12), (5.43, 0.2, 0.07)),
)
SLEIGH = (4410.0, 4730.0, 5080.0, 5470.0, 5830.0)


def _thump(note: Note) -> Samples:
    """A rubber ball: a falling low tone under a short knock."""
    body = glide(note, 0.24, (230.0, 128.0, 112.0, 108.0), (1.0, 0.25, 0.08))
    body *= np.exp(-np.arange(len(body), dtype=np.float32) / np.float32(0.06 * note.rate))
    knock = puff(note, 0.03, ((900.0, 1.0, 0.6),), 0.0005, 0.006)
    lay(body, knock, 0)
    return 0.75 * fade(body, note, 0.001, 0.03)


def _burner(note: Note) -> Samples:
    roar = puff(note, 0.95, ((260.0, 0.7, 0.17), (2400.0, 0.9, 0.1)), 0.05)
    place = np.arange(len(roar), dtype=np.float32) / len(roar)
    roar *= 1.0 + 0.3 * np.sin(2.0 * np.pi * 13.0 * place)
    return roar


def _chirp(note: Note) -> Samples:
    turn = 0.85 + 0.3 * note.draw(0)
    wave = glide(note, 0.09, (2900.0, 4300.0 * turn, 3500.0))
    return 0.5 * fade(wave, note, 0.008, 0.05)


def _call(note: Note) -> Samples:
    """A gull: nasal, up and then down."""
    high = 1250.0 * (0.92 + 0.16 * note.draw(0))
    wave = glide(note, 0.36, (650.0, high, 0.9 * high, 580.0), (0.5, 1.0, 0.7, 0.5, 0.25), (0.012, 31.0))
    return 0.5 * fade(wave, note, 0.06, 0.3)


def _lap(note: Note) -> Samples:
    """A small wave against a hull: a soft swell and three hollow drops."""
    wave = puff(note, 0.55, ((480.0, 0.6, 0.06), (1500.0, 0.6, 0.015)), 0.16)
    for number, after in enumerate((0.06, 0.17, 0.31)):
        start = 260.0 * (1.0 + 0.6 * note.draw(number))
        drop = fade(glide(note, 0.11, (start, start, 1.6 * start), (1.0, 0.15)), note, 0.015, 0.09)
        lay(wave, (0.3 - 0.06 * number) * drop, int(after * note.rate))
    return wave


def _creak(note: Note) -> Samples:
    """Wood that sticks and slips: a slow train of pulses."""
    pulses = tuple(1.0 if 6 <= number <= 26 else 0.25 for number in range(34))
    wave = glide(note, 0.4, (58.0, 74.0, 66.0, 88.0), pulses, (0.05, 9.0))
    return 0.26 * fade(wave, note, 0.08, 0.12)


def _chime(note: Note) -> Samples:
    hertz = 1320.0 * PENTATONIC[int(6 * note.draw(0))]
    return fade(
        ring(note, ((hertz, 0.24, 0.3), (1.004 * hertz, 0.18, 0.28), (2.76 * hertz, 0.1, 0.18))),
        note,
        0.002,
        0.02,
    )


def _chuff(note: Note) -> Samples:
    return puff(note, 0.2, ((420.0, 0.7, 0.34), (1500.0, 0.9, 0.2)), 0.012, 0.05)


def _whistle(note: Note) -> Samples:
    wave = puff(note, 0.9, ((2600.0, 0.8, 0.02),), 0.1)
    for hertz in (622.0, 740.0, 932.0):
        knots = (0.94 * hertz, hertz, hertz, hertz, 0.97 * hertz)
        lay(wave, 0.11 * glide(note, 0.9, knots, (1.0, 0.25, 0.1), (0.006, 6.0)), 0)
    return fade(wave, note, 0.05, 0.16)


def _bubble(note: Note) -> Samples:
    start = 480.0 * (0.8 + 0.6 * note.draw(0))
    return 0.5 * fade(glide(note, 0.075, (start, 1.15 * start, 2.1 * start)), note, 0.006, 0.065)


def _horn(note: Note) -> Samples:
    wave = glide(note, 1.15, (104.0,) + (108.0,) * 6 + (82.0, 80.0), REED)
    return 0.6 * fade(wave, note, 0.06, 0.2)


def _meow(note: Note) -> Samples:
    hertz = (430.0, 610.0, 640.0, 560.0, 400.0)
    closed = glide(note, 0.68, hertz, VOWEL_I, (0.012, 7.0))
    mouth = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.linspace(0.08, 1.0, len(closed), dtype=np.float32) ** 0.8)
    wave = closed + (glide(note, 0.68, hertz, VOWEL_A, (0.012, 7.0)) - closed) * mouth
    return 0.5 * fade(wave * (0.45 + 0.55 * mouth), note, 0.05, 0.2)


def _strike(note: Note) -> Samples:
    bell = ring(note, tuple((392.0 * ratio, 0.2 * level, decay) for ratio, level, decay in BELL))
    knock = puff(note, 0.03, ((2200.0, 0.7, 0.15),), 0.0005, 0.005)
    lay(bell, knock, 0)
    return fade(bell, note, 0.001, 0.05)


def _bell(note: Note) -> Samples:
    """A camel's bell: dull, from hammered iron."""
    hertz = 760.0 * (1.0 if note.draw(0) < 0.5 else 1.13)
    return fade(
        ring(note, ((hertz, 0.4, 0.09), (1.63 * hertz, 0.24, 0.06), (2.41 * hertz, 0.18, 0.035))),
        note,
        0.001,
        0.02,
    )


def _jingle(note: Note) -> Samples:
    """The small bells of a harness, shaken three times within 60 ms."""
    chosen = (SLEIGH[int(len(SLEIGH) * note.draw(number))] / note.pitch**0.7 for number in range(3))
    shake = ring(
        note, tuple(part for hertz in chosen for part in ((hertz, 0.13, 0.05), (0.62 * hertz, 0.04, 0.03)))
    )
    wave = shake.copy()
    for number, level in ((0, 0.7), (1, 0.5)):
        after = int(note.rate * (0.018 + 0.025 * number + 0.012 * note.draw(8 + number)))
        wave[after:] += level * shake[:-after]
    return fade(wave, note, 0.001, 0.03)


def _song(note: Note) -> Samples:
    rise = 0.85 + 0.3 * note.draw(0)
    hertz = (150.0, 190.0, 340.0 * rise, 300.0 * rise, 210.0, 165.0)
    wave = glide(note, 1.7, hertz, (1.0, 0.45, 0.3, 0.1, 0.06), (0.02, 4.5))
    return 0.5 * fade(wave, note, 0.3, 0.5)


def _thunder(note: Note) -> Samples:
    rumble = puff(note, 3.2, ((75.0, 0.9, 0.36), (260.0, 0.8, 0.12)), 0.03, 0.9)
    crack = puff(note, 0.5, ((900.0, 1.6, 0.28),), 0.004, 0.09)
    lay(rumble, crack, 0)
    return fade(rumble, note, 0.002, 0.6)


def _drop(note: Note) -> Samples:
    hertz = 1900.0 + 3600.0 * note.draw(0)
    return fade(ring(note, ((hertz, 0.5, 0.005), (0.41 * hertz, 0.3, 0.004))), note, 0.0005, 0.004)


def _tick(note: Note) -> Samples:
    hertz = 5200.0 + 1900.0 * note.draw(0)
    return fade(ring(note, ((hertz, 0.5, 0.008),)), note, 0.002, 0.006)


def _pop(note: Note) -> Samples:
    hertz = 900.0 * 2.0 ** (1.6 * note.draw(0))
    wave = puff(note, 0.03, ((hertz, 0.7, 0.7),), 0.0005, 0.003 + 0.004 * note.draw(1))
    return (0.3 + 0.7 * note.draw(2) ** 2) * wave


def _warble(note: Note) -> Samples:
    """A small bird far away."""
    hertz = 3100.0 * (0.9 + 0.4 * note.draw(0))
    wave = glide(note, 0.4, (hertz, 1.1 * hertz, 0.95 * hertz), vibrato=(0.06, 15.0 + 8.0 * note.draw(1)))
    return 0.5 * fade(wave, note, 0.15, 0.25)


def _crunch(note: Note) -> Samples:
    """A step in hard snow."""
    wave = puff(note, 0.16, ((1300.0, 0.6, 0.3), (3800.0, 0.5, 0.2)), 0.05)
    grit = puff(Note(1.0, derive(note.key, "grit"), note.rate), 0.16, ((90.0, 0.8, 1.0),), 0.05)
    return wave * np.abs(grit)


def _cricket(note: Note) -> Samples:
    wave = glide(note, 0.13, (4250.0, 4300.0, 4250.0))
    place = np.arange(len(wave), dtype=np.float32) / len(wave)
    wave *= 0.5 - 0.5 * np.cos(2.0 * np.pi * 4.0 * place)
    return 0.5 * fade(wave, note, 0.01, 0.02)


def _hoot(note: Note) -> Samples:
    return 0.5 * fade(glide(note, 0.42, (370.0, 390.0, 350.0), (1.0, 0.1)), note, 0.09, 0.16)


def _buzz(note: Note) -> Samples:
    wave = glide(note, 0.8, (205.0, 225.0, 215.0, 190.0), SAW[:8], (0.02, 11.0))
    return 0.5 * fade(wave, note, 0.3, 0.4)


GRAINS: dict[str, Recipe] = {
    "thump": _thump,
    "burner": _burner,
    "chirp": _chirp,
    "call": _call,
    "lap": _lap,
    "creak": _creak,
    "chime": _chime,
    "chuff": _chuff,
    "whistle": _whistle,
    "bubble": _bubble,
    "horn": _horn,
    "meow": _meow,
    "strike": _strike,
    "bell": _bell,
    "jingle": _jingle,
    "song": _song,
    "thunder": _thunder,
    "drop": _drop,
    "tick": _tick,
    "pop": _pop,
    "warble": _warble,
    "crunch": _crunch,
    "cricket": _cricket,
    "hoot": _hoot,
    "buzz": _buzz,
}


@functools.cache
def reach(kind: str) -> float:
    """Seconds that a grain lasts at most, at any rate."""
    rate = 8000
    return len(GRAINS[kind](Note(1.0, 0, rate))) / rate + 0.01
