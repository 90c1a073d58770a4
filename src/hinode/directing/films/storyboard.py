"""Storyboards: a film as a file of shots, read and checked as a whole before anything is drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import pydantic
import yaml
from pydantic import BeforeValidator, ConfigDict, Field

from hinode.errors import BadInput, join_names, quote
from hinode.parsing import Input, parse
from hinode.request import MAX_SEED

MAX_FILE_BYTES = 2**20
MAX_SHOTS = 200
SHORTEST_OVERLAP = 0.05
DEFAULT_OVERLAPS = {"fade": 0.5, "blend": 1.0}
VIDEO = ".mp4"
"""What the name of a video ends in, by which it is told from the id of a shot."""

NAMED = re.compile(r"(?:\b(an?|the)\s+)?@(\w+)", re.IGNORECASE)
_ARTICLE = re.compile(r"(an?|the)\s+", re.IGNORECASE)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Moments: TypeAlias = str | list[tuple[float, float, float]] | list[dict[str, float]]


class Part(Input):
    """Base of all parts of a storyboard."""

    model_config = ConfigDict(populate_by_name=True)


class CharacterImage(Part):
    """A character by a picture or a video of it."""

    image: str | None = Field(None, description="JPEG, PNG or WebP of the character.")
    video: str | None = Field(None, description="MP4 of the character; its first two seconds are looked at.")

    @pydantic.model_validator(mode="after")
    def _one(self) -> CharacterImage:
        if (self.image is None) == (self.video is None):
            raise ValueError("give an image or a video, one of them")
        return self

    @property
    def file(self) -> str:
        """Whichever is given."""
        return self.image or self.video or ""


class Transition(Part):
    """How a shot follows the one before it."""

    kind: Literal["cut", "continue", "fade", "blend"] = Field(
        description="cut: at once. continue: it goes on from the last frames of the one before. fade: both "
        "fade into each other. blend: a transition is drawn over both."
    )
    seconds: float | None = Field(
        None, ge=SHORTEST_OVERLAP, le=30, description="How long both are there; by default 0.5, for blend 1."
    )

    @property
    def overlap(self) -> float:
        """Seconds for which both shots are there; 0 if they only meet."""
        usual = DEFAULT_OVERLAPS.get(self.kind, 0.0)
        return 0.0 if usual == 0 else self.seconds or usual


def _transition(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class ShotReference(Part):
    """A picture or a video that a shot is made from."""

    file: str = Field(description="JPEG, PNG, WebP or MP4; a path beside the storyboard.")
    role: Literal["first_frame", "keyframe", "guide"] = Field(
        "keyframe",
        alias="as",
        description="first_frame and keyframe: a picture that is shown. guide: a video that is drawn over.",
    )
    at: float = Field(0.0, ge=0, description="Seconds into the shot at which a keyframe is shown.")
    fit: Literal["crop", "pad", "stretch"] | None = Field(
        None, description="How a picture of another size is brought to the film's."
    )
    strength: float = Field(0.6, ge=0, le=1, description="How far the shot may go from its guide.")


class Shot(Part):
    """One shot."""

    id: Name = Field(description="What others, and --only, call it.")
    prompt: str = Field(min_length=1, description="What it shows, in words; @name stands for a character.")
    seconds: float = Field(gt=0, le=120, description="How long it is, overlaps included.")
    transition: Annotated[Transition, BeforeValidator(_transition)] = Field(
        Transition(kind="cut", seconds=None),
        description="How it follows the one before it; a kind, or kind and seconds.",
    )
    goes_on: str | None = Field(
        None,
        alias="from",
        description="Id of the shot, or name of the MP4, from whose end it goes on; with the transition "
        "continue, by default the shot before it.",
    )
    place: str | None = Field(None, description="Where, instead of the film's place.")
    time: str | None = Field(None, description="At what time of day, instead of the film's.")
    weather: str | None = Field(None, description="In which weather, instead of the film's.")
    camera: Moments | None = Field(
        None, description='Moves such as "pan left", or moments with seconds, pan and zoom.'
    )
    path: Moments | None = Field(None, description="Where the subject goes: moments with seconds, x and y.")
    keyframes: tuple[ShotReference, ...] = Field((), max_length=16, description="Pictures that it shows.")
    references: tuple[ShotReference, ...] = Field((), max_length=16, description="What else it is made from.")
    seed: Seed | None = Field(None, description="Instead of the film's.")

    @property
    def given(self) -> tuple[ShotReference, ...]:
        """Keyframes and references."""
        return (*self.keyframes, *self.references)


class Storyboard(Part):
    """A film as a file."""

    title: str = Field("", max_length=200, description="What the film is called.")
    size: str = Field("640x360", description="Width x height in pixels.")
    fps: float | None = Field(None, ge=1, le=60, description="By default the rate that the model draws at.")
    seed: Seed = Field(0, description="Equal storyboards of one seed give equal films.")
    engine: str = Field("native", description="Who draws.")
    model: str | None = Field(None, description="Which of the engine's models; by default its best.")
    steps: int | None = Field(None, description="Sampling steps; by default the model's own number.")
    profile: str | None = Field(
        None,
        description="draft, standard or best, for models that have profiles; by default the model's own.",
    )
    style: str = Field("", description="Words put before the prompt of every shot.")
    place: str = Field("", description="Where every shot is, unless it says otherwise.")
    time: str = Field("", description="At what time of day.")
    weather: str = Field("", description="In which weather.")
    expand: bool = Field(True, description="Whether the model may say what the prompts leave open.")
    characters: dict[Annotated[str, Field(pattern=r"^\w{1,40}$")], str | CharacterImage] = Field(
        {}, description="Names with a description in words, or with an image or a video."
    )
    shots: tuple[Shot, ...] = Field(
        min_length=1, max_length=MAX_SHOTS, description="In the order of the film."
    )

    def source(self, index: int) -> str | None:
        """What a shot goes on from: the id of a shot or the name of a video, or None."""
        shot = self.shots[index]
        if shot.goes_on is None and shot.transition.kind == "continue" and index > 0:
            return self.shots[index - 1].id
        return shot.goes_on

    def order(self) -> list[int]:
        """Indices of the shots in the order in which they can be drawn: each after the one it goes on from.

        Raises:
            BadInput: some go on from each other in a circle.
        """
        places = {shot.id: index for index, shot in enumerate(self.shots)}
        done: dict[int, None] = {}
        for index in range(len(self.shots)):
            chain: list[int] = []
            at: int | None = index
            while at is not None and at not in done:
                if at in chain:
                    circle = [self.shots[one].id for one in [*chain[chain.index(at) :], at]]
                    raise BadInput(
                        f"the shots {join_names(tuple(circle[:-1]))} go on from each other in a circle",
                        "let one of them begin with a cut",
                        field=f"shots.{circle[0]}.from",
                    )
                chain.append(at)
                at = places.get(self.source(at) or "")
            done.update(dict.fromkeys(reversed(chain)))
        return list(done)


def read(path: Path) -> Storyboard:
    """Read a storyboard from a YAML or JSON file.

    Raises:
        BadInput: it cannot be read, or something in it is not right; the sentence and `field` say which part.
    """
    name = f"the storyboard {quote(str(path), 200)}"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"{name} cannot be read: {error.strerror}", "name a YAML or JSON file", field="file"
        ) from error
    if len(text) > MAX_FILE_BYTES:
        raise BadInput(f"{name} is larger than {MAX_FILE_BYTES:,} bytes", "shorten it", field="file")
    try:
        value = json.loads(text) if path.suffix.lower() == ".json" else yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(
            f"{name} is not YAML{where}: {error.problem}", "correct it there", field="file"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{name} is neither YAML nor JSON", "see docs/reference/storyboard.md", field="file"
        ) from error
    return parsed(value)


def parsed(value: object) -> Storyboard:
    """A storyboard out of plain values.

    Raises:
        BadInput: see `read`.
    """
    board = parse(Storyboard, value, what="the storyboard", field="shots")
    _check(board)
    return board


def cast(text: str, characters: Mapping[str, str], where: str) -> str:
    """A prompt with the descriptions of characters where it has their names.

    Args:
        text: the prompt.
        characters: descriptions by name.
        where: the field that it comes from.

    Raises:
        BadInput: it names one that is not known.
    """

    def described(match: re.Match[str]) -> str:
        article, name = match[1], match[2]
        if name not in characters:
            raise BadInput(
                f"{where} speaks of @{name}, and there is no such character",
                "add it to the characters",
                field=where,
            )
        words = characters[name].strip()
        return f"{article} {_ARTICLE.sub('', words, count=1)}" if article else words

    return NAMED.sub(described, text)


def _check(board: Storyboard) -> None:
    """What no field can be wrong about by itself."""
    ids = [shot.id for shot in board.shots]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"two shots have the id {quote(twice)}", "give each its own", field="shots")
    for index, shot in enumerate(board.shots):
        where, kind = f"shots.{shot.id}", shot.transition.kind
        if index == 0 and (shot.transition.overlap or (kind == "continue" and shot.goes_on is None)):
            raise BadInput(
                f"{where}.transition: nothing comes before the first shot, so it cannot {kind}",
                "leave it out, or say from which video it goes on",
                field=f"{where}.transition",
            )
        source = board.source(index)
        if source is not None and not source.lower().endswith(VIDEO) and source not in ids:
            raise BadInput(
                f"{where}.from: there is no shot {quote(source)}",
                f"choose {join_names(tuple(ids), 'or')}, or name an MP4",
                field=f"{where}.from",
            )
        following = board.shots[index + 1].transition.overlap if index + 1 < len(ids) else 0.0
        if shot.transition.overlap + following > shot.seconds:
            raise BadInput(
                f"{where}.seconds: the transitions before and after it take "
                f"{shot.transition.overlap + following:g} s and the shot has {shot.seconds:g} s",
                "make it longer or the transitions shorter",
                field=f"{where}.seconds",
            )
        for number, given in enumerate(shot.given):
            if given.at >= shot.seconds:
                raise BadInput(
                    f"{where}.keyframes: {given.at:g} s is outside the shot, which has {shot.seconds:g} s",
                    "give an earlier moment",
                    field=f"{where}.keyframes",
                )
            same = [one for one in shot.given[:number] if one.role == given.role]
            if any(one.at == given.at for one in same):
                raise BadInput(
                    f"{where}.keyframes: two are at {given.at:g} s"
                    if given.role == "keyframe"
                    else f"{where}.references: there are two as {given.role}",
                    "give each a moment of its own" if given.role == "keyframe" else "give one",
                    field=f"{where}.{'keyframes' if given.role == 'keyframe' else 'references'}",
                )
            if given.role == "first_frame" and source is not None:
                raise BadInput(
                    f"{where}.references: it goes on from {source}, so it has a first frame already",
                    "leave one of them out",
                    field=f"{where}.references",
                )
        cast(shot.prompt, dict.fromkeys(board.characters, ""), f"{where}.prompt")
    board.order()


class _Loader(yaml.SafeLoader):
    """YAML without code, without the same key twice, and without references, of which a few lines can stand
    for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references are not taken", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is there twice", key.start_mark
                )
        return super().construct_mapping(node, deep=deep)
