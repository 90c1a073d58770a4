"""Where everything lies in a directed clip, counted in frames: decided before anything is drawn."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np

from hinode.directing import windows
from hinode.directing.capabilities import context as context_of
from hinode.directing.windows import Window
from hinode.engines.native.expansion import expand_prompt
from hinode.errors import BadInput
from hinode.media.resize import nearest_size
from hinode.media.timeline import frame_rate
from hinode.request import (
    CHARACTER,
    CONTEXT_VIDEO,
    FIRST_FRAME,
    GUIDE_VIDEO,
    KEYFRAME,
    LAST_FRAME,
    MASK,
    MAX_SEED,
    Capabilities,
    Reference,
    Request,
    Segment,
    Size,
    Trajectory,
)

HEAD, TAIL = "head", "tail"
"""What stands for the frames before and after a window, as long as they are not there."""

UNSEEN = "a clip"
"""What a source shows, as long as nobody has looked at it."""

MP4 = "video/mp4"
MAX_BYTES = 2**33
"""Frames of a clip that footage is kept in."""


@dataclass(frozen=True)
class Layout:
    """The plan of a directed clip.

    Attributes:
        request: what is asked for.
        able: what the engine that draws can do by itself.
        segments: what the clip consists of.
    """

    request: Request
    capabilities: Capabilities
    segments: tuple[Segment, ...]

    @cached_property
    def fps(self) -> Fraction:
        """Frames per second that are drawn."""
        return frame_rate(self.capabilities.native_fps[0])

    @cached_property
    def size(self) -> Size:
        """Width and height of the frames while they are worked on: what the model draws, if that is known."""
        return nearest_size(self.capabilities.native_sizes, self.request.size)

    @cached_property
    def edges(self) -> list[int]:
        """Where each segment begins, in frames, and where the last one ends."""
        moments = np.cumsum([0.0, *(segment.seconds for segment in self.segments)])
        marks = [round(Fraction(str(round(float(moment), 6))) * self.fps) for moment in moments]
        marks[-1] = max(1, math.ceil(round(float(moments[-1]) * float(self.fps), 6)))
        if any(after <= before for before, after in pairwise(marks)):
            raise BadInput(
                "a part of the clip is shorter than a frame",
                f"give each {float(1 / self.fps):.3g} s or more",
                field="seconds",
            )
        return marks

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return self.edges[-1]

    @property
    def context(self) -> int:
        """Frames that a window is given of its neighbour."""
        return context_of(self.capabilities)

    @cached_property
    def windows(self) -> list[Window]:
        """What is drawn, in that order."""
        most = math.floor(round(self.capabilities.seconds[1] * float(self.fps), 6))
        found: list[Window] = []
        for index, segment in enumerate(self.segments):
            if segment.keep:
                continue
            length = self.edges[index + 1] - self.edges[index]
            found += windows.split(
                index, length, most, self.context, before=self._before(index), after=self._after(index)
            )
        return found

    def _before(self, index: int) -> int:
        if index == 0 or self.segments[index].cut:
            return 0
        return self.edges[index] - self.edges[index - 1]

    def _after(self, index: int) -> int:
        last = index == len(self.segments) - 1
        if last and self.request.looped and index > 0:
            return self.edges[1]
        if last or CONTEXT_VIDEO not in self.capabilities.references:
            return 0
        following = self.segments[index + 1]
        return self.edges[index + 2] - self.edges[index + 1] if following.keep and not following.cut else 0

    def guided(self, segment: Segment) -> bool:
        """Whether a segment is drawn over footage; a model that cannot do that draws it without."""
        return bool(segment.guide) and segment.strength < 1 and GUIDE_VIDEO in self.capabilities.references

    @property
    def edits(self) -> bool:
        """Whether only what the prompt says otherwise than the source shows is changed, for which the model
        is told what that is."""
        request = self.request
        plain = request.operation in ("remix", "edit") and not request.segments and self.mask is None
        return plain and self.capabilities.expands and self.guided(self.segments[0])

    def _pictures(self, window: Window) -> tuple[Reference, ...]:
        """The pictures of the request that fall into a window, at their moments in it."""
        first = self.first(window)
        found = []
        for reference in self.request.references:
            frame = round(reference.at * float(self.fps))
            if reference.role == LAST_FRAME:
                frame = self.frames - 1
            elif reference.role not in (FIRST_FRAME, KEYFRAME):
                continue
            if first + window.head <= frame < first + window.head + window.new:
                found.append(dataclasses.replace(reference, at=(frame - first) / float(self.fps)))
        return tuple(found)

    def prompt(self, segment: Segment, camera: Trajectory) -> str:
        """What is drawn in a segment, in words. What they leave open is said once for the whole clip: each
        window has a seed of its own and would choose for itself."""
        request, words = self.request, segment.prompt or self.request.prompt
        if not (request.expand and self.capabilities.expands):
            return words
        return expand_prompt(words, request.seed, motion=not request.path, camera=camera)

    @property
    def mask(self) -> Reference | None:
        """What says which part of the footage is drawn anew, if anything does."""
        return self.request.reference(MASK)

    def count(self, fps: Fraction) -> int:
        """Frames of the whole clip at another rate."""
        return max(1, -(-round(Fraction(str(self.request.seconds)) * fps * 10**6) // 10**6))

    def stand_ins(self, window: Window) -> tuple[Reference, ...]:
        """What a window is given beside the pictures of the request, without the files."""
        segment = self.segments[window.segment]
        fps, body = float(self.fps), window.head / float(self.fps)
        if CONTEXT_VIDEO not in self.capabilities.references:
            given = [Reference(FIRST_FRAME, HEAD, "image/png")] * bool(window.head)
        else:
            given = [Reference(CONTEXT_VIDEO, HEAD, MP4)] * bool(window.head)
            end = (window.head + window.new) / fps
            given += [Reference(CONTEXT_VIDEO, TAIL, MP4, at=end)] * bool(window.tail)
            if segment.guide and self.mask is not None:
                given += [
                    Reference(CONTEXT_VIDEO, "under", MP4, at=body),
                    Reference(MASK, "mask", MP4, at=body),
                ]
        if self.guided(segment):
            given.append(Reference(GUIDE_VIDEO, "guide", MP4))
        return tuple(given)

    def check(self) -> None:
        """See that it can be made, before anything of it is.

        Raises:
            BadInput: it cannot; the sentence says which part of it, and why.
        """
        capabilities, request = self.capabilities, self.request
        if not self.windows:
            raise BadInput(
                "nothing of the clip would be drawn", "leave a part of it to be drawn", field="segments"
            )
        if request.sound:
            raise BadInput(
                "a clip that is put together has no sound yet", "ask for it without", field="sound"
            )
        for before, after in pairwise(self.segments):
            if (
                after.keep
                and not before.keep
                and not after.cut
                and CONTEXT_VIDEO not in capabilities.references
            ):
                raise BadInput(
                    f"the model {capabilities.model} can go on from footage and not lead to it",
                    "ask for a model that takes footage",
                    field="operation",
                )
        if request.looped and CONTEXT_VIDEO not in capabilities.references:
            raise BadInput(
                f"the model {capabilities.model} cannot lead back to the beginning of a clip",
                "ask for a model that takes footage",
                field="operation",
            )
        fps = frame_rate(request.fps) if request.fps is not None else max(self.fps, Fraction(30))
        size = self.count(fps) * request.width * request.height * 3
        if any(segment.keep for segment in self.segments) and size > MAX_BYTES:
            raise BadInput(
                f"the frames of {request.seconds:g} s at {request.width}x{request.height} would take "
                f"{size / 1e9:.0f} GB",
                f"ask for a shorter or smaller clip, of {MAX_BYTES / 1e9:.0f} GB at most",
                field="size",
            )
        for index, window in enumerate(self.windows):
            self.asked(index, self.stand_ins(window)).check(capabilities)

    def first(self, window: Window) -> int:
        """First frame that a window shows, its context included; below 0 is before the clip."""
        return self.edges[window.segment] + window.start - window.head

    def asked(self, index: int, references: tuple[Reference, ...]) -> Request:
        """What the engine is asked for, for one window.

        Args:
            index: of the window.
            references: footage that the window is given.
        """
        request, window = self.request, self.windows[index]
        segment, first = self.segments[window.segment], self.first(window)
        pictures = self._pictures(window)
        begin, end = first / float(self.fps), (first + window.frames) / float(self.fps)
        camera = _cut(
            request.camera,
            begin,
            end,
            lambda values, start: (values[0] - start[0], values[1] / start[1]),
        )
        characters = tuple(one for one in request.references if one.role == CHARACTER)
        return dataclasses.replace(
            request,
            operation="generate",
            prompt=self.prompt(segment, camera),
            expand=False,
            seconds=window.frames / float(self.fps),
            fps=None,
            seed=request.seed if index == 0 else _seed(request.seed, index),
            references=references + pictures + characters,
            strength=segment.strength if self.guided(segment) else None,
            guide_prompt=UNSEEN if self.edits else "",
            path=_cut(request.path, begin, end, lambda values, start: values),
            camera=camera,
            segments=(),
            looped=False,
        )


Pair = tuple[float, float]


def _cut(track: Trajectory, begin: float, end: float, since: Callable[[Pair, Pair], Pair]) -> Trajectory:
    """The part of a track within a window, its moments counted from there; empty if it has none there."""
    if not track or end <= track[0][0] or begin > track[-1][0]:
        return ()
    moments = [point[0] for point in track]

    def at(moment: float) -> Pair:
        one, other = (float(np.interp(moment, moments, [point[k] for point in track])) for k in (1, 2))
        return one, other

    inside = sorted({max(begin, 0.0), end, *(moment for moment in moments if begin < moment < end)})
    start = at(inside[0])
    return tuple((moment - begin, *since(at(moment), start)) for moment in inside)


def _seed(seed: int, index: int) -> int:
    """A seed of its own for each window: equal noise would make them alike."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (MAX_SEED + 1)
