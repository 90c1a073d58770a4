"""What an engine can do once its clips are directed; known without torch, as what the engine itself can do
is."""

from __future__ import annotations

import dataclasses

from hinode.engines.native import catalog
from hinode.request import CHARACTER, CONTEXT_VIDEO, FIRST_FRAME, GUIDE_VIDEO, SOURCE, Capabilities, Request

MAX_SECONDS = 120.0
"""The longest clip that is put together out of several."""

CONTEXT, MAX_CONTEXT = 9, 11
"""Frames that a window is given of its neighbour, where a model takes footage: one and twice four, so that
they are whole latent frames of every model; for the native one two more, so that it goes on amid a patch, of
which it then knows how it began. One that takes pictures only is given one."""

REPAINTED, JOINED = ("remix", "edit"), ("extend", "loop", "blend", "retake", "recut", "storyboard")
"""Operations that draw over footage, and those that draw what comes before, after or between it."""


def context(capabilities: Capabilities) -> int:
    """Frames that a window is given of its neighbour."""
    if CONTEXT_VIDEO not in capabilities.references:
        return 1
    return MAX_CONTEXT if capabilities.engine == catalog.ENGINE else CONTEXT


def extend_capabilities(capabilities: Capabilities) -> Capabilities:
    """What can be asked for of a model beyond what its engine can: longer clips and clips from clips, as far
    as it can go on from frames that it is given."""
    operations = list(capabilities.operations)
    references = list(capabilities.references)
    seconds = capabilities.seconds
    needed = set(capabilities.required_references)
    # A window holds new frames beside those of both neighbours.
    is_long_enough = capabilities.seconds[1] * capabilities.native_fps[0] > 2 * context(capabilities)
    takes_footage = CONTEXT_VIDEO in capabilities.references and is_long_enough
    takes_picture = FIRST_FRAME in capabilities.references and needed <= {FIRST_FRAME} and is_long_enough
    if takes_footage or takes_picture:
        seconds = (seconds[0], max(seconds[1], MAX_SECONDS))
        # A shot that begins anew has no picture to begin with.
        gained = ("extend",) if needed else ("extend", "storyboard")
        operations += [name for name in gained if name not in operations]
    if takes_footage:
        operations += [name for name in JOINED if name not in operations]
    if GUIDE_VIDEO in capabilities.references:
        operations += [name for name in REPAINTED if name not in operations]
    if capabilities.expands and CHARACTER not in references:
        references.append(CHARACTER)  # told in words: see `reading.cast`
    if len(operations) > len(capabilities.operations) and SOURCE not in references:
        references.append(SOURCE)
    return dataclasses.replace(
        capabilities, operations=tuple(operations), references=tuple(references), seconds=seconds
    )


def without_characters(request: Request, capabilities: Capabilities) -> Request:
    """A request as the engine gets it: a model that is told in words who appears gets no pictures of them."""
    if not capabilities.expands or CHARACTER in capabilities.references:
        return request
    others = tuple(one for one in request.references if one.role != CHARACTER)
    return dataclasses.replace(request, references=others)


def simple(request: Request, capabilities: Capabilities) -> bool:
    """Whether the engine does it in one go."""
    return (
        request.operation in capabilities.operations
        and not request.segments
        and not request.looped
        and not (
            request.operation in ("generate", "extend")
            and request.seconds > capabilities.seconds[1]
            and not capabilities.extension_seconds
            and {FIRST_FRAME, CONTEXT_VIDEO} & set(capabilities.references)
        )
        and all(reference.role in capabilities.references for reference in request.references)
    )
