"""Screening of what is seen and heard: of references before they are used, and of a finished clip before it
is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.background import start_call
from hinode.clip import Clip, Frames, Sound
from hinode.errors import BadInput
from hinode.media.reading import references
from hinode.media.resize import fit_frame
from hinode.media.sound import UnusableSound
from hinode.request import Reference
from hinode.trust.screening import speech
from hinode.trust.screening.equipment import Equipment
from hinode.trust.screening.guards import Item, ask, failure
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.requests import is_gravest, titles
from hinode.trust.screening.screener import screen
from hinode.trust.screening.speech import Transcriber
from hinode.trust.screening.verdict import Action, ModerationBlocked, Stage, Text, Verdict

FRAMES_PER_SECOND = 1.0
MIN_FRAMES = 3
MAX_REFERENCE_FRAMES, MAX_REFERENCE_SIDE = 60, 1280
"""Of a reference, in memory at once: as many frames at most, and their longer side in pixels."""


@dataclass(frozen=True)
class Sample:
    """What guards see and hear of a reference or a clip.

    Attributes:
        frames: uint8 [T, H, W, 3] in sRGB, some of it; None if there is nothing to look at.
        sound: all of it, or None.
    """

    frames: Frames | None
    sound: Sound | None = None


class ClipBlocked(ModerationBlocked):
    """A guard blocks a finished clip.

    Attributes:
        is_grave: whether it is of the gravest category, of which nothing is stored and which nobody can
            approve; then there are no frames and no transcript.
        frames: uint8 [T, H, W, 3] in sRGB, what the guards saw, none where that is elsewhere.
        transcript: what was heard in it.
    """

    def __init__(self, policy: Policy, verdict: Verdict, sample: Sample, transcript: str = "") -> None:
        super().__init__(verdict, titles(policy, verdict), output=True)
        self.is_grave = is_gravest(policy, verdict)
        self.frames = None if self.is_grave else sample.frames
        self.transcript = "" if self.is_grave else transcript


def sample_frames(frames: Frames, fps: float) -> Frames:
    """At least one frame of each second, and three of a short clip, the first and the last among them."""
    count = max(MIN_FRAMES, int(np.ceil(len(frames) / fps * FRAMES_PER_SECOND)) + 1)
    chosen: Frames = frames[
        np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    ]
    return chosen


def read(reference: Reference, equipment: Equipment) -> Sample:
    """As much of a reference, whose path is set, as some equipment needs: a frame of each second, or of a
    longer video `MAX_REFERENCE_FRAMES`, and its sound.

    Raises:
        BadInput: it cannot be read.
    """
    seconds = Fraction(0) if reference.still else references.seconds(reference)
    frames = _frames(reference, seconds) if equipment.at(Stage.REFERENCE) else None
    sound = None
    if equipment.speech and seconds:
        try:
            sound = references.sound(reference, float(seconds))
        except UnusableSound as error:  # which cannot be screened
            message = "the sound of the video cannot be decoded"
            raise BadInput(message, "give the video without its sound", field=reference.role) from error
    return Sample(frames, sound)


def frames_of(reference: Reference) -> Frames:
    """The frames of a reference, whose path is set, that guards see, uint8 [T, H, W, 3].

    Raises:
        BadInput: it cannot be read.
    """
    return _frames(reference, Fraction(0) if reference.still else references.seconds(reference))


def frames_of_file(path: Path) -> Frames:
    """The frames of a picture or a video that guards would see as a reference, uint8 [T, H, W, 3].

    Raises:
        BadInput: it is neither.
    """
    try:
        with Image.open(path):
            pass
    except (OSError, ValueError, Image.DecompressionBombError):
        reference = Reference("file", "", "video/mp4", path=str(path))
        return frames_of(reference)
    return frames_of(Reference("file", "", "image/png", path=str(path)))


def _frames(reference: Reference, seconds: Fraction) -> Frames:
    """Frames of a picture, or of a video of so many seconds."""
    rate = Fraction(FRAMES_PER_SECOND)
    if seconds:
        rate = min(MAX_REFERENCE_FRAMES, max(MIN_FRAMES, math.ceil(seconds * rate))) / seconds
    few = islice(references.iter_frames(reference, rate), MAX_REFERENCE_FRAMES)
    first = next(few)
    height, width = first.shape[:2]
    scale = min(1.0, MAX_REFERENCE_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.stack([fit_frame(frame, size) for frame in chain([first], few)])


def look(
    policy: Policy, equipment: Equipment, sample: Sample, stage: Stage, field: str = "prompt"
) -> tuple[Verdict, str]:
    """What the guards say about frames, and the rules and guards about the words that are heard; and those
    words.

    Args:
        stage: the gate of the frames; that of the words is `Stage.TRANSCRIPT`.
        field: part of the request that the sample is.
    """
    verdict = ask(equipment.guards, Item(stage, frames=sample.frames, field=field), policy)
    sound, transcriber = sample.sound, equipment.speech
    if transcriber is None or sound is None or not speech.is_audible(sound):
        return verdict, ""
    speech_verdict, words = _listen(policy, equipment, transcriber, sound, field)
    return verdict.joined([speech_verdict]), words


def _listen(
    policy: Policy, equipment: Equipment, transcriber: Transcriber, sound: Sound, field: str
) -> tuple[Verdict, str]:
    call = start_call(partial(transcriber.transcribe, sound), transcriber.name)
    try:
        words = call.result(transcriber.seconds)
    except Exception:  # whatever it raises, the gate is closed
        return failure(policy, transcriber.name, Stage.TRANSCRIPT, field), ""
    if not words.strip():
        return Verdict((), policy.version), ""
    verdict = screen(policy, [Text(words, Stage.TRANSCRIPT, field)])
    if verdict.action is Action.ALLOW:
        verdict = ask(equipment.guards, Item(Stage.TRANSCRIPT, words, field=field), policy)
    return verdict, words


def check(policy: Policy, equipment: Equipment, clip: Clip) -> None:
    """Screen a finished clip with what there is for it.

    Raises:
        ClipBlocked: something is against it, or a guard fails.
    """
    if not equipment.at(Stage.FRAMES) and (equipment.speech is None or clip.sound is None):
        return
    sample = Sample(sample_frames(clip.frames, clip.fps), clip.sound)
    verdict, words = look(policy, equipment, sample, Stage.FRAMES)
    if verdict.action is not Action.ALLOW:
        raise ClipBlocked(policy, verdict, sample, words)
