"""Captions say what is heard, when it is heard."""

from __future__ import annotations

import re
from typing import Any

from hinode.engines.native.captions import captions_of
from hinode.world.book.sounds import captions as words
from hinode.world.book.sounds.captions import captions
from hinode.world.book.sounds.sound import PLACES, REPEATS, WEATHERS, schedule


def subject(kind: str, x: float = 0.5) -> dict[str, Any]:
    return {"kind": kind, "x": [x] * 37, "beat": [0.25] * 37}


def plan(*subjects: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"seconds": 6.0, "place": "sea", "weather": "rain", "subjects": subjects, "events": [], **values}


def test_every_sound_has_words() -> None:
    assert {repeat.event for repeats in REPEATS.values() for repeat in repeats} <= set(words.WORDS)
    assert set(words.PLACES) == set(PLACES)
    assert set(words.WEATHERS) | {"clear"} == set(WEATHERS)


def test_captions_have_the_moments_of_the_sounds() -> None:
    found = captions(plan(subject("gull"), events=[{"kind": "thunder", "time": 4.0, "subject": None}]))
    assert (found[0].begin, found[0].text) == (0.0, "Waves, rain")
    (thunder,) = (caption for caption in found if caption.text == "Thunder")
    assert (thunder.begin, thunder.end) == (4.0, 4.8)
    calls = [event.time for event in schedule("gull", 0.25, 6.0)]
    gulls = [caption for caption in found if caption.text == "Gulls call"]
    assert gulls
    assert all(any(caption.begin <= time <= caption.end for caption in gulls) for time in calls)
    assert all(0 <= caption.begin < caption.end <= 6.0 for caption in found)


def test_what_is_far_outside_is_not_heard() -> None:
    assert [caption.text for caption in captions(plan(subject("gull", x=1.5)))] == ["Waves, rain"]


def test_web_vtt() -> None:
    text = captions_of({"plan": plan(subject("train")), "sound": "stereo, 16000 Hz"})
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n[Waves, rain]\n")
    cue = r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}\n\[[^\]\n]+\]\n"
    assert re.fullmatch(rf"WEBVTT\n(?:\n{cue})+", text)
    for silent in ({}, {"plan": plan(), "sound": None}, {"plan": {"seconds": "x"}, "sound": "mono"}):
        assert captions_of(silent) == "WEBVTT\n"
