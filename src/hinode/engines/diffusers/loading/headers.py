"""How large a model's weights are, from the headers of its files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError

from hinode.errors import ModelError
from hinode.registry import inspection


def count_elements(files: Iterable[Path]) -> int:
    """Number of all weights in safetensors and GGUF files.

    Raises:
        ModelError: a file cannot be read.
    """
    return sum(_count(file) for file in files)


def _count(file: Path) -> int:
    try:
        if file.suffix.lower() != ".gguf":
            return sum(math.prod(shape) for shape in inspection.tensor_shapes(file).values())
        import gguf

        return sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(file).tensors)
    except ImportError as error:
        raise ModelError(
            "the library gguf is not installed", 'install it with `pip install "hinode[diffusers]"`'
        ) from error
    except (SafetensorError, OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"the header of {file} cannot be read", "fetch the file again") from error
