"""What a video shows, put into words where a prompt needs them: a prompt that is left out, a character."""

from __future__ import annotations

import dataclasses
import re
from functools import partial

from hinode.directing import scene_plans
from hinode.errors import BadInput
from hinode.request import CHARACTER, PLAN, Capabilities, MediaFile, Reference, Request

_ARTICLE = re.compile(r"(an?|the)\s+", re.IGNORECASE)


def choose_prompt(prompt: str | None, source: MediaFile, capabilities: Capabilities) -> str:
    """The prompt of what is drawn beside or over a video.

    Args:
        prompt: as the person wrote it; None for the one that the file says it was made from, or else what
            the video shows, for a model that draws from scene plans.

    Raises:
        BadInput: there is no prompt, and nothing to take one from.
    """
    text = source.prompt if prompt is None else prompt
    if prompt is not None or text.strip():
        return text
    if PLAN in capabilities.controls:
        plan = scene_plans.read_file(source.reference())
        if plan is not None:
            return scene_plans.describe(plan)
    message = "the video does not say what it was made from, so there is no prompt"
    raise BadInput(message, "say in words what to show", field="prompt")


def cast(request: Request) -> Request:
    """A request whose prompts describe its characters in words where they name them; see `describe`."""
    for character in request.references:
        if character.role == CHARACTER:
            words = describe(character, character.name)
            replace = partial(name_in_words, name=character.name, words=words)
            request = dataclasses.replace(
                request,
                prompt=replace(request.prompt),
                segments=tuple(dataclasses.replace(s, prompt=replace(s.prompt)) for s in request.segments),
            )
    return request


def name_in_words(prompt: str, name: str, words: str) -> str:
    """A prompt with words such as "red balloon" in place of a name, with "@" before it or not."""
    mention = re.compile(rf"(?:\b(the|an?)\s+)?@?(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    article = _ARTICLE.match(words)
    return mention.sub(partial(_with_article, words[article.end() :] if article else words), prompt)


def _with_article(words: str, match: re.Match[str]) -> str:
    article = match[1] if match[1] and match[1].lower() == "the" else "an" if words[:1] in "aeiou" else "a"
    return f"{article} {words}"


def describe(reference: Reference, name: str) -> str:
    """A subject in words, such as "red balloon", by a picture or a video of it.

    Raises:
        BadInput: it is not clear what it shows.
    """
    plan = scene_plans.read_file(reference)
    if plan is None or not plan.subjects:
        message = f"it is not clear what the picture or video of {name} shows"
        remedy = "describe the character in words, such as: a red balloon"
        raise BadInput(message, remedy, field=f"characters.{name}")
    subject = plan.subjects[0]
    return f"{subject.color} {subject.kind}"
