"""Training by several processes, as `torchrun` starts them: each takes its share of every batch, and the sum
of their gradients is what one process would have computed from all of it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hinode.errors import BadInput
from hinode.training.data import Script


@dataclass(frozen=True)
class Team:
    """The processes of a run; the first one writes and decides.

    Attributes:
        rank: which of them this one is, from 0.
        size: how many they are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def mine(self) -> slice:
        """The clips of a batch that this process takes."""
        return slice(self.rank, None, self.size)

    def share(self, script: Script) -> Script:
        """This process's part of a batch.

        Raises:
            BadInput: there are more processes than clips in the batch.
        """
        if self.size == 1:
            return script
        if len(script.scenes) < self.size:
            raise BadInput(
                f"{self.size} processes cannot share batches of {len(script.scenes)} clips",
                "start fewer",
                field="nproc-per-node",
            )
        return dataclasses.replace(
            script, scenes=script.scenes[self.mine], ids=script.ids[self.mine], told=script.told[self.mine]
        )

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Make the gradients of all processes one, in a single exchange."""
        if self.size == 1:
            return
        gradients = [one.grad for one in parameters if one.grad is not None]
        together = self.add(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(together, [gradient.numel() for gradient in gradients])
        torch._foreach_copy_(
            gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
        )

    def agreed(self, *values: float) -> list[float]:
        """What the first process says."""
        if self.size == 1:
            return list(values)
        said = torch.tensor(values, dtype=torch.float64)
        said = said.cuda() if dist.get_backend() == "nccl" else said
        dist.broadcast(said, 0)
        return [float(value) for value in said.tolist()]


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team that the environment says this process belongs to; alone without `torchrun`."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # each its own
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
