from __future__ import annotations

import numpy as np

from hinode.engines.native.plans.tracks import Sighting, distinct, link


def sighting(key: int, x: float, y: float = 0.0, kind: int = 0, presence: float = 0.9) -> Sighting:
    odds = np.full(4, 0.02)
    odds[kind] = 0.94
    return Sighting(key, np.array([x, y]), 0.3, presence, odds, odds, np.array([1.0, 0.0, 1.0]))


def test_two_subjects_that_pass_each_other_stay_apart() -> None:
    keys = [
        [sighting(k, -0.5 + 0.1 * k, -0.1, kind=0), sighting(k, 0.5 - 0.1 * k, 0.1, kind=1)]
        for k in range(11)
    ]
    first, second = link(keys, 3)
    assert [s.kind.argmax() for s in first.sightings] == [0] * 11
    assert [s.kind.argmax() for s in second.sightings] == [1] * 11
    assert np.allclose(first.curves(11)[:, 0], np.linspace(-0.5, 0.5, 11))


def test_a_subject_that_is_hidden_for_a_while_is_one_subject_on_one_path() -> None:
    keys = [[sighting(k, 0.1 * k)] if k not in (3, 4, 5, 6) else [] for k in range(10)]
    (track,) = link(keys, 3)
    assert np.allclose(track.curves(12)[:, 0], 0.1 * np.arange(12))


def test_what_is_seen_once_is_no_subject() -> None:
    keys = [[sighting(k, 0.0)] + ([sighting(k, 0.6, kind=2)] if k == 4 else []) for k in range(12)]
    assert len(link(keys, 3)) == 1


def test_two_sightings_of_a_subject_at_a_key_are_one() -> None:
    found = distinct([sighting(0, 0.0, presence=0.6), sighting(0, 0.02), sighting(0, 0.4)])
    assert [s.place[0] for s in found] == [0.02, 0.4]
    assert distinct([sighting(0, 0.0), sighting(0, 0.08, kind=3)])[1].kind.argmax() == 3
