"""Ranges that every engine accepts; a finished clip is resized and retimed to the request."""

from __future__ import annotations

PROMPT_CHARACTERS = 32_000
SIDE = (16, 4096)
"""Shortest and longest side of a finished frame in pixels."""
PIXELS = 4096 * 2160
FPS = (1.0, 60.0)
STEPS = (1, 200)
