"""Training by several processes, as `torchrun` starts them: each takes its share of every batch, and the sum
of their gradients is what one process would have computed from all of it."""

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
from hinode.training.data import Script
from hinode.training.recipes import Recipe


@dataclass(frozen=True)
class Team:
    """The processes of a run; the first one reads, writes and decides.

    Attributes:
        rank: which of them this one is, from 0.
        size: how many they are.
        sharded: whether each keeps only its part of the weights and of all that goes with them, see
            `sharding`; otherwise each keeps everything.
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process is the one that reads and writes."""
        return self.rank == 0

    @property
    def mine(self) -> slice:
        """The clips of a batch that this process takes."""
        return slice(self.rank, None, self.size)

    def check(self, recipe: Recipe) -> None:
        """BadInput if some batch of the recipe has fewer clips than there are processes."""
        buckets = [bucket for stage in recipe.stages for bucket, _ in stage.mix]
        least = min(bucket.batch for bucket in (*buckets, recipe.validation))
        if least < self.size:
            raise BadInput(
                f"{self.size} processes cannot share batches of {least} clips, "
                f"the smallest of recipe {recipe.name}",
                f"start {least} or fewer",
                field="nproc-per-node",
            )

    def share(self, script: Script) -> Script:
        """This process's part of a batch."""
        if self.size == 1:
            return script
        return dataclasses.replace(
            script, scenes=script.scenes[self.mine], ids=script.ids[self.mine], told=script.told[self.mine]
        )

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Make the gradients of all processes one, in a single exchange; those of shards are already."""
        if self.size == 1 or self.sharded:
            return
        gradients = [one.grad for one in parameters if one.grad is not None]
        together = self.add(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(together, [gradient.numel() for gradient in gradients])
        torch._foreach_copy_(
            gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
        )

    def agreed(self, elapsed: float, stop: bool) -> tuple[float, bool]:
        """The first process's clock, and whether any process was told to stop."""
        if self.size == 1:
            return elapsed, stop
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        said = torch.tensor((elapsed if self.leads else 0.0, stop), dtype=torch.float64, device=device)
        clock, stops = self.add(said).tolist()
        return clock, stops > 0

    def read(self, path: Path) -> dict[str, Any] | None:
        """The state in a file that only the first process needs to see; None if there is no such file.

        The tensors come to the others when they are asked for, one by one: see `receive`.
        """
        state = torch.load(path, map_location="cpu", weights_only=True) if self._has(path) else None
        if self.size == 1:
            return state
        told = [_outline(state)]
        dist.broadcast_object_list(told)
        return state if self.leads else told[0]

    def _has(self, path: Path) -> bool:
        return self.leads and path.is_file()

    def receive(self, tensor: Tensor, like: Tensor) -> Tensor:
        """What the first process has read, cut as `like` is where that is cut. All processes must ask for the
        same tensors in the same order."""
        if self.size == 1:
            return tensor
        tensor = tensor.to(like.device) if self.leads else torch.empty_like(tensor, device=like.device)
        if isinstance(like, DTensor) and tensor.shape == like.shape:
            return distribute_tensor(tensor, like.device_mesh, like.placements)
        dist.broadcast(tensor, 0)
        return tensor


def _outline(state: Any) -> Any:
    """A state without the values of its tensors."""
    if isinstance(state, dict):
        return {name: _outline(part) for name, part in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(_outline(part) for part in state)
    return state.to("meta") if isinstance(state, Tensor) else state


@contextmanager
def joined(device: torch.device, *, shard: bool = False) -> Iterator[Team]:
    """The team that the environment says this process belongs to; alone without `torchrun`.

    Raises:
        BadInput: a single process is asked to share its weights out, or there are more processes than GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        if shard:
            raise BadInput(
                "--shard shares the weights out among several processes, and there is one",
                "start several with torchrun --nproc-per-node N, or leave --shard out",
                field="shard",
            )
        yield Team()
        return
    if device.type == "cuda":
        place, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= gpus:
            raise BadInput(
                f"This machine has {gpus} GPUs for {os.environ['LOCAL_WORLD_SIZE']} processes",
                f"start {gpus} or fewer on it",
                field="nproc-per-node",
            )
        torch.cuda.set_device(place)  # each its own
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size, shard)
    finally:
        dist.destroy_process_group()
