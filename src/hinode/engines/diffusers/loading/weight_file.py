"""The tensors of a weight file: their values, or only names, types and shapes (on the meta device); of one
that holds a denoiser, under the names of diffusers and without the scales of 8-bit weights."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from hinode.errors import ModelError, quote

Tensors = dict[str, Tensor]

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""Types of safetensors; all others are those of whole numbers."""

_PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "generator_ema.",
    "model.",
    "dit.",
    "net.",
)
"""What stands before all names of a denoiser in some files."""
_WRAPPERS = ("state_dict", "generator_ema", "model", "module")
"""Keys under which a pickle may hold its tensors."""

SCALES = (".scale_weight", ".weight_scale")
"""What a weight in 8 bits is multiplied by: ends of names beside `.weight`."""
_FORMATS = ("float8_e4m3fn", "float8_e5m2")
"""Formats of weights with one scale for all, or one for each row."""
_UNUSED = (".scale_input", ".input_scale", ".comfy_quant")
"""Of the inputs of a layer, which are not in 8 bits here; and the format, see `check_formats`."""
_MARKS = ("scaled_fp8",)
_REMEDY = "fetch it again, or take one of the same family and size"


def read(file: Path, *, pickle: bool = False) -> Tensors:
    """All tensors of a safetensors file or, if `pickle` allows it, of a pickle, which runs no code either.

    Raises:
        ModelError: it holds no tensors, or weights in 8 bits of an unknown format.
    """
    if file.suffix.lower() in (".safetensors", ".sft"):
        _check_formats(file)
        return safetensors.torch.load_file(file)
    if not pickle:
        raise ModelError(f"{file.name} is a pickle", "take safetensors, or add the model with --allow-pickle")
    values: Any = torch.load(file, map_location="cpu", weights_only=True)
    while isinstance(values, dict) and (inner := next((key for key in _WRAPPERS if key in values), None)):
        values = values[inner]
    tensors = {str(name): value for name, value in values.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ModelError(f"{file.name} holds no tensors", "take another file")
    return tensors


def read_layout(file: Path) -> Tensors | None:
    """The tensors of a file on the meta device; None for a pickle, whose names are known when it is read.

    Raises:
        ModelError: it has weights in 8 bits of an unknown format.
    """
    suffix = file.suffix.lower()
    if suffix == ".gguf":
        import gguf

        tensors = gguf.GGUFReader(file).tensors
        return {
            tensor.name: torch.empty([int(side) for side in reversed(tensor.shape)], device="meta")
            for tensor in tensors
        }
    if suffix not in (".safetensors", ".sft"):
        return None
    _check_formats(file)
    with safe_open(file, framework="pt") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
        return {
            name: torch.empty(
                part.get_shape(), dtype=_TYPES.get(part.get_dtype(), torch.int64), device="meta"
            )
            for name, part in slices.items()
        }


def take_denoiser(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Tensors:
    """Those of some tensors that belong to the denoiser, without their prefix and multiplied by their scales.

    Args:
        tensors: of a whole file, which may hold other parts too.
        dtype: of weights that have a scale.

    Raises:
        ModelError: a scale does not fit its weight.
    """
    own = dict(tensors)
    for prefix in _PREFIXES:
        names = [name for name in own if name.startswith(prefix)]
        # What lies beside a "diffusion_model" belongs to the other parts of the pipeline.
        if names and ("diffusion_model" in prefix or len(names) == len(own)):
            own = {name.removeprefix(prefix): own[name] for name in names}
    for name in [name for name in own if name.endswith(SCALES)]:
        layer, scale = name.rpartition(".")[0], own.pop(name)
        if (weight := own.get(f"{layer}.weight")) is None:
            raise ModelError(f"there is a scale {quote(name, 100)} without a weight", "fetch the file again")
        if scale.numel() not in (1, len(weight)):
            raise ModelError(
                f"the scale {quote(name, 100)} is for blocks of weights, which cannot be read here",
                "take the file in bfloat16, GGUF, or float8 with one scale for each layer",
            )
        shape = [-1, *[1] * (weight.ndim - 1)] if scale.numel() > 1 else []
        own[f"{layer}.weight"] = (weight.float() * scale.float().reshape(shape)).to(dtype)
    return {name: tensor for name, tensor in own.items() if not name.endswith(_UNUSED) and name not in _MARKS}


def to_library_names(
    tensors: Tensors, kind: Any, config: Mapping[str, Any], expected: Mapping[str, Any]
) -> Tensors:
    """The tensors of a denoiser under the names of diffusers.

    Args:
        kind: class of the denoiser.
        config: its config.
        expected: its state dict, by the names of diffusers.
    """
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    if kind.__name__ not in SINGLE_FILE_LOADABLE_CLASSES:
        return tensors
    convert = SINGLE_FILE_LOADABLE_CLASSES[kind.__name__]["checkpoint_mapping_fn"]
    converted: Tensors = convert(checkpoint=dict(tensors), config=dict(config))
    return max(tensors, converted, key=lambda names: len(names.keys() & expected.keys()))


def check(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelError if tensors are not exactly those that a network has, by name and shape.

    Args:
        where: what holds the tensors, for the error.
    """
    check_names(expected.keys() - tensors.keys(), tensors.keys() - expected.keys(), where)
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{list(tensor.shape)} and not {list(expected[name].shape)}"
            raise ModelError(f"{where} is of another size: {quote(name, 100)} is {shapes}", _REMEDY)
    check_types(tensors, expected, where)


def check_types(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelError if weights are whole numbers: what they are to be multiplied by is not known."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() and name in expected and expected[name].is_floating_point():
            message = f"{where} has weights in a type that cannot be read here, such as {quote(name, 100)}"
            raise ModelError(message, "take the file in bfloat16, GGUF, or float8")


def check_names(missing: Collection[str], unknown: Collection[str], where: str) -> None:
    """Raise ModelError if names of tensors are missing, or unknown to the network."""
    for names, fault in (
        (missing, "lacks weights of the network"),
        (unknown, "has weights that the network does not have"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(f"{where} {fault}: {quote(min(names), 100)}{more}", _REMEDY)


def check_values(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelError if a tensor has values that are not finite. An attention hides infinity: its results
    are wrong numbers, but numbers.

    Args:
        where: what holds the tensors, for the error.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.itemsize > 1 and tensor.numel():
            # Of all ways the quickest: 0.1 s for a gigabyte.
            extremes = torch.stack(torch.aminmax(tensor.detach()))
            if not bool(extremes.isfinite().all()):
                message = f"{where} has values that are not finite numbers, in {quote(name, 100)}"
                remedy = "check its files with `hinode models verify`; another file may work"
                raise ModelError(message, remedy)


def beside_weights(unknown: Collection[str], known: Collection[str]) -> list[str]:
    """Those of the unknown names that describe a known weight, such as its scale. A language model has parts,
    such as a decoder, that its class for encoding leaves out; those describe no known weight.

    Args:
        known: names of the network, and of its files.
    """
    weights = set(known).difference(unknown)
    layers = {name: name.rpartition(".")[0] for name in unknown}
    return [name for name in unknown if {layers[name], f"{layers[name]}.weight"} & weights]


def _check_formats(file: Path) -> None:
    """Raise ModelError if weights are in a format other than float8 with one scale for a layer or a row."""
    formats = set()
    with safe_open(file, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118
            if name.endswith(".comfy_quant"):
                formats.add(_format(bytes(opened.get_tensor(name).tolist())))
        described = (opened.metadata() or {}).get("_quantization_metadata", "{}")
    layers = json.loads(described).get("layers", {})
    formats |= {str(layer.get("format")) for layer in layers.values() if isinstance(layer, dict)}
    if unknown := sorted(formats.difference(_FORMATS)):
        raise ModelError(
            f"the weights in {file.name} are in the format {quote(unknown[0])}, which cannot be read here",
            "take the file in bfloat16, GGUF, or float8",
        )


def _format(content: bytes) -> str:
    try:
        return str(json.loads(content)["format"])
    except (ValueError, KeyError, TypeError):
        return "unknown"
