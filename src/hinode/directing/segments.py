"""The segments that a clip consists of, from what the request says."""

from __future__ import annotations

from collections.abc import Iterator

from hinode.errors import BadInput, Fault, raise_first
from hinode.request import MASK, PLAN, Capabilities, Request, Segment

REDRAW_STRENGTH = {"remix": 0.75, "edit": 0.6}
"""How far a remix and an edit go from their source by default."""

CHANGE_STRENGTH = {"remix": 0.98, "edit": 0.85}
"""The same for a model that follows the plan of the source, with what the prompt says otherwise."""

LOOP_SECONDS = 1.0
"""How long a loop takes to return to its beginning, or half of the clip if that is less."""


def split(request: Request, source_seconds: float | None, capabilities: Capabilities) -> tuple[Segment, ...]:
    """The segments of a directed clip; `capabilities` are those of the engine alone.

    Raises:
        BadInput: the request does not add up.
    """
    if request.segments:
        raise_first(_faults(request))
        return request.segments
    source = request.source
    if source is None or source_seconds is None:
        if request.looped:
            closing = min(LOOP_SECONDS, request.seconds / 2)
            return Segment(request.seconds - closing), Segment(closing)
        return (Segment(request.seconds),)
    if request.operation in ("remix", "edit"):
        strength = request.strength
        if strength is None and request.reference(MASK) is not None:
            strength = 1.0
        elif strength is None:
            changes = PLAN in capabilities.controls
            strength = (CHANGE_STRENGTH if changes else REDRAW_STRENGTH)[request.operation]
        return (Segment(request.seconds, guide=source.digest, strength=strength),)
    first = min(source_seconds, request.seconds)
    added = request.seconds - first
    if not added > 0:
        message = f"the clip is to have {request.seconds:g} s and its source has {source_seconds:g} s already"
        raise BadInput(message, "ask for more seconds than the source has", field="seconds")
    return Segment(first, keep=source.digest), Segment(added)


def _faults(request: Request) -> Iterator[Fault]:
    digests = {reference.digest for reference in request.references}
    for number, segment in enumerate(request.segments, start=1):
        if not segment.seconds > 0:
            yield "segments", f"segment {number} has {segment.seconds:g} seconds", "give more than 0"
        if not {segment.keep, segment.guide, segment.onto} - {""} <= digests:
            message = f"segment {number} is made from a video that is not among the references"
            yield "segments", message, "send the video too"
    total = sum(segment.seconds for segment in request.segments)
    if abs(total - request.seconds) > 0.01:
        message = f"the segments have {total:g} seconds together and the clip {request.seconds:g}"
        yield "segments", message, "make them agree"
