"""The segments that a clip consists of, from what the request says."""

from __future__ import annotations

from hinode.errors import BadInput
from hinode.request import MASK, Capabilities, Request, Segment

REMIX_STRENGTH, EDIT_STRENGTH = 0.75, 0.6
"""How far a remix and an edit go from their source by default."""

CHANGE_STRENGTH = {"remix": 0.98, "edit": 0.85}
"""The same for a model that changes only what the prompt says otherwise than the source shows."""

LOOP_SECONDS = 1.0
"""How long a loop takes to return to its beginning, or half of the clip if that is less."""


def split(request: Request, source_seconds: float | None, capabilities: Capabilities) -> tuple[Segment, ...]:
    """The segments of a clip.

    Args:
        request: of one of the operations that are directed.
        source_seconds: length of its source, if it has one.
        capabilities: those of the engine alone.

    Raises:
        BadInput: the request does not add up.
    """
    if request.segments:
        _check(request)
        return request.segments
    source = request.source
    if source is None or source_seconds is None:
        if request.looped:
            closing = min(LOOP_SECONDS, request.seconds / 2)
            return Segment(request.seconds - closing), Segment(closing)
        return (Segment(request.seconds),)
    if request.operation in ("remix", "edit"):
        strength = request.strength
        if strength is None:
            strength = _default_strength(request, capabilities)
        return (Segment(request.seconds, guide=source.digest, strength=strength),)
    first = min(source_seconds, request.seconds)
    added = request.seconds - first
    if not added > 0:
        raise BadInput(
            f"the clip is to have {request.seconds:g} s and its source has {source_seconds:g} s already",
            "ask for more seconds than the source has",
            field="seconds",
        )
    return Segment(first, keep=source.digest), Segment(added)


def _default_strength(request: Request, capabilities: Capabilities) -> float:
    if any(reference.role == MASK for reference in request.references):
        return 1.0
    if capabilities.expands:
        return CHANGE_STRENGTH[request.operation]
    return REMIX_STRENGTH if request.operation == "remix" else EDIT_STRENGTH


def _check(request: Request) -> None:
    digests = {reference.digest for reference in request.references}
    for number, segment in enumerate(request.segments, start=1):
        if not segment.seconds > 0:
            raise BadInput(
                f"segment {number} has {segment.seconds:g} seconds", "give more than 0", field="segments"
            )
        if not {segment.keep, segment.guide, segment.onto} - {""} <= digests:
            raise BadInput(
                f"segment {number} is made from a video that is not among the references",
                "send the video too",
                field="segments",
            )
    total = sum(segment.seconds for segment in request.segments)
    if abs(total - request.seconds) > 0.01:
        raise BadInput(
            f"the segments have {total:g} seconds together and the clip {request.seconds:g}",
            "make them agree",
            field="segments",
        )
