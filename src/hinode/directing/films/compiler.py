"""A storyboard compiled into requests: one for each shot, and one for each transition that is drawn.

Nothing is read or drawn here. What a shot goes on from does not exist yet when a film is compiled: it is an
argument of `FilmPlan.shot_request`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from hinode import __version__
from hinode.directing import camera, operations
from hinode.directing.capabilities import MAX_CONTEXT
from hinode.directing.films import continuity
from hinode.directing.films.files import StoryboardFiles
from hinode.directing.films.storyboard import Storyboard
from hinode.directing.layout import derive_seed
from hinode.errors import BadInput, Fault, raise_first
from hinode.media.resize import nearest_size
from hinode.media.timeline import frame_rate
from hinode.request import (
    CAMERA,
    PATH,
    Capabilities,
    Reference,
    Request,
    Segment,
    Size,
    Trajectory,
    parse_size,
)

SECONDS_TOLERANCE = 0.05
"""How far a shot may go beyond the end of its video, whose last frame is then held."""


@dataclass(frozen=True)
class ShotVideo:
    """A video that shows a shot from `start` seconds on; `frames` and `fps` are those of the whole file.
    `upscaler` names the network that enlarges its frames, or is "" for none."""

    reference: Reference
    start: float
    frames: int
    fps: Fraction
    upscaler: str = ""


@dataclass(frozen=True)
class ShotRequest:
    """What a shot or a transition is drawn from.

    Attributes:
        request: for the engine.
        head: frames at the beginning of its clip that are context and not part of the shot.
        count: frames after them that are the shot, or None for all.
    """

    request: Request
    head: int = 0
    count: int | None = None

    def key(self, name: str, weights: str) -> str:
        """Digest of everything that decides the frames, and of the id; `weights` is the digest of the
        weights, or the name of the model where they are not known."""
        text = repr((name, sorted(self.request.identity().items()), self.head, weights, __version__))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class FilmPlan:
    """A storyboard with all that its shots are drawn from; see `compile_storyboard`.

    Attributes:
        capabilities: those of the model, directed.
        prompts: of the shots, completed for the model.
        tracks: path and camera of each shot.
    """

    board: Storyboard
    capabilities: Capabilities
    files: StoryboardFiles
    prompts: tuple[str, ...]
    tracks: tuple[tuple[Trajectory, Trajectory], ...]

    @cached_property
    def size(self) -> Size:
        """Width and height of the finished film."""
        return parse_size(self.board.size)

    @cached_property
    def native_size(self) -> Size:
        """Width and height at which shots are drawn and stored: the model's own size, if it has one."""
        return nearest_size(self.capabilities.native_sizes, self.size)

    @cached_property
    def native_fps(self) -> Fraction:
        """Frames per second at which the model draws."""
        return frame_rate(self.capabilities.native_fps[0])

    def base_request(self, index: int, take: int = 0) -> Request:
        """A shot by itself, without files and without what it goes on from; each take has another seed."""
        board, shot = self.board, self.board.shots[index]
        seed = board.seed if shot.seed is None else shot.seed
        path, moves = self.tracks[index]
        return Request(
            prompt=self.prompts[index],
            width=self.native_size[0],
            height=self.native_size[1],
            seconds=shot.seconds,
            seed=derive_seed(seed, f"take/{take}") if take else seed,
            engine=board.engine,
            model=board.model,
            steps=board.steps,
            profile=board.profile,
            path=path,
            camera=moves,
        )

    def shot_request(
        self, index: int, take: int = 0, context: Reference | None = None, context_frames: int = 0
    ) -> ShotRequest:
        """What a shot is drawn from.

        Args:
            index: of the shot.
            take: how often it was requested anew.
            context: the last frames of what it goes on from, if it goes on from something.
            context_frames: how many they are.
        """
        shot, request = self.board.shots[index], self.base_request(index, take)
        pictures = self.files.pictures.get(shot.id, ())
        segment = Segment(shot.seconds)
        videos: tuple[Reference, ...] = ()
        guide = next((file for file in shot.files if file.role == "guide"), None)
        if guide is not None:
            video = self.files.videos[guide.file].reference()
            segment, videos = Segment(shot.seconds, guide=video.digest, strength=guide.strength), (video,)
            request = dataclasses.replace(request, operation="remix", segments=(segment,))
        if context is None:
            return ShotRequest(dataclasses.replace(request, references=(*videos, *pictures)))
        lead = context_frames / float(self.native_fps)
        later = (dataclasses.replace(picture, at=picture.at + lead) for picture in pictures)
        request = dataclasses.replace(
            request,
            operation="storyboard",
            seconds=round(lead + shot.seconds, 6),
            segments=(Segment(lead, keep=context.digest), segment),
            references=(context, *videos, *later),
            path=_delay(request.path, lead),
            camera=_delay(request.camera, lead),
        )
        return ShotRequest(request, context_frames)

    def transition_request(self, index: int, before: ShotVideo, after: ShotVideo) -> ShotRequest:
        """What the transition from the shot before to shot `index` is drawn from: the end of the one and the
        beginning of the other."""
        fps, overlap = float(self.native_fps), self.board.transition(index).overlap
        lengths = [shot.seconds - overlap for shot in self.board.shots[index - 1 : index + 1]]
        head, tail = (min(MAX_CONTEXT, round(length * fps)) for length in lengths)
        leave, enter = before.start + lengths[0], after.start
        first, second = before.reference, after.reference
        segments = [
            Segment(head / fps, keep=first.digest, start=leave - head / fps),
            Segment(
                overlap,
                guide=first.digest,
                start=leave,
                strength=operations.BLEND_STRENGTH,
                onto=second.digest,
                onto_start=enter,
                curve=operations.CURVES["smooth"],
            ),
            Segment(tail / fps, keep=second.digest, start=enter + overlap),
        ]
        request = dataclasses.replace(
            self.base_request(index),
            prompt=self.prompts[index] or self.prompts[index - 1],
            operation="blend",
            seconds=round(sum(segment.seconds for segment in segments), 6),
            segments=tuple(segment for segment in segments if segment.seconds),
            references=tuple({first.digest: first, second.digest: second}.values()),
            path=(),
            camera=(),
        )
        return ShotRequest(request, head, max(1, round(overlap * fps)))

    def check(self) -> None:
        """See that every shot can be drawn, as far as that is known before what it goes on from exists.

        Raises:
            BadInput: one of them cannot; `field` says which.
        """
        whole = set(type(self.board).model_fields) - set(type(self.board.shots[0]).model_fields)
        for index, shot in enumerate(self.board.shots):
            try:
                raise_first(self._faults(index))
            except BadInput as error:
                where = error.field if error.field in whole else f"shots.{shot.id}.{error.field}"
                raise BadInput(f"{where}: {error.message}", error.remedy, field=where) from error
        if all(shot.video is not None for shot in self.board.shots):
            raise BadInput("nothing of the film would be drawn", "add a shot with a prompt", field="shots")

    def _faults(self, index: int) -> Iterator[Fault]:
        shot, model = self.board.shots[index], self.capabilities.model
        pictures = self.files.pictures.get(shot.id, ())
        if shot.video is None:
            dataclasses.replace(self.base_request(index), references=pictures).check(self.capabilities)
            operations.check_keyframes(pictures, float(self.native_fps), shot.seconds)
        else:
            end, seconds = shot.start + shot.seconds, self.files.videos[shot.video].seconds
            if end > seconds + SECONDS_TOLERANCE:
                message = f"it ends at {end:g} s of a video that has {seconds:g} s"
                yield "seconds", message, "stay within the video"
        if self.board.transition(index).kind == "blend" and "blend" not in self.capabilities.operations:
            yield "transition", f"the model {model} draws no transitions", "fade instead"
        if self.board.source(index) is not None and "storyboard" not in self.capabilities.operations:
            yield "from", f"the model {model} cannot go on from other shots", "cut instead"


def compile_storyboard(board: Storyboard, capabilities: Capabilities, files: StoryboardFiles) -> FilmPlan:
    """The plan of a film; `capabilities` are those of its model, directed.

    Raises:
        BadInput: something in it cannot be drawn; `field` says where.
    """
    tracks: list[tuple[Trajectory, Trajectory]] = []
    additions: list[str] = []
    for shot in board.shots:
        path = files.tracks.get((shot.id, PATH)) or (camera.parse_path(shot.path) if shot.path else ())
        moves, addition = files.tracks.get((shot.id, CAMERA), ()), ""
        if shot.camera is not None and not moves:
            moves, addition = camera.parse_camera(shot.camera, shot.seconds, capabilities)
        tracks.append((path, moves))
        additions.append(addition)
    prompts = continuity.complete_prompts(board, files.characters, capabilities)
    texts = tuple(prompt + more for prompt, more in zip(prompts, additions, strict=True))
    plan = FilmPlan(board, capabilities, files, texts, tuple(tracks))
    plan.check()
    return plan


def _delay(track: Trajectory, seconds: float) -> Trajectory:
    return tuple((at + seconds, first, second) for at, first, second in track)
