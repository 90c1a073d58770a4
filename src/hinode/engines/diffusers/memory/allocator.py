"""Memory of the processor that is free goes back to the machine at once."""

from __future__ import annotations

import ctypes

LARGE = 2**20
"""Bytes of the smallest block that is given back."""

SMALL = 2**25
"""Bytes of smaller blocks that are kept for later. Without them a pass of the network, which needs the same
blocks again and again, took a fifth longer."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def give_back_large_blocks() -> bool:
    """Have the C library give each block of `LARGE` and more back as soon as it is free.

    By itself it learns to keep blocks of up to 32 MB for later, and a thread other than the first keeps them
    in pieces: decoding then takes two to three times what it needs. It holds for the whole process.

    Returns:
        Whether it will; other C libraries than GNU's cannot be told.
    """
    try:
        library = ctypes.CDLL(None)
        # Setting either of them ends the library's own guesses at both.
        return bool(library.mallopt(_TRIM_THRESHOLD, SMALL) and library.mallopt(_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):
        return False
