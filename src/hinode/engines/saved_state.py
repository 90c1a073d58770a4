"""States of runs and other nested values as bytes, and back. No pickle: reading them can run no code.

Engines `save` and `restore` their runs here, so the checks that a state is whole and belongs to the request
stand in one place. `to_bytes` and `from_bytes` are for whoever stores states.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from hinode.engines.protocol import Part, State, UnusableState

VERSION = 2
"""It changes when a state of an older version can no longer be read; a run then starts from the beginning."""

_DAMAGED = "the saved run is damaged or of another version of Hinode"
_SCALARS = (bool, int, float, str, type(None))


def save(
    engine: str,
    step: int,
    identity: Mapping[str, Any],
    values: Mapping[str, Any],
    parts: Mapping[str, Part] | None = None,
) -> State:
    """The state of a run; see `State`.

    Args:
        identity: everything that has to be the same where the run is continued.
        values: everything else that is needed there; see `dump` for what may be in both.
    """
    body = dump({"version": VERSION, "identity": dict(identity), "values": dict(values)})
    return State(engine, step, body, parts or {})


def restore(state: State, engine: str, identity: Mapping[str, Any], device: Any = "cpu") -> dict[str, Any]:
    """The values of a state that `save` wrote for the same engine and identity; for `device` see `load`.

    Raises:
        UnusableState: it is damaged, or is one of another request, engine or version.
    """
    try:
        content = load(state.body, device)
        version, saved, values = content["version"], content["identity"], dict(content["values"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableState(_DAMAGED) from error
    if version != VERSION:
        raise UnusableState("the saved run is of another version of Hinode")
    if state.engine != engine or saved != dict(identity):
        raise UnusableState("the saved run belongs to another request, to other weights or to other software")
    return values


def to_bytes(state: State, locations: Mapping[str, str] | None = None) -> bytes:
    """A state as bytes, without the contents of its parts; `locations` says where each part is stored, by its
    name. By default its name stands for itself."""
    parts = {name: name for name in state.parts} if locations is None else dict(locations)
    head = {"engine": state.engine, "step": state.step, "parts": parts}
    return json.dumps(head).encode() + b"\n" + state.body


def from_bytes(content: bytes, read: Callable[[str], bytes]) -> State:
    """The state that `to_bytes` wrote; `read` gives what is stored at a location when a part is needed.

    Raises:
        UnusableState: they are damaged or of another version.
    """
    head, _, body = content.partition(b"\n")
    parts = {name: partial(read, location) for name, location in part_locations(head).items()}
    try:
        values = json.loads(head)
        return State(str(values["engine"]), int(values["step"]), body, parts)
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableState(_DAMAGED) from error


def part_locations(content: bytes) -> dict[str, str]:
    """Where the parts of a state are stored, from its bytes or only their first line.

    Raises:
        UnusableState: they are damaged or of another version.
    """
    try:
        parts = json.loads(content.partition(b"\n")[0])["parts"]
        return {str(name): str(location) for name, location in parts.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableState(_DAMAGED) from error


def dump(value: Any) -> bytes:
    """`value` as the bytes of a safetensors file with its structure in the head.

    Raises:
        TypeError: it is not made of None, numbers, strings, bytes, tensors and arrays in tuples, lists and
            dicts with strings for keys.
    """
    tensors: dict[str, Any] = {}
    metadata = {"hinode": json.dumps(_flatten(value, tensors))}
    if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        return save_arrays(tensors, {**metadata, "arrays": "only"})
    import torch
    from safetensors.torch import save as save_tensors

    return save_tensors({name: torch.as_tensor(item) for name, item in tensors.items()}, metadata)


def load(body: bytes, device: Any = "cpu") -> Any:
    """What `dump` was given. Tensors that were not on the CPU go to `device`; those that were stay there.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        length = int.from_bytes(body[:8], "little")
        metadata = json.loads(body[8 : 8 + length])["__metadata__"]
        structure = json.loads(metadata["hinode"])
        if "arrays" in metadata:
            return _rebuild(structure, load_arrays(body), device)
        from safetensors.torch import load as load_tensors

        return _rebuild(structure, load_tensors(body), device)
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError("the bytes are damaged") from error


def dumpable(value: Any) -> bool:
    """Whether `dump` accepts it."""
    if isinstance(value, list | tuple):
        return all(dumpable(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and dumpable(item) for key, item in value.items())
    return isinstance(value, (*_SCALARS, bytes, np.ndarray, np.generic)) or _is_tensor(value)


def _is_tensor(value: Any) -> bool:
    # Torch takes seconds to import, and where it is not imported nothing is a tensor of it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _flatten(value: Any, tensors: dict[str, Any]) -> Any:
    """The structure of a value in JSON values; its arrays and tensors go into `tensors`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, bytes):
        return {"bytes": _add(tensors, np.frombuffer(bytearray(value), np.uint8))}
    if isinstance(value, np.ndarray):
        return {"array": _add(tensors, np.ascontiguousarray(value))}
    if _is_tensor(value):
        kind = "tensor" if value.device.type == "cpu" else "away"
        # A copy: safetensors refuses two tensors that share their storage.
        return {kind: _add(tensors, value.detach().to("cpu", copy=True).contiguous())}
    if isinstance(value, list | tuple):
        items = [_flatten(item, tensors) for item in value]
        return {"list" if isinstance(value, list) else "tuple": items}
    if isinstance(value, dict):
        return {"dict": {str(key): _flatten(item, tensors) for key, item in value.items()}}
    raise TypeError(f"a {type(value).__name__} cannot be saved")


def _add(tensors: dict[str, Any], tensor: Any) -> str:
    name = str(len(tensors))
    tensors[name] = tensor
    return name


def _rebuild(value: Any, tensors: Mapping[str, Any], device: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "away":
            return tensors[content].to(device)
        case "array":
            return np.asarray(tensors[content])
        case "bytes":
            return np.asarray(tensors[content]).tobytes()
        case "list":
            return [_rebuild(item, tensors, device) for item in content]
        case "tuple":
            return tuple(_rebuild(item, tensors, device) for item in content)
        case "dict":
            return {key: _rebuild(item, tensors, device) for key, item in content.items()}
    raise ValueError(f"there is no {kind}")
