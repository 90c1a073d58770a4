"""How the shots of a film follow each other, in its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from hinode.clip import Frames
from hinode.directing.films.cache import RenderedShot
from hinode.directing.films.compiler import FilmPlan, ShotVideo
from hinode.directing.operations import crossfade
from hinode.directing.run import allocate_frames
from hinode.errors import BadInput
from hinode.media.reading.references import FrameReader
from hinode.media.resize import fit_finished, fit_frame
from hinode.media.timeline import Timeline, frame_rate
from hinode.media.writing.editorial import Cut
from hinode.request import Reference, Segment, Size

Finished = Callable[[str, FrameReader], None]
"""Called with the id of a shot or a transition, and what reads its frames."""


class FilmTimeline:
    """The shots and transitions of a film by frames.

    Raises:
        BadInput: a shot is shorter than a frame.
    """

    def __init__(self, plan: FilmPlan) -> None:
        board = plan.board
        self.plan = plan
        self.fps = plan.native_fps if board.fps is None else frame_rate(board.fps)
        self.lengths = [round(Fraction(str(shot.seconds)) * self.fps) for shot in board.shots]
        self.overlaps = [
            round(Fraction(str(board.transition(index).overlap)) * self.fps)
            for index in range(len(board.shots))
        ]
        self.overlaps.append(0)
        for index, shot in enumerate(board.shots):
            if self.lengths[index] < max(1, self.overlaps[index] + self.overlaps[index + 1]):
                field = f"shots.{shot.id}.seconds"
                message = f"{field}: {shot.seconds:g} s are too few frames"
                raise BadInput(message, "make the shot longer", field=field)
        count = sum(self.lengths) - sum(self.overlaps)
        self.timeline = Timeline(self.fps, Fraction(count) / self.fps)

    def reader(self, video: ShotVideo, *, twice: bool = False) -> FrameReader:
        """What a video shows, at the rate and size of the film; frames that are read `twice` are enlarged
        by a network once."""
        place = video.reference, self.fps, self.plan.size, video.start
        if not video.upscaler:
            return FrameReader(*place, fit_frame)
        if not twice:
            return FrameReader(*place, _enlarge)
        return EnlargedVideo(*place, _enlarge, self.count(video.frames, video.fps))

    def count(self, frames: int, rate: Fraction) -> int:
        """How many frames of the film a video of so many at a rate has, with what is faded or left out."""
        return max(1, round(frames / rate * self.fps))

    def segments(self, videos: Mapping[str, ShotVideo]) -> tuple[Segment, ...]:
        """The film by what is seen of the videos of its shots, by id; a drawn transition has a segment
        without any."""
        segments: list[Segment] = []
        for index, shot in enumerate(self.plan.board.shots):
            video, overlap = videos[shot.id], self.overlaps[index]
            if overlap:
                before = videos[self.plan.board.shots[index - 1].id]
                leave = before.start + (self.lengths[index - 1] - overlap) / float(self.fps)
                digests = before.reference.digest, video.reference.digest
                segments.append(
                    Segment(
                        overlap / float(self.fps),
                        guide=digests[0],
                        start=leave,
                        onto=digests[1],
                        onto_start=video.start,
                    )
                    if self.plan.board.transition(index).kind == "fade"
                    else Segment(overlap / float(self.fps))
                )
            own = self.lengths[index] - overlap - self.overlaps[index + 1]
            begin = video.start + overlap / float(self.fps)
            segments.append(Segment(own / float(self.fps), keep=video.reference.digest, start=begin))
        return tuple(segment for segment in segments if segment.seconds > 0)

    def frames(
        self,
        videos: Mapping[str, ShotVideo],
        transitions: Mapping[str, ShotVideo],
        finished: Finished | None = None,
    ) -> Iterator[Frames]:
        """The frames of the film, one at a time, from its shots by id and the drawn transitions by the id of
        the shot that they lead to; `finished` is called when the film has passed one of them."""
        before: FrameReader | None = None
        for index, shot in enumerate(self.plan.board.shots):
            current = self.reader(videos[shot.id], twice=finished is not None)
            overlap, length = self.overlaps[index], self.lengths[index]
            if shot.id in transitions:
                between = self.reader(transitions[shot.id], twice=finished is not None)
                yield from map(between.frame, range(overlap))
                if finished is not None:
                    finished(f"{self.plan.board.shots[index - 1].id}+{shot.id}", between)
            elif before is not None:
                start = self.lengths[index - 1] - overlap
                for step in range(overlap):
                    share = (step + 1) / (overlap + 1)
                    yield crossfade(before.frame(start + step), current.frame(step), share)
            if finished is not None and before is not None:
                finished(self.plan.board.shots[index - 1].id, before)
            yield from map(current.frame, range(overlap, length - self.overlaps[index + 1]))
            before = current
        if finished is not None and before is not None:
            finished(self.plan.board.shots[-1].id, before)

    def cuts(
        self,
        videos: Mapping[str, ShotVideo],
        files: Mapping[str, str],
        shots: Mapping[str, RenderedShot],
        transitions: Mapping[str, RenderedShot],
    ) -> list[Cut]:
        """The film as an editing program has it: a fade is a transition, and what is drawn between two shots
        is a clip of its own.

        Args:
            videos: see `frames`.
            files: the names of their files, by id; those of transitions by the id of the transition. What was
                drawn has files at the rate of the film, with so many frames as `count` says.
            shots, transitions: what is known of those that were drawn, by the ids of `frames`.
        """
        board = self.plan.board
        cuts: list[Cut] = []
        for index, shot in enumerate(board.shots):
            overlap, following = self.overlaps[index], self.overlaps[index + 1]
            fades = board.transition(index).kind == "fade"
            if shot.id in transitions:
                between = transitions[shot.id]
                cuts.append(self._cut(between, files[between.id], 0, overlap, {"transition": "blend"}))
            start = overlap // 2 if fades else overlap
            end = self.lengths[index] - following
            if following and board.transition(index + 1).kind == "fade":
                end += following // 2
            facts = {
                "transition": board.transition(index).kind,
                "from": board.source(index),
                "said": shot.prompt,
            }
            if shot.id in shots:
                cut = self._cut(shots[shot.id], files[shot.id], start, end - start, facts)
            else:
                video = videos[shot.id]
                first = start + round(Fraction(str(video.start)) * self.fps)
                cut = Cut(shot.id, files[shot.id], video.frames, video.fps, first, end - start, facts=facts)
            cuts.append(dataclasses.replace(cut, overlap=overlap if fades else 0))
        return [cut for cut in cuts if cut.frames]

    def _cut(self, shot: RenderedShot, file: str, start: int, frames: int, facts: Mapping[str, Any]) -> Cut:
        rendered = {"id": shot.id, "prompt": shot.prompt, "seed": shot.seed, "model": shot.model}
        return Cut(
            name=shot.id,
            file=file,
            file_frames=self.count(shot.frames, shot.rate),
            file_fps=self.fps,
            start=start,
            frames=frames,
            facts={**rendered, **facts},
            comment=f"{shot.prompt} (seed {shot.seed})",
        )


class EnlargedVideo(FrameReader):
    """A reader that stores its first `count` frames, in memory or in a file."""

    def __init__(
        self,
        reference: Reference,
        fps: Fraction,
        size: Size,
        start: float,
        resize: Callable[[Frames, Size], Frames],
        count: int,
    ) -> None:
        super().__init__(reference, fps, size, start, resize)
        self._stored = allocate_frames((count, size[1], size[0], 3))
        self._known: set[int] = set()

    def frame(self, index: int) -> Frames:
        """See `FrameReader.frame`."""
        if index not in self._known:
            frame = super().frame(index)
            if not 0 <= index < len(self._stored):
                return frame
            self._stored[index] = frame
            self._known.add(index)
        stored: Frames = self._stored[index]
        return stored


def _enlarge(frame: Frames, size: Size) -> Frames:
    from hinode.engines.native import upscaling

    larger = upscaling.upscale(frame[None], size)[0]
    return np.asarray(fit_finished(Image.fromarray(larger), size))
