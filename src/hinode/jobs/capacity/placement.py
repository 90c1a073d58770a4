"""How many workers of a class fit on the nodes of a cluster: a pure function of what the nodes have.

A share of a GPU is a share of one device: 0.6 of a GPU and another 0.6 do not fit on one, however much two of
them have in sum. Nor do workers whose memory does not fit on the same device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EPSILON = 1e-6


@dataclass(frozen=True)
class Need:
    """What a worker claims as long as it lives.

    Attributes:
        cpus: processors, more than 0, so that a node with a worker is never idle.
        gpus: a whole number of them, or a share of one.
        memory: bytes of the machine.
        gpu_memory: bytes on each GPU; 0 if that is not known.
        labels: of the node, such as {"ray.io/accelerator-type": "H100"}.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    gpu_memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, without what is in use; `gpu_memory` is None if it is not known."""

    id: str
    cpus: float
    gpus: float = 0.0
    memory: float = 0.0
    gpu_memory: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


def room(need: Need, node: Node) -> int:
    """How many workers fit on a node on which nothing else runs."""
    if any(node.labels.get(name) != value for name, value in need.labels.items()):
        return 0
    counts = [node.cpus / need.cpus if need.cpus else math.inf]
    if need.memory:
        counts.append(node.memory / need.memory)
    if need.gpus >= 1:
        counts.append(node.gpus / need.gpus)
    elif need.gpus > 0:
        counts.append(math.floor(node.gpus + EPSILON) * math.floor(1 / need.gpus + EPSILON))
    if need.gpus and need.gpu_memory and node.gpu_memory is not None:
        together = node.gpu_memory // need.gpu_memory
        devices = math.floor(node.gpus + EPSILON)
        counts.append(devices * together if need.gpus < 1 else math.inf if together else 0)
    smallest = min(counts)
    return 0 if smallest is math.inf else math.floor(smallest + EPSILON)


def obstacle(need: Need, nodes: Sequence[Node]) -> str | None:
    """Why a worker can never be placed, as part of a sentence; None if it can, or if there is no node yet."""
    if not nodes or any(room(need, node) for node in nodes):
        return None
    labelled = [
        node for node in nodes if all(node.labels.get(key) == need.labels[key] for key in need.labels)
    ]
    if not labelled:
        labels = ", ".join(f"{name}={value}" for name, value in need.labels.items())
        return f"no node has the labels {labels}"
    for name, wanted_amount, most in (
        ("CPUs", need.cpus, max(node.cpus for node in labelled)),
        ("GPUs", need.gpus, max(node.gpus for node in labelled)),
        ("GB of memory", need.memory / 1e9, max(node.memory for node in labelled) / 1e9),
        ("GB of GPU memory", need.gpu_memory / 1e9, max(node.gpu_memory or 0 for node in labelled) / 1e9),
    ):
        if wanted_amount > most + EPSILON:
            return f"a worker claims {wanted_amount:g} {name}, and the largest node has {most:g}"
    return "no node has all that a worker claims"
