"""Nested values with tensors in them, as bytes and back. No pickle: what is read can run no code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

_PLAIN = (bool, int, float, str, type(None))


def dump(value: Any) -> bytes:
    """`value` as the bytes of a safetensors file with its structure in the head.

    Args:
        value: None, numbers, strings, tensors and arrays in tuples, lists and dicts with strings for keys.

    Raises:
        TypeError: something else is in it.
    """
    tensors: dict[str, Tensor] = {}
    structure = _taken_apart(value, tensors)
    return safetensors.torch.save(tensors, {"hinode": json.dumps(structure)})


def load(body: bytes, device: torch.device | str = "cpu") -> Any:
    """What `dump` was given.

    Args:
        body: from `dump`.
        device: where tensors go that were not on the CPU; those that were stay there.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        length = int.from_bytes(body[:8], "little")
        structure = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["hinode"])
        return _put_together(structure, safetensors.torch.load(body), torch.device(device))
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError("the bytes are damaged") from error


def dumpable(value: Any) -> bool:
    """Whether `dump` takes it."""
    if isinstance(value, list | tuple):
        return all(dumpable(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and dumpable(item) for key, item in value.items())
    return isinstance(value, (*_PLAIN, Tensor, np.ndarray, np.generic))


def _taken_apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor | np.ndarray):
        name = str(len(tensors))
        tensor = value.detach() if isinstance(value, Tensor) else torch.from_numpy(value)
        # A copy: safetensors takes no two tensors of one storage.
        tensors[name] = tensor.to("cpu", copy=True).contiguous()
        away = isinstance(value, Tensor) and value.device.type != "cpu"
        kind = "away" if away else "tensor" if isinstance(value, Tensor) else "array"
        return {kind: name}
    if isinstance(value, list | tuple):
        items = [_taken_apart(item, tensors) for item in value]
        return {"list" if isinstance(value, list) else "tuple": items}
    if isinstance(value, dict):
        return {"dict": {str(key): _taken_apart(item, tensors) for key, item in value.items()}}
    raise TypeError(f"a {type(value).__name__} cannot be saved")


def _put_together(value: Any, tensors: dict[str, Tensor], device: torch.device) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    match kind:
        case "tensor":
            return tensors[inside]
        case "away":
            return tensors[inside].to(device)
        case "array":
            return tensors[inside].numpy()
        case "list":
            return [_put_together(item, tensors, device) for item in inside]
        case "tuple":
            return tuple(_put_together(item, tensors, device) for item in inside)
        case "dict":
            return {key: _put_together(item, tensors, device) for key, item in inside.items()}
    raise ValueError(f"there is no {kind}")
