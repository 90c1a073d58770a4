"""An engine that draws a test card: colour bars, a moving hand, and in plain words what it was asked for.

It needs no model and no GPU and can do everything that the rest of the house knows how to ask for, so clients
are tried out on it. What it draws follows from the request alone. It takes its steps one after another like
any other engine, and each of them leaves its mark on a strip of coloured squares: a run that went on after a
pause from the wrong place, or took a step twice, can be told by its strip.

It is silent unless it is asked for sound: then it gives line-up tone, and clicks and flashes at every second.
A video that it works on keeps its sound.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.engines import saved_state
from hinode.engines.limits import FPS, PIXELS, PROMPT_CHARACTERS, SIDE, STEPS
from hinode.engines.protocol import Capabilities, Cost, Progress, State, timed
from hinode.engines.testcard import tone
from hinode.errors import BadInput, EngineError, quote
from hinode.media import references
from hinode.media.resize import fit_image
from hinode.media.soundtrack import UnusableSound
from hinode.request import (
    CHARACTER,
    CONTEXT_VIDEO,
    FIRST_FRAME,
    KEYFRAME,
    LAST_FRAME,
    SOURCE,
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
"""A clip whose frames would need more memory than that is drawn smaller and resized in the end."""

PREVIEW_SIDE = 320
MARKS = 32
MAX_LINE_LENGTH = 200
HAND_SECONDS = 2.0  # in which the hand goes round

PAPER, INK, DIM = (22, 24, 30), (238, 236, 228), (58, 62, 74)
BARS = (
    (235, 235, 235),
    (235, 218, 40),
    (40, 206, 218),
    (46, 190, 70),
    (204, 60, 190),
    (214, 52, 48),
    (44, 70, 206),
)


class TestcardEngine:
    """Draws test cards; see the module."""

    __test__ = False  # pytest takes its name for a test's
    name = NAME

    def __init__(self, settings: Settings, pause: Callable[[float], None] = time.sleep) -> None:
        """
        Args:
            settings: `testcard_step_seconds` is what each step takes.
            pause: waits that long.
        """
        self.step_seconds = settings.testcard_step_seconds
        self.pause = pause

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        if model not in (None, NAME):
            raise BadInput(f"there is no model {quote(str(model))}", f"choose {NAME}", field="model")
        return Capabilities(
            engine=NAME,
            model=NAME,
            models=(NAME,),
            operations=("generate", "remix", "edit", "extend"),
            prompt_characters=PROMPT_CHARACTERS,
            side=SIDE,
            pixels=PIXELS,
            seconds=SECONDS,
            fps=FPS,
            steps=STEPS,
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
        """See `Engine.start`."""
        request.check(self.capabilities(request.model))
        return TestcardRun(request, state, lambda: self.pause(self.step_seconds))


class TestcardRun:
    """One card being drawn. Between two steps it is nothing but the marks of the steps so far."""

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
        self._drawn = 0
        self._sound: Sound | None = None
        self._read_as = "a test card: the words are written on it, not drawn"
        self._toned_from = math.inf  # second from which it gives its own sound
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`."""
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
        while self._drawn < count:
            with timed(self.stage_seconds, "decode"):
                self._frames[self._drawn] = next(self._drawing)
            self._drawn += 1
            yield Progress("decode", self._drawn, count)

    def state(self) -> State:
        """See `Run.state`."""
        values = {"step": self.step, "marks": self.marks, "stage_seconds": self.stage_seconds}
        return saved_state.save(NAME, self.step, self.request.identity(), values)

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self._frames is None or self._fps is None or self._drawn < len(self._frames):
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
        """That of the request, else that of the source, so that no frame of it is lost."""
        if self.request.fps is not None:
            return Fraction(str(self.request.fps)).limit_denominator(1001)
        source = self.request.source
        found = references.rate(source) if source else None
        return min(max(found or Fraction(DEFAULT_FPS), Fraction(FPS[0])), Fraction(FPS[1]))

    def _begin(self, fps: Fraction) -> tuple[Frames, Iterator[Frames]]:
        count = max(1, math.ceil(round(self.request.seconds * float(fps), 6)))
        width, height = native_size(self.request.size, count)
        self._sound, self._toned_from = self._listen(float(count / fps), fps)
        return np.empty((count, height, width, 3), np.uint8), self._draw((width, height), count, fps)

    def _listen(self, seconds: float, fps: Fraction) -> tuple[Sound | None, float]:
        """The sound of the card, and the second from which it is the card's own and not that of its source:
        an extended source is heard to its end first, and one that has sound is never talked over."""
        if self.request.sound is False:
            return None, math.inf
        source = self.request.source
        try:
            found = references.sound(source, seconds) if source else None
        except UnusableSound as error:
            if self.request.sound:
                raise BadInput(
                    f"the video to work from has sound that {error}", "send it without", field=SOURCE
                ) from error
            self._read_as += f"; without the sound of its source, which {error}"
            return None, math.inf
        extending = self.request.operation == "extend"
        if not self.request.sound or (found is not None and not extending):
            return found, math.inf
        rate, channels = (found.rate, found.channels) if found else (tone.RATE, 2)
        begin = float(references.seconds(source)) if source and extending else 0.0
        count = round(seconds * rate)
        samples = tone.tone(rate, channels, count, fps, round(begin * rate))
        if found is not None:
            heard = found.until(begin).samples
            samples[:, : heard.shape[1]] = heard
        return Sound(samples, rate), begin

    def _draw(self, size: Size, count: int, fps: Fraction) -> Iterator[Frames]:
        source = self.request.source
        film = iter(references.iter_frames(source, fps)) if source else iter(())
        over = self.request.operation in ("remix", "edit")  # the card lies on the source, to its last frame
        card = Card(self.request, (size[0] // 2, size[1] // 2) if over else size, self.marks)
        given = self._given(count, fps)
        held: Image.Image | None = None
        for index in range(count):
            found = next(film, None)
            held = held if found is None else fit_image(Image.fromarray(found), size)
            if over and held is not None:
                picture = held.copy()
                picture.paste(
                    self._card(card, index, count, fps), (size[0] - card.width, size[1] - card.height)
                )
            elif found is not None and held is not None:
                picture = held
            elif index in given:
                picture = fit_image(given[index], size)
            else:
                picture = self._card(card, index, count, fps)
            yield np.asarray(picture)

    def _given(self, count: int, fps: Fraction) -> dict[int, Image.Image]:
        """The pictures and the footage of the request, by the frames that they are."""
        given: dict[int, Image.Image] = {}
        for reference in self.request.references:
            start = count - 1 if reference.role == LAST_FRAME else round(reference.at * float(fps))
            if reference.role in (FIRST_FRAME, LAST_FRAME, KEYFRAME):
                given[start] = references.picture(reference)
            elif reference.role == CONTEXT_VIDEO:
                for index, frame in enumerate(references.iter_frames(reference, fps), start):
                    given[index] = Image.fromarray(frame)
        return given

    def _card(self, card: Card, index: int, count: int, fps: Fraction) -> Image.Image:
        flash = index / fps >= self._toned_from and tone.flashes(index, fps)
        return card.frame(index, count, fps, flash=flash)

    def _preview(self) -> Frames:
        """The middle of the clip, with the marks of the steps that are still to come left out."""
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


class Card:
    """A test card of one size; only what moves on it is drawn anew for every frame."""

    def __init__(self, request: Request, size: Size, marks: bytes, marked: int = MARKS) -> None:
        """
        Args:
            request: what the card tells of.
            size: width and height.
            marks: one byte for each of the squares.
            marked: how many of them are filled.
        """
        self.width, self.height = size
        letters = min(self.height / 19, self.width / 24)
        self.font = ImageFont.load_default(max(6.0, letters))
        self.line = 1.36 * letters
        self.still = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(self.still)
        for index, colour in enumerate(BARS):
            pen.rectangle(self._row(index, len(BARS), 0.0, 0.42), colour)
        for index, value in enumerate(marks[:MARKS]):
            colour = _wheel(value) if index < marked else DIM
            pen.rectangle(self._row(index, MARKS, 0.42, 0.48), colour)
        for place, text in enumerate(_words(request), start=1):
            self._write(pen, place, text)

    def frame(self, index: int, count: int, fps: Fraction, *, flash: bool = False) -> Image.Image:
        """The card as it is at frame `index` of `count`, from 0; white above the marks if it flashes."""
        picture = self.still.copy()
        pen = ImageDraw.Draw(picture)
        seconds = float(index / fps)
        digits = len(str(count))
        if flash:
            pen.rectangle(self._row(0, 1, 0.0, 0.42), (255, 255, 255))
        self._write(pen, 0, f"frame {index + 1:0{digits}} of {count}   {seconds:06.3f} s")
        x, y, radius = self.width * 0.84, self.height * 0.75, min(self.width * 0.13, self.height * 0.2)
        line = max(1, round(radius / 12))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=INK, width=line)
        angle = 2 * math.pi * (seconds / HAND_SECONDS % 1)
        end = x + 0.85 * radius * math.sin(angle), y - 0.85 * radius * math.cos(angle)
        pen.line((x, y, *end), fill=BARS[5], width=2 * line)
        return picture

    def _row(self, index: int, count: int, top: float, bottom: float) -> tuple[float, float, float, float]:
        """The box of one of `count` equal boxes beside each other."""
        left, right = (round(self.width * place / count) for place in (index, index + 1))
        edges = left, round(self.height * top), right - 1, round(self.height * bottom) - 1
        return edges[0], edges[1], max(edges[0], edges[2]), max(edges[1], edges[3])

    def _write(self, pen: ImageDraw.ImageDraw, place: int, text: str) -> None:
        # The lines beside the dial are shorter than those that may be below it.
        room = self.width * (0.94 if place > 5 else 0.66)
        kept = text = text[:MAX_LINE_LENGTH]
        while kept and pen.textlength(text, self.font) > room:
            kept = kept[: len(kept) - 1 - len(kept) // 12]
            text = f"{kept.rstrip()}…"
        pen.text((self.width * 0.03, self.height * 0.5 + place * self.line), text, INK, self.font)


def native_size(size: Size, count: int) -> Size:
    """The size to draw `count` frames at: the one asked for, or a smaller one that fits into memory."""
    width, height = size
    scale = math.sqrt(min(1.0, MAX_BYTES / (3 * width * height * count)))
    return (width, height) if scale == 1 else (max(2, int(width * scale)), max(2, int(height * scale)))


def _words(request: Request) -> list[str]:
    """What is written on the card, in lines."""
    prompt = " ".join(request.prompt.split()[:12])
    lines = [f"{request.operation}   seed {request.seed}", prompt]
    if request.negative_prompt:
        lines.append(f"not: {' '.join(request.negative_prompt.split()[:8])}")
    for reference in request.references:
        who = f"{reference.role.replace('_', ' ')} {reference.name}".strip()
        lines.append(f"{who}   {reference.digest[:12]}")
    return lines


def _wheel(value: int) -> tuple[int, int, int]:
    """A colour for each of 256 values, all equally strong."""
    angle = 2 * math.pi * value / 256
    red, green, blue = (int(128 + 110 * math.cos(angle - turn)) for turn in (0.0, 2.094, 4.189))
    return red, green, blue
