"""Loading a denoiser from one file: safetensors with the makers' tensor names or diffusers' own, or GGUF."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hinode.errors import ModelError, quote

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
"""What diffusers calls the weights of a part."""


def load(kind: Any, file: Path, folder: Path, options: Mapping[str, Any], *, converted: bool) -> Any:
    """The denoiser in a file with all of its weights.

    Args:
        folder: with its config.
        options: arguments of `kind.from_pretrained`.
        converted: see `Family.converted`.

    Raises:
        ModelError: the file lacks weights.
        OSError, ValueError, RuntimeError, KeyError: it cannot be read, or is of another network.
    """
    if not converted:
        part, missing = _load_diffusers_names(kind, file, folder, options)
    else:
        try:
            part = _load_converted(kind, file, folder, options)
        except RuntimeError as error:
            if "meta tensor" not in str(error):
                raise
            raise _missing_weights(file) from error  # what is not in the file stays on the meta device
        missing = [name for name, tensor in part.named_parameters() if tensor.is_meta]
    if missing:
        raise _missing_weights(file, missing[0])
    return part


def _missing_weights(file: Path, name: str = "") -> ModelError:
    return ModelError(
        f"{file.name} lacks weights of the network that its base describes"
        + (f", such as {quote(name, 100)}" if name else ""),
        "take a file of the same family and size as its base",
    )


def _load_converted(kind: Any, file: Path, folder: Path, options: Mapping[str, Any]) -> Any:
    arguments: dict[str, Any] = {"torch_dtype": options["dtype"], "local_files_only": True}
    if file.suffix.lower() == ".gguf":
        import diffusers

        arguments["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=options["dtype"])
    return kind.from_single_file(str(file), config=str(folder.parent), subfolder=folder.name, **arguments)


def _load_diffusers_names(
    kind: Any, file: Path, folder: Path, options: Mapping[str, Any]
) -> tuple[Any, list[str]]:
    """The denoiser, and the names of weights that are missing. The library reads a file with its own names
    only from a folder, so it gets one with links."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / CONFIG).symlink_to((folder / CONFIG).resolve())
        (Path(place) / WEIGHTS).symlink_to(file.resolve())
        arguments = {name: value for name, value in options.items() if name != "variant"}
        part, info = kind.from_pretrained(place, output_loading_info=True, **arguments)
    return part, sorted(info["missing_keys"])
