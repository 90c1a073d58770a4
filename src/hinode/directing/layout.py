"""Where everything lies in a directed clip, counted in frames: decided before anything is drawn."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np

from hinode.directing import scene_plans, windows
from hinode.directing.capabilities import context_frames, takes_context_video, window_frames
from hinode.directing.windows import Window
from hinode.errors import BadInput, Fault, raise_first
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
    PLAN,
    Capabilities,
    Reference,
    Request,
    Segment,
    Size,
    Trajectory,
)

HEAD, TAIL, BASE = "head", "tail", "base"
"""Digests of placeholders for the frames before a window, after it, and under it."""

MP4 = "video/mp4"
MAX_PLAN_SECONDS = 60.0
"""As `world.book.plan.MAX_SECONDS`, which needs torch."""
MAX_BYTES = 2**33
"""Memory for the frames of a clip that is partly kept from videos."""


@dataclass(frozen=True)
class Layout:
    """The plan of a directed clip; `capabilities` are those of the engine that draws, alone."""

    request: Request
    capabilities: Capabilities
    segments: tuple[Segment, ...]

    @cached_property
    def fps(self) -> Fraction:
        """Frames per second at which the model draws."""
        return frame_rate(self.capabilities.native_fps[0])

    @cached_property
    def size(self) -> Size:
        """Width and height of the frames before the clip is finished: the model's own size, if it has one."""
        return nearest_size(self.capabilities.native_sizes, self.request.size)

    def marks(self, fps: Fraction) -> list[int]:
        """Where each segment begins, in frames at a rate, and where the last one ends."""
        moments = np.cumsum([0.0, *(segment.seconds for segment in self.segments)])
        return [round(Fraction(str(round(float(moment), 6))) * fps) for moment in moments]

    @cached_property
    def edges(self) -> list[int]:
        """Where each segment begins, in frames at the model's rate, and where the last one ends.

        Raises:
            BadInput: a segment is shorter than a frame.
        """
        marks = self.marks(self.fps)
        seconds = sum(segment.seconds for segment in self.segments)
        marks[-1] = max(1, math.ceil(round(seconds * float(self.fps), 6)))
        if any(after <= before for before, after in pairwise(marks)):
            remedy = f"give each {float(1 / self.fps):.3g} s or more"
            raise BadInput("a part of the clip is shorter than a frame", remedy, field="seconds")
        return marks

    @property
    def frames(self) -> int:
        """Frames of the whole clip at the model's rate."""
        return self.edges[-1]

    def count(self, fps: Fraction) -> int:
        """Frames of the whole clip at another rate."""
        return max(1, -(-round(Fraction(str(self.request.seconds)) * fps * 10**6) // 10**6))

    @cached_property
    def windows(self) -> list[Window]:
        """What is drawn, in that order."""
        maximum, context = window_frames(self.capabilities), context_frames(self.capabilities)
        return [
            window
            for index, segment in enumerate(self.segments)
            if not segment.keep
            for window in windows.split(
                index,
                self.edges[index + 1] - self.edges[index],
                maximum,
                context,
                before=self._frames_before(index),
                after=self._frames_after(index),
            )
        ]

    def _frames_before(self, index: int) -> int:
        """Frames that a segment continues from."""
        if index == 0 or self.segments[index].cut:
            return 0
        return self.edges[index] - self.edges[index - 1]

    def _frames_after(self, index: int) -> int:
        """Frames that a segment leads to."""
        last = index == len(self.segments) - 1
        if last and self.request.looped and index > 0:
            return self.edges[1]
        if last or not takes_context_video(self.capabilities):
            return 0
        following = self.segments[index + 1]
        return self.edges[index + 2] - self.edges[index + 1] if following.keep and not following.cut else 0

    def is_guided(self, segment: Segment) -> bool:
        """Whether a segment is drawn over a video; a model that cannot do that draws it without."""
        return bool(segment.guide) and segment.strength < 1 and GUIDE_VIDEO in self.capabilities.references

    @property
    def mask(self) -> Reference | None:
        """What says which part of the video is drawn anew, if anything does."""
        return self.request.reference(MASK)

    def first_frame(self, window: Window) -> int:
        """First frame that a window shows, its context included; below 0 is before the clip."""
        return self.edges[window.segment] + window.start - window.head

    def placeholders(self, window: Window) -> tuple[Reference, ...]:
        """What a window is given beside the pictures of the request: references without files. Their digests
        say what belongs into them: `HEAD`, `TAIL`, `BASE`, or their role."""
        segment = self.segments[window.segment]
        fps = float(self.fps)
        begin, end = window.head / fps, (window.head + window.new) / fps
        references: list[Reference] = []
        if not takes_context_video(self.capabilities):
            if window.head:
                references.append(Reference(FIRST_FRAME, HEAD, "image/png"))
        else:
            if window.head:
                references.append(Reference(CONTEXT_VIDEO, HEAD, MP4))
            if window.tail:
                references.append(Reference(CONTEXT_VIDEO, TAIL, MP4, at=end))
            if segment.guide and self.mask is not None:
                references.append(Reference(CONTEXT_VIDEO, BASE, MP4, at=begin))
                references.append(Reference(MASK, MASK, MP4, at=begin))
        if self.is_guided(segment):
            references.append(Reference(GUIDE_VIDEO, GUIDE_VIDEO, MP4))
        return tuple(references)

    def window_request(self, index: int, references: tuple[Reference, ...], plan: str = "") -> Request:
        """The request to the engine for window `index`, which gets `references` (see `placeholders`) and the
        pictures of the whole request. `plan`: see `window_plan`."""
        request, window = self.request, self.windows[index]
        segment, first = self.segments[window.segment], self.first_frame(window)
        begin, end = first / float(self.fps), (first + window.frames) / float(self.fps)
        camera = _part(request.camera, begin, end, relative=True)
        characters = tuple(reference for reference in request.references if reference.role == CHARACTER)
        return dataclasses.replace(
            request,
            operation="generate",
            prompt=segment.prompt or request.prompt,
            seconds=window.frames / float(self.fps),
            fps=None,
            seed=request.seed if index == 0 else derive_seed(request.seed, str(index)),
            references=references + self._pictures(window) + characters,
            strength=segment.strength if self.is_guided(segment) else None,
            path=_part(request.path, begin, end),
            camera=camera,
            plan=plan,
            negative_prompt="" if plan else request.negative_prompt,  # the plan excludes it already
            sound=False if self.plans_scenes else request.sound,  # it is made of the whole plan
            segments=(),
            looped=False,
        )

    @property
    def plans_scenes(self) -> bool:
        """Whether the model draws from scene plans."""
        return PLAN in self.capabilities.controls

    @cached_property
    def scene_plans(self) -> scene_plans.Plans:
        """See `scene_plans.plan_segments`."""
        return scene_plans.plan_segments(self) if self.plans_scenes and self.windows else ()

    def window_plan(self, window: Window) -> str:
        """The part of its segment's plan that a window shows, its context included, as JSON; "" for a model
        that draws from words."""
        plan = self.scene_plans[window.segment] if self.scene_plans else None
        if plan is None:
            return ""
        from hinode.engines.native.book.scene_plan import cut_plan

        start, seconds = ((window.start - window.head) / float(self.fps), window.frames / float(self.fps))
        return cut_plan(plan, start, seconds).model_dump_json()

    def _pictures(self, window: Window) -> tuple[Reference, ...]:
        """The pictures of the request that fall into a window, at their moments in it."""
        first = self.first_frame(window)
        pictures = []
        for reference in self.request.references:
            frame = min(round(reference.at * float(self.fps)), self.frames - 1)
            if reference.role == LAST_FRAME:
                frame = self.frames - 1
            elif reference.role not in (FIRST_FRAME, KEYFRAME):
                continue
            if first + window.head <= frame < first + window.head + window.new:
                pictures.append(dataclasses.replace(reference, at=(frame - first) / float(self.fps)))
        return tuple(pictures)

    def check(self) -> None:
        """See that the clip can be made, before anything of it is.

        Raises:
            BadInput: it cannot; the sentence says which part of it, and why.
        """
        raise_first(self._faults())
        for index, window in enumerate(self.windows):
            self.window_request(index, self.placeholders(window)).check(self.capabilities)

    def _faults(self) -> Iterator[Fault]:
        request, model = self.request, self.capabilities.model
        if not self.windows and request.operation != "storyboard":
            yield "segments", "nothing of the clip would be drawn", "leave a part of it to be drawn"
        if request.sound and not self.plans_scenes:
            message = "a clip that is put together from parts has no sound yet"
            yield "sound", message, "leave sound out of the request"
        if self.plans_scenes and any(s.seconds > MAX_PLAN_SECONDS and not s.keep for s in self.segments):
            message = f"the model {model} draws {MAX_PLAN_SECONDS:g} seconds at most from one prompt"
            yield "seconds", message, "ask for fewer, or for a storyboard"
        if not takes_context_video(self.capabilities):
            remedy = "use a model that takes videos as context"
            for before, after in pairwise(self.segments):
                if after.keep and not before.keep and not after.cut:
                    yield "operation", f"the model {model} can continue a video but not lead to one", remedy
            if request.looped:
                yield "operation", f"the model {model} cannot lead back to the beginning of a clip", remedy
        fps = frame_rate(request.fps) if request.fps is not None else max(self.fps, Fraction(30))
        size = self.count(fps) * request.width * request.height * 3
        if any(segment.keep for segment in self.segments) and size > MAX_BYTES:
            clip = f"{request.seconds:g} s at {request.width}x{request.height}"
            remedy = f"ask for a shorter or smaller clip, of {MAX_BYTES / 1e9:.0f} GB at most"
            yield "size", f"the frames of {clip} would take {size / 1e9:.0f} GB", remedy


def derive_seed(seed: int, purpose: str) -> int:
    """Another seed for each purpose: equal noise would make windows and takes alike."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (MAX_SEED + 1)


def _part(track: Trajectory, begin: float, end: float, *, relative: bool = False) -> Trajectory:
    """The part of a track from `begin` to `end` seconds, its moments counted from there; empty if there is
    none. With `relative`, pan and zoom are counted from those at the beginning of the part."""
    if not track or end <= track[0][0] or begin > track[-1][0]:
        return ()
    moments = [point[0] for point in track]
    inside = sorted({max(begin, 0.0), end, *(moment for moment in moments if begin < moment < end)})
    first, second = (np.interp(inside, moments, [point[axis] for point in track]) for axis in (1, 2))
    if relative:
        first, second = first - first[0], second / second[0]
    return tuple(
        (moment - begin, float(x), float(y)) for moment, x, y in zip(inside, first, second, strict=True)
    )
