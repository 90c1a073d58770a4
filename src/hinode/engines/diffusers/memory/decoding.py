"""The methods of decoding a clip; `execution.decode` carries them out."""

from __future__ import annotations

WHOLE, TILES, SMALL_TILES, PROCESSOR = "whole", "in tiles", "in small tiles", "on the processor"
DECODE_FALLBACKS = (WHOLE, TILES, SMALL_TILES, PROCESSOR)
"""Methods of the model's own decoder; each takes more time and less memory than the one before."""
TINY, TINY_PROCESSOR = "by the tiny decoder", "by the tiny decoder on the processor"
TINY_FALLBACKS = (TINY, TINY_PROCESSOR)
"""The same of the tiny decoder."""


def methods_from(first: str, *, tiny: bool) -> tuple[str, ...]:
    """Every method to try, in order; `tiny` says whether there is a tiny decoder."""
    fallbacks = TINY_FALLBACKS if tiny else ()
    if first == TINY:
        return (*fallbacks, *DECODE_FALLBACKS[1:])
    return (*DECODE_FALLBACKS[DECODE_FALLBACKS.index(first) :], *fallbacks)
