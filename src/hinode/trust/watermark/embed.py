"""Marks laid over pictures: more where there is texture, less where the eye sees every change."""

from __future__ import annotations

import numpy as np
from PIL import Image

from hinode.clip import Frames, Mask
from hinode.request import Size
from hinode.trust.watermark.pattern import draw
from hinode.trust.watermark.words import PUBLIC_KEY, Floats

PSNR = 42.2
"""Peak signal-to-noise ratio of marked pixels in dB: over the frame, or over its drawn pixels."""

CELL_ROWS = 60
"""Rows of cells in which texture and brightness are measured."""

QUIET, BUSY = 0.8, 12.0
"""Standard deviations, in levels, between which the mark grows with the texture."""

EXPONENT = 0.5
"""How strongly it grows."""

HELD_FRAMES = 3
"""Frames that are changed alike: texture is measured in the first of them, which takes most of the time."""

MAX_LEVELS = 24
"""Most levels by which a pixel changes."""


class Embedder:
    """Lays the mark of one identity over frames, one at a time.

    Attributes:
        frames: frames that were marked.
        pixels: pixels that could change.
        squares: sum of the squared changes of luma.
    """

    def __init__(self, id: bytes, size: Size, key: bytes = PUBLIC_KEY, psnr: float = PSNR) -> None:
        """
        Args:
            id: 16 bytes.
            size: width and height of the frames, 16 pixels or more.
            key: of the installation.
            psnr: in dB.
        """
        self.size = size
        self.frames, self.pixels, self.squares = 0, 0, 0.0
        self._pattern = draw(id, key, size)
        self._power = 255**2 / 10 ** (psnr / 10) - 1 / 12  # rounding adds an error of its own
        self._plain = 0  # frames without a mask since the last one with a mask
        self._change: tuple[Frames, Frames, int, float]
        self._step = max(1, round(min(size) / CELL_ROWS / 2))

    @property
    def psnr(self) -> float:
        """Of the pixels that could change, in dB; infinite if none did."""
        return float(10 * np.log10(255**2 * self.pixels / self.squares)) if self.squares else float("inf")

    def mark(self, frame: Frames, mask: Mask | None = None) -> Frames:
        """A marked copy of a frame.

        Args:
            frame: uint8 [H, W, 3].
            mask: bool [H, W], the pixels that may change; None for all. The others stay as they are.
        """
        if mask is not None and not mask.any():
            return frame
        if mask is not None or self._plain % HELD_FRAMES == 0:
            self._change = self._changes(frame, mask)
        # A frame with a mask of its own ends the series.
        self._plain = self._plain + 1 if mask is None else 0
        plus, minus, pixels, squares = self._change
        self.frames += 1
        self.pixels += pixels
        self.squares += squares
        marked = np.minimum(frame, 255 - plus)
        marked += plus
        np.maximum(marked, minus, out=marked)
        marked -= minus
        return marked

    def _changes(self, frame: Frames, mask: Mask | None) -> tuple[Frames, Frames, int, float]:
        """What is added to a frame and taken from it, the pixels that may change, and the squared changes."""
        change = self._strength(frame)
        change *= self._pattern
        if mask is not None:
            change *= mask
        pixels = change.size if mask is None else int(np.count_nonzero(mask))
        change *= np.float32(np.sqrt(self._power * pixels / max(_squares(change), 1e-9)))
        np.rint(change, out=change)
        np.clip(change, -MAX_LEVELS, MAX_LEVELS, out=change)
        # In bytes, and for three channels at once: several times as fast as wider numbers or broadcasting.
        plus = np.maximum(change, 0).astype(np.uint8).repeat(3).reshape(frame.shape)
        minus = np.maximum(-change, 0).astype(np.uint8).repeat(3).reshape(frame.shape)
        return plus, minus, pixels, _squares(change)

    def _strength(self, frame: Frames) -> Floats:
        """Relative strength of the mark, float32 [H, W]."""
        luma = np.asarray(Image.fromarray(frame).convert("L").reduce(self._step), np.float32)
        # A cell has two times two values; an odd row or column belongs to no cell.
        rows, columns = luma.shape[0] // 2, luma.shape[1] // 2
        cells = luma[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
        mean = cells.mean((1, 3))
        spread = np.sqrt(np.maximum((cells * cells).mean((1, 3)) - mean * mean, 0))
        # An edge does not carry its texture into the flat cells beside it.
        padded = np.pad(spread, 1, mode="edge")
        calm = np.minimum.reduce(
            [padded[y : y + rows, x : x + columns] for y in (0, 1, 2) for x in (0, 1, 2)]
        )
        texture = np.clip(0.5 * spread + 0.5 * calm, QUIET, BUSY) ** EXPONENT
        # Changes are least visible in the dark and in glare (Chou and Li 1995).
        light = 1 + 0.5 * np.abs(mean / 127.5 - 1) ** 2
        strength = Image.fromarray((texture * light).astype(np.float32))
        return np.array(strength.resize(self.size, Image.Resampling.BILINEAR))


def _squares(values: Floats) -> float:
    flat = values.ravel()
    return float(np.dot(flat, flat))
