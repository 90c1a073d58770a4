"""The language of storyboards: a film as a list of shots. The command's files and the API speak it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeAlias

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field

from hinode.errors import BadInput, join_names
from hinode.media.timeline import read_rate
from hinode.parsing import NUMBER, Boolean, Input, read_number
from hinode.request import MAX_SEED

MAX_SHOTS = 200
MIN_OVERLAP = 0.05
DEFAULT_OVERLAPS = {"fade": 0.5, "blend": 1.0}
VIDEO = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".gif")
"""The ending by which the name of a video is told from the id of a shot."""

MENTION = re.compile(r"(?:\b(an?|the)\s+)?@(\w+)", re.IGNORECASE)
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
    video: str | None = Field(None, description="MP4 of the character; its first two seconds are read.")

    @pydantic.model_validator(mode="after")
    def _check_single(self) -> CharacterImage:
        if (self.image is None) == (self.video is None):
            raise ValueError("give an image or a video, one of them")
        return self

    @property
    def file(self) -> str:
        """Name of the image or the video."""
        return self.image or self.video or ""


class Transition(Part):
    """How a shot follows the one before it."""

    kind: Literal["cut", "continue", "fade", "blend"] = Field(
        description="cut: at once. continue: it goes on from the last frames of the one before. fade: both "
        "fade into each other. blend: a transition is drawn over both."
    )
    seconds: float | None = Field(
        None, ge=MIN_OVERLAP, le=30, description="How long both are there; by default 0.5, for blend 1."
    )
    frames: int | None = Field(
        None, ge=1, le=1800, description="The same in whole frames of the film, whose fps is said."
    )

    @property
    def overlap(self) -> float:
        """Seconds for which both shots are there; 0 if they only meet."""
        default = DEFAULT_OVERLAPS.get(self.kind, 0.0)
        return 0.0 if default == 0 else self.seconds or default


def _fps(value: Any) -> Any:
    """A rate may be written exactly, as 24000/1001."""
    return float(read_rate(value)) if isinstance(value, str) else value


def _with_seconds(shot: Mapping[str, Any], fps: Fraction | None) -> dict[str, Any]:
    """A shot whose whole frames are said in seconds, which is what everything below works with."""
    shot = dict(shot)
    frames, transition = shot.get("frames"), shot.get("transition")
    if isinstance(frames, int) and frames > 0 and fps is not None and not shot.get("seconds"):
        shot["seconds"] = float(frames / fps)
    overlap = transition.get("frames") if isinstance(transition, Mapping) else None
    if isinstance(overlap, int) and overlap > 0 and fps is not None:
        shot["transition"] = {**transition, "seconds": float(overlap / fps)}  # type: ignore[dict-item]
    return shot


def _frames_or_seconds(schema: dict[str, Any]) -> None:
    schema["required"] = [name for name in schema.get("required", []) if name != "seconds"]
    schema["anyOf"] = [{"required": ["seconds"]}, {"required": ["frames"]}]


CUT = Transition(kind="cut", seconds=None, frames=None)
CONTINUE = Transition(kind="continue", seconds=None, frames=None)


def _transition(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _video(value: Any) -> Any:
    """The name of a video, which clients of the API may write into an object."""
    if not isinstance(value, Mapping):
        return value
    names = [name for field, name in value.items() if field in ("id", "file_id") and name]
    if len(names) != 1 or not value.keys() <= {"id", "file_id"}:
        raise ValueError("give its name, or an object with id or file_id, exactly one of them")
    return names[0]


class ShotReference(Part):
    """A picture or a video that a shot is made from."""

    file: str = Field(description="JPEG, PNG, WebP or a video; a path beside the storyboard.")
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
    """One shot: drawn, or a part of a video."""

    model_config = ConfigDict(json_schema_extra=_frames_or_seconds)

    id: Name = Field("", description="What others, and --only, call it; by default its number.")
    title: str = Field("", max_length=200, description="What editing programs call it.")
    prompt: str = Field("", description="What is drawn, in words; @name stands for a character.")
    video: Annotated[str, BeforeValidator(_video, str | dict[Literal["id", "file_id"], str])] | None = Field(
        None, description="Name of a video that is shown instead of a drawn shot; in the API, its id or file."
    )
    seconds: Annotated[float, Field(gt=0, le=120), NUMBER] = Field(
        description="How long it is, overlaps included."
    )
    frames: int | None = Field(
        None, ge=1, le=7200, description="The same in whole frames of the film, whose fps is said."
    )
    transition: Annotated[Transition, BeforeValidator(_transition)] | None = Field(
        None,
        description="How it follows the one before it; a kind, or kind and seconds. By default it is cut.",
    )
    cut: Boolean | None = Field(
        None,
        description="Short for the transition: true is cut, false is continue; of the first shot nothing.",
    )
    origin: str | float | None = Field(
        None,
        alias="from",
        description="Id of the shot, or name of the video, from whose end it goes on; with the transition "
        "continue, by default the shot before it. With a video: seconds into it.",
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

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_start(cls, value: Any) -> Any:
        """Seconds into a video may be written as text, because forms have only texts."""
        if not isinstance(value, Mapping):
            return value
        if value.get("frames") and not value.get("seconds"):
            raise ValueError("say the fps of the film beside its frames, or give seconds")
        if not value.get("video"):
            return value
        with contextlib.suppress(ValueError):
            return {**value, "from": read_number(value.get("from"))}
        return value

    @property
    def files(self) -> tuple[ShotReference, ...]:
        """Keyframes and references."""
        return (*self.keyframes, *self.references)

    @property
    def start(self) -> float:
        """Seconds into its video."""
        return float(self.origin or 0.0) if self.video is not None else 0.0


class Script(Part):
    """What a film shows. Files and the API share it; how the film is drawn is said in fields of their own."""

    title: str = Field("", max_length=200, description="What the film is called.")
    style: str = Field("", description="Words put before the prompt of every shot.")
    place: str = Field("", description="Where every shot is, unless it says otherwise.")
    time: str = Field("", description="At what time of day.")
    weather: str = Field("", description="In which weather.")
    characters: dict[Annotated[str, Field(pattern=r"^\w{1,40}$")], str | CharacterImage] = Field(
        {}, description="Names with a description in words, or with an image or a video."
    )
    shots: tuple[Shot, ...] = Field(
        min_length=1, max_length=MAX_SHOTS, description="In the order of the film."
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _number_shots(cls, value: Any) -> Any:
        """Shots without an id are called by their numbers; frames become seconds at the film's rate."""
        if not isinstance(value, Mapping) or not isinstance(value.get("shots"), list | tuple):
            return value
        written = value.get("fps")
        rate = None
        with contextlib.suppress(ValueError):
            rate = read_rate(written) if written else None
        shots = [
            {**_with_seconds(shot, rate), "id": shot.get("id") or str(number)}
            if isinstance(shot, Mapping)
            else shot
            for number, shot in enumerate(value["shots"], start=1)
        ]
        return {**value, "shots": shots}

    def transition(self, index: int) -> Transition:
        """How a shot follows the one before it."""
        shot = self.shots[index]
        if shot.transition is not None:
            return shot.transition
        return CONTINUE if shot.cut is False and index > 0 else CUT

    def source(self, index: int) -> str | None:
        """What a drawn shot goes on from: the id of a shot or the name of a video, or None."""
        shot = self.shots[index]
        if shot.video is not None:
            return None
        if shot.origin is None and self.transition(index).kind == "continue" and index > 0:
            return self.shots[index - 1].id
        return None if shot.origin is None else str(shot.origin)

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
                    circle = [self.shots[place].id for place in chain[chain.index(at) :]]
                    message = f"the shots {join_names(tuple(circle))} go on from each other in a circle"
                    field = f"shots.{circle[0]}.from"
                    raise BadInput(message, "let one of them begin with a cut", field=field)
                chain.append(at)
                at = places.get(self.source(at) or "")
            done.update(dict.fromkeys(reversed(chain)))
        return list(done)


class Storyboard(Script):
    """A film as a file."""

    size: str = Field("640x360", description="Width x height in pixels.")
    fps: Annotated[float, Field(ge=1, le=60), BeforeValidator(_fps, float | str)] | None = Field(
        None,
        description="Frames per second, also as 24000/1001; by default those of the model.",
    )
    seed: Seed = Field(0, description="Equal storyboards of one seed give equal films.")
    engine: str = Field("native", description="Who draws.")
    model: str | None = Field(None, description="Which of the engine's models; by default its best.")
    steps: int | None = Field(None, description="Sampling steps; by default the model's own number.")
    profile: str | None = Field(
        None,
        description="draft, standard or best, for models that have profiles; by default the model's own.",
    )
    expand: bool = Field(True, description="Whether the model may say what the prompts leave open.")


def cast(text: str, characters: Mapping[str, str], field: str) -> str:
    """A prompt with the descriptions of characters in place of their names; `field` is where it comes from.

    Raises:
        BadInput: it names a character that is not in the list.
    """

    def description(match: re.Match[str]) -> str:
        article, name = match[1], match[2]
        if name not in characters:
            message = f"{field} speaks of @{name}, and there is no such character"
            raise BadInput(message, "add it to the characters", field=field)
        words = characters[name].strip()
        return f"{article} {_ARTICLE.sub('', words, count=1)}" if article else words

    return MENTION.sub(description, text)
