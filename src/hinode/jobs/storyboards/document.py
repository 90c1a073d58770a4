"""A storyboard as a document that people edit: shots in whole frames of one exact rate.

A document may be unfinished: a shot without words or without a video is one that is still to be written or
drawn. What a film needs is checked when one is made (`checked_overlaps`).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hinode.directing.films.storyboard import DEFAULT_OVERLAPS, MAX_SHOTS, Moments, Name
from hinode.errors import BadInput, Fault, raise_first
from hinode.media.timeline import read_rate
from hinode.parsing import INTEGER, NUMBER, Boolean, Input
from hinode.request import MAX_SEED, PROMPT_CHARACTERS, parse_size

MAX_TITLE_LENGTH = 200
MAX_FRAMES, MAX_OVERLAP_FRAMES = 7200, 1800
"""Two minutes, and half a minute, at 60 frames per second."""
MAX_NOTES_LENGTH = 10_000


def _read_fps(value: Any) -> str:
    return str(read_rate(value))


def _check_size(value: str) -> str:
    try:
        return "{}x{}".format(*parse_size(value))
    except BadInput as error:
        raise ValueError(error.remedy) from error


def _check_stored(value: str) -> str:
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("give readable text")
    return value


Text = Annotated[str, AfterValidator(_check_stored)]
Title = Annotated[Text, Field(max_length=MAX_TITLE_LENGTH)]
Words = Annotated[Text, Field(max_length=PROMPT_CHARACTERS)]
Rate = Annotated[str, BeforeValidator(_read_fps, json_schema_input_type=float | str)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED), INTEGER]
StoredId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,100}$")]


class DocumentTransition(Input):
    """How a shot follows the one before it; that of the first shot means nothing."""

    kind: Literal["cut", "continue", "fade", "blend"] = Field(
        "cut",
        description="cut: at once. continue: it begins with the last frame of the one before. fade: both "
        "fade into each other. blend: a transition is drawn over both.",
    )
    frames: Annotated[int, Field(ge=1, le=MAX_OVERLAP_FRAMES), INTEGER] | None = Field(
        None, description="For how many frames both are there: half a second of a fade, a second of a blend."
    )

    def overlap(self, rate: Fraction) -> int:
        """Frames for which both shots are there; 0 if they only meet."""
        seconds = DEFAULT_OVERLAPS.get(self.kind)
        return 0 if seconds is None else self.frames or max(1, round(Fraction(seconds) * rate))


class DocumentReference(Input):
    """A picture or a video that a shot is made from."""

    file: StoredId = Field(description="A file of /v1/files; a guide may be a video.")
    role: Literal["first_frame", "last_frame", "keyframe", "guide"] = "keyframe"
    frame: Annotated[int, Field(ge=0, le=MAX_FRAMES), INTEGER] = Field(
        0, description="Frame of the shot at which a keyframe is shown."
    )
    fit: Literal["crop", "pad", "stretch"] | None = Field(
        None, description="How a picture of another size is fitted; by default it is refused."
    )
    strength: Annotated[float, Field(ge=0, le=1), NUMBER] = Field(
        0.6, description="How far the shot may depart from its guide."
    )


class DocumentShot(Input):
    """A shot: words to draw it from, and the video that shows it once it is drawn."""

    id: Name
    title: Title = ""
    prompt: Words = Field("", description="What is drawn; @name stands for a character.")
    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES), INTEGER] = Field(
        description="Its length in frames of the storyboard, overlaps with its neighbours included."
    )
    characters: tuple[StoredId, ...] = Field((), max_length=16, description="Ids of /v1/characters.")
    camera: Moments | None = Field(
        None, description='Moves such as "pan left", or moments with seconds, pan and zoom.'
    )
    path: Moments | None = Field(None, description="Where the subject is: moments with seconds, x and y.")
    transition: DocumentTransition = DocumentTransition.model_validate({})
    locked: Boolean = Field(False, description="Whether it stays as it is: it is not rendered again.")
    video_id: StoredId | None = Field(None, description="The video that shows it.")
    start: Annotated[int, Field(ge=0), INTEGER] = Field(
        0, description="Frame of that video from which on it is shown."
    )
    references: tuple[DocumentReference, ...] = Field((), max_length=16)
    place: Title = ""
    time: Title = ""
    weather: Title = ""
    seed: Seed | None = Field(None, description="The same seed gives the same video; by default a new one.")
    notes: Annotated[Text, Field(max_length=MAX_NOTES_LENGTH)] = ""


class Document(Input):
    """What a storyboard contains. Time is whole frames at one exact rate."""

    fps: Rate = Field("24", description="Frames per second, such as 25 or 24000/1001; it is given as text.")
    size: Annotated[str, AfterValidator(_check_size)] = Field("1280x720", description="Width x height.")
    model: Title | None = Field(None, description="GET /v1/models lists them.")
    profile: Title | None = None
    seed: Seed | None = Field(None, description="Of every shot that has none of its own.")
    style: Words = Field("", description="Words put before the prompt of every shot.")
    place: Title = Field("", description="Where every shot is, unless it says otherwise.")
    time: Title = ""
    weather: Title = ""
    characters: dict[Annotated[str, Field(pattern=r"^\w{1,40}$")], Words] = Field(
        {}, max_length=100, description="Descriptions of characters that exist in this storyboard only."
    )
    shots: tuple[DocumentShot, ...] = Field((), max_length=MAX_SHOTS)

    @model_validator(mode="after")
    def _check_ids(self) -> Document:
        ids = [shot.id for shot in self.shots]
        if len(set(ids)) < len(ids):
            raise ValueError("give each shot an id of its own")
        return self

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.fps)

    @property
    def overlaps(self) -> list[int]:
        """For each shot, the frames that it shares with the one before it; the last entry, 0, is the end."""
        _first, *others = [shot.transition.overlap(self.rate) for shot in self.shots] or [0]
        return [0, *others, 0]

    @property
    def frames(self) -> int:
        """Frames of the whole film."""
        return sum(shot.frames for shot in self.shots) - sum(self.overlaps)

    def index(self, shot_id: str) -> int | None:
        """The place of a shot, or None if there is none."""
        return next((index for index, shot in enumerate(self.shots) if shot.id == shot_id), None)

    def seconds(self, frames: int) -> float:
        """The length of some frames, as exactly as a float says it: readers round it to the same."""
        return float(frames / self.rate)

    def checked_overlaps(self) -> list[int]:
        """`overlaps`; BadInput if the transitions around a shot take more frames than it has."""
        raise_first(self._overlap_faults())
        return self.overlaps

    def _overlap_faults(self) -> Iterator[Fault]:
        overlaps = self.overlaps
        for index, shot in enumerate(self.shots):
            overlap = overlaps[index] + overlaps[index + 1]
            if overlap > shot.frames:
                field = f"shots.{shot.id}.frames"
                message = f"{field}: the transitions take {overlap} frames and the shot has {shot.frames}"
                yield field, message, "make it longer or the transitions shorter"

    def to_values(self) -> dict[str, Any]:
        """The document in JSON values, as it is stored."""
        return self.model_dump(mode="json")
