"""The picture of the test card."""

from __future__ import annotations

import math
from fractions import Fraction

from PIL import Image, ImageDraw, ImageFont

from hinode.request import Request, Size

MARKS = 32
"""Coloured squares on the strip."""

MAX_LINE_LENGTH = 200
HAND_SECONDS = 2.0
"""Time of one turn of the hand."""

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


class Card:
    """A test card of one size. Only what moves is drawn for every frame."""

    def __init__(self, request: Request, size: Size, marks: bytes, filled: int = MARKS) -> None:
        """`marks` has one byte for each of the squares; so many of them as are filled have a colour."""
        self.width, self.height = size
        letters = min(self.height / 19, self.width / 24)
        self.font = ImageFont.load_default(max(6.0, letters))
        self.line = 1.36 * letters
        self.background = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(self.background)
        for index, colour in enumerate(BARS):
            pen.rectangle(self._row(index, len(BARS), 0.0, 0.42), colour)
        for index, value in enumerate(marks[:MARKS]):
            colour = _wheel(value) if index < filled else DIM
            pen.rectangle(self._row(index, MARKS, 0.42, 0.48), colour)
        for place, text in enumerate(_lines(request), start=1):
            self._write(pen, place, text)

    def frame(self, index: int, count: int, fps: Fraction, *, flash: bool = False) -> Image.Image:
        """The card at frame `index` of `count`, from 0; white above the marks for a flash."""
        picture = self.background.copy()
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
        width = self.width * (0.94 if place > 5 else 0.66)
        shortened = text = text[:MAX_LINE_LENGTH]
        while shortened and pen.textlength(text, self.font) > width:
            shortened = shortened[: len(shortened) - 1 - len(shortened) // 12]
            text = f"{shortened.rstrip()}…"
        pen.text((self.width * 0.03, self.height * 0.5 + place * self.line), text, INK, self.font)


def _lines(request: Request) -> list[str]:
    """The text on the card."""
    prompt = " ".join(request.prompt.split()[:12])
    lines = [f"{request.operation}   seed {request.seed}", prompt]
    if request.negative_prompt:
        lines.append(f"not: {' '.join(request.negative_prompt.split()[:8])}")
    for reference in request.references:
        name = f"{reference.role.replace('_', ' ')} {reference.name}".strip()
        lines.append(f"{name}   {reference.digest[:12]}")
    return lines


def _wheel(value: int) -> tuple[int, int, int]:
    """A colour for each of 256 values, all equally saturated."""
    angle = 2 * math.pi * value / 256
    red, green, blue = (int(128 + 110 * math.cos(angle - turn)) for turn in (0.0, 2.094, 4.189))
    return red, green, blue
