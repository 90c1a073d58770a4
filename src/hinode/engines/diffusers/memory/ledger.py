"""Where the weights of a model are: on the accelerator, or in the memory of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Ledger:
    """Bytes of weights by part.

    Attributes:
        device: on the device that the model computes on, which may be the processor.
        host: in the memory of the machine, if that is another one.
    """

    device: Mapping[str, int]
    host: Mapping[str, int]

    @classmethod
    def of(cls, parts: Mapping[str, Any], device: torch.device) -> Ledger:
        """Count each weight where it is; a part that was moved halfway is on both sides."""
        counts: tuple[dict[str, int], dict[str, int]] = {}, {}
        for name, part in parts.items():
            for tensor in _tensors(part):
                side = counts[0] if tensor.device.type == device.type else counts[1]
                side[name] = side.get(name, 0) + byte_count(tensor)
        return cls(*counts)


def byte_count(tensor: Tensor) -> int:
    """Bytes of a weight. A quantised one reports the type that it stands for, and holds others."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        return sum(byte_count(getattr(tensor, name)) for name in names)
    return tensor.nbytes


def _tensors(part: Any) -> Iterator[Tensor]:
    if isinstance(part, nn.Module):
        yield from part.parameters()
        yield from part.buffers()
