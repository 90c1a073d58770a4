"""What an engine can do once its clips are directed; known without torch."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache

from hinode.request import (
    CHARACTER,
    CONTEXT_VIDEO,
    FIRST_FRAME,
    GUIDE_VIDEO,
    PLAN,
    SOURCE,
    Capabilities,
    Request,
)

MAX_SECONDS = 120.0
"""The longest clip that is put together from several windows."""

CONTEXT, MAX_CONTEXT = 9, 17
"""Frames of its neighbour that a window is given, where a model takes videos: one and twice four, so that
they are whole latent frames of every model; a model that draws from plans was trained to go on from whole
thirds of a second."""

REPAINTING, JOINING = ("remix", "edit"), ("extend", "loop", "blend", "retake", "recut", "storyboard")
"""Operations that draw over a video, and those that draw what comes before, after or between videos."""


def window_frames(capabilities: Capabilities) -> int:
    """The most frames that a model draws at once."""
    return math.floor(round(capabilities.seconds[1] * capabilities.native_fps[0], 6))


def context_frames(capabilities: Capabilities) -> int:
    """Frames of its neighbour that a window is given: several as a video, 1 as a picture, or 0 if the model
    takes neither or draws too few frames at once for anything new beside a context on both sides."""
    frames = window_frames(capabilities)
    video = MAX_CONTEXT if PLAN in capabilities.controls else CONTEXT
    if CONTEXT_VIDEO in capabilities.references and frames > 2 * video:
        return video
    return 1 if FIRST_FRAME in capabilities.references and frames > 2 else 0


def takes_context_video(capabilities: Capabilities) -> bool:
    """Whether a window can be given frames before and after it, and not just the last frame before it."""
    return context_frames(capabilities) > 1


def extends(capabilities: Capabilities) -> bool:
    """Whether a clip can be continued in another window."""
    pictures_only = set(capabilities.required_references) <= {FIRST_FRAME}
    return takes_context_video(capabilities) or (context_frames(capabilities) == 1 and pictures_only)


@lru_cache(maxsize=32)
def extend_capabilities(capabilities: Capabilities) -> Capabilities:
    """What can be requested of a model beyond what its engine can do alone: longer clips, and clips from
    clips, as far as the model can continue from frames that it is given."""
    gained: list[str] = []
    seconds = capabilities.seconds
    if extends(capabilities):
        seconds = (seconds[0], max(seconds[1], MAX_SECONDS))
        # A shot that begins anew has no picture to begin with.
        gained += ["extend"] if capabilities.required_references else ["extend", "storyboard"]
    if takes_context_video(capabilities):
        gained += JOINING
    if GUIDE_VIDEO in capabilities.references:
        gained += REPAINTING
    operations = tuple(dict.fromkeys((*capabilities.operations, *gained)))
    references = list(capabilities.references)
    if reads_characters(capabilities) and CHARACTER not in references:
        references.append(CHARACTER)  # described in words: see `source_facts.cast`
    if len(operations) > len(capabilities.operations) and SOURCE not in references:
        references.append(SOURCE)
    return dataclasses.replace(
        capabilities, operations=operations, references=tuple(references), seconds=seconds
    )


def reads_characters(capabilities: Capabilities) -> bool:
    """Whether pictures of characters are put into words for a model."""
    return PLAN in capabilities.controls


def without_characters(request: Request, capabilities: Capabilities) -> Request:
    """A request as the engine gets it: a model that reads in words who appears gets no pictures of them."""
    if not reads_characters(capabilities) or CHARACTER in capabilities.references:
        return request
    others = tuple(reference for reference in request.references if reference.role != CHARACTER)
    return dataclasses.replace(request, references=others)


def is_direct(request: Request, capabilities: Capabilities) -> bool:
    """Whether the engine carries out a request alone, in one go."""
    too_long = (
        request.operation in ("generate", "extend")
        and request.seconds > capabilities.seconds[1]
        and not capabilities.extension_seconds
        and extends(capabilities)
    )
    return (
        request.operation in capabilities.operations
        and not request.segments
        and not request.looped
        and not too_long
        and all(reference.role in capabilities.references for reference in request.references)
    )
