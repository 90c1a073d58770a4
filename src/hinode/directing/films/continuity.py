"""What each shot of a film shows, in words: the same subject in the same place, unless it says otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hinode.directing.films import storyboard
from hinode.directing.films.storyboard import Script, Shot, Storyboard
from hinode.request import PLAN, Capabilities
from hinode.world.prompts.prompt import ParsedPrompt, parse

SCENE = ("place", "time", "weather")


def complete_prompts(
    board: Storyboard, characters: Mapping[str, str], capabilities: Capabilities
) -> list[str]:
    """The prompt of each shot as it goes to the engine; "" for a shot that shows a video.

    For a model that plans the picture book, what they leave open is the same in every shot: place, time and
    weather of the film, or of the shot that one goes on from, and the colour of a subject that another shot
    names. A shot that goes on from another, or says what an unnamed subject does, has the subjects of that
    shot, or the first ones of the film.

    Args:
        characters: descriptions by name.
    """
    from hinode.world.book.words.language import BOOK
    from hinode.world.book.words.lexicon import ATTRIBUTES

    if not board.expand or PLAN not in capabilities.controls:
        return [scene_prompt(board, shot, characters) for shot in board.shots]
    whole = parse(_join(*(getattr(board, name) for name in SCENE)), BOOK)
    unknown = [getattr(board, name) for name in SCENE if getattr(whole, name) is None]
    prompts = [_prompt(board, shot, characters) for shot in board.shots]
    prompts = [
        prompt and _join(prompt, *(getattr(shot, name) for name in SCENE), *unknown)
        for shot, prompt in zip(board.shots, prompts, strict=True)
    ]
    parsed = [parse(prompt, BOOK) for prompt in prompts]
    colors = _colors(parsed)
    film = {name: next(filter(None, (getattr(part, name) for part in (whole, *parsed))), None)
            for name in SCENE}  # fmt: skip
    film_cast = next(filter(None, (_cast(shot, colors) for shot in parsed)), "")
    scenes: dict[str, Mapping[str, str | None]] = {}
    casts: dict[str, str] = {}
    for index in board.order():
        shot, words, source = board.shots[index], prompts[index], board.source(index) or ""
        around = scenes.get(source, film)
        scene = {name: getattr(parsed[index], name) or around.get(name) for name in SCENE}
        scenes[shot.id] = scene
        cast = _cast(parsed[index], colors)
        casts[shot.id] = cast or casts.get(source, film_cast)
        if not words:
            continue
        if not cast and (source or parsed[index].mentions):
            words = _join(casts[shot.id], words)
        for subject in parsed[index].subjects:
            color = colors.get(subject.kind or "")
            if subject.color is None and color:
                words = re.sub(rf"\b{subject.kind}", f"{color} {subject.kind}", words, count=1)
        lacking = {name: value for name, value in scene.items() if value and not getattr(parsed[index], name)}
        texts = (
            getattr(board, name) if value == getattr(whole, name) else ATTRIBUTES[name][value][0]
            for name, value in lacking.items()
        )
        prompts[index] = _join(words, *texts)
    return prompts


def scene_prompt(board: Script, shot: Shot, characters: Mapping[str, str]) -> str:
    """What a shot shows, in the words of the board alone; "" if it shows a video."""
    prompt = _prompt(board, shot, characters)
    scene = (getattr(shot, name) or getattr(board, name) for name in SCENE)
    return _join(prompt, *scene) if prompt else ""


def _colors(parsed: Sequence[ParsedPrompt]) -> dict[str, str]:
    """The first colour that any shot gives to each kind of subject."""
    colors: dict[str, str] = {}
    for shot in parsed:
        for subject in shot.subjects:
            if subject.kind and subject.color:
                colors.setdefault(subject.kind, subject.color)
    return colors


def _cast(shot: ParsedPrompt, colors: Mapping[str, str]) -> str:
    """The subjects that a prompt names, such as "red balloon and kite"."""
    named = (
        (subject.color or colors.get(subject.kind), subject.kind) for subject in shot.subjects if subject.kind
    )
    return " and ".join(" ".join(filter(None, names)) for names in named)


def _prompt(board: Script, shot: Shot, characters: Mapping[str, str]) -> str:
    if shot.video is not None:
        return ""
    return _join(board.style, storyboard.cast(shot.prompt, characters, f"shots.{shot.id}.prompt"))


def _join(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))
