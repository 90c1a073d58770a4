"""Sightings of single keys become the tracks of subjects: pure arithmetic, no network.

Lengths are in short sides of the frame from its middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinode.world.book.motion import BEATS
from hinode.world.book.plan import STEP, SubjectPlan
from hinode.world.book.priors import COLORS, KINDS

Values = NDArray[np.floating[Any]]

NEAR, FAR = 0.09, 0.45
"""Within the first distance two sightings of a key are of one subject; no subject goes farther than the
second from key to key."""
LOOKS = 0.35
"""What a wholly different look counts for beside a distance."""
SURER, WITHIN = 0.75, 0.5
"""A track with less than this share of the score of another is a part of it within so many of its sizes."""
MIN_SHARE, SPAN = 0.4, 13
"""Least share of the keys, or of so many keys of a longer clip, at which a subject has to be seen, weighed by
presence."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A subject at one key: `place` x and y, `size`, `presence` 0..1, probabilities of `kind` and `color`,
    and `pose`: cosine and sine of the tilt, facing."""

    key: int
    place: Values
    size: float
    presence: float
    kind: Values
    color: Values
    pose: Values


@dataclass(eq=False)
class Track:
    """The sightings of one subject, in the order of their keys."""

    sightings: list[Sighting] = field(default_factory=list)

    @property
    def weights(self) -> Values:
        return np.array([sighting.presence for sighting in self.sightings])

    @property
    def score(self) -> float:
        """How often it was seen and how surely, in keys; less where its kind is not sure."""
        return float(self.weights.sum() * self.mean("kind").max() ** 0.5)

    def mean(self, name: str) -> Values:
        """The mean of an attribute over all sightings, weighed by their presence; of probabilities, the
        geometric one."""
        values = np.array([getattr(sighting, name) for sighting in self.sightings])
        if name == "pose":
            return np.asarray(np.average(values, axis=0, weights=self.weights))
        odds = np.exp(np.average(np.log(values + 1e-4), axis=0, weights=self.weights))
        return np.asarray(odds / odds.sum())

    def expected(self, key: int) -> Values:
        """Where the subject may be at a later key, by its last steps."""
        last = self.sightings[-1]
        if len(self.sightings) < 2:
            return last.place
        earlier = self.sightings[-2]
        step = (last.place - earlier.place) / (last.key - earlier.key)
        return np.asarray(last.place + step * min(key - last.key, 2))

    def curves(self, keys: int) -> Values:
        """x, y and size at every key, [keys, 3]: between sightings on straight lines, before and after them
        along the line through the nearest three."""
        times = np.array([sighting.key for sighting in self.sightings], float)
        values = np.array([[*sighting.place, sighting.size] for sighting in self.sightings])
        moments = np.arange(keys)
        curves = np.stack([np.interp(moments, times, column) for column in values.T], 1)
        for part, end in ((slice(0, 3), moments < times[0]), (slice(-3, None), moments > times[-1])):
            if end.any() and len(times) > 1:
                slope = np.polyfit(times[part], values[part, :2], 1)[0]
                edge = times[part][0 if end[0] else -1]
                curves[end, :2] += np.outer(moments[end] - edge, slope)
        return curves


def distinct(sightings: Sequence[Sighting]) -> list[Sighting]:
    """The sightings of one key without those of a subject that is there already, the surest first."""
    chosen: list[Sighting] = []
    for sighting in sorted(sightings, key=lambda s: -s.presence):
        if all(not _same(sighting, other) for other in chosen):
            chosen.append(sighting)
    return chosen


def _same(first: Sighting, second: Sighting) -> bool:
    distance = float(np.hypot(*(first.place - second.place)))
    alike = first.kind.argmax() == second.kind.argmax()
    return distance < (max(NEAR, 0.4 * second.size) if alike else NEAR / 2)


def link(keys: Sequence[Sequence[Sighting]], limit: int) -> list[Track]:
    """The tracks of up to `limit` subjects in the sightings of every key, from left to right at the start."""
    tracks: list[Track] = []
    for sightings in keys:
        pairs = sorted(
            (_cost(track, sighting), k, n)
            for k, track in enumerate(tracks)
            for n, sighting in enumerate(sightings)
        )
        taken: set[int] = set()
        used: set[int] = set()
        for cost, k, n in pairs:
            if cost < FAR and k not in used and n not in taken:
                tracks[k].sightings.append(sightings[n])
                used.add(k)
                taken.add(n)
        tracks += [Track([sighting]) for n, sighting in enumerate(sightings) if n not in taken]
    needed = MIN_SHARE * min(len(keys), SPAN)
    best: list[Track] = []
    for track in _by_score(_joined(_by_score(tracks))):
        if track.score >= needed and not any(_is_part(track, other) for other in best):
            best.append(track)
    return sorted(best[:limit], key=lambda track: float(track.sightings[0].place[0]))


def _by_score(tracks: list[Track]) -> list[Track]:
    return sorted(tracks, key=lambda track: -track.score)


def _is_part(track: Track, other: Track) -> bool:
    """Whether a track is only a part of a larger and surer subject, such as the fin of a whale."""
    places = {sighting.key: sighting for sighting in other.sightings}
    shared = [(sighting, places[sighting.key]) for sighting in track.sightings if sighting.key in places]
    if not shared or track.score > SURER * other.score:
        return False
    far = np.mean([np.hypot(*(one.place - two.place)) for one, two in shared])
    return bool(far < WITHIN * np.mean([two.size for _, two in shared]))


def _cost(track: Track, sighting: Sighting) -> float:
    distance = float(np.hypot(*(track.expected(sighting.key) - sighting.place)))
    return distance + LOOKS * (1 - _likeness(track, sighting))


def _likeness(track: Track, sighting: Sighting) -> float:
    """How alike a subject and a sighting look, 0..1."""
    overlaps = [
        float(np.sqrt(track.mean(name) * getattr(sighting, name)).sum()) for name in ("kind", "color")
    ]
    return sum(overlaps) / 2


def _joined(tracks: list[Track]) -> list[Track]:
    """Tracks with those added to the strongest of their look that are seen at other keys only: a subject that
    was out of sight for a while."""
    whole: list[Track] = []
    for track in tracks:
        keys = {sighting.key for sighting in track.sightings}
        for other in whole:
            apart = keys.isdisjoint(sighting.key for sighting in other.sightings)
            if apart and _likeness(other, track.sightings[0]) > 0.7:
                other.sightings = sorted([*other.sightings, *track.sightings], key=lambda s: s.key)
                break
        else:
            whole.append(track)
    return whole


def subject_plan(track: Track, count: int, aspect: float) -> SubjectPlan:
    """The plan of a subject for `count` keys. `aspect`: width / height of the frame."""
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    curves = track.curves(count)
    kind, color = KINDS[int(track.mean("kind").argmax())], COLORS[int(track.mean("color").argmax())]
    cosine, sine, facing = track.mean("pose")
    tilts = {s.key: math.degrees(math.atan2(s.pose[1], s.pose[0])) for s in track.sightings}
    tilt = math.degrees(math.atan2(sine, cosine))
    return SubjectPlan(
        kind=kind,
        color=color,
        x=_keys((curves[:, 0] / wide + 0.5).clip(-2, 3)),
        y=_keys((curves[:, 1] / high + 0.5).clip(-2, 3)),
        size=_keys(curves[:, 2].clip(0.02, 3)),
        tilt=_keys(np.array([tilts.get(key, tilt) for key in range(count)])),
        facing=(1.0 if facing >= 0 else -1.0,) * count,
        beat=_keys(np.remainder(np.arange(count) * STEP * BEATS.get(kind, 0.6), 1.0)),
    )


def _keys(values: Values) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
