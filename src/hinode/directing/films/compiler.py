"""A storyboard compiled into requests: one for each shot, and one for each transition that is drawn.

Nothing is read or drawn here. What a shot goes on from does not exist yet when the film is compiled: its frames
are an argument of `FilmPlan.shot_request`.
"""

from __future__ import annotations

import dataclasses
import hashlib
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
from hinode.directing.material import Video
from hinode.errors import BadInput
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
    """A video that shows a shot.

    Attributes:
        reference: its file.
        start: seconds into it at which the shot begins.
        frames: frames of the whole file.
        fps: frames per second of the file.
    """

    reference: Reference
    start: float
    frames: int
    fps: Fraction


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
        """Digest of everything that decides the frames, and of the name.

        Args:
            name: id of the shot.
            weights: digest of the weights, or the name of the model where they are not known.
        """
        text = repr((name, sorted(self.request.identity().items()), self.head, weights, __version__))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class FilmPlan:
    """A storyboard with all that its shots are drawn from; see `compile_storyboard`.

    Attributes:
        board: the storyboard.
        capabilities: those of the model, directed.
        files: what the storyboard names.
        prompts: of the shots, as they go to the engine.
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
    def drawn_size(self) -> Size:
        """Width and height at which shots are drawn and stored: the model's own size, if it has one."""
        return nearest_size(self.capabilities.native_sizes, self.size)

    @cached_property
    def fps(self) -> Fraction:
        """Frames per second at which the model draws."""
        return frame_rate(self.capabilities.native_fps[0])

    def base_request(self, index: int, take: int = 0) -> Request:
        """A shot by itself, without files and without what it goes on from.

        Args:
            index: of the shot.
            take: how often it was requested anew; each take has another seed.
        """
        board, shot = self.board, self.board.shots[index]
        seed = board.seed if shot.seed is None else shot.seed
        path, moves = self.tracks[index]
        return Request(
            prompt=self.prompts[index],
            width=self.drawn_size[0],
            height=self.drawn_size[1],
            seconds=shot.seconds,
            seed=derive_seed(seed, f"take/{take}") if take else seed,
            engine=board.engine,
            model=board.model,
            steps=board.steps,
            profile=board.profile,
            path=path,
            camera=moves,
            expand=False,  # done for the film as a whole
        )

    def shot_request(
        self, index: int, take: int = 0, context: Reference | None = None, context_frames: int = 0
    ) -> ShotRequest:
        """What a shot is drawn from.

        Args:
            index: of the shot.
            take: see `base_request`.
            context: the last frames of what it goes on from, if it goes on from something.
            context_frames: how many they are.
        """
        shot, request = self.board.shots[index], self.base_request(index, take)
        pictures = self.files.pictures.get(shot.id, ())
        segment = Segment(shot.seconds)
        references: tuple[Reference, ...] = ()
        guide = next((file for file in shot.files if file.role == "guide"), None)
        if guide is not None:
            video = self.files.videos[guide.file]
            segment = Segment(shot.seconds, guide=video.digest, strength=guide.strength)
            references = (video.reference,)
            request = dataclasses.replace(request, operation="remix", segments=(segment,))
        following = self._following_video(index)
        if context is None and following is None:
            return ShotRequest(dataclasses.replace(request, references=(*references, *pictures)))
        segments = [segment]
        lead = 0.0
        if context is not None:
            lead = context_frames / float(self.fps)
            segments.insert(0, Segment(lead, keep=context.digest))
            references = (context, *references)
            pictures = tuple(dataclasses.replace(picture, at=picture.at + lead) for picture in pictures)
        if following is not None:
            video, start = following
            tail = min(MAX_CONTEXT / float(self.fps), video.seconds - start)
            segments.append(Segment(tail, keep=video.digest, start=start))
            references = (*references, video.reference)
        request = dataclasses.replace(
            request,
            operation="storyboard",
            seconds=round(sum(segment.seconds for segment in segments), 6),
            segments=tuple(segments),
            references=(*references, *pictures),
            path=_delay(request.path, lead),
            camera=_delay(request.camera, lead),
        )
        count = None if following is None else max(1, round(shot.seconds * float(self.fps)))
        return ShotRequest(request, context_frames, count)

    def _following_video(self, index: int) -> tuple[Video, float] | None:
        """The video that a shot leads over to, and the seconds into it, if it does and the model can."""
        if index + 1 == len(self.board.shots) or "recut" not in self.capabilities.operations:
            return None
        shot = self.board.shots[index + 1]
        if shot.video is None or self.board.transition(index + 1).kind != "continue":
            return None
        return self.files.videos[shot.video], shot.start

    def transition_request(self, index: int, before: ShotVideo, after: ShotVideo) -> ShotRequest:
        """What the transition from the shot before is drawn from.

        Args:
            index: of the shot that it leads to.
            before: the shot before.
            after: the shot that it leads to.
        """
        overlap = self.board.transition(index).overlap
        length, following = self.board.shots[index - 1].seconds, self.board.shots[index].seconds
        head = min(MAX_CONTEXT, round((length - overlap) * float(self.fps)))
        tail = min(MAX_CONTEXT, round((following - overlap) * float(self.fps)))
        leave = before.start + length - overlap
        one, other = before.reference, after.reference
        segments = [
            Segment(
                overlap,
                guide=one.digest,
                start=leave,
                strength=operations.BLENDED,
                onto=other.digest,
                onto_start=after.start,
                curve=operations.CURVES["smooth"],
            )
        ]
        if head:
            lead = head / float(self.fps)
            segments.insert(0, Segment(lead, keep=one.digest, start=leave - lead))
        if tail:
            start = after.start + overlap
            segments.append(Segment(tail / float(self.fps), keep=other.digest, start=start))
        request = dataclasses.replace(
            self.base_request(index),
            prompt=self.prompts[index] or self.prompts[index - 1],
            operation="blend",
            seconds=round(sum(segment.seconds for segment in segments), 6),
            segments=tuple(segments),
            references=tuple({one.digest: one, other.digest: other}.values()),
            path=(),
            camera=(),
        )
        return ShotRequest(request, head, max(1, round(overlap * float(self.fps))))

    def check(self, index: int) -> None:
        """See that a shot can be drawn, as far as that is known before what it goes on from is there.

        Raises:
            BadInput: it cannot.
        """
        shot = self.board.shots[index]
        pictures = self.files.pictures.get(shot.id, ())
        try:
            if shot.video is not None:
                end, seconds = shot.start + shot.seconds, self.files.videos[shot.video].seconds
                if end > seconds + SECONDS_TOLERANCE:
                    raise BadInput(
                        f"it ends at {end:g} s of a video that has {seconds:g} s",
                        "stay within the video",
                        field="seconds",
                    )
            else:
                dataclasses.replace(self.base_request(index), references=pictures).check(self.capabilities)
            if self.board.transition(index).kind == "blend" and "blend" not in self.capabilities.operations:
                raise BadInput(
                    f"the model {self.capabilities.model} draws no transitions",
                    "fade instead",
                    field="transition",
                )
            if self.board.source(index) is not None and "storyboard" not in self.capabilities.operations:
                raise BadInput(
                    f"the model {self.capabilities.model} cannot go on from other shots",
                    "cut instead",
                    field="from",
                )
            operations.check_keyframes(pictures, float(self.fps))
        except BadInput as error:
            whole = set(type(self.board).model_fields) - set(type(shot).model_fields)
            where = error.field if error.field in whole else f"shots.{shot.id}.{error.field}"
            raise BadInput(f"{where}: {error.message}", error.remedy, field=where) from error


def compile_storyboard(board: Storyboard, capabilities: Capabilities, files: StoryboardFiles) -> FilmPlan:
    """The plan of a film.

    Args:
        board: the storyboard.
        capabilities: those of its model, directed.
        files: what it names, see `files.load_files`.

    Raises:
        BadInput: something in it cannot be drawn; `field` says where.
    """
    tracks: list[tuple[Trajectory, Trajectory]] = []
    additions: list[str] = []
    for shot in board.shots:
        path = files.tracks.get((shot.id, PATH)) or (camera.path(shot.path) if shot.path else ())
        moves, words = files.tracks.get((shot.id, CAMERA), ()), ""
        if shot.camera is not None and not moves:
            moves, words = camera.camera(shot.camera, shot.seconds, capabilities)
        tracks.append((path, moves))
        additions.append(words)
    prompts = continuity.complete_prompts(
        board, files.characters, capabilities, files.facts, [moves for _, moves in tracks]
    )
    if all(shot.video is not None for shot in board.shots):
        raise BadInput("nothing of the film would be drawn", "add a shot with a prompt", field="shots")
    plan = FilmPlan(
        board,
        capabilities,
        files,
        tuple(prompt + addition for prompt, addition in zip(prompts, additions, strict=True)),
        tuple(tracks),
    )
    for index in range(len(board.shots)):
        plan.check(index)
    return plan


def _delay(track: Trajectory, seconds: float) -> Trajectory:
    return tuple((at + seconds, first, second) for at, first, second in track)
