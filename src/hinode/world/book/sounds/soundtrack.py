"""The sound of a scene plan: its place, its weather, its subjects and its events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hinode.world.book.plan import STEP, ScenePlan, SubjectPlan
from hinode.world.book.sounds import sound
from hinode.world.book.sounds.sound import Ambience, Event, Voice

LOUD_SIZE = 0.5
"""Short sides of a subject that is heard at full loudness."""
FADE = 0.6
"""Frame widths beyond an edge over which a subject falls silent."""


def plan_sound(plan: ScenePlan, *, seed: int, rate: int = sound.RATE) -> NDArray[np.float32]:
    """The sound of a whole plan: float32 [2, samples] at `rate` samples a second, within -1..1."""
    times = tuple(STEP * key for key in range(len(plan.camera.x)))
    near = [_nearness(subject) for subject in plan.subjects]
    voices = [
        Voice(
            subject.kind.replace(" ", "_"),
            times,
            subject.x,
            nearness,
            _size(subject),
            _phase(number, subject),
        )
        for number, (subject, nearness) in enumerate(zip(plan.subjects, near, strict=True))
    ]
    events = []
    for event in plan.events:
        if event.subject is None:
            events.append(Event(event.kind, event.time, nearness=0.6))
            continue
        subject = plan.subjects[event.subject]
        x, nearness = (float(np.interp(event.time, times, keys)) for keys in (subject.x, near[event.subject]))
        events.append(Event(event.kind, event.time, x, nearness, _size(subject)))
    ambience = Ambience(plan.place, plan.weather, plan.time)
    return sound.synthesise(ambience, voices, events, seconds=plan.seconds, seed=seed, rate=rate)


def _size(subject: SubjectPlan) -> float:
    return min(1.0, max(subject.size))


def _phase(number: int, subject: SubjectPlan) -> float:
    """Two subjects of a kind call at different moments."""
    return (subject.beat[0] + 0.37 * number) % 1.0


def _nearness(subject: SubjectPlan) -> tuple[float, ...]:
    """How near a subject is at each key, 0..1: by its size, and less beyond the edges of the frame."""
    beside = [max(0.0, -x, x - 1.0, -y, y - 1.0) for x, y in zip(subject.x, subject.y, strict=True)]
    pairs = zip(subject.size, beside, strict=True)
    return tuple(min(1.0, size / LOUD_SIZE) * max(0.0, 1.0 - away / FADE) for size, away in pairs)
