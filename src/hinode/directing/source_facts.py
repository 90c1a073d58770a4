"""What footage shows, read by the judge of the drawn world, so that what is drawn beside it agrees with it.

It is asked for the native engine only: the judge knows no other world.
"""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from itertools import islice

import numpy as np

from hinode.clip import Frames
from hinode.directing.material import Video
from hinode.engines.native import catalog
from hinode.engines.native.expansion import expand_prompt
from hinode.errors import BadInput
from hinode.media import references
from hinode.request import CHARACTER, Capabilities, Reference, Request

RATE = Fraction(8)
LOOK = 16
"""Frames that the judge looks at: two seconds."""
SURE = 0.9
"""How sure the judge has to be of what it says, 0..1."""
WHO = ("color", "subject")


def seen(frames: Frames, fps: float, sure: float = SURE) -> dict[str, str]:
    """What frames show, as far as the judge is sure: attributes of `judge.ATTRIBUTES` with their values.

    Args:
        frames: uint8 [T, H, W, 3].
        fps: frames per second.
        sure: how sure it has to be.
    """
    import torch

    from hinode.world.judge import judge

    verdict = judge(torch.from_numpy(np.array(frames)), fps)[0]
    return {name: value for name, value in verdict.values.items() if verdict.confidence[name] >= sure}


def looked_at(reference: Reference, *, end: bool) -> Frames:
    """Two seconds of a video at eight frames per second, the first ones or the last; a picture as one frame.

    Raises:
        BadInput: it cannot be read.
    """
    if reference.still:
        return np.asarray(references.picture(reference))[None]
    film = references.iter_frames(reference, RATE)
    return np.stack(deque(film, maxlen=LOOK) if end else list(islice(film, LOOK)))


def told(
    prompt: str | None,
    source: Video,
    capabilities: Capabilities,
    seed: int,
    *,
    end: bool = True,
    expand: bool = True,
) -> str:
    """What to show beside or over footage, in words: the prompt, and where the model draws the world that the
    judge knows, what the footage shows wherever the prompt leaves it open.

    Args:
        prompt: as the person wrote it; None for the one that the file says it was made from.
        source: the footage.
        able: the model.
        seed: of the clip.
        end: whether its end matters, not its beginning.
        expand: whether anything may be added.

    Raises:
        BadInput: there is no prompt, and nothing to take one from.
    """
    text = source.prompt if prompt is None else prompt
    if capabilities.engine == catalog.ENGINE and expand and (prompt is None or prompt.strip()):
        return expand_prompt(
            text, seed, defaults=seen(looked_at(source.reference, end=end), float(RATE))
        ).lstrip(", ")
    if prompt is None and not text.strip():
        raise BadInput(
            "the video does not say what it was made from, so there is no prompt",
            "say in words what to show",
            field="prompt",
        )
    return text


def cast(request: Request) -> Request:
    """A request whose prompts say what its characters look like where they name them.

    Raises:
        BadInput: the judge cannot tell what one of them is.
    """
    for one in request.references:
        if one.role == CHARACTER:
            named = re.compile(rf"(?:\b(the|an?)\s+)?@?(?<!\w){re.escape(one.name)}(?!\w)", re.IGNORECASE)
            who = partial(_named, described(one, one.name))
            parts = [
                dataclasses.replace(part, prompt=named.sub(who, part.prompt)) for part in request.segments
            ]
            prompt = named.sub(who, request.prompt)
            request = dataclasses.replace(request, prompt=prompt, segments=tuple(parts))
    return request


def _named(words: str, match: re.Match[str]) -> str:
    article = match[1] if match[1] and match[1].lower() == "the" else "an" if words[0] in "aeiou" else "a"
    return f"{article} {words}"


def described(reference: Reference, name: str) -> str:
    """A subject in words, such as "red balloon", by a picture or a video of it.

    Raises:
        BadInput: the judge cannot tell what it shows.
    """
    facts: Mapping[str, str] = seen(looked_at(reference, end=False), float(RATE))
    if not all(attribute in facts for attribute in WHO):
        raise BadInput(
            f"it cannot be told what the picture or video of {name} shows",
            "describe the character in words, such as: a red balloon",
            field=f"characters.{name}",
        )
    return " ".join(facts[attribute] for attribute in WHO)
