"""Returning free memory to the system at once."""

from __future__ import annotations

import ctypes
import gc

import torch

LARGE = 2**20
"""Bytes of the smallest block that is returned."""

SMALL = 2**25
"""Bytes of smaller blocks that are kept for reuse. Without them a pass of the network, which needs the same
blocks again and again, took a fifth longer."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def return_large_blocks() -> bool:
    """Have the C library return each block of `LARGE` and more as soon as it is freed, in the whole process.

    By default it learns to keep blocks of up to 32 MB, and in threads other than the first it keeps them in
    pieces: decoding then takes two to three times what it needs. Returns False if it is not GNU's library,
    which alone has the setting.
    """
    try:
        library = ctypes.CDLL(None)
        # Setting either of them ends the library's own guesses at both.
        return bool(library.mallopt(_TRIM_THRESHOLD, SMALL) and library.mallopt(_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):
        return False


def free_memory() -> None:
    """Return unused memory to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
