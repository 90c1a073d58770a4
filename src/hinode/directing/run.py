"""A directed clip being made: one window after another by the engine, joined with the footage that is
kept."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tempfile
import tokenize
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hinode.clip import Clip, Frames, FrameSource, Provenance
from hinode.directing import footage, source_facts
from hinode.directing.layout import HEAD, TAIL, Layout
from hinode.directing.windows import Window
from hinode.engines.limits import FPS
from hinode.engines.native.expansion import expand_prompt
from hinode.engines.protocol import Engine, Progress, Run, State, abandon, timed
from hinode.errors import EngineError, OutputError
from hinode.media import references
from hinode.media.soundtrack import UnusableSound
from hinode.media.timeline import frame_rate
from hinode.request import CONTEXT_VIDEO, FIRST_FRAME, GUIDE_VIDEO, MASK, Reference, Request, Segment, Size

WHITE = 128
"""Where a mask is at least this bright, the picture is drawn anew."""

IN_MEMORY = 2**28
"""Frames that take more bytes than that are kept in a file."""


class DirectedRun:
    """See `Run`. Between two steps it is the frames that are drawn so far and the run of the current
    window."""

    def __init__(self, layout: Layout, engine: Engine, state: State | None) -> None:
        """
        Args:
            layout: what to make.
            engine: draws the windows.
            state: where to go on from.

        Raises:
            BadInput: the engine cannot draw one of the windows.
            EngineError: the state is not one of this request.
        """
        self.layout = layout
        self.engine = engine
        self.stage_seconds: dict[str, float] = {}
        self._done = 0  # windows that are drawn
        self._silenced = False
        self._shown: dict[str, str] | None = None  # what the source of an edit shows
        self._provenances: list[Provenance] = []
        self._run: Run | None = None
        self._inner: State | None = None
        self._clip: Clip | None = None
        self._drawn: dict[int, Frames] = {}  # by window
        if state is not None:
            self._read(state)
        # Asked now, so that what cannot be drawn is refused before anything is.
        layout.check()
        self.works = [
            engine.estimate(layout.asked(index, layout.stand_ins(window)))
            for index, window in enumerate(layout.windows)
        ]
        self._steps = [work.steps for work in self.works]

    # The run

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`."""
        if self._clip is not None:
            return
        if self._done == 0 and self._run is None:
            yield Progress("load", 0, 1)
        while self._done < len(self.layout.windows):
            yield from self._draw(self._done)
        yield Progress("decode", 0, 1)
        with timed(self.stage_seconds, "join"):
            yield from self._join()
        yield Progress("decode", 1, 1)

    def _draw(self, index: int) -> Iterator[Progress]:
        window = self.layout.windows[index]
        before, total = sum(self._steps[:index]), sum(self._steps)
        if self._run is None:
            with timed(self.stage_seconds, "join"):
                asked = self._told(self.layout.asked(index, self._given(window)))
            self._run = self.engine.start(asked, self._inner)
            self._inner = None
        for progress in self._run:
            if progress.stage == "sample":
                yield Progress("sample", before + progress.done, total, progress.preview)
            elif progress.stage in ("load", "text") and index == 0:
                yield progress
            else:
                done = self._steps[index] if progress.stage == "decode" else 0
                yield Progress("sample", before + done, total)
        clip = self._run.clip()
        self._silenced = self._silenced or clip.sound is not None
        begin = self.layout.edges[window.segment] + window.start
        # Another server may draw at another rate, or a frame less than was asked for.
        pace = frame_rate(clip.fps) / self.layout.fps
        for new in range(window.new):
            frame = clip.frames[min(int((window.head + new) * pace), len(clip.frames) - 1)]
            self._film[begin + new] = footage.fitted(Image.fromarray(frame), self.layout.size)
        self._provenances.append(clip.provenance)
        for stage, seconds in clip.provenance.stage_seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds
        self._run = None
        self._done = index + 1

    def _told(self, asked: Request) -> Request:
        """A request of an edited clip with what its source shows, and what the prompt leaves open taken from
        there."""
        if not self.layout.edits:
            return asked
        prompt = self.layout.request.prompt
        if self._shown is None:
            source = self.layout.request.source
            assert source is not None
            self._shown = source_facts.seen(
                source_facts.looked_at(source, end=False), float(source_facts.RATE), sure=0.0
            )
        if self.layout.request.expand:
            prompt = expand_prompt(prompt, 0, defaults=self._shown)
        return dataclasses.replace(
            asked, prompt=prompt, guide_prompt=expand_prompt("", 0, defaults=self._shown)
        )

    @cached_property
    def _scratch(self) -> Path:
        """A folder for what windows are given; it goes when the run does."""
        path = tempfile.mkdtemp(prefix="hinode-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return Path(path)

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

    def _given(self, window: Window) -> tuple[Reference, ...]:
        """Footage around a window and under it, in files."""
        layout = self.layout
        segment, first = layout.segments[window.segment], layout.first(window)
        head = self._film[first : first + window.head]
        begin = first + window.head + window.new
        tail = self._film[(np.arange(window.tail) + begin) % layout.frames]
        under = self._under(segment, window) if segment.guide else head[:0]
        given: list[Reference] = []
        for wanted in layout.stand_ins(window):
            if wanted.role == FIRST_FRAME:
                given.append(self._picture(head))
                continue
            frames = {
                CONTEXT_VIDEO: head if wanted.digest == HEAD else tail if wanted.digest == TAIL else under,
                MASK: self._masked(window) if wanted.role == MASK else under,
                GUIDE_VIDEO: np.concatenate((head, under, tail)),
            }[wanted.role]
            given.append(footage.keep(frames, layout.fps, wanted.role, self._scratch, wanted.at))
        return tuple(given)

    def _picture(self, head: Frames) -> Reference:
        """The last frame before a window as its first picture, for engines that take no footage."""
        folder = self._scratch
        reference = footage.keep(head[-1:], self.layout.fps, FIRST_FRAME, folder)
        path = Path(reference.path).with_suffix(".png")
        Image.fromarray(head[-1]).save(path)
        return Reference(FIRST_FRAME, reference.digest, "image/png", path=str(path))

    def _under(self, segment: Segment, window: Window) -> Frames:
        """The footage that a window is drawn over: its guide, fading into another if the segment says so."""
        layout = self.layout
        offset = window.start / float(layout.fps)

        def shown(digest: str, start: float) -> Frames:
            film = footage.iter_frames(self._reference(digest), layout.fps, layout.size, start + offset)
            return footage.taken(film, window.new)

        under = shown(segment.guide, segment.start)
        if not segment.onto:
            return under
        onto = shown(segment.onto, segment.onto_start)
        length = layout.edges[window.segment + 1] - layout.edges[window.segment]
        shares = (window.start + np.arange(window.new) + 1) / (length + 1)
        where, share = zip(*(segment.curve or ((0.0, 0.0), (1.0, 1.0))), strict=True)
        weight = np.interp(shares, where, share)[:, None, None, None]
        mixed: Frames = np.rint(under * (1 - weight) + onto * weight).astype(np.uint8)
        return mixed

    def _masked(self, window: Window) -> Frames:
        mask = self.layout.mask
        assert mask is not None
        start = (self.layout.edges[window.segment] + window.start) / float(self.layout.fps)
        return footage.taken(footage.iter_frames(mask, self.layout.fps, self.layout.size, start), window.new)

    def _reference(self, digest: str) -> Reference:
        return next(one for one in self.layout.request.references if one.digest == digest)

    @cached_property
    def _film(self) -> Frames:
        """The whole clip at the size that is worked on: what is kept is there from the beginning."""
        layout = self.layout
        film = allocate_frames((layout.frames, layout.size[1], layout.size[0], 3))
        for index, segment in enumerate(layout.segments):
            if segment.keep:
                begin, end = layout.edges[index : index + 2]
                shown = footage.iter_frames(
                    self._reference(segment.keep), layout.fps, layout.size, segment.start
                )
                footage.fill(film[begin:end], shown)
        for index, frames in self._drawn.items():
            window = layout.windows[index]
            begin = layout.edges[window.segment] + window.start
            film[begin : begin + window.new] = frames
        return film

    # The end

    def _join(self) -> Iterator[Progress]:
        request, layout = self.layout.request, self.layout
        first = self._provenances[0]
        windows = len(layout.windows)
        provenance = Provenance(
            engine=first.engine,
            model=first.model,
            seed=request.seed,
            steps=first.steps,
            native_size=first.native_size,
            stage_seconds=self.stage_seconds,
            understood=first.understood,
            not_understood=first.not_understood,
            read_as=first.read_as
            + (f"; drawn in {windows} pieces that overlap" if windows > 1 else "")
            + ("; without its sound" if self._silenced or self._heard() else ""),
            licence=first.licence,
            upscaler=first.upscaler,
        )
        if any(segment.keep for segment in layout.segments) or layout.mask is not None:
            fps = self._rate()
            whole = allocate_frames((layout.count(fps), request.height, request.width, 3))
            yield from self._at_full_size(whole, fps)
            self._clip = Clip(whole, float(fps), provenance)
        else:
            self._clip = Clip(self._film, float(layout.fps), provenance)

    def _heard(self) -> bool:
        """Whether footage that is kept has sound, which is not."""
        for segment in self.layout.segments:
            if segment.keep:
                try:
                    if references.sound(self._reference(segment.keep), 0.1) is not None:
                        return True
                except UnusableSound:
                    return True
        return False

    def _rate(self) -> Fraction:
        """That of the request, else that of the footage, so that no frame of it is lost."""
        if self.layout.request.fps is not None:
            return frame_rate(self.layout.request.fps)
        digests = [segment.keep or segment.guide for segment in self.layout.segments]
        found = references.rate(self._reference(next(filter(None, digests))))
        return min(max(found or self.layout.fps, Fraction(FPS[0])), Fraction(FPS[1]))

    def _at_full_size(self, whole: Frames, fps: Fraction) -> Iterator[Progress]:
        """The clip at the size that was asked for; footage is in it as it was, outside a mask too."""
        layout, size = self.layout, self.layout.request.size
        moments = np.cumsum([0.0, *(segment.seconds for segment in layout.segments)])
        marks = [round(Fraction(str(round(float(moment), 6))) * fps) for moment in moments]
        marks[-1] = len(whole)
        for index, segment in enumerate(layout.segments):
            yield Progress("decode", index, len(layout.segments))
            begin, end = marks[index : index + 2]
            source = segment.keep or (segment.guide if layout.mask is not None else "")
            if source:
                footage.fill(
                    whole[begin:end], footage.iter_frames(self._reference(source), fps, size, segment.start)
                )
            if not segment.keep:
                self._draw_over(whole, range(begin, end), fps, size)

    def _draw_over(self, whole: Frames, span: range, fps: Fraction, size: Size) -> None:
        mask = self.layout.mask
        masks = footage.iter_frames(mask, fps, size) if mask is not None else None
        film: FrameSource = self._film
        if self._provenances[0].upscaler:
            from hinode.engines.native import upscaling

            film = upscaling.upscale(film, size)
        for index in range(span.stop):
            shown = next(masks, None) if masks is not None else None
            if index < span.start:
                continue
            drawn = film[min(int(Fraction(index) / fps * self.layout.fps), self.layout.frames - 1)]
            enlarged = footage.fitted(Image.fromarray(drawn), size)
            if mask is None:
                whole[index] = enlarged
            elif shown is not None:
                anew = shown.max(-1, keepdims=True) >= WHITE
                whole[index] = np.where(anew, enlarged, whole[index])

    # Saved and read

    def state(self) -> State:
        """See `Run.state`."""
        inner = self._run.state() if self._run is not None else self._inner
        head = {
            "identity": self._identity,
            "done": self._done,
            "step": 0 if inner is None else inner.step,
            "stage_seconds": self.stage_seconds,
            "shown": self._shown,
            "provenances": [_plain(provenance) for provenance in self._provenances],
        }
        arrays: dict[str, Any] = {
            "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
            "inner": np.frombuffer(b"" if inner is None else inner.body, np.uint8),
        }
        for index in range(self._done):
            arrays[f"window{index}"] = np.frombuffer(self._packed(index).read_bytes(), np.uint8)
        body = io.BytesIO()
        np.savez(body, **arrays)
        steps = sum(self._steps[: self._done]) + (0 if inner is None else inner.step)
        return State(self.engine.name, steps, body.getvalue())

    def _packed(self, index: int) -> Path:
        """The new frames of a window that is drawn, compressed into a file, once for all states."""
        path, window = self._scratch / f"window{index}.z", self.layout.windows[index]
        if not path.is_file():
            begin = self.layout.edges[window.segment] + window.start
            path.write_bytes(zlib.compress(self._film[begin : begin + window.new].data, 1))
        return path

    def _unpacked(self, index: int, packed: bytes) -> Frames:
        width, height = self.layout.size
        frames = np.frombuffer(zlib.decompress(packed), np.uint8)
        return frames.reshape(self.layout.windows[index].new, height, width, 3)

    def _read(self, state: State) -> None:
        try:
            with np.load(io.BytesIO(state.body), allow_pickle=False) as saved:
                head = json.loads(saved["head"].tobytes())
                done, inner = int(head["done"]), saved["inner"].tobytes()
                packed = [saved[f"window{index}"].tobytes() for index in range(done)]
                self._provenances = [Provenance(**provenance) for provenance in head["provenances"]]
                identity, seconds = head["identity"], dict(head["stage_seconds"])
                self._shown = head["shown"]
                if identity == self._identity:
                    self._drawn = {
                        index: self._unpacked(index, frames) for index, frames in enumerate(packed)
                    }
        except (
            ValueError,
            KeyError,
            TypeError,
            OSError,
            EOFError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
            tokenize.TokenError,
        ) as error:
            raise EngineError("the saved run is damaged", "start it again") from error
        if state.engine != self.engine.name or identity != self._identity:
            raise EngineError("the saved run belongs to another request", "start from the beginning")
        self._done = done
        self._inner = State(state.engine, int(head["step"]), inner) if inner else None
        self.stage_seconds.update(seconds)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What a state has to agree with to be continued here."""
        layout = self.layout
        identity = {
            "request": layout.request.identity(),
            "model": layout.capabilities.model,
            "size": layout.size,
            "windows": [[w.segment, w.start, w.new, w.head, w.tail] for w in layout.windows],
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity))
        return plain


def allocate_frames(shape: tuple[int, int, int, int]) -> Frames:
    """Space for frames: in memory, or in a file that is gone when they are not used any more."""
    if np.prod(shape) <= IN_MEMORY:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile(prefix="hinode-") as file:
        try:
            # Now, and not when a frame is written where there is no room for it, which nobody survives.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, int(np.prod(shape, dtype=np.int64)))
        except OSError as error:
            raise OutputError(
                f"the frames of the clip take {np.prod(shape, dtype=np.int64) / 1e9:.1f} GB, and the folder "
                "for temporary files has not so much room",
                "ask for a shorter or smaller clip, or make room there",
            ) from error
        frames: Frames = np.memmap(file, np.uint8, "w+", shape=shape)
        return frames


def _plain(provenance: Provenance) -> dict[str, Any]:
    values = {name: getattr(provenance, name) for name in Provenance.__dataclass_fields__}
    return {**values, "stage_seconds": dict(provenance.stage_seconds)}
