"""Training by several processes, as `torchrun` starts them: each takes its share of every batch, and the sum
of their gradients is what a single process would compute from the whole batch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from hinode.errors import BadInput
from hinode.training.data import Batch
from hinode.training.distributed.sharding import map_tensors
from hinode.training.recipes import Recipe


@dataclass(frozen=True)
class Team:
    """The processes of a run. The main one reads, writes and decides."""

    rank: int = 0  # of this process; 0 is the main one
    size: int = 1
    sharded: bool = False  # whether each keeps only its part of the weights, see `sharding`

    @property
    def is_main(self) -> bool:
        """Whether this process is the main one."""
        return self.rank == 0

    @property
    def share_slice(self) -> slice:
        """The clips of a batch that this process takes."""
        return slice(self.rank, None, self.size)

    def check(self, recipe: Recipe) -> None:
        """BadInput if some batch of the recipe has fewer clips than there are processes."""
        buckets = [bucket for stage in recipe.stages for bucket, _ in stage.mix]
        smallest = min(bucket.batch_size for bucket in (*buckets, recipe.validation))
        if smallest < self.size:
            batches = f"batches of {smallest} clips, the smallest of recipe {recipe.name}"
            message = f"{self.size} processes cannot share {batches}"
            raise BadInput(message, f"start {smallest} or fewer", field="nproc-per-node")

    def share(self, batch: Batch) -> Batch:
        """This process's part of a batch."""
        if self.size == 1:
            return batch
        fields = {name: getattr(batch, name)[self.share_slice] for name in ("scenes", "ids", "camera_hints")}
        return dataclasses.replace(batch, **fields)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of all processes, in a single exchange; those of shards are already sums."""
        if self.size == 1 or self.sharded:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        total = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(total, [gradient.numel() for gradient in gradients])
        sums = [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
        torch._foreach_copy_(gradients, sums)

    def agree(self, elapsed: float, stop: bool) -> tuple[float, bool]:
        """The main process's clock, and whether any process has to stop."""
        if self.size == 1:
            return elapsed, stop
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        values = torch.tensor((elapsed if self.is_main else 0.0, stop), dtype=torch.float64, device=device)
        clock, stops = self.sum(values).tolist()
        return clock, stops > 0

    def load(self, path: Path) -> dict[str, Any] | None:
        """The state in a file that only the main process needs to see; None if there is no such file. The
        other processes get its tensors one by one, by `receive`."""
        present = self.is_main and path.is_file()
        state = torch.load(path, map_location="cpu", weights_only=True) if present else None
        if self.size == 1:
            return state
        # The state without the values of its tensors.
        outline = [map_tensors(state, lambda tensor: tensor.to("meta"))]
        dist.broadcast_object_list(outline)
        return state if self.is_main else outline[0]

    def receive(self, tensor: Tensor, like: Tensor) -> Tensor:
        """A tensor that the main process has loaded, sharded as `like` is. All processes must call it for the
        same tensors in the same order."""
        if self.size == 1:
            return tensor
        tensor = tensor.to(like.device) if self.is_main else torch.empty_like(tensor, device=like.device)
        if isinstance(like, DTensor) and tensor.shape == like.shape:
            return distribute_tensor(tensor, like.device_mesh, like.placements)
        dist.broadcast(tensor, 0)
        return tensor


@contextmanager
def join_team(device: torch.device, *, shard: bool = False) -> Iterator[Team]:
    """The team that the environment says this process belongs to; a team of one without `torchrun`. BadInput
    for a single process that has to shard, and for more processes than GPUs."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        if shard:
            message = "--shard divides the weights among several processes, and there is one"
            remedy = "start several with torchrun --nproc-per-node N, or leave --shard out"
            raise BadInput(message, remedy, field="shard")
        yield Team()
        return
    if device.type == "cuda":
        rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if rank >= gpus:
            message = f"this machine has {gpus} GPUs for {os.environ['LOCAL_WORLD_SIZE']} processes"
            raise BadInput(message, f"start {gpus} or fewer on it", field="nproc-per-node")
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size, shard)
    finally:
        dist.destroy_process_group()
