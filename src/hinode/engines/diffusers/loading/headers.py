"""How much a model's weights weigh, from the heads of its files alone."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode.errors import ModelError

MAX_HEADER_BYTES = 2**28
WIDTHS = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I64": 8,
    "I32": 4,
    "I8": 1,
    "U8": 1,
}


@dataclass(frozen=True)
class Weights:
    """The weights of one part.

    Attributes:
        numbers: how many there are.
        stored: bytes that they take on disk.
    """

    numbers: int
    stored: int

    def loaded(self, width: int) -> int:
        """Bytes that they take once each takes `width` bytes."""
        return self.numbers * width


def read(files: list[Path]) -> Weights:
    """The weights in some safetensors and GGUF files.

    Raises:
        ModelError: one of them cannot be read.
    """
    numbers = stored = 0
    for file in files:
        found = _gguf(file) if file.suffix.lower() == ".gguf" else _safetensors(file)
        numbers, stored = numbers + found.numbers, stored + found.stored
    return Weights(numbers, stored)


def _safetensors(file: Path) -> Weights:
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > MAX_HEADER_BYTES:
                raise ValueError("the head is too long")
            head: Mapping[str, Any] = json.loads(opened.read(length))
        tensors = [about for name, about in head.items() if name != "__metadata__"]
        return Weights(
            sum(math.prod(about["shape"]) for about in tensors),
            sum(math.prod(about["shape"]) * WIDTHS.get(about["dtype"], 4) for about in tensors),
        )
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(f"the head of {file} cannot be read", "fetch the file again") from error


def _gguf(file: Path) -> Weights:
    try:
        import gguf

        tensors = gguf.GGUFReader(file).tensors
        return Weights(sum(int(t.n_elements) for t in tensors), sum(int(t.n_bytes) for t in tensors))
    except ImportError as error:
        raise ModelError(
            "the library gguf is not installed", 'install it with `pip install "hinode[diffusers]"`'
        ) from error
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"the head of {file} cannot be read", "fetch the file again") from error
