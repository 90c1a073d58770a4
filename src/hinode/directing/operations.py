"""From what a person asks of clips that are there to a request: what is kept, and what is drawn."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hinode.clip import Frames
from hinode.directing.material import Video
from hinode.directing.segments import LOOP_SECONDS
from hinode.errors import BadInput, join_names, quote
from hinode.request import KEYFRAME, STRENGTH, Reference, Request, Segment

BLENDED = 0.7
"""How far a transition goes from the two clips faded into each other, if nothing is said."""

STRENGTHS = {"subtle": 0.35, "mild": 0.55, "strong": 0.8}

Curve = tuple[tuple[float, float], ...]

CURVES: dict[str, Curve] = {
    "linear": ((0.0, 0.0), (1.0, 1.0)),
    "smooth": tuple((k / 8, (k / 8) ** 2 * (3 - k / 4)) for k in range(9)),
    "early": tuple((k / 8, 1 - (1 - k / 8) ** 2) for k in range(9)),
    "late": tuple((k / 8, (k / 8) ** 2) for k in range(9)),
}
"""How the influence passes from one clip to the other: (share of the time, share of the second clip)."""


def extended(base: Request, source: Video, more: float, *, backward: bool = False) -> Request:
    """A clip that goes on from its source, or leads to it.

    Args:
        base: says everything else.
        source: what is kept, whole.
        more: seconds to add.
        backward: whether they come before the source.

    Raises:
        BadInput: they are not more than 0.
    """
    _positive(more, "seconds", "can be added")
    kept, drawn = Segment(source.seconds, keep=source.digest), Segment(more)
    whole = _directed(base, "extend", (drawn, kept) if backward else (kept, drawn), source)
    # Forward an engine may have a road of its own.
    return whole if backward else dataclasses.replace(whole, segments=())


def looped(base: Request, source: Video | None, seconds: float | None) -> Request:
    """A clip whose end goes over into its beginning.

    Args:
        base: says everything else.
        source: footage that it opens with, or None to draw all of it.
        seconds: its length, or None for that of the source and what it takes to get back to its beginning.

    Raises:
        BadInput: it is not more than 0.
    """
    if source is None:
        return dataclasses.replace(base, operation="loop", looped=True)
    if seconds is not None:
        _positive(seconds, "seconds", "make a loop")
    whole = source.seconds + LOOP_SECONDS if seconds is None else seconds
    kept = min(source.seconds, whole - min(LOOP_SECONDS, whole / 2))
    segments = Segment(kept, keep=source.digest), Segment(whole - kept)
    return dataclasses.replace(_directed(base, "loop", segments, source), looped=True)


def blended(
    base: Request,
    one: Video,
    other: Video,
    seconds: float,
    *,
    leave: float | None = None,
    enter: float | None = None,
    curve: Curve = (),
    strength: float = BLENDED,
) -> Request:
    """Two clips connected by a transition that is drawn over both, faded into each other.

    Args:
        base: says everything else.
        one: the clip that comes first.
        other: the clip that comes after it.
        seconds: of the transition.
        leave: seconds into the first clip at which the transition begins; by default so that it ends with it.
        enter: seconds into the second one at which the transition is over; by default so that it begins with
            it.
        curve: how the influence passes over, both 0..1; empty for evenly.
        strength: how far the transition goes from the two faded into each other, 0..1.

    Raises:
        BadInput: one of these cannot be.
    """
    _positive(seconds, "seconds", "make a transition")
    leave = max(one.seconds - seconds, one.seconds / 2) if leave is None else leave
    enter = min(seconds, other.seconds / 2) if enter is None else enter
    _inside(leave, one, "from")
    _inside(enter, other, "to")
    check_curve(curve)
    middle = Segment(
        seconds,
        guide=one.digest,
        start=leave,
        strength=_share(strength),
        onto=other.digest,
        onto_start=enter - seconds,
        curve=curve,
    )
    segments = [middle]
    if leave > 0:
        segments.insert(0, Segment(leave, keep=one.digest))
    if enter < other.seconds:
        segments.append(Segment(other.seconds - enter, keep=other.digest, start=enter))
    return _directed(base, "blend", tuple(segments), one, other)


def redrawn(
    base: Request, operation: str, source: Video, strength: float | None, mask: Reference | None = None
) -> Request:
    """A clip drawn over its source: a "remix", or an "edit", which may be of a part of the picture."""
    masks = () if mask is None else (mask,)
    return dataclasses.replace(
        base,
        operation=operation,
        seconds=source.seconds,
        strength=None if strength is None else _share(strength),
        references=(source.reference, *masks, *base.references),
    )


def retaken(base: Request, source: Video, begin: float, end: float) -> Request:
    """A clip of which one span is drawn anew.

    Args:
        base: says everything else.
        source: what is kept otherwise.
        begin: seconds into the source.
        end: seconds into the source.

    Raises:
        BadInput: it is no span inside the source, or all of it.
    """
    _span(begin, end, source, "from")
    parts = [Segment(end - begin)]
    if begin > 0:
        parts.insert(0, Segment(begin, keep=source.digest))
    if end < source.seconds:
        parts.append(Segment(source.seconds - end, keep=source.digest, start=end))
    if len(parts) == 1:
        raise BadInput(
            "all of the video would be drawn anew", "name a part of it, or remix it instead", field="from"
        )
    return _directed(base, "retake", tuple(parts), source)


def recut(base: Request, source: Video, begin: float, end: float, before: float, after: float) -> Request:
    """The best span of a clip, with something else before and after it.

    Args:
        base: says everything else.
        source: has the span.
        begin: seconds into the source.
        end: seconds into the source.
        before: seconds to draw before the span.
        after: seconds to draw after it.

    Raises:
        BadInput: it is no span inside the source, or nothing is to be drawn.
    """
    _span(begin, end, source, "keep")
    parts = [Segment(end - begin, keep=source.digest, start=begin)]
    for name, seconds in (("before", before), ("after", after)):
        if not 0 <= seconds < math.inf:
            raise BadInput(f"{name}: {seconds:g} seconds cannot be drawn", "give 0 or more", field=name)
    if before:
        parts.insert(0, Segment(before))
    if after:
        parts.append(Segment(after))
    if len(parts) == 1:
        raise BadInput(
            "nothing is to be drawn before or after the span", "give seconds for one of them", field="before"
        )
    return _directed(base, "recut", tuple(parts), source)


def last_moment(seconds: float, fps: float) -> float:
    """When the last frame of a clip begins."""
    return max(0.0, (math.ceil(round(seconds * fps, 6)) - 1) / fps)


def check_keyframes(references: tuple[Reference, ...], fps: float) -> None:
    """See that each picture is shown in a frame of its own.

    Raises:
        BadInput: two of them fall into one frame.
    """
    moments = sorted(one.at for one in references if one.still)
    for before, after in pairwise(moments):
        if round(before * fps) == round(after * fps):
            raise BadInput(
                f"two keyframes are at {after:g} s"
                if before == after
                else f"the keyframes at {before:g} s and {after:g} s fall into one frame",
                f"set them {1 / fps:.3g} s apart or more",
                field=KEYFRAME,
            )


def strength(text: str | None) -> float | None:
    """A strength: a number, or one of the words for some.

    Raises:
        BadInput: it is neither.
    """
    if text is None:
        return None
    try:
        return _share(STRENGTHS[text] if text in STRENGTHS else float(text))
    except ValueError as error:
        raise BadInput(
            f"strength {quote(text)} is no number",
            f"give 0 to 1, or {join_names(tuple(STRENGTHS), 'or')}",
            field=STRENGTH,
        ) from error


def curve(text: str | None) -> Curve:
    """An influence curve: its name, or points such as "0,0; 0.5,0.8; 1,1".

    Raises:
        BadInput: it is neither, or goes beyond 0..1.
    """
    if text is None or text in CURVES:
        return () if text is None else CURVES[text]
    try:
        points = [[float(value) for value in part.split(",")] for part in text.split(";") if part.strip()]
        found = tuple((time, share) for time, share in points)
    except ValueError as error:
        raise BadInput(
            f"the curve {quote(text)} is not known",
            f'name {join_names(tuple(CURVES), "or")}, or write points such as "0,0; 0.5,0.8; 1,1"',
            field="curve",
        ) from error
    check_curve(found)
    return found


def check_curve(points: Curve) -> None:
    """See that a curve stays within 0..1 and never goes back in time.

    Raises:
        BadInput: it does not.
    """
    for point in points:
        if not all(0 <= value <= 1 for value in point):
            raise BadInput(
                f"the curve has the point {point[0]:g},{point[1]:g}",
                "give shares from 0 to 1, of the time and of the second clip",
                field="curve",
            )
    if any(after[0] <= before[0] for before, after in pairwise(points)):
        raise BadInput(
            "the points of the curve do not follow each other", "order them by time", field="curve"
        )


def span(text: str, field: str) -> tuple[float, float]:
    """A span of time, such as "1.5-3".

    Raises:
        BadInput: it is none.
    """
    try:
        begin, end = (float(part) for part in text.replace("–", "-").split("-"))
    except ValueError as error:
        raise BadInput(
            f"{field} {quote(text)} is no span of time", "write it like 1.5-3, in seconds", field=field
        ) from error
    return begin, end


def influence(curve: Curve, time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of the second clip at some shares of the time, 0..1; an empty curve is a straight line."""
    moments, shares = zip(*(curve or CURVES["linear"]), strict=True)
    values: npt.NDArray[np.float64] = np.interp(time, moments, shares)
    return values


def crossfade(first: Frames, second: Frames, share: float | npt.NDArray[np.float64]) -> Frames:
    """Two frames, or two clips of one shape, faded into each other.

    Args:
        first: uint8 [H, W, 3], or [T, H, W, 3].
        second: the same shape.
        share: of the second one, 0..1; of clips one for each frame.
    """
    weight = share if isinstance(share, float) else share[:, None, None, None]
    mixed: Frames = np.rint(first * (1 - weight) + second * weight).astype(np.uint8)
    return mixed


def _directed(base: Request, operation: str, segments: tuple[Segment, ...], *sources: Video) -> Request:
    files = {source.digest: source.reference for source in sources}  # one file may be both
    return dataclasses.replace(
        base,
        operation=operation,
        seconds=round(sum(segment.seconds for segment in segments), 6),
        segments=segments,
        references=(*files.values(), *base.references),
    )


def _positive(seconds: float, field: str, what: str) -> None:
    if not 0 < seconds < math.inf:
        raise BadInput(f"no {seconds:g} seconds {what}", "give more than 0", field=field)


def _inside(moment: float, video: Video, field: str) -> None:
    if not 0 <= moment <= video.seconds:
        raise BadInput(
            f"{field}: {moment:g} s is outside the video, which has {video.seconds:g} s",
            f"give 0 to {video.seconds:g}",
            field=field,
        )


def _span(begin: float, end: float, video: Video, field: str) -> None:
    _inside(begin, video, field)
    _inside(end, video, field if field != "from" else "to")
    if not begin < end:
        raise BadInput(
            f"{field}: the span from {begin:g} s to {end:g} s is empty",
            "let it end after it begins",
            field=field,
        )


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise BadInput(f"strength {value:g} is out of range", "give 0 to 1", field=STRENGTH)
    return value
