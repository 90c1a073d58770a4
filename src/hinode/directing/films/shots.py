"""Which request draws each shot of a film, and each transition between two."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hinode import __version__
from hinode.directing import camera as moves
from hinode.directing import material, operations, source_facts
from hinode.directing.capabilities import MAX_CONTEXT
from hinode.directing.films import continuity
from hinode.directing.films.storyboard import VIDEO, CharacterImage, Shot, ShotReference, Storyboard
from hinode.directing.layout import derive_seed
from hinode.directing.material import Video
from hinode.engines.native import catalog
from hinode.errors import BadInput
from hinode.media import pictures, references
from hinode.media.resize import nearest_size
from hinode.media.timeline import frame_rate
from hinode.request import (
    FIRST_FRAME,
    KEYFRAME,
    SOURCE,
    Capabilities,
    Reference,
    Request,
    Segment,
    Size,
    Trajectory,
    parse_size,
)


@dataclass(frozen=True)
class ShotRequest:
    """What a shot is drawn from.

    Attributes:
        request: for the engine.
        head: frames at its beginning that are there already and not part of the shot.
    """

    request: Request
    head: int


class ResolvedStoryboard:
    """A storyboard with all that it refers to."""

    def __init__(self, board: Storyboard, folder: Path, capabilities: Capabilities, scratch: Path) -> None:
        """
        Args:
            board: the film.
            folder: where its files are.
            able: the model.
            scratch: where copies of pictures go.

        Raises:
            BadInput: something in it cannot be; `field` says where.
        """
        self.board = board
        self.folder = folder
        self.capabilities = capabilities
        self.scratch = scratch
        self.size: Size = parse_size(board.size)
        self.drawn_size = nearest_size(capabilities.native_sizes, self.size)
        self.fps: Fraction = frame_rate(capabilities.native_fps[0])
        self._videos: dict[str, Video] = {}
        self.characters = {
            name: self._described(name, one) if isinstance(one, CharacterImage) else one
            for name, one in board.characters.items()
        }
        native = capabilities.engine == catalog.ENGINE and board.expand
        sources = {board.source(index) for index in range(len(board.shots))}
        videos = [name for name in sources if name is not None and name.lower().endswith(VIDEO)]
        shown = {
            name: source_facts.detect(self.video(name, "from").reference, end=True)
            for name in sorted(videos)
            if native
        }
        self._parts = [self._pictures(shot) for shot in board.shots]
        self._tracks = [self._steering(index) for index in range(len(board.shots))]
        cameras = [camera for _, camera, _ in self._tracks]
        self.prompts = continuity.complete_prompts(board, self.characters, capabilities, shown, cameras)
        for index in range(len(board.shots)):
            self.check(index)

    def check(self, index: int) -> None:
        """See that a shot can be drawn, as far as that is known before what it goes on from is there.

        Raises:
            BadInput: it cannot.
        """
        shot = self.board.shots[index]
        request = dataclasses.replace(self.plain(index, 0), references=self._parts[index])
        try:
            request.check(self.capabilities)
            if shot.transition.kind == "blend" and "blend" not in self.capabilities.operations:
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
            operations.check_keyframes(self._parts[index], float(self.fps))
        except BadInput as error:
            whole = set(type(self.board).model_fields) - set(type(shot).model_fields)
            where = error.field if error.field in whole else f"shots.{shot.id}.{error.field}"
            raise BadInput(f"{where}: {error.message}", error.remedy, field=where) from error

    def asked(self, index: int, take: int, finished: Callable[[str], Reference]) -> ShotRequest:
        """What a shot is drawn from.

        Args:
            index: of the shot.
            take: how often it was asked for anew: another take has another seed.
            finished: gives the file of a finished shot by its id.
        """
        shot, source = self.board.shots[index], self.board.source(index)
        request, parts = self.plain(index, take), self._parts[index]
        guide = next((given for given in shot.given if given.role == "guide"), None)
        drawn = Segment(shot.seconds)
        files: tuple[Reference, ...] = ()
        if guide is not None:
            film = self.video(guide.file, f"shots.{shot.id}.references")
            drawn = Segment(shot.seconds, guide=film.digest, strength=guide.strength)
            files = (film.reference,)
        if source is None:
            if guide is None:
                return ShotRequest(dataclasses.replace(request, references=parts), 0)
            request = dataclasses.replace(request, operation="remix", segments=(drawn,))
            return ShotRequest(dataclasses.replace(request, references=(*files, *parts)), 0)
        if source.lower().endswith(VIDEO):
            before = self.video(source, f"shots.{shot.id}.from").reference
        else:
            before = finished(source)
        last = references.last_frames(before, self.fps, MAX_CONTEXT, self.drawn_size)
        kept = references.save_frames(last, self.fps, SOURCE, self.scratch)
        lead = len(last) / float(self.fps)
        request = dataclasses.replace(
            request,
            operation="storyboard",
            seconds=round(lead + shot.seconds, 6),
            segments=(Segment(lead, keep=kept.digest), drawn),
            references=(kept, *files, *(dataclasses.replace(one, at=one.at + lead) for one in parts)),
            path=_later(request.path, lead),
            camera=_later(request.camera, lead),
        )
        return ShotRequest(request, len(last))

    def transition(self, index: int, one: Reference, length: float, other: Reference) -> ShotRequest:
        """What the transition from the shot before is drawn from.

        Args:
            index: of the shot that it leads to.
            one: the shot before.
            length: its seconds.
            other: the shot that it leads to.
        """
        shot, overlap = self.board.shots[index], self.board.shots[index].transition.overlap
        before = min(MAX_CONTEXT, round((length - overlap) * float(self.fps))) / float(self.fps)
        after = min(MAX_CONTEXT, round((shot.seconds - overlap) * float(self.fps))) / float(self.fps)
        leave = length - overlap
        segments = [
            Segment(
                overlap,
                guide=one.digest,
                start=leave,
                strength=operations.BLENDED,
                onto=other.digest,
                curve=operations.CURVES["smooth"],
            )
        ]
        if before:
            segments.insert(0, Segment(before, keep=one.digest, start=leave - before))
        if after:
            segments.append(Segment(after, keep=other.digest, start=overlap))
        request = dataclasses.replace(
            self.plain(index, 0),
            operation="blend",
            seconds=round(before + overlap + after, 6),
            segments=tuple(segments),
            references=tuple({one.digest: one, other.digest: other}.values()),
            path=(),
            camera=(),
        )
        return ShotRequest(request, round(before * float(self.fps)))

    def video(self, name: str, field: str) -> Video:
        """A video beside the storyboard, looked at once."""
        if name not in self._videos:
            self._videos[name] = material.video(self.folder / name, field=field)
        return self._videos[name]

    def plain(self, index: int, take: int = 0) -> Request:
        """A shot by itself, without pictures and what it goes on from."""
        board, shot = self.board, self.board.shots[index]
        seed = board.seed if shot.seed is None else shot.seed
        path, camera, words = self._tracks[index]
        return Request(
            prompt=self.prompts[index] + words,
            width=self.drawn_size[0],
            height=self.drawn_size[1],
            seconds=shot.seconds,
            seed=derive_seed(seed, f"take/{take}") if take else seed,
            engine=board.engine,
            model=board.model,
            steps=board.steps,
            profile=board.profile,
            path=path,
            camera=camera,
            expand=False,  # done, for the film as a whole
        )

    def _steering(self, index: int) -> tuple[Trajectory, Trajectory, str]:
        shot = self.board.shots[index]
        path: Trajectory = () if shot.path is None else moves.path(self._beside(shot.path))
        if shot.camera is None:
            return path, (), ""
        camera, words = moves.camera(self._beside(shot.camera), shot.seconds, self.capabilities)
        return path, camera, words

    def _beside(self, value: object) -> object:
        json = isinstance(value, str) and value.lower().endswith(".json")
        return str(self.folder / str(value)) if json else value

    def _pictures(self, shot: Shot) -> tuple[Reference, ...]:
        found = []
        for given in shot.given:
            if given.role == "guide":
                self.video(given.file, f"shots.{shot.id}.references")
            else:
                found.append(self._picture(given, shot))
        return tuple(found)

    def _picture(self, given: ShotReference, shot: Shot) -> Reference:
        role = FIRST_FRAME if given.role == "first_frame" else KEYFRAME
        field = f"shots.{shot.id}.{'references' if given in shot.references else 'keyframes'}"
        at = given.at if role == KEYFRAME else 0.0
        path = self.folder / given.file
        return material.picture(path, self.size, role, folder=self.scratch, fit=given.fit, at=at, field=field)

    def _described(self, name: str, likeness: CharacterImage) -> str:
        field = f"characters.{name}"
        if self.capabilities.engine != catalog.ENGINE:
            raise BadInput(
                f"{field}: for the {self.capabilities.engine} engine a character cannot be read from a file",
                "describe it in words",
                field=field,
            )
        path = self.folder / likeness.file
        if likeness.video is not None:
            return source_facts.describe(self.video(likeness.file, field).reference, name)
        with material.named(path, field):
            measured = pictures.measure(path, field=field)[0]
        return source_facts.describe(
            material.picture(path, measured, FIRST_FRAME, folder=self.scratch, field=field), name
        )


def key(name: str, asked: ShotRequest, weights: str) -> str:
    """Digest of everything that decides the frames of a shot, and of its name.

    Args:
        name: id of the shot.
        asked: what it is drawn from.
        weights: digest of the weights, or the name of the model where they are not known.
    """
    text = repr((name, sorted(asked.request.identity().items()), asked.head, weights, __version__))
    return hashlib.sha256(text.encode()).hexdigest()


def _later(track: Trajectory, seconds: float) -> Trajectory:
    return tuple((at + seconds, one, other) for at, one, other in track)
