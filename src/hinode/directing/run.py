"""A directed clip being made: the engine draws one window after another, and they are joined with the parts
that are kept from videos."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from hinode.clip import Clip, Frames, FrameSource, Mask, Provenance, Sound
from hinode.directing import operations, scene_plans, sound
from hinode.directing.layout import BASE, HEAD, TAIL, Layout
from hinode.directing.windows import Window
from hinode.engines import saved_state
from hinode.engines.protocol import Cost, Engine, Part, Progress, Run, State, UnusableState, abandon, timed
from hinode.errors import EngineError, OutputError
from hinode.media.reading import references
from hinode.media.reading.references import FrameReader
from hinode.media.resize import fit_frame
from hinode.media.sound import UnusableSound
from hinode.media.timeline import frame_rate
from hinode.request import FIRST_FRAME, FPS, GUIDE_VIDEO, MASK, Reference, Request, Segment, Size

MASK_RANGE = (8, 247)
"""Brightness of a mask up to which the source stays, and from which on the drawn picture covers it; between
them both are mixed. Encoders leave some noise in black and white."""

THEN = "; then "
"""Between what was made of the prompts of two parts."""
MAX_MEMORY_BYTES = 2**28
"""Frames that take more bytes than that are held in a file."""


class DirectedRun:
    """See `Run`. Between two steps it is the frames that are finished, and the run of the current window."""

    def __init__(self, layout: Layout, engine: Engine, state: State | None = None) -> None:
        """
        Raises:
            BadInput: the engine cannot draw one of the windows.
            UnusableState: the state is not one of this request.
        """
        layout.check()  # first, so that what cannot be drawn is refused before anything is
        self.layout = layout
        self.engine = engine
        self.stage_seconds: dict[str, float] = {}
        self._steps = [cost.steps for cost in window_costs(layout, engine.estimate)]
        self._finished = 0  # windows
        self._lost_sound = False  # a window came with sound
        self._provenance: Provenance | None = None  # of the first window
        self._run: Run | None = None
        self._window_state: State | None = None  # where the current window goes on from
        self._has_sources = False
        self._readers: dict[tuple[str, str], FrameReader] = {}
        self._clip: Clip | None = None
        if state is not None:
            self._restore(state)

    # The run

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`."""
        if self._clip is not None:
            return
        if self._finished == 0 and self._run is None:
            yield Progress("load", 0, 1)
        if not self._has_sources and self.layout.windows:
            with timed(self.stage_seconds, "join"):
                self._copy_sources()
        while self._finished < len(self.layout.windows):
            yield from self._draw(self._finished)
        yield Progress("decode", 0, 1)
        with timed(self.stage_seconds, "join"):
            yield from self._join()
        yield Progress("decode", 1, 1)

    def _draw(self, index: int) -> Iterator[Progress]:
        window = self.layout.windows[index]
        before, total = sum(self._steps[:index]), sum(self._steps)
        if self._run is None:
            with timed(self.stage_seconds, "join"):
                plan = self.layout.window_plan(window)
                request = self.layout.window_request(index, self._window_references(window), plan)
            self._run = self.engine.start(request, self._window_state)
            self._window_state = None
        for progress in self._run:
            if progress.stage == "sample":
                yield Progress("sample", before + progress.done, total, progress.preview)
            elif progress.stage in ("load", "text", "plan") and index == 0:
                yield progress
            else:
                done = self._steps[index] if progress.stage == "decode" else 0
                yield Progress("sample", before + done, total)
        clip = self._run.clip()
        # Another server may draw at another rate, or a frame less than was requested.
        pace = frame_rate(clip.fps) / self.layout.fps
        target = self._new_frames(window)
        for new in range(window.new):
            frame = clip.frames[min(int((window.head + new) * pace), len(clip.frames) - 1)]
            target[new] = fit_frame(frame, self.layout.size)
        self._lost_sound = self._lost_sound or clip.sound is not None
        new_part = index > 0 and window.segment != self.layout.windows[index - 1].segment
        self._provenance = _merge(self._provenance, clip.provenance, new_part)
        for stage, seconds in clip.provenance.stage_seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds
        self._run = None
        self._finished = index + 1

    def abandon(self) -> None:
        """Give up the window that is being drawn, wherever that goes on."""
        if self._run is not None:
            abandon(self._run)

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self._clip is None:
            raise EngineError("the clip is not finished", "run all steps first")
        return self._clip

    # What a window is given

    def _window_references(self, window: Window) -> tuple[Reference, ...]:
        """The frames around a window and under it, in files."""
        layout, frames = self.layout, self._frames
        segment, first = layout.segments[window.segment], layout.first_frame(window)
        end = first + window.head + window.new
        head = frames[first : first + window.head]
        tail = frames[(np.arange(window.tail) + end) % layout.frames]
        base = self._base_frames(segment, window) if segment.guide else head[:0]
        content = {HEAD: head, TAIL: tail, BASE: base, GUIDE_VIDEO: np.concatenate((head, base, tail))}
        written = []
        for placeholder in layout.placeholders(window):
            if placeholder.role == FIRST_FRAME:
                written.append(references.save_picture(head[-1], FIRST_FRAME, self._scratch))
                continue
            if placeholder.role == MASK and layout.mask is not None:
                begin = (layout.edges[window.segment] + window.start) / float(layout.fps)
                content[MASK] = self._reader(layout.mask.digest, MASK).read(begin, window.new)
            pictures = content[placeholder.digest]
            written.append(
                references.save_frames(pictures, layout.fps, placeholder.role, self._scratch, placeholder.at)
            )
        return tuple(written)

    def _base_frames(self, segment: Segment, window: Window) -> Frames:
        """The frames that a window is drawn over: its guide, which fades into another if the segment has
        one."""
        layout, offset = self.layout, window.start / float(self.layout.fps)
        base = self._reader(segment.guide, "guide").read(segment.start + offset, window.new)
        if not segment.onto:
            return base
        onto = self._reader(segment.onto, "onto").read(segment.onto_start + offset, window.new)
        length = layout.edges[window.segment + 1] - layout.edges[window.segment]
        time = (window.start + np.arange(window.new) + 1) / (length + 1)
        return operations.crossfade(base, onto, operations.influence(segment.curve, time))

    def _reader(
        self, digest: str, purpose: str, fps: Fraction | None = None, size: Size | None = None
    ) -> FrameReader:
        """A reader of a reference, by default at the rate and size that is worked on. It stays open for its
        purpose, so that reading in order decodes a video only once."""
        key = digest, purpose
        if key not in self._readers:
            fps, size = fps or self.layout.fps, size or self.layout.size
            self._readers[key] = FrameReader(self._reference(digest), fps, size)
        return self._readers[key]

    def _reference(self, digest: str) -> Reference:
        return next(reference for reference in self.layout.request.references if reference.digest == digest)

    @cached_property
    def _scratch(self) -> Path:
        """A folder for the files that windows are given; it is removed with the run."""
        path = tempfile.mkdtemp(prefix="hinode-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return Path(path)

    @cached_property
    def _frames(self) -> Frames:
        """The whole clip at the rate and size that it is worked on, as far as it is finished."""
        width, height = self.layout.size
        return allocate_frames((self.layout.frames, height, width, 3))

    def _new_frames(self, window: Window) -> Frames:
        """The place of the new frames of a window."""
        begin = self.layout.edges[window.segment] + window.start
        return self._frames[begin : begin + window.new]

    def _copy_sources(self) -> None:
        """Fill in what is kept from videos."""
        for index, segment in enumerate(self.layout.segments):
            if segment.keep:
                begin, end = self.layout.edges[index : index + 2]
                self._fill_from_video(segment, self._frames[begin:end], "keep")
        self._has_sources = True

    def _fill_from_video(
        self,
        segment: Segment,
        target: Frames,
        purpose: str,
        fps: Fraction | None = None,
        size: Size | None = None,
    ) -> None:
        """Fill in what a segment keeps from its video, which may fade into another one."""
        reader = self._reader(segment.keep, purpose, fps, size)
        reader.fill(target, segment.start)
        if not segment.onto:
            return
        onto = self._reader(segment.onto, f"{purpose} onto", fps, size)
        first = round(Fraction(str(segment.onto_start)) * onto.fps)
        shares = (np.arange(len(target)) + 1) / (len(target) + 1)
        for index, share in enumerate(operations.influence(segment.curve, shares)):
            target[index] = operations.crossfade(target[index], onto.frame(first + index), float(share))

    # The end

    def _join(self) -> Iterator[Progress]:
        request, layout, windows = self.layout.request, self.layout, len(self.layout.windows)
        base = self._provenance or self._joined()
        fps = self._output_rate()
        track, silence = self._sound()
        notes = [
            f"drawn in {windows} pieces that overlap" if windows > 1 else "",
            silence,
            "without the sound of what is new" if self._lost_sound else "",
            self._rate_note(fps),
        ]
        provenance = dataclasses.replace(
            base,
            seed=request.seed,
            stage_seconds=self.stage_seconds,
            plan=scene_plans.whole_plan(layout),
            read_as="; ".join(filter(None, (base.read_as, *notes))),
        )
        if any(segment.keep for segment in layout.segments) or layout.mask is not None:
            whole = allocate_frames((layout.count(fps), request.height, request.width, 3))
            yield from self._fill_full_size(whole, fps)
            self._clip = Clip(whole, float(fps), provenance, track, partial(self._drawn, fps=fps))
        else:
            self._clip = Clip(self._frames, float(layout.fps), provenance, track)

    def _joined(self) -> Provenance:
        """Of a film of finished shots, of which nothing is drawn."""
        capabilities, shots = self.layout.capabilities, len(self.layout.segments)
        return Provenance(
            engine=self.engine.name,
            model=capabilities.model,
            seed=self.layout.request.seed,
            steps=0,
            native_size=self.layout.request.size,
            stage_seconds={},
            read_as=f"{shots} parts of videos, joined as they are" if shots > 1 else "the frames of a video",
            licence=capabilities.licence,
        )

    def _sound(self) -> tuple[Sound | None, str]:
        """What is heard of the videos, unless the request refuses sound; or why it is not."""
        if self.layout.request.sound is False:
            return None, ""
        try:
            own = scene_plans.sounds(self.layout)
            return sound.join(self.layout.segments, self._reference, own), ""
        except UnusableSound as error:
            return None, f"without the sound of the source, which {error}"

    def _output_rate(self) -> Fraction:
        """That of the request, else the highest of the videos, so that no frame of them is lost."""
        if self.layout.request.fps is not None:
            return frame_rate(self.layout.request.fps)
        return min(max(self._source_rate() or self.layout.fps, Fraction(FPS[0])), Fraction(FPS[1]))

    def _source_rate(self) -> Fraction | None:
        """The highest rate of the videos that the clip shows or is drawn over, if one says its own."""
        segments = self.layout.segments
        digests = {digest for part in segments for digest in (part.keep, part.guide, part.onto) if digest}
        videos = [video for video in map(self._reference, sorted(digests)) if not video.still]
        return max(filter(None, map(references.rate, videos)), default=None)

    def _rate_note(self, fps: Fraction) -> str:
        """What to say about frames of a video that are left out though nobody asked for it."""
        rate = self._source_rate()
        if rate is None or rate <= fps or self.layout.request.fps not in (None, FPS[1]):
            return ""
        return f"shown at {float(fps):g} of the {float(rate):g} frames per second of its source"

    def _fill_full_size(self, whole: Frames, fps: Fraction) -> Iterator[Progress]:
        """The clip at the requested size; kept parts are in it as they were, outside a mask too."""
        layout, size = self.layout, self.layout.request.size
        marks = layout.marks(fps)
        marks[-1] = len(whole)
        for index, segment in enumerate(layout.segments):
            yield Progress("decode", index, len(layout.segments))
            begin, end = marks[index : index + 2]
            if segment.keep:
                self._fill_from_video(segment, whole[begin:end], "finish", fps, size)
                continue
            if layout.mask is not None and segment.guide:
                self._reader(segment.guide, "finish", fps, size).fill(whole[begin:end], segment.start)
            self._fill_generated(whole, range(begin, end), fps, size)

    def _drawn(self, index: int, fps: Fraction) -> Mask | bool:
        """See `clip.Coverage`: what is drawn in a frame of the clip at the requested size."""
        layout = self.layout
        marks = layout.marks(fps)
        segment = next((i for i, end in enumerate(marks[1:]) if index < end), len(layout.segments) - 1)
        if layout.segments[segment].keep:
            return False
        if layout.mask is None:
            return True
        masks = self._reader(layout.mask.digest, "drawn", fps, layout.request.size)
        drawn: Mask = masks.frame(index).max(-1) >= MASK_RANGE[1]
        return drawn

    def _fill_generated(self, whole: Frames, span: range, fps: Fraction, size: Size) -> None:
        mask = self.layout.mask
        masks = None if mask is None else self._reader(mask.digest, "finish", fps, size)
        source: FrameSource = self._frames
        if self._provenance is not None and self._provenance.upscaler:
            from hinode.engines.native import upscaling

            source = upscaling.upscale(source, size)
        for index in span:
            generated = min(int(Fraction(index) / fps * self.layout.fps), self.layout.frames - 1)
            frame = fit_frame(source[generated], size)
            if masks is not None:
                black, white = MASK_RANGE
                share = (masks.frame(index).max(-1, keepdims=True).astype(np.float32) - black) / (
                    white - black
                )
                share = share.clip(0, 1)
                frame = np.rint(whole[index] + share * (frame.astype(np.float32) - whole[index]))
            whole[index] = frame

    # Saved and restored

    def state(self) -> State:
        """See `Run.state`; each finished window is a part of it."""
        inner = self._run.state() if self._run is not None else self._window_state
        provenance = self._provenance
        values = {
            "finished": self._finished,
            "window": None if inner is None else saved_state.to_bytes(inner),
            "stage_seconds": self.stage_seconds,
            "lost_sound": self._lost_sound,
            "provenance": None
            if provenance is None
            else {**vars(provenance), "stage_seconds": dict(provenance.stage_seconds)},
        }
        steps = sum(self._steps[: self._finished]) + (0 if inner is None else inner.step)
        parts: dict[str, Part] = {
            _part_name(index): partial(self._pack, index) for index in range(self._finished)
        }
        if inner is not None:
            prefix = _part_name(self._finished)
            parts |= {f"{prefix}/{name}": part for name, part in inner.parts.items()}
        return saved_state.save(self.engine.name, steps, self._identity, values, parts)

    def _pack(self, index: int) -> bytes:
        """The new frames of a finished window, compressed."""
        return zlib.compress(self._new_frames(self.layout.windows[index]).tobytes(), 1)

    def _restore(self, state: State) -> None:
        values = saved_state.restore(state, self.engine.name, self._identity)
        if values["window"] is not None:
            prefix = _part_name(values["finished"])
            self._window_state = saved_state.from_bytes(
                values["window"], lambda name: state.parts[f"{prefix}/{name}"]()
            )
        if values["provenance"] is not None:
            self._provenance = Provenance(**values["provenance"])
        for index in range(values["finished"]):
            target = self._new_frames(self.layout.windows[index])
            try:
                packed = zlib.decompress(state.parts[_part_name(index)]())
                target[:] = np.frombuffer(packed, np.uint8).reshape(target.shape)
            except (OSError, KeyError, ValueError, zlib.error) as error:
                raise UnusableState("a part of the saved run is missing or damaged") from error
        self._finished = values["finished"]
        self._lost_sound = values["lost_sound"]
        self.stage_seconds.update(values["stage_seconds"])

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What a state has to agree with to be continued here."""
        layout = self.layout
        return {
            "request": layout.request.identity(),
            "model": layout.capabilities.model,
            "size": layout.size,
            "windows": [dataclasses.astuple(window) for window in layout.windows],
        }


def window_costs(layout: Layout, estimate: Callable[[Request], Cost]) -> list[Cost]:
    """What each window of a clip costs to draw; BadInput if the engine cannot draw one of them."""
    return [
        estimate(layout.window_request(index, layout.placeholders(window)))
        for index, window in enumerate(layout.windows)
    ]


def allocate_frames(shape: tuple[int, int, int, int]) -> Frames:
    """Space for frames: in memory, or in a file that disappears when they are not used any more.

    Raises:
        OutputError: the disk has too little space for that file.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if size <= MAX_MEMORY_BYTES:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile(prefix="hinode-") as file:
        try:
            # Now: a frame written later to a full disk would end the process without an exception.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            message = (
                f"the frames take {size / 1e9:.1f} GB, and the folder for temporary files has less space"
            )
            raise OutputError(message, "ask for a shorter or smaller clip, or make space there") from error
        frames: Frames = np.memmap(file, np.uint8, "w+", shape=shape)
        return frames


def _part_name(index: int) -> str:
    return f"window-{index}"


def _merge(first: Provenance | None, other: Provenance, new_part: bool) -> Provenance:
    """The provenance of the first window, with the words that those of all windows understood or did not, and
    what was made of the prompt of each part, such as a shot of a film."""
    if first is None:
        return other
    understood = dict.fromkeys((*first.understood, *other.understood))
    unknown = dict.fromkeys((*first.not_understood, *other.not_understood))
    read_as = first.read_as
    if new_part and read_as.split(THEN)[-1] != other.read_as:
        read_as = f"{read_as}{THEN}{other.read_as}"
    return dataclasses.replace(
        first, understood=tuple(understood), not_understood=tuple(unknown), read_as=read_as
    )
