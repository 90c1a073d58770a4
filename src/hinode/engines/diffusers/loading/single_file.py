"""Loading a denoiser from one file: safetensors with the makers' tensor names or diffusers' own, or GGUF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hinode.engines.diffusers.loading import weight_file
from hinode.errors import ModelError


def load(kind: Any, file: Path, folder: Path, dtype: torch.dtype, *, pickle: bool) -> Any:
    """The denoiser in a file with all of its weights.

    Args:
        kind: its class.
        folder: with its config.
        dtype: type that it computes in.
        pickle: whether a file that can run code is allowed.

    Raises:
        ModelError: the file is not exactly such a denoiser.
        OSError, ValueError, RuntimeError, KeyError: it cannot be read.
    """
    if file.suffix.lower() == ".gguf":
        return _load_gguf(kind, file, folder, dtype)
    import accelerate

    config = kind.load_config(folder, local_files_only=True)
    with _default_dtype(dtype), accelerate.init_empty_weights():
        part = kind.from_config(config)
    tensors = weight_file.take_denoiser(weight_file.read(file, pickle=pickle), dtype)
    tensors = weight_file.to_library_names(tensors, kind, config, part.state_dict())
    weight_file.check(tensors, part.state_dict(), file.name)
    # From a folder, the library keeps norms and tables in float32; so do we.
    exact = set(part._keep_in_fp32_modules or ())
    for name in list(tensors):
        tensors[name] = tensors[name].to(torch.float32 if exact & {*name.split(".")} else dtype)
    part.load_state_dict(tensors, assign=True)
    return part


def _load_gguf(kind: Any, file: Path, folder: Path, dtype: torch.dtype) -> Any:
    import diffusers

    try:
        part = kind.from_single_file(
            str(file),
            config=str(folder.parent),
            subfolder=folder.name,
            torch_dtype=dtype,
            local_files_only=True,
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype),
        )
    except RuntimeError as error:
        if "meta tensor" not in str(error):
            raise
        raise _lacks_weights(file) from error  # what is not in the file stays on the meta device
    if any(tensor.is_meta for tensor in part.parameters()):
        raise _lacks_weights(file)
    return part


def _lacks_weights(file: Path) -> ModelError:
    message = f"{file.name} lacks weights of the network that its base describes"
    return ModelError(message, "take a file of the same family and size as its base")


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New tensors have the type that the library's own loader gives to what is in no file."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
