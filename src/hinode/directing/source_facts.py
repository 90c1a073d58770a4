"""What a video shows, read by the judge of the drawn world, so that what is drawn beside it agrees with it.

Only the native engine needs it: the judge knows no other world.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from itertools import islice

import numpy as np

from hinode.engines.native import catalog
from hinode.engines.native.expansion import expand_prompt
from hinode.errors import BadInput
from hinode.media import references
from hinode.request import CHARACTER, FIRST_FRAME, KEYFRAME, Capabilities, MediaFile, Reference, Request

RATE = Fraction(8)
FRAMES = 16
"""Frames that the judge looks at: two seconds."""
MIN_CONFIDENCE = 0.9
SUBJECT = ("color", "subject")
LASTING = (*SUBJECT, "place", "time", "weather")
"""Attributes that a picture shows too, and that stay as they are from shot to shot."""

Facts = dict[str, str]
"""Attributes of `judge.ATTRIBUTES` with their values."""


def detect(
    reference: Reference,
    *,
    end: bool,
    span: tuple[float, float] = (0.0, math.inf),
    min_confidence: float = MIN_CONFIDENCE,
) -> Facts:
    """What a picture shows, or the first two seconds of a video, or with `end` its last.

    Args:
        span: the part of the video that counts, in seconds.
        min_confidence: how sure the judge has to be of a value, 0..1; others are left out.
    """
    import torch

    from hinode.world.judge import judge

    begin, stop = int(span[0] * RATE), None
    if span[1] < math.inf:
        stop = max(begin + 1, int(span[1] * RATE))
    frames = islice(references.iter_frames(reference, RATE), begin, stop)
    two_seconds = np.stack(deque(frames, FRAMES) if end else list(islice(frames, FRAMES)))
    verdict = judge(torch.from_numpy(two_seconds), float(RATE))[0]
    names = LASTING if reference.still else tuple(verdict.values)
    return {name: verdict.values[name] for name in names if verdict.confidence[name] >= min_confidence}


def choose_prompt(
    prompt: str | None, source: MediaFile, capabilities: Capabilities, *, end: bool, expand: bool
) -> str:
    """The prompt of what is drawn beside or over a video.

    Args:
        prompt: as the person wrote it; None for the one that the file says it was made from, or else what
            the video shows, for a model of the world that the judge knows.
        end: whether the end of the video matters, not its beginning.
        expand: whether anything may be added.

    Raises:
        BadInput: there is no prompt, and nothing to take one from.
    """
    text = source.prompt if prompt is None else prompt
    if prompt is not None or text.strip():
        return text
    if capabilities.engine == catalog.ENGINE and expand:
        return expand_prompt("", 0, defaults=detect(source.reference(), end=end))
    message = "the video does not say what it was made from, so there is no prompt"
    raise BadInput(message, "say in words what to show", field="prompt")


def completes(request: Request, capabilities: Capabilities) -> bool:
    """Whether what a prompt leaves open is filled in with what its videos and pictures show."""
    return capabilities.engine == catalog.ENGINE and request.expand and not request.expanded_prompt


def complete(request: Request, capabilities: Capabilities) -> Request:
    """A request for a clip that is drawn in one go, its prompt completed with what its first picture
    shows."""
    picture = first_picture(request.references)
    if picture is None or not completes(request, capabilities):
        return request
    expanded = expand_prompt(
        request.prompt,
        request.seed,
        motion=not request.path,
        camera=request.camera,
        defaults=detect(picture, end=False),
    )
    return dataclasses.replace(request, expanded_prompt=expanded)


def first_picture(references: Iterable[Reference]) -> Reference | None:
    """The first of the pictures that a clip shows, if there is one."""
    pictures = (reference for reference in references if reference.role in (FIRST_FRAME, KEYFRAME))
    return min(pictures, key=lambda picture: picture.at, default=None)


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
