"""Training a network that is too large for one process: weights, gradients, average and optimiser state are
divided by rows, and each process keeps its rows (FSDP2, `torch.distributed.fsdp.fully_shard`).

A block is gathered just before it is used and freed after, so a process holds its share of everything, one
whole block, and the few layers outside the blocks. A divided tensor is a `DTensor`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from hinode.model.dit import Block, DiT
from hinode.model.text import TextBlock
from hinode.training.muon import Muon, Shapes, orthogonalize


def shard(model: DiT, device: torch.device, *, trains: bool) -> DiT:
    """Divide a network among all processes, block by block, in place; every process must hold the same
    weights.

    `trains`: whether gradients are computed; then what is outside the blocks stays whole from its first use
    in a step until its gradients are known.
    """
    # Torch warns of in-place changes to what a block returns; there are none.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for module in model.modules():
        if isinstance(module, (Block, TextBlock)):
            fully_shard(module, mesh=mesh)
        if isinstance(module, Block):
            register_fsdp_forward_method(module, "text_prefix")
    whole = fully_shard(model, mesh=mesh, reshard_after_forward=not trains)
    register_fsdp_forward_method(model, "encode_text")
    # Sums of gradients, not means; in the one way that all backends know.
    whole.set_force_sum_reduction_for_comms(True)
    whole.set_gradient_divide_factor(1.0)
    return model


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process keeps, in the same memory; all of one that is not divided."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gather_state(tree: Any, *, keep: bool) -> Any:
    """A state with every tensor whole, in main memory. All processes must call it; those that do not `keep`
    the result hold one tensor at a time."""

    def gather(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, DTensor):
            return tensor
        whole: Tensor = tensor.full_tensor()
        return whole.cpu() if keep else whole.new_empty(0)

    return map_tensors(tree, gather)


def map_tensors(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A state with every tensor changed."""
    if isinstance(tree, dict):
        return {name: map_tensors(part, change) for name, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map_tensors(part, change) for part in tree)
    return change(tree) if isinstance(tree, Tensor) else tree


def rows(count: int, processes: int) -> list[int]:
    """How many of `count` rows each process keeps, as FSDP2 divides them: equal parts, the last ones
    shorter."""
    part = math.ceil(count / processes)
    return [max(0, min(part, count - rank * part)) for rank in range(processes)]


def owners(shapes: Shapes, processes: int) -> list[int]:
    """Which process orthogonalizes each matrix: the costly ones first, each by the least busy process."""
    work, result = [0] * processes, [0] * len(shapes)
    cost = [min(shape) * math.prod(shape) for shape in shapes]
    for number in sorted(range(len(shapes)), key=lambda number: -cost[number]):
        result[number] = work.index(min(work))
        work[result[number]] += cost[number]
    return result


class ShardedMuon(Muon):
    """Muon for matrices that are divided by rows, with the momentum divided likewise.

    Some rows of a matrix are not enough to orthogonalize it. So each matrix has an owner: one exchange brings
    the rows of every matrix to its owner, which orthogonalizes it, and a second one sends the rows back. Both
    are in the number type that Muon computes in anyway: the result is that of whole matrices, and the work is
    shared as well. All processes must take a step together.
    """

    def local_part(self, matrix: Tensor) -> Tensor:
        return local(matrix)

    def orthogonalize_all(self, parts: list[Tensor], shapes: Shapes, group: dict[str, Any]) -> list[Tensor]:
        rank, size = dist.get_rank(), dist.get_world_size()
        owner, heights = owners(shapes, size), [rows(shape[0], size) for shape in shapes]
        order = sorted(range(len(parts)), key=lambda number: owner[number])
        mine = [number for number in order if owner[number] == rank]
        send_sizes = [sum(parts[n].numel() for n in order if owner[n] == other) for other in range(size)]
        piece_sizes = [[heights[n][other] * shapes[n][1] for n in mine] for other in range(size)]
        receive_sizes = [sum(sizes) for sizes in piece_sizes]

        buffer = torch.cat([parts[n].flatten().to(self.dtype) for n in order])
        received = buffer.new_empty(sum(receive_sizes))
        dist.all_to_all_single(received, buffer, receive_sizes, send_sizes)
        pieces = [  # of each process, one for each of my matrices
            torch.split(part, sizes)
            for part, sizes in zip(torch.split(received, receive_sizes), piece_sizes, strict=True)
        ]
        results = [
            orthogonalize(torch.cat([piece[place] for piece in pieces]).view(shapes[n]), group)
            for place, n in enumerate(mine)
        ]
        back = [
            torch.split(matrix, heights[n])[other].flatten()
            for other in range(size)
            for n, matrix in zip(mine, results, strict=True)
        ]
        dist.all_to_all_single(buffer, torch.cat([*back, buffer[:0]]), send_sizes, receive_sizes)
        updates = dict(zip(order, torch.split(buffer, [parts[n].numel() for n in order]), strict=True))
        return [updates[number].view_as(part) for number, part in enumerate(parts)]
