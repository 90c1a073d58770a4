"""A denoiser from one file: safetensors under the names of its makers or of diffusers, or GGUF."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hinode.errors import ModelError, quote

SETTINGS = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
"""What diffusers calls the file of a part's weights."""


def read(made: Any, file: Path, folder: Path, options: Mapping[str, Any], *, converted: bool) -> Any:
    """The denoiser in a file.

    Args:
        made: its class.
        file: with all of its weights.
        folder: with its settings.
        options: what its class is given to read it from a folder.
        converted: see `Family.converted`.

    Raises:
        ModelError: the file has not all of its weights.
        OSError, ValueError, RuntimeError, KeyError: it cannot be read, or is of another network.
    """
    if not converted:
        part, missing = _named(made, file, folder, options)
        if missing:
            raise _lacking(file, missing[0])
        return part
    try:
        part = _converted(made, file, folder, options)
    except RuntimeError as error:
        if "meta tensor" not in str(error):
            raise
        raise _lacking(file) from error  # what is not in the file has no numbers to move
    for name, tensor in part.named_parameters():
        if tensor.is_meta:
            raise _lacking(file, name)
    return part


def _lacking(file: Path, name: str = "") -> ModelError:
    return ModelError(
        f"{file.name} lacks weights of the network that its base describes"
        + (f", such as {quote(name, 100)}" if name else ""),
        "take a file of the same family and size as its base",
    )


def _converted(made: Any, file: Path, folder: Path, options: Mapping[str, Any]) -> Any:
    given: dict[str, Any] = {"torch_dtype": options["dtype"], "local_files_only": True}
    if file.suffix.lower() == ".gguf":
        import diffusers

        given["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=options["dtype"])
    return made.from_single_file(str(file), config=str(folder.parent), subfolder=folder.name, **given)


def _named(made: Any, file: Path, folder: Path, options: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """A denoiser whose file has the names of diffusers, and what is missing in it. The library reads such a
    file only out of a folder, so it is shown one."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / SETTINGS).symlink_to((folder / SETTINGS).resolve())
        (Path(place) / WEIGHTS).symlink_to(file.resolve())
        given = {name: value for name, value in options.items() if name != "variant"}
        part, about = made.from_pretrained(place, output_loading_info=True, **given)
    return part, sorted(about["missing_keys"])
