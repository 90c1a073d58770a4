"""Memory of the processor that is free goes back to the machine at once."""

from __future__ import annotations

import ctypes

LARGE = 2**20
"""Bytes of the smallest block that is given back."""

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h


def give_back_large_blocks() -> bool:
    """Have the C library give each block of `LARGE` and more back as soon as it is free.

    By itself it learns to keep blocks of up to 32 MB for later, and a thread other than the first keeps them
    in pieces: decoding then takes two to three times what it needs. It holds for the whole process.

    Returns:
        Whether it will; other C libraries than GNU's cannot be told.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):
        return False
