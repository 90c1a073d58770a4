"""What an engine can do once its clips are directed; known without torch, as what the engine itself can do
is."""

from __future__ import annotations

import dataclasses

from hinode.engines.native import catalog
from hinode.request import CHARACTER, FIRST_FRAME, FOOTAGE, GUIDE, SOURCE, Capabilities, Request

LONGEST_SECONDS = 120.0
"""The longest clip that is put together out of several."""

CONTEXT, MOST_CONTEXT = 9, 11
"""Frames that a window is given of its neighbour, where a model takes footage: one and twice four, so that
they are whole latent frames of every model; for the native one two more, so that it goes on amid a patch, of
which it then knows how it began. One that takes pictures only is given one."""

REPAINTED, JOINED = ("remix", "edit"), ("extend", "loop", "blend", "retake", "recut", "storyboard")
"""Operations that draw over footage, and those that draw what comes before, after or between it."""


def context(able: Capabilities) -> int:
    """Frames that a window is given of its neighbour."""
    if FOOTAGE not in able.references:
        return 1
    return MOST_CONTEXT if able.engine == catalog.ENGINE else CONTEXT


def widened(able: Capabilities) -> Capabilities:
    """What can be asked for of a model beyond what its engine can: longer clips and clips from clips, as far
    as it can go on from frames that it is given."""
    operations = list(able.operations)
    references = list(able.references)
    seconds = able.seconds
    needed = set(able.required_references)
    enough = able.seconds[1] * able.native_fps[0] > 2 * context(able)
    takes_footage = FOOTAGE in able.references and enough
    if takes_footage or (FIRST_FRAME in able.references and needed <= {FIRST_FRAME}):
        seconds = (seconds[0], max(seconds[1], LONGEST_SECONDS))
        # A shot that begins anew has no picture to begin with.
        gained = ("extend",) if needed else ("extend", "storyboard")
        operations += [name for name in gained if name not in operations]
    if takes_footage:
        operations += [name for name in JOINED if name not in operations]
    if GUIDE in able.references:
        operations += [name for name in REPAINTED if name not in operations]
    if able.expands and CHARACTER not in references:
        references.append(CHARACTER)  # told in words: see `reading.cast`
    if len(operations) > len(able.operations) and SOURCE not in references:
        references.append(SOURCE)
    return dataclasses.replace(
        able, operations=tuple(operations), references=tuple(references), seconds=seconds
    )


def without_characters(request: Request, able: Capabilities) -> Request:
    """A request as the engine gets it: a model that is told in words who appears gets no pictures of them."""
    if not able.expands or CHARACTER in able.references:
        return request
    others = tuple(one for one in request.references if one.role != CHARACTER)
    return dataclasses.replace(request, references=others)


def simple(request: Request, able: Capabilities) -> bool:
    """Whether the engine does it in one go."""
    return (
        request.operation in able.operations
        and not request.segments
        and not request.looped
        and not (
            request.operation in ("generate", "extend")
            and request.seconds > able.seconds[1]
            and not able.extension_seconds
            and {FIRST_FRAME, FOOTAGE} & set(able.references)
        )
        and all(reference.role in able.references for reference in request.references)
    )
