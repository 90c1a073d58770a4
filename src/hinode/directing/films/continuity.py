"""What each shot of a film shows, in words: the same subject in the same place, unless it says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from hinode.directing.films import storyboard
from hinode.directing.films.storyboard import Shot, Storyboard
from hinode.engines.native import catalog
from hinode.engines.native.expansion import expand_prompt
from hinode.request import Capabilities, Trajectory
from hinode.world.caption import Parsed, SubjectFacts, parse

NOTHING_SHOWN: Mapping[str, Mapping[str, str]] = MappingProxyType({})

SCENE = ("place", "time", "weather")


def complete_prompts(
    board: Storyboard,
    characters: Mapping[str, str],
    capabilities: Capabilities,
    shown: Mapping[str, Mapping[str, str]] = NOTHING_SHOWN,
    cameras: Sequence[Trajectory] = (),
) -> list[str]:
    """The prompt of each shot as it goes to the engine.

    A model that says what prompts leave open is made to say the same in every shot: the film's place, time
    and weather, the subject and its colour; in a shot that goes on from another, those of that one.

    Args:
        board: the film.
        characters: descriptions by name.
        able: the model.
        shown: what the videos show that shots go on from, by their names.
        cameras: how the camera of each shot moves, where that is told in numbers.

    Raises:
        BadInput: a prompt speaks of a character that is not there.
    """
    prompts = [_prompt(board, shot, characters) for shot in board.shots]
    if capabilities.engine != catalog.ENGINE or not board.expand:
        return [
            ", ".join(filter(None, [text, *(_own(shot, name) or _own(board, name) for name in SCENE)]))
            for text, shot in zip(prompts, board.shots, strict=True)
        ]
    said = [parse(text) for text in prompts]
    film: dict[str, str | None] = {}
    for name in SCENE:
        usual = getattr(parse(_own(board, name) or ""), name)
        film[name] = usual or next(filter(None, (getattr(one, name) for one in said)), None)
    film["subject"] = next((one.subjects[0].kind for one in said if one.subjects), None)
    colors = _colors(said)
    facts: dict[str, Mapping[str, str | None]] = dict(shown)
    found: dict[int, str] = {}
    for index in board.order():
        shot, source = board.shots[index], board.source(index)
        around = facts.get(source or "", film)
        text = ", ".join(filter(None, [prompts[index], *(_own(shot, name) for name in SCENE)]))
        subjects = said[index].subjects
        kind = (subjects[0].kind if subjects else None) or around.get("subject")
        color = around.get("color") if kind == around.get("subject") else None
        known = {name: around.get(name) for name in SCENE}
        known |= {"subject": kind, "color": color or colors.get(kind or "")}
        words = expand_prompt(
            text,
            board.seed,
            motion=shot.path is None,
            camera=cameras[index] if cameras else (),
            defaults={name: value for name, value in known.items() if value},
        )
        now = parse(words)
        colors = {**_colors([now]), **colors}
        who = now.subjects[0] if now.subjects else SubjectFacts()
        place = {name: getattr(now, name) for name in SCENE}
        facts[shot.id] = {**place, "subject": who.kind, "color": who.color}
        found[index] = words
    return [found[index] for index in range(len(board.shots))]


def _colors(said: list[Parsed]) -> dict[str, str]:
    """The first colour that any shot says of each kind of subject."""
    colors: dict[str, str] = {}
    for parsed in said:
        for subject in parsed.subjects:
            if subject.kind and subject.color:
                colors.setdefault(subject.kind, subject.color)
    return colors


def _prompt(board: Storyboard, shot: Shot, characters: Mapping[str, str]) -> str:
    prompt = storyboard.cast(shot.prompt, characters, f"shots.{shot.id}.prompt")
    return ", ".join(filter(None, [board.style, prompt]))


def _own(part: Storyboard | Shot, name: str) -> str | None:
    value: str | None = getattr(part, name)
    return value
