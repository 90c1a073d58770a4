"""From what a person asks for to the segments that the clip is put together from."""

from __future__ import annotations

from hinode.errors import BadInput
from hinode.request import MASK, Capabilities, Request, Segment

REMIXED, EDITED = 0.75, 0.6
"""How far a remix and an edit go from their source if nothing is said."""

CHANGED = {"remix": 0.98, "edit": 0.85}
"""The same where only what the prompt says otherwise is changed."""

LOOP_SECONDS = 1.0
"""How long a loop takes to find back to its beginning, or half of the clip if that is less."""


def segments(
    request: Request, source_seconds: float | None, capabilities: Capabilities
) -> tuple[Segment, ...]:
    """What a clip consists of.

    Args:
        request: as it came, of one of the operations that are directed.
        source_seconds: length of its source, if it has one.
        able: the model.

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
        masked = any(reference.role == MASK for reference in request.references)
        usual = REMIXED if request.operation == "remix" else EDITED
        usual = 1.0 if masked else CHANGED[request.operation] if capabilities.expands else usual
        strength = usual if request.strength is None else request.strength
        return (Segment(request.seconds, guide=source.digest, strength=strength),)
    kept = min(source_seconds, request.seconds)
    more = request.seconds - kept
    if not more > 0:
        raise BadInput(
            f"the clip is to have {request.seconds:g} s and its source has {source_seconds:g} s already",
            "ask for more seconds than the source has",
            field="seconds",
        )
    return Segment(kept, keep=source.digest), Segment(more)


def _check(request: Request) -> None:
    known = {reference.digest for reference in request.references}
    for number, segment in enumerate(request.segments, start=1):
        if not segment.seconds > 0:
            raise BadInput(
                f"segment {number} has {segment.seconds:g} seconds", "give more than 0", field="segments"
            )
        if not {segment.keep, segment.guide, segment.onto} - {""} <= known:
            raise BadInput(
                f"segment {number} is made from footage that is not among the references",
                "send the footage too",
                field="segments",
            )
    total = sum(segment.seconds for segment in request.segments)
    if abs(total - request.seconds) > 0.01:
        raise BadInput(
            f"the segments have {total:g} seconds together and the clip {request.seconds:g}",
            "make them agree",
            field="segments",
        )
