"""What a person wants to make out of videos, as a request: which parts are kept, and which are drawn."""

from __future__ import annotations

import dataclasses
import math
import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hinode.clip import Frames
from hinode.directing.segments import LOOP_SECONDS
from hinode.errors import BadInput, join_names, quote
from hinode.request import (
    FIRST_FRAME,
    FPS,
    KEYFRAME,
    LAST_FRAME,
    STRENGTH,
    MediaFile,
    Reference,
    Request,
    Segment,
)

BLEND_STRENGTH = 0.7
"""How far a transition goes from the two clips faded into each other, by default."""

STRENGTHS = {"subtle": 0.35, "mild": 0.55, "strong": 0.8}

Curve = tuple[tuple[float, float], ...]

CURVES: dict[str, Curve] = {
    "linear": ((0.0, 0.0), (1.0, 1.0)),
    "smooth": tuple((k / 8, (k / 8) ** 2 * (3 - k / 4)) for k in range(9)),
    "early": tuple((k / 8, 1 - (1 - k / 8) ** 2) for k in range(9)),
    "late": tuple((k / 8, (k / 8) ** 2) for k in range(9)),
}
"""How the influence passes from one clip to the other: (share of the time, share of the second clip)."""


def extend(base: Request, source: MediaFile, more: float, *, backward: bool = False) -> Request:
    """A clip that continues its whole source by `more` seconds, above 0, or with `backward` leads to it."""
    _check_positive(more, "seconds", "can be added")
    segments = Segment(source.seconds, keep=source.digest), Segment(more)
    request = _directed(base, "extend", segments[::-1] if backward else segments, source)
    # Forward, an engine may have a way of its own.
    return request if backward else dataclasses.replace(request, segments=())


def loop(base: Request, source: MediaFile | None, seconds: float | None) -> Request:
    """A clip whose end passes over into its beginning.

    Args:
        base: everything else.
        source: a video that it opens with, or None to draw all of it.
        seconds: its length, above 0; None for the source and what it takes to return to its beginning.
    """
    if source is None:
        return dataclasses.replace(base, operation="loop", looped=True)
    if seconds is not None:
        _check_positive(seconds, "seconds", "make a loop")
    whole = source.seconds + LOOP_SECONDS if seconds is None else seconds
    opening = min(source.seconds, whole - min(LOOP_SECONDS, whole / 2))
    segments = Segment(opening, keep=source.digest), Segment(whole - opening)
    return dataclasses.replace(_directed(base, "loop", segments, source), looped=True)


def blend(
    base: Request,
    first: MediaFile,
    second: MediaFile,
    seconds: float,
    *,
    leave: float | None = None,
    enter: float | None = None,
    curve: Curve = (),
    strength: float = BLEND_STRENGTH,
) -> Request:
    """Two clips connected by a transition that is drawn over both, faded into each other.

    Args:
        seconds: of the transition.
        leave: seconds into the first clip at which the transition begins; by default it ends with that clip.
        enter: seconds into the second one at which it is over; by default it begins with that clip.
        curve: how the influence passes over, both 0..1; empty for evenly.
        strength: how far the transition goes from the two faded into each other, 0..1.

    Raises:
        BadInput: one of these is out of range.
    """
    _check_positive(seconds, "seconds", "make a transition")
    leave = max(first.seconds - seconds, first.seconds / 2) if leave is None else leave
    enter = min(seconds, second.seconds / 2) if enter is None else enter
    _check_moment(leave, first, "from")
    _check_moment(enter, second, "to")
    check_curve(curve)
    transition = Segment(
        seconds,
        guide=first.digest,
        start=leave,
        strength=_check_strength(strength),
        onto=second.digest,
        onto_start=enter - seconds,
        curve=curve,
    )
    before = Segment(leave, keep=first.digest)
    after = Segment(second.seconds - enter, keep=second.digest, start=enter)
    return _directed(base, "blend", (before, transition, after), first, second)


def redraw(
    base: Request, operation: str, source: MediaFile, strength: float | None, mask: Reference | None = None
) -> Request:
    """A clip drawn over its source: a "remix", or an "edit", which may be of a part of the picture. Its rate
    is that of the source, if `base` has none."""
    masks = () if mask is None else (mask,)
    fps = None if source.fps is None else min(max(float(source.fps), FPS[0]), FPS[1])
    return dataclasses.replace(
        base,
        operation=operation,
        seconds=source.seconds,
        fps=base.fps or fps,
        strength=None if strength is None else _check_strength(strength),
        references=(source.reference(), *masks, *base.references),
    )


def retake(base: Request, source: MediaFile, begin: float, end: float) -> Request:
    """A clip of which the span from `begin` to `end`, in seconds, is drawn anew; not all of it."""
    _check_span(begin, end, source, "from")
    before = Segment(begin, keep=source.digest)
    after = Segment(source.seconds - end, keep=source.digest, start=end)
    if before.seconds <= 0 and after.seconds <= 0:
        message = "all of the video would be drawn anew"
        raise BadInput(message, "name a part of it, or remix it instead", field="from")
    return _directed(base, "retake", (before, Segment(end - begin), after), source)


def recut(base: Request, source: MediaFile, begin: float, end: float, before: float, after: float) -> Request:
    """The span of a clip from `begin` to `end`, with `before` seconds drawn before it and `after` seconds
    after it, one of them above 0."""
    _check_span(begin, end, source, "keep")
    for name, seconds in (("before", before), ("after", after)):
        if not 0 <= seconds < math.inf:
            raise BadInput(f"{name}: {seconds:g} seconds cannot be drawn", "give 0 or more", field=name)
    if not before and not after:
        message = "nothing is to be drawn before or after the span"
        raise BadInput(message, "give seconds for one of them", field="before")
    span = Segment(end - begin, keep=source.digest, start=begin)
    return _directed(base, "recut", (Segment(before), span, Segment(after)), source)


def crop(base: Request, source: MediaFile) -> Request:
    """A whole clip at the size of `base`: what is too much of a frame is cut off evenly on both sides."""
    # Only a storyboard may have nothing that is drawn.
    return _directed(base, "storyboard", (Segment(source.seconds, keep=source.digest),), source)


def last_moment(seconds: float, fps: float) -> float:
    """When the last frame of a clip begins."""
    return max(0.0, (math.ceil(round(seconds * fps, 6)) - 1) / fps)


def check_keyframes(references: tuple[Reference, ...], fps: float, seconds: float) -> None:
    """Raise BadInput if two pictures fall into one frame of a clip of so many seconds, which is drawn at so
    many frames per second."""
    last = last_moment(seconds, fps)
    moments = sorted(
        last if reference.role == LAST_FRAME else min(reference.at, last)
        for reference in references
        if reference.still and reference.role in (FIRST_FRAME, KEYFRAME, LAST_FRAME)
    )
    for before, after in pairwise(moments):
        if round(before * fps) == round(after * fps):
            message = f"the keyframes at {before:g} s and {after:g} s fall into one frame"
            if before == after:
                message = f"two keyframes are at {after:g} s"
            raise BadInput(message, f"set them {1 / fps:.3g} s apart or more", field=KEYFRAME)


def parse_strength(text: str | None) -> float | None:
    """A strength: a number, or one of the words for some; else BadInput."""
    if text is None:
        return None
    try:
        return _check_strength(STRENGTHS[text] if text in STRENGTHS else float(text))
    except ValueError as error:
        remedy = f"give 0 to 1, or {join_names(tuple(STRENGTHS), 'or')}"
        raise BadInput(f"strength {quote(text)} is no number", remedy, field=STRENGTH) from error


def parse_curve(text: str | None) -> Curve:
    """An influence curve: its name, or points such as "0,0; 0.5,0.8; 1,1" within 0..1; else BadInput."""
    if text is None or text in CURVES:
        return () if text is None else CURVES[text]
    try:
        values = [[float(value) for value in part.split(",")] for part in text.split(";") if part.strip()]
        points = tuple((time, share) for time, share in values)
    except ValueError as error:
        remedy = f'name {join_names(tuple(CURVES), "or")}, or write points such as "0,0; 0.5,0.8; 1,1"'
        raise BadInput(f"there is no curve {quote(text)}", remedy, field="curve") from error
    check_curve(points)
    return points


def check_curve(points: Curve) -> None:
    """Raise BadInput if a curve leaves 0..1 or goes back in time."""
    for time, share in points:
        if not (0 <= time <= 1 and 0 <= share <= 1):
            remedy = "give shares from 0 to 1, of the time and of the second clip"
            raise BadInput(f"the curve has the point {time:g},{share:g}", remedy, field="curve")
    if any(after[0] <= before[0] for before, after in pairwise(points)):
        message = "the points of the curve do not follow each other"
        raise BadInput(message, "order them by time", field="curve")


def influence(curve: Curve, time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of the second clip at some shares of the time, 0..1; an empty curve is a straight line."""
    moments, shares = zip(*(curve or CURVES["linear"]), strict=True)
    values: npt.NDArray[np.float64] = np.interp(time, moments, shares)
    return values


def crossfade(first: Frames, second: Frames, share: float | npt.NDArray[np.float64]) -> Frames:
    """Two frames, or two clips of one shape, faded into each other; `share` is that of the second, of clips
    one for each frame."""
    weight = share if isinstance(share, float) else share[:, None, None, None]
    mixed: Frames = np.rint(first * (1 - weight) + second * weight).astype(np.uint8)
    return mixed


def parse_span(text: str, field: str, fps: Fraction | None) -> tuple[float, float]:
    """A span of time, such as "1.5-3" or "0:01-0:02.5"; see `parse_moment`."""
    parts = text.replace("–", "-").split("-")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        message = f"{field} {quote(text)} is no span of time"
        raise BadInput(message, "write it like 1.5-3, in seconds, or 0:01.5-0:03", field=field)
    return parse_moment(parts[0], field, fps), parse_moment(parts[1], field, fps)


def parse_moment(text: str, field: str, fps: Fraction | None) -> float:
    """A moment of a video, in seconds.

    Args:
        text: seconds, such as "1.5"; minutes and seconds, "0:01.5", with hours before them or not; a timecode
            with frames, "00:00:01:12", with ";" before them if it drops numbers; or frames alone, "36f".
        fps: of the video, which says how long a frame is; None if it is not known.

    Raises:
        BadInput: it is none of these, or counts frames of a video without a rate.
    """
    remedy = "write seconds, such as 1.5, or 0:01.5, 00:00:01:12 or 36f"
    clock = re.fullmatch(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text.strip())
    counted = re.fullmatch(r"(\d+):(\d+):(\d+)([:;])(\d+)|(\d+)f", text.strip())
    try:
        if clock:
            return 3600 * int(clock[1] or 0) + 60 * int(clock[2]) + float(clock[3])
        if not counted:
            return float(text)
    except ValueError as error:
        raise BadInput(f"{field} {quote(text)} is no moment", remedy, field=field) from error
    if fps is None:
        message = f"{field} {quote(text)} counts frames, and the video does not say its rate"
        raise BadInput(message, "write seconds", field=field)
    if counted[6]:
        return float(int(counted[6]) / fps)
    hours, minutes, seconds, frames = (int(counted[place]) for place in (1, 2, 3, 5))
    nominal, minutes = round(fps), minutes + 60 * hours
    if frames >= nominal:
        message = f"{field} {quote(text)} has the frame {frames} of a second of {nominal}"
        raise BadInput(message, f"give 0 to {nominal - 1}", field=field)
    count = (60 * minutes + seconds) * nominal + frames
    if counted[4] == ";":  # SMPTE ST 12-1: two numbers of 30 are left out each minute, but for every tenth
        count -= nominal // 15 * (minutes - minutes // 10)
    return float(count / fps)


def _directed(base: Request, operation: str, segments: tuple[Segment, ...], *sources: MediaFile) -> Request:
    segments = tuple(segment for segment in segments if segment.seconds > 0)
    files = {source.digest: source.reference() for source in sources}  # one file may be both
    return dataclasses.replace(
        base,
        operation=operation,
        seconds=round(sum(segment.seconds for segment in segments), 6),
        segments=segments,
        references=(*files.values(), *base.references),
    )


def _check_positive(seconds: float, field: str, what: str) -> None:
    if not 0 < seconds < math.inf:
        raise BadInput(f"no {seconds:g} seconds {what}", "give more than 0", field=field)


def _check_moment(moment: float, video: MediaFile, field: str) -> None:
    if not 0 <= moment <= video.seconds:
        message = f"{field}: {moment:g} s is outside the video, which has {video.seconds:g} s"
        raise BadInput(message, f"give 0 to {video.seconds:g}", field=field)


def _check_span(begin: float, end: float, video: MediaFile, field: str) -> None:
    _check_moment(begin, video, field)
    _check_moment(end, video, "to" if field == "from" else field)
    if not begin < end:
        message = f"{field}: the span from {begin:g} s to {end:g} s is empty"
        raise BadInput(message, "let it end after it begins", field=field)


def _check_strength(value: float) -> float:
    if not 0 <= value <= 1:
        raise BadInput(f"strength {value:g} is out of range", "give 0 to 1", field=STRENGTH)
    return value
