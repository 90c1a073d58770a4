"""A request for a clip, and the capabilities of an engine that it is checked against."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hinode.errors import BadInput, Fault, join_names, quote, raise_first

Size = tuple[int, int]
"""Width and height in pixels."""

MAX_SEED = 2**63 - 1
"""The largest seed that all random generators take."""

FIRST_FRAME, LAST_FRAME, SOURCE, CHARACTER = "first_frame", "last_frame", "source", "character"
KEYFRAME, CONTEXT_VIDEO, MASK, GUIDE_VIDEO = "keyframe", "footage", "mask", "guide"

ROLES = {
    FIRST_FRAME: "an image as first frame",
    LAST_FRAME: "an image as last frame",
    SOURCE: "a video to work on",
    CHARACTER: "a character",
    KEYFRAME: "an image as keyframe",
    CONTEXT_VIDEO: "a video as context",
    MASK: "a mask",
    GUIDE_VIDEO: "a video as guide",
}
"""The roles of references: the picture that a clip begins or ends with; the video that an operation other
than "generate" works on; a video of a character in the clip; a picture or video that the clip contains from a
moment on; a mask, where the pixels of that video are drawn again; a video that the clip follows as closely as
`Request.strength` says. The values are those of saved requests."""

MAX_CHARACTERS = 2
MAX_PER_ROLE = {CHARACTER: MAX_CHARACTERS, KEYFRAME: 16, CONTEXT_VIDEO: 4, SOURCE: 64}
"""Roles that several references may have, and how many."""

_PLURALS = {
    CHARACTER: "characters",
    KEYFRAME: "keyframes",
    CONTEXT_VIDEO: "videos as context",
    SOURCE: "sources",
}

FROM_ONE = ("remix", "edit", "extend")
"""Operations that work on one video."""

STRENGTH, PATH, CAMERA, PLAN = "strength", "path", "camera", "plan"

PROMPT_CHARACTERS = 32_000
SIDE, PIXELS = (16, 4096), 4096 * 2160
FPS, STEPS = (1.0, 60.0), (1, 200)
"""Ranges that every engine accepts unless its model says otherwise: a finished clip is resized and retimed to
the request. Both ends of `SIDE` are sides of a frame in pixels."""

Trajectory = tuple[tuple[float, float, float], ...]
"""Moments in order, each with two values; between two moments both change linearly."""


@dataclass(frozen=True)
class Capabilities:
    """What a model of an engine can do; every range includes both ends.

    Attributes:
        models: all models that are installed, the default first.
        operations: that it carries out, such as "generate".
        prompt_characters: length of the longest prompt.
        side: range of the sides of a frame in pixels.
        pixels: largest number of pixels of one frame.
        seconds: range of the length of a clip; the minimum may be 0, which itself is no clip.
        fps: range of the frame rate of the finished clip.
        native_sizes: sizes that it draws at; any other is resized from the one nearest in shape. Empty if it
            draws at every size.
        native_fps: frame rates that it draws at, the default first.
        references: roles that a reference may have.
        required_references: those of `references` without which it generates no new clip.
        extension_seconds: the maximum that "extend" adds to its source, whose own length then does not count;
            0 if the whole has to be within `seconds`.
        profiles: names of its trade-offs between speed and quality, the quickest first; empty if it has one.
        controls: which of "strength", "path", "camera" and "plan" it follows.
    """

    engine: str
    model: str
    models: tuple[str, ...]
    operations: tuple[str, ...]
    seconds: tuple[float, float]
    native_sizes: tuple[Size, ...]
    native_fps: tuple[float, ...]
    licence: str
    prompt_characters: int = PROMPT_CHARACTERS
    side: tuple[int, int] = SIDE
    pixels: int = PIXELS
    fps: tuple[float, float] = FPS
    steps: tuple[int, int] = STEPS
    references: tuple[str, ...] = ()
    negative_prompt: bool = False
    sound: bool = False
    required_references: tuple[str, ...] = ()
    extension_seconds: float = 0.0
    profiles: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A picture or a video that a request refers to. References with the same digest are the same file.

    Attributes:
        role: one of `ROLES`.
        digest: SHA-256 of the file in hexadecimal digits.
        media_type: such as "image/png" or "video/mp4".
        name: of a character, as the prompt has it.
        path: of the file on this machine, or "" while that does not matter.
        at: seconds into the clip at which it is shown, for keyframes and context.
    """

    role: str
    digest: str
    media_type: str
    name: str = ""
    path: str = field(default="", compare=False)
    at: float = 0.0

    @property
    def still(self) -> bool:
        """Whether it is a picture and not a video."""
        return self.media_type.startswith("image/")


@dataclass(frozen=True)
class MediaFile:
    """A picture, a video or another file; the digest of its bytes says which.

    Attributes:
        digest: SHA-256 of its bytes in hexadecimal; its name in the store.
        media_type: such as "image/png" or "video/mp4".
        size: width and height in pixels, or (0, 0) if they are not known.
        seconds: length of a video, or 0 if it is not known.
        fps: nominal rate of a video, or None if it is not known.
        prompt: what a video was made from, in words, or "" if that is not known.
        path: where the file is on this machine, or "" while that does not matter.
    """

    digest: str
    media_type: str
    bytes: int
    size: Size = (0, 0)
    seconds: float = 0.0
    fps: Fraction | None = None
    prompt: str = ""
    path: str = field(default="", compare=False)

    def reference(self, role: str = SOURCE, *, name: str = "", at: float = 0.0) -> Reference:
        """A reference to it; see `Reference`."""
        return Reference(role, self.digest, self.media_type, name, self.path, at)


@dataclass(frozen=True)
class Segment:
    """A part of a directed clip: copied from a video, or drawn, with or without a guide.

    Attributes:
        seconds: its length.
        keep: digest of the video that it is copied from, or "" to draw it.
        start: seconds into that video, or into the guide.
        prompt: what to draw, in words; "" for the prompt of the request.
        cut: whether it begins with a new shot instead of continuing the segment before it.
        guide: digest of the video that it starts from, or "".
        strength: how far to go from the guide.
        onto: digest of a video that the guide, or what is kept, fades into, or "".
        onto_start: seconds into that video.
        curve: (share of the segment, share of `onto` in the guide), both 0..1; empty for a straight line.
    """

    seconds: float
    keep: str = ""
    start: float = 0.0
    prompt: str = ""
    cut: bool = False
    guide: str = ""
    strength: float = 1.0
    onto: str = ""
    onto_start: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Request:
    """A clip, fully described: the same request on the same machine gives the same frames.

    Attributes:
        prompt: what to show, in words, as the person wrote them.
        width, height: of the finished frame, in pixels.
        seconds: length of the finished clip, with the source of an extended one.
        fps: frames per second of the finished clip, or None for the rate that the engine draws at.
        seed: starting point of the noise, 0 to 2**63 - 1.
        model: name of one of the engine's models, or None for its default.
        steps: sampling steps, or None for the model's default.
        profile: one of the model's profiles, or None for its default.
        operation: "generate" makes a new clip; "remix" and "edit" change the source; "extend" continues it.
        negative_prompt: what not to show, in words.
        references: pictures and videos to work from.
        strength: how far the clip may go from its guide: 0 not at all, 1 as far as the prompt leads.
        path: (seconds, x, y) of the centre of the subject, in fractions of width and height from the top
            left.
        camera: (seconds, pan, zoom): pan to the right since the first moment in short sides of the frame,
            zoom as a factor.
        plan: where everything is at every moment, as JSON that `hinode plan` writes; "" to leave that to the
            engine.
        segments: parts of a directed clip; their seconds add up to those of the clip.
        looped: whether the end continues into the beginning.
        sound: whether the clip has sound; None leaves it to the model.
        visible_mark: whether its drawn frames say that they were generated; a server decides it, see
            `jobs.admission.free_use`.
    """

    prompt: str
    width: int = 640
    height: int = 360
    seconds: float = 2.0
    fps: float | None = None
    seed: int = 0
    engine: str = "native"
    model: str | None = None
    steps: int | None = None
    profile: str | None = None
    operation: str = "generate"
    negative_prompt: str = ""
    references: tuple[Reference, ...] = ()
    strength: float | None = None
    path: Trajectory = ()
    camera: Trajectory = ()
    segments: tuple[Segment, ...] = ()
    looped: bool = False
    sound: bool | None = None
    plan: str = ""
    visible_mark: bool = False

    @property
    def size(self) -> Size:
        return self.width, self.height

    @property
    def source(self) -> Reference | None:
        """The video to work on, if there is one."""
        return self.reference(SOURCE)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the frames and the sound, in JSON values; a saved state belongs to one
        identity. Paths are left out, because a run can continue on another machine. So are fields at their
        default: a field of a later version changes no identity of a request that does not use it."""
        references = tuple(dataclasses.replace(reference, path="") for reference in self.references)
        values = dataclasses.asdict(dataclasses.replace(self, references=references))
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changed = {name: value for name, value in values.items() if getattr(self, name) != defaults[name]}
        identity: dict[str, Any] = json.loads(json.dumps(changed))
        return identity

    def reference(self, role: str) -> Reference | None:
        """The first reference with a role, if there is one."""
        return next((reference for reference in self.references if reference.role == role), None)

    def check(self, capabilities: Capabilities, source_seconds: float | None = None) -> None:
        """Check that a model can carry out the request, whose source has so many seconds, if that is known.

        Raises:
            BadInput: names the first field that does not fit and what would.
        """
        raise_first(self._faults(capabilities, source_seconds))

    def _faults(self, capabilities: Capabilities, source_seconds: float | None) -> Iterator[Fault]:
        model = capabilities.model
        if self.operation not in capabilities.operations:
            message = f"the {capabilities.engine} engine cannot {quote(self.operation)}"
            yield "operation", message, f"it can {join_names(capabilities.operations)}"
        yield from self._prompt_faults(capabilities)
        yield from self._reference_faults(capabilities)
        yield from self._control_faults(capabilities)
        yield from self._size_faults(capabilities)
        yield from self._length_faults(capabilities, source_seconds)
        if not 0 <= self.seed <= MAX_SEED:
            yield "seed", f"seed {self.seed} is out of range", f"give 0 to {MAX_SEED}"
        minimum, maximum = capabilities.steps
        if self.steps is not None and not minimum <= self.steps <= maximum:
            yield "steps", f"{self.steps} steps are out of range", f"give {minimum} to {maximum}"
        if self.sound and not capabilities.sound:
            remedy = "ask for the clip without sound, or choose another model"
            yield "sound", f"the model {model} makes no sound", remedy
        if self.profile is not None and self.profile not in capabilities.profiles:
            names = capabilities.profiles
            remedy = f"choose {join_names(names, 'or')}" if names else "leave it out"
            yield "profile", f"the model {model} has no profile {quote(self.profile)}", remedy

    def _prompt_faults(self, capabilities: Capabilities) -> Iterator[Fault]:
        if not self.prompt.strip():
            yield "prompt", "the prompt is empty", "say in words what to show"
        if self.negative_prompt and not capabilities.negative_prompt:
            remedy = "leave it out and say in the prompt what to show instead"
            yield "negative_prompt", f"the model {capabilities.model} takes no negative prompt", remedy
        maximum = capabilities.prompt_characters
        for parameter, text in (("prompt", self.prompt), ("negative_prompt", self.negative_prompt)):
            name = parameter.replace("_", " ")
            if len(text) > maximum:
                message = f"the {name} has {len(text):,} characters"
                yield parameter, message, f"shorten it to {maximum:,} or fewer"
            if not _is_text(text):
                yield parameter, f"the {name} is not readable text", "give it in UTF-8"

    def _reference_faults(self, capabilities: Capabilities) -> Iterator[Fault]:
        model = capabilities.model
        count = dict.fromkeys(ROLES, 0)
        for reference in self.references:
            role = reference.role
            if role not in capabilities.references:
                message = f"the model {model} cannot take {ROLES.get(role, f'a reference as {quote(role)}')}"
                parameter = role if role in ROLES else "references"
                yield parameter, message, "leave it out or choose another model"
            count[role] += 1
            maximum = 1 if role == SOURCE and self.operation in FROM_ONE else MAX_PER_ROLE.get(role, 1)
            if count[role] > maximum == 1:
                yield role, f"there is more than {ROLES[role]}", "give 1"
            if count[role] > maximum:
                yield role, f"there are {count[role]} {_PLURALS[role]}", f"give {maximum} at most"
            if not 0 <= reference.at < self.seconds and reference.at:
                message = f"{ROLES[role]} at {reference.at:g} s is outside the clip"
                yield role, message, f"give a moment from 0 to {self.seconds:g} s"
        moments = [reference.at for reference in self.references if reference.role == KEYFRAME]
        for moment in moments:
            if moments.count(moment) > 1:
                yield KEYFRAME, f"two keyframes are at {moment:g} s", "give each a moment of its own"
        if self.operation == "generate" and count[SOURCE]:
            yield SOURCE, "a new clip is not made from a video", "edit, extend or remix the video instead"
        if self.operation in FROM_ONE and not count[SOURCE]:
            yield SOURCE, f"there is no video to {self.operation}", "name one or send its file"
        for role in capabilities.required_references:
            if self.operation == "generate" and not count[role]:
                message = f"the model {model} draws from {ROLES[role]} and there is none"
                yield role, message, "give one, or choose a model that needs none"

    def _control_faults(self, capabilities: Capabilities) -> Iterator[Fault]:
        tracks = {PATH: self.path, CAMERA: self.camera}
        for name, value in {STRENGTH: self.strength, PLAN: self.plan, **tracks}.items():
            if value not in (None, (), "") and name not in capabilities.controls:
                yield name, f"the model {capabilities.model} follows no {name}", "leave it out"
        if self.strength is not None and not 0 <= self.strength <= 1:
            yield STRENGTH, f"strength {self.strength:g} is out of range", "give 0 to 1"
        if self.plan and self.negative_prompt:
            yield (
                "negative_prompt",
                "a plan is drawn as it is",
                "leave the negative prompt out or edit the plan",
            )
        for name, track in tracks.items():
            if not all(math.isfinite(value) for point in track for value in point):
                yield name, f"the {name} has a value that is no number", "give numbers"
            moments = [moment for moment, _, _ in track]
            if any(after <= before for before, after in pairwise((-1e-9, *moments))):
                remedy = "give seconds from 0 on, each later than the one before"
                yield name, f"the moments of the {name} do not follow each other", remedy
            if moments and moments[0] >= self.seconds:
                message = f"the {name} begins at {moments[0]:g} s and the clip has {self.seconds:g} s"
                yield name, message, "give an earlier moment"
        if any(zoom <= 0 for _, _, zoom in self.camera):
            yield CAMERA, "the camera has a zoom of 0 or less", "give factors above 0"

    def _size_faults(self, capabilities: Capabilities) -> Iterator[Fault]:
        minimum, maximum = capabilities.side
        size = f"size {self.width}x{self.height}"
        if not (minimum <= min(self.size) and max(self.size) <= maximum):
            remedy = f"give each side from {minimum} to {maximum} pixels, for example 640x360"
            yield "size", f"{size} is out of range", remedy
        if self.width * self.height > capabilities.pixels:
            remedy = f"stay within {capabilities.pixels:,} in one frame, for example 1920x1080"
            yield "size", f"{size} has too many pixels", remedy

    def _length_faults(self, capabilities: Capabilities, source_seconds: float | None) -> Iterator[Fault]:
        minimum, maximum = capabilities.seconds
        if self.operation == "extend" and capabilities.extension_seconds:
            minimum, maximum = 0.0, math.inf
            if source_seconds is not None:
                maximum = source_seconds + capabilities.extension_seconds
                if not source_seconds < self.seconds <= maximum:
                    message = f"{self.seconds - source_seconds:g} seconds cannot be added"
                    yield (
                        "seconds",
                        message,
                        f"give more than 0 and at most {capabilities.extension_seconds:g}",
                    )
        # The comparison is false for NaN too.
        if not (math.isfinite(self.seconds) and self.seconds > 0 and minimum <= self.seconds <= maximum):
            bounds = f"{minimum:g} to" if minimum else "more than 0 and at most"
            yield "seconds", f"{self.seconds:g} seconds cannot be made", f"give {bounds} {maximum:g}"
        minimum, maximum = capabilities.fps
        if self.fps is not None and not minimum <= self.fps <= maximum:
            message = f"{self.fps:g} frames per second cannot be made"
            yield "fps", message, f"give {minimum:g} to {maximum:g}"


def _is_text(text: str) -> bool:
    """Whether it can be written as UTF-8 and stored in a database."""
    return not any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text)


def parse_size(text: str) -> Size:
    """Read "640x360" (width, then height, of nine digits at most), also with "×" or "X"; else BadInput."""
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*[xX×]\s*([0-9]{1,9})\s*", text)
    if match is None:
        message = f"size {quote(text)} is not width x height"
        raise BadInput(message, "write it like 640x360, in pixels", field="size")
    return int(match[1]), int(match[2])
