"""Training a network that is too large for one process: weights, gradients, average and optimiser state are
cut by rows, and each process keeps its rows (FSDP2, `torch.distributed.fsdp.fully_shard`).

A block is put together just before it is used and taken apart after, so a process holds its share of
everything, one whole block, and the few layers outside the blocks. What is cut is a `DTensor`; `local` is the
part of it that is here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from hinode.model.dit import Block, DiT
from hinode.model.text import TextBlock
from hinode.training.muon import Muon, orthogonal


def shard(model: DiT, device: torch.device, *, learns: bool) -> DiT:
    """Cut a network over all processes, block by block, in place; every process must hold the same weights.

    learns: whether gradients will be asked for; then what is outside the blocks stays whole from the first
    use of a step until its gradients are known.
    """
    # It tells what becomes of in-place changes to what a block returns; there are none.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for module in model.modules():
        if isinstance(module, (Block, TextBlock)):
            fully_shard(module, mesh=mesh)
        if isinstance(module, Block):
            register_fsdp_forward_method(module, "text_prefix")
    whole = fully_shard(model, mesh=mesh, reshard_after_forward=not learns)
    register_fsdp_forward_method(model, "encode_text")
    # Sums of gradients, not means; in the one way that all backends know.
    whole.set_force_sum_reduction_for_comms(True)
    whole.set_gradient_divide_factor(1.0)
    return model


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process keeps; all of one that is not cut. It shares the memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def put_together(tree: Any, *, keep: bool) -> Any:
    """A state with every tensor whole, in main memory. All processes must call it; those that do not `keep`
    what they get hold one tensor at a time."""
    if isinstance(tree, dict):
        return {name: put_together(part, keep=keep) for name, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(put_together(part, keep=keep) for part in tree)
    if isinstance(tree, DTensor):
        whole = tree.full_tensor()
        return whole.cpu() if keep else whole.new_empty(0)
    return tree


def rows(count: int, processes: int) -> list[int]:
    """How many of `count` rows each process keeps, as FSDP2 cuts them: equal parts, the last ones shorter."""
    part = math.ceil(count / processes)
    return [max(0, min(part, count - rank * part)) for rank in range(processes)]


def owners(shapes: Sequence[tuple[int, int]], processes: int) -> list[int]:
    """Which process makes each matrix orthogonal: the costly ones first, each to the least busy."""
    work, chosen = [0] * processes, [0] * len(shapes)
    cost = [min(shape) * math.prod(shape) for shape in shapes]
    for number in sorted(range(len(shapes)), key=lambda number: -cost[number]):
        chosen[number] = work.index(min(work))
        work[chosen[number]] += cost[number]
    return chosen


class ShardedMuon(Muon):
    """Muon for matrices that are cut by rows, with the momentum cut likewise.

    An orthogonal matrix cannot be found from some of its rows. So each matrix has an owner: one exchange
    brings the rows of every matrix to its owner, which makes it orthogonal alone, and a second one sends the
    rows back. Both are in the number type that Muon computes in anyway: the result is that of whole matrices,
    and the work is shared as well. All processes must take a step together.
    """

    def here(self, matrix: Tensor) -> Tensor:
        return local(matrix)

    def made_orthogonal(
        self, parts: list[Tensor], shapes: list[tuple[int, int]], group: dict[str, Any]
    ) -> list[Tensor]:
        rank, size = dist.get_rank(), dist.get_world_size()
        owner, held = owners(shapes, size), [rows(shape[0], size) for shape in shapes]
        order = sorted(range(len(parts)), key=lambda number: owner[number])
        mine = [number for number in order if owner[number] == rank]
        out = [sum(parts[n].numel() for n in order if owner[n] == other) for other in range(size)]
        in_each = [[held[n][other] * shapes[n][1] for n in mine] for other in range(size)]
        come = [sum(sizes) for sizes in in_each]

        sent = torch.cat([parts[n].flatten().to(self.dtype) for n in order])
        arrived = sent.new_empty(sum(come))
        dist.all_to_all_single(arrived, sent, come, out)
        pieces = [  # of each process, one for each of my matrices
            torch.split(here, sizes) for here, sizes in zip(torch.split(arrived, come), in_each, strict=True)
        ]
        settings = group["ns_coefficients"], group["ns_steps"], group["eps"]
        done = [
            orthogonal(torch.cat([piece[place] for piece in pieces]).view(shapes[n]), *settings)
            for place, n in enumerate(mine)
        ]
        back = [
            torch.split(matrix, held[n])[other].flatten()
            for other in range(size)
            for n, matrix in zip(mine, done, strict=True)
        ]
        dist.all_to_all_single(sent, torch.cat([*back, sent[:0]]), out, come)
        found = dict(zip(order, torch.split(sent, [parts[n].numel() for n in order]), strict=True))
        return [found[number].view_as(part) for number, part in enumerate(parts)]
