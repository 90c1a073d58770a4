"""How the shots of a film follow each other, in its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from hinode.clip import Frames
from hinode.directing.films.cache import RenderedShot
from hinode.directing.films.compiler import FilmPlan, ShotVideo
from hinode.directing.operations import crossfade
from hinode.errors import BadInput
from hinode.media.editorial import Cut
from hinode.media.references import FrameReader
from hinode.media.resize import fit_finished, fit_frame
from hinode.media.timeline import Timeline, frame_rate
from hinode.request import Segment, Size


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

    def reader(self, video: ShotVideo) -> FrameReader:
        """What a video shows, at the rate and size of the film."""
        resize = _enlarge if video.upscaler else fit_frame
        return FrameReader(video.reference, self.fps, self.plan.size, video.start, resize)

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
        self, videos: Mapping[str, ShotVideo], transitions: Mapping[str, ShotVideo]
    ) -> Iterator[Frames]:
        """The frames of the film, one at a time, from its shots by id and the drawn transitions by the id of
        the shot that they lead to."""
        before: FrameReader | None = None
        for index, shot in enumerate(self.plan.board.shots):
            video = videos[shot.id]
            current = self.reader(video)
            overlap, length = self.overlaps[index], self.lengths[index]
            if shot.id in transitions:
                between = self.reader(transitions[shot.id])
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
                drawn has files at the rate of the film, with so many frames as `clip_frames` says.
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

    def clip_frames(self, shot: RenderedShot) -> int:
        """How many frames of the film a shot has, with what is faded or left out of it."""
        return max(1, round(shot.frames / shot.rate * self.fps))

    def _cut(self, shot: RenderedShot, file: str, start: int, frames: int, facts: Mapping[str, Any]) -> Cut:
        rendered = {"id": shot.id, "prompt": shot.prompt, "seed": shot.seed, "model": shot.model}
        return Cut(
            name=shot.id,
            file=file,
            file_frames=self.clip_frames(shot),
            file_fps=self.fps,
            start=start,
            frames=frames,
            facts={**rendered, **facts},
            comment=f"{shot.prompt} (seed {shot.seed})",
        )


def _enlarge(frame: Frames, size: Size) -> Frames:
    from hinode.engines.native import upscaling

    larger = upscaling.upscale(frame[None], size)[0]
    return np.asarray(fit_finished(Image.fromarray(larger), size))
