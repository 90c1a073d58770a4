"""The sound of clips from clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hinode.clip import Sound
from hinode.directing import sound
from hinode.media.timeline import Timeline
from hinode.media.writing.formats import write
from hinode.media.writing.label import Label
from hinode.request import SOURCE, Reference, Segment
from tests.sounds import correlation, tone

RATE = 48_000
SILENCE = 1e-3


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Reference]:
    """Two seconds with a tone in stereo, one second with another in mono, and one second without sound."""
    sounds = {
        "stereo": (2.0, Sound(tone(2.0), RATE)),
        "mono": (1.0, Sound(tone(1.0, 24_000, 1), 24_000)),
        "none": (1.0, None),
    }
    references = {}
    for name, (seconds, content) in sounds.items():
        frames = np.zeros((round(8 * seconds), 16, 16, 3), np.uint8)
        path = tmp_path / f"{name}.mp4"
        write("mp4", path, frames, (16, 16), Timeline(Fraction(8), Fraction(seconds)), Label(), content)
        references[name] = Reference(SOURCE, name, "video/mp4", path=str(path))
    return references


def test_kept_sound_stays_where_it_was_and_what_is_new_is_silent(videos: dict[str, Reference]) -> None:
    segments = (Segment(0.5), Segment(1.0, keep="stereo", start=0.75), Segment(0.5, keep="mono"))
    joined = sound.join(segments, videos.__getitem__)
    assert joined is not None
    assert (joined.rate, joined.channels, joined.seconds) == (RATE, 2, 2.0)
    assert np.abs(joined.between(0, RATE // 2)).max() == 0
    part = slice(RATE // 2 + 1000, 3 * RATE // 2 - 1000)
    expected = tone(2.0)[:, round(0.75 * RATE) + 1000 : round(1.75 * RATE) - 1000]
    assert correlation(joined.samples[:, part], expected) > 0.99
    assert sound.join((Segment(0.5), Segment(1.0, keep="none")), videos.__getitem__) is None


def test_a_transition_fades_from_one_sound_to_the_other(videos: dict[str, Reference]) -> None:
    segments = (
        Segment(1.0, keep="stereo"),
        Segment(1.0, guide="stereo", start=1.0, onto="mono", onto_start=-0.5),
        Segment(0.5, keep="mono", start=0.5),
    )
    joined = sound.join(segments, videos.__getitem__)
    assert joined is not None
    loudness = [float(np.abs(joined.between(at * 2400, at * 2400 + 2400)[1]).max()) for at in range(50)]
    assert max(loudness) < 0.13
    # The second tone is heard on the left only until it begins; the first one has no gap at the joint.
    assert min(loudness[2:21]) > 0.09 > loudness[26] > loudness[29]
    assert min(loudness[35:48]) > SILENCE
