"""What is heard in a clip, in words and with times: captions for people who hear nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hinode.world.book.sounds.sound import REPEATS, schedule

WORDS = {
    "thump": "Thump", "burner": "Burner roars", "chirp": "Birds chirp", "call": "Gulls call",
    "lap": "Water laps", "creak": "Wood creaks", "chime": "Chimes", "chuff": "Train chuffs",
    "whistle": "Train whistles", "bubble": "Bubbles", "horn": "Foghorn", "meow": "Meow",
    "strike": "Clock strikes", "bell": "Bell rings", "jingle": "Sleigh bells", "song": "Whale song",
    "thunder": "Thunder", "pop": "Fire crackles", "crunch": "Snow crunches",
}  # fmt: skip
"""Sounds of subjects and events."""
PLACES = {
    "hills": "Wind over hills", "mountains": "Wind in the mountains", "sea": "Waves",
    "desert": "Wind over sand", "city": "Traffic hums", "meadow": "Grass rustles",
    "village": "Quiet winter wind", "underwater": "Underwater murmur", "space": "Low hum",
}  # fmt: skip
WEATHERS = {"rain": "rain", "snow": "snow falls", "fog": "muffled tones"}
WITHOUT_WEATHER = ("underwater", "space")

FIRST_SECONDS = 2.5
"""How long a clip says what its place sounds like."""
PAUSE_SECONDS = 1.6
"""Calls of a kind that are nearer to each other are one caption."""
TAIL_SECONDS = 0.8
"""How long a caption stays after the last call."""
EDGE = 0.2
"""Frame widths beyond an edge over which a subject is still heard."""


@dataclass(frozen=True)
class Caption:
    """Words from `begin` to `end`, in seconds."""

    begin: float
    end: float
    text: str


def captions(plan: Mapping[str, Any]) -> list[Caption]:
    """The captions of a clip, by time.

    Args:
        plan: its `ScenePlan` as values of JSON.
    """
    seconds = float(plan["seconds"])
    calls: dict[str, list[float]] = {}
    for kind, moment in _calls(plan, seconds):
        calls.setdefault(kind, []).append(moment)
    result = [Caption(0.0, min(FIRST_SECONDS, seconds), _surroundings(plan))]
    for kind, moments in calls.items():
        if kind in WORDS:
            result += _merged(WORDS[kind], sorted(moments), seconds)
    return sorted(result, key=lambda caption: (caption.begin, caption.end))


def web_vtt(captions: Iterable[Caption]) -> str:
    """Captions as a WebVTT file."""
    cues = (f"{_clock(cue.begin)} --> {_clock(cue.end)}\n[{cue.text}]\n" for cue in captions)
    return "\n".join(("WEBVTT\n", *cues))


def _surroundings(plan: Mapping[str, Any]) -> str:
    place = str(plan["place"])
    words = [PLACES.get(place, place.capitalize())]
    if place not in WITHOUT_WEATHER and plan["weather"] in WEATHERS:
        words.append(WEATHERS[plan["weather"]])
    return ", ".join(words)


def _calls(plan: Mapping[str, Any], seconds: float) -> Iterable[tuple[str, float]]:
    """The kind and the moment of everything that sounds once."""
    for event in plan.get("events", ()):
        yield event["kind"], float(event["time"])
    for number, subject in enumerate(plan.get("subjects", ())):
        kind = subject["kind"].replace(" ", "_")
        if kind not in REPEATS:
            continue
        times = np.linspace(0.0, seconds, len(subject["x"]))
        # As `soundtrack`: two subjects of a kind call at different moments.
        phase = (subject["beat"][0] + 0.37 * number) % 1.0
        for event in schedule(kind, phase, seconds):
            if -EDGE < np.interp(event.time, times, subject["x"]) < 1 + EDGE:
                yield event.kind, event.time


def _merged(text: str, moments: list[float], seconds: float) -> Iterable[Caption]:
    begin = last = moments[0]
    for moment in (*moments[1:], math.inf):
        if moment - last > PAUSE_SECONDS:
            yield Caption(begin, min(seconds, last + TAIL_SECONDS), text)
            begin = moment
        last = moment


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
