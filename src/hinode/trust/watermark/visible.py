"""The visible notice, and the entry that Chinese law asks for in the metadata of files.

China's labelling standard (GB 45438-2025) is the strictest that names sizes: words of at least 5 % of the
shorter side, on the first frames, for 2 seconds or more.
"""

from __future__ import annotations

import functools
import json
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hinode.clip import Frames
from hinode.errors import BadInput, quote
from hinode.request import Size
from hinode.trust.watermark.words import Floats

MIN_HEIGHT = 0.05
"""Height of the words, as a share of the shorter side."""

MIN_SECONDS = 2.0

MAX_CHARACTERS = 60

SHORT = ("AI-generated", "AI")

MARGIN = 0.02
"""Distance from the edges, as a share of the shorter side."""


@dataclass(frozen=True)
class Notice:
    """Words on the frames of a clip, at the bottom on the left.

    Attributes:
        text: such as "AI-generated".
        seconds: for how long from the first frame on, or 0 for the whole clip.
        height: of the words, as a share of the shorter side.

    Raises:
        BadInput: the words are too long, have no glyphs, or are smaller or shorter than the law asks for.
    """

    text: str
    seconds: float = 0.0
    height: float = 0.055

    def __post_init__(self) -> None:
        if not 0 < len(self.text) <= MAX_CHARACTERS or not self.text.isprintable():
            message = f"the notice has to have 1 to {MAX_CHARACTERS} printable characters"
            raise BadInput(message, "shorten it", field="notice")
        if not self.text.isascii() and not _has_glyphs(self.text):
            message = f"there are no glyphs for {quote(self.text)} in the font that comes with Pillow"
            raise BadInput(message, "write the notice in letters of English", field="notice")
        if not MIN_HEIGHT <= self.height <= 0.25:
            raise BadInput(
                f"the height of the notice is {self.height:g}", "give 0.05 to 0.25", field="notice"
            )
        if self.seconds and self.seconds < MIN_SECONDS:
            message = f"the notice is shown for {self.seconds:g} s"
            raise BadInput(
                message, f"give {MIN_SECONDS:g} s or more, or 0 for the whole clip", field="notice"
            )

    @classmethod
    def short(cls, size: Size) -> Notice | None:
        """The notice of clips that have to carry one and whose installation names no words, as large as
        frames of a size hold it; None if they hold none."""
        return next((notice for notice in map(cls, SHORT) if notice.fits(size)), None)

    def fits(self, size: Size) -> bool:
        """Whether frames of a size are wide enough for the words."""
        with suppress(BadInput):
            _words(self.text, self.height, size)
            return True
        return False

    def draw(self, frame: Frames, moment: float) -> Frames:
        """A copy of a frame uint8 [H, W, 3], which is shown `moment` seconds after the first, with the
        notice; the frame itself once it is over."""
        if self.seconds and moment >= self.seconds:
            return frame
        height, width = frame.shape[:2]
        words, opacity = _words(self.text, self.height, (width, height))
        left = top = max(1, round(MARGIN * min(width, height)))
        rows = slice(height - top - words.shape[0], height - top)
        columns = slice(left, left + words.shape[1])
        result = frame.copy()
        part = result[rows, columns].astype(np.float32)
        result[rows, columns] = np.rint(part + opacity[..., None] * (words[..., None] - part))
        return result


def _has_glyphs(text: str) -> bool:
    font = ImageFont.load_default(32)
    missing = bytes(font.getmask("\U000fffff"))
    return all(character.isspace() or bytes(font.getmask(character)) != missing for character in text)


@functools.lru_cache(maxsize=4)
def _words(text: str, height: float, size: Size) -> tuple[Floats, Floats]:
    """Brightness and opacity, float32 [h, w], of white words on a dark plate."""
    wide = size[0] - 2 * max(1, round(MARGIN * min(size)))
    # The height of a font is that of its capitals and more, so the words are measured.
    pixels = max(8.0, height * min(size) / 0.72)
    font = ImageFont.load_default(pixels)
    left, top, right, bottom = font.getbbox(text)
    edge = max(2, round(pixels / 5))
    picture = Image.new("L", (round(right - left) + 2 * edge, round(bottom - top) + 2 * edge), 0)
    ImageDraw.Draw(picture).text((edge - left, edge - top), text, 255, font)
    if picture.width > wide:
        raise BadInput(f"the notice is wider than a frame of {size[0]} pixels", "shorten it", field="notice")
    ink = np.asarray(picture, np.float32) / np.float32(255)
    return ink * np.float32(255), np.float32(0.55) + np.float32(0.45) * ink


def aigc(
    producer: str, produce_id: str, *, label: str = "1", propagator: str = "", propagate_id: str = ""
) -> str:
    """The value of the metadata key `AIGC` of GB 45438-2025, as JSON.

    Args:
        producer: name or code of the service that made the clip.
        produce_id: its number of the clip.
        label: "1" for content that was generated, "2" for what may be, "3" for what is suspected.
        propagator, propagate_id: the same of the platform that shows it, or "".

    Raises:
        BadInput: the label is another one, or a value is too long.
    """
    if label not in ("1", "2", "3"):
        raise BadInput(f"there is no label {quote(label)}", "choose 1, 2 or 3", field="label")
    values = {
        "Label": label,
        "ContentProducer": producer,
        "ProduceID": produce_id,
        "ReservedCode1": "",
        "ContentPropagator": propagator,
        "PropagateID": propagate_id,
        "ReservedCode2": "",
    }
    if long := next((name for name, value in values.items() if len(value) > 200), None):
        raise BadInput(f"{long} has more than 200 characters", "shorten it", field="aigc")
    return json.dumps(values, ensure_ascii=False)
