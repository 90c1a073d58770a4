"""What a video shows, read by the judge of the drawn world, so that what is drawn beside it agrees with it.

Only the native engine needs it: the judge knows no other world.
"""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from fractions import Fraction
from functools import partial
from itertools import islice

import numpy as np

from hinode.engines.native import catalog
from hinode.engines.native.expansion import expand_prompt
from hinode.errors import BadInput
from hinode.media import references
from hinode.request import (
    CHARACTER,
    FIRST_FRAME,
    KEYFRAME,
    LAST_FRAME,
    MASK,
    SOURCE,
    Capabilities,
    MediaFile,
    Reference,
    Request,
)

RATE = Fraction(8)
FRAMES = 16
"""Frames that the judge looks at: two seconds."""
MIN_CONFIDENCE = 0.9
SUBJECT = ("color", "subject")
MOVES = ("motion", "camera")
"""What no picture shows."""
PICTURES = (FIRST_FRAME, KEYFRAME, LAST_FRAME)


def detect(reference: Reference, *, end: bool, min_confidence: float = MIN_CONFIDENCE) -> dict[str, str]:
    """What a picture shows, or the first two seconds of a video, or with `end` its last: attributes of
    `judge.ATTRIBUTES` with those values of which the judge is as sure as `min_confidence`, 0..1."""
    import torch

    from hinode.world.judge import judge

    frames = references.iter_frames(reference, RATE)
    two_seconds = np.stack(deque(frames, FRAMES) if end else list(islice(frames, FRAMES)))
    verdict = judge(torch.from_numpy(two_seconds), float(RATE))[0]
    return {
        name: value
        for name, value in verdict.values.items()
        if verdict.confidence[name] >= min_confidence and not (reference.still and name in MOVES)
    }


def complete_prompt(
    prompt: str | None,
    source: MediaFile,
    capabilities: Capabilities,
    seed: int,
    *,
    end: bool = True,
    expand: bool = True,
) -> str:
    """A prompt for what is drawn beside or over a video. For a model of the world that the judge knows, what
    the prompt leaves open is filled in with what the video shows.

    Args:
        prompt: as the person wrote it; None for the one that the file says it was made from.
        end: whether the end of the video matters, not its beginning.
        expand: whether anything may be added.

    Raises:
        BadInput: there is no prompt, and nothing to take one from.
    """
    text = source.prompt if prompt is None else prompt
    if capabilities.engine == catalog.ENGINE and expand and (prompt is None or prompt.strip()):
        return expand_prompt(text, seed, defaults=detect(source.reference(), end=end)).lstrip(", ")
    if prompt is None and not text.strip():
        message = "the video does not say what it was made from, so there is no prompt"
        raise BadInput(message, "say in words what to show", field="prompt")
    return text


def complete(request: Request, capabilities: Capabilities) -> Request:
    """A request whose prompt is completed with what its video or its first picture shows, where a model of
    the world that the judge knows draws beside it; `capabilities` are those of the engine alone. One whose
    prompt is completed already stays as it is."""
    if capabilities.engine != catalog.ENGINE or not request.expand or request.expanded_prompt:
        return request
    redrawn = request.operation in ("remix", "edit") and not request.segments
    if redrawn and request.reference(MASK) is None:
        return request  # the run itself looks at what it changes
    videos = [reference for reference in request.references if reference.role == SOURCE]
    pictures = [reference for role in PICTURES for reference in request.references if reference.role == role]
    if not videos and not pictures:
        return request
    # The last video: what is drawn leads to it, unless it is the only one and begins the clip.
    leads = redrawn or len(videos) > 1 or bool(request.segments and not request.segments[0].keep)
    defaults = detect([*videos, *pictures][len(videos) - 1 if videos else 0], end=not leads)
    expanded = expand_prompt(
        request.prompt, request.seed, motion=not request.path, camera=request.camera, defaults=defaults
    )
    return request if expanded == request.prompt else dataclasses.replace(request, expanded_prompt=expanded)


def cast(request: Request) -> Request:
    """A request whose prompts describe its characters in words where they name them; see `describe`."""
    for character in request.references:
        if character.role == CHARACTER:
            name = re.escape(character.name)
            mention = re.compile(rf"(?:\b(the|an?)\s+)?@?(?<!\w){name}(?!\w)", re.IGNORECASE)
            words = partial(_with_article, describe(character, character.name))
            replace = partial(mention.sub, words)
            request = dataclasses.replace(
                request,
                prompt=replace(request.prompt),
                expanded_prompt=replace(request.expanded_prompt),
                segments=tuple(dataclasses.replace(s, prompt=replace(s.prompt)) for s in request.segments),
            )
    return request


def _with_article(words: str, match: re.Match[str]) -> str:
    article = match[1] if match[1] and match[1].lower() == "the" else "an" if words[0] in "aeiou" else "a"
    return f"{article} {words}"


def describe(reference: Reference, name: str) -> str:
    """A subject in words, such as "red balloon", by a picture or a video of it.

    Raises:
        BadInput: the judge cannot tell what it shows.
    """
    facts = detect(reference, end=False)
    if not all(attribute in facts for attribute in SUBJECT):
        message = f"it is not clear what the picture or video of {name} shows"
        remedy = "describe the character in words, such as: a red balloon"
        raise BadInput(message, remedy, field=f"characters.{name}")
    return " ".join(facts[attribute] for attribute in SUBJECT)
