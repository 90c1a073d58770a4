"""An engine that draws a test card: colour bars, a moving hand, and the request in words.

It needs no model and supports every kind of request. What it draws follows from the request alone. Each
step leaves a mark on a strip of coloured squares, which shows whether a resumed run left one out or took one
twice. If a request asks for sound, it gives line-up tone, with a click and a flash every second.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from PIL import Image

from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.engines import saved_state
from hinode.engines.protocol import Cost, Progress, State, timed
from hinode.engines.testcard import tone
from hinode.engines.testcard.card import MARKS, Card
from hinode.errors import BadInput, EngineError, quote
from hinode.media.reading import references
from hinode.media.resize import fit_image
from hinode.media.sound import UnusableSound
from hinode.request import (
    CHARACTER,
    CONTEXT_VIDEO,
    FIRST_FRAME,
    FPS,
    KEYFRAME,
    LAST_FRAME,
    SOURCE,
    Capabilities,
    Request,
    Size,
)
from hinode.settings import Settings

NAME = "testcard"
LICENCE = "Apache-2.0"

SECONDS = (0.0, 120.0)
DEFAULT_FPS = 8.0
DEFAULT_STEPS = 8
MAX_BYTES = 2**29
"""A clip whose frames would need more memory is drawn smaller and resized in the end."""

PREVIEW_SIDE = 320


class TestcardEngine:
    """See `Engine` and the module."""

    __test__ = False  # pytest collects classes with such names
    name = NAME

    def __init__(self, settings: Settings, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` waits so many seconds: it makes each step as long as `testcard_step_seconds`."""
        self.step_seconds = settings.testcard_step_seconds
        self.pause = pause

    def capabilities(self, model: str | None = None) -> Capabilities:
        if model not in (None, NAME):
            raise BadInput(f"there is no model {quote(str(model))}", f"choose {NAME}", field="model")
        return Capabilities(
            engine=NAME,
            model=NAME,
            models=(NAME,),
            operations=("generate", "remix", "edit", "extend"),
            seconds=SECONDS,
            native_sizes=(),
            native_fps=(DEFAULT_FPS,),
            licence=LICENCE,
            references=(FIRST_FRAME, LAST_FRAME, KEYFRAME, CONTEXT_VIDEO, SOURCE, CHARACTER),
            negative_prompt=True,
            sound=True,
        )

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`; a card has no tokens but its frames."""
        count = math.ceil(round(request.seconds * (request.fps or DEFAULT_FPS), 6))
        width, height = native_size(request.size, count)
        steps = request.steps or DEFAULT_STEPS
        return Cost(tokens=count, steps=steps, passes=steps, pixels=count * width * height)

    def start(self, request: Request, state: State | None = None) -> TestcardRun:
        request.check(self.capabilities(request.model))
        return TestcardRun(request, state, lambda: self.pause(self.step_seconds))


class TestcardRun:
    """See `Run`. Between two steps it is nothing but the marks of the steps so far."""

    __test__ = False

    def __init__(self, request: Request, state: State | None, wait: Callable[[], None]) -> None:
        self.request = request
        self.steps = request.steps or DEFAULT_STEPS
        self.wait = wait
        self.step = 0
        self.marks = hashlib.sha256(json.dumps(request.identity()).encode()).digest()
        self.stage_seconds: dict[str, float] = {}
        self._fps: Fraction | None = None
        self._frames: Frames | None = None
        self._drawing: Iterator[Frames] | None = None
        self._count = 0  # of the frames so far
        self._sound: Sound | None = None
        self._read_as = "a test card with the words of the prompt on it"
        self._tone_from = math.inf  # second from which the sound is the card's own
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Iterator[Progress]:
        if self._fps is None:
            yield Progress("load", 0, 1)
            with timed(self.stage_seconds, "load"):
                self._fps = self._rate()
        yield Progress("sample", self.step, self.steps)
        while self.step < self.steps:
            with timed(self.stage_seconds, "sample"):
                self.wait()
                self.step += 1
                self.marks = hashlib.sha256(self.marks + self.step.to_bytes(4, "big")).digest()
                preview = self._preview()
            yield Progress("sample", self.step, self.steps, preview)
        if self._frames is None or self._drawing is None:
            yield Progress("decode", 0, 1)
            self._frames, self._drawing = self._begin(self._fps)
        count = len(self._frames)
        while self._count < count:
            with timed(self.stage_seconds, "decode"):
                self._frames[self._count] = next(self._drawing)
            self._count += 1
            yield Progress("decode", self._count, count)

    def state(self) -> State:
        values = {"step": self.step, "marks": self.marks, "stage_seconds": self.stage_seconds}
        return saved_state.save(NAME, self.step, self.request.identity(), values)

    def clip(self) -> Clip:
        if self._frames is None or self._fps is None or self._count < len(self._frames):
            raise EngineError("the clip is not finished", "run all steps first")
        height, width = self._frames.shape[1:3]
        return Clip(
            self._frames,
            float(self._fps),
            Provenance(
                engine=NAME,
                model=NAME,
                seed=self.request.seed,
                steps=self.steps,
                native_size=(width, height),
                stage_seconds=self.stage_seconds,
                read_as=self._read_as,
                licence=LICENCE,
            ),
            self._sound,
        )

    def _rate(self) -> Fraction:
        """The rate of the request, else that of the source, so that no frame of it is lost."""
        if self.request.fps is not None:
            return Fraction(str(self.request.fps)).limit_denominator(1001)
        source = self.request.source
        rate = references.rate(source) if source else None
        return min(max(rate or Fraction(DEFAULT_FPS), Fraction(FPS[0])), Fraction(FPS[1]))

    def _begin(self, fps: Fraction) -> tuple[Frames, Iterator[Frames]]:
        count = max(1, math.ceil(round(self.request.seconds * float(fps), 6)))
        width, height = native_size(self.request.size, count)
        self._sound, self._tone_from = self._make_sound(float(count / fps), fps)
        return np.empty((count, height, width, 3), np.uint8), self._draw((width, height), count, fps)

    def _make_sound(self, seconds: float, fps: Fraction) -> tuple[Sound | None, float]:
        """The sound of the clip, and the second from which it is the card's own: after that of an extended
        source, and never in place of that of another source."""
        if self.request.sound is False:
            return None, math.inf
        source = self.request.source
        try:
            original = references.sound(source, seconds) if source else None
        except UnusableSound as error:
            if self.request.sound:
                message = f"the source video has sound that {error}"
                raise BadInput(message, "send it without sound", field=SOURCE) from error
            self._read_as += f"; without the sound of its source, which {error}"
            return None, math.inf
        extending = self.request.operation == "extend"
        if not self.request.sound or (original is not None and not extending):
            return original, math.inf
        rate, channels = (original.rate, original.channels) if original else (tone.RATE, 2)
        begin = float(references.seconds(source)) if source and extending else 0.0
        count = round(seconds * rate)
        samples = tone.tone(rate, channels, count, fps, round(begin * rate))
        if original is not None:
            beginning = original.until(begin).samples
            samples[:, : beginning.shape[1]] = beginning
        return Sound(samples, rate), begin

    def _draw(self, size: Size, count: int, fps: Fraction) -> Iterator[Frames]:
        source = self.request.source
        source_frames = iter(references.iter_frames(source, fps)) if source else iter(())
        overlay = self.request.operation in ("remix", "edit")  # a smaller card on the source
        card = Card(self.request, (size[0] // 2, size[1] // 2) if overlay else size, self.marks)
        pictures = self._pictures(count, fps)
        background: Image.Image | None = None
        for index in range(count):
            frame = next(source_frames, None)
            if frame is not None:
                background = fit_image(Image.fromarray(frame), size)
            if overlay and background is not None:
                picture = background.copy()
                corner = size[0] - card.width, size[1] - card.height
                picture.paste(self._card(card, index, count, fps), corner)
            elif frame is not None and background is not None:
                picture = background
            elif index in pictures:
                picture = fit_image(pictures[index], size)
            else:
                picture = self._card(card, index, count, fps)
            yield np.asarray(picture)

    def _pictures(self, count: int, fps: Fraction) -> dict[int, Image.Image]:
        """The pictures and context videos of the request, by the number of their frames."""
        pictures: dict[int, Image.Image] = {}
        for reference in self.request.references:
            start = min(round(reference.at * float(fps)), count - 1)
            if reference.role == LAST_FRAME:
                start = count - 1
            if reference.role in (FIRST_FRAME, LAST_FRAME, KEYFRAME):
                pictures[start] = references.picture(reference)
            elif reference.role == CONTEXT_VIDEO:
                for index, frame in enumerate(references.iter_frames(reference, fps), start):
                    pictures[index] = Image.fromarray(frame)
        return pictures

    def _card(self, card: Card, index: int, count: int, fps: Fraction) -> Image.Image:
        flash = index / fps >= self._tone_from and tone.flashes(index, fps)
        return card.frame(index, count, fps, flash=flash)

    def _preview(self) -> Frames:
        """The middle of the clip, without the marks of later steps."""
        width, height = self.request.size
        scale = min(1.0, PREVIEW_SIDE / max(width, height))
        size = max(8, round(width * scale)), max(8, round(height * scale))
        card = Card(self.request, size, self.marks, MARKS * self.step // self.steps)
        fps = self._fps or Fraction(DEFAULT_FPS)
        count = max(1, math.ceil(round(self.request.seconds * float(fps), 6)))
        preview: Frames = np.asarray(card.frame(count // 2, count, fps))
        return preview

    def _restore(self, state: State) -> None:
        values = saved_state.restore(state, NAME, self.request.identity())
        self.step, self.marks = values["step"], values["marks"]
        self.stage_seconds.update(values["stage_seconds"])


def native_size(size: Size, count: int) -> Size:
    """The size to draw `count` frames at: that of the request, or a smaller one that fits into memory."""
    width, height = size
    scale = math.sqrt(min(1.0, MAX_BYTES / (3 * width * height * count)))
    return (width, height) if scale == 1 else (max(2, int(width * scale)), max(2, int(height * scale)))
