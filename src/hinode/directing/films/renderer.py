"""A storyboard made into one film: each shot drawn once and kept, joined, and streamed to the encoder."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from hinode import __version__
from hinode.clip import Frames
from hinode.directing.films import shots
from hinode.directing.films.cache import RenderedShot, ShotCache
from hinode.directing.films.shots import ResolvedStoryboard, ShotRequest
from hinode.directing.films.storyboard import Storyboard
from hinode.directing.operations import crossfade
from hinode.engines.native import catalog
from hinode.engines.protocol import Engine, Progress, Run, abandon
from hinode.errors import BadInput, EngineError, join_names, quote
from hinode.licensing import licences
from hinode.media import editorial, formats
from hinode.media.editorial import Cut
from hinode.media.label import Label
from hinode.media.references import FrameReader
from hinode.media.timeline import Timeline, frame_rate
from hinode.request import Reference
from hinode.settings import Settings

Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Film:
    """A finished film.

    Attributes:
        path: its file.
        timeline: the OpenTimelineIO file beside it.
        seconds: its length.
        fps: frames per second.
        frames: how many it has.
        shots: what is in it, in order, transitions that were drawn among them.
        anew: ids of those that were drawn this time.
        outdated: ids of shots that were left as they are though the storyboard would have them drawn again.
        bytes: size of the file.
    """

    path: Path
    timeline: Path
    seconds: float
    fps: float
    frames: int
    shots: tuple[RenderedShot, ...]
    anew: tuple[str, ...]
    outdated: tuple[str, ...]
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """The film in plain JSON values."""
        plain = dataclasses.asdict(self)
        return {**plain, "path": str(self.path), "timeline": str(self.timeline)}


class FilmRenderer:
    """A film in the making; what is drawn stays, however it ends."""

    def __init__(
        self,
        script: ResolvedStoryboard,
        engine: Engine,
        shelf: ShotCache,
        weights: str,
        *,
        watch: Watch = lambda progress: None,
        checkpoint_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            script: what to make.
            engine: draws.
            shelf: keeps what is drawn.
            weights: see `shots.key`.
            watch: told of every step.
            checkpoint_seconds: how often a shot that is being drawn is saved.
            clock: seconds since any moment.
        """
        self.script = script
        self.engine = engine
        self.shelf = shelf
        self.weights = weights
        self.watch = watch
        self.checkpoint_seconds = checkpoint_seconds
        self.clock = clock
        self.anew: list[str] = []
        self.outdated: list[str] = []
        self._shots: dict[str, RenderedShot] = {}
        self._transitions: dict[str, RenderedShot] = {}
        self._done, self._total = 0, 0

    def make(self, path: Path, format: str, only: Collection[str] = ()) -> Film:
        """Draw what is not drawn yet, and write the film.

        Args:
            path: file to write, or folder for the format "png".
            format: one of `formats.FORMATS`.
            only: ids of shots to draw anew; all others stay as they are. Empty for those that have changed.

        Raises:
            BadInput: it cannot be made; found out before anything is drawn.
            EngineError: the engine failed.
            OutputError: something could not be written.
        """
        board = self.script.board
        unknown = [name for name in only if name not in {shot.id for shot in board.shots}]
        if unknown:
            raise BadInput(
                f"there is no shot {quote(unknown[0])}",
                f"choose {join_names(tuple(shot.id for shot in board.shots), 'or')}",
                field="only",
            )
        joined = FilmTimeline(self.script)
        formats.check(format, path, self.script.size, joined.fps)
        self._total = sum(self._steps(index) for index in range(len(board.shots)))
        for index in board.order():
            self._shoot(index, only)
        for index in range(1, len(board.shots)):
            if board.shots[index].transition.kind == "blend":
                self._connect(index)
        return self._write(joined, path, format)

    # Drawing

    def _steps(self, index: int) -> int:
        """About how many steps a shot takes."""
        script = self.script
        return self.engine.estimate(dataclasses.replace(script.plain(index), references=())).steps

    def _shoot(self, index: int, only: Collection[str]) -> None:
        shot, shelf = self.script.board.shots[index], self.shelf
        take = shelf.take(shot.id)
        asked = self.script.asked(index, take, self._finished_file)
        key = shots.key(shot.id, asked, self.weights)
        found = shelf.find(key)
        if only and shot.id not in only:
            current = shelf.current(shot.id)
            if current is None:
                raise BadInput(
                    f"the shot {quote(shot.id)} is not drawn yet, so there is no film to put others into",
                    "draw all of them first",
                    field="only",
                )
            if current.key != key:
                self.outdated.append(shot.id)
            self._shots[shot.id] = current
            self._skip(index)
            return
        if only and found is not None:
            take += 1
            asked = self.script.asked(index, take, self._finished_file)
            key = shots.key(shot.id, asked, self.weights)
            found = shelf.find(key)
        if found is None:
            found = self._draw(shot.id, asked, key, take, self._steps(index))
            self.anew.append(shot.id)
        else:
            shelf.choose(found)
            self._skip(index)
        self._shots[shot.id] = found

    def _connect(self, index: int) -> None:
        """Draw the transition from the shot before."""
        board, shelf = self.script.board, self.shelf
        before, after = board.shots[index - 1], board.shots[index]
        one, other = (shelf.reference(self._shots[shot.id]) for shot in (before, after))
        asked = self.script.transition(index, one, before.seconds, other)
        name = f"{before.id}+{after.id}"
        key = shots.key(name, asked, self.weights)
        found = shelf.find(key)
        if found is None:
            count = round(after.transition.overlap * float(self.script.fps))
            steps = self.engine.estimate(asked.request).steps
            self._total += steps
            found = self._draw(name, asked, key, 0, steps, max(1, count))
            self.anew.append(name)
        self._transitions[after.id] = found

    def _draw(
        self, name: str, asked: ShotRequest, key: str, take: int, steps: int, count: int | None = None
    ) -> RenderedShot:
        """Draw something and keep it.

        Args:
            name: its id.
            asked: what it is drawn from.
            key: where it is kept.
            take: how often it was asked for anew.
            steps: how much of the whole it is.
            count: how many of its frames are kept; all behind the head if None.
        """
        run = self._start(asked, key)
        saved = self.clock()
        try:
            for progress in run:
                if progress.stage != "sample":
                    continue
                done = self._done + steps * progress.done // max(1, progress.total)
                self.watch(Progress("draw", done, max(1, self._total), progress.preview))
                if self.clock() - saved >= self.checkpoint_seconds:
                    self.shelf.save(key, run.state())
                    saved = self.clock()
        except BaseException:
            abandon(run)
            raise
        self._done += steps
        clip = run.clip()
        frames = clip.frames[asked.head :][:count]
        provenance = clip.provenance
        drawn = RenderedShot(
            id=name,
            key=key,
            file="",
            digest="",
            frames=len(frames),
            fps=str(frame_rate(clip.fps)),
            seed=provenance.seed,
            prompt=asked.request.prompt,
            model=provenance.model,
            not_understood=provenance.not_understood,
            read_as=provenance.read_as,
            licence=provenance.licence,
            stage_seconds=round(sum(provenance.stage_seconds.values()), 3),
        )
        return self.shelf.put(drawn, frames, take)

    def _start(self, asked: ShotRequest, key: str) -> Run:
        state = self.shelf.saved(key)
        if state is not None:
            try:
                return self.engine.start(asked.request, state)
            except EngineError:
                pass  # of a run that cannot be gone on with: it is drawn from the beginning
        return self.engine.start(asked.request)

    def _skip(self, index: int) -> None:
        self._done += self._steps(index)
        self.watch(Progress("draw", self._done, max(1, self._total)))

    def _finished_file(self, name: str) -> Reference:
        return self.shelf.reference(self._shots[name])

    # Joining

    def _write(self, joined: FilmTimeline, path: Path, format: str) -> Film:
        script, timeline = self.script, joined.timeline
        total = timeline.frames

        def frames() -> Iterator[Frames]:
            self.watch(Progress("encode", 0, total))
            for done, frame in enumerate(joined.frames(self._film), start=1):
                yield frame
                self.watch(Progress("encode", done, total))

        formats.write(format, path, frames(), script.size, timeline, self._label())
        beside = path.with_suffix(".otio")
        facts = {"film": path.name, "seed": script.board.seed, "size": script.board.size}
        files = {name: self._relative(drawn, beside) for name, drawn in self._everything().items()}
        editorial.write_otio(
            beside,
            script.board.title or path.stem,
            timeline.fps,
            joined.cuts(self._shots, self._transitions, files),
            {"generator": f"hinode {__version__}", **facts},
        )
        return Film(
            path=path,
            timeline=beside,
            seconds=float(timeline.seconds),
            fps=float(timeline.fps),
            frames=total,
            shots=tuple(self._everything().values()),
            anew=tuple(self.anew),
            outdated=tuple(self.outdated),
            bytes=sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
        )

    def _everything(self) -> dict[str, RenderedShot]:
        found: dict[str, RenderedShot] = {}
        for shot in self.script.board.shots:
            if shot.id in self._transitions:
                found[self._transitions[shot.id].id] = self._transitions[shot.id]
            found[shot.id] = self._shots[shot.id]
        return found

    def _film(self, name: str, *, transition: bool = False) -> Reference:
        return self.shelf.reference(self._transitions[name] if transition else self._shots[name])

    def _relative(self, drawn: RenderedShot, beside: Path) -> str:
        return Path(os.path.relpath(self.shelf.path(drawn), beside.resolve().parent)).as_posix()

    def _label(self) -> Label:
        board, first = self.script.board, self._shots[self.script.board.shots[0].id]
        count = len(board.shots)
        return Label(
            title=board.title or board.shots[0].prompt,
            comment=f"Made by the model {first.model} in Hinode {__version__} from a storyboard of {count} "
            f"{'shot' if count == 1 else 'shots'}." + licences.remark(first.licence),
            facts={
                "generator": f"hinode {__version__}",
                "prompt": board.title,
                "engine": board.engine,
                "model": first.model,
                "seed": board.seed,
                "size": board.size,
                "shots": [
                    {"id": name, "prompt": drawn.prompt, "seed": drawn.seed}
                    for name, drawn in self._everything().items()
                ],
                **licences.stamp(first.licence),
            },
        )


class FilmTimeline:
    """How the shots of a film follow each other, in its frames."""

    def __init__(self, script: ResolvedStoryboard) -> None:
        """
        Args:
            script: the film.

        Raises:
            BadInput: a shot is shorter than a frame.
        """
        board = script.board
        self.script = script
        self.fps = script.fps if board.fps is None else frame_rate(board.fps)
        self.lengths = [round(Fraction(str(shot.seconds)) * self.fps) for shot in board.shots]
        self.overlaps = [round(Fraction(str(shot.transition.overlap)) * self.fps) for shot in board.shots]
        self.overlaps.append(0)
        for shot, length, *overlaps in zip(
            board.shots, self.lengths, self.overlaps, self.overlaps[1:], strict=False
        ):
            if length < 1 or sum(overlaps) > length:
                raise BadInput(
                    f"shots.{shot.id}.seconds: {shot.seconds:g} s are too few frames",
                    "make the shot longer",
                    field=f"shots.{shot.id}.seconds",
                )
        count = sum(self.lengths) - sum(self.overlaps)
        self.timeline = Timeline(self.fps, Fraction(count) / self.fps)

    def frames(self, film: Callable[..., Reference]) -> Iterator[Frames]:
        """The frames of the film, one at a time.

        Args:
            film: the file of a shot by its id, or with `transition` that of the transition that leads to it.
        """
        size, fps = self.script.size, self.fps
        before: FrameReader | None = None
        for index, shot in enumerate(self.script.board.shots):
            current = FrameReader(film(shot.id), fps, size)
            overlap, length = self.overlaps[index], self.lengths[index]
            if overlap and shot.transition.kind == "blend":
                between = FrameReader(film(shot.id, transition=True), fps, size)
                yield from map(between.frame, range(overlap))
            elif before is not None:
                start = self.lengths[index - 1] - overlap
                for step in range(overlap):
                    share = (step + 1) / (overlap + 1)
                    yield crossfade(before.frame(start + step), current.frame(step), share)
            yield from map(current.frame, range(overlap, length - self.overlaps[index + 1]))
            before = current

    def cuts(
        self,
        drawn: Mapping[str, RenderedShot],
        transitions: Mapping[str, RenderedShot],
        files: Mapping[str, str],
    ) -> list[Cut]:
        """The film as an editing program has it: fades are transitions, and what is drawn between two shots
        is a clip of its own.

        Args:
            drawn: shots by id.
            transitions: those that are drawn, by the shot that they lead to.
            files: where the files are, by the id of what is drawn.
        """
        board = self.script.board
        found: list[Cut] = []
        for index, shot in enumerate(board.shots):
            overlap, following = self.overlaps[index], self.overlaps[index + 1]
            after = board.shots[index + 1].transition.kind if following else ""
            faded = bool(overlap) and shot.transition.kind == "fade"
            if overlap and not faded:
                piece = transitions[shot.id]
                found.append(self._cut(piece, files[piece.id], 0, overlap, 0, {"transition": "blend"}))
            start = overlap // 2 if faded else overlap
            end = self.lengths[index] - (following - following // 2 if after == "fade" else following)
            facts = {"transition": shot.transition.kind, "from": board.source(index), "said": shot.prompt}
            one = drawn[shot.id]
            found.append(self._cut(one, files[shot.id], start, end - start, overlap if faded else 0, facts))
        return [cut for cut in found if cut.frames]

    def _cut(
        self, drawn: RenderedShot, file: str, start: int, frames: int, overlap: int, facts: Mapping[str, Any]
    ) -> Cut:
        known = {"id": drawn.id, "prompt": drawn.prompt, "seed": drawn.seed, "model": drawn.model}
        return Cut(
            name=drawn.id,
            file=file,
            file_frames=drawn.frames,
            file_fps=drawn.rate,
            start=start,
            frames=frames,
            overlap=overlap,
            facts={**known, **facts},
            comment=f"{drawn.prompt} (seed {drawn.seed})",
        )


def make(
    board: Storyboard,
    folder: Path,
    shelf: Path,
    path: Path,
    format: str,
    engine: Engine,
    settings: Settings,
    *,
    only: Collection[str] = (),
    watch: Watch = lambda progress: None,
) -> Film:
    """Make a storyboard into a film; see `FilmRenderer.make` for what is raised.

    Args:
        board: the storyboard.
        folder: where the files that it names are.
        shelf: folder of the finished shots.
        path: file to write, or folder for the format "png".
        format: one of `formats.FORMATS`.
        engine: draws; one that is directed.
        settings: of this process.
        only: ids of shots to draw anew.
        watch: told of every step.
    """
    capabilities = engine.capabilities(board.model)
    weights = capabilities.model
    if capabilities.engine == catalog.ENGINE:
        weights = catalog.fingerprint(capabilities.model, settings.models)
    kept = ShotCache(shelf)
    with kept.scratch() as scratch:
        script = ResolvedStoryboard(board, folder, capabilities, scratch)
        production = FilmRenderer(
            script,
            engine,
            kept,
            weights,
            watch=watch,
            checkpoint_seconds=settings.checkpoint_seconds,
        )
        return production.make(path, format, only)
