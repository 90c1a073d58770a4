"""A film being made: its shots and transitions are drawn one after another, each stored once, and joined."""

from __future__ import annotations

import dataclasses
import tempfile
import weakref
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from hinode.clip import Clip, Coverage, Frames, Provenance, Sound
from hinode.directing import sound
from hinode.directing.capabilities import MAX_CONTEXT, MAX_SECONDS
from hinode.directing.films.cache import RenderedShot, ShotCache
from hinode.directing.films.compiler import FilmPlan, ShotRequest, ShotVideo
from hinode.directing.films.timeline import FilmTimeline, Finished
from hinode.directing.layout import MAX_BYTES
from hinode.directing.run import allocate_frames
from hinode.engines import saved_state
from hinode.engines.protocol import Engine, Part, Progress, Run, State, UnusableState, abandon
from hinode.errors import BadInput, EngineError, join_names, quote
from hinode.media.reading import references
from hinode.media.reading.references import FrameReader
from hinode.media.sound import UnusableSound
from hinode.media.timeline import frame_rate
from hinode.request import SOURCE, Reference


@dataclasses.dataclass(frozen=True)
class _Task:
    """A shot or a transition to draw: its id, its key in the cache, about how many steps it takes, how
    often it was requested anew, and where it belongs when it is finished."""

    name: str
    request: ShotRequest
    key: str
    steps: int
    take: int
    target: tuple[dict[str, RenderedShot], str]


class FilmRun:
    """See `Run`. Between two steps it is the shots in its cache, and the run of the current one."""

    def __init__(
        self,
        plan: FilmPlan,
        engine: Engine,
        cache: ShotCache,
        weights: str,
        *,
        only: Collection[str] = (),
        state: State | None = None,
    ) -> None:
        """
        Args:
            engine: draws, directed.
            cache: stores the shots; those that it has are not drawn again.
            weights: see `ShotRequest.key`.
            only: ids of shots to draw anew; all others stay as they are. Empty for those that have changed.
            state: where to go on from.

        Raises:
            BadInput: the film cannot be made.
            UnusableState: the state is not one of this film.
        """
        self.plan = plan
        self.engine = engine
        self.cache = cache
        self.weights = weights
        self.only = only
        self.timeline = FilmTimeline(plan)
        self.shots: dict[str, RenderedShot] = {}
        self.transitions: dict[str, RenderedShot] = {}  # by the id of the shot that they lead to
        self.rendered: list[str] = []  # ids of what this run drew
        self.outdated: list[str] = []  # ids of shots that were left as they are because of `only`
        self._ids = tuple(shot.id for shot in plan.board.shots)
        unknown = next((name for name in only if name not in self._ids), None)
        if unknown is not None:
            remedy = f"choose {join_names(self._ids, 'or')}"
            raise BadInput(f"there is no shot {quote(unknown)}", remedy, field="only")
        self._steps = {
            index: engine.estimate(plan.base_request(index)).steps
            for index, shot in enumerate(plan.board.shots)
            if shot.video is None
        }
        self._done, self._total = 0, sum(self._steps.values())
        self._tasks = self._missing()
        self._task: _Task | None = None
        self._run: Run | None = None
        self._finished = False
        if state is not None:
            self._restore(state)

    # The run

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`."""
        if self._task is not None:
            yield from self._draw(self._task)
        for task in self._tasks:  # found one by one: a shot that goes on from another needs its frames
            self._task = task
            yield from self._draw(task)
        self._finished = True
        yield Progress("sample", self._total, max(1, self._total))

    def _draw(self, task: _Task) -> Iterator[Progress]:
        if self._run is None:
            try:
                self._run = self.engine.start(task.request.request, self.cache.saved(task.key))
            except UnusableState:
                self.cache.discard(task.key)
                self._run = self.engine.start(task.request.request)
        for progress in self._run:
            if progress.stage == "sample":
                done = self._done + task.steps * progress.done // max(1, progress.total)
                yield Progress("sample", done, max(1, self._total), progress.preview)
        clip = self._run.clip()
        frames = clip.frames[task.request.head :][: task.request.count]
        self._finish(task, self.cache.put(_rendered_shot(task, clip, frames), frames, task.take))
        self.rendered.append(task.name)
        self._run = self._task = None

    def _finish(self, task: _Task, shot: RenderedShot) -> None:
        shots, name = task.target
        shots[name] = shot
        self._done += task.steps

    def abandon(self) -> None:
        """Give up the shot that is being drawn, wherever that goes on."""
        if self._run is not None:
            abandon(self._run)

    # What is drawn

    def _missing(self) -> Iterator[_Task]:
        """The shots and then the transitions that are not in the cache, in the order to draw them."""
        board = self.plan.board
        for index in board.order():
            if board.shots[index].video is None:
                yield from self._shot(index)
        for index in range(1, len(board.shots)):
            if board.transition(index).kind == "blend":
                yield from self._transition(index)

    def _shot(self, index: int) -> Iterator[_Task]:
        shot, cache = self.plan.board.shots[index], self.cache
        context, count = self._context(index)

        def task(take: int) -> _Task:
            request = self.plan.shot_request(index, take, context, count)
            key = request.key(shot.id, self.weights)
            return _Task(shot.id, request, key, self._steps[index], take, (self.shots, shot.id))

        current = task(cache.take(shot.id))
        if self.only and shot.id not in self.only:
            stored = cache.current(shot.id)
            if stored is None:
                name = f"the shot {quote(shot.id)}"
                message = f"{name} is not drawn yet, so there is no film to put others into"
                raise BadInput(message, "draw all of them first", field="only")
            if stored.key != current.key:
                self.outdated.append(shot.id)
            self._finish(current, stored)
            return
        if self.only and cache.find(current.key) is not None:
            current = task(current.take + 1)
        yield from self._unless_stored(current)

    def _transition(self, index: int) -> Iterator[_Task]:
        before, after = self._ids[index - 1], self._ids[index]
        name = f"{before}+{after}"
        request = self.plan.transition_request(index, self.video(before), self.video(after))
        key, steps = request.key(name, self.weights), self.engine.estimate(request.request).steps
        self._total += steps
        yield from self._unless_stored(_Task(name, request, key, steps, 0, (self.transitions, after)))

    def _unless_stored(self, task: _Task) -> Iterator[_Task]:
        stored = self.cache.find(task.key)
        if stored is None:
            yield task
        else:
            self.cache.choose(stored)
            self._finish(task, stored)

    def _context(self, index: int) -> tuple[Reference | None, int]:
        """The last frames of what a shot goes on from, in a file, and how many they are."""
        plan, source = self.plan, self.plan.board.source(index)
        if source is None:
            return None, 0
        fps, size = plan.native_fps, plan.native_size
        if source in self._ids and source not in self.shots:  # a shot that shows a part of a video
            part, seconds = self.video(source), plan.board.shots[self._ids.index(source)].seconds
            count = min(MAX_CONTEXT, round(seconds * float(fps)))
            reader = FrameReader(part.reference, fps, size, part.start)
            frames = reader.read(seconds - count / float(fps), count)
        else:
            shot = self.shots.get(source)
            video = self.cache.reference(shot) if shot else plan.files.videos[source].reference()
            frames = references.last_frames(video, fps, MAX_CONTEXT, size)
        return references.save_frames(frames, fps, SOURCE, self._scratch), len(frames)

    @cached_property
    def _scratch(self) -> Path:
        """A folder for what shots go on from; it is removed with the run."""
        folder = tempfile.TemporaryDirectory(prefix="hinode-")
        weakref.finalize(self, folder.cleanup)
        return Path(folder.name)

    # The end

    def video(self, name: str) -> ShotVideo:
        """The video of a shot that is finished, or shows a part of a video, by its id."""
        if name in self.shots:
            return self.rendered_video(self.shots[name])
        part = self.plan.board.shots[self._ids.index(name)]
        video = self.plan.files.videos[part.video or ""]
        fps = video.fps or self.timeline.fps
        return ShotVideo(video.reference(), part.start, round(video.seconds * fps), fps)

    def rendered_video(self, shot: RenderedShot) -> ShotVideo:
        """The video of a shot or a transition that was drawn."""
        return ShotVideo(self.cache.reference(shot), 0.0, shot.frames, shot.rate, shot.upscaler)

    def sound(self) -> Sound | None:
        """What is heard in the videos that the film shows, or None if they have no sound.

        Raises:
            BadInput: one has sound that cannot be decoded.
        """
        videos = {name: self.video(name) for name in self._ids}
        files = {video.reference.digest: video.reference for video in videos.values()}
        try:
            return sound.join(self.timeline.segments(videos), files.__getitem__)
        except UnusableSound as error:
            remedy = "save it with sound as AAC, or without sound"
            raise BadInput(f"a video of the film has sound that {error}", remedy, field="shots") from error

    def frames(self, finished: Finished | None = None) -> Iterator[Frames]:
        """The frames of the finished film at its own size, one at a time; EngineError before that. For
        `finished` see `FilmTimeline.frames`."""
        if not self._finished:
            raise EngineError("the film is not finished", "run all steps first")
        transitions = {name: self.rendered_video(shot) for name, shot in self.transitions.items()}
        return self.timeline.frames({name: self.video(name) for name in self._ids}, transitions, finished)

    @property
    def coverage(self) -> Coverage | None:
        """See `Clip.coverage`; of a film that shows footage too, nothing counts as drawn."""
        return None if self.shots.keys() >= set(self._ids) else lambda index: False

    def clip(self) -> Clip:
        """See `Run.clip`.

        Raises:
            BadInput: the film is too long or too large to be one clip; `frames` still gives it.
        """
        timeline, (width, height) = self.timeline.timeline, self.plan.size
        if timeline.seconds > MAX_SECONDS or timeline.frames * width * height * 3 > MAX_BYTES:
            message = f"a film of {float(timeline.seconds):g} s at {width}x{height} is too long for one clip"
            remedy = f"make it shorter or smaller: {MAX_SECONDS:g} s and {MAX_BYTES / 1e9:.0f} GB at most"
            raise BadInput(message, remedy, field="shots")
        source = self.frames()
        frames = allocate_frames((timeline.frames, height, width, 3))
        for index, frame in enumerate(source):
            frames[index] = frame
        shots = [*self.shots.values(), *self.transitions.values()]
        provenance = Provenance(
            engine=self.engine.name,
            model=self.plan.capabilities.model,
            seed=self.plan.board.seed,
            steps=self._total,
            native_size=self.plan.native_size,
            stage_seconds={"sample": sum(shot.stage_seconds for shot in shots)},
            not_understood=tuple(dict.fromkeys(word for shot in shots for word in shot.not_understood)),
            read_as=f"a film of {len(self._ids)} shots",
            licence=shots[0].licence,
        )
        return Clip(frames, float(timeline.fps), provenance, self.sound(), self.coverage)

    # Saved and restored

    def checkpoint(self) -> None:
        """Store the state of the current shot in the cache, where the next run finds it."""
        if self._run is not None and self._task is not None:
            self.cache.save(self._task.key, self._run.state())

    def state(self) -> State:
        """See `Run.state`; each finished shot is a part of it."""
        shots = [*self.shots.values(), *self.transitions.values()]
        parts: dict[str, Part] = {shot.key: self.cache.path(shot).read_bytes for shot in shots}
        inner, key, step = None, "", self._done
        if self._run is not None and self._task is not None:
            inner, key = self._run.state(), self._task.key
            step += min(inner.step, self._task.steps)
            parts |= {f"{key}/{name}": part for name, part in inner.parts.items()}
        values = {
            "shots": [dataclasses.asdict(shot) for shot in shots],
            "key": key,
            "shot": None if inner is None else saved_state.to_bytes(inner),
        }
        return saved_state.save(self.engine.name, step, self._identity, values, parts)

    def _restore(self, state: State) -> None:
        """Put what a state brings into the cache, where the run then finds it."""
        values = saved_state.restore(state, self.engine.name, self._identity)
        key = values["key"]
        try:
            for shot in values["shots"]:
                self.cache.add(RenderedShot.of(shot), state.parts[shot["key"]]())
            if values["shot"] is not None:
                inner = saved_state.from_bytes(values["shot"], lambda name: state.parts[f"{key}/{name}"]())
                self.cache.save(key, inner)
        except (OSError, KeyError) as error:
            raise UnusableState("a part of the saved run is missing") from error

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What a state has to agree with to be continued here."""
        files = self.plan.files
        pictures = [picture.digest for shot in files.pictures.values() for picture in shot]
        return {
            "board": self.plan.board.model_dump(mode="json"),
            "weights": self.weights,
            "files": [*(video.digest for video in files.videos.values()), *pictures],
        }


def _rendered_shot(task: _Task, clip: Clip, frames: Frames) -> RenderedShot:
    """What is known of a shot that was just drawn, but for its file."""
    provenance = clip.provenance
    return RenderedShot(
        id=task.name,
        key=task.key,
        file="",
        digest="",
        frames=len(frames),
        fps=str(frame_rate(clip.fps)),
        seed=provenance.seed,
        prompt=task.request.request.prompt,
        model=provenance.model,
        not_understood=provenance.not_understood,
        read_as=provenance.read_as,
        licence=provenance.licence,
        upscaler=provenance.upscaler,
        stage_seconds=round(sum(provenance.stage_seconds.values()), 3),
    )
