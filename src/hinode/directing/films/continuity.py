"""What each shot of a film shows, in words: the same subject in the same place, unless it says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from hinode.directing.films import storyboard
from hinode.directing.films.storyboard import Script, Shot, Storyboard
from hinode.engines.native import catalog
from hinode.engines.native.expansion import expand_prompt
from hinode.request import Capabilities, Trajectory
from hinode.world.prompts.prompt import ParsedPrompt, SubjectFacts, parse

NO_FACTS: Mapping[str, Mapping[str, str]] = MappingProxyType({})

SCENE = ("place", "time", "weather")

Facts = Mapping[str, str | None]
"""What a shot shows: place, time, weather, subject and color."""


def complete_prompts(
    board: Storyboard,
    characters: Mapping[str, str],
    capabilities: Capabilities,
    video_facts: Mapping[str, Mapping[str, str]] = NO_FACTS,
    cameras: Sequence[Trajectory] = (),
) -> list[str]:
    """The prompt of each shot as it goes to the engine; "" for a shot that shows a video.

    For a model that completes prompts, what they leave open is the same in every shot: the film's place, time
    and weather, the subject and its colour; in a shot that goes on from another, those of that one.

    Args:
        characters: descriptions by name.
        video_facts: what the videos show that shots go on from, by their names.
        cameras: how the camera of each shot moves, where the model follows numbers.
    """
    if capabilities.engine != catalog.ENGINE or not board.expand:
        return [scene_prompt(board, shot, characters) for shot in board.shots]
    prompts = [_prompt(board, shot, characters) for shot in board.shots]
    parsed = [parse(prompt) for prompt in prompts]
    film = _film_facts(board, parsed)
    colors = _colors(parsed)
    facts: dict[str, Facts] = dict(video_facts)
    for index in board.order():
        shot, source = board.shots[index], board.source(index)
        around = facts.get(source or "", film)
        if not prompts[index]:
            facts[shot.id] = around
            continue
        subjects = parsed[index].subjects
        kind = (subjects[0].kind if subjects else None) or around.get("subject")
        color = around.get("color") if kind == around.get("subject") else None
        context = {name: around.get(name) for name in SCENE}
        context |= {"subject": kind, "color": color or colors.get(kind or "")}
        prompts[index] = expand_prompt(
            _join(prompts[index], *(getattr(shot, name) for name in SCENE)),
            board.seed,
            motion=shot.path is None,
            camera=cameras[index] if cameras else (),
            defaults={name: value for name, value in context.items() if value},
        )
        result = parse(prompts[index])
        colors = {**_colors([result]), **colors}
        subject = result.subjects[0] if result.subjects else SubjectFacts()
        scene = {name: getattr(result, name) for name in SCENE}
        facts[shot.id] = {**scene, "subject": subject.kind, "color": subject.color}
    return prompts


def scene_prompt(board: Script, shot: Shot, characters: Mapping[str, str]) -> str:
    """What a shot shows, in the words of the board alone; "" if it shows a video."""
    prompt = _prompt(board, shot, characters)
    scene = (getattr(shot, name) or getattr(board, name) for name in SCENE)
    return _join(prompt, *scene) if prompt else ""


def _film_facts(board: Storyboard, parsed: Sequence[ParsedPrompt]) -> Facts:
    """What holds for every shot that begins anew: what the board says, else the first prompt that says it."""
    film: dict[str, str | None] = {}
    for name in SCENE:
        own = getattr(parse(getattr(board, name)), name)
        film[name] = own or next(filter(None, (getattr(shot, name) for shot in parsed)), None)
    film["subject"] = next((shot.subjects[0].kind for shot in parsed if shot.subjects), None)
    return film


def _colors(parsed: Sequence[ParsedPrompt]) -> dict[str, str]:
    """The first colour that any shot gives to each kind of subject."""
    colors: dict[str, str] = {}
    for shot in parsed:
        for subject in shot.subjects:
            if subject.kind and subject.color:
                colors.setdefault(subject.kind, subject.color)
    return colors


def _prompt(board: Script, shot: Shot, characters: Mapping[str, str]) -> str:
    if shot.video is not None:
        return ""
    return _join(board.style, storyboard.cast(shot.prompt, characters, f"shots.{shot.id}.prompt"))


def _join(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))
